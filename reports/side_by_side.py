"""Several runs of one domain on one page."""

from collections.abc import Mapping
from typing import Any

from lawful.domains.errors import InputError
from lawful.reports.templating import template


def side_by_side(reports: Mapping[str, dict[str, Any]]) -> str:
    """A page with the verdicts of runs, their laws, and every measure of likeness in a column each.

    Args:
        reports: what report.json holds, by the name of the run.

    Raises:
        InputError: they are not of one domain.
    """
    domains = {name: report["domain"]["name"] for name, report in reports.items()}
    if len(set(domains.values())) > 1:
        told = ", ".join(f"{name} of {domain}" for name, domain in domains.items())
        raise InputError(f"runs side by side must be of one domain, not {told}")
    return template("runs.html.j2").render(reports=reports, rows=rows(reports))


def rows(reports: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Every measure of any run: "label", and by run the row of its summary, None where it has none."""
    summaries = {
        name: {row["measure"]: row for row in (report["fidelity"] or {"summary": []})["summary"]}
        for name, report in reports.items()
    }
    measures = dict.fromkeys(measure for summary in summaries.values() for measure in summary)
    found = [{name: summary.get(measure) for name, summary in summaries.items()} for measure in measures]
    return [{"label": next(row["label"] for row in by_run.values() if row), "runs": by_run} for by_run in found]
