"""Gram matrices of many weights, against the definition, and their derivatives."""

import pytest
import torch

from lawful.core.linear import gram as room
from lawful.core.linear.gram import gram, lower_gram
from lawful.core.linear.gram_factors import FewFactors, LapackFactors


def laws_and_weights(m, n, batch, shared=True, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(*(() if shared else (batch,)), m, n, generator=generator, dtype=torch.float64)
    return A.to(dtype), torch.rand(batch, n, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("m", "n", "batch"), [(1, 3, 4), (7, 5, 3), (19, 40, 6), (8, 8, 1), (0, 3, 2)])
def test_is_the_definition(m, n, batch, shared):
    A, v = laws_and_weights(m, n, batch, shared)
    expected = torch.einsum("...in,bn,...jn->bij", A, v, A) if shared else torch.einsum("bin,bn,bjn->bij", A, v, A)
    torch.testing.assert_close(gram(A, v), expected)


@pytest.mark.parametrize("shared", [True, False])
def test_chunks_do_not_count(shared, monkeypatch):
    A, v = laws_and_weights(9, 12, 10, shared)
    whole = gram(A, v)
    monkeypatch.setattr(room, "_CHUNK", 9 * 12 * 3)
    torch.testing.assert_close(gram(A, v), whole)
    torch.testing.assert_close(gram(A, v), gram(A, v).mT, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shared", [True, False])
def test_derivatives(shared, monkeypatch):
    monkeypatch.setattr(room, "_CHUNK", 2 * 3 * 2)
    A, v = laws_and_weights(3, 4, 5, shared)
    weights = torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs = (A.requires_grad_(), v.requires_grad_())
    assert torch.autograd.gradcheck(lambda A, v: gram(A, v) * weights, inputs)
    assert torch.autograd.gradgradcheck(lambda A, v: gram(A, v) * weights, inputs)


def test_float32_stays_float32():
    A, v = laws_and_weights(4, 6, 3, dtype=torch.float32)
    assert gram(A, v).dtype == torch.float32
    torch.testing.assert_close(gram(A, v).double(), gram(A.double(), v.double()), rtol=1e-5, atol=1e-6)


@pytest.mark.gpu
def test_on_a_gpu():
    A, v = laws_and_weights(9, 12, 10)
    torch.testing.assert_close(gram(A.cuda(), v.cuda()).cpu(), gram(A, v))


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_factors_of_few_laws_are_those_of_many(m):
    generator = torch.Generator().manual_seed(m)
    rows, x = (torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((50, m, m + 2), (m, 3, 50)))
    K = rows @ rows.mT
    i, j = torch.tril_indices(m, m)
    few, many = FewFactors.of(K[:, i, j].mT), LapackFactors.of(K.clone())
    torch.testing.assert_close(few.share, many.share)
    torch.testing.assert_close(
        few.share[:3],
        (torch.linalg.cholesky(K).diagonal(dim1=1, dim2=2) ** 2 / K.diagonal(dim1=1, dim2=2)).amin(-1)[:3],
    )
    expected = torch.linalg.solve(K, x.movedim(-1, 0)).movedim(0, -1)
    for factors in (few, many):
        torch.testing.assert_close(factors.solved(x), expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(factors.solved(x[:, 0]), expected[:, 0], rtol=0, atol=1e-9)
        torch.testing.assert_close(factors[7:9].solved(x[..., 7:9]), expected[..., 7:9], rtol=0, atol=1e-9)
        kept = factors.where(torch.arange(50) != 5).solved(x)
        torch.testing.assert_close(kept[..., 5], x[..., 5], rtol=0, atol=0)
        torch.testing.assert_close(kept[..., 6], factors.solved(x)[..., 6], rtol=0, atol=0)


def test_lower_triangles_of_few_and_many_laws():
    A, v = laws_and_weights(20, 9, 4)
    whole = gram(A, v).tril()
    torch.testing.assert_close(lower_gram(A, v).tril(), whole)
    torch.testing.assert_close(lower_gram(A[:7], v).tril(), whole[:, :7, :7])
