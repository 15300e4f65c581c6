"""What a domain is declared with: variables, laws, ratios, context and blocks."""

from functools import cached_property
from keyword import iskeyword
from typing import Annotated, Literal
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from lawful.domains.equation import ParsedEquation, parse_equation


def _identifier(name: str) -> str:
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"{name!r} cannot stand in an equation: use letters, digits and _, and no word of Python")
    # The parser sees names in this form: the micro sign and the Greek mu are one letter.
    return normalize("NFKC", name)


Identifier = Annotated[str, AfterValidator(_identifier)]


class Declaration(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Variable(Declaration):
    """One generated quantity; `resolution` is an instrument's step, of which values are multiples."""

    name: Identifier
    units: str
    lower: float | None = None
    upper: float | None = None
    standard_name: str | None = None
    description: str = ""
    resolution: float | None = Field(default=None, gt=0)
    cell_methods: str | None = None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Variable":
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"{self.name}: lower bound {self.lower:g} is above upper bound {self.upper:g}")
        return self


class Law(Declaration):
    """A linear equation or inequality; `tolerance` is how far the *data* may be from it, in `units`."""

    name: str
    equation: str
    units: str
    tolerance: float | None = Field(default=None, ge=0)
    reference: str = ""

    @cached_property
    def parsed(self) -> ParsedEquation:
        """Coefficients, constant and relation of the equation."""
        return parse_equation(self.equation)

    @property
    def is_equality(self) -> bool:
        """Whether the law is an equation (`=`) rather than an inequality (`<=`)."""
        return self.parsed.relation == "="

    @model_validator(mode="after")
    def _equation_parses(self) -> "Law":
        _ = self.parsed
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


class Context(Declaration):
    """Something known beforehand on which generation is conditioned.

    `solar_elevation` needs the `latitude` and `longitude` of the site in degrees and times in UTC; `offset_hours` leads
    from the time of an event to the middle of what it averages over, -0.5 for hours named after their end.
    """

    name: str
    kind: Literal["hour_of_day", "day_of_year", "day_of_week", "solar_elevation", "variable"]
    description: str = ""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=360)
    offset_hours: float = 0.0

    @model_validator(mode="after")
    def _sun_has_a_site(self) -> "Context":
        if self.kind == "solar_elevation" and (self.latitude is None or self.longitude is None):
            raise ValueError(f"context {self.name!r}: the elevation of the sun needs a latitude and a longitude")
        return self


class Blocks(Declaration):
    """Which events belong together when data are split: stretches of time, or the values of a label."""

    kind: Literal["time", "label"]
    length_days: int = Field(default=7, gt=0)
    gap_days: int = Field(default=1, ge=0)
    label: str | None = None

    @model_validator(mode="after")
    def _label_named(self) -> "Blocks":
        if self.kind == "label" and not self.label:
            raise ValueError("blocks of kind 'label' need the name of the label")
        return self
