"""What a run says while it works: sentences always, bars on a terminal only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from lawful.core.training import is_main_process


class Bar(Protocol):
    """A bar that can be moved."""

    def to(self, done: int, text: str = "") -> None:
        """Set how much is done."""

    def advance(self, by: int) -> None:
        """Add to what is done."""


class Console:
    """Speaks on standard error, so that standard output carries results alone."""

    def __init__(self) -> None:
        # Bars and colours are for a terminal alone, also where FORCE_COLOR is set: its logs are read later.
        # Of several processes that train together, one speaks.
        self._console = RichConsole(
            stderr=True, highlight=False, force_terminal=sys.stderr.isatty(), quiet=not is_main_process()
        )

    def say(self, text: str) -> None:
        """One line, unwrapped."""
        self._console.print(text, soft_wrap=True, markup=False)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Bar]:
        """A bar with a rate and the time left; nothing at all when the output is no terminal."""
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal, transient=True) as bars:
            yield _RichBar(bars, bars.add_task(title, total=total, note=""))


class _RichBar:
    def __init__(self, bars: Progress, task: TaskID):
        self._bars, self._task = bars, task

    def to(self, done: int, text: str = "") -> None:
        self._bars.update(self._task, completed=done, note=text)

    def advance(self, by: int) -> None:
        self._bars.advance(self._task, by)


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        self.text_format = f"{task.speed or 0:,.0f}/s"
        return super().render(task)
