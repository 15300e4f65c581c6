"""Redundant laws of a sparse matrix, component by component, for one or many patterns of free classes."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from lawful.core.linear.factor import NEGLIGIBLE
from lawful.core.linear.restrict import group_patterns, refactorise
from lawful.core.linear.structure.components import Block, Component, components
from lawful.core.linear.structure.dependencies import (
    BlockDependencies,
    Dependencies,
    ListedDependencies,
    PatternDependencies,
)
from lawful.core.linear.structure.independent import dependencies, equilibrated
from lawful.core.linear.structure.segments import Segments


def redundancy(A: sparse.csr_matrix, laws: np.ndarray, free: Tensor, tolerance: float) -> list[Dependencies]:
    """What of the `laws` (k,) of `A` (m, q) is redundant among the `free` classes (..., q), by parts that have any."""
    blocks, large = components(A, laws)
    found = [_in_block(b, A.shape[0], free, tolerance) for b in blocks]
    found += [_in_component(c, A.shape[0], free, tolerance) for c in large]
    return [f for f in found if f is not None]


def dropped_laws(parts: list[Dependencies], m: int, device: torch.device) -> Tensor:
    """(..., m), True for laws that any of the parts drops."""
    dropped = torch.zeros(m, dtype=torch.bool, device=device)
    for part in parts:
        dropped = dropped | part.dropped()
    return dropped


def _in_block(block: Block, m: int, free: Tensor, tolerance: float) -> Dependencies | None:
    device = free.device
    flat = block.A.reshape(len(block.A), -1)
    _, same = np.unique(flat, axis=0, return_inverse=True)
    A = torch.from_numpy(block.A).to(device)
    padded = torch.cat((free, free.new_zeros(*free.shape[:-1], 1)), -1)
    own = padded[..., torch.from_numpy(block.classes).to(device)]
    group, factor = refactorise(A, own, torch.from_numpy(same.reshape(-1)).to(device), tolerance)
    if not factor.has_dependent or group is None:
        return None
    return BlockDependencies(m, torch.from_numpy(block.laws).to(device), A, own, group, factor, tolerance)


def _in_component(part: Component, m: int, free: Tensor, tolerance: float) -> Dependencies | None:
    own = free[..., torch.from_numpy(part.classes).to(free.device)]
    if own.dim() == 1:
        listed = _listed(part, m, own, tolerance)
        return listed if len(listed.law) else None
    group, chosen = group_patterns(own, None)
    patterns = tuple(_listed(part, m, pattern, tolerance) for pattern in own.flatten(0, -2)[chosen])
    return PatternDependencies(m, group, patterns) if any(len(p.law) for p in patterns) else None


def _listed(part: Component, m: int, free: Tensor, tolerance: float) -> ListedDependencies:
    A = part.A[:, np.flatnonzero(free.cpu().numpy())].tocsr()
    scaled, unit = equilibrated(A)
    dependent = dependencies(scaled, tolerance)
    negligible = max(NEGLIGIBLE, tolerance)
    entries = [
        (d, i, -y * unit[row] / unit[i])
        for d, (row, factors) in enumerate(dependent)
        for i, y in factors.items()
        if abs(y) > negligible
    ]
    entries += [(d, row, 1.0) for d, (row, _) in enumerate(dependent)]
    owner, member, factor = torch.tensor(entries, dtype=torch.float64, device=free.device).reshape(-1, 3).T
    laws = torch.from_numpy(part.laws).to(free.device)
    units = torch.ones(m, dtype=torch.float64, device=free.device)
    units[laws] = torch.from_numpy(unit).to(free.device)
    law = laws[torch.tensor([row for row, _ in dependent], dtype=torch.long, device=free.device)]
    rows = Segments(owner.long(), len(dependent))
    return ListedDependencies(law, rows, laws[member.long()], factor, units, tolerance)
