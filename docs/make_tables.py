"""Rewrites what the README quotes: fidelity over five folds, and what `lawful check` prints.

    lawful run surface-balance --folds 5 --out RUN1
    lawful run rock-oxides --folds 5 --out RUN2
    python docs/make_tables.py RUN1 RUN2

The output of `lawful check` is that of the first run.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from marked import replaced

from lawful.data_recipes import read_ensemble
from lawful.domains import get_domain
from lawful.reports.text import validity_table
from lawful.reports.validity import validity

README = Path(__file__).parents[1] / "README.md"
_HEAD = "| measure | ensemble | floor | excess | ensemble, lowest to highest fold |\n|---|--:|--:|--:|--:|"


def main(runs: list[Path], readme: Path = README) -> None:
    """Rewrite both marked parts of the README."""
    text = replaced(readme.read_text(), "results", "\n\n".join(table(run) for run in runs))
    readme.write_text(replaced(text, "check", checked(runs[0])))


def table(run: Path) -> str:
    """Fidelity of one run over its folds, as Markdown."""
    summary = json.loads((run / "folds.json").read_text())
    held = "hold" if summary["all_hold"] else "do NOT hold"
    intro = (
        f"`{command(run)}`: means over {summary['folds']} folds. All laws, bounds and inequalities {held} "
        f"in every fold; the largest residual is {summary['worst_ulps']:.2g} ulps."
    )
    return "\n".join([intro, "", _HEAD, *(_row(measure) for measure in summary["measures"])])


def command(run: Path) -> str:
    """The command that made a run, without the name of its folder."""
    record = yaml.safe_load((run / "run.yaml").read_text())
    line = record["command"] if "command" in record else record["commands"][0]
    return re.sub(r" --out \S+", "", line)


def _row(measure: dict[str, Any]) -> str:
    folds = [value for value in measure["per_fold"] if value is not None]
    spread = f"{_number(min(folds))} to {_number(max(folds))}" if folds else "–"
    numbers = " | ".join(_number(measure[key]) for key in ("model", "floor", "excess"))
    return f"| {measure['label']} | {numbers} | {spread} |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


def checked(run: Path) -> str:
    """What `lawful check` prints of a run's ensemble: its table of laws and its last lines, as a block of text."""
    domain = get_domain(yaml.safe_load((run / "run.yaml").read_text())["settings"]["domain"])
    printed = validity_table(validity(read_ensemble(run / "ensemble.nc", domain).dataset, domain))
    lines = [line.rstrip() for line in printed.splitlines()]
    laws = lines[
        : next((i for i, line in enumerate(lines) if line.startswith(("Residuals", "Inequalities", "Bounds"))), 0)
    ]
    verdict = [line for line in lines if line][-2:]
    shown = "\n".join(["$ lawful check ensemble.nc --domain " + domain.name, *laws, "...", "", *verdict])
    return f"```text\n{shown}\n```"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} RUN [RUN ...]")
    main([Path(argument) for argument in sys.argv[1:]])
