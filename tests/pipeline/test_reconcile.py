"""Reconciled data are the nearest lawful ones: against a general-purpose optimiser, and in what must not change."""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.optimize import minimize

from lawful.domains import Blocks, Domain, Law, Variable
from lawful.domains.problem import problem_of
from lawful.pipeline.closing import closed
from lawful.pipeline.reconcile import reconcile

DOMAIN = Domain(
    name="tower",
    title="Tower",
    event="hour",
    event_dim="time",
    variables=(
        Variable(name="R", units="W m-2"),
        Variable(name="S", units="W m-2", lower=0),
        Variable(name="H", units="W m-2", lower=-50, upper=300),
        Variable(name="E", units="W m-2", lower=0, upper=300),
        Variable(name="D", units="W m-2", lower=0),
    ),
    laws=(
        Law(name="energy", equation="R = H + E", units="W m-2"),
        Law(name="sun", equation="S + D = R + 100", units="W m-2"),
        Law(name="order", equation="E <= S", units="W m-2"),
    ),
    blocks=Blocks(kind="order"),
)
PROBLEM = problem_of(DOMAIN)


def measured(events: int, seed: int, noise: float) -> torch.Tensor:
    """Lawful events with noise, within the bounds, a third of E exactly zero."""
    rng = np.random.default_rng(seed)
    E, H = rng.uniform(0, 200, events) * (rng.random(events) > 1 / 3), rng.uniform(-40, 200, events)
    S = np.minimum(E + rng.exponential(5, events), H + E + 100)
    z = np.stack([H + E, S, H, E, H + E + 100 - S], 1)
    noisy = z + noise * rng.standard_normal(z.shape) * (z != 0)
    return torch.from_numpy(np.clip(noisy, DOMAIN.lower, DOMAIN.upper))


