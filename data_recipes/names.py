"""Helps a user who has a variable under another name."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from lawful.domains import InputError

_LISTED = 30


def no_such_variable(path: Path, name: str, present: Iterable[str], alias: str | None = None) -> InputError:
    """The error for a missing variable: what the file has, and which of it may be meant.

    Args:
        path: the file.
        name: the variable that is missing.
        present: names in the file.
        alias: a variable with the standard name of the missing one, if there is one.
    """
    names = sorted(present)
    meant = alias or _closest(name, names)
    hint = f"; is {name} called {meant!r} there? Then map {name}={meant}" if meant else ""
    return InputError(f"{path} has no variable {name!r}{hint}; it has {listed(names)}")


def listed(names: Iterable[str]) -> str:
    """Names in one line, no more than thirty of them."""
    words = list(names)
    rest = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return (", ".join(words[:_LISTED]) + rest) or "none"


def _closest(name: str, names: list[str]) -> str | None:
    by_lower = {candidate.lower(): candidate for candidate in names}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None
