"""Writes a commented YAML file to start a domain from, and sees that it loads and reads its data."""

from pathlib import Path

import numpy as np
import yaml

from lawful.data_recipes.equations import equation_of, mixes_mass_and_amount, rescaled
from lawful.data_recipes.looking import Column, Found, Words, look
from lawful.data_recipes.opening import open_plainly
from lawful.data_recipes.read import MINIMUM_EVENTS, Reading, read
from lawful.data_recipes.several import files_of
from lawful.data_recipes.write import write_text
from lawful.domains import InputError, load_domain

_FEWEST_BLOCKS = 5


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
    stack, missing = ", ".join(map(_quoted, found.stack)), ", ".join(f"{mark:g}" for mark in found.missing)
    lines = [
        f"# Started by `lawful init` from {data.name}: {found.events} events, {found.complete} of them complete.",
        "# Read it through: laws and bounds below hold in these data; whether they are laws, you know.",
        *(f"# {note}" for note in found.notes),
        f"name: {_quoted(name)}",
        f"title: {_quoted(f'What {data.name} holds')}",
        "event: event  # one of what, such as hour or sample",
        f"event_dim: {_quoted(found.event_dim)}",
        *([f"stack: [{stack}]  # events are the points of these dimensions"] if stack else []),
        *([f"missing: [{missing}]  # stand for no value"] if missing else []),
        "variables:",
        *(line for column in found.columns for line in _variable(column)),
        *(f"  # {column.name}: left out, {why}" for column, why in found.left_out),
        *(_words(words) for words in found.words if words.source != found.label),
        *_laws(found),
        *_context(found),
        *_blocks(found),
        "closure: strict  # or reconcile: move data that miss a law onto it",
    ]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """A word as YAML, in quotes where it needs them."""
    return yaml.safe_dump(word, width=10**6, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def _variable(column: Column) -> list[str]:
    seen = f"{column.low:.6g} to {column.high:.6g}"
    facts = [seen, *([f"{column.zeros:.1%} zeros"] if column.zeros else [])]
    facts += [f"{column.missing:.1%} missing"] if column.missing else []
    facts += [f"{column.distinct} different values"] if column.distinct < 30 else []
    lines = [f"  {_quoted(column.name)}:  # {', '.join(facts)}"]
    lines.append(f"    units: {_quoted(column.units)}")
    if column.strange_units:
        lines.append(f"    file_units: {_quoted(column.strange_units)}  # not understood; say in units what it means")
    if column.name != column.source:
        lines.append(f"    source: {_quoted(column.source)}")
    if column.flag_values:
        lines.append(f"    flag_values: [{', '.join(map(str, column.flag_values))}]  # kinds, generated as such")
        words = ", ".join(map(_quoted, column.flag_meanings))
        lines += [f"    flag_meanings: [{words}]"] if words else []
    elif _never_negative(column):
        lines.append("    lower: 0")
    for field, value in (("standard_name", column.standard_name), ("description", column.description)):
        lines += [f"    {field}: {_quoted(value)}"] if value else []
    return lines


def _never_negative(column: Column) -> bool:
    """Whether a bound at zero suggests itself: values reach it, or come near to it for their size."""
    return column.low == 0 or (column.low > 0 and column.high > 20 * column.low)


def _words(words: Words) -> str:
    """A comment on a variable of text, which may be a category or a label."""
    name = " ".join(words.source.split())
    if words.stray:
        return f"  # {name}: left out, it holds words beside numbers, {words.stray}; write a number there, or nothing"
    if not 2 <= words.distinct <= len(words.first):
        return f"  # {name}: left out, {words.distinct} different words; a label of blocks, maybe"
    kinds = " ".join(f"[{', '.join(map(_quoted, words.first))}]".split())
    return f"  # {name}: left out, words; a label of blocks, maybe, or a category: {{flag_meanings: {kinds}}}"


def _laws(found: Found) -> list[str]:
    units = {c.name: c.units for c in found.columns}
    laws = [rescaled(law, units) for law in found.laws if not mixes_mass_and_amount(law, units)]
    if not laws:
        return ["# No linear relation with small coefficients was seen to hold. Write laws such as:",
                "#  balance: {equation: a = b + c, units: W m-2, tolerance: 1e-6}", "laws: {}"]  # fmt: skip
    lines = ["laws:"]
    for i, law in enumerate(laws, 1):
        lines += [
            f"  law_{i}:  # holds in all {found.complete} complete events",
            f"    equation: {_quoted(equation_of(law, units))}",
            f"    units: {_quoted(units[next(iter(law.coefficients))])}",
            f"    tolerance: {max(2 * law.residual, 1e-12):.3g}  # the largest misfit is {law.residual:.3g}",
        ]
    return lines


def _context(found: Found) -> list[str]:
    if found.times is None:
        return []
    step, span = float(np.median(np.diff(found.times))), float(np.ptp(found.times))
    lines = ["  hour: {kind: hour_of_day}"] if step < 0.6 else []
    lines += ["  day: {kind: day_of_year}"] if span > 200 else []
    return ["context:  # what is known of an event beforehand", *lines] if lines else []


def _blocks(found: Found) -> list[str]:
    said = ["# Which events belong together when data are split for a fair test."]
    length = _block_length(found.times) if found.times is not None else 0
    if length:
        return [*said, f"blocks: {{kind: time, length_days: {length}, gap_days: {min(1, length - 1)}}}"]
    if found.label:
        return [*said, f"blocks: {{kind: label, label: {_quoted(found.label)}}}"]
    return [*said, f"blocks: {{kind: order, length: {max(1, found.complete // 50)}}}"]


def _block_length(times: np.ndarray) -> int:
    """Days of a block of time, of which there are enough for five folds; 0 where there are not."""
    span, step = float(np.ptp(times)), float(np.median(np.diff(times)))
    longest = max(7 if span < 3000 else 365, int(4 * step))
    length = int(np.clip(span // 20, 1, longest))
    return length if span >= 10 and len(np.unique(times // length)) >= _FEWEST_BLOCKS else 0
