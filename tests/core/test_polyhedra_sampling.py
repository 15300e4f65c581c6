"""Draws: uniform and truncated normal, against closed forms."""

import math

import pytest
import torch
from polyhedra_cases import INF, box, core_metabolism, polyhedron, seeded, simplex, tensor
from scipy.stats import beta, kstest, multivariate_normal, truncnorm

from lawful.core import InvalidValueError, LinearSystem
from lawful.core.polyhedra import Bounds, HitAndRun, Inequalities, Polyhedron, UnboundedError
from lawful.core.polyhedra.reduced import Reduced
from lawful.core.polyhedra.walk import Target, analytic_centre

COUNT = 4096


def draws(P, loc=None, scale=None, count=COUNT):
    generator = seeded(1)
    return HitAndRun(P, loc, scale, chains=256, generator=generator).sample(count, generator)


def close(sample, cdf):
    """Kolmogorov-Smirnov distance below what one sample in 1e6 exceeds, with a third of the draws effective."""
    return kstest(sample.numpy(), cdf).statistic < math.sqrt(-0.5 * math.log(0.5e-6) / (len(sample) / 3))


def test_uniform_on_a_simplex_is_dirichlet():
    P = simplex(5)
    z = draws(P)
    assert P.contains(z).all()
    assert all(close(column, beta(1, 4).cdf) for column in z.T)
    torch.testing.assert_close(torch.cov(z.T), (torch.eye(5) / 5 - 1 / 25).double() / 6, atol=4e-3, rtol=0)


def test_uniform_on_a_box_of_thin_and_wide_sides():
    lower, upper = tensor([0, -1e3, 2]), tensor([1e-6, 1e3, 3])
    z = draws(box(lower.tolist(), upper.tolist()))[:, :3]
    shares = (z - lower) / (upper - lower)
    assert all(close(column, "uniform") for column in shares.T)
    assert torch.corrcoef(shares.T).fill_diagonal_(0).abs().max() < 0.1


@pytest.mark.parametrize(("low", "high", "loc"), [(0.0, INF, 0.5), (-1.0, 0.3, 2.0), (6.0, INF, 0.0), (-INF, INF, 1.0)])
def test_truncated_normal_in_a_box(low, high, loc):
    P = box([low, -INF], [high, INF])
    z = draws(P, tensor([loc, -3.0, 0]), tensor([1.0, 2.0, 1.0]))
    assert close(z[:, 0], truncnorm(low - loc, high - loc, loc, 1).cdf)
    assert close(z[:, 1], truncnorm(-INF, INF, -3, 2).cdf)


def test_normal_on_a_law_without_bounds():
    loc, scale = tensor([1, 0, -2]), tensor([1, 2, 0.5])
    P = Polyhedron(LinearSystem([[1.0, 1.0, 1.0]], [3.0]))
    z = draws(P, loc, scale)
    variance, total = scale.square(), scale.square().sum()
    mean = loc + variance * (3 - loc.sum()) / total
    covariance = torch.diag(variance) - variance[:, None] * variance / total
    torch.testing.assert_close(z.mean(0), mean, atol=0.15, rtol=0)
    torch.testing.assert_close(torch.cov(z.T), covariance, atol=0.25, rtol=0)
    assert multivariate_normal(mean, covariance, allow_singular=True).logpdf(z.numpy()).min() > -40


def test_a_triangle_has_its_centroid():
    P = polyhedron([[1, 1, 1, 0]], [1.0], [0, 0, 0, 0], [1, 1, 1, 2], [[1, 0, 0, 1]], [1.0])
    z = draws(P)
    assert P.contains(z).all()
    # x0 + x1 <= 1 and x0 + s <= 1, all positive: the density of x0 is proportional to (1 - x0)^2.
    assert close(z[:, 0], beta(1, 3).cdf)


def test_core_metabolism():
    P = core_metabolism()
    z = draws(P, count=1024)
    assert P.contains(z).all() and P.system.ulps(z).max() <= 1.1
    assert (z @ P.system.A.T).abs().max() <= 1e-11
    assert not P.hull.free.all()
    spread = z.std(0)[P.hull.free]
    assert (spread > 0).all()


def pinned():
    """`a` is held at zero by a pair of inequalities with a switch `s` that is off, `e` at a third by a law of its own,
    and `f` at what both leave; `c` and `d` share one."""
    names = ("s", "a", "c", "d", "e", "f")
    laws = LinearSystem(
        tensor([[0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 3, 0], [0, 1, 0, 0, 1, 1]]), tensor([1, 1, 1]), columns=names
    )
    limits = Inequalities(tensor([[-1e3, 1, 0, 0, 0, 0], [-1e3, -1, 0, 0, 0, 0]]), tensor([0, 0]), ("up", "down"))
    return Polyhedron(laws, Bounds(tensor([0, -5, 0, 0, -1, -1]), tensor([0, 5, 1, 1, 1, 1])), limits)


def test_what_equalities_pin_has_its_value_exactly():
    P = pinned()
    assert P.dimension == 1 and (~P.hull.free).sum() == 4
    z = draws(P)
    assert (z[:, 0] == 0).all() and (z[:, 1] == 0).all()
    assert (z[:, 4] == 1 / 3).all() and (z[:, 5] == 1 - 1 / 3).all()
    assert P.contains(z).all() and close(z[:, 2], "uniform")


def test_draws_of_a_polyhedron_with_pinned_variables_are_inside_before_any_projection(monkeypatch):
    P = pinned()
    seen = []
    monkeypatch.setattr(P, "project", lambda z: seen.append(P.contains(z)) or z)
    draws(P)
    assert seen[-1].double().mean() > 0.99


