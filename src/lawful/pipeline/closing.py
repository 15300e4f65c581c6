"""Training data that do not close the laws, moved onto them where their domain says so."""

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.coordinates import Problem
from lawful.data_recipes.screening import broken_laws
from lawful.domains import Domain, InputError


def project(ds: xr.Dataset, problem: Problem, domain: Domain) -> tuple[xr.Dataset, list[str]]:
    """Events that obey the laws to rounding, and a note on how far they were moved and how many could not be.

    Data within their closure tolerance, and those of a domain that does not ask for projection, come as they are.

    Raises:
        InputError: no event can be moved onto the laws.
    """
    if domain.closure != "reconcile" or not broken_laws(ds, domain):
        return ds, []
    z = torch.from_numpy(np.stack([ds[name].to_numpy() for name in domain.names], axis=1))
    moved, good = nearest(z, problem)
    if not good.any():
        raise InputError(f"domain {domain.name!r}: no event can be moved onto the laws without leaving the bounds")
    ds = ds.assign({name: ds[name].copy(data=moved[:, i].numpy()) for i, name in enumerate(domain.names)})
    return ds.isel({domain.event_dim: good.numpy()}), [_note((moved - z)[good].abs(), int((~good).sum()), domain)]


def _note(distance: Tensor, lost: int, domain: Domain) -> str:
    worst = ", ".join(
        f"{v.name} {d:.3g} {v.units}" for v, d in zip(domain.variables, distance.amax(0).tolist(), strict=True) if d
    )
    left_out = f"; {lost} {domain.event}s that cannot be were left out" if lost else ""
    return f"training data were projected onto the laws, by at most {worst}{left_out}"


def nearest(z: Tensor, problem: Problem) -> tuple[Tensor, Tensor]:
    """The nearest events `(N, n)` to `z` (N, n) on the laws, and which of them `(N,)` obey bounds and inequalities too.

    Nearest in standard deviations, or in distances to a bound where these are less. Values on a bound, at multiples
    of a resolution, or given stay as they are.
    """
    room = torch.minimum(z - problem.lower, problem.upper - z)
    free = (room > 0) & ~problem.given & (problem.resolution == 0)
    laws = problem.system.restrict(free, z, check=False)
    spread = z.std(0, correction=0).clamp_min(1e-12)
    moved = laws.project_with(laws.metric(torch.minimum(room, spread).clamp_min(1e-150)), z)
    moved = torch.where(free, moved, z)
    inside = ((moved >= problem.lower) & (moved <= problem.upper)).all(-1) & (moved @ problem.C.T <= problem.d).all(-1)
    return moved, inside & problem.system.holds(moved)
