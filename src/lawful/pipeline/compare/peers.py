"""Peers from PyPI, as rows of a comparison: they are optional, and know nothing of our formats."""

import contextlib
import importlib.util
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies import Strategy
from lawful.core.strategies.base import Guarantee
from lawful.domains import InputError

SHIELD, TABLE = "pishield", "sdv-copula"
PEERS = {SHIELD: "pishield", TABLE: "sdv"}
"""Names of rows, and the packages that they need."""


def require_peer(name: str) -> None:
    """Raise InputError when the package of a peer is not installed."""
    if importlib.util.find_spec(PEERS[name]) is None:
        raise InputError(f'{name}: needs the package {PEERS[name]}; pip install "lawful[peers]"')


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


def table_samples(train: np.ndarray, names: tuple[str, ...], size: int, seed: int) -> np.ndarray:
    """Rows (size, variable) of SDV's Gaussian copula fitted to training rows (row, variable)."""
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer

    np.random.seed(seed)  # noqa: NPY002 (SDV draws from numpy's global generator)
    frame = pd.DataFrame(train, columns=list(names))
    columns = {name: {"sdtype": "numerical"} for name in names}
    metadata = Metadata.load_from_dict({"tables": {"events": {"columns": columns}}})
    with contextlib.redirect_stdout(io.StringIO()):
        maker = GaussianCopulaSynthesizer(metadata, enforce_rounding=False)
        maker.fit({"events": frame})
        drawn = maker.sample(size)
    # One table of its own goes in by name, and comes out bare or by name.
    table = drawn["events"] if isinstance(drawn, dict) else drawn
    return table[list(names)].to_numpy(dtype=np.float64)
