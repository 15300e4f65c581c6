"""The map by distances from limits as a strategy: what every strategy owes, on bounded polyhedra, however thin."""

import numpy as np
import pytest
import torch
from polyhedra_cases import core_metabolism
from strategy_cases import CASES, INF, double, polyhedron

from lawful.core import InvalidValueError, LinearSystem
from lawful.core.polyhedra import HitAndRun, Polyhedron, UnboundedError
from lawful.core.strategies import Limits


def shares() -> Polyhedron:
    return CASES["shares"]().polyhedron


def mixture(thin: float = 1.0) -> Polyhedron:
    """`a + b + c = 1`, `d = a - b`, `thin * b <= e <= 2 thin * b`, and f given, with 0 <= a, b, c <= 0.8."""
    system = LinearSystem([[1, 1, 1, 0, 0, 0], [1, -1, 0, -1, 0, 0]], [1, 0], columns=list("abcdef"))
    given = system.restrict(torch.tensor([True] * 5 + [False]), double([0, 0, 0, 0, 0, 3.0]))
    C = [[0, thin, 0, 0, -1, 0], [0, -2 * thin, 0, 0, 1, 0]]
    return polyhedron(given, [0, 0, 0, -INF, -INF, 0], [0.8] * 3 + [INF] * 3, C=C, d=[0.0, 0.0], names=["low", "high"])


POLYHEDRA = {"shares": shares, "mixture": mixture, "thin": lambda: mixture(1e-6)}


@pytest.fixture(params=POLYHEDRA)
def made(request):
    return Limits(POLYHEDRA[request.param]())


def raw(made, spread=1.0, count=200, seed=0):
    torch.manual_seed(seed)
    return spread * torch.randn(count, made.system.n, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.1, 3.0, 1e3])
def test_every_raw_value_gives_a_point_inside(made, spread, dtype):
    for z in (made.apply(raw(made, spread).to(dtype)), made.finish(raw(made, spread).to(dtype))):
        assert z.dtype == dtype and z.shape == (200, made.system.n) and made.polyhedron.contains(z).all()


def test_shapes(made):
    for shape in ((), (3,), (2, 4)):
        y = torch.zeros(*shape, made.system.n)
        assert made.apply(y).shape == y.shape
        assert made.rsample(y, torch.ones(made.system.n), (5,)).shape == (5, *y.shape)
        assert made.log_prob(made.apply(y), y, torch.ones(made.system.n)).shape == shape


def test_derivatives(made):
    y = raw(made, 0.5, 6).requires_grad_()
    assert torch.autograd.gradcheck(made.apply, (y,), fast_mode=True)
    z = made.apply(raw(made, 0.5, 6)).detach().requires_grad_()
    loc, scale = raw(made, 0.1, 6, 1).requires_grad_(), (raw(made, 0.1, 6, 2).abs() + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda loc, scale: made.log_prob(z.detach(), loc, scale), (loc, scale))


def test_far_raw_values_have_finite_gradients(made):
    y = raw(made, 1e6, 50).requires_grad_()
    z = made.apply(y)
    z.sum().backward()
    assert made.polyhedron.contains(z).all() and y.grad.isfinite().all()


def test_raw_values_go_round(made):
    z = made.apply(raw(made, 0.5))
    torch.testing.assert_close(made.apply(made.raw(z)), z, rtol=1e-9, atol=1e-9)


def test_it_is_linear_around_the_centre(made):
    jacobian = torch.autograd.functional.jacobian(made.apply, torch.zeros(made.system.n, dtype=torch.float64))
    moves = torch.zeros_like(jacobian).index_copy(1, made.columns, made._reduced.moves)
    torch.testing.assert_close(jacobian, moves, rtol=1e-6, atol=1e-7)


def test_density_by_the_jacobian(made):
    y = raw(made, 0.2, 1, 3)[0]
    loc, scale = y + 0.2, double(np.linspace(0.5, 2.0, made.system.n))
    z, f = made.apply(y), made._reduced.dimension
    jacobian = torch.autograd.functional.jacobian(made.apply, y)
    rows, basis = torch.linalg.svd(jacobian).Vh[:f].T, torch.linalg.qr(made._reduced.moves).Q
    change = torch.linalg.slogdet(basis.T @ jacobian @ rows).logabsdet
    normal = torch.distributions.MultivariateNormal(rows.T @ loc, rows.T @ torch.diag(scale**2) @ rows)
    expected = normal.log_prob(rows.T @ y) - change
    torch.testing.assert_close(made.log_prob(z, loc, scale), expected, rtol=1e-5, atol=1e-5)


def test_density_is_that_of_the_draws():
    """A segment: `a + b = 1`."""
    made = Limits(polyhedron(LinearSystem([[1, 1]], [1]), lower=0), sharpness=2.0)
    a = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    z, loc, scale = torch.stack([a, 1 - a], 1), double([0.4, 0.9]), double([0.7, 0.5])
    weight = made.log_prob(z, loc, scale).exp() * 2**0.5 * (a[1] - a[0])
    assert weight[[0, -1]].eq(0).all() and weight.sum().item() == pytest.approx(1, abs=1e-3)
    torch.manual_seed(0)
    draws = made.sample(loc, scale, (20_000,))[:, 0]
    mean = (weight @ a).item()
    spread = (weight @ (a - mean) ** 2).sqrt().item()
    assert draws.mean().item() == pytest.approx(mean, abs=5 * spread / 20_000**0.5)
    assert draws.std().item() == pytest.approx(spread, rel=0.03)


def test_density_is_zero_on_limits_and_beyond():
    made = Limits(shares())
    z = double([[1, 0, 0, 0, 0, 0], [1.2, -0.2, 0, 0, 0, 0], [1 / 6] * 6])
    density = made.log_prob(z, torch.zeros(6), torch.ones(6))
    assert density[:2].tolist() == [-INF, -INF] and density[2].isfinite()


def test_sharpness_follows_data():
    """Of a segment, whose coordinates are normal under one sharpness."""
    segment = polyhedron(LinearSystem([[1, 1]], [1]), lower=0)
    for sharpness in (0.25, 4.0):
        made = Limits(segment, sharpness)
        torch.manual_seed(0)
        z = made.sample(double([0.5, 0.5]), double([1.0, 1.0]), (4000,))
        assert Limits(segment).fitted(z).sharpness == sharpness


def test_thin_polyhedra_lose_no_draw():
    """Steady states of a metabolism, moved by a hundredth of a unit of the coordinates."""
    whole, generator = core_metabolism(), torch.Generator().manual_seed(0)
    made = Limits(whole)
    z = HitAndRun(whole, chains=128, generator=generator).sample(128, generator)
    step = 0.01 * torch.randn(128, made._reduced.dimension, generator=generator, dtype=torch.float64)
    moved = made.apply(made.raw(z).index_add(1, made.columns, step))
    assert whole.contains(moved).all()
    assert ((moved - z).std(0) <= 0.05 * z.std(0) + 1e-9).all()


def test_what_it_cannot_serve():
    with pytest.raises(InvalidValueError, match=r"'limits' takes one polyhedron .* take 'mirror'"):
        Limits(CASES["elements"]().polyhedron)
    with pytest.raises(UnboundedError):
        Limits(CASES["tree"]().polyhedron)
