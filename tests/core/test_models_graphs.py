"""Graphs: exact totals and likelihood, the same whatever the order of nodes or the batch, and a known truth."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.models import InfeasibleEventsError
from lawful.core.models.graphs import GraphModel, Graphs, GraphSettings
from lawful.core.training import Schedule, fit

DOCS = Path(__file__).parents[2] / "docs"
SMALL = GraphSettings(width=16, rounds=2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def truths():
    """The module of simulated molecules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        yield importlib.import_module("ground_truth_graphs")


@pytest.fixture(scope="module")
def some(truths):
    """Forty molecules, of which the first is a single atom."""
    made = [m for m in truths.molecules(60, 3) if len(m.elements) > 1][:39]
    made = [replace(made[0], elements=np.array([2]), bonds=np.zeros((0, 2), int), orders=np.zeros(0, int)), *made]
    return made, truths.as_graphs(made, np.random.default_rng(3))


def untrained(correlated=True, seed=0):
    torch.manual_seed(seed)
    model = GraphModel(4, 3, 0, replace(SMALL, correlated=correlated)).eval()
    model.unit.fill_(0.5)
    return model


def test_the_truth_is_true(truths):
    """Moments and log density of a molecule against a fine sum over two free charges."""
    made = truths.Molecule(np.array([0, 2, 3]), np.array([[0, 1], [1, 2]]), np.array([1, 2]), 1.0)
    mean, covariance = made.moments()
    steps = np.linspace(-1, 1, 401)
    a, b = np.meshgrid(mean[0] + steps, mean[1] + steps, indexing="ij")
    q = np.stack([a.ravel(), b.ravel(), 1.0 - a.ravel() - b.ravel()], 1)
    energy = -q @ made.pull + 0.5 * np.einsum("ki,ij,kj->k", q, made.stiffness, q)
    weights = np.exp(energy.min() - energy)
    # The area of a cell of the plane q1 + q2 + q3 = 1 is sqrt(3) times its shadow.
    cell = np.sqrt(3) * (steps[1] - steps[0]) ** 2
    log_density = np.log(weights / weights.sum() / cell)
    weights /= weights.sum()
    np.testing.assert_allclose(weights @ q, mean, atol=1e-6)
    np.testing.assert_allclose((q - mean).T @ ((q - mean) * weights[:, None]), covariance, atol=1e-6)
    for k in range(0, len(q), 9973):
        assert made.log_density(q[k]) == pytest.approx(log_density[k], abs=1e-6)


@pytest.mark.parametrize("correlated", [True, False])
def test_log_density_and_moments_against_an_orthonormal_basis(some, correlated):
    made, graphs = some
    model = untrained(correlated)
    with torch.no_grad():
        loc, covariance = model._before_law(graphs)
        law, told = model.distribution(graphs), model.log_prob(graphs)
    for k, z in enumerate(graphs.z.split(graphs.sizes.tolist())):
        n = len(z)
        S, mu = covariance.matrix[k, :n, :n].numpy(), loc[k, :n].numpy()
        basis = np.linalg.svd(np.ones((1, n)))[2][1:].T
        P = basis.T @ np.linalg.inv(S) @ basis
        start = np.full(n, made[k].charge / n)
        t = np.linalg.solve(P, basis.T @ np.linalg.solve(S, mu - start)) if n > 1 else np.zeros(0)
        gap = basis.T @ (z.numpy() - start) - t
        exact = 0.5 * (np.linalg.slogdet(P)[1] - (n - 1) * np.log(2 * np.pi) - gap @ P @ gap) if n > 1 else 0.0
        assert told[k].item() == pytest.approx(exact, abs=1e-8 * (1 + abs(exact)))
        np.testing.assert_allclose(law.mean[k, :n], start + basis @ t, atol=1e-10)
        np.testing.assert_allclose(
            law.covariance_matrix[k, :n, :n], basis @ np.linalg.inv(P) @ basis.T if n > 1 else np.zeros((1, 1)),
            atol=1e-10,
        )  # fmt: skip


