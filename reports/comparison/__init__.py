"""Strategies side by side: tables, figures and a page from the cells of a comparison."""

import base64
import json
from pathlib import Path
from typing import Any

from lawful.domains.domain import Domain
from lawful.reports.arrays import plain
from lawful.reports.comparison.figure import dots
from lawful.reports.comparison.finding import findings
from lawful.reports.comparison.table import MEASURES, as_markdown, tables
from lawful.reports.files import write_atomically
from lawful.reports.templating import template

__all__ = ["write_comparison"]


def write_comparison(
    cells: list[dict[str, Any]], domain: Domain, about: dict[str, Any], out_dir: Path
) -> dict[str, Any]:
    """Write compare.json, compare.html, compare.md and figures/compare.png into `out_dir`.

    Args:
        cells: one dict for each model, strategy and seed, with "failed" or with "validity", "measures" and "seconds".
        domain: whose data were used.
        about: what was run, in types that JSON knows.
        out_dir: an existing folder.

    Returns:
        What compare.json holds: "about", "findings" (sentences), "models" (a table each), "cells".
    """
    found = tables(cells)
    comparison = plain(
        {
            "domain": {"name": domain.name, "title": domain.title},
            "about": about,
            "findings": findings(found),
            "models": found,
            "cells": cells,
        }
    )
    figure = dots(cells, found)
    image = base64.b64encode(figure.svg).decode("ascii")
    page = template("compare.html.j2").render(comparison=comparison, figure=figure, image=image, measures=MEASURES)
    (out_dir / "figures").mkdir(exist_ok=True)
    write_atomically(out_dir / "figures" / "compare.png", figure.png)
    write_atomically(out_dir / "compare.json", f"{json.dumps(comparison, indent=1, allow_nan=False)}\n".encode())
    write_atomically(out_dir / "compare.md", as_markdown(comparison).encode())
    write_atomically(out_dir / "compare.html", page.encode())
    return comparison