def test_a_single_point():
    P = polyhedron([[1, 1]], [0.0], [0, 0])
    assert torch.equal(draws(P, count=3), torch.zeros(3, 2).double())


def test_what_cannot_be_drawn():
    unbounded = Polyhedron(LinearSystem([[1.0, -1.0]]), Bounds(torch.zeros(2).double(), torch.full((2,), INF).double()))
    with pytest.raises(UnboundedError, match="bounded"):
        draws(unbounded)
    with pytest.raises(InvalidValueError, match="both"):
        draws(simplex(3), loc=torch.zeros(3))
    with pytest.raises(InvalidValueError, match="chains"):
        HitAndRun(simplex(5), chains=3, generator=seeded())
    with pytest.raises(InvalidValueError, match="more than zero"):
        draws(simplex(3), torch.zeros(3), torch.zeros(3))


def test_the_analytic_centre_of_what_is_ten_decades_wider_one_way():
    """Of a box it is the middle, where the curvature in each direction is `2 / (width / 2)^2`; laws turn the axes."""
    width = torch.tensor([1e-5, 1.0, 1e5], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    zero = torch.zeros(3, dtype=torch.float64)
    box = Reduced(
        zero, turn, turn, 0.2 * width, zero, width, torch.arange(3), torch.zeros(0, 3).double(), zero[:0], zero + 1
    )
    t, root = analytic_centre(Target.uniform(box))
    torch.testing.assert_close(box.start + turn @ t, width / 2, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        (root @ turn.T @ (width / 2)).square().sum(), torch.tensor(6.0).double(), rtol=1e-5, atol=0
    )
    assert torch.equal(root, root.triu()) and (root.diagonal() > 0).all()


@pytest.mark.parametrize("wide", [1e-10, 1e10])
def test_the_analytic_centre_in_any_units(wide):
    zero, eye = torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    width = tensor([1e4, 1e4 * wide])
    t, root = analytic_centre(
        Target.uniform(Reduced(zero, eye, eye, 0.3 * width, zero, width, torch.arange(2), eye[:0], zero[:0], zero + 1))
    )
    torch.testing.assert_close(t, 0.2 * width, rtol=1e-6, atol=0)
    torch.testing.assert_close(root.diagonal(), 8**0.5 / width, rtol=1e-6, atol=0)


def test_a_cone_has_no_analytic_centre():
    zero, eye = torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    cone = Reduced(zero, eye, eye, zero + 1, zero, zero + INF, torch.arange(2), eye[:0], zero[:0], zero + 1)
    with pytest.raises(UnboundedError):
        analytic_centre(Target.uniform(cone))
    t, _ = analytic_centre(Target.normal(cone, tensor([-5.0, 1e6]), tensor([1e-6, 1.0])))
    assert t.isfinite().all()


def test_the_analytic_centre_of_a_direction_without_limits():
    zero = torch.zeros(2, dtype=torch.float64)
    rows = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    strip = Reduced(
        zero,
        torch.eye(2).double(),
        rows,
        zero[:1],
        zero[:1] - 1,
        zero[:1] + 1,
        torch.arange(1),
        rows[:0],
        zero[:0],
        zero + 1,
    )
    with pytest.raises(UnboundedError):
        analytic_centre(Target.uniform(strip))


def test_the_centre_of_a_normal_of_many_scales():
    """Without limits it is the mean, on the law; where deviations lie twelve decades apart too."""
    loc, scale = tensor([1.0, 2.0, 3.0]), tensor([1e-6, 1.0, 1e6])
    P = polyhedron([[1, 1, 1]], [6], [-INF] * 3, [INF] * 3)
    reduced = P.reduced.merged()
    t, root = analytic_centre(Target.normal(reduced, loc, scale))
    torch.testing.assert_close(reduced.z(t), loc, rtol=1e-6, atol=1e-6)
    assert torch.equal(root, root.triu())


@pytest.mark.parametrize("thin", [1e-6, 1e-8])
def test_uniform_where_one_way_is_a_trillionth_of_another(thin):
    """A trace beside a cycle: the square of their widths is beyond double precision."""
    upper = tensor([1e4, thin, 1.0, INF])
    P = Polyhedron(LinearSystem([[1.0, 1.0, 1.0, -1.0]]), Bounds(torch.zeros(4).double(), upper))
    z = draws(P)
    assert P.contains(z).all()
    shares = (z / upper)[:, :3]
    assert all(close(column, "uniform") for column in shares.T)
    assert torch.corrcoef(shares.T).fill_diagonal_(0).abs().max() < 0.1


def test_no_draws_and_what_cannot_be_drawn():
    walk = HitAndRun(simplex(3), chains=64, generator=seeded(0))
    assert walk.sample(0, seeded(0)).shape == (0, 3)
    with pytest.raises(InvalidValueError, match="zero or more, got -1"):
        walk.sample(-1, seeded(0))
    zero, one = tensor([0.0, 0.0, 0.0]), tensor([1.0, 1.0, 1.0])
    with pytest.raises(InvalidValueError, match="mean of 'variable 0' is nan"):
        HitAndRun(simplex(3), zero * torch.nan, one, generator=seeded(0))
    with pytest.raises(InvalidValueError, match="scale of 'variable 0' is inf"):
        HitAndRun(simplex(3), zero, one * INF, generator=seeded(0))
    several = Polyhedron(LinearSystem(torch.ones(1, 3), tensor([[1.0], [2.0]])), Bounds(zero, one))
    with pytest.raises(InvalidValueError, match="one right-hand side"):
        HitAndRun(several, generator=seeded(0))
