"""Windows in time as chains of steps: which variables make up each, and a step as a domain of its own."""

import numpy as np
import torch
import xarray as xr

from lawful.core.coordinates import Problem, Steps
from lawful.domains.blocks import block_labels
from lawful.domains.calendar import holds_times, later
from lawful.domains.declarations import Blocks, Law, Variable, component
from lawful.domains.domain import Domain
from lawful.domains.equation import ParsedEquation, written

BLOCK = "block_of_window"
"""What the block of a window is called among its steps."""


def chain_of(domain: Domain, problem: Problem) -> Steps | None:
    """Which variables of a window are those of each step; None where events are no chains of steps that are alike.

    Variables over the window's dimension are of one step each; those over a dimension of one label more are states at
    the ends of steps. A window with variables of no step, or of another dimension, is not a chain.
    """
    if domain.window is None:
        return None
    count = len(domain.dimensions[domain.window])
    places = _places(domain)
    lengths = {len(columns) for columns in places.values()}
    if not lengths <= {count, count + 1} or count not in lengths:
        return None
    states = [name for name, columns in places.items() if len(columns) == count + 1]
    others = [name for name in places if name not in states]
    columns = [
        [*(places[name][step] for name in (*states, *others)), *(places[name][step + 1] for name in states)]
        for step in range(count)
    ]
    steps = Steps(torch.tensor(columns), len(states), (*(f"{name}_before" for name in states), *others, *states))
    return steps if steps.split(problem) else None


def _places(domain: Domain) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for column, name in enumerate(domain.names):
        places.setdefault((component(name) or (name,))[0], []).append(column)
    return places


def step_domain(domain: Domain, steps: Steps) -> Domain:
    """One step of a window as an event: its variables, the states that it starts from among them, and its laws."""
    first = [domain.names[column] for column in steps.columns[0].tolist()]
    renamed = dict(zip(first, steps.names, strict=True))
    laws = {law.name.partition("[")[0]: law for law in reversed(domain.laws) if set(law.parsed.names) <= set(first)}
    content = {
        "name": domain.name,
        "title": domain.title,
        "event": domain.window,
        "event_dim": domain.event_dim,
        "variables": [_renamed(domain.variable(old), new) for old, new in renamed.items()],
        "laws": [_law(laws[name], name, renamed) for name in reversed(laws)],
        "context": [context.model_copy(update={"over": None}) for context in domain.context],
        "blocks": Blocks(kind="label", label=BLOCK),
        "references": domain.references,
    }
    return Domain.model_validate(content)


def _renamed(variable: Variable, name: str) -> Variable:
    words = variable.description
    if name.endswith("_before"):
        words = f"{words}, a step earlier"
    return variable.model_copy(update={"name": name, "over": None, "closes": None, "description": words})


def _law(law: Law, name: str, renamed: dict[str, str]) -> Law:
    parsed = law.parsed
    coefficients = {renamed[variable]: value for variable, value in parsed.coefficients.items()}
    expanded = written(ParsedEquation(coefficients, parsed.constant, parsed.relation))
    # Not `model_copy`, which would keep what was parsed of the old equation.
    return Law.model_validate({**law.model_dump(), "name": name, "expanded": expanded})


def step_events(ds: xr.Dataset, domain: Domain, steps: Steps) -> xr.Dataset:
    """Windows, with or without realizations, as the steps that they are made of, one window after another."""
    dim, count = domain.event_dim, len(steps)
    blocks = np.repeat(block_labels(ds, domain), count)
    variables: dict[str, xr.Variable] = {BLOCK: xr.Variable((dim,), blocks)}
    for name, columns in zip(steps.names, steps.columns.T.tolist(), strict=True):
        parts = xr.Variable.concat([ds[domain.names[column]].variable for column in columns], dim="step")
        variables[name] = _in_a_row(parts, dim, domain.names[columns[0]], ds)
    for context in domain.context:
        if context.kind == "variable":
            known = ds[context.name].variable
            known = known.transpose(dim, ...) if context.over else known.set_dims({dim: len(known), "step": count})
            variables[context.name] = _in_a_row(xr.Variable((dim, "step"), known.data), dim, context.name, ds)
    whole = xr.Dataset(variables, attrs=ds.attrs)
    whole = whole.assign_coords({dim: _labels(ds, domain, count)})
    return whole.assign_coords(realization=ds["realization"]) if "realization" in ds.coords else whole


def _in_a_row(parts: xr.Variable, dim: str, source: str, ds: xr.Dataset) -> xr.Variable:
    """Values along events and steps as values along steps of all events."""
    others = [d for d in parts.dims if d not in (dim, "step")]
    values = parts.transpose(*others, dim, "step").to_numpy()
    return xr.Variable((*others, dim), values.reshape(*values.shape[:-2], -1), ds[source].attrs)


def _labels(ds: xr.Dataset, domain: Domain, count: int) -> np.ndarray:
    """Times of the steps, or their numbers where windows have no times."""
    dim = domain.event_dim
    if dim not in ds.coords or not holds_times(ds[dim]):
        return np.arange(ds.sizes[dim] * count)
    times = [later(ds[dim], step * domain.step_days).to_numpy() for step in range(count)]
    return np.stack(times, axis=1).reshape(-1)
