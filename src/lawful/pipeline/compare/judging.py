"""How a cell did: which share of its events is lawful, and how like held-out data they are."""

from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful.pipeline.compare.making import Made, polyhedron_of
from lawful.pipeline.data import Prepared
from lawful.reports.arrays import plain
from lawful.reports.fidelity import fidelity
from lawful.reports.fidelity.protocol import Effort
from lawful.reports.validity import validity

EFFORT = Effort(realizations=2, copies=2, analog_sets=1, replicates=20)
"""Spread comes from seeds here, so that little is needed within one."""


def judged_cell(prepared: Prepared, made: Made, seed: int) -> dict[str, Any]:
    """Figures of one cell in types that JSON knows: "validity", "measures" by name, "seconds"."""
    domain = prepared.domain
    dims = ("realization", domain.event_dim)
    variables = {name: (dims, made.events[..., k]) for k, name in enumerate(domain.names)}
    ensemble = xr.Dataset(variables, coords=prepared.test.coords)
    compared = fidelity(ensemble, prepared.train, prepared.test, domain, seed=seed, effort=EFFORT)
    measures = {row["measure"]: {**row, "interval": list(row["interval"])} for row in compared["summary"]}
    events = made.events.shape[0] * made.events.shape[1]
    return plain(
        {
            "validity": _validity(prepared, ensemble, made.events),
            "measures": measures,
            "seconds": {"training": made.training, "sampling": made.sampling},
            "events_per_second": events / made.sampling,
        }
    )


def _validity(prepared: Prepared, ensemble: xr.Dataset, events: np.ndarray) -> dict[str, Any]:
    inside, judged = polyhedron_of(prepared), validity(ensemble, prepared.domain)
    z = torch.from_numpy(events.reshape(-1, events.shape[-1]))
    outside = ((z < inside.bounds.lower) | (z > inside.bounds.upper)).any(1)
    return {
        "lawful": float(inside.contains(z).double().mean()),
        "out_of_bounds": float(outside.double().mean()),
        "ulps": max((law["ulps"]["max"] or 0.0 for law in judged["laws"]), default=0.0),
        "largest_residual": {law["name"]: law["residual"]["max"] for law in judged["laws"]},
    }
