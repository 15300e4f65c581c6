"""Means over folds of what each fold's report says."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lawful.reports.files import write_atomically


def over_folds(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of model, floor and excess of each measure, and the worst law of all folds in ulps."""
    summaries = [{row["measure"]: row for row in report["fidelity"]["summary"]} for report in reports]
    shared = [measure for measure in summaries[0] if all(measure in summary for summary in summaries)]
    laws = [law for report in reports for law in report["validity"]["ensemble"]["laws"]]
    return {
        "folds": len(reports),
        "all_hold": all(report["validity"]["ensemble"]["holds"] for report in reports),
        "worst_ulps": max((law["ulps"]["max"] for law in laws), default=0.0),
        "measures": [_mean(measure, [summary[measure] for summary in summaries]) for measure in shared],
    }


def _mean(measure: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    means = {key: _average([row[key] for row in rows]) for key in ("model", "floor", "excess")}
    return {"measure": measure, "label": rows[0]["label"], **means, "per_fold": [row["model"] for row in rows]}


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def save_over_folds(out: Path, summary: dict[str, Any]) -> None:
    """Write folds.json, whole or not at all."""
    write_atomically(out / "folds.json", json.dumps(summary, indent=1).encode())


def as_text(summary: dict[str, Any]) -> str:
    """A table for the terminal."""
    head = f"{'mean over ' + str(summary['folds']) + ' folds':66s} {'model':>9s} {'floor':>9s} {'excess':>9s}"
    return "\n".join([head, *(_line(row) for row in summary["measures"])])


def _line(row: dict[str, Any]) -> str:
    numbers = " ".join(f"{'–' if row[k] is None else format(row[k], '.4g'):>9s}" for k in ("model", "floor", "excess"))
    return f"{row['label']:66s} {numbers}"
