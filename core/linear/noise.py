"""Variables that the laws pin to zero: no finite number of least moves makes them exactly that.

Each move leaves rounding in them, small but infinitely many ulps of a law all of whose members are zero. Laws that such
rounding alone breaks are those whose residual is as large as their terms.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lawful.core.linear.settle import worst_ulps

_COMPARABLE = 2.0**-20


def without_noise(
    z: Tensor,
    checked: Callable[[Tensor], tuple[Tensor, Tensor]],
    size_of: Callable[[Tensor], Tensor],
    members_of: Callable[[Tensor], Tensor],
) -> Tensor:
    """z (..., n) with zeros for the members of such laws, in samples where that brings all laws closer.

    Args:
        checked: residuals and allowances (..., m) of points. size_of: sums of magnitudes of terms (..., m).
        members_of: free variables (..., n) that take part in any of the laws (..., m) marked.
    """
    residual, allowance = checked(z)
    noise = (residual.abs() > allowance) & (residual.abs() > _COMPARABLE * size_of(z))
    if not noise.any():
        return z
    cleaned = torch.where(members_of(noise), 0.0, z)
    better = worst_ulps(*checked(cleaned)) < worst_ulps(residual, allowance)
    return torch.where(better.unsqueeze(-1), cleaned, z)
