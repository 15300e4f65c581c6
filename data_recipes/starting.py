"""Writes a commented YAML file to start a domain from, and sees that it loads and reads its data."""

from pathlib import Path

import numpy as np

from lawful.data_recipes.looking import Found, Words, look
from lawful.data_recipes.opening import open_plainly
from lawful.data_recipes.read import MINIMUM_EVENTS, Reading, read
from lawful.data_recipes.several import files_of
from lawful.data_recipes.starting_text import block_lines, law_lines, quoted, variable_lines
from lawful.data_recipes.write import write_text
from lawful.domains import InputError, load_domain


def start_domain(name: str, data: str | Path, target: Path) -> tuple[Found, Reading]:
    """Look into `data` and write `target`, a domain called `name`; gives what was found and what a run would read.

    Raises:
        InputError: the target exists, or the data cannot be read or hold nothing to make a domain of.
    """
    if target.exists():
        raise InputError(f"{target} exists; remove it, or give another NAME")
    first, *_ = files_of(Path(data))
    with open_plainly(first) as (ds, notes):
        found = look(ds.load(), notes)
    write_text(as_yaml(name, Path(data), found), target)
    try:
        return found, read(data, load_domain(target), minimum_events=MINIMUM_EVENTS)
    except InputError:
        target.unlink()
        raise


def as_yaml(name: str, data: Path, found: Found) -> str:
    """The text of a domain file; what cannot be known is said in comments."""
    stack, missing = ", ".join(map(quoted, found.stack)), ", ".join(f"{mark:g}" for mark in found.missing)
    lines = [
        f"# Started by `lawful init` from {data.name}: {found.events} events, {found.complete} of them complete.",
        "# Read it through: laws and bounds below hold in these data; whether they are laws, you know.",
        *(f"# {note}" for note in found.notes),
        f"name: {quoted(name)}",
        f"title: {quoted(f'What {data.name} holds')}",
        "event: event  # one of what, such as hour or sample",
        f"event_dim: {quoted(found.event_dim)}",
        *([f"stack: [{stack}]  # events are the points of these dimensions"] if stack else []),
        *([f"missing: [{missing}]  # stand for no value"] if missing else []),
        "variables:",
        *(line for column in found.columns for line in variable_lines(column, bounded=True)),
        *(f"  # {column.name}: left out, {why}" for column, why in found.left_out),
        *(_words(words) for words in found.words if words.source != found.label),
        *law_lines(found),
        *_context(found),
        *block_lines(found),
        "closure: strict  # or reconcile: move data that miss a law onto it",
    ]
    return "\n".join(lines) + "\n"


def _words(words: Words) -> str:
    """A comment on a variable of text, which may be a category or a label."""
    name = " ".join(words.source.split())
    if words.stray:
        return f"  # {name}: left out, it holds words beside numbers, {words.stray}; write a number there, or nothing"
    if not 2 <= words.distinct <= len(words.first):
        return f"  # {name}: left out, {words.distinct} different words; a label of blocks, maybe"
    kinds = " ".join(f"[{', '.join(map(quoted, words.first))}]".split())
    return f"  # {name}: left out, words; a label of blocks, maybe, or a category: {{flag_meanings: {kinds}}}"


def _context(found: Found) -> list[str]:
    if found.times is None:
        return []
    step, span = float(np.median(np.diff(found.times))), float(np.ptp(found.times))
    lines = ["  hour: {kind: hour_of_day}"] if step < 0.6 else []
    lines += ["  day: {kind: day_of_year}"] if span > 200 else []
    return ["context:  # what is known of an event beforehand", *lines] if lines else []
