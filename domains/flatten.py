"""Arrays, sums, differences, means and parameters of a declaration, written out between single variables."""

from collections.abc import Mapping

from lawful.domains.declarations import Law, Parameter, Variable, component
from lawful.domains.equation import Relation, parsed, written
from lawful.domains.errors import InputError
from lawful.domains.evaluate import Grouping, Scope, difference
from lawful.domains.forms import ANY, Form, Key, Vector, number, stacked, variable
from lawful.domains.grammar import parse_tree
from lawful.domains.tokens import tokens

Dimensions = Mapping[str, tuple[str, ...]]

_LARGEST_COUNT = 8
"""Whole numbers up to this count charges or atoms: they are no molar masses."""


def flat_variables(variables: tuple[Variable, ...], dimensions: Dimensions) -> tuple[Variable, ...]:
    """Variables with a dimension as one for each label, `part[SiO2]`; others, and such components, as they are.

    Raises:
        InputError: a variable lies along a dimension that is not declared.
    """
    flat: list[Variable] = []
    for v in variables:
        if v.over is None or component(v.name):
            flat.append(v)
            continue
        labels = _labels(v.name, v.over, dimensions, "variables")
        flat += [Variable.model_validate({**v.model_dump(), "name": f"{v.name}[{label}]"}) for label in labels]
    return tuple(flat)


def _labels(name: str, over: str, dimensions: Dimensions, section: str) -> tuple[str, ...]:
    if over not in dimensions:
        there = ", ".join(dimensions) or "none"
        raise InputError(f"{name} lies over {over!r}, which is no dimension; there are {there}", (section, name))
    return dimensions[over]


def scope_of(variables: tuple[Variable, ...], parameters: tuple[Parameter, ...], dimensions: Dimensions) -> Scope:
    """What the names in laws stand for: single variables, arrays of them, and parameters with values.

    Raises:
        InputError: a parameter does not have one number for each label.
    """
    names = {v.name: variable(v.name) for v in variables}
    arrays: dict[tuple[str, str], dict[str, Vector]] = {}
    for v in variables:
        place = component(v.name)
        if v.over and place:
            arrays.setdefault((place[0], v.over), {})[place[1]] = names[v.name]
    names |= {array: stacked(parts, over) for (array, over), parts in arrays.items()}
    known = [p for p in parameters if p.values is not None]
    names |= {p.name: _values(p, dimensions) for p in known if p.into is None}
    groupings = {p.name: _grouping(p, dimensions) for p in known if p.into is not None}
    return Scope(names, groupings, frozenset(v.name for v in variables if v.given))


def _values(parameter: Parameter, dimensions: Dimensions) -> Vector:
    parts = {label: number(_float(parameter, v), parameter.units) for label, v in _labelled(parameter, dimensions)}
    return stacked(parts, parameter.over) if parameter.over else parts[""]


def _labelled(parameter: Parameter, dimensions: Dimensions) -> list[tuple[str, float | str]]:
    labels = _labels(parameter.name, parameter.over, dimensions, "parameters") if parameter.over else ("",)
    values = parameter.values or ()
    if len(values) != len(labels):
        where = f"{len(labels)} labels of {parameter.over!r}" if parameter.over else "one number"
        raise InputError(
            f"parameter {parameter.name!r} has {len(values)} values for {where}", ("parameters", parameter.name)
        )
    return list(zip(labels, values, strict=True))


def _float(parameter: Parameter, value: float | str) -> float:
    try:
        return float(value)
    except ValueError as error:
        where = ("parameters", parameter.name)
        raise InputError(f"parameter {parameter.name!r}: {value!r} is no number", where) from error


def _grouping(parameter: Parameter, dimensions: Dimensions) -> Grouping:
    where = ("parameters", parameter.name)
    if parameter.over is None or parameter.into is None:
        raise InputError(f"parameter {parameter.name!r} leads into blocks and needs 'over'", where)
    blocks = {label: str(value) for label, value in _labelled(parameter, dimensions)}
    known = _labels(parameter.name, parameter.into, dimensions, "parameters")
    strangers = [block for block in blocks.values() if block not in known]
    if strangers:
        raise InputError(f"parameter {parameter.name!r}: {strangers[0]!r} is no label of {parameter.into!r}", where)
    ordered = sorted(blocks.items(), key=lambda item: known.index(item[1]))
    return Grouping(parameter.over, parameter.into, dict(ordered))


def flat_laws(
    laws: tuple[Law, ...],
    variables: tuple[Variable, ...],
    parameters: tuple[Parameter, ...],
    dimensions: Dimensions,
    density: str | None = None,
) -> tuple[Law, ...]:
    """Laws between single variables: one for each label where terms have a dimension, all terms in the law's units.

    A law with parameters whose values are still in a file stays as it is.

    Raises:
        InputError: a law is not linear, names what is not declared, or adds different units; the law is named.
    """
    scope = scope_of(variables, parameters, dimensions)
    units = {v.name: v.units for v in variables}
    waiting = {p.name for p in parameters if p.values is None}
    flat: list[Law] = []
    for law in laws:
        if law.expanded is not None or waiting & {word.text for word in tokens(law.equation)}:
            flat.append(law)
            continue
        try:
            flat += _flat(law, scope, units, density)
        except InputError as error:
            raise InputError(f"law {law.name!r}: {error}", ("laws", law.name, "equation")) from error
    return tuple(flat)


def _flat(law: Law, scope: Scope, units: Mapping[str, str], density: str | None) -> list[Law]:
    tree = parse_tree(law.equation)
    vector = difference(tree, scope)
    relation: Relation = "=" if law.is_equality else "<="
    rows = [parsed(_in_units(form, law, units, density), relation, law.equation) for form in vector.forms]
    names = [law.name] if vector.dim is None else [f"{law.name}[{label}]" for label in vector.labels]
    return [
        law.model_copy(
            update={"name": name, "expanded": written(row), "coefficients": tuple(f for f, _ in row.products)}
        )
        for name, row in zip(names, rows, strict=True)
    ]


def _in_units(form: Form, law: Law, units: Mapping[str, str], density: str | None) -> Form:
    return {key: value * _factor(key, value, law, units, density) for key, value in form.items()}


def _factor(key: Key, value: float, law: Law, units: Mapping[str, str], density: str | None) -> float:
    """From the units of a term to those of the law.

    A number in the equation, which has none, carries what is missing where the dimensions of the others are not
    the law's already.
    """
    names, of_parameters = key
    sources = (*(units[name] for name in names), *(source for source in of_parameters if source != ANY))
    if sources in ((), (law.units,)):
        return 1.0
    # Here, because pint is slow to import and seldom needed.
    from lawful.domains.units import between_mass_and_amount, factor

    try:
        return factor(sources, law.units, density)
    except InputError as error:
        counts = value.is_integer() and abs(value) <= _LARGEST_COUNT
        if ANY in of_parameters and not (counts and between_mass_and_amount(sources, law.units)):
            return 1.0
        what = " * ".join(names) or "a parameter"
        stated = " * ".join(repr(source) for source in sources)
        raise InputError(f"it is in {law.units!r}, but {what} is in {stated}: {error}") from error
