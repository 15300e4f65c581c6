"""PiShield's constraint layer as a strategy."""

import contextlib
import io
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies import Strategy
from lawful.core.strategies.base import Guarantee
from lawful.pipeline.compare.peers import SHIELD


class Shield(Strategy):
    """The layer of PiShield (Stoian and Giunchiglia, arXiv:2402.04823) in the place of `sequential`.

    It takes an equality as two inequalities, in single precision, and promises what it does within 1e-2.
    """

    name = SHIELD

    def __init__(self, polyhedron: Polyhedron, order: list[int]):
        super().__init__(polyhedron)
        from pishield.shield_layer import build_shield_layer

        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "requirements.txt"
            path.write_text(requirements(polyhedron, order))
            self._layer = build_shield_layer(polyhedron.n, str(path))

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee()

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        return self._layer(self._prepared(y).float().clone()).to(y.dtype)


def requirements(polyhedron: Polyhedron, order: list[int]) -> str:
    """A polyhedron in PiShield's own format, all constraints as `>=`."""
    system, bounds, limits = polyhedron.system, polyhedron.bounds, polyhedron.inequalities
    lines = ["ordering " + " ".join(f"y_{i}" for i in order)]
    for row, b in zip(system.A.tolist(), system.b.tolist(), strict=True):
        lines += [_at_least(row, b), _at_least([-a for a in row], -b)]
    lines += [_at_least([-c for c in row], -d) for row, d in zip(limits.C.tolist(), limits.d.tolist(), strict=True)]
    lines += [f"y_{i} >= {low:.17g}" for i, low in enumerate(bounds.lower.tolist()) if low > -torch.inf]
    lines += [f"- y_{i} >= {-high:.17g}" for i, high in enumerate(bounds.upper.tolist()) if high < torch.inf]
    return "\n".join(lines) + "\n"


def _at_least(row: list[float], constant: float) -> str:
    body = " ".join(f"{'-' if a < 0 else '+'} {abs(a):.17g}y_{i}" for i, a in enumerate(row) if a)
    return f"{body.removeprefix('+ ')} >= {constant:.17g}"
