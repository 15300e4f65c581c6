"""The default model: a categorical state, then its coordinates one after another, with exact likelihood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lawful.core.coordinates import Chart
from lawful.core.models.base import Batch, Settings
from lawful.core.models.conditionals import MixtureConditionals
from lawful.core.models.standard import Standard

_REDRAWS = 8


class AutoregressiveModel(nn.Module):
    """`p(state | context, given) prod_i p(w_i | state, context, given, w_1 ... w_{i-1})` on a `Chart`.

    The loss is the mean negative log-likelihood of events in standard units. Everything that the networks see is
    dimensionless (`Standard`); physical units are the chart's affair.
    """

    active: Tensor

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__()
        settings = settings or Settings()
        self.chart, self.settings, self.context_size = chart, settings, context_size
        self.order = _order(chart)
        self.standard = Standard(chart, self.order)
        self.informed = context_size + self.standard.given_size > 0
        states, known = len(chart.states.table), max(1, context_size + self.standard.given_size)
        self.coordinates = MixtureConditionals(states + known, len(self.order), settings)
        self.state_logits = nn.Sequential(
            nn.Linear(known, settings.width),
            nn.SiLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.width, states),
        )
        self.register_buffer("active", chart.coordinate[:, self.order], persistent=False)

    @torch.no_grad()
    def initialise(self, events: Batch, train: Tensor) -> None:
        """Scaling, mixtures of regressions and shares of states from the rows `train` of `events`.

        Only a coordinate that no training row has takes its scale from the others.
        """
        batch, on = events[train], self.active.cpu()[events.ids]
        learned = torch.zeros_like(on)
        learned[train] = on[train]
        self.standard.fit(events.w, torch.where(learned.any(0), learned, on))
        self.standard.fit_given(batch.z)
        known, on = self._known(batch.context, batch.z), self._on(batch.ids)
        static, inputs = self._static(batch.ids, known), self.standard.inputs(batch.w, on)
        self.coordinates.start_from_regression(static, inputs, self.standard.targets(batch.w, on), on)
        last = self.state_logits[-1]
        counts = torch.bincount(batch.ids, minlength=len(self.active))
        last.weight.zero_()  # type: ignore[operator]
        last.bias.copy_((counts + 0.1).log())  # type: ignore[operator]

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood a training event, `()`."""
        known, on = self._known(batch.context, batch.z), self._on(batch.ids)
        # Without context or given values there is nothing to learn of states beyond their shares.
        logits = self.state_logits(known) if self.informed else self.state_logits(known).detach()
        states = nn.functional.cross_entropy(logits, batch.ids)
        inputs, targets = self.standard.inputs(batch.w, on), self.standard.targets(batch.w, on)
        log_prob = self.coordinates.log_prob(self._static(batch.ids, known), inputs, targets)
        return states - (log_prob * on).sum(-1).mean()

    @torch.no_grad()
    def sample(self, context: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """States `(B,)` and coordinates `(B, columns)` float64 on the CPU; see `GenerativeModel`."""
        known = self._known(context, z)
        ids = self._sample_state(known, z, generator)
        static, on = self._static(ids, known), self._on(ids)
        dynamic = torch.zeros(len(ids), len(self.order), 2, device=static.device)
        w = torch.zeros(len(ids), self.chart.problem.columns, dtype=torch.float64)
        for i, column in enumerate(self.order):
            u = self._inside(i, static, dynamic, generator)
            w[:, column] = torch.where(on[:, i].cpu(), self.standard.coordinate(i, u), 0.0)
            dynamic[:, i] = self.standard.inputs(w, on)[:, i]
        return ids.cpu(), w

    def _inside(self, i: int, static: Tensor, dynamic: Tensor, generator: torch.Generator) -> Tensor:
        """Draws within the range of the training data and a margin: mixtures have tails that the data do not."""
        u = self.coordinates.sample(i, static, dynamic, generator).double()
        low, high = self.standard.range(i)
        for _ in range(_REDRAWS):
            outside = (u < low) | (u > high)
            if not outside.any():
                return u
            again = outside.to(static.device)
            u[outside] = self.coordinates.sample(i, static[again], dynamic[again], generator).double()
        return u.clamp(low, high)

    def _sample_state(self, known: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        """States that agree with which given variables are on a bound; the nearest where none does."""
        logits = self.state_logits(known).cpu().double()
        if self.chart.problem.given.any():
            logits = logits - 1e6 * self.chart.states.mismatch(self.chart.problem, z.cpu())
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0].to(known.device)

    def _known(self, context: Tensor, z: Tensor) -> Tensor:
        given = self.standard.given(z.cpu()).to(self.active.device)
        known = torch.cat([context.to(self.active.device, torch.float32), given], -1)
        # Where nothing is known, one constant keeps every layer of a size that is not zero.
        return known if self.informed else known.new_zeros(len(known), 1)

    def _static(self, ids: Tensor, known: Tensor) -> Tensor:
        return torch.cat([one_hot(ids.to(known.device), len(self.active)).to(known.dtype), known], -1)

    def _on(self, ids: Tensor) -> Tensor:
        return self.active[ids.to(self.active.device)]


def _order(chart: Chart) -> list[int]:
    """Columns that are a coordinate of some state, in the order declared; a ratio after the later of its members."""
    problem = chart.problem
    place = {i: float(i) for i in range(problem.lifted)}
    for j, ratio in enumerate(problem.ratios):
        place[problem.lifted + j] = max(ratio.numerator, ratio.denominator) + 0.5
    used = chart.coordinate.any(0)
    return sorted((i for i in place if used[i]), key=place.__getitem__)
