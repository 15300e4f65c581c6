"""Linear relations that hold in data to within the rounding of their numbers, found without being told where."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from scipy.optimize import linprog

_ROWS = 4000
"""That the null space is computed from; relations are then tried on all."""
_LARGEST_DENOMINATOR, _LARGEST_FACTOR = 24, 1000
"""Coefficients are looked for among fractions of small denominators, and reported as whole numbers."""
_SMALL = 1e-3
"""Standardised coefficients below this may be noise."""
_SHARES = (1e-3, 1e-5, 1e-7, 1e-9)
"""Shares of the largest coefficient below which one counts as none: traces in a sum to 100 are small but members."""
_FIRST = 1e-6
"""By so much more a column costs than the one before it, so that of equal ones the first is taken."""
_ULPS = 8.0
"""Half steps of each member that a relation may be off by."""
_DECIMAL = 1e-12
"""Relative distance from whole multiples of a decimal step within which a column is stored in such steps."""
_SOLVED = 1e-8
"""Residuals up to this share of the terms are a solver's, not a different law."""
_WORSE = 4.0
"""How many times larger a residual may be with coefficients in fractions than with fitted ones."""
_LARGEST_SHARE = 0.5
"""Of the range of any of its terms a relation's residual is less."""
_ALIKE = 1e-5
"""Columns whose cosine is this near to 1 are multiples of each other."""


@dataclass(frozen=True)
class _Columns:
    """Columns that vary: values (N, n), their root mean squares (n,), half the steps in which they are stored (n,)."""

    values: np.ndarray
    size: np.ndarray
    steps: np.ndarray
    names: Sequence[str]


@dataclass(frozen=True)
class Relation:
    """`sum(coefficients[name] * name) = constant`, and the largest residual that it leaves in the data."""

    coefficients: dict[str, Fraction]
    constant: float
    residual: float


def rounding(values: np.ndarray, dtype: np.dtype) -> float:
    """Half the step in which a column (N,) is stored: of its float type at its largest value, or of its last digit."""
    size = float(np.abs(values).max(initial=0.0))
    step = float(np.spacing(np.asarray(size, dtype=dtype))) if dtype.kind == "f" else 0.0
    for digits in range(10):
        scaled = values * 10.0**digits
        if np.abs(scaled - np.round(scaled)).max(initial=0.0) <= _DECIMAL * max(1.0, float(np.abs(scaled).max())):
            return max(step, 10.0**-digits) / 2
    return step / 2


def relations(values: np.ndarray, names: Sequence[str], half_steps: np.ndarray) -> list[Relation]:
    """Independent relations with small rational coefficients, those of fewest members first.

    Every vector of the null space of the data, one constant column included, is a relation; the sparsest with each
    variable in it is found by a linear programme (least sum of absolute coefficients), its coefficients are rounded to
    fractions, and it counts when it then holds in every row.

    Args:
        values: (N, n) float64 without missing values.
        names: of the n columns.
        half_steps: (n,) half the steps in which the columns are stored.
    """
    moving = [i for i in range(len(names)) if np.ptp(values[:, i]) > 4 * half_steps[i]]
    if len(values) < 3 * len(moving) or len(moving) < 2:
        return []
    data, steps = values[:, moving], half_steps[moving]
    size = np.sqrt((data**2).mean(0))
    columns = _Columns(data, size, steps, [names[i] for i in moving])
    null = _null_space(data[np.linspace(0, len(data) - 1, min(len(data), _ROWS)).astype(int)] / size, steps / size)
    targets = range(len(moving)) if null.shape[1] > 1 else [int(np.abs(null[:-1]).sum(1).argmax())]
    twins = _twins(data / size)
    found = [r for target in targets for r in _sparsest(null, target, twins, columns)]
    return _independent(sorted(found, key=_complexity), names)


