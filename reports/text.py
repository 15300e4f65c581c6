"""Validity as text for a terminal."""

import io
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from lawful.reports.physics.place import words as place
from lawful.reports.verdict import allowed, physics

_MOST_BOUNDS = 12
_MEMBERS_SHOWN = 4


def validity_table(validity: dict[str, Any], *, width: int = 110) -> str:
    """Laws, inequalities, bounds and ratios of one dataset as plain text; of many bounds, only the violated ones.

    Args:
        validity: what `lawful.reports.validity.validity` returned.
        width: columns of the terminal.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    for table in (_laws(validity), _sums(validity), _inequalities(validity), _bounds(validity), _ratios(validity)):
        if table.row_count:
            console.print(table)
    for line in findings(validity):
        console.print(line, markup=False)
    console.print(f"{physics(validity)}.", markup=False)
    # Of an ensemble that holds to rounding the tolerances of data say nothing.
    if validity["closes"] is not None and not validity["holds"]:
        console.print(f"Within the closure tolerances declared for data: {'yes' if validity['closes'] else 'no'}.")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def findings(validity: dict[str, Any]) -> Iterator[str]:
    """What broken laws have in common: the members they are broken in, and a fault that would explain them."""
    for law in validity["laws"]:
        members = law["beyond_by_realization"]
        if members and len(members) < min(validity["realizations"], _MEMBERS_SHOWN + 1):
            named = ", ".join(f"{member} ({count:,})" for member, count in members.items())
            yield f"{law['name']} is broken in these realizations alone: {named}."
        if law["suspect"]:
            yield f"{law['name']}: {_suspicion(law)}."


def _suspicion(law: dict[str, Any]) -> str:
    suspect = law["suspect"]
    if suspect["variable"]:
        return f"all would be well if {suspect['variable']} were {suspect['factor']:.6g} times what the file says"
    return f"every broken sample is off by the same {suspect['shift']:.6g} {law['units']}"


def _laws(validity: dict[str, Any]) -> Table:
    kinds = {(law["tolerance"]["kind"], law["tolerance"]["value"]) for law in validity["laws"]}
    beyond = f"> {allowed(validity['laws'][0])}" if len(kinds) == 1 else "beyond"
    columns = ("law", "equation", "units", "max", "max / terms", "max ulps", "99 % ulps", beyond, "worst at", "")
    table = table_of("Laws", columns, right=range(3, 8))
    for law in validity["laws"]:
        ulps = law["ulps"]
        table.add_row(
            law["name"], law["equation"], law["units"], number(law["residual"]["max"]),
            number(law["relative"]["max"], 2), number(ulps["max"]), number(ulps["quantiles"]["99"]),
            f"{law['beyond_tolerance']:,}", place(law["worst"]), _word(law["holds"]),
        )  # fmt: skip
    return table


def _sums(validity: dict[str, Any]) -> Table:
    columns = ("law", "units", "sum > 0", "sum < 0", "sum / terms", "drift", "largest running sum", "until")
    table = table_of("Residuals added up", columns, right=range(2, 7))
    for law in validity["laws"]:
        residual, largest = law["residual"], law["cumulative"]["largest"]
        table.add_row(
            law["name"], law["units"], number(residual["positive"]["sum"]), number(-residual["negative"]["sum"]),
            number(law["relative"]["cumulative"], 2), number(law["drift"]), number(largest and largest["sum"]),
            place(largest),
        )  # fmt: skip
    return table


def _inequalities(validity: dict[str, Any]) -> Table:
    table = table_of("Inequalities", ("inequality", "units", "violations", "lost", "worst at", ""), right=(2, 3))
    for row in validity["inequalities"]:
        lost = number(row["lost"]) if row["violations"] else ""
        found = (row["equation"], row["units"], f"{row['violations']:,}", lost, place(row["worst"]))
        table.add_row(*found, _word(row["holds"]))
    return table


def _bounds(validity: dict[str, Any]) -> Table:
    columns = ("bound", "units", "on it", "violations", "lost", "worst", "worst at", "")
    table = table_of("Bounds", columns, right=range(2, 6))
    bounds = validity["bounds"]
    shown = bounds if len(bounds) <= _MOST_BOUNDS else [bound for bound in bounds if not bound["holds"]]
    for bound in shown:
        worst = number(bound["worst"]["value"]) if bound["worst"] else ""
        table.add_row(
            f"{bound['variable']} {'>=' if bound['side'] == 'lower' else '<='} {bound['bound']:g}", bound["units"],
            f"{bound['on_bound']:,}", f"{bound['violations']:,}", number(bound["lost"]) if bound["worst"] else "",
            worst, place(bound["worst"]), _word(bound["holds"]),
        )  # fmt: skip
    return table


def _ratios(validity: dict[str, Any]) -> Table:
    table = table_of("Ratios (looked at, not judged)", ("ratio", "units", "min", "max", "outside"), right=(2, 3, 4))
    for ratio in validity["ratios"]:
        name = f"{ratio['name']} = {ratio['quotient']}"
        table.add_row(name, ratio["units"], number(ratio["min"], 4), number(ratio["max"], 4), f"{ratio['outside']:,}")
    return table


def table_of(title: str, columns: tuple[str, ...], right: range | tuple[int, ...]) -> Table:
    """An empty table without colours; columns at the positions `right` hold numbers."""
    table = Table(title=title, title_justify="left", title_style="", header_style="", box=box.SIMPLE_HEAD)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in right else "left")
    return table


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, or a dash for what there is not."""
    return "–" if value is None else f"{value:.{digits}g}"


def _word(holds: bool) -> str:
    return "holds" if holds else "BROKEN"
