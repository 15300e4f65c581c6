"""The nearest lawful state of each sample: on the laws, within bounds and inequalities, its zeros kept if possible."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from lawful.core.errors import LawfulError
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron
from lawful.core.polyhedra.feasibility import InfeasibleError
from lawful.domains import Domain
from lawful.pipeline.repair.metric import Metric

_AT_ONCE = 2**14
_FREE, _LOWER, _UPPER, _ZERO = range(4)
_STAGES = ((_LOWER, _UPPER, _ZERO), (_LOWER, _UPPER), ())
"""What is kept where it is: first bounds and zeros, then bounds, then nothing."""


class Nearest:
    """The lawful z' nearest to z in a metric, with what is on a bound or zero kept there where possible.

    Args:
        domain: laws, inequalities and bounds.
        metric: how far two states are from each other, and which variables are not moved.
        slack: (variable,), how near to a bound or zero counts as on it.
    """

    def __init__(self, domain: Domain, metric: Metric, slack: np.ndarray):
        C, d, names = domain.inequality_matrix()
        self._system = domain.system()
        self._bounds = Bounds(torch.from_numpy(domain.lower), torch.from_numpy(domain.upper))
        self._inequalities = Inequalities(torch.from_numpy(C), torch.from_numpy(d), names)
        self._metric, self._held = metric, metric.held
        self._slack = slack
        self._limits = np.stack([np.zeros(len(slack)), domain.lower, domain.upper, np.zeros(len(slack))])
        # The work is done in compiled code, which lets other threads run.
        self._workers = ThreadPoolExecutor(os.cpu_count())
        self._known: dict[tuple[int, ...], Polyhedron | None] = {}

    def __call__(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lawful states (samples, variable) of finite z (samples, variable), and where (samples,) there is one."""
        moved, found = z.copy(), np.zeros(len(z), dtype=bool)
        for kinds in _STAGES:
            todo = np.flatnonzero(~found)
            groups = [(codes, todo[part]) for codes, part in self._groups(z[todo], kinds)]
            projected = self._workers.map(lambda group: self._projected(z[group[1]], group[0]), groups)
            for (_, samples), (states, there) in zip(groups, projected, strict=True):
                moved[samples], found[samples] = states, there
        moved[~found] = z[~found]
        return moved, found

    def _groups(self, z: np.ndarray, kinds: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Samples that keep the same variables in the same places, some thousand at a time."""
        codes = np.full(z.shape, _FREE, dtype=np.int8)
        for kind in reversed(kinds):
            codes[np.abs(z - self._limits[kind]) <= self._slack] = kind
        patterns, inverse = np.unique(codes, axis=0, return_inverse=True)
        order = np.argsort(inverse.reshape(-1), kind="stable")
        ends = np.searchsorted(inverse.reshape(-1)[order], np.arange(len(patterns) + 1))
        for pattern, start, end in zip(patterns, ends[:-1], ends[1:], strict=True):
            for first in range(start, end, _AT_ONCE):
                yield tuple(int(code) for code in pattern), order[first : min(first + _AT_ONCE, end)]

    def _projected(self, z: np.ndarray, codes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """`__call__` for samples that keep the same variables; of many that come to no end, halves are asked."""
        values = torch.from_numpy(z)
        try:
            inside = self._polyhedron(codes, values)
            if inside is None:
                return z, np.zeros(len(z), dtype=bool)
            # What the laws alone move to a place within all limits is nearest already, and that takes far less time.
            moved = self._metric.on_laws(inside.system, values)
            beyond = ~inside.contains(moved)
            if beyond.any():
                rest = self._polyhedron(codes, values[beyond]) or inside
                moved[beyond] = self._metric.within(rest, values[beyond])
            return moved.numpy(), np.ones(len(z), dtype=bool)
        except LawfulError:
            if len(z) == 1:
                return z, np.zeros(1, dtype=bool)
        halves = [self._projected(half, codes) for half in np.array_split(z, 2)]
        return np.concatenate([half[0] for half in halves]), np.concatenate([half[1] for half in halves])

    def _polyhedron(self, codes: tuple[int, ...], z: torch.Tensor) -> Polyhedron | None:
        """The lawful set of samples z (samples, variable); None where it is empty.

        It is one set for all samples, unless there are variables that are held where they are.

        Raises:
            InconsistentSystemError: what is held in some samples breaks a law.
        """
        kept = torch.tensor(codes) != _FREE
        places = torch.from_numpy(self._limits[list(codes), np.arange(len(codes))])
        if bool(self._held.any()):
            values = torch.where(kept & ~self._held, places, z)
            return Polyhedron(self._system.restrict(~(kept | self._held), values), self._bounds, self._inequalities)
        if codes not in self._known:
            system = self._system.restrict(~kept, places, check=False)
            inside = Polyhedron(system, self._bounds, self._inequalities)
            self._known[codes] = inside if bool(system.consistent()) and _has_points(inside) else None
        return self._known[codes]


def _has_points(inside: Polyhedron) -> bool:
    try:
        inside.require_feasible()
    except InfeasibleError:
        return False
    return True
