"""Physics validity of graphs and fields: their laws, bounds and what is not finite, by the views of their domain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.declarations import component
from lawful.domains.shaped import ShapedDomain, View, Views
from lawful.reports.physics.tolerance import LAWFUL_ULPS, Tolerance
from lawful.reports.validity import validity


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

    def judged(view: View) -> dict[str, Any]:
        said = {
            law.name: tolerances[view.law or law.name]
            for law in view.domain.laws
            if tolerances and (view.law or law.name) in tolerances
        }
        named = {name: (steps or {}).get(_array(name)) for name in view.domain.names}
        digits = {name: step for name, step in named.items() if step is not None}
        found = validity(view.of(ds), view.domain, tolerance_ulps=tolerance_ulps, tolerances=said, steps=digits)
        return _in_place(found, view, ds)

    return {**_merged([judged(view) for view in seen.laws], judged(seen.parts), domain, ds), **_not_finite(ds, domain)}


def _merged(
    of_laws: list[dict[str, Any]], of_parts: dict[str, Any], domain: ShapedDomain, ds: xr.Dataset
) -> dict[str, Any]:
    every = (*of_laws, of_parts)
    closes = [found["closes"] for found in every if found["closes"] is not None]
    return {
        **of_parts,
        "laws": [law for found in every for law in found["laws"]],
        "samples": sum(found["samples"] for found in of_laws),
        "parts": of_parts["samples"],
        "events": ds.sizes[domain.event_dim],
        "stored": {_array(name): words for found in every for name, words in found["stored"].items()},
        "notes": list(dict.fromkeys(note for found in every for note in found["notes"])),
        "holds": all(found["holds"] for found in every),
        "closes": all(closes) if closes else None,
    }


def _array(name: str) -> str:
    return (component(name) or (name,))[0]


def _not_finite(ds: xr.Dataset, domain: ShapedDomain) -> dict[str, Any]:
    """Counts of NaN and infinite numbers among values, and among what laws hold them to."""
    values = {name: ds[name].to_numpy() for name in (*domain.names, *domain.held_to)}
    nan = {name: int(np.isnan(array).sum()) for name, array in values.items()}
    infinite = {name: int(np.isinf(array).sum()) for name, array in values.items()}
    both = {name: nan[name] + infinite[name] for name in values}
    return {
        "nan": sum(nan.values()),
        "infinite": sum(infinite.values()),
        "not_finite_by_variable": {name: count for name, count in both.items() if count},
    }


def _in_place(found: dict[str, Any], view: View, ds: xr.Dataset) -> dict[str, Any]:
    """What was found in a view, with places of the data set in it."""

    def at(place: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if place is None else view.at(ds, place)

    laws = [
        {
            **law,
            "worst": at(law["worst"]),
            "cumulative": {**law["cumulative"], "largest": at(law["cumulative"]["largest"])},
            "suspect": _of_the_file(law["suspect"]),
        }
        for law in found["laws"]
    ]
    bounds = [{**bound, "worst": at(bound["worst"])} for bound in found["bounds"]]
    return {**found, "laws": laws, "bounds": bounds}


def _of_the_file(suspect: dict[str, Any] | None) -> dict[str, Any] | None:
    """A fault of a whole variable; that of one cell of all blocks, or one node of all graphs, has no name there."""
    return None if suspect and suspect["variable"] and component(suspect["variable"]) else suspect
