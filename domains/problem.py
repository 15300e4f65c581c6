"""From a domain to what the core works with: laws as matrices, bounds, ratios, steps, and what is given."""

import numpy as np
import torch
from torch import Tensor

from lawful.core.coordinates import Problem, Ratio
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError


def problem_of(domain: Domain, given: tuple[str, ...] = ()) -> Problem:
    """The domain's laws, inequalities, bounds, ratios and resolutions as float64 tensors in its own units.

    Raises:
        InputError: `given` names no variable, or leaves nothing to generate.
    """
    given = (*domain.given, *domain.expanded(given))
    if set(given) == set(domain.names):
        raise InputError("every variable is given; leave at least one to generate")
    A, b, laws = domain.matrix()
    C, d, inequalities = domain.inequality_matrix()
    problem = Problem(
        A=_tensor(A),
        b=_tensor(b),
        C=_tensor(C),
        d=_tensor(d),
        lower=_tensor(domain.lower),
        upper=_tensor(domain.upper),
        resolution=_tensor(np.array([v.resolution or 0.0 for v in domain.variables])),
        given=torch.zeros(len(domain.names), dtype=torch.bool),
        ratios=tuple(_ratios(domain)),
        names=domain.names,
        law_names=laws,
        inequality_names=inequalities,
        uniform=domain.uniform,
        categories=tuple(v.flag_values for v in domain.variables),
    )
    return problem.with_given(given)


def _ratios(domain: Domain) -> list[Ratio]:
    return [
        Ratio(
            ratio.name,
            domain.names.index(ratio.numerator),
            domain.names.index(ratio.denominator),
            -torch.inf if ratio.lower is None else ratio.lower,
            torch.inf if ratio.upper is None else ratio.upper,
        )
        for ratio in domain.ratios
    ]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))
