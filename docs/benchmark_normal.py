"""Times and residuals of the constrained normal and of projections beside rivals, for docs/benchmarks.md.

python docs/benchmark_normal.py
"""

import time

import torch
from normal_rivals import PACKAGES, Case, Step, closed_form, installed, kkt
from timing import machine, medians, table, write_section
from torch import Tensor

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.linear.gram import lower_gram

SIZES = (16, 128, 1024)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def main() -> None:
    parts = [shared(), per_sample(), gram_rate(), solvers(), decades()]
    intro = f"`python docs/benchmark_normal.py`, batches of 1024, n / 8 dense laws. {machine()}."
    write_section("normal", "\n\n".join([intro, *parts]))


def projection(case: Case) -> Step:
    """lawful's projection: the laws factorised before, every point judged."""
    system, x = LinearSystem(case.A, case.b), case.x.clone().requires_grad_()
    metric = system.unweighted

    def step() -> tuple[Tensor, ...]:
        z = system.project_with(metric, x)
        return z.detach(), *torch.autograd.grad(z, x, case.gradient)

    return step


def draw(case: Case, scale: Tensor) -> Step:
    """lawful's constrained normal, a new distribution a step."""
    system = LinearSystem(case.A, case.b)
    loc, scale = case.x.clone().requires_grad_(), scale.clone().requires_grad_()

    def step() -> tuple[Tensor, ...]:
        z = ConstrainedNormal(loc, scale, system, validate_args=False).rsample()
        return z.detach(), *torch.autograd.grad(z, (loc, scale), case.gradient)

    return step


def ulps(case: Case, z: Tensor) -> str:
    return f"{float(LinearSystem(case.A, case.b).ulps(z).max()):.2g}"


def shared() -> str:
    rows = []
    for n in SIZES:
        for name, dtype in DTYPES.items():
            case = Case.random(n, dtype)
            steps = {"kkt": kkt(case), "lawful": projection(case)}
            if installed("PiNet"):
                steps["PiNet"] = PACKAGES["PiNet"][0](case)
            rows.append([f"{n}, {name}", *_beside(case, steps, "kkt", ("kkt", "lawful", "PiNet"))])
    head = ["n, type", "KKT ms", "ulps", "lawful ms", "ulps", "ratio", "PiNet ms", "ulps", "ratio"]
    return "**Projection, laws and metric shared, forward and backward.**\n\n" + table(head, rows)


def per_sample() -> str:
    rows = []
    for n in SIZES:
        for name, dtype in DTYPES.items():
            case = Case.random(n, dtype)
            scale = 0.5 + torch.rand(case.x.shape, generator=torch.Generator().manual_seed(0)).to(dtype)
            steps = {"closed form": closed_form(case, scale), "lawful": draw(case, scale)}
            rows.append([f"{n}, {name}", *_beside(case, steps, "closed form", ("closed form", "lawful"))])
    head = ["n, type", "closed form ms", "ulps", "lawful ms", "ulps", "ratio"]
    title = "**Draws with standard deviations per sample (0.5 to 1.5), forward and backward, by mean and scale.**\n\n"
    return title + table(head, rows)


def _beside(case: Case, steps: dict[str, Step], first: str, order: tuple[str, ...]) -> list[str]:
    """Milliseconds, worst ulps and, but for the first, the ratio to it."""
    times = medians(steps, rounds=5 if case.x.shape[1] > 500 else 15)
    cells = []
    for name in order:
        if name not in steps:
            cells += ["not installed", "–", "–"]
            continue
        cells += [f"{1e3 * times[name]:.3g}", ulps(case, steps[name]()[0])]
        cells += [] if name == first else [f"{times[name] / times[first]:.2f}"]
    return cells


def gram_rate() -> str:
    rows = []
    for name, dtype in DTYPES.items():
        case = Case.random(1024, dtype)
        m, n = case.A.shape
        v, other = torch.rand(1024, n, dtype=dtype), torch.rand(n, m * (m + 1) // 2, dtype=dtype)
        times = medians({"gram": lambda v=v, A=case.A: lower_gram(A, v), "gemm": lambda v=v, P=other: v @ P}, rounds=5)
        gram, gemm = (1024 * n * m * (m + 1) / times[key] / 1e9 for key in ("gram", "gemm"))
        rows.append([name, f"{gram:.3g}", f"{gemm:.3g}", f"{gram / gemm:.0%}"])
    head = ["type", "Gram GFLOP/s", "GEMM GFLOP/s", "share"]
    title = "**Gram matrices of 1024 samples, n = 1024, beside one matrix product of as many operations.**\n\n"
    return title + table(head, rows)


def solvers() -> str:
    """Once each: they take seconds."""
    case = Case.random(128, torch.float64)
    ours = projection(case)
    base = medians({"lawful": ours})["lawful"]
    rows = [["lawful", f"{1e3 * base:.3g}", "1", f"{_residual(case, ours()[0]):.1e}"]]
    for name in ("cvxpylayers", "qpth"):
        if not installed(name):
            rows.append([name, "not installed", "–", "–"])
            continue
        step = PACKAGES[name][0](case)
        start = time.process_time()
        z = step()[0]
        spent = time.process_time() - start
        rows.append([name, f"{1e3 * spent:.0f}", f"{spent / base:.0f}", f"{_residual(case, z):.1e}"])
    title = "**Optimisation layers, n = 128, float64, forward and backward.**\n\n"
    return title + table(["layer", "ms", "times lawful", "largest residual"], rows)


def _residual(case: Case, z: Tensor) -> float:
    return float(LinearSystem(case.A, case.b).residual(z).abs().max())


def decades() -> str:
    """Errors of float32 draws whose variances span ten decades, against the closed form in float64."""
    case = Case.random(128, torch.float32)
    generator = torch.Generator().manual_seed(1)
    scale = 10.0 ** (5 * torch.rand(case.x.shape, generator=generator) - 2.5)
    noise = case.x + scale * torch.randn(case.x.shape, generator=generator)
    exact = _closed(noise.double(), scale.double(), case.A.double(), case.b.double())
    system = LinearSystem(case.A, case.b)
    ours = system.project_with(system.metric(scale), noise)
    rows = [
        [name, *_errors(case, z, exact)]
        for name, z in (("closed form", _closed(noise, scale, case.A, case.b)), ("lawful", ours))
    ]
    title = (
        "**Float32 draws, variances over ten decades, n = 128: errors relative to the largest entry of a sample.**\n\n"
    )
    return title + table(["", "of the sample", "of the laws", "ulps"], rows)


def _closed(x: Tensor, scale: Tensor, A: Tensor, b: Tensor) -> Tensor:
    v = scale.square()
    return x - v * (torch.linalg.solve((A * v.unsqueeze(1)) @ A.T, x @ A.T - b) @ A)


def _errors(case: Case, z: Tensor, exact: Tensor) -> list[str]:
    size = exact.abs().amax(-1, keepdim=True)
    residual = LinearSystem(case.A, case.b).residual(z)
    return [
        f"{float(((z - exact) / size).abs().max()):.1e}",
        f"{float((residual / size).abs().max()):.1e}",
        ulps(case, z),
    ]


if __name__ == "__main__":
    main()
