"""What a repair did, as text for a terminal."""

import io
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from lawful.reports.physics.place import words as place
from lawful.reports.text import number, table_of
from lawful.reports.verdict import physics

_SHOWN = 5
_MOST_VARIABLES = 24


def repair_table(found: dict[str, Any], *, width: int = 110) -> str:
    """Change by variable, of many those that changed, and sentences on what was repaired and left, as plain text.

    Args:
        found: what `lawful.pipeline.repair.repair` returned.
        width: columns of the terminal.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    columns = ("variable", "units", "changed", "mean change", "largest", "mean", "now", "sd", "now", "sigma")
    table = table_of("Changes", columns, right=range(2, 10))
    rows = found["variables"]
    for row in rows if len(rows) <= _MOST_VARIABLES else [row for row in rows if row["changed"]]:
        table.add_row(
            row["variable"], row["units"], f"{row['changed']:,}", number(row["mean"]), number(row["max"]),
            number(row["mean_before"], 4), number(row["mean_after"], 4), number(row["sd_before"], 4),
            number(row["sd_after"], 4), number(found["sigma"][row["variable"]]),
        )  # fmt: skip
    console.print(table)
    for sentence in _sentences(found):
        console.print(sentence, markup=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.rstrip()


def _sentences(found: dict[str, Any]) -> Iterator[str]:
    kept, mended = (f"{n:,} {'was' if n == 1 else 'were'}" for n in (found["lawful"], found["repaired"]))
    stay = "stays as it is" if found["lawful"] == 1 else "stay as they are"
    yield f"Of {found['samples']:,} samples {kept} lawful and {stay}; {mended} repaired."
    change = found["correlation"]
    if change and found["repaired"]:
        pair = " and ".join(change["variables"])
        yield (
            f"Correlations changed by {change['rms_change']:.2g} (root mean square), most that of {pair}: "
            f"{change['before']:.3f}, now {change['after']:.3f}."
        )
    of_gaps = [left for left in found["unrepaired"] if "missing" in left]
    others = [left for left in found["unrepaired"] if "missing" not in left]
    if count := found["missing"]:
        yield f"Left as they are for missing or infinite values: {count:,}{_named(of_gaps, count)}."
    if count := found["left"]:
        yield f"Left as they are because they could not be repaired: {count:,}{_named(others, count)}."
    yield f"{found['out']}: {physics(found['validity'])}."


def _named(left: list[dict[str, Any]], count: int) -> str:
    """The first of so many samples with the reasons, in parentheses."""
    shown = [f"{place(one)}: {one['reason']}" for one in left[:_SHOWN]]
    return f" ({'; '.join([*shown, *(['...'] if count > len(shown) else [])])})" if shown else ""
