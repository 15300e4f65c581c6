"""Judges inequalities, bounds and ratios over all samples of a file."""

from typing import Any

import numpy as np

from lawful.domains.declarations import Ratio, Variable
from lawful.domains.domain import Domain, Law
from lawful.reports.arrays import quotient
from lawful.reports.physics.columns import Block, Column, Piece
from lawful.reports.physics.place import Where, Worst
from lawful.reports.physics.residuals import Misfit, misfit
from lawful.reports.physics.tolerance import Tolerance


class Inequality:
    """Running totals of one law `c.z <= d`.

    A plain comparison of stored numbers takes no arithmetic, so that no rounding is allowed for.
    """

    def __init__(self, law: Law, domain: Domain, tolerance: Tolerance, where: Where):
        self._law = law
        self._row = np.array(law.parsed.row(domain.names))
        exact = tolerance.kind == "ulps" and is_comparison(self._row, law.parsed.constant)
        self._tolerance = Tolerance("ulps", 0.0) if exact else tolerance
        self._judged, self._violations, self._lost = 0, 0, 0.0
        self._worst = Worst(where)

    def add(self, block: Block, piece: Piece) -> None:
        """Judge the finite samples of a piece of the block."""
        piece = piece.of_finite()
        if not piece.size:
            return
        self._judged += piece.size
        rough = sum(self._row[j] * piece.values[j] for j in np.flatnonzero(self._row)) - self._law.parsed.constant
        # Far inside there is nothing to judge; the margin covers the rounding of this sum.
        size = sum(abs(self._row[j]) * np.abs(piece.values[j]) for j in np.flatnonzero(self._row))
        close = np.flatnonzero(rough > -1e-12 * (size + abs(self._law.parsed.constant)))
        if close.size:
            self._judge(block, piece.only(close))

    def broken(self, piece: Piece) -> np.ndarray:
        """Mask (samples,) of the samples of a finite piece that violate it."""
        return self._violated(piece)[1]

    def _violated(self, piece: Piece) -> tuple[Misfit, np.ndarray]:
        found = misfit(self._row, self._law.parsed.constant, piece.values, piece.spacing)
        excess = np.maximum(found.residual, 0.0)
        return found, (found.residual > 0) & self._tolerance.exceeded(excess, found.gross, found.ulps)

    def _judge(self, block: Block, piece: Piece) -> None:
        found, violated = self._violated(piece)
        if violated.any():
            excess = np.maximum(found.residual, 0.0)
            self._violations += int(np.count_nonzero(violated))
            self._lost += float(excess[violated].sum())
            scores = np.where(violated, excess, -np.inf)
            self._worst.offer(block, piece, scores, excess=excess, ulps=found.ulps)

    def result(self) -> dict[str, Any]:
        """Everything that is known of the inequality, ready for JSON; "lost" is the sum of all excesses."""
        return {
            "name": self._law.name,
            "equation": self._law.equation,
            "units": self._law.units,
            "reference": self._law.reference,
            "judged": self._judged,
            "tolerance": {"kind": self._tolerance.kind, "value": self._tolerance.value},
            "violations": self._violations,
            "lost": self._lost,
            "worst": self._worst.found(),
            "holds": self._violations == 0,
        }


class Bound:
    """Running totals of one bound of one variable; `side` is "lower" or "upper"."""

    def __init__(self, variable: Variable, position: int, side: str, bound: float, column: Column, where: Where):
        self._variable, self._position, self._side, self._bound = variable, position, side, bound
        self._sign = -1.0 if side == "lower" else 1.0
        self._slack = column.slack_at(bound)
        self._on, self._violations, self._lost = 0, 0, 0.0
        self._worst = Worst(where)

    def add(self, block: Block, piece: Piece) -> None:
        """Judge the finite values of a piece of the block, whatever the other variables are there."""
        values = piece.values[self._position]
        extreme = values.min() if self._sign < 0 else values.max()
        if self._sign * (extreme - self._bound) < 0:
            return
        distance = self._beyond(values)
        self._on += int(np.count_nonzero(np.abs(distance) <= self._slack))
        outside = np.isfinite(values) & (distance > self._slack)
        if outside.any():
            self._violations += int(np.count_nonzero(outside))
            self._lost += float(distance[outside].sum())
            self._worst.offer(block, piece, np.where(outside, distance, -np.inf), value=values)

    def _beyond(self, values: np.ndarray) -> np.ndarray:
        distance: np.ndarray = self._sign * (values - self._bound)
        return distance

    def broken(self, piece: Piece) -> np.ndarray:
        """Mask (samples,) of the samples of a finite piece that are beyond it."""
        return self._beyond(piece.values[self._position]) > self._slack

    def result(self) -> dict[str, Any]:
        """Everything that is known of the bound, ready for JSON; "lost" is the sum of all distances beyond it."""
        return {
            "variable": self._variable.name,
            "units": self._variable.units,
            "side": self._side,
            "bound": self._bound,
            "on_bound": self._on,
            "violations": self._violations,
            "lost": self._lost,
            "worst": self._worst.found(),
            "holds": self._violations == 0,
        }


