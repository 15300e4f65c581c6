"""`LinearSystem`: the numeric form of a set of laws, `A z = b`."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from scipy import sparse
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear import declared
from lawful.core.linear.arrays import (
    as_bool,
    as_float64,
    batch_of,
    device_of,
    labels,
    require_finite,
    require_last,
    source_dtype,
)
from lawful.core.linear.exact import half_spacing, ulp_ratio
from lawful.core.linear.factor import RANK_TOLERANCE
from lawful.core.linear.laws import Laws, LeastMoves, as_matrix, build_laws
from lawful.core.linear.metric import Root
from lawful.core.linear.moves import Moves
from lawful.core.linear.rhs import RightHandSide, law_slack

LAWFUL_ULPS = 8.0
"""A law counts as obeyed up to this many ulps."""


class LinearSystem:
    """Laws `A z = b`, factorised once in float64.

    Arguments may be torch tensors, NumPy arrays or nested lists; a float32 `A` or `b` counts as rounded to float32.
    Gradients flow to `b` and to the values given to `restrict`, not to `A`.

    Args:
        A: coefficients (m, n), dense or sparse (`torch.sparse`, `scipy.sparse`), or dense (..., m, n) when they differ
            per sample. See `totals`, `block_means`, `incidence`, `repeated` and `stacked` for laws of common kinds.
        b: right-hand sides (..., m), zero when None.
        names: one name per law, for messages.
        columns: one name per variable, for messages.
        rank_tolerance: share of a scaled row that must lie outside the span of the others for the row to count as
            independent; None means `RANK_TOLERANCE * max(m, n) * eps(A.dtype)`.
        tolerance: absolute misfit per law, () or (m,), in its units, that redundant laws are granted beyond rounding.
        b_rounding: bound (..., m) on the rounding of `b`, where that comes from numbers larger than itself; None for
            half spacings of `b` as it is stored.
        check: raise on inconsistent laws; with False ask `consistent()`.

    Raises:
        ShapeError, InvalidValueError: arguments that do not fit, or are not finite.
        InconsistentSystemError: laws that no z satisfies, named.
    """

    def __init__(
        self,
        A: Any,
        b: Any = None,
        *,
        names: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        rank_tolerance: float | None = None,
        tolerance: Any = 0.0,
        b_rounding: Any = None,
        check: bool = True,
    ):
        matrix = as_matrix(A)
        self.m, self.n = int(matrix.shape[-2]), int(matrix.shape[-1])
        self.names = labels(names, self.m, "law", "names of laws")
        self.columns = labels(columns, self.n, "variable", "names of variables")
        if rank_tolerance is not None and not 0 <= rank_tolerance < 1:
            raise InvalidValueError(f"Expected a rank_tolerance of zero or more, below one, got {rank_tolerance}.")
        eps = torch.finfo(source_dtype(A)).eps
        share = RANK_TOLERANCE * max(self.m, self.n) * eps if rank_tolerance is None else rank_tolerance
        self._laws = build_laws(matrix, share, self.names, self.columns, device_of(A))
        self._rhs = self._right_hand_side(b, tolerance, b_rounding)
        self._fixed = torch.zeros(self.n, dtype=torch.float64, device=self.device)
        self._moves = Moves(self._laws, self._rhs)
        if check:
            self._require_consistent()

    @classmethod
    def totals(
        cls,
        groups: Any,
        b: Any = None,
        *,
        coefficients: Any = None,
        grand_total: bool = False,
        names: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> "LinearSystem":
        """Laws `sum over group k of coefficients * z = b_k`.

        Args:
            groups: (n,), the group 0, 1, ... of each variable; -1 for variables in none.
            b: (..., m), one entry per group and a last one for the grand total.
            coefficients: (n,); None for ones.
            grand_total: add a law over all members, which follows from the others.
        """
        return cls(declared.totals(groups, coefficients, grand_total), b, names=names, columns=columns)

    @classmethod
    def block_means(
        cls,
        shape: Sequence[int],
        block: Sequence[int],
        b: Any = None,
        *,
        weights: Any = None,
        grand_mean: bool = False,
        names: Sequence[str] | None = None,
    ) -> "LinearSystem":
        """Laws `mean over a block of cells = b_k` for the cells of a grid, as when a coarse field is made fine.

        Args:
            shape: of the grid; variables are its cells in C order. block: of the blocks, which divides `shape`.
            b: (..., m), the coarse field in C order, and a last entry for the grand mean.
            weights: such as areas of cells, broadcast to `shape`; None for equal ones. Cells of weight zero are in no
                law, and the law of a block without others is 0 = b_k.
            grand_mean: add a law over the whole grid, which follows from the others.
        """
        return cls(declared.block_means(shape, block, weights, grand_mean), b, names=names)

    @classmethod
    def incidence(
        cls,
        edges: Any,
        nodes: int | None = None,
        b: Any = None,
        *,
        names: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> "LinearSystem":
        """Balances of a network, `inflow - outflow = b_k` at each node; variables are the flows along edges.

        Args:
            edges: (E, 2), from and to; -1 stands for the world outside, which has no balance.
            nodes: their number; None for as many as the edges name. b: (..., nodes).

        In a network closed to the outside the balance of one node follows from the others.
        """
        return cls(declared.incidence(edges, nodes), b, names=names, columns=columns)

    @classmethod
    def repeated(
        cls, system: "LinearSystem", copies: int, b: Any = None, *, copies_last: bool = False
    ) -> "LinearSystem":
        """The same laws for each cell of a grid or step of time.

        Args:
            system: with all variables free and one set of coefficients; m laws of n variables.
            b: (..., copies * m), the laws of the first copy first; None for the system's own, in every copy. Tolerances
                are those of the system.
            copies_last: variables are ordered (n, copies), as fields are, rather than (copies, n).
        """
        A = declared.repeated(system._matrix(), copies, copies_last)
        names = [f"{name} of copy {i}" for i in range(copies) for name in system.names]
        rhs, share = system._rhs.repeated(copies), system.rank_tolerance
        if b is not None:
            return cls(A, b, names=names, rank_tolerance=share, tolerance=rhs.slack)
        return cls._with(A, rhs, names, None, share)

    @classmethod
    def stacked(cls, systems: Sequence["LinearSystem"]) -> "LinearSystem":
        """The laws of several systems over the same variables, all of them free, to the widest of their tolerances."""
        sizes = {system.n for system in systems}
        if len(sizes) != 1:
            raise ShapeError(f"Expected systems over the same variables, got {sorted(sizes) or 'none'} of them.")
        A = sparse.vstack([system._matrix() for system in systems]).tocsc()
        names = [name for system in systems for name in system.names]
        rhs = RightHandSide.joined([system._rhs for system in systems])
        share = max(system.rank_tolerance for system in systems)
        return cls._with(A, rhs, names if len(set(names)) == len(names) else None, systems[0].columns, share)

    @classmethod
    def _with(
        cls, A: Any, rhs: RightHandSide, names: Sequence[str] | None, columns: Sequence[str] | None, share: float
    ) -> "LinearSystem":
        system = cls(A, names=names, columns=columns, rank_tolerance=share, check=False)
        system._rhs, system._moves = rhs, Moves(system._laws, rhs)
        system._require_consistent()
        return system

    def _matrix(self) -> sparse.csc_matrix:
        if self.free.dim() > 1 or self._laws.batch_shape or not self.free.all():
            raise ShapeError("Expected one set of coefficients and all variables free: restrict the system later.")
        return self._laws.matrix

    def _right_hand_side(self, b: Any, tolerance: Any, b_rounding: Any) -> RightHandSide:
        values = torch.zeros(self.m, dtype=torch.float64) if b is None else as_float64(b)
        values = require_last(values.to(self.device), self.m, "b", "law")
        require_finite(values, "The right-hand side", self.names)
        batch_of(values.shape[:-1], self._laws.batch_shape)
        rounding = half_spacing(values, source_dtype(b))
        if b_rounding is not None:
            rounding = require_last(as_float64(b_rounding, self.device), self.m, "b_rounding", "law")
            if not ((rounding >= 0) & rounding.isfinite()).all():
                raise InvalidValueError("Expected a finite b_rounding of zero or more.")
            batch_of(values.shape[:-1], rounding.shape[:-1], self._laws.batch_shape)
        return RightHandSide(values, rounding, law_slack(tolerance, self.m, self.device))

    @property
    def device(self) -> torch.device:
        return self._laws.device

    @property
    def batch_shape(self) -> torch.Size:
        """Common batch shape of coefficients, free sets and right-hand sides."""
        return self._moves.batch_shape

    @property
    def A(self) -> Tensor:
        """Coefficients (..., m, n) in float64; columns that are not free are zero. A sparse tensor unless dense."""
        return self._laws.A

    @property
    def structure(self) -> str:
        """How the laws are solved: "disjoint", "repeated", "components", "banded", "sparse" or "dense"."""
        return self._laws.structure

    @property
    def b(self) -> Tensor:
        """Right-hand sides (..., m) in float64, with what is given moved over."""
        return self._rhs.values

    @property
    def b_rounding(self) -> Tensor:
        """Bound (..., m) on the rounding of `b`: half spacings of the stored `b` and of all values moved into it."""
        return self._rhs.rounding

    @property
    def free(self) -> Tensor:
        """Mask (..., n) of the variables that may move."""
        return self._laws.free

    @property
    def fixed(self) -> Tensor:
        """Values (..., n) of the variables that may not move; zero where free."""
        return self._fixed

    @property
    def rank(self) -> int | Tensor:
        """Number of independent laws among the free variables; LongTensor (...) when it can differ per sample."""
        return self._laws.rank

    @property
    def rank_tolerance(self) -> float:
        """Share of a scaled row outside the span of the others from which the row counts as independent."""
        return self._laws.tolerance

    @property
    def redundant_mask(self) -> Tensor:
        """(..., m), True where a law follows from the others (or has no free variable)."""
        return self._laws.redundant_mask

    @property
    def redundant(self) -> tuple[str, ...]:
        """Laws that follow from the others in every sample: checked, but left out of the solve."""
        always = self.redundant_mask.reshape(-1, self.m).all(0)
        return tuple(name for name, dropped in zip(self.names, always.tolist(), strict=True) if dropped)

    def consistent(self) -> Tensor:
        """(...), True for samples whose laws can hold together."""
        broken = self._laws.broken(self._rhs)
        return ~broken.any(-1).expand(self.batch_shape)

    def _require_consistent(self) -> None:
        broken = self._laws.broken(self._rhs)
        if broken.any():
            self._laws.explain(broken, self._rhs, self.names)

    def restrict(self, free: Any, z: Any, *, tolerance: Any = None, check: bool = True) -> "LinearSystem":
        """The laws among the free variables, `A_F z_F = b - A_notF z_notF`; one factor per pattern of free columns.

        Args:
            free: mask (..., n), True for variables that may move. Variables fixed before stay fixed.
            z: (..., n), read only where not free, where it must be finite.
            tolerance: absolute misfit, () or (m,), granted beyond rounding to laws that the given values decide;
                None keeps the system's. Such a law is then left broken by that much.
            check: raise on inconsistent samples; with False ask `consistent()`.

        Returns:
            A system of the same m and n: `A` with zero columns, `b` moved over, `free` and `fixed` set.

        Raises:
            InconsistentSystemError: the values given break a law, or leave it no free variable.
        """
        free = require_last(as_bool(free, self.device), self.n, "free", "variable")
        newly = self.free & ~free
        given, spacing = self._given(z, newly)
        slack = self._rhs.slack if tolerance is None else law_slack(tolerance, self.m, self.device)
        residual, rounding = self._laws.residual(given, self._rhs.values), self._laws.absolute(spacing)
        laws, rhs = self._laws.restricted(self.free & free), self._rhs.moved(residual, rounding, slack)
        system = self._exchanged(laws, rhs, torch.where(newly, given, self._fixed))
        if check:
            system._require_consistent()
        return system

    def _given(self, z: Any, newly: Tensor) -> tuple[Tensor, Tensor]:
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        batch_of(values.shape[:-1], newly.shape[:-1], self.batch_shape)
        given = torch.where(newly, values, 0.0)
        require_finite(given, "The given value", self.columns)
        return given, torch.where(newly, half_spacing(given, source_dtype(z)), 0.0)

    def residual(self, z: Any, b: Any = None) -> Tensor:
        """`A z - b` (..., m) in float64 with compensated sums, over the free variables of z (..., n)."""
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        target = None if b is None else require_last(as_float64(b, self.device), self.m, "b", "law")
        return self._moves.residual(values, target)

    def ulps(self, z: Any, dtype: Any = None) -> Tensor:
        """Misfit of each law (..., m) in rounding units of `z`, stored as `dtype` (default its own), and of `b`."""
        values = as_float64(z, self.device)
        dtype = source_dtype(z) if dtype is None else dtype
        return ulp_ratio(self.residual(values).detach(), self.allowance(values, dtype))

    def holds(self, z: Any, ulps: float = LAWFUL_ULPS) -> Tensor:
        """(...), True where every law holds to `ulps` in the precision of `z` (..., n), or to the tolerance granted."""
        values = as_float64(z, self.device)
        residual = self.residual(values)
        allowance = ulps * self.allowance(values, source_dtype(z)) + self._rhs.slack
        return (residual.abs() <= allowance).all(-1)

    def allowance(self, z: Tensor, dtype: Any) -> Tensor:
        """The misfit (..., m) that rounding of z (..., n) to `dtype`, and of b, explains: one ulp of each law."""
        return self._moves.allowance(z, dtype)

    def project(self, z: Any, weights: Any = None) -> Tensor:
        """The point on the laws with least `sum((z' - z)^2 / weights)`; differentiable in z, weights and b.

        Computed in float64 and refined against compensated residuals; cast last, to the dtype of `z`.

        Args:
            z: (..., n), float32 or float64. Variables that are not free come back as they came (see `with_fixed`).
            weights: (..., n), zero or more; a variable of weight zero is not moved. None weighs all alike.

        Raises:
            InconsistentSystemError: variables of weight zero break a law.
        """
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        require_finite(torch.where(self.free, values, 0.0), "The value", self.columns)
        dtype = source_dtype(z)
        if weights is None:
            return self.project_with(self.unweighted, values, dtype).to(dtype)
        weights = require_last(as_float64(weights, self.device), self.n, "weights", "variable")
        if not ((weights >= 0) & torch.isfinite(weights)).all():
            raise InvalidValueError("Expected finite weights of zero or more.")
        system = self if (weights > 0).all() else self.restrict(weights > 0, z)
        metric = system.metric(weights.where(weights > 0, 1.0).sqrt())
        return system.project_with(metric, values, dtype).to(dtype)

    @property
    def unweighted(self) -> LeastMoves:
        """The metric of equal weights, computed once per pattern."""
        return self._laws.unweighted

    def metric(self, root_weights: Tensor) -> LeastMoves:
        """The metric of square roots of weights (..., n), positive; differentiable.

        Moves of float32 roots are computed in float32 where their condition allows it, densities in float64.
        """
        return self._laws.metric(root_weights)

    def covariance_metric(self, root: Root) -> LeastMoves:
        """The metric of a covariance with square root `root`, zero at variables that are not free; differentiable."""
        return self._laws.covariance_metric(root)

    def project_with(self, metric: LeastMoves, z: Tensor, stored: torch.dtype | None = None) -> Tensor:
        """`project` in the dtype of z with a metric at hand; computed in float64.

        z that is lawful to the rounding of dtype `stored` (default its own) is left alone.
        """
        return self._moves(metric, z, z.dtype if stored is None else stored)

    def with_fixed(self, z: Any) -> Tensor:
        """`z` with the given values in place of the variables that are not free."""
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        return torch.where(self.free, values, self._fixed).to(source_dtype(z))

    def nullspace(self) -> Tensor:
        """Orthonormal basis (..., n, n_F - r) of the moves of free variables that keep the laws.

        Raises:
            RankError: its dimension differs between samples.
        """
        return self._laws.nullspace()

    def to(self, device: torch.device | str) -> "LinearSystem":
        """The same system on another device (one with float64)."""
        return self._exchanged(self._laws.to(torch.device(device)), self._rhs.to(device), self._fixed.to(device))

    def _exchanged(self, laws: Laws, rhs: RightHandSide, fixed: Tensor) -> "LinearSystem":
        system = copy.copy(self)
        system._laws, system._rhs, system._fixed, system._moves = laws, rhs, fixed, Moves(laws, rhs)
        return system

    def __repr__(self) -> str:
        return f"LinearSystem(m={self.m}, n={self.n}, rank={_span(self.rank)}, batch_shape={tuple(self.batch_shape)})"


def _span(rank: int | Tensor) -> str:
    if isinstance(rank, int):
        return str(rank)
    return f"{int(rank.min())}..{int(rank.max())}" if rank.numel() else "none"
