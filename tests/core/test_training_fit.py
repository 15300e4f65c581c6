"""Training: reproducible, better than its start, judged by events that it does not see, best weights kept."""

import copy

import pytest
import torch
from coordinates_cases import INF, make_case, make_problem

from lawful.core.coordinates import Chart
from lawful.core.models import AutoregressiveModel, Batch, Settings
from lawful.core.training import Schedule, fit

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def prepared(name="composition", N=800, seed=0, context_size=1, **options):
    problem, z = make_case(name, N=N)
    chart, ids = Chart.fit(problem, z)
    context = torch.randn(N, context_size, generator=generator(7))
    views = [Batch(ids, chart.encode(z, ids, generator(k)), context, z) for k in range(3)]
    torch.manual_seed(seed)
    model = AutoregressiveModel(chart, context_size, Settings(**{"width": 16, "experts": 3, **options}))
    return model, views, torch.arange(N) % 5 == 0


def run(steps=40, check_every=10, seed=0, report=lambda progress: None, **options):
    model, views, validation = prepared(seed=seed, **options)
    fitted = fit(model, views, validation, Schedule(steps=steps, check_every=check_every), generator(seed), report)
    return model, fitted, views, validation


def test_the_same_seeds_give_the_same_weights():
    first, again, other = (run(seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_best_weights_by_validation_are_kept():
    model, fitted, views, validation = run(steps=50)
    assert [progress.step for progress in fitted.history] == [10, 20, 30, 40, 50]
    best = min(fitted.history, key=lambda progress: progress.validation)
    assert (fitted.validation, fitted.step) == (best.validation, best.step)
    assert not model.training
    with torch.no_grad():
        found = model.loss(views[0][validation.nonzero()[:, 0]]).item()
    assert found == pytest.approx(fitted.validation, rel=1e-6)


def test_a_last_check_at_the_end_and_reports():
    seen = []
    _, fitted, _, _ = run(steps=25, report=seen.append)
    assert [progress.step for progress in seen] == [10, 20, 25]
    assert tuple(seen) == fitted.history


def test_training_improves_on_its_start():
    """A curve, which mixtures of linear regressions cannot follow."""
    x = torch.linspace(-2, 2, 1500, dtype=torch.float64)[torch.randperm(1500, generator=generator())]
    a = torch.sin(3 * x) + 0.1 * torch.randn(1500, generator=generator(), dtype=torch.float64)
    z = torch.stack([a, 1 - a], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2), z)
    batch = Batch(ids, chart.encode(z, ids, generator()), x[:, None].float(), z)
    torch.manual_seed(0)
    model = AutoregressiveModel(chart, 1, Settings(width=32, experts=3, dropout=0.0))
    validation = torch.arange(1500) % 5 == 0
    judged = batch[validation.nonzero()[:, 0]]
    model.initialise(batch, (~validation).nonzero()[:, 0])
    with torch.no_grad():
        start = copy.deepcopy(model).eval().loss(judged).item()
    fitted = fit(model, [batch], validation, Schedule(steps=300, check_every=50), generator())
    assert fitted.validation < start - 0.3


def test_validation_events_are_not_trained_on():
    model, views, validation = prepared()
    spoilt = copy.deepcopy(views)
    for view in spoilt:
        view.w[validation] += 3.0
        view.context[validation] -= 5.0
    other = copy.deepcopy(model)
    weights = []
    for candidate, batches in ((model, views), (other, spoilt)):
        torch.manual_seed(0)
        fit(candidate, batches, validation, Schedule(steps=20, check_every=20), generator())
        weights.append(candidate.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize(("share", "size"), [(torch.inf, 64), (0.05, 32)])
def test_a_batch_holds_a_share_of_the_training_events_at_most(share, size, monkeypatch):
    model, views, validation = prepared()
    loss, found = AutoregressiveModel.loss, set()

    def seen(self, batch):
        found.update([len(batch)] if self.training else [])
        return loss(self, batch)

    monkeypatch.setattr(AutoregressiveModel, "loss", seen)
    monkeypatch.setattr(AutoregressiveModel, "batch_share", share)
    fit(model, views, validation, Schedule(steps=3, batch_size=64, check_every=3), generator())
    assert found == {size}


def test_without_validation_events_all_of_them_judge():
    model, views, _ = prepared()
    nobody = torch.zeros(len(views[0]), dtype=torch.bool)
    fitted = fit(model, views, nobody, Schedule(steps=10, check_every=10), generator())
    with torch.no_grad():
        assert model.loss(views[0]).item() == pytest.approx(fitted.validation, rel=1e-6)


def test_states_that_only_validation_events_have_do_no_harm():
    model, views, validation = prepared("ratio")
    rare = int(model.chart.states.counts.argmin())
    validation = validation | (views[0].ids == rare)
    fitted = fit(model, views, validation, Schedule(steps=20, check_every=10), generator())
    assert torch.isfinite(torch.tensor(fitted.validation))
    assert all(value.isfinite().all() for value in model.parameters())
