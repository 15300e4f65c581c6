"""Domains as YAML files: the same declarations as in Python, and no code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lawful.domains.declarations import Blocks, Context, Law, Parameter, Ratio, Task, Variable
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.field_domain import FieldDomain
from lawful.domains.graph_domain import GraphDomain
from lawful.domains.shaped import ShapedDomain
from lawful.domains.yaml_text import Located, Place, read_yaml

_SUFFIXES = (".yaml", ".yml")
_BY_NAME: dict[str, type[BaseModel]] = {
    "variables": Variable,
    "parameters": Parameter,
    "laws": Law,
    "ratios": Ratio,
    "context": Context,
    "tasks": Task,
}
_SHAPES: dict[str, type[ShapedDomain]] = {"graphs": GraphDomain, "fields": FieldDomain}
_INTERNAL = {"expanded", "coefficients", "name"}


def is_domain_file(text: str) -> bool:
    """Whether a word on the command line means a file rather than the name of a domain."""
    return Path(text).suffix.lower() in _SUFFIXES


def load_domain(path: str | Path, folder: Path | None = None) -> Domain:
    """The domain of events that a YAML file declares.

    Variables, parameters, laws, ratios, context and tasks are mappings from names to fields; every field is that of the
    declaration in Python. A `sample` is a file in `folder`, by default that of the YAML file.

    Raises:
        InputError: the file cannot be read or does not declare a domain; one line says file, line, law and column.
    """
    domain = load_any_domain(path, folder)
    if isinstance(domain, ShapedDomain):
        raise InputError(f"{path}: declares graphs or fields; a domain of events has no `shape`")
    return domain


def load_any_domain(path: str | Path, folder: Path | None = None) -> Domain | ShapedDomain:
    """The same, or with `shape: graphs` or `shape: fields` a `GraphDomain` or a `FieldDomain`."""
    located = read_yaml(Path(path))
    if not isinstance(located.content, dict):
        raise InputError(f"{path}, line {located.line(())}: expected fields such as 'name:', not a {_kind(located)}")
    kind = _shape(located)
    declared = _declared(located)
    _require_units(declared, located)
    try:
        domain = kind.model_validate(declared)
    except ValidationError as error:
        raise _explained(error, located, kind) from error
    sample = (folder or Path(path).absolute().parent) / domain.sample if domain.sample else ""
    return domain.model_copy(update={"sample": str(sample)})


def _shape(located: Located) -> type[Domain | ShapedDomain]:
    """What kind of domain a file declares; takes the word out of its content."""
    word = located.content.pop("shape", None)
    if word is None:
        return Domain
    if word not in _SHAPES:
        raise _fault(located, ("shape",), f"shape {word!r}: there is {', '.join(_SHAPES)}, or none for events")
    return _SHAPES[word]


def _require_units(content: dict[str, Any], located: Located) -> None:
    # Here, because pint is slow to import.
    from lawful.domains.units import require_density, require_units

    stated: list[tuple[Place, str, Callable[[str], None]]] = [
        ((section, item["name"], "units"), item["units"], require_units)
        for section in ("variables", "parameters", "laws", "ratios")
        for item in content.get(section, [])
        if isinstance(item.get("units"), str)
    ]
    if isinstance(content.get("density"), str):
        stated.append((("density",), content["density"], require_density))
    for place, units, require in stated:
        try:
            require(units)
        except InputError as error:
            raise _fault(located, place, f"{_what(place)}: {error}".removeprefix(": ")) from error


def _kind(located: Located) -> str:
    return "list" if isinstance(located.content, list) else "single word"


def _declared(located: Located) -> dict[str, Any]:
    """Sections as lists whose items carry their names, empty ones left out."""
    content = {field: value for field, value in located.content.items() if value is not None}
    for section, kind in _BY_NAME.items():
        if section in content:
            content[section] = _items(section, kind, content[section], located)
    return content


def _items(section: str, kind: type[BaseModel], declared: Any, located: Located) -> list[dict[str, Any]]:
    if not isinstance(declared, dict):
        raise _fault(located, (section,), f"{section} need a name each, as in '{section}:', then 'NAME:' further in")
    items = []
    for name, fields in declared.items():
        if fields is not None and not isinstance(fields, dict):
            known = ", ".join(field for field in kind.model_fields if field not in _INTERNAL)
            raise _fault(located, (section, name), f"{_what((section, name))} needs fields: {known}")
        for field in fields or {}:
            if field in _INTERNAL:
                raise _fault(located, (section, name, field), f"{_what((section, name))} has no field {field!r}")
        given = {field: value for field, value in (fields or {}).items() if value is not None}
        items.append({"name": name, **given})
    return items


def _explained(error: ValidationError, located: Located, kind: type[BaseModel]) -> InputError:
    # A field that is not known is the likelier slip than the one that is missing for it.
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    first = faults[0]
    cause = first.get("ctx", {}).get("error")
    place = _place(first["loc"], located)
    if isinstance(cause, InputError):
        # A law that cannot be read at all is at fault in its equation.
        place = cause.where or (*place, *(["equation"] if place[:1] == ("laws",) else []))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return _fault(located, place, f"{_message(first, cause, place, located, kind)}{more}")


def _place(loc: tuple[int | str, ...], located: Located) -> Place:
    """Where pydantic's place is in the file: its lists are mappings there."""
    place: list[str | int] = []
    inside: Any = located.content
    for step in loc:
        if isinstance(step, int) and isinstance(inside, dict) and step < len(inside):
            step = list(inside)[step]
        place.append(step)
        inside = inside.get(step) if isinstance(inside, dict) else None
    return tuple(place)


def _message(fault: Any, cause: Exception | None, place: Place, located: Located, kind: type[BaseModel]) -> str:
    what = _what(place)
    said = " ".join(str(cause or fault["msg"]).split())
    if fault["type"] == "missing":
        return f"{what + ': ' if what and place[1:] else ''}{str(place[-1])!r} is missing"
    if fault["type"] == "extra_forbidden":
        known = ", ".join(field for field in _fields(place, kind) if field not in _INTERNAL or not place[1:])
        return f"{what + ': ' if what else ''}no field {str(place[-1])!r}; there are {known}"
    if cause is not None:
        # Messages of laws and parameters start with their names.
        return said if not what or said.startswith(what) else f"{what}: {said}"
    field = f"{place[-1]} = {fault['input']!r:.60}" if len(place) in (1, 3) else f"{fault['input']!r:.60}"
    return f"{what + ': ' if what else ''}{field}: {said[:1].lower()}{said[1:]}"


def _fields(place: Place, kind: type[BaseModel]) -> list[str]:
    kinds: dict[str, type[BaseModel]] = {**_BY_NAME, "blocks": Blocks, "value": Variable, "total": Variable}
    owner = kinds.get(str(place[0]), kind) if len(place) > 1 else kind
    return list(owner.model_fields)


def _what(place: Place) -> str:
    singular = {"variables": "variable", "parameters": "parameter", "laws": "law", "ratios": "ratio", "tasks": "task"}
    if len(place) < 2:
        return str(place[0]) if place and place[0] in ("blocks", "dimensions") else ""
    if place[0] in singular or place[0] in ("context",):
        return f"{singular.get(str(place[0]), place[0])} {str(place[1])!r}"
    return str(place[0])


def _fault(located: Located, place: Place, message: str) -> InputError:
    return InputError(f"{located.path}, line {located.line(place)}: {message}")
