"""Physics validity of graphs and fields: their laws, bounds and what is not finite, by the views of their domain."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains.declarations import component
from lawful.domains.shaped import ShapedDomain, View, Views
from lawful.reports.arrays import REALIZATION, label_of, plain
from lawful.reports.physics.columns import Columns
from lawful.reports.physics.equations import Equation
from lawful.reports.physics.judges import Judges
from lawful.reports.physics.tolerance import Tolerance
from lawful.reports.validity import heading, judged


def shaped_validity(
    ds: xr.Dataset,
    domain: ShapedDomain,
    views: Views | None = None,
    *,
    tolerance_ulps: float = LAWFUL_ULPS,
    tolerances: Mapping[str, Tolerance] | None = None,
    steps: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Judge every sample of a data set against the laws and bounds of a domain of graphs or fields; as `validity`.

    Laws come from all views, bounds from the parts of samples (nodes, cells). Places are those of the data set: the
    graph and the number of its node, or the sample with row and column of a cell or of a block. The data set is taken
    apart in memory, some times its own size.

    Args:
        ds: as `lawful.data_recipes.shaped_ensemble.read_shaped_ensemble` gives it; its values may be any.
        domain: laws and bounds.
        views: those of `domain`, where they fit more data sets than this.
        tolerance_ulps: so many ulps are allowed.
        tolerances: by name of law in the domain, what takes their place.
        steps: last printed digit by variable, in the domain's units, for files that do not tell.

    Returns:
        A JSON-ready dict: what `validity` gives, with the number of "parts".

    Raises:
        InputError: dimensions or units do not fit.
    """
    seen = views or domain.views(ds)

    def found(view: View) -> tuple[Columns, Judges]:
        known = {law.name: (tolerances or {}).get(view.law or law.name) for law in view.domain.laws}
        digits = {name: (steps or {}).get(_array(name)) for name in view.domain.names}
        return judged(
            view.of(ds), view.domain, tolerance_ulps=tolerance_ulps, at=partial(view.at, ds),
            tolerances={name: tolerance for name, tolerance in known.items() if tolerance},
            steps={name: step for name, step in digits.items() if step is not None},
        )  # fmt: skip

    laws: dict[str, Equation] = {}
    headings, whole = [], True
    for view in seen.laws:
        columns, judges = found(view)
        headings.append(heading(columns, view.domain, tolerance_ulps))
        whole &= judges.finite
        for law in judges.laws:
            if view.law in laws:
                laws[view.law].absorb(law)
            else:
                laws[view.law] = law
    columns, judges = found(seen.parts)
    of_laws = [{**law.result(complete=whole), "name": name} for name, law in laws.items()]
    of_parts = {**heading(columns, seen.parts.domain, tolerance_ulps), **judges.results(columns.samples)}
    return plain(_merged(of_laws, headings, of_parts, _not_finite(ds, domain, seen), ds.sizes[domain.event_dim]))


def _merged(
    of_laws: list[dict[str, Any]], headings: list[dict[str, Any]], of_parts: dict[str, Any], missing: dict[str, Any],
    events: int,
) -> dict[str, Any]:  # fmt: skip
    rows = [{**law, "suspect": _of_the_file(law["suspect"])} for law in (*of_laws, *of_parts["laws"])]
    closes = [law["closure"]["holds"] for law in rows if law["closure"]]
    return {
        **of_parts,
        **missing,
        "laws": rows,
        "samples": sum(one["samples"] for one in headings),
        "parts": of_parts["samples"],
        "events": events,
        "stored": {_array(name): words for one in (*headings, of_parts) for name, words in one["stored"].items()},
        "notes": list(dict.fromkeys(note for one in (*headings, of_parts) for note in one["notes"])),
        "holds": of_parts["holds"] and all(law["holds"] for law in rows) and not missing["not_finite_by_variable"],
        "closes": all(closes) if closes else None,
    }


def _array(name: str) -> str:
    return (component(name) or (name,))[0]


def _not_finite(ds: xr.Dataset, domain: ShapedDomain, views: Views) -> dict[str, Any]:
    """Counts of NaN and infinite numbers among values, and among what laws hold them to."""
    values = {name: _asked(ds[name], views.there.get(name)) for name in (*domain.names, *domain.held_to)}
    nan = {name: int(np.isnan(array.to_numpy()).sum()) for name, array in values.items()}
    infinite = {name: int(np.isinf(array.to_numpy()).sum()) for name, array in values.items()}
    both = {name: nan[name] + infinite[name] for name in values}
    return {
        "nan": sum(nan.values()),
        "infinite": sum(infinite.values()),
        "not_finite_by_variable": {name: count for name, count in both.items() if count},
        "not_finite_first": {name: _first(values[name], domain) for name, count in both.items() if count},
    }


def _asked(values: xr.DataArray, there: xr.DataArray | None) -> xr.DataArray:
    """Values, with zeros where none is expected."""
    return values if there is None else values.where(there, 0.0).transpose(*values.dims)


def _first(values: xr.DataArray, domain: ShapedDomain) -> dict[str, Any]:
    """The place of the first number that is not finite, in the dimensions of the file."""
    index = dict(zip(map(str, values.dims), map(int, np.argwhere(~np.isfinite(values.to_numpy()))[0]), strict=True))

    def label(dim: str) -> str:
        return label_of(values[dim].to_numpy()[index[dim]]) if dim in values.coords else str(index[dim])

    event = domain.event_dim if domain.event_dim in index else next(dim for dim in index if dim != REALIZATION)
    places = {dim: label(dim) for dim in index if dim not in (REALIZATION, event)}
    return {"realization": index.get(REALIZATION), "event": label(event), "place": places, "index": index}


def _of_the_file(suspect: dict[str, Any] | None) -> dict[str, Any] | None:
    """A fault of a whole variable; that of one cell of all blocks, or one node of all graphs, has no name there."""
    return None if suspect and suspect["variable"] and component(suspect["variable"]) else suspect
