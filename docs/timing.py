"""Times of rivals within one process, side by side, and the tables of docs/benchmarks.md that they fill."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from marked import replaced

FOLDER = Path(__file__).parent


def medians(cases: Mapping[str, Callable[[], object]], *, rounds: int = 15, least: float = 0.02) -> dict[str, float]:
    """Median seconds of CPU time a call of each case, on one thread, in rounds that take every case in turn.

    A case that is over quickly is called several times a round, for `least` seconds together.
    """
    torch.set_num_threads(1)
    calls = {name: _calls(case, least) for name, case in cases.items()}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            times[name].append(_seconds(case, calls[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _calls(case: Callable[[], object], least: float) -> int:
    case()
    once = _seconds(case, 1)
    return max(1, min(1000, round(least / max(once, 1e-9))))


def _seconds(case: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        case()
    return (time.process_time() - start) / calls


def machine() -> str:
    """What the times depend on, in a few words: version of torch, kind of processor, and its vector instructions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    named = names[0] if names else platform.machine()
    return f"torch {torch.__version__}, {named}, {torch.backends.cpu.get_cpu_capability()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *rows])


def write_section(mark: str, content: str, page: str = "benchmarks.md") -> None:
    """Exchange one marked section of a page of this folder."""
    path = FOLDER / page
    path.write_text(replaced(path.read_text(), mark, content))
    print(content)
