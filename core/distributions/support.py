"""Where a constrained distribution lives: points that obey the laws and leave fixed variables alone."""

from torch import Tensor
from torch.distributions import constraints

from lawful.core.errors import OffSupportError
from lawful.core.linear import LinearSystem
from lawful.core.linear.arrays import at_sample
from lawful.core.linear.exact import half_spacing
from lawful.core.linear.system import LAWFUL_ULPS


class OnLaws(constraints.Constraint):
    """Points that obey every law to 8 ulps in their own precision, with fixed variables at their values.

    Args:
        system: laws with their free variables. fixed: (..., n), the values where not free.
    """

    event_dim = 1

    def __init__(self, system: LinearSystem, fixed: Tensor):
        self.system = system
        self.fixed = fixed

    def check(self, value: Tensor) -> Tensor:
        return self.system.holds(value) & ~self.moved(value).any(-1)

    def moved(self, value: Tensor) -> Tensor:
        """(..., n), True where a fixed variable is off its value."""
        allowed = LAWFUL_ULPS * half_spacing(self.fixed, value.dtype)
        return ~self.system.free & ~((value.double() - self.fixed).abs() <= allowed)

    def require(self, value: Tensor) -> None:
        """OffSupportError naming the first fixed variable that `value` (..., n) moves, or law that it breaks."""
        moved = self.moved(value)
        if moved.any():
            first = moved.nonzero()[0].tolist()
            raise OffSupportError(
                f"Variable {self.system.columns[first[-1]]!r} is fixed, but the value differs from it"
                f"{at_sample(tuple(first[:-1]))}: give it the fixed value, or a scale above zero."
            )
        self._require_lawful(value)

    def _require_lawful(self, value: Tensor) -> None:
        broken = ~self.system.holds(value)
        if broken.any():
            first = tuple(broken.nonzero()[0].tolist())
            ulps = self.system.ulps(value)
            row = int(ulps[first].argmax())
            raise OffSupportError(
                f"Law {self.system.names[row]!r} is broken by {float(ulps[first][row]):.3g} ulps{at_sample(first)} "
                f"({LAWFUL_ULPS:g} are allowed; {int(broken.sum())} unlawful in all): project the value onto the laws "
                "first, or pass validate_args=False."
            )
