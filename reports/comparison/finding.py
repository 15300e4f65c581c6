"""What a comparison found, in plain sentences."""

from collections.abc import Iterator
from typing import Any

from lawful.reports.comparison.table import MEASURES, tied

_MAIN = "auc"


def findings(tables: list[dict[str, Any]]) -> list[str]:
    """For each model, which strategies are lawful, which is best in likeness, and what is not told apart."""
    return [sentence for table in tables for sentence in _of_model(table)]


def _of_model(table: dict[str, Any]) -> Iterator[str]:
    done = [row for row in table["rows"] if row["seeds"]]
    lawful = [row["strategy"] for row in done if row["lawful"] == 1.0]
    broken = [f"{row['strategy']} ({100 * row['lawful']:.3g} %)" for row in done if row["lawful"] < 1.0]
    share = f"all events are lawful under {_listed(lawful)}" if lawful else "no strategy makes all events lawful"
    rest = f"; the share of lawful events is lower under {_listed(broken)}" if broken else ""
    yield f"{table['model']}: {share}{rest}."
    for measure in (_MAIN, "energy_distance"):
        yield from _best(table["model"], measure, done, set(lawful))
    for row in table["rows"]:
        if row["failed"]:
            yield f"{table['model']}, {row['strategy']}: failed ({row['failed'][0]})"


def _best(model: str, measure: str, rows: list[dict[str, Any]], lawful: set[str]) -> Iterator[str]:
    known = [row for row in rows if measure in row["measures"]]
    if not known:
        return
    best = min(known, key=lambda row: _mean(row, measure))
    others = [row["strategy"] for row in known if row is not best and tied(row["measures"][measure])]
    close = f", not told apart from {_listed(others)}" if others else ""
    where = f"{model}: lowest {MEASURES[measure]} under {best['strategy']} ({_mean(best, measure):.3g})"
    own = [row for row in known if row["strategy"] in lawful]
    if best["strategy"] in lawful or not own:
        yield f"{where}{close}."
        return
    first = min(own, key=lambda row: _mean(row, measure))
    yield f"{where}, which is not lawful{close}; of the lawful ones, {first['strategy']} ({_mean(first, measure):.3g})."


def _mean(row: dict[str, Any], measure: str) -> float:
    return float(row["measures"][measure]["mean"])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
