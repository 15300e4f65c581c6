"""What a training leaves in its folder while it is on its way: a checkpoint to go on from, and a log."""

import csv
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import nn

from lawful.core.training import Fitted, Progress, is_main_process
from lawful.domains import InputError
from lawful.pipeline.checkpoint import read_checkpoint, write_checkpoint
from lawful.pipeline.model_file import CHECKPOINT, LOG, changed
from lawful.pipeline.progress import Console
from lawful.reports.files import write_atomically


class Kept:
    """The networks that are finished, each with its weights and checks, and the state of the one that is trained.

    Of a new training, or of one that was cut off in `folder` and goes on; `facts` is what it is made from. As a
    `Keeper` it writes a checkpoint whenever the loop has checked its network, and once more when SIGTERM has come.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], console: Console, found: dict[str, Any] | None = None):
        self.folder, self.facts, self.console = folder, facts, console
        found = found or {"finished": [], "state": None, "seconds": 0.0}
        self.finished: list[dict[str, Any]] = found["finished"]
        self.state: dict[str, Any] | None = found["state"]
        self._before, self._began = found["seconds"], time.perf_counter()
        self._asked_to_end = False

    @property
    def seconds(self) -> float:
        """How long the training has taken, without the time between its parts."""
        return self._before + time.perf_counter() - self._began

    @property
    def where(self) -> str:
        """How far the training has come, in words."""
        return f"step {self.state['step'] if self.state else 0} of network {len(self.finished) + 1}"

    def outcome(self, number: int, network: nn.Module) -> Fitted:
        """The outcome of a network that was finished before; puts its weights in place."""
        try:
            network.load_state_dict(self.finished[number]["weights"])
            history = [Progress(*numbers) for numbers in self.finished[number]["history"]]
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            raise _not_a_checkpoint(self.folder) from error
        network.eval()
        return Fitted.of(history)

    def finish(self, network: nn.Module, fitted: Fitted) -> None:
        """Count a network as finished; the next one starts anew."""
        weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        self.finished.append({"weights": weights, "history": _numbers(fitted)})
        self.state = None

    def wanted(self) -> bool:
        """Whether the process was asked to end."""
        return self._asked_to_end

    def keep(self, state: dict[str, Any]) -> None:
        """Write checkpoint and log; ends the process when it was asked to."""
        self.state = state
        if is_main_process():
            self._write(state)
        if self._asked_to_end:
            self.console.say(f"asked to end at {self.where}; --resume goes on from there")
            self._end()

    def _write(self, state: dict[str, Any]) -> None:
        histories = [*(network["history"] for network in self.finished), state["history"]]
        # First, for a training goes on from its checkpoint: a log that is ahead of it is soon written again.
        write_atomically(self.folder / LOG, _table(histories).encode())
        content = {"facts": self.facts, "finished": self.finished, "state": state, "seconds": self.seconds}
        write_checkpoint(self.folder / CHECKPOINT, content)

    @contextmanager
    def ending_well(self) -> Iterator[None]:
        """Until it is left, SIGTERM waits for the end of a step and a checkpoint."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._ask_to_end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
        if self._asked_to_end:
            self._end()

    def _ask_to_end(self, number: int, frame: Any) -> None:
        self._asked_to_end = True

    def _end(self) -> None:
        """Die of the signal, as whoever sent it expects."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


def found_in(folder: Path, facts: dict[str, Any], console: Console) -> Kept | None:
    """The training that was cut off in a folder; None when it left no checkpoint.

    Raises:
        InputError: its checkpoint is damaged, or it was one of other facts; the message names them.
    """
    content = read_checkpoint(folder / CHECKPOINT)
    if content is None:
        return None
    expected = {"facts": dict, "finished": list, "state": dict, "seconds": float}
    if not all(isinstance(content.get(name), kind) for name, kind in expected.items()):
        raise _not_a_checkpoint(folder)
    others = changed(content["facts"], facts)
    if others:
        raise InputError(
            f"--resume: the training in {folder} was one with other {', '.join(others)}; go on with the same settings, "
            "or leave --resume out to start over"
        )
    return Kept(folder, facts, console, content)


def _not_a_checkpoint(folder: Path) -> InputError:
    return InputError(f"{folder / CHECKPOINT}: not a checkpoint of this training; leave --resume out to start over")


def _numbers(fitted: Fitted) -> list[list[float]]:
    return [list(asdict(progress).values()) for progress in fitted.history]


def _table(histories: list[list[list[float]]]) -> str:
    """The log: a line for each check of each network."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["network", *(field.name for field in fields(Progress))])
    writer.writerows([number, *checks] for number, history in enumerate(histories, 1) for checks in history)
    return text.getvalue()
