"""Means over folds of what each fold's report says."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lawful.reports.arrays import plain
from lawful.reports.fidelity.pooled import pooled
from lawful.reports.files import write_atomically


def over_folds(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of model, floor and excess of each measure, the worst law of all folds in ulps, and "conditional", scores
    of all held-out events where variables are given.

    Folds in which too few events were left to compare are judged by their laws alone: None in "per_fold".
    """
    judged = [report["fidelity"] for report in reports]
    summaries = [fold and {row["measure"]: row for row in fold["summary"]} for fold in judged]
    compared = [summary for summary in summaries if summary]
    shared = [measure for measure in compared[0] if all(measure in own for own in compared)] if compared else []
    laws = [law for report in reports for law in report["validity"]["ensemble"]["laws"]]
    return {
        "folds": len(reports),
        "all_hold": all(report["validity"]["ensemble"]["holds"] for report in reports),
        "worst_ulps": max((law["ulps"]["max"] for law in laws), default=0.0),
        "measures": [_mean(measure, [own and own[measure] for own in summaries]) for measure in shared],
        "conditional": _conditional([fold and fold["conditional"] for fold in judged]),
    }


def _conditional(folds: list[dict[str, Any] | None]) -> list[dict[str, Any]] | None:
    scored = [fold for fold in folds if fold is not None]
    return plain(pooled(scored)) if len(scored) == len(folds) else None


def _mean(measure: str, rows: list[dict[str, Any] | None]) -> dict[str, Any]:
    known = [row for row in rows if row]
    means = {key: _average([row[key] for row in known]) for key in ("model", "floor", "excess")}
    return {"measure": measure, "label": known[0]["label"], **means, "per_fold": [row and row["model"] for row in rows]}


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def save_over_folds(out: Path, summary: dict[str, Any]) -> None:
    """Write folds.json, whole or not at all."""
    write_atomically(out / "folds.json", json.dumps(summary, indent=1).encode())


def as_text(summary: dict[str, Any]) -> str:
    """A table for the terminal."""
    measures = summary["measures"]
    compared = sum(value is not None for value in measures[0]["per_fold"]) if measures else 0
    some = "" if compared == summary["folds"] else f"{compared} of "
    folds = f"mean over {some}{summary['folds']} folds"
    head = f"{folds:66s} {'model':>9s} {'floor':>9s} {'excess':>9s}"
    scores = _scores_as_text(summary["conditional"]) if summary["conditional"] else []
    return "\n".join([head, *(_line(row) for row in measures), *scores])


def _scores_as_text(variables: list[dict[str, Any]]) -> list[str]:
    columns = ["CRPS / analogs'", "spread / error", "rank bias", "rank dispersion"]
    head = f"{'over the held-out events of all folds':38s} " + " ".join(f"{column:>24s}" for column in columns)
    return [head, *(_score_line(variable) for variable in variables)]


def _score_line(variable: dict[str, Any]) -> str:
    figures = [variable[name] for name in ("over_analogs", "spread_skill", "bias", "dispersion")]
    flat = "may be flat" if variable["flat"] else "not flat"
    return f"{variable['name']:38s} " + " ".join(f"{_within(figure):>24s}" for figure in figures) + f"  {flat}"


def _within(figure: dict[str, Any]) -> str:
    if figure["interval"] is None:
        return "–" if figure["value"] is None else f"{figure['value']:.3g}"
    low, high = figure["interval"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def _line(row: dict[str, Any]) -> str:
    numbers = " ".join(f"{'–' if row[k] is None else format(row[k], '.4g'):>9s}" for k in ("model", "floor", "excess"))
    return f"{row['label']:66s} {numbers}"
