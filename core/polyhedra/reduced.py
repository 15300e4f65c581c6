"""A polyhedron in the coordinates of its own affine hull."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from lawful.core.linear import LinearSystem
from lawful.core.linear.factor import equilibrate
from lawful.core.polyhedra.bounds import Bounds, Inequalities
from lawful.core.polyhedra.laws import coefficients, keep_limits

STILL = 1e-12
"""A row that changes by less, in units of its variables, is still but for rounding."""

_PARALLEL = 1e-10


@dataclass(frozen=True)
class Reduced:
    """`{z = base + moves t : lower <= rows(z) <= upper}` for t in R^D.

    `moves` are orthonormal in `unit`s of the variables: given ones, or those that bring the coefficients of the laws
    near one.

    Rows are the variables that move and the values `C z` of inequalities that are not implied.

    Attributes:
        base: (..., n), a point on the laws; where there is only one right-hand side, inside the polyhedron.
        moves: (n, D).
        rows: (R, D), how each row changes with t. start: (..., R), its value at the base. low, high: (R,).
        variables: (R,) the number of the variable of a row, or n + i for inequality i.
        inequalities: C (k, n). still: d (k,) of those that the laws keep constant and that say something, infinite for
        the others; a right-hand side of its own may break them. unit: (n,).
    """

    base: Tensor
    moves: Tensor
    rows: Tensor
    start: Tensor
    low: Tensor
    high: Tensor
    variables: Tensor
    inequalities: Tensor
    still: Tensor
    unit: Tensor

    @classmethod
    def of(
        cls,
        system: LinearSystem,
        base: Tensor,
        bounds: Bounds,
        inequalities: Inequalities,
        unit: Tensor | None = None,
    ) -> Reduced:
        """The reduced form of laws with one set of coefficients, around a point on them."""
        moves, unit = balanced_moves(system, unit)
        rows = torch.cat([moves, inequalities.C @ moves])
        start = torch.cat([base, base @ inequalities.C.T], -1)
        low = torch.cat([bounds.lower, torch.full_like(inequalities.d, -torch.inf)])
        high = torch.cat([bounds.upper, inequalities.d])
        size = torch.cat([unit, (inequalities.C * unit).norm(dim=1)])
        limited = (low.isfinite() | high.isfinite()) & (rows.norm(dim=1) > STILL * size)
        kept, C = limited.nonzero()[:, 0], inequalities.C
        still = inequalities.d.masked_fill(limited[len(moves) :], torch.inf)
        return cls(base, moves, rows[kept], start[..., kept], low[kept], high[kept], kept, C, still, unit)

    @property
    def dimension(self) -> int:
        """D."""
        return self.moves.shape[1]

    @cached_property
    def limits(self) -> tuple[Tensor, Tensor]:
        """`C` (k, n) and `d` (k,) of the inequalities that have a row."""
        rows = self.variables >= len(self.moves)
        return self.inequalities[self.variables[rows] - len(self.moves)], self.high[rows]

    def keeps_still(self, z: Tensor) -> Tensor:
        """Whether points (..., n) on the laws obey, to 8 ulps, the inequalities that no move changes, (...)."""
        some = self.still.isfinite()
        return keep_limits(self.inequalities[some], self.still[some], z, torch.float64)

    @cached_property
    def columns(self) -> Tensor:
        """`rows` transposed, (D, R)."""
        return self.rows.T.contiguous()

    @cached_property
    def coordinates(self) -> Tensor:
        """`moves` pseudo-inverted in units of the variables, (D, n)."""
        return torch.linalg.pinv(self.moves / self.unit[:, None]) / self.unit

    def merged(self) -> Reduced:
        """The same set, with one row for all that move in proportion; for one base (n,)."""
        if not len(self.rows):
            return self
        size = self.rows.norm(dim=1)
        first, sign = _alike(self.rows / size[:, None])
        ratio = sign * size / size[first]
        ends = torch.stack([(end - self.start) / ratio for end in (self.low, self.high)])
        kept, group = first.unique(return_inverse=True)
        low = torch.full_like(self.low[kept], -torch.inf).scatter_reduce(0, group, ends.amin(0), "amax")
        high = torch.full_like(low, torch.inf).scatter_reduce(0, group, ends.amax(0), "amin")
        start = self.start[kept]
        return replace(
            self, rows=self.rows[kept], start=start, low=start + low, high=start + high, variables=self.variables[kept]
        )

    def around(self, t: Tensor, axes: Tensor) -> Reduced:
        """The same set in coordinates `s` with `t + axes s` in place of t; t (D,) and axes (D, D)."""
        start = self.start + self.rows @ t
        return replace(self, base=self.z(t), moves=self.moves @ axes, rows=self.rows @ axes, start=start)

    def z(self, t: Tensor) -> Tensor:
        """Points (..., n) of coordinates t (..., D)."""
        return self.base + t @ self.moves.T

    def values(self, z: Tensor) -> Tensor:
        """The rows (..., R) of points z (..., n)."""
        return torch.cat([z, z @ self.inequalities.T], -1)[..., self.variables]


def balanced_moves(system: LinearSystem, unit: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A basis (n, D) of the moves of free variables that keep the laws, orthonormal in units of these, and the units.

    `unit` (n,), positive, balances the variables; without, the coefficients of the laws do.
    """
    kept = ~system.redundant_mask
    A = coefficients(system)[kept][:, system.free]
    given = torch.ones(A.shape[1], dtype=A.dtype) if unit is None else unit[system.free]
    row, column = (scale[0] for scale in equilibrate((A * given)[None]))
    column = column if unit is None else given
    unit = torch.ones(system.n, dtype=torch.float64) if unit is None else unit
    unit = unit.masked_scatter(system.free, column)
    moves = torch.zeros(system.n, len(column) - len(A), dtype=torch.float64)
    moves[system.free] = column[:, None] * _null_space(A * row[:, None] * column)
    return moves, unit


def _null_space(A: Tensor) -> Tensor:
    """Orthonormal columns (n, n - m) that rows of A (m, n), independent of each other, take to zero.

    Each of variables that laws tie together, alone: units of others have no say in them.
    """
    label = _tied(A)
    found = torch.zeros(A.shape[1], A.shape[1] - len(A), dtype=torch.float64)
    done = 0
    for k in label.unique():
        columns = (label == k).nonzero()[:, 0]
        rows = (A[:, columns] != 0).any(1)
        right = torch.linalg.svd(A[rows][:, columns])[2][int(rows.sum()) :]
        found[columns, done : done + len(right)] = right.T
        done += len(right)
    return found


def _tied(A: Tensor) -> Tensor:
    """Numbers (n,) that are the same for variables that laws A (m, n) tie together."""
    laws = csr_matrix((A != 0).cpu().numpy().astype(float))
    return torch.from_numpy(connected_components(laws.T @ laws, directed=False)[1]).to(A.device)


def _alike(directions: Tensor) -> tuple[Tensor, Tensor]:
    """For each unit vector (R, D) the first that is the same or opposite, and the sign (R,) between them."""
    cosine = directions @ directions.T
    sign = torch.where(cosine < 0, -1.0, 1.0).double()
    apart = (directions[:, None] - sign[..., None] * directions).abs().amax(-1)
    first = (apart <= _PARALLEL).int().argmax(1)
    return first, sign.gather(1, first[:, None])[:, 0]
