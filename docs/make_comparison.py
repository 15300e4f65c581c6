"""Rewrites the tables of docs/compare.md from the folders of comparisons; those of other domains stay.

lawful compare surface-balance --out CMP1
lawful compare rock-oxides --out CMP2
python docs/make_comparison.py CMP1 CMP2

The figure beside the page is that of its first table.
"""

import re
import shutil
import sys
from pathlib import Path

from marked import between, replaced

PAGE = Path(__file__).parent / "compare.md"
_START = re.compile(r"^`lawful compare (\S+)", re.MULTILINE)


def main(folders: list[Path], page: Path = PAGE) -> None:
    """Put the tables of all folders, as `lawful compare` wrote them, between the marks of the page."""
    text = page.read_text()
    found = by_domain(between(text, "comparison"))
    for folder in folders:
        found |= by_domain((folder / "compare.md").read_text())
        if next(iter(found)) in by_domain((folder / "compare.md").read_text()):
            shutil.copyfile(folder / "figures" / "compare.png", page.with_suffix(".png"))
    page.write_text(replaced(text, "comparison", "\n\n".join(found.values())))


def by_domain(text: str) -> dict[str, str]:
    """The tables of each command, by the domain that it names."""
    starts = [*_START.finditer(text)]
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return {s.group(1): text[s.start() : end].strip() for s, end in zip(starts, ends, strict=True)}


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
