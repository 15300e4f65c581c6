"""The generating stage: a lawful ensemble for the events of a data set, as an xarray Dataset."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from lawful import __version__
from lawful.core.models import BaggedModel, InfeasibleEventsError, Model, Sampled, sample_events
from lawful.core.polyhedra import InfeasibleError
from lawful.data_recipes.cf import CONVENTIONS, DISCOVERY, FLAG, discovery_attributes, equations, variable_attributes
from lawful.domains import Domain, InputError, Variable
from lawful.domains.calendar import time_name
from lawful.domains.components import join, with_parameters
from lawful.domains.declarations import component
from lawful.pipeline import data as prepared_data
from lawful.pipeline.data import Prepared, Split, require_given_lawful
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import Drawing, RunSettings, require_numbers

_EXAMINED = 100
"""How many events that seem to have no lawful completion are looked into, by a linear programme each."""


def generate(drawing: Drawing, prepared: Prepared, events: xr.Dataset, model: Model, console: Console) -> xr.Dataset:
    """`members` lawful realizations of each of `events`, dims (realization, event), in the dtype of the drawing.

    Raises:
        InputError: the given values leave no lawful event; the message names the clash. Or bounds leave a variable no
            number of the dtype.
    """
    domain = prepared.domain
    require_numbers(domain, drawing.dtype)
    z = prepared_data.values(events, domain)
    require_given_lawful(prepared.problem, events, domain)
    notes = unlike_training(prepared, events)
    for note in notes:
        console.say(f"note: {note}")
    members, count = drawing.members, len(z)
    with console.progress(f"generating {members} x {count} events", members * count) as bar:
        try:
            sampled = _sampled(model, events, prepared, drawing, bar.advance)
        except InfeasibleEventsError as error:
            label = _label(error.events[0] % count, prepared.domain, events)
            advice = "the given values are unlike the training data"
            raise InputError(f"{domain.event} {label}: {error}; {advice}") from error
    if sampled.redrawn:
        share = sampled.redrawn / (members * count)
        console.say(f"{sampled.redrawn} draws ({share:.2%}) had an infeasible pattern and were drawn again")
    fields = sampled.z.reshape(members, count, -1).numpy()
    whole = join(_dataset(domain, events, fields), domain)
    said = {"lawful_notes": "\n".join(notes)} if notes else {}
    return with_parameters(whole, domain).assign_attrs(lawful_redrawn=sampled.redrawn, **said)


def unlike_training(prepared: Prepared, events: xr.Dataset) -> list[str]:
    """A note for each given variable, or array of them, with values outside of the range that training data have.

    A model has seen nothing there: laws and bounds hold all the same, and likeness is anybody's guess.
    """
    domain, arrays = prepared.domain, dict[str, list[Variable]]()
    for name in prepared.given:
        if not domain.variable(name).categorical:
            arrays.setdefault((component(name) or (name,))[0], []).append(domain.variable(name))
    return [note for name, parts in arrays.items() if (note := _outside(name, parts, prepared.train, events))]


def _outside(name: str, parts: Sequence[Variable], train: xr.Dataset, events: xr.Dataset) -> str:
    known, own = (np.stack([ds[v.name].to_numpy() for v in parts]) for ds in (train, events))
    low, high = float(known.min()), float(known.max())
    count = int(((own < low) | (own > high)).sum())
    span = f"{low:.6g} to {high:.6g} {parts[0].units}"
    return f"{name}: {count:,} of {own.size:,} values outside of the training range {span}" if count else ""


def _require_feasible(numbers: list[int], prepared: Prepared, events: xr.Dataset, z: torch.Tensor) -> None:
    """InputError when given values leave no lawful event; names the laws and bounds that clash, and the event."""
    for number in sorted({n % events.sizes[prepared.domain.event_dim] for n in numbers})[:_EXAMINED]:
        label = _label(number, prepared.domain, events)
        try:
            prepared.problem.require_feasible(z[number], where=f" at {prepared.domain.event_dim} {label}")
        except InfeasibleError as clash:
            raise InputError(f"the given values leave no lawful event: {clash}") from clash


def _label(number: int, domain: Domain, events: xr.Dataset) -> object:
    return events[domain.event_dim].values[number] if domain.event_dim in events.coords else number


def _sampled(
    model: Model, events: xr.Dataset, prepared: Prepared, drawing: Drawing, progress: Callable[[int], None]
) -> Sampled:
    """All realizations of the events, one realization after another."""
    domain, members = prepared.domain, drawing.members
    generator = torch.Generator().manual_seed(drawing.seed + 1)
    # What is not given must not be known to the model.
    given = torch.where(prepared.problem.given, prepared_data.values(events, domain), 0.0).repeat(members, 1)
    dtype = getattr(torch, drawing.dtype)

    def doubted(numbers: list[int]) -> None:
        _require_feasible(numbers, prepared, events, given)

    if isinstance(model, BaggedModel):
        context = prepared_data.context(events, prepared).repeat(members, 1)
        return sample_events(
            model, model.chart, context, given, generator, dtype=dtype, progress=progress, doubted=doubted
        )
    context = prepared_data.step_context(events, domain).repeat(members, 1, 1)
    return model.sample_windows(context, given, generator, dtype=dtype, progress=progress)


def _dataset(domain: Domain, events: xr.Dataset, fields: np.ndarray) -> xr.Dataset:
    dims = ("realization", domain.event_dim)
    described = [{**variable_attributes(v), "coverage_content_type": "modelResult"} for v in domain.variables]
    kinds = [v.categorical for v in domain.variables]
    columns = [fields[..., i].astype(FLAG) if kind else fields[..., i] for i, kind in enumerate(kinds)]
    variables = {name: (dims, columns[i], described[i]) for i, name in enumerate(domain.names)}
    known = {name: events[name] for name in _kept(events, domain)}
    realization = ("realization", np.arange(len(fields), dtype=np.int32), {
        "standard_name": "realization", "long_name": "ensemble member", "units": "1"})  # fmt: skip
    ds = xr.Dataset(variables, coords={**events.coords, "realization": realization})
    return _named(ds.assign(known), domain)


def _named(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """A copy in which coordinates and labels have a `long_name`, and times their standard name, as data may not."""
    ds = ds.copy()
    for name in ds.variables:
        if not {"long_name", "standard_name"} & set(ds[name].attrs):
            ds[name].attrs["long_name"] = str(name)
    time = time_name(ds, domain.event_dim)
    if time is not None:
        ds[time].attrs["standard_name"] = "time"
    return ds


def _kept(events: xr.Dataset, domain: Domain) -> list[str]:
    """Labels and context variables that belong with the events."""
    wanted = [c.name for c in domain.context if c.kind == "variable"] + [domain.blocks.label or ""]
    return [name for name in wanted if name in events.data_vars]


def attributes(
    settings: RunSettings, drawing: Drawing, prepared: Split, events: xr.Dataset, weights: str
) -> dict[str, str | int]:
    """Global attributes of an ensemble of `events`; `weights` is the SHA-256 of those of its model."""
    domain = prepared.domain
    # No time of day and no folder: the same seed gives the same file, byte for byte. When it ran is in run.yaml.
    drawn = drawing.command(Path("DIR")) if drawing != settings.drawing else ""
    history = [str(prepared.data.attrs.get("history", "")), settings.command(with_out=False), drawn]
    said = {"references": "; ".join(domain.references), "comment": domain.note}
    return {
        **discovery_attributes(domain, events, prepared.data),
        **{name: text for name, text in said.items() if text},
        "Conventions": f"{CONVENTIONS}, {DISCOVERY}",
        "title": f"Generated ensemble: {domain.title}",
        "source": f"lawful {__version__}, model {prepared.family}, trained on: {prepared.data.attrs.get('source', '')}",
        "history": "\n".join(line for line in history if line),
        "lawful_version": __version__,
        "lawful_domain": domain.name,
        "lawful_laws": equations(domain),
        "lawful_law_hash": domain.law_hash(),
        "lawful_model": prepared.family,
        "lawful_model_sha256": weights,
        "lawful_seed": drawing.seed,
        "lawful_given": ", ".join(prepared.given),
        "lawful_data_sha256": prepared.sha256,
    }