def _null_space(standard: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Directions (n + 1, k), the constant last, along which the data are no larger than rounding explains."""
    whole = np.column_stack([standard, np.ones(len(standard))])
    _, sizes, directions = np.linalg.svd(whole, full_matrices=False)
    noise = np.sqrt(len(whole)) * (4 * np.sqrt((steps**2).sum()) + 1e-8)
    return directions[sizes <= noise].T


def _twins(standard: np.ndarray) -> np.ndarray:
    """Which columns (n,) are multiples of others: in their place in a relation the others may give fractions."""
    angles = np.abs(standard.T @ standard) / len(standard)
    return np.asarray((angles - np.eye(len(angles)) > 1 - _ALIKE).any(0))


def _sparsest(null: np.ndarray, target: int, twins: np.ndarray, columns: _Columns) -> Iterator[Relation]:
    """The sparsest relation with column `target` in it, and the sparsest without each multiple of another column."""
    if not null.shape[1] or np.abs(null[target]).max() < _SMALL:
        return
    weights = _least_absolute(null, target)
    if weights is None:
        return
    others = [i for i in np.flatnonzero(twins) if i != target and abs(weights[i]) > _SMALL]
    for w in [weights, *(_least_absolute(null, target, without=int(i)) for i in others)]:
        relation = None if w is None else _with_members(w, columns)
        if relation is not None:
            yield relation


def _with_members(weights: np.ndarray, columns: _Columns) -> Relation | None:
    """The relation between the members that weights (n + 1,) tell, the fewest between which there is one."""
    size = np.abs(weights[:-1])
    for share in _SHARES:
        members = np.flatnonzero(size > share * size.max())
        relation = _verified(members, abs(weights[-1]) > _SMALL, columns)
        if relation is not None:
            return relation
    return None


def _verified(members: np.ndarray, with_constant: bool, columns: _Columns) -> Relation | None:
    """The relation between some columns, when there is one in small fractions that holds in every row."""
    if len(members) < 2:
        return None
    data, size, steps = columns.values[:, members], columns.size[members], columns.steps[members]
    fitted = _refitted(data / size, with_constant=with_constant)[:-1] / size
    for largest in (1, _LARGEST_DENOMINATOR):
        factors = _fractions(fitted, largest)
        if factors is None:
            continue
        terms = data * np.array([float(factor) for factor in factors])
        constant = _constant(terms.sum(1))
        residual = float(np.abs(terms.sum(1) - constant).max())
        if residual <= _room(terms, factors, fitted, data, steps):
            named = zip((columns.names[int(i)] for i in members), factors, strict=True)
            return Relation(dict(named), constant, residual)
    return None


def _room(terms: np.ndarray, factors: list[Fraction], fitted: np.ndarray, data: np.ndarray, steps: np.ndarray) -> float:
    """The residual that a relation may leave: what rounding explains, but not much more than `fitted` factors leave.

    One coarse column would hide that a factor is no fraction: 28 for 28.36 beside rain in tenths of a millimetre.
    """
    numbers = np.array([float(factor) for factor in factors])
    rounded = _ULPS * float(np.abs(numbers) @ steps)
    as_fitted = _WORSE * float(np.ptp(data @ (fitted * numbers[0] / fitted[0]))) / 2
    of_terms = _LARGEST_SHARE * float(np.ptp(terms, axis=0).min())
    size = float(np.sqrt((np.abs(terms).sum(1) ** 2).mean()))
    return min(rounded, as_fitted, of_terms) + _SOLVED * size


def _least_absolute(null: np.ndarray, target: int, without: int | None = None) -> np.ndarray | None:
    """The direction (n + 1,) of the null space, 1 at `target` and 0 at `without`, of least absolute values."""
    size, directions = null.shape
    # Of columns that are the same, the first, whatever the solver's rounding.
    cost = np.concatenate([np.zeros(directions), 1 + _FIRST * np.arange(size)])
    rows = np.block([[null, -np.eye(size)], [-null, -np.eye(size)]])
    one = np.concatenate([null[target], np.zeros(size)])[None]
    bounds = [(None, None)] * directions + [(0, 0 if i == without else None) for i in range(size)]
    result = linprog(cost, rows, np.zeros(2 * size), one, [1.0], bounds, method="highs")
    return null @ result.x[:directions] if result.status == 0 else None


def _refitted(standard: np.ndarray, *, with_constant: bool) -> np.ndarray:
    """Coefficients of the members and of the constant: the direction in which they are smallest together."""
    whole = np.column_stack([standard, np.ones(len(standard))]) if with_constant else standard
    direction = np.linalg.svd(whole, full_matrices=False)[2][-1]
    return direction if with_constant else np.append(direction, 0.0)


def _fractions(coefficients: np.ndarray, largest_denominator: int) -> list[Fraction] | None:
    """The nearest whole numbers in such proportions; None where one would vanish or they grow large."""
    least = np.abs(coefficients).min()
    if least == 0:
        return None
    scaled = coefficients / least * np.sign(coefficients[0])
    fractions = [Fraction(float(value)).limit_denominator(largest_denominator) for value in scaled]
    whole = lcm(*(f.denominator for f in fractions))
    numbers = [f * whole for f in fractions]
    return numbers if 0 not in numbers and max(abs(n) for n in numbers) <= _LARGEST_FACTOR else None


def _constant(sums: np.ndarray) -> float:
    """The right-hand side: the shortest decimal that the sums agree with."""
    middle = float((sums.max() + sums.min()) / 2)
    room = max(float(np.ptp(sums)) / 2, abs(middle) * 1e-12)
    if abs(middle) <= room:
        return 0.0
    for digits in range(13):
        if abs(round(middle, digits) - middle) <= room:
            return round(middle, digits) + 0.0
    return middle


def _complexity(relation: Relation) -> tuple[int, Fraction]:
    return len(relation.coefficients), sum((abs(f) for f in relation.coefficients.values()), Fraction(0))


def _independent(found: list[Relation], names: Sequence[str]) -> list[Relation]:
    kept: list[Relation] = []
    rows = np.empty((0, len(names) + 1))
    for relation in found:
        row = [*(float(relation.coefficients.get(name, 0)) for name in names), relation.constant]
        candidate = np.vstack([rows, np.array(row) / np.linalg.norm(row)])
        if np.linalg.matrix_rank(candidate, tol=1e-9) > len(kept):
            kept.append(relation)
            rows = candidate
    return kept
