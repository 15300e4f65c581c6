"""Sequential repair beside PiShield, and times of all strategies: `python docs/benchmark_strategies.py`.

PiShield 1.0.0 (`pip install pishield==1.0.0`) is the implementation of the same idea by its authors; without it, its
column says so. Writes a section of docs/benchmarks.md; takes about two minutes.
"""

from __future__ import annotations

import importlib.util
import io
import multiprocessing
import queue
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lawful.core import LinearSystem
from lawful.core.errors import LawfulError
from lawful.core.polyhedra import Bounds, Polyhedron
from lawful.core.strategies import STRATEGIES, Sequential, strategy

PATIENCE = 30
BATCH = 1024
ABSURD = 1e9


@dataclass(frozen=True)
class Case:
    """Laws `A z = b`, all variables at or above `lower`, raw values (B, n), and the order of repair."""

    name: str
    A: np.ndarray
    b: np.ndarray
    lower: float
    raw: Tensor
    order: tuple[int, ...] | None = None

    def polyhedron(self) -> Polyhedron:
        infinite = torch.full((self.A.shape[1],), torch.inf, dtype=torch.float64)
        bounds = Bounds(torch.full_like(infinite, self.lower), infinite)
        return Polyhedron(LinearSystem(self.A, torch.tensor(self.b, dtype=self.raw.dtype)), bounds)


def cases() -> list[Case]:
    rng = np.random.default_rng(0)
    four = np.array([[1] * 8, [2, 1, 0, 3, 0, 1, 1, 0], [0, 1, 2, 0, 1, 1, 0, 3], [1, 0, 1, 1, 0, 0, 4, 1]])

    def raw(n: int, dtype: torch.dtype = torch.float64, size: float = 1.0) -> Tensor:
        return torch.tensor(size * rng.normal(0.2, 0.5, (BATCH, n)), dtype=dtype)

    none, total, two = -np.inf, np.ones((1, 6)), np.array([[2, 1, 0], [1, 0, 3]])
    return [
        Case("`2 y0 + y1 = 4`, `y0 + 3 y2 = 5`", two, np.array([4, 5]), none, raw(3)),
        Case("the same in the order y1, y2, y0", two, np.array([4, 5]), none, raw(3), (1, 2, 0)),
        Case("three coupled equalities", four[:3], four[:3] @ np.full(8, 0.5), none, raw(8)),
        Case("four coupled equalities", four, four @ np.full(8, 0.5), none, raw(8)),
        Case("four coupled equalities, all positive", four, four @ np.full(8, 0.5), 0.0, raw(8)),
        Case("one sum of 1e6, float32", total, np.array([1e6]), none, raw(6, torch.float32, 1e6)),
        Case("sum to one, all positive", total, np.array([1.0]), 0.0, raw(6)),
        Case("sum to minus one, all positive", total, np.array([-1.0]), 0.0, raw(6)),
    ]


def requirements(case: Case) -> str:
    """The case in PiShield's format, in which an equality is two inequalities."""
    lines = ["ordering " + " ".join(f"y_{i}" for i in case.order or range(case.A.shape[1]))]
    for row, b in zip(case.A, case.b, strict=True):
        for sign in (1, -1):
            body = " ".join(f"{'-' if sign * a < 0 else '+'} {abs(a):g}y_{i}" for i, a in enumerate(row) if a)
            lines.append(f"{body.removeprefix('+ ')} >= {sign * b:g}")
    if np.isfinite(case.lower):
        lines += [f"y_{i} >= {case.lower:g}" for i in range(case.A.shape[1])]
    return "\n".join(lines) + "\n"


def pishield_layer(case: Case) -> Callable[[Tensor], Tensor]:
    from pishield.shield_layer import build_shield_layer

    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        path = Path(folder) / "requirements.txt"
        path.write_text(requirements(case))
        return build_shield_layer(case.A.shape[1], str(path))


def pishield(case: Case) -> Tensor:
    torch.set_default_dtype(case.raw.dtype)
    return pishield_layer(case)(case.raw.clone())


def lawful(case: Case) -> Tensor:
    return Sequential(case.polyhedron(), case.order).finish(case.raw)


def _answer(make: Callable[[Case], Tensor], case: Case, answers: multiprocessing.Queue) -> None:
    try:
        answers.put(make(case).detach().numpy())
    except LawfulError as error:
        answers.put(f"refused: {type(error).__name__}")
    except Exception as error:  # Whatever a rival raises is what the table reports of it.
        answers.put(f"fails: {type(error).__name__}")


def answered(make: Callable[[Case], Tensor], case: Case) -> np.ndarray | str:
    """What comes out, in a process of its own that is given `PATIENCE` seconds."""
    answers: multiprocessing.Queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=_answer, args=(make, case, answers))
    process.start()
    try:
        return answers.get(timeout=PATIENCE)
    except queue.Empty:
        return f"not built after {PATIENCE} s"
    finally:
        process.kill()
        process.join()


