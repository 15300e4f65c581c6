"""Means and spreads over seeds, and paired tests against the best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student
from scipy.stats import ttest_rel

MEASURES = {
    "auc": "two-sample AUC",
    "energy_distance": "energy distance",
    "w1": "W1 / sd",
    "correlation": "correlation error",
    "tail_dependence": "tail dependence error",
    "zeros": "zeros, error in share",
    "recall": "1 - recall",
    "precision": "1 - precision",
}
"""What is tabulated, smaller being better in all of them."""

LEVEL = 0.05


def tables(cells: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table a model: one row a strategy, in the order in which they were run.

    A row has "seeds" (how many were finished) "of" so many, "lawful" (mean share of events that obey all),
    "out_of_bounds", "ulps" (largest), "seconds" (mean of training), "events_per_second", "failed" (reasons) and
    "measures": by name "mean", "sd" over seeds, "n", and against the strategy with the best mean of the model the
    paired "difference" with its 95 % interval and "p".
    """
    models = dict.fromkeys(cell["model"] for cell in cells)
    return [_table(model, [cell for cell in cells if cell["model"] == model]) for model in models]


def _table(model: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    strategies = dict.fromkeys(cell["strategy"] for cell in cells)
    by_strategy = {name: [cell for cell in cells if cell["strategy"] == name] for name in strategies}
    rows = [_row(name, own) for name, own in by_strategy.items()]
    for measure in MEASURES:
        _compare(measure, rows, by_strategy)
    return {"model": model, "floor": _beside(cells, "floor"), "ceiling": _beside(cells, "ceiling"), "rows": rows}


def _row(strategy: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    done = [cell for cell in cells if not cell["failed"]]
    return {
        "strategy": strategy,
        "seeds": len(done),
        "of": len(cells),
        "failed": list(dict.fromkeys(cell["failed"] for cell in cells if cell["failed"])),
        "lawful": _mean([cell["validity"]["lawful"] for cell in done]),
        "out_of_bounds": _mean([cell["validity"]["out_of_bounds"] for cell in done]),
        "ulps": max((cell["validity"]["ulps"] for cell in done), default=None),
        "seconds": _mean([cell["seconds"]["training"] for cell in done]),
        "events_per_second": _mean([cell["events_per_second"] for cell in done]),
        "measures": {},
    }


def _compare(measure: str, rows: list[dict[str, Any]], cells: dict[str, list[dict[str, Any]]]) -> None:
    """Fill in one measure of every row, beside the best mean."""
    values = {row["strategy"]: _values(cells[row["strategy"]], measure) for row in rows}
    means = {name: float(np.mean(list(found.values()))) for name, found in values.items() if found}
    if not means:
        return
    best = min(means, key=means.__getitem__)
    tested = [name for name in means if name != best]
    paired = {name: paired_difference(values[name], values[best]) for name in tested}
    adjusted = dict(zip(tested, holm([paired[name]["p"] for name in tested]), strict=True))
    for row in rows:
        name = row["strategy"]
        if name in means:
            spread = np.std(list(values[name].values()), ddof=1) if len(values[name]) > 1 else None
            found = {"mean": means[name], "sd": spread, "n": len(values[name]), "best": name == best}
            row["measures"][measure] = {**found, **paired.get(name, {}), "p_adjusted": adjusted.get(name)}


def paired_difference(values: dict[int, float], other: dict[int, float]) -> dict[str, Any]:
    """Mean difference over shared seeds, its 95 % interval and the p-value of a paired t-test (Student 1908).

    None for interval and p where there are fewer than two shared seeds or the differences are all the same.
    """
    shared = sorted(set(values) & set(other))
    gap = np.array([values[seed] - other[seed] for seed in shared])
    mean = float(gap.mean()) if len(gap) else None
    if len(gap) < 2 or not gap.std():
        return {"difference": mean, "interval": None, "p": None}
    half = float(student.ppf(1 - LEVEL / 2, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5)
    p = float(ttest_rel([values[seed] for seed in shared], [other[seed] for seed in shared]).pvalue)
    return {"difference": mean, "interval": [gap.mean() - half, gap.mean() + half], "p": p}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values adjusted for their number: Holm (1979), Scand. J. Stat. 6, 65-70; None stays None."""
    known = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, k) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[k] = largest
    return adjusted


def tied(figure: dict[str, Any]) -> bool:
    """Whether a row is the best, or not told to be worse than it at level 0.05 after adjustment.

    A row whose seeds are not all finished may have the best mean for want of a hard fold; one that does better than it
    on the seeds that both have is not told to be worse.
    """
    if figure["best"] or figure["p_adjusted"] is None or figure["p_adjusted"] > LEVEL:
        return True
    return bool(figure["difference"] < 0)


def as_markdown(comparison: dict[str, Any]) -> str:
    """The tables as Markdown, with what was run above them and what was found below."""
    about = comparison["about"]
    blocks = [f"`{about['command']}`"]
    for table in comparison["models"]:
        blocks += [f"**{table['model']}**", "\n".join(_markdown_rows(table))]
    return "\n\n".join([*blocks, *comparison["findings"]]) + "\n"


def _markdown_rows(table: dict[str, Any]) -> list[str]:
    shown = [name for name in MEASURES if any(name in row["measures"] for row in table["rows"])]
    heads = ["strategy", "lawful", "out of bounds", "largest ulps", *(MEASURES[name] for name in shown), "training, s"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    for row in table["rows"]:
        cells = [f"{_number(row['measures'].get(name))}" for name in shown]
        parts = [_heading(row), _percent(row["lawful"]), _percent(row["out_of_bounds"]), _short(row["ulps"])]
        lines.append("| " + " | ".join([*parts, *cells, _short(row["seconds"])]) + " |")
    for name in ("floor", "ceiling"):
        values = [_short(table[name].get(measure)) for measure in shown]
        lines.append("| " + " | ".join([f"*{name}*", "", "", "", *values, ""]) + " |")
    return lines


def _heading(row: dict[str, Any]) -> str:
    some = f", {row['seeds']} of {row['of']} seeds" if 0 < row["seeds"] < row["of"] else ""
    return f"`{row['strategy']}`{some}"


def _number(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "–"
    spread = "" if figure["sd"] is None else f" ± {figure['sd']:.2g}"
    text = f"{figure['mean']:.3g}{spread}"
    return f"**{text}**" if figure["best"] else text if not tied(figure) else f"{text} ="


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} %"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _values(cells: list[dict[str, Any]], measure: str) -> dict[int, float]:
    """By seed."""
    done = [cell for cell in cells if not cell["failed"] and measure in cell["measures"]]
    return {cell["seed"]: cell["measures"][measure]["model"] for cell in done}


def _beside(cells: list[dict[str, Any]], side: str) -> dict[str, float | None]:
    """Mean floor or ceiling of each measure."""
    done = [cell["measures"] for cell in cells if not cell["failed"]]
    return {name: _mean([own[name][side] for own in done if name in own]) for name in MEASURES}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
