"""How a cell did: which share of its events is lawful, and how like held-out data they are."""

from typing import Any

import numpy as np
import torch

from lawful.core.errors import LawfulError
from lawful.pipeline.compare.making import Made, polyhedron_of
from lawful.pipeline.data import Prepared
from lawful.reports.arrays import plain
from lawful.reports.fidelity.protocol import Effort
from lawful.reports.fidelity.yardstick import Yardstick

EFFORT = Effort(copies=5, analog_sets=2, replicates=0)
"""For floors, which are measured once a seed; spread comes from seeds."""


class Judge:
    """Judges the cells of one seed."""

    def __init__(self, prepared: Prepared, seed: int):
        self._polyhedron = polyhedron_of(prepared)
        self._yardstick = Yardstick(prepared.train, prepared.test, prepared.domain, seed, EFFORT)

    def __call__(self, made: Made) -> dict[str, Any]:
        """Figures of one cell in types that JSON knows: "validity", "measures" by name, "seconds".

        Raises:
            LawfulError: an event has a value that is not finite.
        """
        broken = int((~np.isfinite(made.events)).any(-1).sum())
        if broken:
            raise LawfulError(f"{broken} of {made.events[..., 0].size} events have values that are not finite")
        return plain(
            {
                "validity": self._validity(made.events),
                "measures": self._yardstick(made.events),
                "seconds": {"training": made.training, "sampling": made.sampling},
                "events_per_second": made.events[..., 0].size / made.sampling,
            }
        )

    def _validity(self, events: np.ndarray) -> dict[str, Any]:
        inside, z = self._polyhedron, torch.from_numpy(events.reshape(-1, events.shape[-1]))
        return {
            "lawful": float(inside.contains(z).double().mean()),
            "out_of_bounds": float((~inside.bounds.contains(z)).any(1).double().mean()),
            "ulps": float(inside.system.ulps(z).max()),
        }
