"""Laws keep their precision where networks are trained in less, and leave the process's settings alone."""

from contextlib import contextmanager

import pytest
import torch
from coordinates_cases import make_case

from lawful.core import ConstrainedNormal, LinearSystem
from lawful.core.coordinates import Chart
from lawful.core.coordinates.finish import holds
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.precision import full_precision
from lawful.core.training import Schedule, fit, launched

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@contextmanager
def coarse(word="medium"):
    """Mixed precision, and coarse products allowed for the whole process."""
    torch.set_float32_matmul_precision(word)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            yield
    finally:
        torch.set_float32_matmul_precision("highest")


def fine():
    return full_precision(torch.zeros(()))


@pytest.mark.parametrize("word", ["highest", "high", "medium"])
def test_settings_are_as_they_were(word):
    with coarse(word):
        with fine():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not torch.is_autocast_enabled("cpu")
        with pytest.raises(ZeroDivisionError), fine():
            _ = 1 / 0
        assert torch.get_float32_matmul_precision() == word
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("laws", [1, 80], ids=["one law", "moves in float32"])
def test_lawful_draws_and_their_gradients_are_the_same(laws):
    torch.manual_seed(0)
    system = LinearSystem(torch.randn(laws, 160))
    loc, scale = torch.randn(32, 160), torch.rand(32, 160) + 0.5

    def found(context):
        parameters = loc.clone().requires_grad_(), scale.clone().requires_grad_()
        torch.manual_seed(1)
        with context:
            law = ConstrainedNormal(*parameters, system)
            z = law.rsample()
            (z.square().sum() + law.log_prob(z).sum()).backward()
        return z.detach(), *(p.grad for p in parameters)

    for as_usual, coarsely in zip(found(fine()), found(coarse()), strict=True):
        assert torch.equal(as_usual, coarsely)


@pytest.mark.parametrize("n", [16, 160])
def test_gradients_of_projections_are_the_same(n):
    system = LinearSystem(torch.randn(3, n, generator=generator()))
    start, along = torch.randn(2, 32, n, generator=generator(1))

    def gradient(context):
        z = start.clone().requires_grad_()
        with context:
            return torch.autograd.grad(system.project_with(system.unweighted, z), z, along)[0]

    assert torch.equal(gradient(fine()), gradient(coarse()))


def test_decoding_is_the_same():
    problem, z = make_case("composition", N=200)
    chart, ids = Chart.fit(problem, z)
    w = chart.encode(z, ids, generator())
    with coarse():
        decoded = chart.decode(w, ids, z)
    assert torch.equal(decoded.z, chart.decode(w, ids, z).z)


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_train_in_less(family):
    """Another training than in single precision, nearly as good, of weights in single precision and lawful draws."""
    problem, z = make_case("composition", N=400)
    chart, ids = Chart.fit(problem, z)
    batch = Batch(ids, chart.encode(z, ids, generator()), torch.zeros(400, 0), z)
    settings = Settings(width=16, experts=2, joint_width=24, depth=1, dropout=0.0, joint_dropout=0.0)
    losses = []
    for mixed in (False, True):
        torch.manual_seed(0)
        model = FAMILIES[family](chart, 0, settings)
        with launched(mixed=mixed) as fabric:
            schedule = Schedule(steps=30, check_every=30, batch_size=128)
            fitted = fit(model, [batch], torch.arange(400) % 5 == 0, schedule, generator(), fabric=fabric)
        losses.append(fitted.validation)
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], abs=0.1)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    drawn = sample_events(model, chart, batch.context, batch.z, generator()).z
    assert holds(problem, drawn, torch.float64).all()
