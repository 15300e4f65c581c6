"""One cell of a comparison: a trained model under a strategy, and events that it makes."""

import copy
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.errors import InvalidValueError, LawfulError
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.models.raw import RawModel, Space, made_strategy, solving_order
from lawful.core.models.raw_flow import RawFlowMatching
from lawful.core.models.raw_vae import RawVAE
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron
from lawful.core.strategies import ProjectionAfter, Strategy
from lawful.core.training import Schedule, fit
from lawful.domains import InputError
from lawful.pipeline import data as prepared_data
from lawful.pipeline.compare.fitting import budget, fit_raw
from lawful.pipeline.compare.peers import POLYTOPE, SAMPLERS, SHIELD
from lawful.pipeline.compare.peers.polytope import polytope_samples
from lawful.pipeline.compare.peers.shield import Shield
from lawful.pipeline.compare.peers.table import table_samples
from lawful.pipeline.compare.settings import AFTERWARDS, STATES
from lawful.pipeline.data import Prepared

_LEAST = 2.0**-13
_TRIES = 20
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
        self._context = prepared_data.context(prepared.train, prepared)
        self._space = Space.of(self._z)
        self._polyhedron = self._space.polyhedron(polyhedron_of(prepared))
        self._u = self._polyhedron.system.project(self._z / self._space.unit)
        self._unconstrained: dict[str, tuple[RawModel, float]] = {}

    def make(self, model: str, strategy: str) -> Made:
        """Train a model under a strategy, unless it was, and draw realizations of the held-out events.

        Raises:
            LawfulError, InputError: the strategy cannot be had for this domain, or fails in training.
        """
        torch.manual_seed(self.seed)
        test, domain = self.prepared.test, self.prepared.domain
        contexts = prepared_data.context(test, self.prepared).repeat(self.members, 1)
        sample, training = self._sampler(model, strategy)
        torch.manual_seed(self.seed + 1)
        began = time.process_time()
        z = _drawn(sample, contexts)
        shape = (self.members, test.sizes[domain.event_dim], self.prepared.problem.n)
        return Made(z.reshape(shape).numpy(), training, time.process_time() - began)

    def _sampler(self, model: str, strategy: str) -> tuple[Callable[[Tensor], Tensor], float]:
        """A function from contexts (B, c) to events (B, n), and seconds of training."""
        if model in SAMPLERS:
            return functools.partial(self._finished, self._layer(strategy), model), 0.0
        began = time.process_time()
        if strategy == STATES:
            sample = _with_states(self.prepared, model, self.seed, self.steps)
            return sample, time.process_time() - began
        layer = self._layer(strategy)
        if strategy not in AFTERWARDS:
            return self._trained(model, layer).sample, time.process_time() - began
        if model not in self._unconstrained:
            trained = self._trained(model, self._layer("unconstrained"))
            self._unconstrained[model] = trained, time.process_time() - began
        trained, seconds = self._unconstrained[model]
        finished = copy.copy(trained)
        finished.layer = layer
        return finished.sample, seconds

    def _layer(self, strategy: str) -> Strategy:
        if strategy == Repair.name:
            return Repair(self._polyhedron, self._space.unit)
        if strategy == SHIELD:
            return Shield(self._polyhedron, solving_order(self._polyhedron, self._space))
        return made_strategy(strategy, self._polyhedron, self._space)

    def _trained(self, model: str, layer: Strategy) -> RawModel:
        made = _RAW[model](layer, self._space, self._context.shape[1], NETWORK)
        fit_raw(made, made.start(self._u), self._context, _validation(self.prepared, self.seed), budget(self.steps))
        return made

    def _finished(self, layer: Strategy, model: str, contexts: Tensor) -> Tensor:
        rows = self._polytope() if model == POLYTOPE else self._table(len(contexts))
        return layer.finish(torch.tensor(rows) / self._space.unit) * self._space.unit

    def _table(self, size: int) -> np.ndarray:
        return table_samples(self._z.numpy(), self.prepared.domain.names, size, self.seed)

    def _polytope(self) -> np.ndarray:
        domain = self.prepared.domain
        if not domain.uniform:
            raise InputError(f"{POLYTOPE}: draws are uniform, which events of domain {domain.name!r} are not")
        given = torch.tensor([variable.given for variable in domain.variables])
        z = prepared_data.values(self.prepared.test, domain).repeat(self.members, 1)
        return polytope_samples(polyhedron_of(self.prepared), given, z, self.seed)


