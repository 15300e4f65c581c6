"""For few events: a kernel density around those there are."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lawful.core.coordinates import Chart
from lawful.core.models.base import Batch, Settings
from lawful.core.models.joint import JointModel

_ALIKE = 0.2
_NARROW = 0.7
_ROWS = 1024
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class KernelModel(JointModel):
    """Residuals `v | state, known = x` of events j that are remembered, and of `k` that are not:

        sum_j a_j(x) N(v; sqrt(1 - h^2) v_j, h^2) + k N(v; 0, 1), over sum_j a_j(x) + k

    over events j of that state, with `a_j(x) = weight_j exp(-|(x - x_j) / g|^2 / 2)`. It is the conditional density
    estimate of Hall, Racine and Li (2004, J. Am. Stat. Assoc. 99, 1015-1026, doi:10.1198/016214504000000548) with
    kernels that keep the variance of residuals (Silverman 1986, section 6.4.1), and a prior of k events for states that
    have few. Here g and k minimise the negative log-likelihood of events given those of other blocks; h is 0.7 of
    Scott's (1992) for the coordinates that an event has. By likelihood it would be wider, for the sake of the few
    events that lie far out.

    Of a block of m events each weighs `1 / (1 + (m - 1) r)`, r = 0.2: they are alike, and many say little more than one
    (design effect, Kish 1965, Survey Sampling, section 5.4).
    """

    residual: Tensor
    known: Tensor
    state: Tensor
    block: Tensor
    weight: Tensor
    bandwidth: Tensor
    batch_share = 0.25

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        d, events = len(self.order), int(chart.states.counts.sum())
        known = self.static_size - len(self.active)
        self.reach = nn.Parameter(torch.zeros(known))
        self.prior = nn.Parameter(torch.zeros(1))
        self.register_buffer("residual", torch.zeros(events, d))
        self.register_buffer("known", torch.zeros(events, known))
        self.register_buffer("state", torch.zeros(events, dtype=torch.long))
        self.register_buffer("block", torch.zeros(events, dtype=torch.long))
        self.register_buffer("weight", torch.zeros(events))
        self.register_buffer("bandwidth", torch.ones(()))

    @torch.no_grad()
    def initialise(self, events: Batch, train: Tensor) -> None:
        """Remember the rows `train`, from which the bandwidth follows; shares of states are weighted as they are."""
        super().initialise(events, train)
        batch = events[train]
        known = self._known(batch.context, batch.z)
        self.residual[train] = self.residuals(self._static(batch.ids, known), batch.w, self._on(batch.ids))
        self.known[train], self.state[train], self.block[train] = known, batch.ids, batch.block
        self.weight[train] = self.weights(batch).to(self.weight)
        coordinates = self._on(batch.ids).sum(-1).float().mean()
        self.bandwidth = _NARROW * self.weight.sum().clamp_min(1.0) ** (-1 / (coordinates + 4))
        counts = torch.zeros(len(self.active)).index_add_(0, self.state, self.weight)
        self.state_logits[-1].bias.copy_((counts * len(train) / counts.sum() + 0.1).log())  # type: ignore[operator]

    def weights(self, batch: Batch) -> Tensor:
        """Those of events that are alike: less."""
        return block_weights(batch.block).double()

    def loss(self, batch: Batch) -> Tensor:
        """Mean negative log-likelihood of events given the remembered ones of other blocks, `()`."""
        known, on = self._known(batch.context, batch.z), self._on(batch.ids)
        static = self._static(batch.ids, known)
        v = self.residuals(static, batch.w, on)
        log_a = self._log_shares(batch.ids.to(v.device), known)
        log_a = log_a.where(batch.block.to(v.device)[:, None] != self.block, -torch.inf)
        h, kept = self._kernel()
        log_kernel = -0.5 * _squares(v / h, self.residual * kept / h) - h.log() * on.sum(-1, keepdim=True)
        log_prior = self.prior - 0.5 * (v**2).sum(-1, keepdim=True)
        found = torch.cat([log_a + log_kernel, log_prior], -1).logsumexp(-1) - _LOG_SQRT_2PI * on.sum(-1)
        whole = torch.cat([log_a, self.prior.expand(len(v), 1)], -1).logsumexp(-1)
        return self.state_loss(batch) - (found - whole + self.residuals.log_det(static, on)).mean()

    def draw(self, static: Tensor, on: Tensor, generator: torch.Generator) -> Tensor:
        """Residuals of an event that is remembered, or of none, and what the kernel adds."""
        h, kept = self._kernel()
        chosen = torch.cat([self._choice(rows, generator) for rows in static.split(_ROWS)]) if len(static) else on[:, 0]
        noise = torch.randn(on.shape, generator=generator).to(static.device)
        new = (chosen == len(self.state))[:, None]
        near = self.residual[chosen.clamp_max(len(self.state) - 1)]
        v = torch.where(new, noise, kept * near + h * noise)
        return self.residuals.coordinates(static, v * on, on)

    def _choice(self, static: Tensor, generator: torch.Generator) -> Tensor:
        """Numbers `(B,)` of events that are remembered; that after the last for none of them."""
        states = len(self.active)
        log_a = self._log_shares(static[:, :states].argmax(-1), static[:, states:])
        log_a = torch.cat([log_a, self.prior.expand(len(static), 1)], -1)
        return torch.multinomial(log_a.softmax(-1).cpu(), 1, generator=generator)[:, 0].to(static.device)

    def _log_shares(self, ids: Tensor, known: Tensor) -> Tensor:
        """`log a_j` (B, events); minus infinity for events in other states."""
        reach = self.reach.exp()
        shares = self.weight.log() - 0.5 * _squares(known / reach, self.known / reach)
        return shares.where(ids[:, None] == self.state, -torch.inf)

    def _kernel(self) -> tuple[Tensor, Tensor]:
        """Standard deviation h, and what of a residual is kept, `sqrt(1 - h^2)`."""
        return self.bandwidth, (1 - self.bandwidth**2).sqrt()


def block_weights(block: Tensor) -> Tensor:
    """Weights `(B,)` of events of the blocks `block` (B,)."""
    _, place, counts = block.unique(return_inverse=True, return_counts=True)
    return 1 / (1 + (counts[place] - 1) * _ALIKE)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """`|a_i - b_j|^2`, (B, N)."""
    return ((a**2).sum(-1)[:, None] + (b**2).sum(-1) - 2 * a @ b.T).clamp_min(0.0)
