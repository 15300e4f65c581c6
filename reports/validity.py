"""Physics validity: does every stored sample obey every law, inequality and bound?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains.domain import Domain
from lawful.reports.arrays import REALIZATION, plain
from lawful.reports.physics.columns import Columns
from lawful.reports.physics.judges import Judges
from lawful.reports.physics.place import At, Where
from lawful.reports.physics.tolerance import Tolerance


def validity(
    ds: xr.Dataset,
    domain: Domain,
    *,
    tolerance_ulps: float = LAWFUL_ULPS,
    tolerances: Mapping[str, Tolerance] | None = None,
    steps: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Judge every sample of a dataset against the laws, inequalities and bounds of a domain.

    Law i holds in a sample when `|a.z - b| <= c (sum_j |a_j| h(z_j) + h(b))`, where `h` is half the spacing of the
    stored representation at that value (float64, float32, packed integers, or so many digits) and
    `c = tolerance_ulps`; rounding to the stored type alone gives at most c = 1. Sums are so exact that the judge's own
    rounding does not count (`lawful.reports.physics.residuals.misfit`). Inequalities `c.z <= d` are judged by the same
    ratio, save plain comparisons of two variables, which are judged exactly, as bounds are. NaN and infinite values
    are counted, no law is judged on them, and with one of them the whole does not hold.

    A dataset that is opened and not loaded is read block by block, once, in its own precision and units.

    Args:
        ds: variables as stored, all with the same dimensions: the domain's event dimension, and others as there may be;
            `realization` is that of ensemble members.
        domain: variables, laws, bounds.
        tolerance_ulps: c above, without unit.
        tolerances: by name of law, what takes its place.
        steps: last printed digit by variable, in the domain's units, for files that do not tell.

    Returns:
        A JSON-ready dict: "laws", "inequalities", "bounds", "ratios" (lists of dicts), counts, and "holds". "closes"
        says whether the residuals lie within the tolerances that the laws declare for data (None: none is declared).

    Raises:
        InputError: a variable or the event dimension is missing, or dimensions or units do not fit.
    """
    columns, judges = judged(ds, domain, tolerance_ulps=tolerance_ulps, tolerances=tolerances, steps=steps)
    return plain({**heading(columns, domain, tolerance_ulps), **judges.results(columns.samples)})


def judged(
    ds: xr.Dataset,
    domain: Domain,
    *,
    tolerance_ulps: float,
    tolerances: Mapping[str, Tolerance] | None,
    steps: Mapping[str, float] | None,
    at: At | None = None,
) -> tuple[Columns, Judges]:
    """What `validity` tells of, before it is put into words; `at` says where in a file a sample of `ds` is."""
    columns = Columns(ds, domain, steps)
    where = Where(ds, domain, columns.dims, at)
    judges = Judges(columns, domain, where, Tolerance("ulps", tolerance_ulps), tolerances)
    # What overflows is not judged, and so does not hold.
    with np.errstate(over="ignore", invalid="ignore"):
        for block in columns.blocks_ahead():
            judges.add(block, columns)
    return columns, judges


def heading(columns: Columns, domain: Domain, tolerance_ulps: float) -> dict[str, Any]:
    """What was judged."""
    return {
        "domain": domain.name,
        "realizations": columns.sizes.get(REALIZATION, 1),
        "events": columns.sizes[domain.event_dim],
        "samples": columns.samples,
        "tolerance_ulps": tolerance_ulps,
        "stored": {name: c.storage.described for name, c in zip(domain.names, columns.columns, strict=True)},
        "notes": columns.notes,
    }