def _drawn(sample: Callable[[Tensor], Tensor], contexts: Tensor, tries: int = _TRIES) -> Tensor:
    """Samples for contexts (B, c); those of which a strategy makes nothing are drawn again, 20 times at most."""
    try:
        return sample(contexts)
    except InvalidValueError:
        if len(contexts) == 1 and tries == 1:
            raise
    if len(contexts) == 1:
        return _drawn(sample, contexts, tries - 1)
    return torch.cat([_drawn(sample, half) for half in contexts.tensor_split(2)])


def thinned(prepared: Prepared, events: int, seed: int) -> Prepared:
    """At most `events` training events and a quarter as many held-out ones, at random, and nothing that is given."""
    rng, dim = np.random.default_rng([seed, 1]), prepared.domain.event_dim

    def some(data: xr.Dataset, most: int) -> xr.Dataset:
        chosen = rng.permutation(data.sizes[dim])[:most]
        return data.isel({dim: np.sort(chosen)})

    problem = replace(prepared.problem, given=torch.zeros_like(prepared.problem.given), uniform=False)
    train, test = some(prepared.train, events), some(prepared.test, max(2, events // 4))
    return replace(prepared, problem=problem, train=train, test=test)


def polyhedron_of(prepared: Prepared) -> Polyhedron:
    """Laws, bounds and inequalities of a domain."""
    p = prepared.problem
    return Polyhedron(p.system, Bounds(p.lower, p.upper), Inequalities(p.C, p.d, p.inequality_names))


class Repair(ProjectionAfter):
    """Projection of finished samples onto all of a polyhedron; samples that find no rest there are left on the laws.

    Variables that vary by less than an 8192nd of the one that varies most are held, within their bounds: where weights
    lie that far apart, the projection does not converge.
    """

    name = "repair"

    def __init__(self, polyhedron: Polyhedron, unit: Tensor):
        super().__init__(polyhedron, limits=True)
        self._moved = unit >= _LEAST * unit.max()

    def finish(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        try:
            return self._nearest(y)
        except LawfulError:
            if len(y) == 1:
                return self.system.project(y)
        return torch.cat([self.finish(half) for half in y.tensor_split(2)])

    def _nearest(self, y: Tensor) -> Tensor:
        if self._moved.all():
            return super().finish(y)
        z, whole = self.bounds.clip(y), self.polyhedron
        system = self.system.restrict(self._moved, z)
        return Polyhedron(system, self.bounds, whole.inequalities).project(z)


def _with_states(prepared: Prepared, model: str, seed: int, steps: int) -> Callable[[Tensor], Tensor]:
    """The family as `lawful run` trains it, with one network of the same size."""
    domain, generator = prepared.domain, torch.Generator().manual_seed(seed)
    z, context = prepared_data.values(prepared.train, domain), prepared_data.context(prepared.train, prepared)
    chart, ids = Chart.fit(prepared.problem, z)
    made = FAMILIES[model](chart, context.shape[1], NETWORK)
    views = [Batch(ids, chart.encode(z, ids, generator), context, z)]
    schedule = Schedule(steps, budget(steps).batch_size, check_every=max(1, steps // 10))
    fit(made, views, _validation(prepared, seed), schedule, generator)

    def sample(contexts: Tensor) -> Tensor:
        return sample_events(made, chart, contexts, torch.zeros(len(contexts), z.shape[1]).double(), generator).z

    return sample


def _validation(prepared: Prepared, seed: int) -> Tensor:
    return prepared_data.validation_mask(prepared.train, prepared.domain, np.random.default_rng(seed))
