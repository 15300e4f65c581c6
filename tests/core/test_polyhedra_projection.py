"""Projection: nearest, on the face exactly, within bounds as stored, and differentiable."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from polyhedra_cases import INF, core_metabolism, normal, polyhedron, random_polyhedron, simplex, tensor
from scipy.optimize import minimize, nnls

from lawful.core import InvalidValueError, LinearSystem
from lawful.core.polyhedra import Bounds, Inequalities, InfeasibleError, NotConvergedError, Polyhedron

seeds = st.integers(0, 10**6)


def distance(z, x, weights):
    return float(((z - x).square() / weights).sum())


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_agrees_with_scipy(seed):
    P, x = random_polyhedron(seed), 3 * normal(6, seed=seed)
    weights = normal(6, seed=seed + 1).exp()
    z = P.project(x, weights)
    A, b, C, d, lower, upper = P.arrays
    reference = minimize(
        lambda v: 0.5 * ((v - x.numpy()) ** 2 / weights.numpy()).sum(),
        z.numpy() + 0.1,
        jac=lambda v: (v - x.numpy()) / weights.numpy(),
        bounds=list(zip(lower, upper, strict=True)),
        constraints=[
            {"type": "eq", "fun": lambda v: A @ v - b, "jac": lambda v: A},
            {"type": "ineq", "fun": lambda v: d - C @ v, "jac": lambda v: -C},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert P.contains(z)
    if reference.success:
        torch.testing.assert_close(z, tensor(reference.x), rtol=1e-4, atol=1e-4)
        assert distance(z, x, weights) <= distance(tensor(reference.x), x, weights) * (1 + 1e-6)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_optimality(seed):
    """No feasible direction improves: `(x - z) / weights` makes no acute angle with any other point of the set."""
    P, x = random_polyhedron(seed), 5 * normal(30, 6, seed=seed)
    weights = normal(6, seed=seed + 1).exp()
    z = P.project(x, weights)
    others = P.project(5 * normal(30, 6, seed=seed + 2))
    assert P.contains(z).all()
    angles = ((x - z) / weights) @ others.T - (((x - z) / weights) * z).sum(-1, keepdim=True)
    assert angles.max() <= 1e-9 * (1 + x.abs().max() ** 2 / weights.min())


def test_on_a_simplex_as_by_sorting():
    """Held, Wolfe & Crowder 1974: subtract the threshold that makes positive parts sum to one."""
    x = normal(200, 7)
    ordered = x.sort(-1, descending=True).values
    thresholds = (ordered.cumsum(-1) - 1) / torch.arange(1, 8)
    count = (ordered > thresholds).sum(-1, keepdim=True)
    expected = (x - thresholds.gather(-1, count - 1)).clamp_min(0)
    z = simplex(7).project(x)
    torch.testing.assert_close(z, expected, rtol=1e-10, atol=1e-12)
    assert torch.equal(z == 0, expected == 0)


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([torch.float32, torch.float64]))
def test_feasible_points_come_back_bit_for_bit(seed, dtype):
    P = random_polyhedron(seed)
    z = P.project((3 * normal(20, 6, seed=seed)).to(dtype))
    assert z.dtype == dtype
    assert P.contains(z).all()
    assert torch.equal(P.project(z), z)


def test_no_bound_is_passed_as_stored():
    P = polyhedron([[1, 1, 1]], [1.0], [0.1, 0.1, 0.0], [0.7, 0.7, 0.7])
    for dtype in (torch.float32, torch.float64):
        z = P.project(torch.tensor([[-5.0, 0.2, 3.0], [9.0, -9.0, 0.1]], dtype=dtype)).double()
        assert ((z >= P.bounds.lower) & (z <= P.bounds.upper)).all()
    assert float(torch.tensor(0.1).double()) > 0.1
    assert P.bounds.inward(torch.float32)[1][0].double() <= 0.7


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_of_laws_and_variables(scale):
    P, x = random_polyhedron(4), 3 * normal(10, 6)
    A, b, C, d, lower, upper = P.arrays
    unit, row = scale ** np.linspace(-0.5, 0.5, 6), scale ** np.linspace(0.5, -0.5, 2)
    scaled = polyhedron(A / unit * row[:, None], b * row, lower * unit, upper * unit, C / unit, d)
    z = scaled.project(x * tensor(unit), tensor(unit) ** 2)
    torch.testing.assert_close(z / tensor(unit), P.project(x), rtol=1e-6, atol=1e-7)


def test_redundant_laws_and_degenerate_vertices():
    # Four planes through the corner (1, 0, 0) of a simplex; the law is stated twice.
    C, d = [[1, 2, 3], [1, 5, 1], [1, 1, 4], [1, 0, 0]], [1, 1, 1, 1]
    P = polyhedron([[1, 1, 1], [2, 2, 2]], [1.0, 2.0], [0, 0, 0], None, C, d)
    z = P.project(tensor([[3.0, -1, -2], [1, 0, 0], [0.2, 0.5, 0.3]]))
    torch.testing.assert_close(z, tensor([[1.0, 0, 0]] * 3), rtol=0, atol=1e-12)
    assert P.contains(z).all()


def test_rows_that_nearly_meet_in_a_point():
    """Five rows pass within 1e-6 of one point of four dimensions: multipliers drift along their dependency."""
    P = random_polyhedron(4246)
    x = (3 * normal(20, 6, seed=4246)).float()
    assert P.contains(P.project(x)).all()


def test_a_single_point_and_no_point():
    P = polyhedron([[1, 1]], [0.0], [0, 0])
    assert P.dimension == 0
    assert torch.equal(P.project(normal(4, 2)), torch.zeros(4, 2).double())
    with pytest.raises(InfeasibleError, match="law"):
        polyhedron([[1, 1]], [-1.0], [0, 0]).project(normal(4, 2))


def test_right_hand_sides_that_differ_per_sample():
    totals = tensor([[1.0], [2.0], [50.0]])
    bounds = Bounds(torch.zeros(4).double(), torch.full((4,), INF).double())
    P = Polyhedron(LinearSystem(torch.ones(1, 4).double(), totals), bounds)
    x = normal(3, 4)
    z = P.project(x)
    assert P.contains(z).all()
    for k, total in enumerate(totals):
        alone = Polyhedron(LinearSystem(torch.ones(1, 4).double(), total), bounds)
        torch.testing.assert_close(z[k], alone.project(x[k]), rtol=1e-10, atol=1e-10)
    empty = Polyhedron(LinearSystem(torch.ones(1, 4).double(), -totals), bounds)
    with pytest.raises(InfeasibleError, match=r"law 'law 0'.* in sample 0"):
        empty.project(x)


def test_the_sample_that_has_no_point_is_named():
    bounds = Bounds(torch.zeros(3).double(), torch.ones(3).double())
    P = Polyhedron(LinearSystem(torch.ones(1, 3).double(), tensor([[1.0], [4.0], [2.0]])), bounds)
    with pytest.raises(InfeasibleError, match=r"in sample 1\."):
        P.project(tensor([5.0, -3.0, 0.2]))


def test_no_rest_where_there_is_a_point():
    """Terms alike in size, but moves that are equally dear in units eighteen decades apart."""
    bounds = Bounds(torch.zeros(3).double(), tensor([1e10, 1.0, 1e-8]))
    P = Polyhedron(LinearSystem([[1e-9, 1.0, 1e9]], [2.0]), bounds)
    with pytest.raises(NotConvergedError, match=r"there is a point: .* need weights.* need more room"):
        P.project(tensor([5e9, -3.0, 0.2]))
    near = P.project(tensor([5e9, -3.0, 0.2e-9]), weights=tensor([1e20, 1.0, 1e-18]))
    torch.testing.assert_close(near, tensor([1e9 * (5 - 320 / 101), 0.0, 1e-9 * (0.2 - 3.2 / 101)]), rtol=1e-9, atol=0)


def test_single_precision_has_no_number_within_bounds_that_are_one():
    law = LinearSystem([[1.0, 1.0, 1.0]], [1.0], columns=["a", "b", "c"])
    bounds = Bounds(tensor([0.1, 0.0, 0.0]), tensor([0.1, 1.0, 1.0]))
    z = torch.tensor([0.3, 0.4, 0.8])
    with pytest.raises(InvalidValueError, match=r"No float32 lies within the bounds 0\.1 and 0\.1 of 'a'"):
        Polyhedron(law, bounds).project(z)
    assert bounds.without_numbers(torch.float32).tolist() == [True, False, False]
    assert Polyhedron(law, bounds).project(z.double())[0] == 0.1


def test_a_fixed_value_is_kept_in_single_precision():
    """Stored, 0.1 is another number; whoever fixed it has none better."""
    law = LinearSystem([[1.0, 1.0, 1.0]], [1.0])
    free, given = torch.tensor([False, True, True]), tensor([0.1, 0.0, 0.0])
    P = Polyhedron(law.restrict(free, given), Bounds(torch.zeros(3).double(), torch.ones(3).double()))
    assert P.contains(torch.tensor([0.1, 0.4, 0.5]))
    z = P.project(torch.tensor([0.3, 0.4, 0.8]))
    assert z[0] == torch.tensor(0.1) and P.contains(z)


@pytest.mark.parametrize("seed", range(2))
def test_gradients(seed):
    P = random_polyhedron(seed)
    x = (3 * normal(3, 6, seed=seed)).requires_grad_()
    weights = normal(6, seed=seed + 1).exp().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: P.project(x), (x,), atol=1e-6)
    assert torch.autograd.gradcheck(lambda x, w: P.project(x, w), (x, weights), atol=1e-5)
    each = weights.detach().expand(3, 6).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: P.project(x, w), (x, each), atol=1e-5)


def test_second_derivatives():
    P, weights = random_polyhedron(0), normal(6, seed=1).exp()
    x = (3 * normal(3, 6, seed=0)).requires_grad_()
    (gradient,) = torch.autograd.grad(P.project(x, weights).sum(), x, create_graph=True)
    # Linear while the face stays, and so is its derivative for a loss that is not.
    assert torch.equal(torch.autograd.grad(gradient.square().sum() + 0 * x.sum(), x)[0], torch.zeros_like(x))
    assert torch.autograd.gradgradcheck(lambda x: P.project(x, weights), (x,), atol=1e-5)
    moved = P.project(x, weights.requires_grad_())
    assert torch.autograd.grad(moved.sum(), (x, weights), retain_graph=True)[1].isfinite().all()
    with pytest.raises(InvalidValueError, match=r"no second derivatives by weights: detach them .*create_graph=True"):
        torch.autograd.grad(moved.sum(), x, create_graph=True)


CASES = {
    "four coupled equalities": polyhedron(
        [[2, 1, 0, 0, 0, 0], [0, 1, 3, 0, 0, 0], [0, 0, 1, 1, 1, 0], [1, 0, 0, 0, 1, 1]], [4, 5, 3, 6], np.zeros(6)
    ),
    "total, subtotals and leaves": polyhedron(
        [[1, -1, -1, 0, 0, 0, 0], [0, 1, 0, -1, -1, 0, 0], [0, 0, 1, 0, 0, -1, -1]], [0, 0, 0], [-INF] * 3 + [0] * 4
    ),
    # C, H, O and N of CH4, O2, CO2, H2O, CO, H2, NH3, N2.
    "element balances": polyhedron(
        [[1, 0, 1, 0, 1, 0, 0, 0], [4, 0, 0, 2, 0, 2, 3, 0], [0, 2, 2, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 2]],
        [3, 14, 5, 4],
        np.zeros(8),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases_of_the_field(case):
    P = CASES[case]
    z = P.project(2 * normal(500, P.n))
    assert P.system.ulps(z).max() <= 8
    assert P.bounds.contains(z).all()
    assert torch.equal(P.project(z), z)
    assert ((z == 0) & P.bounds.lower.isfinite()).any()


def test_core_metabolism():
    P = core_metabolism()
    moves = P.system.nullspace()
    x = P.reduced.base + 30 * normal(300, moves.shape[1]) @ moves.T
    z = P.project(x)
    assert not P.bounds.contains(x).all(-1).any()
    assert P.bounds.contains(z).all()
    assert P.system.ulps(z).max() <= 8
    assert (z @ P.system.A.T).abs().max() <= 1e-11
    assert torch.equal(P.project(z), z)
    angles = (x - z) @ z.T - ((x - z) * z).sum(-1, keepdim=True)
    assert angles.max() <= 1e-7 * x.square().sum(-1).max()


def test_a_small_law_that_large_ones_imply_holds_too():
    """Oxides of three minerals, the third in traces: its balance follows from the others, which meet it to their own
    rounding only."""
    A = [
        [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1],
        [-1, 0, 0, 0.6, 0.7, 0], [0, -1, 0, 0.4, 0.3, 0], [0, 0, -1, 0, 0, 1],
    ]  # fmt: skip
    system = LinearSystem(np.array(A, dtype=float), [100.0, 100.0, 0.0, 0.0, 0.0])
    inside = Polyhedron(system, Bounds(torch.zeros(6), torch.full((6,), torch.inf)))
    torch.manual_seed(0)
    centre = torch.tensor([65.0, 35.0, 1e-9, 50.0, 50.0, 1e-9], dtype=torch.float64)
    z = inside.project(centre * (1 + 0.3 * torch.randn(50, 6, dtype=torch.float64)))
    assert inside.contains(z).all() and (z[:, 5] > 0).any()


@pytest.mark.parametrize("factor", [1e-9, 1e-5, 1e5, 1e9])
@pytest.mark.parametrize("own", [False, True], ids=["shared", "per sample"])
def test_units_of_unrelated_variables_do_not_matter(factor, own):
    """A water budget beside an energy balance; weights tell what is large."""
    A = torch.tensor([[1.0, -1, -1, -1, 0, 0, 0], [0, 0, 0, 0, 1, -1, -1]], dtype=torch.float64)
    C = torch.tensor([[-1.0, 0, 1, 0, 0, 0, 0]], dtype=torch.float64)
    inf = torch.inf
    lower, upper = [0.0, 0, 0, -inf, -inf, -inf, 0], [inf, inf, 0.8, inf, inf, inf, inf]
    z = torch.tensor([1.0, 0.3, 0.2, 0.5, 200, 190, 10]) * (1 + 1.5 * normal(400, 7, seed=3))
    sd = torch.tensor([1.0, 0.2, 0.3, 0.9, 80, 80, 8], dtype=torch.float64)
    sd = sd * (0.5 + normal(400, 7, seed=4).abs()) if own else sd
    found = []
    for units in (1.0, factor):
        unit = torch.tensor([1.0] * 4 + [units] * 3, dtype=torch.float64)
        bounds = Bounds(torch.tensor(lower, dtype=torch.float64), torch.tensor(upper, dtype=torch.float64))
        inside = Polyhedron(LinearSystem(A, [0.0, 0.0]), bounds, Inequalities(C, torch.zeros(1)))
        near = inside.project(z * unit, (sd * unit) ** 2)
        assert inside.contains(near).all()
        found.append(near / unit)
    assert (((found[0] - found[1]) / sd).abs() < 1e-9).all()
    assert ((found[0] == 0) == (found[1] == 0)).all()


def test_no_samples_with_weights_of_their_own():
    P = simplex(3)
    assert P.project(torch.zeros(0, 3).double(), torch.ones(0, 3).double()).shape == (0, 3)


@pytest.mark.parametrize("small", [1e-3, 1e-5, 1e-7])
def test_terms_of_one_law_may_be_of_very_different_size(small):
    """The nearest point in closed form: one law, and a bound that is active or not."""
    inside = Polyhedron(LinearSystem([[1.0, -1, -1]], [0.0]), Bounds([0.0, -torch.inf, 0.0], [torch.inf] * 3))
    variances = torch.tensor([1.0, 1.0, small**2], dtype=torch.float64)
    z = torch.tensor([3.0, 2.9, 0.0]) + variances.sqrt() * normal(300, 3, seed=5)
    found = inside.project(z, variances)
    gap = z[:, 0] - z[:, 1] - z[:, 2]
    free = z[:, 2] + gap * variances[2] / variances.sum()
    expected = torch.where(free > 0, free, 0.0)
    assert inside.contains(found).all()
    # A law's rounding is that of its largest term.
    assert ((found[:, 2] - expected).abs() < 1e-9 * small + 1e-14).all()
    assert (expected == 0).any() and ((found[:, 2] == 0) == (expected == 0)).all()


def test_what_is_no_number_misses_its_laws():
    """An iteration that breaks down must end as an error, never as a result."""
    P = simplex(3)
    samples = P._balanced.at(torch.arange(2), torch.Size([2]))
    missed, _ = samples._missed(torch.tensor([[0.2, 0.3, 0.5], [torch.nan, 0.5, 0.5]], dtype=torch.float64))
    assert missed.tolist() == [False, True]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [10.0, 30.0])
def test_all_of_many_draws_of_core_metabolism_finish(spread):
    """A sample in several thousands has pinned fluxes that the finish brings to zero by halves."""
    P = core_metabolism()
    moves = P.system.nullspace()
    for start in spread * normal(15, 1024, moves.shape[1]):
        z = P.project(P.reduced.base + start @ moves.T)
        assert P.system.ulps(z).max() <= 8 and P.bounds.contains(z).all()


def test_laws_of_large_and_of_small_terms_do_not_disturb_each_other():
    """Watts and millimetres in one system: the nearest point is that of each law by itself."""
    heat, water = np.array([[1.0, -1, 1, -1, -1]]), np.array([[1.0, -1, -1, -1]])
    heat_above, water_above = (torch.tensor(x).log() for x in ([1.0, 1, 1, 1, 0], [1.0, 0, 1, 0]))
    both = np.block([[heat, np.zeros((1, 4))], [np.zeros((1, 5)), water]])
    torch.manual_seed(0)
    z = torch.cat([400 * torch.rand(2000, 5), 0.1 * torch.randn(2000, 4)], 1).double()
    weights = torch.tensor([2e4, 1e3, 2e4, 2e4, 5e4, 0.3, 4e-4, 2e-2, 0.1], dtype=torch.float64)

    def projected(A, above, columns):
        lower = torch.where(above == 0, 0.0, -torch.inf).double()
        inside = Polyhedron(LinearSystem(A), Bounds(lower, torch.full_like(lower, torch.inf)))
        return inside.project(z[:, columns], weights[columns])

    found = projected(both, torch.cat([heat_above, water_above]), slice(0, 9))
    parts = [projected(heat, heat_above, slice(0, 5)), projected(water, water_above, slice(5, 9))]
    scale = weights.sqrt()
    assert ((found - torch.cat(parts, 1)).abs() <= 1e-7 * scale).all()
    assert ((found == 0) == (torch.cat(parts, 1) == 0)).all()


def plain(lower, upper, C, d):
    n = len(lower)
    return Polyhedron(
        LinearSystem(torch.zeros(0, n).double()),
        Bounds(tensor(lower), tensor(upper)),
        Inequalities(tensor(C), tensor(d)),
    )


CORNERS = [
    (plain([-INF, -INF], [INF, 0.0], [[1.0, -2.0]], [0.0]), [100.0, 30.0], [0.01, 1e3], [0.0, 0.0]),
    (plain([-INF] * 2, [INF] * 2, [[1.0, 3e-3], [1.0, -3e-3]], [0.0, 0.0]), [3.0, 3e-3], [1.0, 1.0], [0.0, 0.0]),
    (plain([-INF] * 2, [INF] * 2, [[1.0, 1e-3], [1.0, -1e-3]], [0.0, 0.0]), [3.0, 1e-3], [1.0, 1.0], [0.0, 0.0]),
    (
        plain([-INF, -INF], [INF, 0.38], [[1.0, -2.0], [1.0, -1.0]], [-0.74, 0.35]),
        [101.7, 26.8],
        [0.0149, 905.0],
        [0.02, 0.38],
    ),
]


@pytest.mark.parametrize(("P", "z", "weights", "corner"), CORNERS)
def test_corners_of_rows_at_small_angles_in_the_metric_are_reached_and_do_not_move(P, z, weights, corner):
    z = tensor(z).requires_grad_()
    found = P.project(z, weights=tensor(weights))
    torch.testing.assert_close(found.detach(), tensor(corner), rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert gradient.abs().max() < 1e-12


def test_active_rows_of_metrics_far_from_the_units_of_variables_are_found():
    """The nearest of what an independent quadratic programme in 70 digits finds."""
    law = LinearSystem([[0.320886, 1.26399, -0.794769, -0.44132]], [-1.074961])
    bounds = Bounds(tensor([0.256826, -INF, -0.657471, -INF]), tensor([1.505724, 0.929447, 0.646053, -0.78717]))
    C = [
        [0.157325, 0.286713, 1.180552, 0.785727],
        [-0.464981, -0.575453, -1.138582, 0.039154],
        [1.127932, -0.47222, -1.232899, -0.209248],
    ]
    P = Polyhedron(law, bounds, Inequalities(tensor(C), tensor([-0.015578, -0.079777, 1.937566])))
    z = tensor([176.495486, -27.377578, -178.924449, -24.557474])
    weights = tensor([9.971439e-3, 1.811216, 1.267854e4, 6.121724e-4])
    nearest = tensor([0.805302, -2.066681, 0.646053, -4.061352])
    torch.testing.assert_close(P.project(z, weights=weights), nearest, rtol=0, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 4.0))
def test_projections_satisfy_the_conditions_of_a_minimum(seed, decades):
    """In the metric, what pulls a point away is a sum of normals of active rows with the right signs, by least squares
    without negative factors: no other algorithm of the projection's."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 5)), int(rng.integers(0, 4))
    A, C = rng.normal(size=(int(rng.integers(0, n)), n)), rng.normal(size=(k, n))
    inside, room = rng.normal(size=n), rng.exponential(size=(2, n))
    lower, upper, d = inside - room[0], inside + room[1], C @ inside + rng.exponential(size=k)
    P = Polyhedron(
        LinearSystem(A, A @ inside), Bounds(torch.from_numpy(lower), torch.from_numpy(upper)), Inequalities(C, d)
    )
    z = inside + rng.normal(size=n) * 10.0 ** rng.integers(-1, 3)
    weights = 10.0 ** rng.uniform(-decades, decades, size=n)
    found = P.project(torch.from_numpy(z), weights=torch.from_numpy(weights)).numpy()
    eye = np.eye(n)
    rows = np.concatenate([C[d - C @ found < 1e-9], -eye[found - lower < 1e-9], eye[upper - found < 1e-9], A, -A])
    pull = (z - found) / np.sqrt(weights)
    left = nnls((rows * np.sqrt(weights)).T, pull)[1] if len(rows) else np.linalg.norm(pull)
    assert left <= 1e-6 * np.linalg.norm(pull)


