"""What can be wrong with laws, shapes and values; a message says which law, which sample, by how much, what to try."""

from collections.abc import Sequence


class LawfulError(Exception):
    """Root of every error that this package raises on purpose."""


class ShapeError(LawfulError, ValueError):
    """A tensor has a shape (or a list a length) that does not fit the system."""


class InvalidValueError(LawfulError, ValueError):
    """A number is outside what the argument allows: NaN, infinite, a negative weight, an unknown dtype."""


class RankError(LawfulError, ValueError):
    """The number of independent laws does not allow what was asked."""


class OffSupportError(LawfulError, ValueError):
    """A density was asked of a point that breaks a law or moves a fixed variable."""


class InconsistentSystemError(LawfulError, ValueError):
    """Laws that no point can satisfy together.

    Attributes:
        rows: names of the clashing laws; without any one of them the others can hold together.
        samples: batch indices of all samples with a clash; `((),)` for a single right-hand side.
        clash: by how much the last of `rows` misses what the others imply, in its units, in the first such sample.
    """

    def __init__(
        self,
        message: str,
        *,
        rows: Sequence[str] = (),
        samples: Sequence[tuple[int, ...]] = (),
        clash: float = float("nan"),
    ):
        super().__init__(message)
        self.rows = tuple(rows)
        self.samples = tuple(samples)
        self.clash = clash
