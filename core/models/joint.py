"""Families that generate all coordinates at once, as residuals of regressions."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lawful.core.coordinates import Chart
from lawful.core.models.base import Settings
from lawful.core.models.face import FaceModel
from lawful.core.models.residuals import Residuals


class JointModel(FaceModel):
    """A `FaceModel` whose second factor is a distribution of `Residuals`."""

    def __init__(self, chart: Chart, context_size: int, settings: Settings | None = None):
        super().__init__(chart, context_size, settings)
        self.residuals = Residuals(self.standard, self.static_size, len(self.active), self.settings.floor)

    def parameter_groups(self, decay: float) -> list[dict[str, Any]]:
        """Faster and freer than networks of single coordinates, which start from a fit that is nearly right."""
        return [{**group, "pace": 2.0} for group in super().parameter_groups(0.1 * decay)]

    def start(self, static: Tensor, w: Tensor, on: Tensor) -> None:
        """The regressions whose residuals are learned."""
        self.residuals.fit(static, w, on)
