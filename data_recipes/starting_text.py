"""Lines of a domain file that is started: variables, laws, and which events belong together."""

import numpy as np
import yaml

from lawful.data_recipes.equations import equation_of, mixes_mass_and_amount, rescaled
from lawful.data_recipes.looking import Column, Found

_FEWEST_BLOCKS = 5


def quoted(word: str) -> str:
    """A word as YAML, in quotes where it needs them."""
    return yaml.safe_dump(word, width=10**6, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def variable_lines(column: Column, *, bounded: bool) -> list[str]:
    """What a file says of a variable; where it may be `bounded`, with a bound at zero that suggests itself."""
    seen = f"{column.low:.6g} to {column.high:.6g}"
    facts = [seen, *([f"{column.zeros:.1%} zeros"] if column.zeros else [])]
    facts += [f"{column.missing:.1%} missing"] if column.missing else []
    facts += [f"{column.distinct} different values"] if column.distinct < 30 else []
    lines = [f"  {quoted(column.name)}:  # {', '.join(facts)}"]
    lines.append(f"    units: {quoted(column.units)}")
    if column.strange_units:
        lines.append(f"    file_units: {quoted(column.strange_units)}  # not understood; say in units what it means")
    if column.name != column.source:
        lines.append(f"    source: {quoted(column.source)}")
    if column.flag_values:
        lines.append(f"    flag_values: [{', '.join(map(str, column.flag_values))}]  # kinds, generated as such")
        words = ", ".join(map(quoted, column.flag_meanings))
        lines += [f"    flag_meanings: [{words}]"] if words else []
    elif bounded and never_negative(column):
        lines.append("    lower: 0")
    for field, value in (("standard_name", column.standard_name), ("description", column.description)):
        lines += [f"    {field}: {quoted(value)}"] if value else []
    return lines


def never_negative(column: Column) -> bool:
    """Whether a bound at zero suggests itself: values reach it, or come near to it for their size."""
    return column.low == 0 or (column.low > 0 and column.high > 20 * column.low)


def law_lines(found: Found) -> list[str]:
    """The relations that were found, as laws."""
    units = {c.name: c.units for c in found.columns}
    laws = [rescaled(law, units) for law in found.laws if not mixes_mass_and_amount(law, units)]
    if not laws:
        return ["# No linear relation with small coefficients was seen to hold. Write laws such as:",
                "#  balance: {equation: a = b + c, units: W m-2, tolerance: 1e-6}", "laws: {}"]  # fmt: skip
    lines = ["laws:"]
    for i, law in enumerate(laws, 1):
        lines += [
            f"  law_{i}:  # holds in all {found.complete} complete events",
            f"    equation: {quoted(equation_of(law, units))}",
            f"    units: {quoted(units[next(iter(law.coefficients))])}",
            f"    tolerance: {max(2 * law.residual, 1e-12):.3g}  # the largest misfit is {law.residual:.3g}",
        ]
    return lines


def block_lines(found: Found) -> list[str]:
    """Which events belong together."""
    said = ["# Which events belong together when data are split for a fair test."]
    length = _block_length(found.times) if found.times is not None else 0
    if length:
        return [*said, f"blocks: {{kind: time, length_days: {length}, gap_days: {min(1, length - 1)}}}"]
    if found.label:
        return [*said, f"blocks: {{kind: label, label: {quoted(found.label)}}}"]
    return [*said, f"blocks: {{kind: order, length: {max(1, found.complete // 50)}}}"]


def _block_length(times: np.ndarray) -> int:
    """Days of a block of time, of which there are enough for five folds; 0 where there are not."""
    span, step = float(np.ptp(times)), float(np.median(np.diff(times)))
    longest = max(7 if span < 3000 else 365, int(4 * step))
    length = int(np.clip(span // 20, 1, longest))
    return length if span >= 10 and len(np.unique(times // length)) >= _FEWEST_BLOCKS else 0
