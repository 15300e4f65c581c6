"""Makes the README's figure from a run: law residuals above the cycle of the day.

lawful run surface-balance --out RUN
python docs/make_figures.py RUN
"""

import sys
from pathlib import Path

from PIL import Image

PARTS = ("residuals.png", "diurnal.png")
FIGURE = Path(__file__).parent / "surface-balance.png"
_GAP = 14


def stack(parts: list[Image.Image]) -> Image.Image:
    """The pictures one below another on white, in 128 colours."""
    heights = [part.height for part in parts]
    page = Image.new("RGB", (max(part.width for part in parts), sum(heights) + _GAP * (len(parts) - 1)), "white")
    for number, part in enumerate(parts):
        page.paste(part.convert("RGB"), (0, sum(heights[:number]) + _GAP * number))
    return page.quantize(128)


def main(run: Path, figure: Path = FIGURE) -> Path:
    """Write the figure of a run's folder; returns where it is."""
    stack([Image.open(run / "figures" / name) for name in PARTS]).save(figure, optimize=True)
    return figure


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} RUN")
    print(main(Path(sys.argv[1])))
