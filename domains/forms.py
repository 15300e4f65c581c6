"""Linear forms over named variables, one or one for each label of a dimension, and the arithmetic that laws need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Key = tuple[tuple[str, ...], tuple[str, ...]]
"""What a number multiplies: the variables of a term (none in a constant), and the units of its factors."""

Form = Mapping[Key, float]

ANY = "?"
"""The units of a number in an equation: whatever the others lack, as in `QE = 690 * Evap`."""


class FormError(ValueError):
    """Two things do not go together; the message says why."""


@dataclass(frozen=True)
class Vector:
    """One form, or one for each label along `dim`; `steps` marks differences between neighbours along it."""

    forms: tuple[Form, ...]
    dim: str | None = None
    labels: tuple[str, ...] = ("",)
    steps: bool = False


def number(value: float, units: str = ANY) -> Vector:
    """A number, or a parameter with its units."""
    return Vector(({((), (units,)): value},))


def variable(name: str) -> Vector:
    """One variable."""
    return Vector(({((name,), ()): 1.0},))


def stacked(parts: Mapping[str, Vector], dim: str) -> Vector:
    """Single forms, by label, as one vector along `dim`."""
    return Vector(tuple(part.forms[0] for part in parts.values()), dim, tuple(parts))


def scaled(vector: Vector, factor: float) -> Vector:
    """A vector times a number."""
    forms = tuple({key: factor * value for key, value in form.items()} for form in vector.forms)
    return Vector(forms, vector.dim, vector.labels, vector.steps)


def plus(first: Vector, second: Vector) -> Vector:
    """The sum of two vectors, label by label."""
    return _paired(first, second, lambda a, b: total((a, b)))


def times(first: Vector, second: Vector, coefficients: frozenset[str]) -> Vector:
    """The product of two vectors; of two variables one must be among `coefficients`, or FormError is raised."""
    return _paired(first, second, lambda a, b: _product(a, b, coefficients))


def total(forms: tuple[Form, ...]) -> Form:
    """The sum of forms."""
    result: dict[Key, float] = {}
    for form in forms:
        for key, value in form.items():
            result[key] = result.get(key, 0.0) + value
    return result


def differences(vector: Vector) -> Vector:
    """What a vector gains from each label to the next, under the later label; FormError when it has no dimension."""
    if vector.dim is None:
        raise FormError("diff needs a variable along a dimension of the event, such as the steps of a window")
    pairs = zip(vector.forms[1:], vector.forms[:-1], strict=True)
    forms = tuple(total((later, *scaled(Vector((before,)), -1.0).forms)) for later, before in pairs)
    return Vector(forms, vector.dim, vector.labels[1:], steps=True)


def weighted_mean(vector: Vector, weights: Vector | None, groups: Mapping[str, str] | None, into: str | None) -> Vector:
    """The mean along the dimension of `vector`, or one for each group of its labels.

    Args:
        vector: what is averaged.
        weights: a number for each label, such as areas; None weighs all alike.
        groups: label -> group, groups in the order of their dimension `into`; None for one mean over everything.
    """
    sizes = dict.fromkeys(vector.labels, 1.0) if weights is None else _numbers(weights)
    missing = [label for label in vector.labels if label not in sizes or (groups and label not in groups)]
    if missing:
        raise FormError(f"the mean has no weight or block for {missing[0]!r}")
    names = list(dict.fromkeys((groups or {}).values())) or [""]
    pairs = list(zip(vector.labels, vector.forms, strict=True))
    blocks = [[(sizes[label], form) for label, form in pairs if not groups or groups[label] == n] for n in names]
    forms = tuple(_mean(members) for members in blocks)
    return Vector(forms, into, tuple(names)) if groups else Vector(forms)


def _mean(members: list[tuple[float, Form]]) -> Form:
    whole = sum(size for size, _ in members)
    if any(size < 0 for size, _ in members) or not whole > 0:
        raise FormError("weights of a mean must not be negative, and one at least must be positive")
    return total(tuple(scaled(Vector((form,)), size / whole).forms[0] for size, form in members))


def _numbers(weights: Vector) -> dict[str, float]:
    sizes = {}
    for label, form in zip(weights.labels, weights.forms, strict=True):
        if any(names for names, _ in form):
            raise FormError("weights of a mean must be a parameter, not a variable")
        sizes[label] = sum(form.values())
    return sizes


def _paired(first: Vector, second: Vector, combine: Callable[[Form, Form], Form]) -> Vector:
    if first.dim is None or second.dim is None:
        shaped = second if first.dim is None else first
        size = len(shaped.forms)
        pairs = zip(_repeated(first, size), _repeated(second, size), strict=True)
        return Vector(tuple(combine(a, b) for a, b in pairs), shaped.dim, shaped.labels, shaped.steps)
    first, second = _aligned(first, second)
    pairs = zip(first.forms, second.forms, strict=True)
    whole = second if first.steps else first
    return Vector(tuple(combine(a, b) for a, b in pairs), whole.dim, whole.labels, first.steps and second.steps)


def _repeated(vector: Vector, size: int) -> tuple[Form, ...]:
    return vector.forms * (size if vector.dim is None else 1)


def _aligned(first: Vector, second: Vector) -> tuple[Vector, Vector]:
    """Both on the labels that they share; differences along the edges of intervals lie on the intervals."""
    if first.dim == second.dim:
        shared = [label for label in first.labels if label in second.labels]
        if shared:
            return _at(first, shared), _at(second, shared)
    elif (first.steps or second.steps) and len(first.forms) == len(second.forms):
        return first, second
    raise FormError(f"terms along {first.dim!r} ({len(first.forms)}) and {second.dim!r} ({len(second.forms)}) differ")


def _at(vector: Vector, labels: list[str]) -> Vector:
    forms = dict(zip(vector.labels, vector.forms, strict=True))
    return Vector(tuple(forms[label] for label in labels), vector.dim, tuple(labels), vector.steps)


def _product(first: Form, second: Form, coefficients: frozenset[str]) -> Form:
    parts: list[Form] = []
    for (names_a, units_a), a in first.items():
        for (names_b, units_b), b in second.items():
            names = _names(names_a + names_b, coefficients)
            parts.append({(names, units_a + units_b): a * b})
    return total(tuple(parts))


def _names(names: tuple[str, ...], coefficients: frozenset[str]) -> tuple[str, ...]:
    """At most one variable, behind at most one that serves as its coefficient."""
    factors = [name for name in names if name in coefficients]
    others = [name for name in names if name not in coefficients]
    if len(names) > 2 or len(others) > 1:
        raise FormError(
            "a product of two variables is not linear; one of them must be given by the file (`given: true`)"
        )
    return (*factors, *others)
