"""What every strategy owes: its guarantees in both precisions, gradients, shapes, given values, a density that fits."""

import numpy as np
import pytest
import torch
from polyhedra_cases import core_metabolism
from strategy_cases import CASES, double, polyhedron

from lawful.core import InvalidValueError, LinearSystem, ShapeError
from lawful.core.polyhedra import Bounds, Polyhedron
from lawful.core.strategies import STRATEGIES, strategy

NAMES = tuple(STRATEGIES)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def raw(case, seed=0, spread=1.0, dtype=torch.float64):
    """Raw values near the points of the case, most of them off the laws and some beyond bounds."""
    rng = np.random.default_rng(seed)
    noise = double(rng.normal(size=case.points.shape))
    return (case.points + spread * case.points.abs().mean(0) * noise).to(dtype)


def scales(case, dtype=torch.float64):
    return (case.points.abs().mean(0) * double(np.linspace(0.5, 2.0, case.points.shape[-1]))).to(dtype)


def assert_guaranteed(made, z):
    system, guarantee = made.system, made.guarantee
    if guarantee.equalities:
        assert system.ulps(z).max() <= 8
    if guarantee.bounds:
        assert made.bounds.contains(z).all()
    if guarantee.inequalities:
        assert Polyhedron(system, None, made.polyhedron.inequalities).contains(z).all()
    fixed = system.fixed.to(z.dtype).expand(z.shape)
    given = ~system.free.expand(z.shape)
    assert torch.equal(z[given], fixed[given])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_guarantees(name, case, dtype, spread):
    made, y = strategy(name, case.polyhedron), raw(case, 1, spread, dtype)
    z = made.finish(y, scales(case, dtype))
    assert z.shape == y.shape and z.dtype == dtype and z.isfinite().all()
    assert_guaranteed(made, z)
    seen = made.apply(y, scales(case, dtype))
    if made.guarantee.training or name == "mirror":  # whose exceptions are traces, and these cases have none
        assert_guaranteed(made, seen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["projection", "projection-after"])
@pytest.mark.parametrize("case", sorted(set(CASES) - {"two_equalities"}), indirect=True)
def test_projection_within_limits(name, case, dtype):
    made, y = STRATEGIES[name](case.polyhedron, limits=True), raw(case, 1, 3.0, dtype)
    z = made.finish(y)
    assert z.dtype == dtype
    assert_guaranteed(made, z)
    assert case.polyhedron.contains(z).all()
    assert torch.equal(made.finish(z), z)
    if name == "projection":
        with pytest.raises(InvalidValueError, match="no density"):
            made.log_prob(z, z, scales(case, dtype))


def test_gradients_flow(name, case):
    made, y = strategy(name, case.polyhedron), raw(case, 2, 0.3).requires_grad_()
    weights = double(np.random.default_rng(0).normal(size=y.shape))
    (made.apply(y, scales(case)) * weights).sum().backward()
    assert y.grad.isfinite().all()
    moved = (y.grad != 0).any(-1)
    # A repair that ends in a corner has nowhere to go: sequential may have no gradient there.
    assert moved.all() if name != "sequential" else moved.double().mean() > 0.5


def test_derivatives(name, case):
    made, y, scale = strategy(name, case.polyhedron), raw(case, 3, 0.3), scales(case)
    y.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: made.apply(x, scale), (y,), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("keeps", ["projection-after", "projection", "conditional", "sequential"])
def test_lawful_points_stay(keeps, case, dtype):
    made = strategy(keeps, case.polyhedron)
    points = case.polyhedron.bounds.clip(case.polyhedron.system.project(case.points).to(dtype))
    assert torch.equal(made.finish(points, scales(case, dtype)), points)


@pytest.mark.parametrize("name", ["projection", "sequential", "completion", "conditional", "mirror"])
def test_right_hand_sides_get_gradients(name):
    total = double([[1.0], [2.0]]).requires_grad_()
    y, weights = double([[0.3, 0.1, 0.2, 0.5], [0.2, 0.7, 0.3, 1.0]]), double([1.0, -1.0, 3.0, 2.0])

    def made(total):
        return strategy(name, polyhedron(LinearSystem(np.ones((1, 4)), total), lower=0))

    scale, once = double([1.0, 2.0, 1.0, 1.0]), made(total)
    for _ in range(2):
        (gradient,) = torch.autograd.grad(once.apply(y, scale).sum(), total)
        torch.testing.assert_close(gradient, double([[1.0], [1.0]]))
    assert torch.autograd.gradcheck(lambda total: made(total).apply(y, scale) @ weights, (total,))


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_batches(name, shape):
    made = strategy(name, CASES["tree"]().polyhedron)
    y = double(np.random.default_rng(0).normal(size=(*shape, 10))) + 2
    assert made.apply(y, torch.ones(10)).shape == y.shape
    assert made.penalty(y).shape == y.shape[:-1]
    loc = y.float()
    for draw in (made.rsample, made.sample):
        z = draw(loc, torch.ones(10), (5,))
        assert z.shape == (5, *shape, 10) and z.dtype == torch.float32
        assert_guaranteed(made, z) if draw == made.sample else None


