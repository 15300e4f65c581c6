"""Samples that are being repaired: what was seen of them, and what was done to them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from lawful.core.linear.system import LAWFUL_ULPS
from lawful.domains import Domain
from lawful.domains.declarations import component
from lawful.pipeline.repair.effect import Effect
from lawful.pipeline.repair.parts import Parts
from lawful.pipeline.repair.storing import Storing
from lawful.reports.physics.columns import Block, Columns, Piece
from lawful.reports.physics.judges import Judges
from lawful.reports.physics.place import At, Where
from lawful.reports.physics.tolerance import Tolerance

_NAMED = 20

Found = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Lawful states (samples, variable) of finite ones, and where (samples,) there is one."""


def _same(values: np.ndarray) -> np.ndarray:
    return values


class Work:
    """The samples of one data set.

    Args:
        ds: opened, not necessarily loaded.
        domain: laws, inequalities and bounds of a sample.
        effect: takes in what is seen and changed.
        rows: values (samples, variable) as `effect` counts them.
        at: where in the file a sample of `ds` is, if that is not the file.
    """

    def __init__(
        self,
        ds: xr.Dataset,
        domain: Domain,
        effect: Effect,
        rows: Callable[[np.ndarray], np.ndarray] = _same,
        at: At | None = None,
    ):
        self.columns, self._domain, self._effect, self._rows = Columns(ds, domain), domain, effect, rows
        self._where = Where(ds, domain, self.columns.dims, at)
        self._judges = Judges(self.columns, domain, self._where, Tolerance("ulps", LAWFUL_ULPS))
        self.repaired, self.missing, self.broken = 0, 0, 0
        self.left: list[dict[str, Any]] = []
        self.incomplete: list[dict[str, Any]] = []

    @property
    def slack(self) -> np.ndarray:
        """How near (variable,) to zero or a bound counts as on it."""
        return np.array([column.slack_at(0.0) for column in self.columns.columns])

    def look(self) -> None:
        """Take in all finite samples."""
        for block in self.columns.blocks():
            for piece in self.columns.pieces(block):
                finite = piece.of_finite()
                if finite.size:
                    rows = self._rows(np.stack(finite.values, axis=-1))
                    self._effect.see(rows, partial(self._at, block, finite, len(rows) // finite.size))

    def _at(self, block: Block, piece: Piece, parts: int, row: int) -> dict[str, Any]:
        """Where in the file a row of a piece is, of which a sample has `parts`."""
        return self._where.at(block.index, piece.flat(row // parts))

    def mend(self, nearest: Found, parts: Callable[[Block], Parts]) -> None:
        """Put lawful numbers in the place of unlawful ones."""
        storing = Storing(self.columns, self._judges, self._domain)
        for block in self.columns.blocks():
            samples, before = self._unlawful(block)
            if samples.size:
                self._mend_block(block, parts(block), nearest, storing, samples, before)

    def _unlawful(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Flat positions in the block of finite samples that break something, and their values (samples, variable)."""
        positions, values = [], []
        for piece in self.columns.pieces(block):
            finite = piece.of_finite()
            self.missing += piece.size - finite.size
            if finite.size < piece.size:
                self._name_incomplete(block, piece)
            if finite.size:
                broken = np.flatnonzero(self._judges.broken(finite))
                positions += [finite.flat(int(sample)) for sample in broken]
                values.append(np.stack(finite.only(broken).values, axis=-1))
        return np.array(positions, dtype=np.int64), np.concatenate(values) if values else np.zeros((0, 0))

    def _name_incomplete(self, block: Block, piece: Piece) -> None:
        gaps = ~np.isfinite(piece.values)
        for sample in np.flatnonzero(gaps.any(axis=0))[: _NAMED - len(self.incomplete)]:
            own = [self._domain.names[j] for j in np.flatnonzero(gaps[:, sample])]
            arrays = list(dict.fromkeys((component(name) or (name,))[0] for name in own))
            reason = f"{', '.join(arrays)} {'is' if len(arrays) == 1 else 'are'} missing or infinite"
            at = self._where.at(block.index, piece.flat(int(sample)))
            self.incomplete.append({**at, "reason": reason, "missing": arrays})

    def _mend_block(
        self, block: Block, parts: Parts, nearest: Found, storing: Storing, samples: np.ndarray, before: np.ndarray,
        was: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Mend samples of a block, which are as in `before` (samples, variable), and were in the file as in `was`."""
        after, found = nearest(before)
        numbers, values, lawful = storing(parts.read(samples), before, after)
        done = found & lawful
        self.broken += len(samples)
        self.repaired += int(done.sum())
        self._effect.change(self._rows((before if was is None else was)[done]), self._rows(values[done]))
        self._name(block, samples, found, lawful)
        parts.put(samples[done], [new[done] for new in numbers])

    def _name(self, block: Block, samples: np.ndarray, found: np.ndarray, lawful: np.ndarray) -> None:
        for position in np.flatnonzero(~(found & lawful))[: _NAMED - len(self.left)]:
            reason = (
                "its numbers are too coarse, or do not reach far enough, to hold a lawful state"
                if found[position]
                else "no values satisfy its laws, bounds and what is held together"
            )
            self.left.append({**self._where.at(block.index, int(samples[position])), "reason": reason})


def summary(works: Sequence[Work]) -> dict[str, Any]:
    """Counts, and what is left."""
    samples, broken = sum(work.columns.samples for work in works), sum(work.broken for work in works)
    named = [*(left for work in works for left in work.left), *(left for work in works for left in work.incomplete)]
    repaired, missing = sum(work.repaired for work in works), sum(work.missing for work in works)
    return {
        "samples": samples,
        "lawful": samples - broken - missing,
        "repaired": repaired,
        "left": broken - repaired,
        "missing": missing,
        "unrepaired": named[:_NAMED],
    }
