"""Rewrites the tables of docs/compare.md from the folders of comparisons, and copies their first figure beside it.

lawful compare surface-balance --out CMP1
lawful compare rock-oxides --out CMP2
python docs/make_comparison.py CMP1 CMP2
"""

import shutil
import sys
from pathlib import Path

from marked import replaced

PAGE = Path(__file__).parent / "compare.md"


def main(folders: list[Path], page: Path = PAGE) -> None:
    """Put the tables of all folders, as `lawful compare` wrote them, between the marks of the page."""
    tables = "\n\n".join((folder / "compare.md").read_text().strip() for folder in folders)
    page.write_text(replaced(page.read_text(), "comparison", tables))
    shutil.copyfile(folders[0] / "figures" / "compare.png", page.with_suffix(".png"))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
