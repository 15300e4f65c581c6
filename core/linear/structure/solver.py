"""The parts of a sparse system put together: one solver for each kind of component."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.linear.structure.chain import Band, as_band, from_bands, from_block
from lawful.core.linear.structure.components import Component, components
from lawful.core.linear.structure.device import on_device
from lawful.core.linear.structure.disjoint import Disjoint
from lawful.core.linear.structure.part import Part, Prepared
from lawful.core.linear.structure.segments import Segments
from lawful.core.linear.structure.sparse_factor import Sparse

MOST_DENSE = 1024
"""Laws of a component up to which it may be one dense block."""

_LEAST_BLOCKS = 4
_WIDEST_BAND = 512
"""A component is a band from so many blocks on, of so many laws at most."""

_ORDER = ("disjoint", "repeated", "components", "dense", "banded", "sparse")
"""From the most special kind to the most general."""


def build_parts(A: sparse.csr_matrix, laws: np.ndarray, device: torch.device) -> list[Part]:
    """Solvers for the independent `laws` (k,) of `A` (m, q)."""
    blocks, large = components(A, laws)
    alone = [b.laws[:, 0] for b in blocks if b.laws.shape[1] == 1] + [c.laws for c in large if len(c.laws) == 1]
    parts: list[Part] = [from_block(b, device) for b in blocks if b.laws.shape[1] > 1]
    if alone:
        parts.append(Disjoint.build(A, np.sort(np.concatenate(alone)), device))
    bands: dict[bytes, list[Band]] = defaultdict(list)
    for component in (c for c in large if len(c.laws) > 1):
        band = _band(component)
        if band is None:
            parts.append(Sparse.build(component, device))
        else:
            bands[_signature(band)].append(band)
    return parts + [from_bands(alike, device) for alike in bands.values()]


def _band(part: Component) -> Band | None:
    """A band where it is narrow, one dense block where the component is small; None for neither."""
    band, count = as_band(part), len(part.laws)
    if band.blocks >= _LEAST_BLOCKS and band.size <= _WIDEST_BAND:
        return band
    return Band(part, band.order, count) if count <= MOST_DENSE else None


def _signature(band: Band) -> bytes:
    """Equal for components with the same coefficients in the same order."""
    A = band.part.A
    return b"".join(np.ascontiguousarray(x).tobytes() for x in (A.indptr, A.indices, A.data, band.order))


@dataclass(frozen=True)
class Solver:
    """Parts with disjoint laws and classes; `m` laws and `q` classes in all."""

    m: int
    q: int
    parts: tuple[Part, ...]

    @property
    def structure(self) -> str:
        """The most general kind among the parts; several kinds of small components are "components"."""
        kinds = [p.kind for p in self.parts]
        if not kinds:
            return "disjoint"
        worst = max(kinds, key=_ORDER.index)
        return "components" if worst in ("repeated", "dense") and len(kinds) > 1 else worst

    @cached_property
    def laws(self) -> tuple[Segments, ...]:
        return tuple(Segments(p.laws, self.m) for p in self.parts)

    @cached_property
    def classes(self) -> Segments:
        """Classes of the parts' entries, one part after the other."""
        entries = [p.classes for p in self.parts]
        return Segments(torch.cat(entries) if entries else torch.zeros(0, dtype=torch.long), self.q)

    def prepare(self, weights: Tensor, keep: Tensor) -> "Factored":
        """Factor for weights of classes (..., q) and the laws kept (..., m)."""
        sizes = [len(p.classes) for p in self.parts]
        own = self.classes.take(weights).split(sizes, -1) if sizes else ()
        kept = [laws.take(keep) for laws in self.laws]
        return Factored(self, tuple(p.prepare(w, k) for p, w, k in zip(self.parts, own, kept, strict=True)))

    def to(self, device: torch.device) -> "Solver":
        return on_device(self, device)


@dataclass(frozen=True)
class Factored:
    """All parts with their weights, factorised; see `Prepared`, on all laws and classes."""

    solver: Solver
    parts: tuple[Prepared, ...]

    def solve(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """`A^T K^-1 residual` (..., q) and `K^-1 residual` (..., m)."""
        own = [laws.take(residual) for laws in self.solver.laws]
        pairs = [p.solve(r) for p, r in zip(self.parts, own, strict=True)]
        multipliers = torch.zeros_like(residual)
        for laws, (_, x) in zip(self.solver.laws, pairs, strict=True):
            multipliers = multipliers + laws.sum(x)
        return self._on_classes([p[0] for p in pairs], residual), multipliers

    def _on_classes(self, values: list[Tensor], like: Tensor) -> Tensor:
        if not values:
            return like.new_zeros(*like.shape[:-1], self.solver.q)
        lead = torch.broadcast_shapes(*(v.shape[:-1] for v in values))
        return self.solver.classes.sum(torch.cat([v.expand(*lead, v.shape[-1]) for v in values], -1))

    def leverage(self, weights: Tensor) -> Tensor:
        """(..., q), the diagonal of `A^T K^-1 A W`."""
        return self._on_classes([p.leverage for p in self.parts], weights)

    def log_det(self, weights: Tensor) -> Tensor:
        """(...), `log det K`, batched as the weights (..., q) are."""
        total = weights.new_zeros(weights.shape[:-1])
        for part in self.parts:
            total = total + part.log_det
        return total
