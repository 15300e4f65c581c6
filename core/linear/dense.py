"""Laws with dense coefficients, which may differ per sample; one factor per pattern of free variables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from scipy import sparse
from torch import Tensor

from lawful.core.linear.batch_metric import BatchMetric, batch_metric
from lawful.core.linear.consistency import clashing, raise_clash
from lawful.core.linear.exact import compensated_residual, matvec
from lawful.core.linear.factor import Factor, equilibrate, factorise
from lawful.core.linear.gram_metric import EvenLaws, GramMetric
from lawful.core.linear.judge import Judge
from lawful.core.linear.metric import Metric, Root, WeightedMetric, covariance_metric, null_space, weighted_metric
from lawful.core.linear.restrict import refactorise
from lawful.core.linear.rhs import RightHandSide
from lawful.core.linear.settle import settle_quickly, shared_residual
from lawful.core.linear.sliced import SlicedLaws


@dataclass(frozen=True)
class DenseLaws:
    """Coefficients with their factors; the face that `LinearSystem` asks its questions of.

    Attributes:
        coefficients: (..., m, n), those of variables that are not free as well.
        free: (..., n). group: (...), the matrix of `factor` that each sample has; None when there is one for all.
    """

    coefficients: Tensor
    tolerance: float
    free: Tensor
    group: Tensor | None
    factor: Factor

    structure = "dense"

    @staticmethod
    def build(A: Tensor, tolerance: float) -> "DenseLaws":
        free = torch.ones(A.shape[-1], dtype=torch.bool, device=A.device)
        batch = A.shape[:-2]
        group = torch.arange(math.prod(batch), device=A.device).reshape(batch) if batch else None
        flat = A.unsqueeze(0).flatten(0, -3)
        return DenseLaws(A, tolerance, free, group, factorise(flat, free.expand(len(flat), -1), tolerance))

    @property
    def m(self) -> int:
        return self.coefficients.shape[-2]

    @property
    def n(self) -> int:
        return self.coefficients.shape[-1]

    @property
    def device(self) -> torch.device:
        return self.coefficients.device

    @property
    def batch_shape(self) -> torch.Size:
        """Of the coefficients."""
        return self.coefficients.shape[:-2]

    @property
    def A(self) -> Tensor:
        """Coefficients (..., m, n), zero where not free."""
        return self.coefficients * self.free.unsqueeze(-2)

    def absolute(self, h: Tensor) -> Tensor:
        """`|A| h`, (..., n) -> (..., m), over all variables."""
        return matvec(self.coefficients.abs(), h)

    def residual(self, z: Tensor, b: Tensor) -> Tensor:
        """`A z - b` (..., m) with compensated sums, over all variables; differentiable."""
        return compensated_residual(self.coefficients, z, b)

    @property
    def column_scale(self) -> Tensor:
        """(n,) or (..., n), sizes of variables, powers of two, in which coefficients are near one."""
        return equilibrate(self.coefficients)[1]

    @property
    def rank(self) -> int | Tensor:
        rank = self.factor.rank
        return int(rank[0]) if self.group is None else rank[self.group]

    @property
    def redundant_mask(self) -> Tensor:
        """(..., m), True where a law follows from the others among the free variables."""
        return (self.factor.take(self.group).dependent != 0).any(-1)

    @property
    def has_redundant(self) -> bool:
        return self.factor.has_dependent

    def broken(self, rhs: RightHandSide) -> Tensor:
        """(..., m), True where a redundant law misses what the others imply."""
        return clashing(self.factor, self.group, rhs, self.tolerance)

    def explain(self, broken: Tensor, rhs: RightHandSide, names: Sequence[str]) -> None:
        """InconsistentSystemError for the first sample of `broken` (..., m)."""
        batch = broken.shape[:-1]
        first = tuple(broken.any(-1).nonzero()[0].tolist())
        A = self.A.expand(*batch, self.m, self.n)[first]
        Y = self.factor.take(self.group).dependent.expand(*batch, self.m, self.m)[first]
        raise_clash(A, Y, rhs.at(first, batch), broken, self.tolerance, names)

    def shared(self, residual: Tensor, allowance: Tensor) -> Tensor:
        """`residual` (..., m) with contradictions of rounding shared out in proportion to the allowance."""
        return shared_residual(self.factor.listed[0 if self.group is None else self.group], residual, allowance)

    def restricted(self, free: Tensor) -> "DenseLaws":
        """The same laws with only `free` (..., n) to move."""
        group, factor = refactorise(self.coefficients, free, self.group, self.tolerance)
        return DenseLaws(self.coefficients, self.tolerance, free, group, factor)

    @property
    def unweighted(self) -> WeightedMetric:
        return self._common if self.group is None else self._unweighted.take(self.group)

    @cached_property
    def _common(self) -> WeightedMetric:
        return self._unweighted.take(None)

    @cached_property
    def _unweighted(self) -> WeightedMetric:
        return weighted_metric(self.factor, torch.ones(self.n, dtype=torch.float64, device=self.device))

    def metric(self, root_weights: Tensor) -> BatchMetric:
        """Least moves for square roots of weights (..., n), positive where free; differentiable."""
        factor = self._common_factor if self.group is None else self.factor.take(self.group)
        return batch_metric(factor, root_weights, lambda: self._even)

    @cached_property
    def _common_factor(self) -> Factor:
        return self.factor.take(None)

    @cached_property
    def _even(self) -> EvenLaws:
        return EvenLaws(self._common_factor, torch.ones(self.n, dtype=torch.float64, device=self.device))

    def covariance_metric(self, root: Root) -> Metric:
        """Least moves for a covariance with square root `root`, zero where not free; differentiable."""
        return covariance_metric(self.factor.take(self.group), root)

    def judge(self, rhs: RightHandSide, stored: torch.dtype) -> Judge:
        """What is asked whether points stand on the laws with these right-hand sides."""
        return Judge(self._sliced, rhs.values.detach(), rhs.rounding, stored)

    def settle_quickly(
        self, z: Tensor, judge: Judge, metric: Any, stored: torch.dtype
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Points after a few least moves of z (..., n), the moves, and which points surely stand on the laws.

        No moves where derivatives need none; no marks where all points are lawful.
        """
        if z.dim() > 1 and z.numel() >= self.coefficients.numel() > 0 and self._is_for_all(metric, z):
            found = judge.moves(z, metric, metric.root.requires_grad)
            if found is not None:
                return *found, None
        if self._all_free:
            return settle_quickly(z, judge, metric, self.coefficients)
        value, step, done = settle_quickly(torch.where(self.free, z, 0.0), judge, metric, self.coefficients)
        return torch.where(self.free, value, z), step, done

    def _is_for_all(self, metric: Any, z: Tensor) -> bool:
        """Whether all points z have one set of laws and free variables, and weights of theirs or constant ones."""
        if self.coefficients.dim() > 2 or self.group is not None or not self._all_free:
            return False
        if isinstance(metric, GramMetric):
            return metric.root.shape == z.shape and metric.weights.dtype == torch.float64
        return isinstance(metric, WeightedMetric) and metric.gain.dim() == 2 and not metric.root.requires_grad

    @cached_property
    def _all_free(self) -> bool:
        return bool(self.free.all())

    @cached_property
    def _sliced(self) -> SlicedLaws:
        return SlicedLaws(self.coefficients)

    @property
    def matrix(self) -> sparse.csc_matrix:
        """The coefficients (m, n) where there is one set of them."""
        return sparse.csc_matrix(self.coefficients.cpu().numpy())

    def nullspace(self) -> Tensor:
        """Orthonormal basis (..., n, n_F - r); RankError where its dimension differs between samples."""
        vectors = null_space(self.factor, self._unweighted)
        return vectors[0] if self.group is None else vectors[self.group]

    def to(self, device: torch.device) -> "DenseLaws":
        group = None if self.group is None else self.group.to(device)
        A, free, factor = self.coefficients.to(device), self.free.to(device), self.factor.to(device)
        return DenseLaws(A, self.tolerance, free, group, factor)
