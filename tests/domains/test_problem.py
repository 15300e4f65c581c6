"""From a domain to what the core works with, and the shift of days in context."""

import numpy as np
import pytest
import torch

from lawful.core.coordinates import Chart
from lawful.core.polyhedra import InfeasibleError
from lawful.domains import Domain, InputError, Law, Ratio, get_domain
from lawful.domains.context import context_features
from lawful.domains.problem import problem_of


def changed(domain: Domain, **fields) -> Domain:
    return Domain(**{**dict(domain), **fields})


def test_matrices_bounds_and_names(budget):
    problem = problem_of(budget)
    assert problem.names == ("P", "E", "R")
    assert (problem.law_names, problem.inequality_names) == (("water",), ("runoff",))
    assert problem.A.tolist() == [[1, -1, -1]]
    assert problem.C.tolist() == [[-1, 0, 1]]
    assert problem.b.tolist() == problem.d.tolist() == [0]
    assert problem.lower.tolist() == [0, -np.inf, 0]
    assert problem.upper.tolist() == [np.inf, np.inf, 50]
    assert problem.resolution.tolist() == [0, 0, 0]
    assert not problem.given.any()
    for values in (problem.A, problem.b, problem.C, problem.d, problem.lower, problem.upper, problem.resolution):
        assert values.dtype == torch.float64


def test_ratios_and_resolutions(budget):
    steps = tuple(v.model_copy(update={"resolution": 0.2 if v.name == "P" else None}) for v in budget.variables)
    ratio = Ratio(name="share", numerator="R", denominator="P", units="1", lower=0)
    problem = problem_of(changed(budget, variables=steps, ratios=(ratio,)))
    assert problem.resolution.tolist() == [0.2, 0, 0]
    (found,) = problem.ratios
    assert (found.name, found.numerator, found.denominator, found.lower, found.upper) == ("share", 2, 0, 0, np.inf)


def test_given_variables(budget):
    ratio = Ratio(name="share", numerator="R", denominator="P", units="1")
    domain = changed(budget, ratios=(ratio,))
    assert problem_of(domain, ("P",)).given.tolist() == [True, False, False]
    assert len(problem_of(domain, ("P",)).ratios) == 1
    assert problem_of(domain, ("R", "P")).ratios == ()


def test_what_cannot_be_given(budget):
    with pytest.raises(InputError, match="no variable 'Q'"):
        problem_of(budget, ("P", "Q"))
    with pytest.raises(InputError, match="every variable is given"):
        problem_of(budget, ("R", "E", "P"))


def test_a_domain_without_laws(budget):
    problem = problem_of(changed(budget, laws=()))
    assert (problem.A.shape, problem.C.shape) == ((0, 3), (0, 3))
    problem.require_feasible()


def test_clashing_declarations_are_named_as_declared(budget):
    laws = (*budget.laws, Law(name="wet", equation="R >= 60", units="mm h-1"))
    with pytest.raises(InfeasibleError) as caught:
        problem_of(changed(budget, laws=laws)).require_feasible()
    assert set(caught.value.clash) == {"inequality 'wet'", "R <= 50"}


@pytest.mark.parametrize("name", ["surface-balance", "rock-oxides"])
def test_shipped_domains_are_feasible_and_have_charts(name):
    domain = get_domain(name)
    problem = problem_of(domain)
    problem.require_feasible()
    rng = np.random.default_rng(0)
    if name == "rock-oxides":
        patterns = rng.random((5, problem.n)) < 0.8
        z = rng.gamma(1, 1, (300, problem.n)) * patterns[rng.integers(0, 5, 300)]
        z = 100 * z / z.sum(1, keepdims=True)
    else:
        z = surface_hours(rng, domain)
    z = torch.from_numpy(z)
    chart, ids = Chart.fit(problem, z)
    w = chart.encode(z, ids, torch.Generator().manual_seed(0))
    decoded = chart.decode(w, ids, z)
    assert w.isfinite().all()
    assert decoded.lawful.all()
    torch.testing.assert_close(decoded.z, z, rtol=1e-8, atol=1e-8)


def surface_hours(rng, domain, hours=400):
    v = {name: rng.gamma(4, 20, hours) for name in ("Kdown", "Ldown", "Lup", "QF")}
    v["Kdown"] *= rng.random(hours) < 0.5
    v["Kup"] = v["Kdown"] * rng.uniform(0.1, 0.3, hours)
    v["QN"] = v["Kdown"] - v["Kup"] + v["Ldown"] - v["Lup"]
    v["Evap"] = rng.normal(0, 0.1, hours)
    v["QE"] = rng.uniform(681, 699, hours) * v["Evap"]
    v["QS"] = 0.4 * v["QN"] + rng.normal(0, 10, hours)
    v["QH"] = v["QN"] + v["QF"] - v["QS"] - v["QE"]
    v["Rain"] = 0.2 * rng.poisson(0.4, hours)
    v["RO"] = rng.gamma(1, 0.1, hours) * (rng.random(hours) < 0.3)
    v["TotCh"] = v["Rain"] - v["Evap"] - v["RO"]
    return np.stack([v[name] for name in domain.names], 1)


def test_a_shift_of_days_moves_the_day_of_the_year_alone(budget, year):
    features, names = context_features(year, budget)
    shifts = np.zeros(year.sizes["time"])
    shifts[100:] = 10.0
    shifted, same = context_features(year, budget, shifts)
    assert names == same
    day = np.array([name.startswith("day_") for name in names])
    np.testing.assert_array_equal(shifted[:, ~day], features[:, ~day])
    np.testing.assert_array_equal(shifted[:100], features[:100])
    # Ten days on, at the same hour, is 240 events later; the last event is in the next year.
    np.testing.assert_allclose(shifted[100:-241][:, day], features[340:-1][:, day], atol=1e-12)


def test_a_shift_of_a_year_or_of_nothing_is_no_shift(budget, year):
    features, _ = context_features(year, budget)
    np.testing.assert_array_equal(context_features(year, budget, 0.0)[0], features)
    np.testing.assert_allclose(context_features(year, budget, 365.2425)[0], features, atol=1e-12)
    assert np.abs(context_features(year, budget, 30.0)[0] - features).max() > 0.1
