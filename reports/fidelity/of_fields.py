"""Likeness of whole fields, beside that of their cells."""

from typing import Any

import xarray as xr

from lawful.domains.domain import Domain
from lawful.reports.arrays import events, plain, realizations
from lawful.reports.fidelity.beside import beside_zero
from lawful.reports.fidelity.grids import grid_figures
from lawful.reports.fidelity.protocol import Effort, make_trial, rows_of
from lawful.reports.fidelity.summary import listed_rows


def with_grids(
    found: dict[str, Any],
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    *,
    seed: int,
    fast: bool,
) -> dict[str, Any]:
    """What was `found` of cells, with the power spectra and block statistics of fields of the `domain`.

    Args:
        found: as `fidelity` gives it.
        ensemble: dims (realization, event); train, test: dim (event,).
    """
    held_out, learned = (rows_of(events(ds, domain), ds, domain) for ds in (test, train))
    trial = make_trial(realizations(ensemble, domain), held_out, learned, Effort.of(fast), seed)
    grids = grid_figures(trial, domain)
    rows = [beside_zero(row, trial.test_blocks) for row in listed_rows({"grids": grids})]
    return {**found, "grids": plain(grids), "summary": [*found["summary"], *plain(rows)]}
