"""Rewrites the table of docs/models.md of fidelity over five folds and several seeds, from the folders of runs.

for seed in 1 2; do lawful run surface-balance --seed $seed --folds 5 --out RUN$seed; done
python docs/make_seed_table.py RUN1 RUN2

A seed draws other first weights, batches and ensembles, and deals the blocks of the data out to other folds.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from timing import table, write_section

_HEAD = [
    "measure",
    "ensemble, mean over seeds",
    "floor",
    "excess, mean ± sd over seeds",
    "excess, lowest to highest seed",
]


def main(runs: list[Path]) -> None:
    """Write the table of several runs of one domain."""
    summaries = [json.loads((run / "folds.json").read_text()) for run in runs]
    settings = [yaml.safe_load((run / "run.yaml").read_text())["settings"] for run in runs]
    named = [{row["measure"]: row for row in summary["measures"]} for summary in summaries]
    shared = [measure for measure in named[0] if all(measure in rows for rows in named)]
    rows = [_row([rows[measure] for rows in named]) for measure in shared]
    held = "hold" if all(summary["all_hold"] for summary in summaries) else "do NOT hold"
    seeds = ", ".join(str(one["seed"]) for one in settings)
    intro = (
        f"`lawful run {settings[0]['domain']} --seed SEED --folds {summaries[0]['folds']}` with the seeds {seeds}. All "
        f"laws, bounds and inequalities {held} in every fold; the largest residual is "
        f"{max(summary['worst_ulps'] for summary in summaries):.2g} ulps."
    )
    write_section("seeds", f"{intro}\n\n{table(_HEAD, rows)}", "models.md")


def _row(seeds: list[dict[str, Any]]) -> list[str]:
    model, floor, excess = (_known(seeds, key) for key in ("model", "floor", "excess"))
    spread = f"{_number(excess.min())} to {_number(excess.max())}" if len(excess) else "–"
    deviation = f" ± {_number(excess.std(ddof=1))}" if len(excess) > 1 else ""
    mean = f"{_number(excess.mean())}{deviation}" if len(excess) else "–"
    return [seeds[0]["label"], *(_number(x.mean()) if len(x) else "–" for x in (model, floor)), mean, spread]


def _known(seeds: list[dict[str, Any]], key: str) -> np.ndarray:
    return np.array([one[key] for one in seeds if one[key] is not None])


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} RUN RUN ...")
    main([Path(argument) for argument in sys.argv[1:]])
