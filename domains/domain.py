"""What a domain is: declarations that agree with one another, and the linear algebra they amount to."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from lawful.domains.declarations import (
    Blocks,
    Context,
    Declaration,
    Law,
    Parameter,
    Ratio,
    Task,
    Variable,
    component,
)
from lawful.domains.errors import InputError
from lawful.domains.flatten import flat_laws, flat_variables

if TYPE_CHECKING:
    from lawful.core import LinearSystem


class Domain(Declaration):
    """Physical laws over named variables with units; event_dim is the dimension along which events lie.

    `dimensions` names the labels along which variables of one event may lie; such variables, and laws between them,
    come out as one for each label. With a `density`, depths and masses of it (mm h-1 and kg m-2 s-1) convert.
    With `window`, the name of a dimension, events are stretches of as many steps cut from series along `event_dim`,
    each `step_days` long.
    With `stack`, events are the points of several dimensions of the file, such as time and face. Values in `missing`,
    such as -9999, stand for none. `closure` says what is done with data that do not close: `strict` refuses them,
    `reconcile` moves them onto the laws as little as can be, and with `residual` a variable that `closes` a law carries
    what is missing of it. `uniform` says that events spread evenly over all that laws and bounds leave open at their
    given values: what a model draws is then taken on by steps that leave this distribution as it is.

    How likeness to data is judged: `tasks` are predictions that data are used for, `grids` says of a dimension how many
    (rows, columns) its labels are laid out on, row by row, `measures` names further ones that an installed package
    registers (entry points `lawful.measures`), and `leave_out` those that say nothing about this domain.
    """

    name: str = Field(pattern=r"^\w[\w.-]*$")
    title: str
    description: str = ""
    event: str
    event_dim: str
    density: str | None = None
    dimensions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    variables: tuple[Variable, ...] = Field(min_length=1)
    parameters: tuple[Parameter, ...] = ()
    laws: tuple[Law, ...]
    ratios: tuple[Ratio, ...] = ()
    context: tuple[Context, ...] = ()
    tasks: tuple[Task, ...] = ()
    grids: dict[str, tuple[int, int]] = Field(default_factory=dict)
    measures: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    blocks: Blocks
    stack: tuple[str, ...] = ()
    window: str | None = None
    step_days: float = Field(default=1.0, gt=0)
    missing: tuple[float, ...] = ()
    closure: Literal["strict", "reconcile", "residual"] = "strict"
    uniform: bool = False
    sample: str = ""
    note: str = ""
    references: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in the order of every array here."""
        return tuple(variable.name for variable in self.variables)

    def variable(self, name: str) -> Variable:
        """The variable of that name; InputError names the known ones."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise InputError(f"domain {self.name!r} has no variable {name!r}; it has {', '.join(self.names)}")

    def expanded(self, names: Sequence[str]) -> tuple[str, ...]:
        """Variables by their names, where an array stands for all its components; InputError for others."""
        arrays: dict[str, list[str]] = {}
        for name in self.names:
            place = component(name)
            arrays.setdefault(place[0] if place else name, []).append(name)
        for name in names:
            if name not in arrays and name not in self.names:
                raise InputError(f"domain {self.name!r} has no variable {name!r}; it has {', '.join(arrays)}")
        return tuple(single for name in names for single in arrays.get(name, [name]))

    @property
    def equalities(self) -> tuple[Law, ...]:
        """Laws written with `=`."""
        return tuple(law for law in self.laws if law.is_equality)

    @property
    def inequalities(self) -> tuple[Law, ...]:
        """Laws written with `<=` or `>=`."""
        return tuple(law for law in self.laws if not law.is_equality)

    def matrix(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Equalities as `A z = b`: A (m, n) float64, b (m,), and the names of the laws."""
        return self._rows(self.equalities)

    def inequality_matrix(self) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Inequalities as `C z <= d`: C (k, n) float64, d (k,), and the names of the laws."""
        return self._rows(self.inequalities)

    def _rows(self, laws: tuple[Law, ...]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        self.require_constant(laws)
        rows = [law.parsed.row(self.names) for law in laws]
        matrix = np.array(rows, dtype=np.float64).reshape(len(laws), len(self.names))
        return (
            matrix,
            np.array([law.parsed.constant for law in laws], dtype=np.float64),
            tuple(law.name for law in laws),
        )

    def require_constant(self, laws: tuple[Law, ...]) -> None:
        """Raise InputError where coefficients of a law are not known numbers, the same for every event."""
        for law in laws:
            if law.expanded is None and self.waiting:
                raise InputError(f"law {law.name!r} takes parameters of a data file, which `data_recipes.read` binds")
            if law.coefficients:
                factors = ", ".join(law.coefficients)
                raise InputError(
                    f"law {law.name!r} has coefficients that differ from event to event ({factors}): data can be read "
                    "and screened by it, but this version neither generates for such a law nor judges it"
                )

    @property
    def given(self) -> tuple[str, ...]:
        """Variables that are never generated."""
        return tuple(v.name for v in self.variables if v.given)

    def closed_by(self, variable: Variable) -> Law | None:
        """The equation whose misfit a variable is; that of its own label where both lie along a dimension."""
        place = component(variable.name)
        names = (variable.closes, f"{variable.closes}[{place[1]}]" if place else None)
        return next((law for law in self.equalities if law.name in names), None)

    @property
    def waiting(self) -> tuple[Parameter, ...]:
        """Parameters whose values are still in a data file."""
        return tuple(p for p in self.parameters if p.values is None)

    @property
    def lower(self) -> np.ndarray:
        """Lower bounds (n,), -inf where there is none."""
        limits = [min(v.flag_values, default=-np.inf) if v.lower is None else v.lower for v in self.variables]
        return np.array(limits, dtype=np.float64)

    @property
    def upper(self) -> np.ndarray:
        """Upper bounds (n,), +inf where there is none."""
        limits = [max(v.flag_values, default=np.inf) if v.upper is None else v.upper for v in self.variables]
        return np.array(limits, dtype=np.float64)

    def system(self) -> "LinearSystem":
        """The equalities, factorised."""
        # Here, because torch is slow to import and readers do not need it.
        from lawful.core import LinearSystem

        matrix, constants, names = self.matrix()
        return LinearSystem(matrix, constants, names=names, columns=self.names)

    def law_hash(self) -> str:
        """SHA-256 over names, units, bounds, laws, ratios and `uniform`: what a checkpoint or an ensemble was made for.

        Wording does not count: descriptions, references and the spelling of an equation may change.
        """
        content = {
            "variables": [_bounded(v) for v in self.variables],
            "laws": [_canonical(law) for law in self.laws],
            "ratios": [ratio.model_dump(exclude={"description"}) for ratio in self.ratios],
        } | ({"uniform": True} if self.uniform else {})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @field_validator("dimensions", mode="after")
    @classmethod
    def _labels_differ(cls, dimensions: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, labels in dimensions.items():
            twice = _twice(labels)
            if twice or not labels:
                fault = f"has label {twice[0]!r} twice" if twice else "has no labels"
                raise InputError(f"dimension {name!r} {fault}", ("dimensions", name))
        return dimensions

    @field_validator("variables", mode="after")
    @classmethod
    def _single_variables(cls, variables: tuple[Variable, ...], info: ValidationInfo) -> tuple[Variable, ...]:
        return flat_variables(variables, info.data.get("dimensions", {}))

    @field_validator("laws", mode="after")
    @classmethod
    def _single_laws(cls, laws: tuple[Law, ...], info: ValidationInfo) -> tuple[Law, ...]:
        known = info.data
        if not {"density", "dimensions", "variables", "parameters"} <= set(known):
            return laws
        return flat_laws(laws, known["variables"], known["parameters"], known["dimensions"], known["density"])

    @model_validator(mode="after")
    def _names_agree(self) -> "Domain":
        others = [*(p.name for p in self.parameters), *(r.name for r in self.ratios)]
        for what, names in (
            ("variable, parameter or ratio", [*self.names, *others]),
            ("law", [law.name for law in self.laws]),
        ):
            twice = _twice(names)
            if twice:
                raise InputError(f"two {what}s are called {', '.join(twice)}")
        for ratio in self.ratios:
            for name in (ratio.numerator, ratio.denominator):
                if name not in self.names:
                    there = ", ".join(self.names)
                    raise InputError(
                        f"ratio {ratio.name!r} names {name!r}, which is no variable; there are {there}",
                        ("ratios", ratio.name),
                    )
        return self

    @model_validator(mode="after")
    def _categories_stand_alone(self) -> "Domain":
        kinds = {v.name for v in self.variables if v.categorical}
        if kinds and self.uniform:
            raise InputError(f"{sorted(kinds)[0]} is a category, and `uniform` events have none")
        used = [(law.name, law.parsed.names) for law in self.laws if law.expanded]
        used += [(ratio.name, (ratio.numerator, ratio.denominator)) for ratio in self.ratios]
        for where, names in used:
            for name in kinds & set(names):
                raise InputError(f"{where!r} reckons with {name}, which is a category", ("variables", name))
        return self

    @model_validator(mode="after")
    def _tasks_and_grids_fit(self) -> "Domain":
        for task in self.tasks:
            unknown = [name for name in (task.target, *task.inputs) if name not in self.names]
            if unknown or task.target in task.inputs:
                fault = (
                    f"names {unknown[0]!r}, which is no variable" if unknown else f"predicts {task.target} from itself"
                )
                raise InputError(f"task {task.name!r} {fault}", ("tasks", task.name))
        for dim, (rows, columns) in self.grids.items():
            labels = len(self.dimensions.get(dim, ()))
            if min(rows, columns) < 1 or rows * columns != labels:
                raise InputError(
                    f"grid {dim!r} is {rows} x {columns}, but the dimension has {labels} labels", ("grids", dim)
                )
        return self

    @model_validator(mode="after")
    def _window_is_a_dimension(self) -> "Domain":
        if self.window is not None and self.window not in self.dimensions:
            raise InputError(
                f"window {self.window!r} is no dimension; there are {', '.join(self.dimensions) or 'none'}"
            )
        if self.window is not None and self.stack:
            raise InputError("events are windows or stacked points, not both")
        for context in self.context:
            if context.over is not None and (context.over != self.window or context.kind != "variable"):
                raise InputError(
                    f"context {context.name!r} lies over {context.over!r}; only a variable over the window's dimension "
                    "has a value for each step"
                )
        return self

    @model_validator(mode="after")
    def _misfits_have_laws(self) -> "Domain":
        closing = [v for v in self.variables if v.closes is not None]
        if bool(closing) != (self.closure == "residual"):
            raise InputError("closure 'residual' and variables with `closes` go together; only one of them is there")
        for v in closing:
            law = self.closed_by(v)
            if law is None or (v.name not in law.parsed.coefficients if law.expanded else v.name not in law.equation):
                fault = f"{v.name} closes {v.closes!r}, which is no equation with {v.name} in it"
                raise InputError(fault, ("variables", v.name))
        return self


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _bounded(variable: Variable) -> dict[str, object]:
    content = variable.model_dump(include={"name", "units", "lower", "upper", "resolution"})
    kinds = {"flag_values": variable.flag_values, "flag_meanings": variable.flag_meanings}
    return content | ({"given": True} if variable.given else {}) | (kinds if variable.categorical else {})


def _canonical(law: Law) -> dict[str, object]:
    parsed = law.parsed
    products = {f"{factor} * {name}": value for (factor, name), value in parsed.products.items()}
    return {
        "name": law.name,
        "units": law.units,
        "coefficients": {**parsed.coefficients, **products},
        "constant": parsed.constant,
        "relation": parsed.relation,
    }
