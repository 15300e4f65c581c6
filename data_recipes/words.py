"""Words that a file holds where numbers belong: which, and where."""

from pathlib import Path

import numpy as np
import xarray as xr

from lawful.domains import InputError


def not_numbers(path: Path, values: xr.DataArray) -> InputError:
    """The error for a variable that does not hold numbers: its first word and where that stands, or its type."""
    name = str(values.name)
    if values.dtype.kind not in "OSU":
        return InputError(f"{path}: variable {name!r} holds {values.dtype}, not numbers")
    found = first_word(values)
    if found is None:
        return InputError(f"{path}: variable {name!r} holds text, not numbers; store its numbers as such")
    return InputError(
        f"{path}: variable {name!r} holds words, not numbers: {found[0]!r} in {found[1]}; write a number there (for a "
        "value below a limit of detection, one below the limit), or leave the cell empty"
    )


def first_word(values: xr.DataArray) -> tuple[str, str] | None:
    """The first text that is no number, and in which row; None where all are numbers or empty."""
    for i, item in enumerate(values.to_numpy().ravel()):
        word = text(item)
        if word and not is_number(word):
            place = tuple(int(k) + 1 for k in np.unravel_index(i, values.shape))
            where = f"row {place[0]} of {values.size}" if len(place) == 1 else f"place {place}"
            return word[:40], where
    return None


def is_number(word: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def text(item: object) -> str:
    """The text of a cell without blanks around it; empty for a missing one."""
    if item is None or (isinstance(item, float) and np.isnan(item)):
        return ""
    return (item.decode(errors="replace") if isinstance(item, bytes) else str(item)).strip()
