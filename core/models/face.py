"""What all families share: a categorical state given what is known, and standard units for coordinates on its face."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lawful.core.coordinates import Chart
from lawful.core.models.base import Batch, Settings, Trainable
from lawful.core.models.sampling import law_residual
from lawful.core.models.shares import fitted_intercepts, spread_rows
from lawful.core.models.standard import Standard


class FaceModel(Trainable):
    """`p(state | context, given) p(coordinates | state, context, given)` on a `Chart`; a family is the second factor.

    A family overrides `coordinate_loss` and `draw`, and `start` where it starts from more than random weights.
    Everything that the networks see is dimensionless (`Standard`); physical units are the chart's affair.
    """

    active: Tensor

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__()
        self.chart, self.settings, self.context_size = chart, settings or Settings(), context_size
        self.order = _order(chart)
        self.standard = Standard(chart, self.order)
        self.informed = context_size + self.standard.given_size > 0
        known, states = max(1, context_size + self.standard.given_size), len(chart.states.table)
        self.static_size = states + known
        self.state_logits = nn.Sequential(
            nn.Linear(known, self.settings.width),
            nn.SiLU(),
            nn.Dropout(self.settings.dropout),
            nn.Linear(self.settings.width, states),
        )
        self.register_buffer("active", chart.coordinate[:, self.order], persistent=False)

    def coordinate_loss(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Scalar: what a family minimises for coordinates `w` (B, columns) of which `on` (B, d) are active."""
        raise NotImplementedError

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """Coordinates `(B, columns)` float64 on the CPU, zero where not active."""
        raise NotImplementedError

    def start(self, static: Tensor, w: Tensor, on: Tensor) -> None:
        """Set weights from the training events where that is better than chance."""

    @torch.no_grad()
    def initialise(self, events: Batch, train: Tensor) -> None:
        """Scaling, shares of states, and where the family starts, from the rows `train` of `events`.

        Only a coordinate that no training row has takes its scale from the others.
        """
        batch, on = events[train], self.active.cpu()[events.ids]
        learned = torch.zeros_like(on)
        learned[train] = on[train]
        self.standard.fit(events.w, torch.where(learned.any(0), learned, on))
        self.standard.fit_given(batch.z)
        known = self._known(batch.context, batch.z)
        self.start(self._static(batch.ids, known), batch.w, self._on(batch.ids))
        last = self.state_logits[-1]
        counts = torch.bincount(batch.ids, minlength=len(self.active))
        last.weight.zero_()  # type: ignore[operator]
        last.bias.copy_((counts + 0.1).log())  # type: ignore[operator]

    def loss(self, batch: Batch) -> Tensor:
        """Negative log-likelihood of states plus `coordinate_loss`, mean over events, `()`."""
        static = self._static(batch.ids, self._known(batch.context, batch.z))
        return self.state_loss(batch) + self.coordinate_loss(static, batch.w, self._on(batch.ids))

    def state_loss(self, batch: Batch) -> Tensor:
        """Negative log-likelihood of states, mean over events, `()`."""
        logits = self.state_logits(self._known(batch.context, batch.z))
        # Without context or given values there is nothing to learn of states beyond their shares.
        return nn.functional.cross_entropy(logits if self.informed else logits.detach(), batch.ids.to(logits.device))

    def weights(self, batch: Batch) -> Tensor:
        """For how much each event counts `(B,)` where shares of states are taken."""
        return torch.ones(len(batch), dtype=torch.float64)

    @torch.no_grad()
    def fit_shares(self, events: Batch) -> None:
        """Move intercepts of states until these have the shares in draws for `events` that they have in the data.

        A network that stops early on other blocks has the shares of the rest, and not quite those.
        """
        batch = events[spread_rows(len(events), len(self.active))]
        scores = self._state_scores(self._known(batch.context, batch.z), batch.z)
        added = fitted_intercepts(scores, batch.ids, self.weights(batch))
        self.state_logits[-1].bias += added.to(self.active.device)  # type: ignore[operator]

    @torch.no_grad()
    def sample(self, context: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """States `(B,)` and coordinates `(B, columns)` float64 on the CPU; see `GenerativeModel`."""
        known = self._known(context, z)
        ids = self._sample_state(known, z, generator)
        return ids.cpu(), self.draw(self._static(ids, known), self._on(ids), generator)

    def law_residual(self, events: Batch, generator: torch.Generator) -> tuple[float, float]:
        """The largest misfit of a law in draws, in ulps, and the share of draws that are not lawful."""
        return law_residual(self, self.chart, events.context, events.z, generator)

    def _sample_state(self, known: Tensor, z: Tensor, generator: torch.Generator) -> Tensor:
        scores = self._state_scores(known, z)
        return torch.multinomial(scores.softmax(-1), 1, generator=generator)[:, 0].to(known.device)

    def _state_scores(self, known: Tensor, z: Tensor) -> Tensor:
        """Logits `(B, S)` float64, on the CPU, of states that agree with which given variables are on a bound.

        Those of others are out of reach; the nearest are not where none agrees.
        """
        logits = self.state_logits(known).cpu().double()
        if self.chart.problem.given.any():
            logits = logits - 1e6 * self.chart.states.mismatch(self.chart.problem, z.cpu())
        return logits

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