def line():
    """Three variables on a line, z0 (1, -1, 1/2) + (0, 2, 1/2): z0 + z1 = 2, z1 + 2 z2 = 3, positive, z1 <= 1.5."""
    system = LinearSystem([[1, 1, 0], [0, 1, 2]], [2, 3])
    bounded = polyhedron(system, lower=0, C=[[0, 1, 0]], d=[1.5])
    # Close together at the ends, where a density may rise without limit.
    ends = 0.5 + 1.5 * torch.linspace(-20, 20, 4_001, dtype=torch.float64).sigmoid()
    t = torch.cat([torch.linspace(-12, 14, 6_001, dtype=torch.float64), ends, double([0.5, 2.0])]).unique()
    steps = torch.nn.functional.pad(t.diff(), (1, 1))
    return bounded, torch.stack([t, 2 - t, 0.5 + t / 2], -1), 1.5 * (steps[1:] + steps[:-1]) / 2


@pytest.mark.parametrize("unit", [None, double([0.3, 2.0, 1.0])])
@pytest.mark.parametrize("name", ["projection", "conditional", "completion", "mirror"])
def test_density_is_that_of_the_draws(name, unit):
    torch.manual_seed(0)
    bounded, z, length = line()
    made, loc, scale = strategy(name, bounded), double([0.9, 0.5, 0.7]), double([0.8, 0.5, 1.0])
    if unit is not None and name in ("completion", "mirror"):
        made = STRATEGIES[name](bounded, unit=unit)
    density = made.log_prob(bounded.system.project(z), loc, scale).exp() * length
    assert density.sum().item() == pytest.approx(1, abs=1e-3)
    draws = made.sample(loc, scale, (6_000,))
    mean = density @ z
    spread = (density @ (z - mean) ** 2).sqrt()
    assert ((draws.mean(0) - mean).abs() < 5 * spread / 6_000**0.5).all()
    torch.testing.assert_close(draws.std(0), spread, rtol=0.1, atol=0)


@pytest.mark.parametrize("name", ["projection", "completion", "mirror"])
def test_density_by_the_jacobian(name, case):
    if case.polyhedron.system.batch_shape:
        return
    made, y = strategy(name, case.polyhedron), raw(case, 5, 0.2)[0]
    loc, scale = y + 0.3, scales(case)
    z = made.apply(y)
    jacobian = torch.autograd.functional.jacobian(made.apply, y)
    # y in coordinates of the jacobian's own row space, z in those of the laws' null space.
    f = case.polyhedron.system.nullspace().shape[-1]
    rows = torch.linalg.svd(jacobian).Vh[:f].T
    change = torch.linalg.slogdet(case.polyhedron.system.nullspace().T @ jacobian @ rows).logabsdet
    covariance = rows.T @ torch.diag(scale**2) @ rows
    normal = torch.distributions.MultivariateNormal(rows.T @ loc, covariance)
    torch.testing.assert_close(made.log_prob(z, loc, scale), normal.log_prob(rows.T @ y) - change, rtol=1e-6, atol=1e-6)


def test_density_of_what_is_drawn():
    case = CASES["radiation"]()
    loc, scale, z = case.points, scales(case), case.points + 1
    normal = torch.distributions.Normal(loc[:, 1:], scale[1:]).log_prob(z[:, 1:]).sum(-1)
    for name in ("unconstrained", "penalty", "projection-after"):
        torch.testing.assert_close(strategy(name, case.polyhedron).log_prob(z, loc, scale), normal)
    with pytest.raises(InvalidValueError, match="'sequential' have no density"):
        strategy("sequential", case.polyhedron).log_prob(z, loc, scale)


@pytest.mark.parametrize("name", ["sequential", "mirror"])
def test_bounds_that_a_dtype_does_not_have(name):
    # float32(0.1) is above 0.1, float32(0.7) below 0.7.
    lower, upper = [0.1, 0.1, -9, -9], [9, 9, 0.1, 0.7]
    made = strategy(name, polyhedron(LinearSystem(np.ones((1, 4)), [1.2]), lower, upper))
    y = torch.tensor(np.random.default_rng(0).normal(0, 6, (500, 4)), dtype=torch.float32)
    assert_guaranteed(made, made.finish(y))


