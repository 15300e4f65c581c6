"""The kernel density of few events, against densities summed by hand."""

import numpy as np
import torch
from coordinates_cases import INF, make_problem, tensor
from scipy.stats import norm

from lawful.core.coordinates import Chart
from lawful.core.models import Batch, Settings, sample_events
from lawful.core.models.kernel import KernelModel

N = 60
BLOCK = torch.arange(N) // 3
TRAIN = torch.arange(N - 6)


def remembering(x=None):
    """A model that remembers all but the last two blocks of two parts of a total of one; its events."""
    a = torch.randn(N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.stack([a, 1 - a], 1)
    chart, ids = Chart.fit(make_problem([[1, 1]], [1], [-INF] * 2, [INF] * 2), z)
    context = torch.zeros(N, 0) if x is None else x
    batch = Batch(ids, chart.encode(z, ids, torch.Generator()), context, z, BLOCK)
    model = KernelModel(chart, context.shape[1], Settings(width=8))
    model.initialise(batch, TRAIN)
    return model.eval(), batch


def residuals(model, batch):
    static = model._static(batch.ids, model._known(batch.context, batch.z))
    return model.residuals(static, batch.w, model._on(batch.ids))[:, 0].detach().double().numpy()


def test_the_loss_is_the_density_given_events_of_other_blocks():
    x = torch.linspace(-1, 1, N)[:, None]
    model, batch = remembering(x)
    with torch.no_grad():
        model.prior.fill_(0.3)
        model.reach.fill_(-0.7)
    v, known, h = residuals(model, batch), x[:, 0].numpy(), model.bandwidth.item()
    expected = []
    for i in range(N):
        others = [j for j in TRAIN.tolist() if BLOCK[j] != BLOCK[i]]
        a = np.exp(-0.5 * ((known[i] - known[others]) / np.exp(-0.7)) ** 2) / (1 + 2 * 0.2)
        near = (a * norm.pdf(v[i], np.sqrt(1 - h**2) * v[others], h)).sum()
        expected.append(np.log((near + np.exp(0.3) * norm.pdf(v[i])) / (a.sum() + np.exp(0.3))))
    on = model._on(batch.ids)
    static = model._static(batch.ids, model._known(batch.context, batch.z))
    units = model.residuals.log_det(static, on).mean().item()
    with torch.no_grad():
        np.testing.assert_allclose(model.loss(batch).item(), -np.mean(expected) - units, rtol=1e-4)


def test_events_of_one_block_weigh_less_the_more_they_are():
    rng = np.random.default_rng(0)
    a = rng.random((20, 1)) + 0.5
    parts = np.concatenate([a, np.where(np.arange(20)[:, None] < 10, 0, a), 10 - 2 * a], 1)
    parts[:, 2] = 10 - parts[:, 0] - parts[:, 1]
    z = tensor(parts)
    chart, ids = Chart.fit(make_problem([[1, 1, 1]], [10], [0] * 3, [INF] * 3), z)
    # Ten events in one block, ten in blocks of their own.
    block = torch.cat([torch.zeros(10, dtype=torch.long), torch.arange(1, 11)])
    model = KernelModel(chart, 0, Settings(width=8))
    model.initialise(
        Batch(ids, chart.encode(z, ids, torch.Generator()), torch.zeros(20, 0), z, block), torch.arange(20)
    )
    np.testing.assert_allclose(model.weight.numpy(), [1 / 2.8] * 10 + [1.0] * 10, rtol=1e-6)
    shares = model.state_logits[-1].bias.softmax(0).detach()
    alone = 20 / (1 + 1 / 2.8) + 0.1
    np.testing.assert_allclose(shares[ids[-1]].item(), alone / 20.2, rtol=1e-5)


def test_draws_stay_near_what_is_remembered_and_keep_its_spread():
    model, batch = remembering()
    with torch.no_grad():
        model.prior.fill_(-20.0)
        model.bandwidth.fill_(1e-4)
    many = torch.arange(4000) % N
    drawn = sample_events(model, model.chart, batch.context[many], batch.z[many], torch.Generator().manual_seed(1)).z
    gaps = (drawn[:, :1] - batch.z[:, 0]).abs()
    assert set(gaps.argmin(1).tolist()) == set(TRAIN.tolist())
    torch.testing.assert_close(drawn[:, 0].std(), batch.z[TRAIN, 0].std(correction=0), rtol=0.05, atol=0)


def test_what_is_near_in_context_is_chosen():
    x = (torch.arange(N) % 2)[:, None].float()
    model, batch = remembering(x)
    with torch.no_grad():
        model.prior.fill_(-20.0)
        model.reach.fill_(-3.0)
    rows = torch.arange(500) % N
    static = model._static(batch.ids[rows], model._known(batch.context[rows], batch.z[rows]))
    chosen = model._choice(static, torch.Generator().manual_seed(2))
    assert torch.equal(x[chosen, 0], x[rows, 0])
    assert chosen.max() < len(TRAIN)
