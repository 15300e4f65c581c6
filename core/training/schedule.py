"""How long and how fast to train, and what is known of a training on its way and at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Steps of AdamW with a one-cycle rate; the average of weights that is best on the validation events is kept."""

    steps: int = 1500
    batch_size: int = 512
    rate: float = 2e-3
    weight_decay: float = 0.1
    check_every: int = 100
    averaging: float = 0.995
    clip: float = 5.0


@dataclass(frozen=True)
class Progress:
    """After a check: steps done, training loss of the last batch, and of the averaged weights the validation loss, the
    largest residual of a law in drawn events (in ulps, see `LinearSystem.ulps`), and the share of draws that is
    unlawful and would be drawn again."""

    step: int
    loss: float
    validation: float
    ulps: float
    unlawful: float


@dataclass(frozen=True)
class Fitted:
    """Best validation loss, the step it was reached at, and all checks; infinity and 0 when none was finite."""

    validation: float
    step: int
    history: tuple[Progress, ...]

    @classmethod
    def of(cls, history: Sequence[Progress]) -> Fitted:
        """The outcome of these checks."""
        best = min((p for p in history if math.isfinite(p.validation)), key=lambda p: p.validation, default=None)
        return cls(best.validation if best else math.inf, best.step if best else 0, tuple(history))
