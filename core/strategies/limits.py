"""The mirror map of a bounded polyhedron by distances from all its limits, in coordinates that make it round."""

from __future__ import annotations

import copy

import torch
from scipy.linalg import qr
from torch import Tensor

from lawful.core.errors import InvalidValueError
from lawful.core.linear import LinearSystem
from lawful.core.linear.exact import with_gradient_of
from lawful.core.polyhedra import Polyhedron
from lawful.core.polyhedra.laws import Laws
from lawful.core.polyhedra.limits import SHARPNESSES, LimitsMap, normal_likelihood
from lawful.core.polyhedra.reduced import STILL, Reduced
from lawful.core.polyhedra.walk import Target, analytic_centre
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.subspace import normal_log_prob


class Limits(Strategy):
    """Raw values of as many variables as laws leave free are coordinates w of `LimitsMap`; those of others do nothing.

    They are dimensionless, zero at the analytic centre and of a size near one, so that neither a change of units nor
    a thin polyhedron matters, other than to `Mirror`, whose links are those of single variables.

    Args:
        polyhedron: bounded, and the same for all samples.
        sharpness: of the map; `fitted` takes that which suits data.

    Attributes:
        columns: (D,), the variables whose raw values count.

    Raises:
        InvalidValueError: right-hand sides or given values differ per sample. UnboundedError: there is no end in some
            direction. InfeasibleError: there is no point.
    """

    name = "limits"

    def __init__(self, polyhedron: Polyhedron, sharpness: float = 1.0):
        super().__init__(polyhedron)
        if polyhedron.system.batch_shape:
            raise InvalidValueError(
                f"The strategy {self.name!r} takes one polyhedron for all samples, and here right-hand sides or given "
                "values differ: take 'mirror'."
            )
        reduced = polyhedron.reduced.merged()
        t, curvature = analytic_centre(Target.uniform(reduced))
        self._laws, self._moving = Laws(polyhedron.hull), self._moved_only(reduced)
        pivots = qr(reduced.moves.mT.numpy(), mode="r", pivoting=True)[1]
        self.columns = torch.from_numpy(pivots[: reduced.dimension].copy()).long()
        # The root is upper triangular in terms of the columns: it does not depend on how the moves were computed.
        basis = torch.linalg.inv(reduced.moves[self.columns])
        root = torch.linalg.qr(curvature @ basis).R
        root = root * root.diagonal().sign()[:, None]
        self._reduced = reduced.around(t, basis @ torch.linalg.inv(root))
        self._volume = torch.linalg.qr(self._reduced.moves).R.diagonal().abs().log().sum()
        self._sharpen(sharpness)

    def _moved_only(self, reduced: Reduced) -> LinearSystem:
        """The laws of the hull for variables that they do not pin."""
        size = reduced.moves.norm(dim=1)
        moved = self.polyhedron.hull.free & (size > STILL * size.max())
        return self.polyhedron.hull.restrict(moved, reduced.base, check=False)

    def _sharpen(self, sharpness: float) -> None:
        r = self._reduced
        self.sharpness, self._map = sharpness, LimitsMap(r.rows, r.start, r.low, r.high, sharpness)

    def fitted(self, z: Tensor) -> Limits:
        """The strategy with the sharpness under which the coordinates of points z (N, n) inside are most normal."""
        values, tried = self._reduced.values(z), []
        for sharpness in SHARPNESSES:
            made = copy.copy(self)
            made._sharpen(sharpness)
            w = made._map.inverse(values)
            tried.append((normal_likelihood(w, made._map.log_det(values), torch.ones_like(w)), made))
        return max(tried, key=lambda pair: pair[0])[1]

    @property
    def guarantee(self) -> Guarantee:
        return Guarantee(equalities=True, bounds=True, inequalities=True, density=True)

    def apply(self, y: Tensor, scale: Tensor | None = None) -> Tensor:
        w = self._prepared(y.double())[..., self.columns].reshape(-1, len(self.columns))
        z = self._reduced.z(self._map.moved(w))
        return self._stored(with_gradient_of(z, self._settled(z.detach())).reshape(y.shape), y.dtype)

    def _settled(self, z: Tensor) -> Tensor:
        """z (B, n) with laws to rounding, given values as they are, and no bound passed by rounding."""
        for _ in range(2):
            z = z - self._moving.unweighted.move(self._laws.residual(z, self._moving.b))
        exact = self.bounds.clip(self._moving.with_fixed(z))
        missed = ~self.polyhedron.contains(exact)
        return exact if not missed.any() else exact.index_put((missed,), self.polyhedron.project(exact[missed]))

    def raw(self, z: Tensor) -> Tensor:
        """Raw values (B, n) of which `apply` makes the points z (B, n) inside; zero where they do nothing."""
        return torch.zeros_like(z).index_copy(1, self.columns, self._map.inverse(self._reduced.values(z)))

    def log_prob(self, z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Density by change of variables, `z = centre + M s` and w a function of s: that of w times `|det dw / ds|`
        over the volume `det(M' M)^(1/2)`; minus infinity where z is on a bound or beyond."""
        flat = z.double().reshape(-1, z.shape[-1])
        values, r = self._reduced.values(flat), self._reduced
        inside = ((values > r.low) & (values < r.high)).all(-1)
        values = torch.where(inside[:, None], values, r.start)
        y = torch.zeros_like(flat).index_copy(1, self.columns, self._map.inverse(values)).reshape(z.shape)
        chosen = torch.zeros(self.system.n, dtype=torch.bool).index_fill(0, self.columns, True)
        change, inside = (x.reshape(z.shape[:-1]) for x in (self._map.log_det(values), inside))
        density = normal_log_prob(y, loc, scale, chosen) + change - self._volume
        return torch.where(inside, density, -torch.inf).to(z.dtype)
