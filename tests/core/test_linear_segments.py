"""Sums over groups in twice the precision: what they lost in rounding is known."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lawful.core.linear.structure.segments import Segments


@pytest.mark.parametrize("coefficients", [False, True])
def test_what_sums_lost_is_known(coefficients):
    rng = np.random.default_rng(0)
    owner = torch.tensor([0, 1, 0, 2, 0, 1, -1, 2, 2, 2])
    x = torch.from_numpy(rng.normal(size=(4, 10)) * 10.0 ** rng.uniform(-8, 8, (4, 10)))
    c = torch.from_numpy(rng.normal(size=10)) if coefficients else torch.ones(10).double()
    sums, lost, sizes = Segments(owner, 3).sums_in_chunks(x, c if coefficients else None, accurate=True)
    for row in range(4):
        for group in range(3):
            terms = [Fraction(c[k].item()) * Fraction(x[row, k].item()) for k in range(10) if owner[k] == group]
            whole, size = sum(terms), sum(map(abs, terms))
            # A product alone, rounded, would miss by 1e-16.
            off = abs(Fraction(sums[row, group].item()) + Fraction(lost[row, group].item()) - whole)
            assert off <= Fraction(1e-30) * size
            assert abs(sizes[row, group].item() - float(size)) <= 1e-15 * float(size)
