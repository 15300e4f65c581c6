"""Validity as text for a terminal."""

import io
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from lawful.reports.verdict import physics

_MOST_BOUNDS = 12


def validity_table(validity: dict[str, Any], *, width: int = 110) -> str:
    """Laws, inequalities, bounds and ratios of one dataset as plain text; of many bounds, only the violated ones.

    Args:
        validity: what `lawful.reports.validity.validity` returned.
        width: columns of the terminal.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    for table in (_laws(validity), _inequalities(validity), _bounds(validity), _ratios(validity)):
        if table.row_count:
            console.print(table)
    console.print(f"{physics(validity)}.")
    # Of an ensemble that holds to rounding the tolerances of data say nothing.
    if validity["closes"] is not None and not validity["holds"]:
        console.print(f"Within the closure tolerances declared for data: {'yes' if validity['closes'] else 'no'}.")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def _laws(validity: dict[str, Any]) -> Table:
    columns = (
        "law",
        "equation",
        "units",
        "max",
        "max ulps",
        "99 % ulps",
        f"> {validity['tolerance_ulps']:g} ulps",
        "worst at",
        "",
    )
    table = _table("Laws", columns, right=range(3, 7))
    for law in validity["laws"]:
        ulps = law["ulps"]
        table.add_row(
            law["name"], law["equation"], law["units"], number(law["residual"]["max"]), number(ulps["max"]),
            number(ulps["quantiles"]["99"]), f"{law['beyond_tolerance']:,}", place(law["worst"]), _word(law["holds"]),
        )  # fmt: skip
    return table


def _inequalities(validity: dict[str, Any]) -> Table:
    table = _table("Inequalities", ("inequality", "units", "violations", "worst at", ""), right=(2,))
    for row in validity["inequalities"]:
        found = (row["equation"], row["units"], f"{row['violations']:,}", place(row["worst"]), _word(row["holds"]))
        table.add_row(*found)
    return table


def _bounds(validity: dict[str, Any]) -> Table:
    table = _table("Bounds", ("bound", "units", "on it", "violations", "worst", "worst at", ""), right=(2, 3, 4))
    bounds = validity["bounds"]
    shown = bounds if len(bounds) <= _MOST_BOUNDS else [bound for bound in bounds if not bound["holds"]]
    for bound in shown:
        worst = number(bound["worst"]["value"]) if bound["worst"] else ""
        table.add_row(
            f"{bound['variable']} {'>=' if bound['side'] == 'lower' else '<='} {bound['bound']:g}", bound["units"],
            f"{bound['on_bound']:,}", f"{bound['violations']:,}", worst, place(bound["worst"]), _word(bound["holds"]),
        )  # fmt: skip
    return table


def _ratios(validity: dict[str, Any]) -> Table:
    table = _table("Ratios (looked at, not judged)", ("ratio", "units", "min", "max", "outside"), right=(2, 3, 4))
    for ratio in validity["ratios"]:
        name = f"{ratio['name']} = {ratio['quotient']}"
        table.add_row(name, ratio["units"], number(ratio["min"], 4), number(ratio["max"], 4), f"{ratio['outside']:,}")
    return table


def _table(title: str, columns: tuple[str, ...], right: range | tuple[int, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="", header_style="", box=box.SIMPLE_HEAD)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in right else "left")
    return table


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, or a dash for what there is not."""
    return "–" if value is None else f"{value:.{digits}g}"


def place(worst: dict[str, Any] | None) -> str:
    """Realization and event of a worst case."""
    return f"{worst['realization']}, {worst['event']}" if worst else ""


def _word(holds: bool) -> str:
    return "holds" if holds else "BROKEN"