@pytest.mark.parametrize("name", ["completion", "mirror"])
def test_density_is_zero_on_bounds(name):
    bounded, *_ = line()
    z = double([[0.0, 2.0, 0.5], [1.0, 1.0, 1.0]])
    density = strategy(name, bounded).log_prob(z, torch.zeros(3), torch.ones(3))
    assert density[1].isfinite()
    assert density[0].item() == -torch.inf or name == "completion"


def test_conditional_weighs_by_scale():
    case = CASES["two_equalities"]()
    made, scale = strategy("conditional", case.polyhedron), double([1.0, 2.0, 3.0])
    torch.manual_seed(0)
    drawn = made.rsample(double([0.0, 1.0, 2.0]), scale, (4,))
    torch.manual_seed(0)
    y = double([0.0, 1.0, 2.0]) + scale * torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(drawn, made.apply(y, scale))
    with pytest.raises(InvalidValueError, match="give `scale`"):
        made.apply(y)


def test_penalty_is_squared_distance():
    system = LinearSystem([[3.0, 4.0]], [5.0])
    made = STRATEGIES["penalty"](polyhedron(system, lower=[0, -10], upper=[1, 10], C=[[0, 2]], d=[4]), weight=2.0)
    # 3 * 2 + 4 * 3 - 5 = 13, a distance of 13 / 5; one beyond the bound; (6 - 4) / 2 beyond the limit.
    assert made.penalty(double([2.0, 3.0])).item() == pytest.approx(2 * (2.6**2 + 1 + 1))
    assert made.penalty(double([1.0, 0.5])).item() == 0
    for name in NAMES:
        if name != "penalty":
            assert strategy(name, made.polyhedron).penalty(double([2.0, 3.0])).item() == 0


def test_completion_tells_when_it_holds_bounds():
    assert strategy("completion", CASES["tree"]().polyhedron).guarantee.bounds
    assert not strategy("completion", CASES["shares"]().polyhedron).guarantee.bounds
    made = STRATEGIES["completion"](CASES["radiation"]().polyhedron, ["Kdown", "QN", "Kup", "Ldown", "Lup"])
    assert not made.guarantee.bounds
    assert made.solved.tolist() == [3]


def test_arguments_are_checked(name):
    made = strategy(name, CASES["two_equalities"]().polyhedron)
    with pytest.raises(ShapeError, match="raw values"):
        made.apply(torch.zeros(2), torch.ones(3))
    with pytest.raises(InvalidValueError, match="raw value of 'variable 1' is nan"):
        made.apply(torch.tensor([0.0, torch.nan, 0.0]), torch.ones(3))


def test_given_values_and_names_are_checked(name):
    system = LinearSystem([[1.0, 1.0]], [1.0], columns=["a", "b"])
    given = system.restrict(torch.tensor([True, False]), [[0.0, 0.5], [0.0, -2.0]])
    with pytest.raises(InvalidValueError, match="'b' is fixed at -2 in sample 1, which is not within its bounds"):
        strategy(name, polyhedron(given, lower=0))
    with pytest.raises(InvalidValueError, match="strategy of unconstrained, penalty"):
        strategy("clipping", polyhedron(system))


def test_mirror_fills_what_a_given_value_leaves():
    case = CASES["radiation"]()
    z = strategy("mirror", case.polyhedron).finish(double(np.random.default_rng(0).normal(0, 200, (50, 6, 5))))
    share = z[..., 1] / z[..., 0]
    assert (share > 0.3).any() and (share <= 1).all()


def test_mirror_is_finished():
    A = np.random.default_rng(0).uniform(0.1, 2, (10, 50))
    law = LinearSystem(A, A.sum(1))
    z = strategy("mirror", polyhedron(law, lower=0)).finish(double(np.random.default_rng(1).normal(0, 6, (200, 50))))
    assert law.ulps(z).max() <= 1


def traces(depth):
    """Oxides of three minerals, the third in traces: its balance follows from the others, which leave it off."""
    A = [
        [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1],
        [-1, 0, 0, 0.6, 0.7, 0], [0, -1, 0, 0.4, 0.3, 0], [0, 0, -1, 0, 0, 1],
    ]  # fmt: skip
    system = LinearSystem(np.array(A, dtype=float), [100.0, 100.0, 0.0, 0.0, 0.0])
    torch.manual_seed(0)
    y = torch.tensor([65.0, 35.0, -12.0 - depth, 50.0, 50.0, -12.0 - depth], dtype=torch.float64)
    return system, torch.randn(50, 6, dtype=torch.float64) + y


