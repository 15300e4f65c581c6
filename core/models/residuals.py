"""Regression residuals: coordinates less what regressions on those before them explain, each of variance one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lawful.core.models.regression import fit_regression_mixture
from lawful.core.models.standard import Standard
from lawful.core.precision import full_precision

_PRIOR_EVENTS = 20.0


class Residuals(nn.Module):
    """`v_i = (u_i - a_i x_i - c_i) / s_i`, one-to-one with coordinates u in standard units.

    `x_i` are what is known and the coordinates before i, each also as its value in physical space. A triangular map of
    constant log determinant, fitted by ridge regression: linear relations that hold to a per cent are exact from the
    start, and a network is left with the rest. `s_i` differs between states.
    """

    weights: Tensor
    intercepts: Tensor
    scales: Tensor
    visible: Tensor

    def __init__(self, standard: Standard, static: int, states: int, floor: float):
        super().__init__()
        # In a tuple, or the model that it belongs to would have its weights twice.
        self._of_model = (standard,)
        self.count, self.states, self.floor = len(standard.order), states, floor
        self.register_buffer("weights", torch.zeros(self.count, static + 2 * self.count))
        self.register_buffer("intercepts", torch.zeros(self.count))
        self.register_buffer("scales", torch.ones(states, self.count))
        visible = torch.zeros(self.count, static + 2 * self.count)
        for i in range(self.count):
            visible[i, : static + 2 * i] = 1.0
        self.register_buffer("visible", visible, persistent=False)

    @property
    def standard(self) -> Standard:
        """Standard units of the model."""
        return self._of_model[0]

    @torch.no_grad()
    def fit(self, static: Tensor, w: Tensor, on: Tensor) -> None:
        """From the coordinates `w` (B, columns) of training events, of which `on` (B, d) are active."""
        inputs, u, state = self._inputs(static, w, on), self.standard.targets(w, on), self._state(static)
        for i, rows in enumerate(on.T):
            X = (inputs * self.visible[i])[rows].double()
            line = fit_regression_mixture(X, u[rows, i].double(), 1, floor=self.floor, rounds=2)
            self.weights[i], self.intercepts[i] = line.weights[0] * self.visible[i], line.intercepts[0]
            gap = u[rows, i].double() - X @ line.weights[0] - line.intercepts[0]
            self.scales[:, i] = self._spread(gap, state[rows], line.scales[0])

    def _spread(self, gap: Tensor, state: Tensor, overall: Tensor) -> Tensor:
        squares, counts = gap.new_zeros(self.states), gap.new_zeros(self.states)
        squares, counts = squares.index_add(0, state, gap**2), counts.index_add(0, state, torch.ones_like(gap))
        variance = (squares + _PRIOR_EVENTS * overall**2) / (counts + _PRIOR_EVENTS)
        return variance.sqrt().clamp_min(self.floor).float()

    def forward(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        """Residuals `(B, d)` float32, zero where not `on` (B, d)."""
        with full_precision(self.weights):
            explained = self._inputs(static, w, on) @ self.weights.T + self.intercepts
        return (self.standard.targets(w, on) - explained) / self.scales[self._state(static)] * on

    def log_det(self, static: Tensor, on: Tensor) -> Tensor:
        """`log |det dv/du|` (B,) over the active coordinates."""
        return -(self.scales[self._state(static)].log() * on).sum(-1)

    @torch.no_grad()
    def coordinates(self, static: Tensor, v: Tensor, on: Tensor) -> Tensor:
        """The coordinates `(B, columns)` float64, on the CPU, of residuals `v` (B, d): one after another.

        Kept within the range of coordinates.
        """
        scales = self.scales[self._state(static)]
        dynamic = v.new_zeros(len(v), self.count, 2)
        w = torch.zeros(len(v), self.standard.columns, dtype=torch.float64)
        for i, column in enumerate(self.standard.order):
            inputs = torch.cat([static, dynamic.flatten(1)], -1)
            u = v[:, i] * scales[:, i] + inputs @ self.weights[i] + self.intercepts[i]
            inside = u.double().cpu().clamp(*self.standard.range(i, static))
            w[:, column] = torch.where(on[:, i].cpu(), self.standard.coordinate(i, inside), 0.0)
            dynamic[:, i] = self.standard.input(i, w, on)
        return w

    def _inputs(self, static: Tensor, w: Tensor, on: Tensor) -> Tensor:
        return torch.cat([static, self.standard.inputs(w, on).flatten(1)], -1)

    def _state(self, static: Tensor) -> Tensor:
        return static[:, : self.states].argmax(-1)
