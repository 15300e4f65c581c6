"""One self-contained page for one ensemble: physics, fidelity with floors, figures, and how to make it again."""

import base64
import json
from pathlib import Path
from typing import Any

import xarray as xr

from lawful.core.coordinates import Steps
from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains.domain import Domain
from lawful.domains.problem import problem_of
from lawful.domains.shaped import ShapedDomain
from lawful.domains.steps import chain_of, step_domain, step_events
from lawful.reports.arrays import plain
from lawful.reports.fidelity import NothingToCompare, fidelity
from lawful.reports.fidelity.of_windows import fidelity_of_windows
from lawful.reports.figures import Plate, draw_all
from lawful.reports.figures.windows import time_plates
from lawful.reports.files import write_atomically
from lawful.reports.templating import template
from lawful.reports.validity import validity
from lawful.reports.verdict import verdict

FORMAT = 1
"""Of report.json; `schema/report.json` in this package describes it."""


def build_report(
    ensemble: xr.Dataset,
    train: xr.Dataset,
    test: xr.Dataset,
    domain: Domain,
    run: dict[str, Any],
    out_dir: str | Path,
    *,
    data: xr.Dataset | None = None,
    tolerance_ulps: float = LAWFUL_ULPS,
) -> dict[str, Any]:
    """Judge an ensemble and write report.json, report.html and figures/*.png into `out_dir`.

    Args:
        ensemble: as read from its file, dims (realization, event), events those of `test`.
        train: training data, dim (event,).
        test: held-out data, dim (event,).
        domain: variables, laws, ratios, blocks, context.
        run: what was run, in types that JSON knows. "given" (names), "seed" and "fast" steer the judgement; "command"
            and "notes" (list of sentences) have places of their own on the page; all else is listed as it stands.
        out_dir: made where it does not exist; each file is written under another name first and then renamed.
        data: whose closure stands beside the ensemble's; training and held-out data when not given.
        tolerance_ulps: how many ulps a law may be off.

    Returns:
        What report.json holds.

    Raises:
        InputError: ensemble, data and domain do not fit together.
    """
    steps = chain_of(domain, problem_of(domain)) if domain.window else None
    compared, reason = _compared(ensemble, train, test, domain, run, steps)
    said = about(domain)
    plates = time_plates(compared["windows"]) if compared and steps else []
    if steps is not None:
        # What holds of every step holds of the window, and a page of steps can be read.
        ensemble, train, test = (step_events(ds, domain, steps) for ds in (ensemble, train, test))
        data = None if data is None else step_events(data, domain, steps)
        domain = step_domain(domain, steps)
    judged = validity(ensemble, domain, tolerance_ulps=tolerance_ulps)
    plates += draw_all(
        ensemble, train, test, domain,
        fidelity=compared, tolerance_ulps=tolerance_ulps,
    )  # fmt: skip
    closure = data if data is not None else xr.concat([train, test], dim=domain.event_dim)
    return write_report(
        validity={"ensemble": judged, "data": validity(closure, domain, tolerance_ulps=tolerance_ulps)},
        fidelity=compared, reason=reason, plates=plates, about=said, run=run, domain=domain, event=domain.event,
        out_dir=Path(out_dir),
    )  # fmt: skip


def about(domain: Domain | ShapedDomain) -> dict[str, Any]:
    """What a report says of a domain."""
    return {"name": domain.name, "title": domain.title, "law_hash": domain.law_hash(), "note": domain.note}


def write_report(
    *,
    validity: dict[str, dict[str, Any]],
    fidelity: dict[str, Any] | None,
    reason: str | None,
    plates: list[Plate],
    about: dict[str, Any],
    run: dict[str, Any],
    domain: Domain,
    event: str,
    out_dir: Path,
) -> dict[str, Any]:
    """Write what was found of an ensemble; gives what report.json holds.

    Args:
        validity: of "ensemble" and of "data".
        fidelity: None where nothing was compared, for `reason`.
        about: the domain as it was declared; `domain` is that of the events which were judged.
        event: what laws were judged for, which may have many events of the `domain`.
    """
    report = plain(
        {
            "format": FORMAT,
            "verdict": verdict(validity["ensemble"], fidelity),
            "domain": about,
            "run": run,
            "validity": validity,
            "fidelity": fidelity,
            "not_compared": reason,
            "figures": [{"file": f"figures/{p.name}.png", "title": p.title, "alt": p.alt} for p in plates],
        }
    )
    _write(report, plates, domain, event, out_dir)
    return report


def render(report: dict[str, Any], plates: list[Plate], domain: Domain, event: str) -> str:
    """The page as HTML, figures inside it."""
    images = {plate.name: (plate, base64.b64encode(plate.svg).decode("ascii")) for plate in plates}
    return template("report.html.j2").render(report=report, domain=domain, event=event, images=images)


def _compared(
    ensemble: xr.Dataset, train: xr.Dataset, test: xr.Dataset, domain: Domain, run: dict[str, Any], steps: Steps | None
) -> tuple[dict[str, Any] | None, str | None]:
    given, seed, fast = tuple(run.get("given") or ()), int(run.get("seed") or 0), bool(run.get("fast"))
    try:
        if steps is not None:
            parts = (ensemble, train, test, domain, steps)
            return fidelity_of_windows(*parts, given=given, seed=seed, fast=fast), None
        return fidelity(ensemble, train, test, domain, given=given, seed=seed, fast=fast), None
    except NothingToCompare as error:
        return None, str(error)


def _write(report: dict[str, Any], plates: list[Plate], domain: Domain, event: str, out_dir: Path) -> None:
    text = json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False)
    page = render(report, plates, domain, event)
    (out_dir / "figures").mkdir(parents=True, exist_ok=True)
    for plate in plates:
        write_atomically(out_dir / "figures" / f"{plate.name}.png", plate.png)
    write_atomically(out_dir / "report.json", f"{text}\n".encode())
    write_atomically(out_dir / "report.html", page.encode())
