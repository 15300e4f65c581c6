"""Rewrites the table of docs/models.md of scores given some variables, over the held-out events of five folds.

lawful run surface-balance --given Kdown,Ldown,Rain --seed 2026 --folds 5 --out RUN
python docs/make_given_table.py RUN

"Chance" is how often so many weeks would show a ratio between 0.9 and 1.1 if spread over error were one: the share of
bootstrap replicates of weeks whose ratio, divided by the mean of all (in logarithms), lies there.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from timing import table, write_section

from lawful.reports.fidelity.protocol import block_counts

_HEAD = ["variable", "CRPS", "over analogs'", "spread / error", "chance", "rank bias", "rank dispersion", "ranks"]
_WITHIN = 0.9, 1.1
_REPLICATES = 20_000


def main(run: Path) -> None:
    """Write the table of one run over its folds."""
    summary = json.loads((run / "folds.json").read_text())
    line = re.sub(r" --out \S+", "", summary["command"])
    within = calibrated_within(run, summary["folds"])
    chances = [f"{100 * chance:.0f} %" for chance in within.mean(0)]
    rows = [_row(variable, chance) for variable, chance in zip(summary["conditional"], chances, strict=True)]
    together = f"Chance of all {len(rows)} together: {100 * within.all(1).mean():.0f} %."
    write_section("given", f"`{line}`:\n\n{table(_HEAD, rows)}\n\n{together}", "models.md")


def calibrated_within(run: Path, folds: int) -> np.ndarray:
    """Whether ratios of spread to error that are one would come out within 0.9 to 1.1, (replicate, variable)."""
    spread, error = _block_sums(run, folds)
    counts = block_counts(len(spread), _REPLICATES, np.random.default_rng(0))[1:]
    ratio = np.log((counts @ spread) / (counts @ error)) / 2
    low, high = np.log(_WITHIN)
    centred = ratio - ratio.mean(0)
    return (low <= centred) & (centred <= high)


def _block_sums(run: Path, folds: int) -> list[np.ndarray]:
    """Squares of spread and of error of each held-out week, each (week, variable)."""
    places = [run, *(run / "folds" / str(k) for k in range(1, folds))]
    found = [
        json.loads((place / "report.json").read_text())["fidelity"]["conditional"]["variables"] for place in places
    ]
    return [
        np.concatenate([np.transpose([v["blocks"][what] for v in variables]) for variables in found])
        for what in ("spread", "error")
    ]


def _row(variable: dict[str, Any], chance: str) -> list[str]:
    over, ratio, *ranks = (_shown(variable[k]) for k in ("over_analogs", "spread_skill", "bias", "dispersion"))
    crps = f"{variable['crps']:.3g} {variable['units']}"
    return [variable["name"], crps, over, ratio, chance, *ranks, "may be flat" if variable["flat"] else "not flat"]


def _shown(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.2f} ({low:.2f} to {high:.2f})".replace("-", "−")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} RUN")
    main(Path(sys.argv[1]))
