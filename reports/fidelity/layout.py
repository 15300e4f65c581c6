"""Which columns of a window belong to which variable."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from lawful.core.coordinates import Steps
from lawful.domains.calendar import holds_times, later
from lawful.domains.domain import Domain

_LONGEST = 100.0
"""Windows of more days than this lie in no one season."""


@dataclass(frozen=True)
class Layout:
    """Where the steps of each variable stand among the columns of a window, and the season's column after them.

    `columns` are those of variables over the steps, `states` those of the ends of steps, by name. `season` says whether
    the last column of rows is the season, 0 to 3.
    """

    columns: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    season: bool

    def series(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Values (window, step) of every variable; of states those at the ends of steps."""
        return {name: values[:, columns] for name, columns in self.columns.items()} | {
            name: values[:, columns[1:]] for name, columns in self.states.items()
        }


def layout_of(domain: Domain, steps: Steps, season: bool) -> Layout:
    """The layout of the windows of a domain, in the order of its variables."""
    columns = dict(zip(steps.names, steps.columns.T.numpy(), strict=True))
    ends = steps.names[len(steps.names) - steps.carried :]
    states = {name: np.append(columns[f"{name}_before"][0], columns[name]) for name in ends}
    inner = steps.names[steps.carried : len(steps.names) - steps.carried]
    return Layout({name: columns[name] for name in inner}, states, season)


def seasons_of(ds: xr.Dataset, domain: Domain, steps: Steps) -> np.ndarray | None:
    """Season (window,) of the middle of each window, 0 for December to February; None where there is none."""
    dim, length = domain.event_dim, len(steps) * domain.step_days
    if dim not in ds.coords or not holds_times(ds[dim]) or length > _LONGEST:
        return None
    return (later(ds[dim], length / 2).dt.month.to_numpy() % 12 // 3).astype(np.float64)