@pytest.mark.parametrize(
    ("system", "C", "d"),
    [
        (LinearSystem([[1.0, 1.0, 0.0]], [[0.5], [2.0]]), [[1.0, 1.0, 0.0]], [1.0]),
        (LinearSystem([[1.0, 1.0], [1.0, -1.0]], [[1.0, 0.0], [3.0, 0.0]]), [[1.0, 0.0]], [1.0]),
    ],
)
def test_inequalities_that_laws_keep_constant_are_asked_of_each_right_hand_side(system, C, d):
    P = Polyhedron(system, None, Inequalities(tensor(C), tensor(d)))
    with pytest.raises(InfeasibleError, match=r"inequality 'inequality 0' together in sample 1"):
        P.project(torch.zeros(2, system.n).double())
    lawful = LinearSystem(system.A, system.b.clamp(max=1.0))
    P = Polyhedron(lawful, None, Inequalities(tensor(C), tensor(d)))
    assert P.contains(P.project(torch.zeros(2, system.n).double())).all()


def test_what_is_found_is_asked_of_inequalities_that_laws_keep_constant_too(monkeypatch):
    P = Polyhedron(LinearSystem([[1.0, 1.0]], [[0.5], [1.0]]), None, Inequalities(tensor([[1.0, 1.0]]), tensor([1.0])))
    base = P.reduced.base
    monkeypatch.setattr(type(P.reduced), "keeps_still", lambda self, z: torch.full(z.shape[:-1], z is base))
    with pytest.raises(NotConvergedError, match="an inequality"):
        P.project(torch.zeros(2, 2).double())
