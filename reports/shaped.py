"""The report of graphs and fields, which are judged as the vectors that their domain sees them as."""

from pathlib import Path
from typing import Any

import xarray as xr

from lawful.domains.shaped import ShapedDomain, View, Views
from lawful.reports.fidelity import NothingToCompare, fidelity
from lawful.reports.fidelity.of_fields import with_grids
from lawful.reports.figures import draw_likeness
from lawful.reports.figures.laws import law_residuals
from lawful.reports.page import about, write_report
from lawful.reports.validity import validity


def build_shaped_report(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: ShapedDomain,
    run: dict[str, Any],
    out_dir: str | Path,
    *,
    data: xr.Dataset,
    tolerance_ulps: float = 8.0,
) -> dict[str, Any]:
    """Judge an ensemble of graphs or fields and write report.json, report.html and figures; as `build_report`."""
    held_out = domain.single(test)
    views = domain.views(data, ensemble)
    compared, reason = _compared(ensemble, train, held_out, views, run)
    parts = [(view.of(ensemble), view.of(held_out), view.domain) for view in [*views.laws, views.parts]]
    plates = [law_residuals([part for part in parts if part[2].equalities], tolerance_ulps)]
    seen = views.likeness
    plates += draw_likeness(seen.of(ensemble), seen.of(train), seen.of(held_out), seen.domain, compared)
    return write_report(
        validity={
            "ensemble": _validity(ensemble, views, domain.event_dim, tolerance_ulps),
            "data": _validity(data, views, domain.event_dim, tolerance_ulps),
        },
        fidelity=compared, reason=reason, plates=plates, about=about(domain), run=run, domain=seen.domain,
        event=domain.noun, out_dir=Path(out_dir),
    )  # fmt: skip


def _validity(ds: xr.Dataset, views: Views, event_dim: str, tolerance_ulps: float) -> dict[str, Any]:
    """Laws of all views; bounds, and what is not finite, of the parts."""

    def judged(view: View) -> dict[str, Any]:
        return validity(view.of(ds), view.domain, tolerance_ulps=tolerance_ulps)

    of_laws, of_parts = [judged(view) for view in views.laws], judged(views.parts)
    closes = [found["closes"] for found in (*of_laws, of_parts) if found["closes"] is not None]
    return {
        **of_parts,
        "laws": [law for found in (*of_laws, of_parts) for law in found["laws"]],
        "samples": sum(found["samples"] for found in of_laws),
        "parts": of_parts["samples"],
        "events": ds.sizes[event_dim],
        "stored": of_laws[0]["stored"],
        "holds": all(found["holds"] for found in (*of_laws, of_parts)),
        "closes": all(closes) if closes else None,
    }


def _compared(
    ensemble: xr.Dataset, train: xr.Dataset, test: xr.Dataset, views: Views, run: dict[str, Any]
) -> tuple[dict[str, Any] | None, str | None]:
    seen, seed, fast = views.likeness, int(run.get("seed") or 0), bool(run.get("fast"))
    try:
        parts = (seen.of(ensemble), seen.of(train), seen.of(test))
        found = fidelity(*parts, seen.domain, given=seen.domain.given, seed=seed, fast=fast)
        if views.grid is None:
            return found, None
        whole = (views.grid.of(ensemble), views.grid.of(train), views.grid.of(test))
        return with_grids(found, *whole, views.grid.domain, seed=seed, fast=fast), None
    except NothingToCompare as error:
        return None, str(error)
