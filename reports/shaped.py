"""The report of graphs and fields, which are judged as the vectors that their domain sees them as."""

from pathlib import Path
from typing import Any

import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains.field_domain import FieldDomain
from lawful.domains.shaped import ShapedDomain, Views
from lawful.reports.fidelity import NothingToCompare, fidelity
from lawful.reports.fidelity.of_fields import with_grids
from lawful.reports.figures import draw_likeness
from lawful.reports.figures.laws import law_residuals
from lawful.reports.figures.maps import field_maps
from lawful.reports.page import about, write_report
from lawful.reports.shaped_validity import shaped_validity


def build_shaped_report(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: ShapedDomain,
    run: dict[str, Any],
    out_dir: str | Path,
    *,
    data: xr.Dataset,
    tolerance_ulps: float = LAWFUL_ULPS,
) -> dict[str, Any]:
    """Judge an ensemble of graphs or fields and write report.json, report.html and figures; as `build_report`."""
    held_out = domain.single(test)
    views = domain.views(data, ensemble)
    compared, reason = _compared(ensemble, train, held_out, views, run)
    judged = [view for view in (*views.laws, views.parts) if view.domain.equalities]
    parts = [(view.of(ensemble), view.of(held_out), view.domain) for view in judged]
    plates = [law_residuals(parts, tolerance_ulps, [view.law for view in judged], domain.equations)]
    if isinstance(domain, FieldDomain):
        plates += [field_maps(ensemble, held_out, domain)]
    seen = views.likeness
    plates += draw_likeness(seen.of(ensemble), seen.of(train), seen.of(held_out), seen.domain, compared)
    return write_report(
        validity={
            "ensemble": shaped_validity(ensemble, domain, views, tolerance_ulps=tolerance_ulps),
            "data": shaped_validity(data, domain, views, tolerance_ulps=tolerance_ulps),
        },
        fidelity=compared, reason=reason, plates=plates, about=about(domain), run=run, domain=seen.domain,
        event=domain.noun, out_dir=Path(out_dir),
    )  # fmt: skip


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