class Membership:
    """Running totals of one category, which has no values but those that the domain names."""

    def __init__(self, variable: Variable, position: int, where: Where):
        self._variable, self._position = variable, position
        self._judged, self._violations, self._lost = 0, 0, 0.0
        self._worst = Worst(where)

    def add(self, block: Block, piece: Piece) -> None:
        """Judge the finite values of a piece of the block."""
        distance = self._distance(piece)
        outside = distance > 0
        self._judged += int(np.isfinite(distance).sum())
        if outside.any():
            self._violations += int(np.count_nonzero(outside))
            self._lost += float(distance[outside].sum())
            self._worst.offer(block, piece, np.where(outside, distance, -np.inf), excess=distance)

    def broken(self, piece: Piece) -> np.ndarray:
        """Mask (samples,) of the samples of a finite piece that are of no category."""
        return self._distance(piece) > 0

    def _distance(self, piece: Piece) -> np.ndarray:
        """From the nearest category."""
        found: np.ndarray = np.abs(piece.values[self._position] - self._values[:, np.newaxis]).min(axis=0)
        return found

    @property
    def _values(self) -> np.ndarray:
        return np.array(self._variable.flag_values, dtype=np.float64)

    def result(self) -> dict[str, Any]:
        """Everything that is known of the category, ready for JSON, in the form of an inequality."""
        kinds = ", ".join(f"{value:g}" for value in self._variable.flag_values)
        return {
            "name": "category",
            "equation": f"{self._variable.name} in {{{kinds}}}",
            "units": self._variable.units,
            "reference": "",
            "judged": self._judged,
            "tolerance": {"kind": "ulps", "value": 0.0},
            "violations": self._violations,
            "lost": self._lost,
            "worst": self._worst.found(),
            "holds": self._violations == 0,
        }


class Quotient:
    """Range of one ratio, which is looked at and not judged."""

    def __init__(self, ratio: Ratio, domain: Domain, where: Where):
        self._ratio = ratio
        self._above, self._below = domain.names.index(ratio.numerator), domain.names.index(ratio.denominator)
        self._low = -np.inf if ratio.lower is None else ratio.lower
        self._high = np.inf if ratio.upper is None else ratio.upper
        self._defined, self._outside = 0, 0
        self._least, self._most = np.inf, -np.inf
        self._worst = Worst(where)

    def add(self, block: Block, piece: Piece) -> None:
        """Look at a piece of the block; 0/0 is not defined, x/0 is infinite."""
        values = quotient(piece.values[self._above], piece.values[self._below])
        defined = values[np.isfinite(values)]
        self._defined += int(defined.size)
        if defined.size:
            self._least, self._most = min(self._least, defined.min()), max(self._most, defined.max())
        outside = (values < self._low) | (values > self._high)
        if outside.any():
            self._outside += int(np.count_nonzero(outside))
            distance = np.maximum(self._low - values, values - self._high)
            found = outside & np.isfinite(distance)
            if found.any():
                self._worst.offer(block, piece, np.where(found, distance, -np.inf), value=values)

    def result(self) -> dict[str, Any]:
        """Range and number of values outside the expected one, ready for JSON."""
        ratio = self._ratio
        return {
            "name": ratio.name,
            "quotient": f"{ratio.numerator} / {ratio.denominator}",
            "units": ratio.units,
            "lower": ratio.lower,
            "upper": ratio.upper,
            "defined": self._defined,
            "min": float(self._least) if self._defined else None,
            "max": float(self._most) if self._defined else None,
            "outside": self._outside,
            "worst": self._worst.found(),
        }


def is_comparison(row: np.ndarray, constant: float) -> bool:
    """Whether an inequality compares two stored values, which takes no arithmetic and so no rounding."""
    coefficients = row[row != 0]
    return constant == 0 and len(coefficients) <= 2 and sorted(coefficients) in ([-1.0], [1.0], [-1.0, 1.0])
