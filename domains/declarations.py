"""What a domain is declared with: variables, parameters, laws, ratios, context and blocks."""

import re
from functools import cached_property
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lawful.domains.equation import ParsedEquation, parse_equation
from lawful.domains.grammar import parse_tree

_COMPONENT = re.compile(r"([^\[\]]+)\[([^\[\]]+)\]")


def component(name: str) -> tuple[str, str] | None:
    """The array and the label of a component, `part[SiO2]` -> ("part", "SiO2"); None for a variable of its own."""
    found = _COMPONENT.fullmatch(name)
    return (found[1], found[2]) if found else None


def _identifier(name: str) -> str:
    array, label = component(name) or (name, None)
    if not array.isidentifier() or (label is not None and label != label.strip()):
        raise ValueError(f"{name!r} cannot stand in an equation: use letters, digits and _")
    # The parser sees names in this form: the micro sign and the Greek mu are one letter.
    array = normalize("NFKC", array)
    return array if label is None else f"{array}[{label}]"


Identifier = Annotated[str, AfterValidator(_identifier)]


class Declaration(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Variable(Declaration):
    """One quantity of an event, or with `over` one for each label of a dimension.

    `resolution` is an instrument's step, of which values are multiples. `given` variables are never generated: they
    come from the file, event by event, and may multiply other variables in a law. `uncertainty` is that of the data, in
    `units`; it says how far one variable moves beside others when data are reconciled with the laws. `source` is what
    files call it, where they do not use its name, and `file_units` a spelling of theirs that stands for `units`.
    `closes` names the law whose misfit this variable is: it need not be in the file.

    One with `flag_values` holds nothing but these numbers, which stand for kinds and not for more or less, and one with
    `flag_meanings` has words for them, in their order (CF conventions, section 3.5); without values they are 0, 1, ...
    """

    name: Identifier
    units: str
    lower: float | None = None
    upper: float | None = None
    standard_name: str | None = None
    description: str = ""
    resolution: float | None = Field(default=None, gt=0)
    cell_methods: str | None = None
    over: str | None = None
    given: bool = False
    uncertainty: float | None = Field(default=None, gt=0)
    source: str | None = None
    file_units: str | None = None
    closes: str | None = None
    flag_values: tuple[float, ...] = ()
    flag_meanings: tuple[str, ...] = ()

    @property
    def categorical(self) -> bool:
        """Whether its numbers stand for kinds."""
        return bool(self.flag_values)

    @property
    def meanings(self) -> tuple[str, ...]:
        """Words for its kinds; the numbers where there are none."""
        return self.flag_meanings or tuple(f"{value:g}" for value in self.flag_values)

    @model_validator(mode="before")
    @classmethod
    def _kinds_have_numbers(cls, declared: Any) -> Any:
        if not isinstance(declared, dict) or not (declared.get("flag_values") or declared.get("flag_meanings")):
            return declared
        return {"units": "1", **declared, "flag_values": declared.get("flag_values") or _numbered(declared)}

    @model_validator(mode="after")
    def _kinds_are_kinds(self) -> "Variable":
        values, words = self.flag_values, self.flag_meanings
        if len(set(values)) < len(values) or any(value != int(value) for value in values):
            raise ValueError(f"{self.name}: flag_values must be different whole numbers")
        if words and (len(words) != len(values) or len(set(words)) < len(words)):
            raise ValueError(f"{self.name}: {len(values)} flag_values need as many different flag_meanings")
        if values and (len(values) < 2 or self.lower is not None or self.upper is not None or self.resolution):
            raise ValueError(f"{self.name}: a category has two flag_values at least, and no lower, upper or resolution")
        return self

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Variable":
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"{self.name}: lower bound {self.lower:g} is above upper bound {self.upper:g}")
        return self


def _numbered(declared: dict[str, Any]) -> tuple[int, ...]:
    return tuple(range(len(declared["flag_meanings"])))


class Parameter(Declaration):
    """Numbers that are the same for all events: a constant, areas of cells, or the block that each cell belongs to.

    One value, or with `over` one for each label of that dimension. Without `values` they come from the data file.
    With `into` the values are labels of that dimension, for block means.
    """

    name: Identifier
    units: str = "1"
    over: str | None = None
    into: str | None = None
    values: tuple[float | str, ...] | None = None
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, declared: Any) -> Any:
        """YAML files give words; what is no number stays one, and is refused where it is asked for."""
        if (
            not isinstance(declared, dict)
            or declared.get("into")
            or not isinstance(declared.get("values"), list | tuple)
        ):
            return declared
        return {**declared, "values": tuple(_as_number(value) for value in declared["values"])}


def _as_number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


class Law(Declaration):
    """A linear equation or inequality; `tolerance` is how far the *data* may be from it, in `units`.

    A domain writes down in `expanded` what the equation amounts to between single variables in the law's units, and in
    `coefficients` which variables multiply others there; neither is for declaring.
    """

    name: str
    equation: str
    units: str
    tolerance: float | None = Field(default=None, ge=0)
    reference: str = ""
    expanded: str | None = None
    coefficients: tuple[str, ...] = ()

    @cached_property
    def parsed(self) -> ParsedEquation:
        """Coefficients, constant and relation of the equation."""
        return parse_equation(self.expanded or self.equation, frozenset(self.coefficients))

    @property
    def is_equality(self) -> bool:
        """Whether the law is an equation (`=`) rather than an inequality (`<=`)."""
        return parse_tree(self.equation).relation == "="

    @model_validator(mode="after")
    def _equation_parses(self) -> "Law":
        parse_tree(self.equation)
        return self


class Ratio(Declaration):
    """A quotient of two variables that an expert looks at first, such as albedo."""

    name: Identifier
    numerator: str
    denominator: str
    units: str
    lower: float | None = None
    upper: float | None = None
    description: str = ""


class Task(Declaration):
    """What data of the domain are used for: to predict one variable from others, as a measure of an ensemble's use."""

    name: str
    target: str
    inputs: tuple[str, ...] = Field(min_length=1)


class Context(Declaration):
    """Something known beforehand on which generation is conditioned.

    `solar_elevation` needs the `latitude` and `longitude` of the site in degrees and times in UTC; `offset_hours` leads
    from the time of an event to the middle of what it averages over, -0.5 for hours named after their end. A `variable`
    that lies `over` the dimension of a window is known for each step of it. One with `categories` holds nothing but
    these numbers, which stand for kinds and not for more or less.
    """

    name: str
    kind: Literal["hour_of_day", "day_of_year", "day_of_week", "solar_elevation", "variable"]
    description: str = ""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=360)
    offset_hours: float = 0.0
    over: str | None = None
    categories: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _sun_has_a_site(self) -> "Context":
        if self.kind == "solar_elevation" and (self.latitude is None or self.longitude is None):
            raise ValueError(f"context {self.name!r}: the elevation of the sun needs a latitude and a longitude")
        return self


class Blocks(Declaration):
    """Which events belong together when data are split: stretches of time, values of a label, or neighbours in order.

    Blocks of kind `order` are `length` events that follow one another in the file, for data with neither.
    """

    kind: Literal["time", "label", "order"]
    length_days: int = Field(default=7, gt=0)
    gap_days: int = Field(default=1, ge=0)
    label: str | None = None
    length: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _label_named(self) -> "Blocks":
        if self.kind == "label" and not self.label:
            raise ValueError("blocks of kind 'label' need the name of the label")
        return self
