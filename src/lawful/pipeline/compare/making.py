"""One cell of a comparison: a trained model under a strategy, and events that it makes."""

import copy
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.models.raw import RawModel, Space, made_strategy, solving_order
from lawful.core.models.raw_flow import RawFlowMatching
from lawful.core.models.raw_vae import RawVAE
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron
from lawful.core.strategies import Strategy
from lawful.core.training import Schedule, fit
from lawful.pipeline import data as prepared_data
from lawful.pipeline.compare.fitting import Budget, fit_raw
from lawful.pipeline.compare.peers import SHIELD, TABLE, Shield, table_samples
from lawful.pipeline.compare.settings import AFTERWARDS, STATES
from lawful.pipeline.data import Prepared

NETWORK = Settings(networks=1, joint_width=128, depth=2)
_RAW: dict[str, type[RawModel]] = {"vae": RawVAE, "flow-matching": RawFlowMatching}


@dataclass(frozen=True)
class Made:
    """Events (realization, event, variable), and seconds of this process for training and for sampling."""

    events: np.ndarray
    training: float
    sampling: float


class Maker:
    """Makes the cells of one seed. Strategies that do nothing in training share one training of each model.

    Args:
        prepared: training and held-out events.
        seed: of first weights, batches and noise.
        steps: of each training.
        members: realizations of each held-out event.
    """

    def __init__(self, prepared: Prepared, seed: int, steps: int, members: int):
        self.prepared, self.seed, self.steps, self.members = prepared, seed, steps, members
        self._z = prepared_data.values(prepared.train, prepared.domain)
        self._context = prepared_data.context(prepared.train, prepared.domain)
        self._space = Space.of(self._z)
        self._polyhedron = self._space.polyhedron(polyhedron_of(prepared))
        self._unconstrained: dict[str, tuple[RawModel, float]] = {}

    def make(self, model: str, strategy: str) -> Made:
        """Train a model under a strategy, unless it was, and draw realizations of the held-out events.

        Raises:
            LawfulError: the strategy cannot be had for this domain, or fails in training.
        """
        torch.manual_seed(self.seed)
        test, domain = self.prepared.test, self.prepared.domain
        contexts = prepared_data.context(test, domain).repeat(self.members, 1)
        sample, training = self._sampler(model, strategy)
        torch.manual_seed(self.seed + 1)
        began = time.process_time()
        z = sample(contexts)
        shape = (self.members, test.sizes[domain.event_dim], self.prepared.problem.n)
        return Made(z.reshape(shape).numpy(), training, time.process_time() - began)

    def _sampler(self, model: str, strategy: str) -> tuple[Callable[[Tensor], Tensor], float]:
        """A function from contexts (B, c) to events (B, n), and seconds of training."""
        if model == TABLE:
            return functools.partial(self._table, _layer(strategy, self._polyhedron, self._space)), 0.0
        began = time.process_time()
        if strategy == STATES:
            sample = _with_states(self.prepared, model, self.seed, self.steps)
            return sample, time.process_time() - began
        layer = _layer(strategy, self._polyhedron, self._space)
        if strategy not in AFTERWARDS:
            return self._trained(model, layer).sample, time.process_time() - began
        if model not in self._unconstrained:
            trained = self._trained(model, _layer("unconstrained", self._polyhedron, self._space))
            self._unconstrained[model] = trained, time.process_time() - began
        trained, seconds = self._unconstrained[model]
        finished = copy.copy(trained)
        finished.layer = layer
        return finished.sample, seconds

    def _trained(self, model: str, layer: Strategy) -> RawModel:
        made = _RAW[model](layer, self._space, self._context.shape[1], NETWORK)
        fit_raw(made, made.start(self._z), self._context, _validation(self.prepared, self.seed), Budget(self.steps))
        return made

    def _table(self, layer: Strategy, contexts: Tensor) -> Tensor:
        rows = table_samples(self._z.numpy(), self.prepared.domain.names, len(contexts), self.seed)
        return layer.finish(torch.from_numpy(rows) / self._space.unit) * self._space.unit


def polyhedron_of(prepared: Prepared) -> Polyhedron:
    """Laws, bounds and inequalities of a domain."""
    p = prepared.problem
    return Polyhedron(p.system, Bounds(p.lower, p.upper), Inequalities(p.C, p.d, p.inequality_names))


def _layer(strategy: str, polyhedron: Polyhedron, space: Space) -> Strategy:
    if strategy == SHIELD:
        return Shield(polyhedron, solving_order(polyhedron, space))
    return made_strategy(strategy, polyhedron, space)


def _with_states(prepared: Prepared, model: str, seed: int, steps: int) -> Callable[[Tensor], Tensor]:
    """The family as `lawful run` trains it, with one network of the same size."""
    domain, generator = prepared.domain, torch.Generator().manual_seed(seed)
    z, context = prepared_data.values(prepared.train, domain), prepared_data.context(prepared.train, domain)
    chart, ids = Chart.fit(prepared.problem, z)
    made = FAMILIES[model](chart, context.shape[1], NETWORK)
    views = [Batch(ids, chart.encode(z, ids, generator), context, z)]
    schedule = Schedule(steps=steps, batch_size=Budget(steps).batch_size, check_every=max(1, steps // 10))
    fit(made, views, _validation(prepared, seed), schedule, generator)

    def sample(contexts: Tensor) -> Tensor:
        return sample_events(made, chart, contexts, torch.zeros(len(contexts), z.shape[1]).double(), generator).z

    return sample


def _validation(prepared: Prepared, seed: int) -> Tensor:
    return prepared_data.validation_mask(prepared.train, prepared.domain, np.random.default_rng(seed))
