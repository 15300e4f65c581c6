"""Training data that do not close the laws, moved onto them where their domain says so."""

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.coordinates import Problem
from lawful.data_recipes.screening import broken_laws
from lawful.domains import Domain, InputError
from lawful.pipeline.reconcile import reconcile

_SHARE = 0.1
"""Of its standard deviation a variable counts as uncertain when the domain does not say by how much."""

_STILL = 1e-12


def closed(ds: xr.Dataset, problem: Problem, domain: Domain) -> tuple[xr.Dataset, list[str]]:
    """Events that obey the laws to rounding, and a note on how far they were moved and how many could not be.

    Data within their closure tolerance, and those of a domain that does not ask to reconcile them, come as they are.

    Raises:
        InputError: no event can be moved onto the laws.
    """
    if domain.closure != "reconcile" or not broken_laws(ds, domain):
        return ds, []
    z = torch.from_numpy(np.stack([ds[name].to_numpy() for name in domain.names], axis=1))
    moved, good = reconcile(z, _uncertainties(z, domain), problem)
    if not good.any():
        raise InputError(f"domain {domain.name!r}: no event can be moved onto the laws without leaving the bounds")
    lost = [str(label)[:19] for label in ds[domain.event_dim].values[~good.numpy()]]
    ds = ds.assign({name: ds[name].copy(data=moved[:, i].numpy()) for i, name in enumerate(domain.names)})
    notes = [*_notes((moved - z)[good].abs(), lost, domain), *_on_bounds(z[good], moved[good], domain)]
    return ds.isel({domain.event_dim: good.numpy()}), notes


def _uncertainties(z: Tensor, domain: Domain) -> Tensor:
    declared = torch.tensor([v.uncertainty or 0.0 for v in domain.variables], dtype=torch.float64)
    uncertain = torch.where(declared > 0, declared, _SHARE * z.std(0, correction=0))
    # What never varies hardly moves, and has an uncertainty all the same.
    largest = z.abs().amax(0)
    return torch.maximum(uncertain, _STILL * torch.where(largest > 0, largest, 1.0))


def _on_bounds(z: Tensor, moved: Tensor, domain: Domain) -> list[str]:
    """A note on values (events, variables) that lie on a bound now and did not: a model learns these as exact ones."""
    found = []
    for j, variable in enumerate(domain.variables):
        for bound in (variable.lower, variable.upper):
            if bound is not None and (put := int((moved[:, j].eq(bound) & z[:, j].ne(bound)).sum())):
                found.append(f"{variable.name} {put} of {len(z)} at {bound:g} {variable.units}")
    advice = "where that is too many, declare a smaller uncertainty for these variables, or leave such events out"
    return [f"reconciling put values on a bound that were not on it: {', '.join(found)}; {advice}"] if found else []


def _notes(distance: Tensor, lost: list[str], domain: Domain) -> list[str]:
    pairs = zip(domain.variables, distance.mean(0).tolist(), distance.amax(0).tolist(), strict=True)
    changes = ", ".join(f"{v.name} {mean:.3g} (at most {most:.3g}) {v.units}" for v, mean, most in pairs if most)
    notes = [f"training data were reconciled with the laws; mean change: {changes or 'none'}"]
    if lost:
        named = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
        notes.append(f"{len(lost)} {domain.event}s that cannot be reconciled within bounds were left out: {named}")
    return notes
