"""`LinearSystem`: the numeric form of a set of laws, `A z = b`."""

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.arrays import (
    as_bool,
    as_float64,
    batch_of,
    labels,
    require_finite,
    require_last,
    source_dtype,
)
from lawful.core.linear.batch_metric import BatchMetric, batch_metric
from lawful.core.linear.consistency import clashing, raise_clash
from lawful.core.linear.exact import compensated_residual, half_spacing, matvec, ulp_ratio
from lawful.core.linear.factor import RANK_TOLERANCE, factorise
from lawful.core.linear.gram_metric import EvenLaws
from lawful.core.linear.judge import Judge
from lawful.core.linear.metric import Metric, Root, WeightedMetric, covariance_metric, null_space, weighted_metric
from lawful.core.linear.on_laws import with_gradient_of_move
from lawful.core.linear.restrict import refactorise
from lawful.core.linear.rhs import RightHandSide, law_slack
from lawful.core.linear.settle import settle, settle_quickly, shared_residual
from lawful.core.linear.sliced import SlicedLaws

LAWFUL_ULPS = 8.0
"""A law counts as obeyed up to this many ulps."""


class LinearSystem:
    """Laws `A z = b`, factorised once in float64.

    Arguments may be torch tensors, NumPy arrays or nested lists; a float32 `A` or `b` counts as rounded to float32.
    Gradients flow to `b` and to the values given to `restrict`, not to `A`.

    Args:
        A: coefficients (..., m, n); leading dimensions when they differ per sample.
        b: right-hand sides (..., m), zero when None.
        names: one name per law, for messages.
        columns: one name per variable, for messages.
        rank_tolerance: share of a scaled row that must lie outside the span of the others for the row to count as
            independent; None means `RANK_TOLERANCE * max(m, n) * eps(A.dtype)`.
        tolerance: absolute misfit per law, () or (m,), in its units, that redundant laws are granted beyond rounding.
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
        check: bool = True,
    ):
        self._A = as_float64(A).detach()
        if self._A.dim() < 2 or self._A.shape[-1] == 0:
            raise ShapeError(f"Expected A of shape (..., m, n) with n > 0, got {tuple(self._A.shape)}.")
        self.m, self.n = self._A.shape[-2:]
        self.names = labels(names, self.m, "law", "names of laws")
        self.columns = labels(columns, self.n, "variable", "names of variables")
        require_finite(self._A, "The coefficient", self.columns)
        eps = torch.finfo(source_dtype(A)).eps
        self._tolerance = RANK_TOLERANCE * max(self.m, self.n) * eps if rank_tolerance is None else rank_tolerance
        self._rhs = self._right_hand_side(b, tolerance)
        self._free = torch.ones(self.n, dtype=torch.bool, device=self.device)
        self._fixed = torch.zeros(self.n, dtype=torch.float64, device=self.device)
        self._group = None if self._A.dim() == 2 else self._sample_indices()
        flat = self._A.unsqueeze(0).flatten(0, -3)
        self._factor = factorise(flat, self._free.expand(len(flat), self.n), self._tolerance)
        if check:
            self._require_consistent()

    def _right_hand_side(self, b: Any, tolerance: Any) -> RightHandSide:
        values = torch.zeros(self.m, dtype=torch.float64) if b is None else as_float64(b)
        values = require_last(values.to(self.device), self.m, "b", "law")
        require_finite(values, "The right-hand side", self.names)
        batch_of(values.shape[:-1], self._A.shape[:-2])
        return RightHandSide(values, half_spacing(values, source_dtype(b)), law_slack(tolerance, self.m, self.device))

    def _sample_indices(self) -> Tensor:
        batch = self._A.shape[:-2]
        return torch.arange(math.prod(batch), device=self.device).reshape(batch)

    @property
    def device(self) -> torch.device:
        return self._A.device

    @property
    def batch_shape(self) -> torch.Size:
        """Common batch shape of coefficients, free sets and right-hand sides."""
        return batch_of(self._A.shape[:-2], self._free.shape[:-1], self._rhs.values.shape[:-1], self._fixed.shape[:-1])

    @property
    def A(self) -> Tensor:
        """Coefficients (..., m, n) in float64; columns that are not free are zero."""
        return self._A * self._free.unsqueeze(-2)

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
        return self._free

    @property
    def fixed(self) -> Tensor:
        """Values (..., n) of the variables that may not move; zero where free."""
        return self._fixed

    @property
    def rank(self) -> int | Tensor:
        """Number of independent laws among the free variables; LongTensor (...) when it can differ per sample."""
        rank = self._factor.rank
        return int(rank[0]) if self._group is None else rank[self._group]

    @property
    def redundant_mask(self) -> Tensor:
        """(..., m), True where a law follows from the others (or has no free variable)."""
        return (self._factor.take(self._group).dependent != 0).any(-1)

    @property
    def redundant(self) -> tuple[str, ...]:
        """Laws that follow from the others in every sample: checked, but left out of the solve."""
        always = self.redundant_mask.reshape(-1, self.m).all(0)
        return tuple(name for name, dropped in zip(self.names, always.tolist(), strict=True) if dropped)

    def consistent(self) -> Tensor:
        """(...), True for samples whose laws can hold together."""
        broken = clashing(self._factor, self._group, self._rhs, self._tolerance)
        return ~broken.any(-1).expand(self.batch_shape)

    def _require_consistent(self) -> None:
        broken = clashing(self._factor, self._group, self._rhs, self._tolerance)
        if not broken.any():
            return
        batch = broken.shape[:-1]
        first = tuple(broken.any(-1).nonzero()[0].tolist())
        A = self.A.expand(*batch, self.m, self.n)[first]
        Y = self._factor.take(self._group).dependent.expand(*batch, self.m, self.m)[first]
        raise_clash(A, Y, self._rhs.at(first, batch), broken, self._tolerance, self.names)

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
        newly = self._free & ~free
        given, spacing = self._given(z, newly)
        system = copy.copy(self)
        system._forget("_unweighted", "_even", "_judges")
        system._free = self._free & free
        system._fixed = torch.where(newly, given, self._fixed)
        slack = self._rhs.slack if tolerance is None else law_slack(tolerance, self.m, self.device)
        system._rhs = self._rhs.moved(self._A, given, spacing, slack)
        system._group, system._factor = refactorise(self._A, system._free, self._group, self._tolerance)
        if check:
            system._require_consistent()
        return system

    def _forget(self, *cached: str) -> None:
        for name in cached:
            self.__dict__.pop(name, None)

    def _given(self, z: Any, newly: Tensor) -> tuple[Tensor, Tensor]:
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        batch_of(values.shape[:-1], newly.shape[:-1], self.batch_shape)
        given = torch.where(newly, values, 0.0)
        require_finite(given, "The given value", self.columns)
        return given, torch.where(newly, half_spacing(given, source_dtype(z)), 0.0)

    def residual(self, z: Any, b: Any = None) -> Tensor:
        """`A z - b` (..., m) in float64 with compensated sums, over the free variables of z (..., n)."""
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        target = self._rhs.values if b is None else require_last(as_float64(b, self.device), self.m, "b", "law")
        return compensated_residual(self._A, torch.where(self._free, values, 0.0), target)

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
        spacing = torch.where(self._free, half_spacing(z, dtype), 0.0)
        return matvec(self._A.abs(), spacing) + self._rhs.rounding

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
        require_finite(torch.where(self._free, values, 0.0), "The value", self.columns)
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
    def unweighted(self) -> WeightedMetric:
        """The `Metric` of equal weights, computed once per pattern."""
        return self._unweighted.take(self._group)

    @cached_property
    def _unweighted(self) -> WeightedMetric:
        return weighted_metric(self._factor, torch.ones(self.n, dtype=torch.float64, device=self.device))

    def metric(self, root_weights: Tensor) -> BatchMetric:
        """The metric of square roots of weights (..., n), positive; differentiable.

        Moves of float32 roots are computed in float32 where their condition allows it, densities in float64.
        """
        return batch_metric(self._factor.take(self._group), root_weights, lambda: self._even)

    @cached_property
    def _even(self) -> EvenLaws:
        return EvenLaws(self._factor.take(None), torch.ones(self.n, dtype=torch.float64, device=self.device))

    def covariance_metric(self, root: Root) -> Metric:
        """The metric of a covariance with square root `root`, zero at variables that are not free; differentiable."""
        return covariance_metric(self._factor.take(self._group), root)

    def project_with(self, metric: Any, z: Tensor, stored: torch.dtype | None = None) -> Tensor:
        """`project` in the dtype of z with a metric at hand; computed in float64.

        z that is lawful to the rounding of dtype `stored` (default its own) is left alone.
        """
        value, step = self._settled(metric, z.detach(), z.dtype if stored is None else stored)
        return with_gradient_of_move(z, self._rhs.values, value, step, metric, self.residual)

    @torch.no_grad()
    def _settled(self, metric: Any, z: Tensor, stored: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Lawful points and, where their gradient needs them, the moves that lead there, both in the dtype of z."""
        z = z.expand(*batch_of(z.shape[:-1], metric.batch_shape, self.batch_shape), self.n)
        masked = z if self._free.all() else torch.where(self._free, z, 0.0)
        value, step, done = settle_quickly(masked, self._judge(stored), metric, self._A, stored)
        value = value if masked is z else torch.where(self._free, value, z)
        if done.all():
            return value, step
        careful = self._carefully(metric, z.double(), stored)
        moved = None if step is None else torch.where(done.unsqueeze(-1), step, (z.double() - careful).to(z.dtype))
        return torch.where(done.unsqueeze(-1), value, careful.to(z.dtype)), moved

    def _carefully(self, metric: Any, z: Tensor, stored: torch.dtype) -> Tensor:
        factor = self._factor.take(self._group) if self._factor.has_dependent else None

        def move(residual: Tensor, allowance: Tensor, share: bool) -> Tensor:
            return metric.move(shared_residual(factor, residual, allowance) if share and factor else residual)

        return settle(z, stored, self.residual, self.allowance, move)

    @cached_property
    def _sliced(self) -> SlicedLaws:
        return SlicedLaws(self._A)

    @cached_property
    def _judges(self) -> dict[torch.dtype, Judge]:
        return {}

    def _judge(self, stored: torch.dtype) -> Judge:
        if stored not in self._judges:
            self._judges[stored] = Judge(self._sliced, self._rhs.values.detach(), self._rhs.rounding, stored)
        return self._judges[stored]

    def with_fixed(self, z: Any) -> Tensor:
        """`z` with the given values in place of the variables that are not free."""
        values = require_last(as_float64(z, self.device), self.n, "z", "variable")
        return torch.where(self._free, values, self._fixed).to(source_dtype(z))

    def nullspace(self) -> Tensor:
        """Orthonormal basis (..., n, n_F - r) of the moves of free variables that keep the laws.

        Raises:
            RankError: its dimension differs between samples.
        """
        vectors = null_space(self._factor, self._unweighted)
        return vectors[0] if self._group is None else vectors[self._group]

    def to(self, device: torch.device | str) -> "LinearSystem":
        """The same system on another device (one with float64)."""
        system = copy.copy(self)
        system._forget("_unweighted", "_even", "_judges", "_sliced")
        system._A, system._free, system._fixed = (x.to(device) for x in (self._A, self._free, self._fixed))
        system._rhs = self._rhs.to(device)
        system._group = None if self._group is None else self._group.to(device)
        system._factor = self._factor.to(torch.device(device))
        return system

    def __repr__(self) -> str:
        rank = self.rank if isinstance(self.rank, int) else f"{int(self.rank.min())}..{int(self.rank.max())}"
        return f"LinearSystem(m={self.m}, n={self.n}, rank={rank}, batch_shape={tuple(self.batch_shape)})"
