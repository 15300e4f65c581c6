"""Several models of the same events, each judged on other blocks: a mixture of them in equal shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lawful.core.coordinates import Chart
from lawful.core.models.autoregressive import AutoregressiveModel
from lawful.core.models.base import Batch, Settings
from lawful.core.models.face import FaceModel
from lawful.core.models.families import FAMILIES
from lawful.core.models.stretch import fitted_stretch


class BaggedModel(nn.Module):
    """A mixture of `settings.networks` models of one family on one chart (bagging, Breiman 1996).

    Events are drawn each from a member picked at random. Little data leave a single network sure of itself where it has
    seen few blocks; members that stopped on other blocks disagree there.
    """

    def __init__(self, family: str, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__()
        self.settings = settings or Settings()
        self.chart, self.context_size = chart, context_size
        # What steps of an exact chain take on needs no second opinion.
        count = 1 if chart.problem.uniform else self.settings.networks
        self.members = nn.ModuleList(FAMILIES[family](chart, context_size, self.settings) for _ in range(count))

    def loss(self, batch: Batch) -> Tensor:
        """Mean of the members' negative log-likelihoods `()`, which the mixture's own does not exceed."""
        return torch.stack([member.loss(batch) for member in self._each()]).mean()

    @torch.no_grad()
    def sample(self, context: Tensor, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """States `(B,)` and coordinates `(B, columns)`; see `GenerativeModel`."""
        picked = torch.randint(len(self.members), (len(context),), generator=generator)
        ids = torch.zeros(len(context), dtype=torch.long)
        w = torch.zeros(len(context), self.chart.problem.columns, dtype=torch.float64)
        for k, member in enumerate(self._each()):
            rows = (picked == k).nonzero()[:, 0]
            if len(rows):
                ids[rows], w[rows] = member.sample(context[rows], z[rows], generator)
        return ids, w

    @torch.no_grad()
    def calibrate(self, events: Batch, judged: Sequence[Tensor]) -> dict[str, float]:
        """Shares of states as all `events` have them, and conditionals as wide as the `judged` blocks ask for.

        The factors of conditionals by name of the coordinate. They are one where nothing is given: then an event is no
        forecast of another, and the shape of a distribution counts for more than its spread. Nothing at all is changed
        where steps of an exact chain follow.
        """
        self.eval()
        if self.chart.problem.uniform:
            return {}
        for member in self._each():
            member.fit_shares(events)
        return self._stretch(events, judged) if self.chart.problem.given.any() else {}

    def _stretch(self, events: Batch, judged: Sequence[Tensor]) -> dict[str, float]:
        """Stretch the conditionals of all members alike, in families that have them.

        Each member is asked for the blocks of `events` that did not train it, `judged` (N,), and all for one factor a
        coordinate: one member's blocks are too few.
        """
        members = [member for member in self.members if isinstance(member, AutoregressiveModel)]
        if not members:
            return {}
        for member in members:
            member.coordinates.stretch.zero_()
        stretch = fitted_stretch(members, events, judged)
        for member in members:
            member.coordinates.stretch.copy_(stretch)
        names = [self.chart.problem.column_names[column] for column in members[0].order]
        return dict(zip(names, stretch.exp().tolist(), strict=True))

    def _each(self) -> list[FaceModel]:
        return [member for member in self.members if isinstance(member, FaceModel)]
