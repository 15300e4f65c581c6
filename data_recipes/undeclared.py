"""Relations that data obey and no law of their domain tells: an ensemble would not keep them."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lawful.data_recipes.equations import equation_of, mixes_mass_and_amount, rescaled
from lawful.data_recipes.relations import Relation, relations, rounding
from lawful.domains.domain import Domain

_MOST_VARIABLES = 128
"""Beyond it, a linear programme for each variable takes longer than what it tells is worth."""
_SAME = 1e-9
_SHARE = 1e-3
"""Of the range of any of its terms a relation's residual is less, or one coarse column would let others be told of it:
beside rain in steps of 0.2 mm any latent heat seems 687 times the evaporation."""


def undeclared(ds: xr.Dataset, domain: Domain, given: Sequence[str] = ()) -> list[str]:
    """Equations, in the words of a domain, of relations in data that its laws do not imply.

    Relations between variables that are `given`, or that do not vary, are none: those values are kept as they are. Of
    laws that differ from event to event nothing can be told, so of a domain that has any nothing is.

    Args:
        ds: events in the units of the domain, dim (event,).
        domain: variables and laws.
        given: variables that are not generated.
    """
    if len(domain.names) > _MOST_VARIABLES or any(law.coefficients for law in domain.equalities):
        return []
    names = [v.name for v in domain.variables if not v.categorical and v.name in ds]
    values = np.stack([ds[name].to_numpy().astype(np.float64) for name in names], axis=1)
    whole = values[np.isfinite(values).all(1)]
    if not len(whole):
        return []
    steps = np.array([rounding(column, _stored(column)) for column in whole.T])
    units = {v.name: v.units for v in domain.variables}
    sharp = [relation for relation in relations(whole, names, steps) if _is_sharp(relation, whole, names)]
    found = _new(sharp, whole, steps, names, domain, given)
    return [equation_of(rescaled(r, units), units) for r in found if not mixes_mass_and_amount(r, units)]


def _is_sharp(relation: Relation, values: np.ndarray, names: list[str]) -> bool:
    terms = [abs(float(c)) * np.ptp(values[:, names.index(name)]) for name, c in relation.coefficients.items()]
    return bool(relation.residual <= _SHARE * min(terms))


def _stored(values: np.ndarray) -> np.dtype:
    """The float type that holds values (N,) as they are."""
    return np.dtype(np.float32 if (values == values.astype(np.float32)).all() else np.float64)


def _new(
    found: list[Relation],
    values: np.ndarray,
    steps: np.ndarray,
    names: list[str],
    domain: Domain,
    given: Sequence[str],
) -> list[Relation]:
    """Those that follow neither from laws, nor from one another, nor from what is given or does not vary.

    Data obey all of them, so that coefficients tell and constants need not be looked at.
    """
    matrix, _, _ = domain.matrix()
    kept_as_is = [k for k, name in enumerate(names) if name in given or np.ptp(values[:, k]) <= 4 * steps[k]]
    known = np.vstack([matrix[:, [domain.names.index(name) for name in names]], np.eye(len(names))[kept_as_is]])
    new = []
    for relation in found:
        row = [float(relation.coefficients.get(name, 0)) for name in names]
        extended = np.vstack([known, row])
        if _rank(extended) > _rank(known):
            new.append(relation)
            known = extended
    return new


def _rank(rows: np.ndarray) -> int:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return int(np.linalg.matrix_rank(rows / np.where(length > 0, length, 1.0), tol=_SAME)) if rows.size else 0
