"""Windows as chains of steps: the laws of one step, and the states that lead from each step to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lawful.core.coordinates.problem import Problem
from lawful.core.errors import ShapeError


@dataclass(frozen=True)
class Steps:
    """Which variables of a window are those of each step.

    `columns` (T, k) are their numbers. The first `carried` of a step are the states that it starts from, which are the
    last of the step before; `names` (k,) are what they are called without the step.
    """

    columns: Tensor
    carried: int
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def cut(self, z: Tensor) -> Tensor:
        """Windows `(N, n)` as steps `(N, T, k)`."""
        return z[:, self.columns]

    def split(self, window: Problem) -> tuple[Problem, Problem] | None:
        """The problem of one step, in which the states that it starts from are given, and that of the first states.

        None where steps differ: where a law is not one of a single step and its first states, or has other coefficients
        in some, or where bounds, resolutions or what is given differ.
        """
        laws, inequalities = self._places(window.A), self._places(window.C)
        if window.ratios or not self._cover(window.n) or laws is None or inequalities is None:
            return None
        parts = [self._part(window, laws, inequalities, step) for step in range(len(self))]
        if not all(_same(part, parts[0]) for part in parts[1:]):
            return None
        return parts[0], self._of(window, self.columns[0, : self.carried], laws == -1, inequalities == -1)

    def require(self, window: Problem) -> tuple[Problem, Problem]:
        """`split`, for windows that are known to be chains; ShapeError for others."""
        parts = self.split(window)
        if parts is None:
            raise ShapeError(
                "the steps of these windows differ: their laws, bounds or given variables are not the same"
            )
        return parts

    def _cover(self, n: int) -> bool:
        chained = torch.equal(self.columns[1:, : self.carried], self.columns[:-1, -self.carried :]) or not self.carried
        return chained and len(self.columns.unique()) == n

    def _places(self, rows: Tensor) -> Tensor | None:
        """The step of each row, -1 for rows on the first states alone; None where one reaches over more than a step."""
        inside = torch.zeros(len(self) + 1, rows.shape[1], dtype=torch.bool)
        inside[0, self.columns[0, : self.carried]] = True
        for step, columns in enumerate(self.columns, 1):
            inside[step, columns] = True
        within = ~((rows != 0)[None] & ~inside[:, None]).any(-1)
        if not within.any(0).all():
            return None
        return within.int().argmax(0) - 1

    def _part(self, window: Problem, laws: Tensor, inequalities: Tensor, step: int) -> Problem:
        part = self._of(window, self.columns[step], laws == step, inequalities == step)
        given = part.given.clone()
        given[: self.carried] = True
        return replace(part, given=given)

    def _of(self, window: Problem, columns: Tensor, laws: Tensor, inequalities: Tensor) -> Problem:
        return Problem(
            A=window.A[laws][:, columns],
            b=window.b[laws],
            C=window.C[inequalities][:, columns],
            d=window.d[inequalities],
            lower=window.lower[columns],
            upper=window.upper[columns],
            resolution=window.resolution[columns],
            given=window.given[columns],
            ratios=(),
            names=self.names[: len(columns)],
            law_names=_bare(window.law_names, laws),
            inequality_names=_bare(window.inequality_names, inequalities),
            categories=tuple(window.categories[i] for i in columns.tolist()) if window.categories else (),
        )


def _same(part: Problem, first: Problem) -> bool:
    """Whether two steps obey the same laws, in the same order."""
    numbers = ("A", "b", "C", "d", "lower", "upper", "resolution", "given")
    same = all(torch.equal(getattr(part, name), getattr(first, name)) for name in numbers)
    return same and part.categories == first.categories


def _bare(names: tuple[str, ...], chosen: Tensor) -> tuple[str, ...]:
    return tuple(name.partition("[")[0] for name, kept in zip(names, chosen.tolist(), strict=True) if kept)