@pytest.mark.parametrize("depth", [0.0, 40.0])
def test_the_mirror_map_holds_a_small_law_that_large_ones_imply(depth):
    system, y = traces(depth)
    assert system.redundant_mask.tolist() == [False, False, False, False, True]
    made = strategy("mirror", polyhedron(system, lower=0))
    z = made.finish(y)
    assert torch.equal(made.finish(y.reshape(5, 10, 6)).reshape(50, 6), z) and made.finish(y[0]).shape == (6,)
    assert (z[:, 5] < 1e-2).all() and system.ulps(z).max() <= 8 and (z > 0).all()


@pytest.mark.parametrize("depth", [0.0, 40.0])
def test_the_mirror_map_holds_small_laws_of_right_hand_sides_that_differ(depth):
    system, y = traces(depth)
    b = torch.linspace(0.5, 2.0, len(y)).double()[:, None] * system.b
    z = strategy("mirror", polyhedron(LinearSystem(system.A, b), lower=0)).finish(y)
    assert LinearSystem(system.A, b).ulps(z).max() <= 8 and (z > 0).all()
    for k in range(0, len(y), 10):
        alone = strategy("mirror", polyhedron(LinearSystem(system.A, b[k]), lower=0)).finish(y[k])
        torch.testing.assert_close(z[k], alone, rtol=1e-9, atol=1e-7)


def test_traces_that_no_number_resolves_are_no_given_values():
    """Near 1e-162, where squares of slopes are zero, a sample is lawful or refused: nothing was given that clashes."""
    system, y = traces(360.0)
    made = strategy("mirror", polyhedron(system, lower=0))
    for sample in y:
        try:
            assert system.ulps(made.finish(sample)).max() <= 8
        except InvalidValueError as error:
            assert "does not converge" in str(error)


def test_nothing_between_the_bounds():
    for b, sample in (([-1.0], 0), ([[3.0], [1.0], [-1.0], [1.0]], 2)):
        empty = polyhedron(LinearSystem([[1.0, 1.0]], b), lower=0)
        with pytest.raises(InvalidValueError, match=f"mirror map does not converge in sample {sample} "):
            strategy("mirror", empty).apply(torch.zeros(4, 2))


