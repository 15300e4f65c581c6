"""Rewrites the table of docs/models.md of scores given some variables, over the held-out events of five folds.

lawful run surface-balance --given Kdown,Ldown,Rain --seed 2026 --folds 5 --out RUN
python docs/make_given_table.py RUN
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from timing import table, write_section

_HEAD = ["variable", "CRPS", "over analogs'", "spread / error", "rank bias", "rank dispersion", "ranks"]


def main(run: Path) -> None:
    """Write the table of one run over its folds."""
    summary = json.loads((run / "folds.json").read_text())
    line = re.sub(r" --out \S+", "", summary["command"])
    rows = [_row(variable) for variable in summary["conditional"]]
    write_section("given", f"`{line}`:\n\n{table(_HEAD, rows)}", "models.md")


def _row(variable: dict[str, Any]) -> list[str]:
    figures = [_within(variable[name]) for name in ("over_analogs", "spread_skill", "bias", "dispersion")]
    crps = f"{variable['crps']:.3g} {variable['units']}"
    return [variable["name"], crps, *figures, "may be flat" if variable["flat"] else "not flat"]


def _within(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['value']:.2f} ({low:.2f} to {high:.2f})".replace("-", "−")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} RUN")
    main(Path(sys.argv[1]))