def least(z: np.ndarray, sigma: np.ndarray) -> float:
    """The least weighted change, by a sequential quadratic programme."""
    A, b = PROBLEM.A.numpy(), PROBLEM.b.numpy()
    C, d = PROBLEM.C.numpy(), PROBLEM.d.numpy()
    fixed = (z == DOMAIN.lower) | (z == DOMAIN.upper)
    low, high = np.where(fixed, z, DOMAIN.lower), np.where(fixed, z, DOMAIN.upper)
    limits = [(None if np.isinf(a) else a, None if np.isinf(c) else c) for a, c in zip(low, high, strict=True)]
    found = minimize(
        lambda x: (((x - z) / sigma) ** 2).sum(),
        z,
        jac=lambda x: 2 * (x - z) / sigma**2,
        bounds=limits,
        constraints=[{"type": "eq", "fun": lambda x: A @ x - b}, {"type": "ineq", "fun": lambda x: d - C @ x}],
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return float(found.fun) if found.success else np.inf


@pytest.mark.parametrize(("seed", "noise"), [(0, 5.0), (1, 40.0)])
def test_the_least_weighted_change(seed, noise):
    z, sigma = measured(60, seed, noise), torch.tensor([10.0, 3.0, 20.0, 20.0, 5.0], dtype=torch.float64)
    moved, good = reconcile(z, sigma, PROBLEM)
    cost = (((moved - z) / sigma) ** 2).sum(1)
    best = np.array([least(event, sigma.numpy()) for event in z.numpy()])
    possible = np.isfinite(best)
    assert possible.sum() > 40
    assert good.numpy()[possible].all()
    np.testing.assert_allclose(cost.numpy()[possible], best[possible], rtol=2e-4, atol=1e-6)


def test_laws_bounds_and_zeros():
    z = measured(500, 2, 20.0)
    moved, good = reconcile(z, torch.full((5,), 10.0, dtype=torch.float64), PROBLEM)
    assert good.double().mean() > 0.9
    assert PROBLEM.system.holds(moved[good]).all()
    assert ((moved[good] >= PROBLEM.lower) & (moved[good] <= PROBLEM.upper)).all()
    zero = z == 0
    assert zero.any()
    assert (moved[zero] == 0).all()


def test_uncertain_variables_move_most():
    z = torch.tensor([[100.0, 150.0, 40.0, 50.0, 50.0]], dtype=torch.float64)
    sigma = torch.tensor([1.0, 1.0, 1.0, 3.0, 1.0], dtype=torch.float64)
    moved, good = reconcile(z, sigma, PROBLEM)
    change = (moved - z)[0]
    assert good.all()
    # Weighted least squares by hand: minimise over lambda of the two laws, misfits 10 and 0.
    A, W = PROBLEM.A, torch.diag(sigma**2)
    expected = W @ A.T @ torch.linalg.solve(A @ W @ A.T, PROBLEM.b - A @ z[0])
    # Slacks of inequalities cost a millionth as much as what they are made of.
    torch.testing.assert_close(change, expected, rtol=1e-5, atol=0.0)
    assert change.abs().argmax() == 3


def test_what_cannot_be_is_said():
    z = torch.tensor([[500.0, 0.0, 300.0, 0.0, 0.0]], dtype=torch.float64)
    _, good = reconcile(z, torch.ones(5, dtype=torch.float64), PROBLEM)
    assert not good.any()


def random_problem(seed: int) -> tuple[Domain, np.ndarray, np.ndarray]:
    """Six variables in narrow bounds under two laws, events far off both, and uncertainties."""
    rng = np.random.default_rng(seed)
    inside = rng.uniform(0, 1, 6)
    laws = []
    for i, row in enumerate(rng.integers(-3, 4, (2, 6))):
        terms = " + ".join(f"{factor} * x{k}" for k, factor in enumerate(row))
        laws.append(Law(name=f"l{i}", equation=f"{terms} = {float(row @ inside)!r}", units="1"))
    domain = DOMAIN.model_copy(
        update={
            "variables": tuple(Variable(name=f"x{k}", units="1", lower=0, upper=1) for k in range(6)),
            "laws": tuple(laws),
        }
    )
    return domain, rng.uniform(0.001, 0.999, (20, 6)), rng.uniform(0.2, 5, 6)


@pytest.mark.parametrize("seed", [0, 1, 13, 21, 44])
def test_variables_are_let_go_again_when_that_costs_less(seed, monkeypatch):
    domain, z, sigma = random_problem(seed)
    monkeypatch.setattr("test_reconcile.DOMAIN", domain)
    monkeypatch.setattr("test_reconcile.PROBLEM", problem_of(domain))
    moved, good = reconcile(torch.from_numpy(z), torch.from_numpy(sigma), problem_of(domain))
    cost = (((moved.numpy() - z) / sigma) ** 2).sum(1)
    best = np.array([least(event, sigma) for event in z])
    possible = np.isfinite(best)
    assert possible.any()
    assert good.numpy()[possible].all()
    np.testing.assert_allclose(cost[possible], best[possible], rtol=1e-5, atol=1e-9)


def test_values_that_were_put_on_a_bound_are_counted():
    """Of four hours the second has too little E to give what the law asks for; the third was on the bound before."""
    domain = DOMAIN.model_copy(update={
        "variables": tuple(v for v in DOMAIN.variables if v.name in "RHE"), "laws": DOMAIN.laws[:1],
        "closure": "reconcile",
    })  # fmt: skip
    columns = {"R": [110.0, 50.0, 80.0, 40.0], "H": [50.0, 90.0, 70.0, 20.0], "E": [70.0, 1.0, 0.0, 30.0]}
    ds = xr.Dataset(
        {name: ("time", values, {"units": "W m-2"}) for name, values in columns.items()}, {"time": range(4)}
    )
    moved, notes = closed(ds, problem_of(domain), domain)
    assert moved["E"].values.tolist()[1:3] == [0.0, 0.0]
    (note,) = (note for note in notes if "on a bound" in note)
    assert note.startswith("reconciling put values on a bound that were not on it: E 1 of 4 at 0 W m-2;")


def test_how_far_what_moves_does_not_depend_on_units():
    """Fluxes of 1e-13, as of isotopes in mol m-2 s-1, are uncertain by a tenth of their spread like any others."""
    z = measured(60, 3, 5.0)
    domain = DOMAIN.model_copy(update={"closure": "reconcile"})

    def moved(unit):
        scaled = domain.model_copy(
            update={
                "variables": tuple(
                    v.model_copy(
                        update={side: getattr(v, side) and getattr(v, side) * unit for side in ("lower", "upper")}
                    )
                    for v in DOMAIN.variables
                ),
                "laws": tuple(
                    Law(name=law.name, equation=law.equation.replace("100", repr(100 * unit)), units="W m-2")
                    for law in DOMAIN.laws
                ),
            }
        )
        ds = xr.Dataset({name: ("time", z[:, i].numpy() * unit) for i, name in enumerate(DOMAIN.names)})
        found, _ = closed(ds.assign_coords(time=np.arange(len(z))), problem_of(scaled), scaled)
        return np.stack([found[name].to_numpy() / unit for name in DOMAIN.names], -1)

    np.testing.assert_allclose(moved(2.0**-50), moved(1.0), rtol=1e-9, atol=1e-9)