def test_before_the_law_nodes_depend_on_their_neighbours_alone(some):
    _, graphs = some
    with torch.no_grad():
        _, covariance = untrained()._before_law(graphs)
    precision = torch.linalg.inv(covariance.matrix)
    bonded = torch.eye(precision.shape[-1]).bool().repeat(len(graphs), 1, 1)
    i, j = graphs.rank[graphs.edges]
    bonded[graphs.edge_owner, i, j] = bonded[graphs.edge_owner, j, i] = True
    assert precision[~bonded].abs().max() < 1e-9
    assert precision[bonded].abs().min() > 1e-3


def test_a_single_atom_has_the_total(some):
    made, graphs = some
    z = untrained().sample(graphs, generator(), draws=3)
    assert (z[:, 0] == made[0].charge).all()
    assert untrained().log_prob(graphs)[0].item() == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("correlated", [True, False])
def test_draws_add_up_to_the_totals(some, dtype, correlated):
    _, graphs = some
    model = untrained(correlated)
    z = model.sample(graphs, generator(), draws=20, dtype=dtype)
    assert z.dtype == dtype and z.shape == (20, len(graphs.nodes))
    law = model.distribution(graphs)
    assert (law.system.ulps(graphs.groups.split(z, 0.0)) <= 2).all()
    sums = graphs.groups.sums(z.double())
    assert (sums - graphs.totals).abs().max() < 40 * torch.finfo(dtype).eps
    assert torch.equal(z, model.sample(graphs, generator(), draws=20, dtype=dtype))


def test_draws_have_the_mean_and_covariance_of_the_distribution(some):
    _, graphs = some
    model, draws = untrained(), 4000
    z = model.sample(graphs, generator(), draws=draws)
    error = (z.mean(0) - model.mean(graphs)) / model.variance(graphs).clamp_min(1e-12).sqrt()
    assert error.square().mean().sqrt() < 2 / draws**0.5
    many = graphs.sizes.repeat_interleave(graphs.sizes) > 1
    np.testing.assert_allclose(z.var(0)[many], model.variance(graphs)[many], rtol=0.15)


@pytest.mark.parametrize("correlated", [True, False])
def test_the_order_of_nodes_and_edges_means_nothing(some, correlated):
    _, graphs = some
    model = untrained(correlated).double()
    order = torch.cat([torch.randperm(int(s), generator=generator()) + a for a, s in zip(
        (graphs.sizes.cumsum(0) - graphs.sizes).tolist(), graphs.sizes.tolist(), strict=True)])  # fmt: skip
    place = order.argsort()
    mixed = torch.randperm(graphs.edges.shape[1], generator=generator())
    other = Graphs.of(
        graphs.sizes, graphs.nodes[order], place[graphs.edges][:, mixed].flip(0), graphs.totals, z=graphs.z[order],
        links=graphs.links[mixed],
    )  # fmt: skip
    assert torch.allclose(model.mean(other), model.mean(graphs)[order], atol=1e-12)
    assert torch.allclose(model.variance(other), model.variance(graphs)[order], atol=1e-12)
    assert torch.allclose(model.log_prob(other), model.log_prob(graphs), atol=1e-9)


def test_a_graph_is_the_same_alone_and_in_a_batch(some):
    _, graphs = some
    model = untrained().double()
    together, means = model.log_prob(graphs), model.mean(graphs).split(graphs.sizes.tolist())
    for k in (0, 5, 20):
        alone = graphs[torch.tensor([k])]
        assert torch.allclose(model.log_prob(alone), together[k], atol=1e-9)
        assert torch.allclose(model.mean(alone), means[k], atol=1e-12)
    picked = torch.tensor([20, 5, 5])
    assert torch.allclose(model.log_prob(graphs[picked]), together[picked], atol=1e-9)