def judged(case: Case, made: np.ndarray | str) -> str:
    """Largest residual, values out of bounds and exact zeros."""
    if isinstance(made, str):
        return made
    z = torch.tensor(made)
    system = LinearSystem(case.A, torch.tensor(case.b, dtype=z.dtype), check=False)
    found = f"{system.residual(z).abs().max().item():.2g} ({system.ulps(z).max().item():.2g} ulps)"
    if np.abs(made).max() > ABSURD:
        found += f", values of {np.abs(made).max():.1g}"
    if np.isfinite(case.lower):
        outside = (made < case.lower).any(1).mean()
        found += f", {outside:.0%} beyond bounds, {(made == case.lower).mean():.0%} zeros"
    return found


def comparison() -> str:
    from timing import table

    there = importlib.util.find_spec("pishield") is not None
    rows = []
    for case in cases():
        theirs = judged(case, answered(pishield, case)) if there else "not installed"
        rows.append([case.name, judged(case, answered(lawful, case)), theirs])
    return table(["largest residual", "`sequential`", "PiShield 1.0.0"], rows)


def growth() -> str:
    from timing import table

    rng = np.random.default_rng(2)
    rows = []
    Sequential(Polyhedron(LinearSystem([[1.0, 1.0]], [1.0]), Bounds(torch.zeros(2), torch.ones(2))))  # loads solvers
    for m, n, upper in ((1, 23, None), (3, 8, None), (5, 53, None), (3, 8, 2.0), (4, 10, 2.0), (6, 16, 2.0)):
        A = rng.integers(0, 4, (m, n))
        low = torch.zeros(n, dtype=torch.float64)
        bounds = Bounds(low, torch.full_like(low, np.inf if upper is None else upper))
        start = time.process_time()
        try:
            left = str(Sequential(Polyhedron(LinearSystem(A, A @ rng.uniform(0.2, 1.8, n)), bounds)).size)
        except LawfulError:
            left = "refused"
        taken = f"{1e3 * (time.process_time() - start):.0f}"
        rows.append([f"{m} laws, {n} variables, {'positive' if upper is None else 'two-sided'}", left, taken])
    return table(["`sequential`", "most inequalities of a variable", "ms to build"], rows)


def step(apply: Callable[[Tensor], Tensor], y: Tensor) -> Callable[[], object]:
    """One forward and backward pass."""

    def run() -> object:
        leaf = y.clone().requires_grad_()
        return torch.autograd.grad(apply(leaf).square().sum(), leaf)

    return run


def times() -> str:
    from timing import medians, table

    rng = np.random.default_rng(1)
    rows = []
    for n, m in ((6, 1), (16, 1), (16, 2)):
        A = np.concatenate([np.ones((1, n)), rng.integers(0, 3, (m - 1, n))])
        case = Case(f"n = {n}, m = {m}", A, A @ np.full(n, 0.5), 0.0, torch.tensor(rng.normal(0.5, 0.3, (BATCH, n))))
        scale = torch.full((n,), 0.3, dtype=torch.float64)
        steps = {}
        for name in STRATEGIES:
            made = strategy(name, case.polyhedron())
            steps[name] = step(lambda y, made=made, scale=scale: made.apply(y, scale), case.raw)
        if m == 1 and importlib.util.find_spec("pishield"):
            layer = pishield_layer(case)
            steps["PiShield 1.0.0"] = step(lambda y, layer=layer: layer(y.clone()), case.raw.float())
        taken = medians(steps, rounds=7)
        names = (*STRATEGIES, "PiShield 1.0.0")
        rows.append([case.name, *(f"{taken[name] * 1e3:.2g}" if name in taken else "–" for name in names)])
    return table(["ms", *(f"`{name}`" for name in STRATEGIES), "PiShield 1.0.0"], rows)


HEAD = f"""## Strategies

`python docs/benchmark_strategies.py`. What sequential repair makes of {BATCH} raw values: largest residual of a law, in
its units and in ulps of the dtype; samples beyond a bound; values exactly on a bound. PiShield gets each equality as
two inequalities, and {PATIENCE} s.
"""

GROWTH = """
Fourier-Motzkin elimination can grow without limit; up to 2048 inequalities a step are allowed.
"""

BETWEEN = f"""
Forward and backward of {BATCH} samples, float64 (PiShield: float32), milliseconds; a total, and a second law where
m = 2, of positive variables. `projection-after` does nothing in training.
"""


def main() -> None:
    from timing import write_section

    torch.set_num_threads(1)
    write_section("strategies", f"{HEAD}\n{comparison()}\n{GROWTH}\n{growth()}\n{BETWEEN}\n{times()}")


if __name__ == "__main__":
    main()