@pytest.mark.parametrize("far", [3.0, 30.0, 1000.0])
def test_the_mirror_map_of_raw_values_far_out(far):
    """Most of a metabolism's polyhedron lies near bounds: wide raw values are corners of it."""
    whole = core_metabolism()
    open_ = Polyhedron(whole.hull, whole.bounds)
    y = far * torch.randn(8, whole.n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert whole.contains(strategy("mirror", open_).finish(y)).all()


@pytest.mark.parametrize("far, error", [(1.0, 1e-7), (10.0, 1e-6), (60.0, 1e-4)])
def test_derivatives_of_the_mirror_map_far_out(far, error):
    """Though slopes of the link span all that float64 holds."""
    whole = core_metabolism()
    made, way = strategy("mirror", Polyhedron(whole.hull, whole.bounds)), torch.linspace(-1, 1, whole.n).double()
    y = far * torch.randn(4, whole.n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def along(t):
        return made.apply(y + t * way)

    exact = torch.autograd.functional.jacobian(along, torch.zeros((), dtype=torch.float64))
    numeric = (along(1e-4) - along(-1e-4)) / 2e-4
    assert ((exact - numeric).abs().amax(-1) <= error * exact.abs().amax(-1)).all()


def test_the_mirror_map_where_steps_from_inside_find_no_end():
    A = [[-2, 0, 3, -3, -2, 0], [-2, -1, -1, -3, -3, -3], [1, 3, 3, 1, 3, 0]]
    b = double(np.array(A) @ [0.9, 0.8, 0.8, 0.2, 0.2, 1.3])
    laws = polyhedron(LinearSystem(A, b), 0, [np.inf, 1.3, 1.8, 4.6, 1, np.inf])
    y = double([[-971, 41, 854, 1434, -248, -2322], [1, 0, -1, 2, 0, 1]])
    assert laws.contains(strategy("mirror", laws).finish(y)).all()


def test_the_mirror_map_far_out_for_right_hand_sides_of_each_sample():
    whole = core_metabolism()
    b = whole.hull.b.expand(4, -1)
    system = LinearSystem(whole.hull.A, b).restrict(whole.hull.free, whole.hull.fixed)
    y = 30 * torch.randn(4, whole.n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert whole.contains(strategy("mirror", Polyhedron(system, whole.bounds)).finish(y)).all()


def test_density_broadcasts_and_bends():
    laws = polyhedron(LinearSystem([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [1.0, 1.0]), lower=0)
    made, one = strategy("mirror", laws), torch.ones(3, dtype=torch.float64)
    z = made.apply(double([[0.3, -0.2, 0.5]]))
    density = made.log_prob(z, torch.zeros(4, 3).double(), one)
    assert density.shape == (4,) and made.log_prob(z[None], torch.zeros(4, 3).double(), one).shape == (1, 4)
    assert torch.autograd.gradgradcheck(lambda z: made.log_prob(z, 0 * one, one), z.requires_grad_())
    by_func = torch.func.grad(lambda z: made.log_prob(z, 0 * one, one).sum())(z.detach())
    torch.testing.assert_close(by_func, torch.autograd.grad(made.log_prob(z, 0 * one, one).sum(), z)[0])


def test_no_samples(name, case):
    made = strategy(name, case.polyhedron)
    y = raw(case).unsqueeze(0)[:0]
    assert made.sample(y, torch.ones_like(y)).shape == y.shape


def test_a_variable_that_its_bounds_pin():
    system = LinearSystem([[1.0, 1.0, 1.0]], [1.0], columns=["a", "b", "c"])
    pinned = polyhedron(system, [0.25, 0, 0], [0.25, 1, 1])
    with pytest.raises(InvalidValueError, match=r"Both bounds of 'a' are 0\.25"):
        strategy("mirror", pinned)
    made = strategy("completion", pinned)
    assert not made.guarantee.density and (made.sample(torch.zeros(5, 3), torch.ones(3))[:, 0] == 0.25).all()
    with pytest.raises(InvalidValueError, match="no density"):
        made.log_prob(double([0.25, 0.5, 0.25]), torch.zeros(3), torch.ones(3))


@pytest.mark.parametrize("name", ["sequential", "projection"])
def test_bounds_without_a_number_of_a_dtype(name):
    system = LinearSystem([[1.0, 1.0, 1.0]], [1.0])
    options = {"limits": True} if name == "projection" else {}
    made = STRATEGIES[name](polyhedron(system, [0.1, 0, 0], [0.1, 1, 1]), **options)
    assert (made.finish(torch.zeros(4, 3).double())[:, 0] == 0.1).all()
    with pytest.raises(InvalidValueError, match="No float32 lies within the bounds"):
        made.finish(torch.zeros(4, 3))


def test_all_variables_given():
    system = LinearSystem([[1.0, 1.0]], [1.0]).restrict([False, False], double([0.25, 0.75]))
    for name in STRATEGIES:
        made = strategy(name, polyhedron(system, 0, 1))
        z = made.sample(torch.zeros(3, 2).double(), torch.ones(2).double())
        assert z.tolist() == [[0.25, 0.75]] * 3
    assert strategy("mirror", polyhedron(system, 0, 1)).log_prob(z, torch.zeros(2), torch.ones(2)).tolist() == [0.0] * 3


@pytest.mark.parametrize("name", STRATEGIES)
def test_laws_that_are_kept_sparse_are_laws_too(name):
    system = LinearSystem.totals([0, 0, 0, 1, 1, 1], [1.0, 2.0])
    P = Polyhedron(system, Bounds(torch.zeros(6).double(), torch.full((6,), 5.0).double()))
    rule, y = strategy(name, P), torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert rule.penalty(rule.apply(y, torch.ones(6).double())).isfinite().all()
    z = rule.finish(y, torch.ones(6).double())
    assert not rule.guarantee.equalities or system.ulps(z).max() <= 8


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_right_hand_side_has_draws_of_its_own(name):
    b = torch.ones(3, 1, dtype=torch.float64)
    P = Polyhedron(LinearSystem([[1.0, 1.0, 1.0]], b), Bounds(torch.zeros(3).double(), torch.full((3,), 9.0).double()))
    rule, loc, scale = strategy(name, P), torch.zeros(3).double(), torch.ones(3).double()
    torch.manual_seed(0)
    z = rule.sample(loc, scale)
    assert z.shape == (3, 3) and not (z == z[0]).all()
    for count in (2, 3):
        assert rule.sample(loc, scale, (count,)).shape == rule.rsample(loc, scale, (count,)).shape == (count, 3, 3)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_raw_values_of_other_types_are_refused(name, dtype):
    above = Bounds(torch.zeros(3).double(), torch.full((3,), torch.inf).double())
    P = Polyhedron(LinearSystem([[1.0, 1.0, 1.0]], [100.0]), above)
    with pytest.raises(InvalidValueError, match="float32 or float64"):
        strategy(name, P).finish(torch.ones(3, dtype=dtype), torch.ones(3))
