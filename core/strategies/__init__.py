"""Ways to hold constraints, so that a model can be trained and sampled under any of them.

What each guarantees for finished samples. "In part" depends on the constraints: `strategy.guarantee` tells.

| name               | equalities | bounds  | inequalities | exact zeros | also in training | density          |
|--------------------|------------|---------|--------------|-------------|------------------|------------------|
| `unconstrained`    | no         | no      | no           | no          |                  | yes              |
| `penalty`          | no         | no      | no           | no          |                  | yes              |
| `projection-after` | yes        | no      | no           | no          | no               | of what is drawn |
| `projection`       | yes        | no      | no           | no          | yes              | yes              |
| `sequential`       | yes        | yes     | yes          | yes         | yes              | no               |
| `completion`       | yes        | in part | no           | no          | yes              | yes              |
| `conditional`      | yes        | no      | no           | no          | yes              | yes              |
| `mirror`           | yes        | yes     | yes          | no          | yes              | yes              |

Equalities and inequalities hold to 8 ulps of the dtype, bounds exactly. `completion` holds the bounds of the variables
that it generates, so all of them when no solved variable has one. `projection`, `projection-after`, `conditional` and
`sequential` leave lawful points where they are; `sequential` also asks for bounds and inequalities.
"""

from lawful.core.errors import InvalidValueError
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.completion import Completion
from lawful.core.strategies.conditional import Conditional
from lawful.core.strategies.constraints import Constraints
from lawful.core.strategies.mirror import Mirror
from lawful.core.strategies.penalty import Penalty
from lawful.core.strategies.projection import Projection
from lawful.core.strategies.projection_after import ProjectionAfter
from lawful.core.strategies.sequential import Sequential
from lawful.core.strategies.unconstrained import Unconstrained

STRATEGIES: dict[str, type[Strategy]] = {
    kind.name: kind
    for kind in (
        Unconstrained,
        Penalty,
        ProjectionAfter,
        Projection,
        Sequential,
        Completion,
        Conditional,
        Mirror,
    )
}
"""By name, in the order of the table. Options beside the constraints are those of the class."""


def strategy(name: str, constraints: Constraints) -> Strategy:
    """The strategy `name` with its default options.

    Raises:
        InvalidValueError: there is none of that name.
    """
    if name not in STRATEGIES:
        raise InvalidValueError(f"Expected a strategy of {', '.join(STRATEGIES)}, got {name!r}.")
    return STRATEGIES[name](constraints)


__all__ = [
    "STRATEGIES",
    "Completion",
    "Conditional",
    "Constraints",
    "Guarantee",
    "Mirror",
    "Penalty",
    "Projection",
    "ProjectionAfter",
    "Sequential",
    "Strategy",
    "Unconstrained",
    "strategy",
]