def test_given_nodes_stay_and_the_others_are_conditioned_on_them(some):
    _, graphs = some
    model = untrained().double()
    given = graphs.rank < graphs.sizes.repeat_interleave(graphs.sizes) // 2
    told = replace(graphs, given=given)
    z = model.sample(told, generator(), draws=5)
    assert torch.equal(z[:, given], graphs.z[given].expand(5, -1))
    assert (model.distribution(told).system.ulps(graphs.groups.split(z, 0.0)) <= 2).all()
    with torch.no_grad():
        whole, part = model.distribution(graphs), model.distribution(told)
    k = int(graphs.sizes.argmax())
    n, seen = int(graphs.sizes[k]), given[graphs.owner == k]
    S, mu = whole.covariance_matrix[k, :n, :n], whole.mean[k, :n]
    gain = S[~seen][:, seen] @ torch.linalg.pinv(S[seen][:, seen])
    expected = mu[~seen] + gain @ (graphs.z[graphs.owner == k][seen] - mu[seen])
    assert torch.allclose(part.mean[k, :n][~seen], expected, atol=1e-8)


def test_bounds_hold_and_what_cannot_be_met_is_refused(some):
    _, graphs = some
    model = untrained()
    free = model.sample(graphs, generator(), draws=50)
    lower = torch.where(graphs.sizes[graphs.owner] > 1, free.quantile(0.02, 0), -torch.inf)
    z = model.sample(replace(graphs, lower=lower)[torch.arange(4)], generator(), draws=20)
    assert (z >= lower[: z.shape[1]]).all()
    with pytest.raises(InfeasibleEventsError) as caught:
        model.sample(replace(graphs, lower=torch.full_like(lower, 5.0)), generator())
    assert caught.value.events[0] == 0


def test_training_finds_the_known_conditional_distribution(truths):
    made, rng = truths.molecules(500, 0), np.random.default_rng(0)
    graphs = truths.as_graphs(made, rng)
    fresh = truths.molecules(150, 1)
    judged = truths.as_graphs(fresh, rng)
    torch.manual_seed(0)
    model = GraphModel(4, 3, 0, SMALL)
    schedule = Schedule(steps=200, batch_size=32, check_every=100, rate=5e-3)
    fitted = fit(model, [graphs], torch.arange(500) % 8 == 0, schedule, generator())
    assert fitted.history[-1].ulps <= 8
    found = truths.graph_distance(fresh, judged, model)
    assert found.mean < 0.5
    assert found.spread < 0.12
    assert found.correlation < 0.06
    assert found.divergence < 0.7
    exact = np.mean(
        [m.log_density(q.numpy()) for m, q in zip(fresh, judged.z.split(judged.sizes.tolist()), strict=True)]
    )
    assert exact - 0.9 < model.log_prob(judged).mean().item() < exact + 0.05


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (InvalidValueError, {"edges": [[0], [2]]}, r"Edge 0 joins \(0, 2\): expected two nodes of one graph"),
        (InvalidValueError, {"edges": [[0], [0]]}, "Edge 0 joins"),
        (InvalidValueError, {"edges": [[0], [9]]}, "Edge 0 joins"),
        (ShapeError, {"edges": [0, 1]}, "shape"),
        (ShapeError, {"sizes": [2, 2]}, "add up to the 3 nodes, got 4"),
        (InvalidValueError, {"sizes": [3, 0]}, "Graph 1 has no node"),
        (ShapeError, {"totals": [0.0]}, "one entry per graph"),
        (InvalidValueError, {"totals": [0.0, np.nan]}, "of graph 1"),
        (InvalidValueError, {"given": [1, 0, 0]}, "Node 0 is given, but not finite"),
        (InvalidValueError, {"lower": [0, 1, 0], "upper": [1, 0, 1]}, "Node 1 has a lower bound above"),
        (ShapeError, {"links": [[1.0], [1.0]]}, "one entry per edge"),
    ],
)
def test_what_does_not_fit_is_named(error, options, message):
    arguments = {"sizes": [2, 1], "nodes": np.ones((3, 1)), "edges": [[0], [1]], "totals": [0.0, 1.0], **options}
    with pytest.raises(error, match=message):
        Graphs.of(**arguments)


def test_learning_needs_values(some):
    _, graphs = some
    with pytest.raises(InvalidValueError, match="finite value at every node"):
        untrained().initialise(graphs.with_values(torch.full_like(graphs.z, torch.nan)), torch.arange(3))
