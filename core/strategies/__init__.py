"""Ways to hold constraints, so that a model can be trained and sampled under any of them.

What each guarantees for finished samples. "In part" depends on the polyhedron: `strategy.guarantee` tells.

| name               | equalities | bounds  | inequalities | exact zeros | also in training | density          |
|--------------------|------------|---------|--------------|-------------|------------------|------------------|
| `unconstrained`    | no         | no      | no           | no          |                  | yes              |
| `penalty`          | no         | no      | no           | no          |                  | yes              |
| `projection-after` | yes        | option  | option       | option      | no               | of what is drawn |
| `projection`       | yes        | option  | option       | option      | yes              | yes              |
| `sequential`       | yes        | yes     | yes          | yes         | yes              | no               |
| `completion`       | yes        | in part | no           | no          | yes              | yes              |
| `conditional`      | yes        | no      | no           | no          | yes              | yes              |
| `mirror`           | yes        | yes     | yes          | no          | but for traces   | yes              |

Equalities and inequalities hold to 8 ulps of the dtype, bounds exactly. `completion` holds the bounds of the variables
that it generates, so all of them when no solved variable has one. In training `mirror` may miss a law of traces, by no
more than 1e-9 of the units of its variables. Both projections also hold bounds and inequalities, with exact zeros, when
made with `limits=True`; `projection` then has no density. `projection-after`, `projection`, `conditional` and
`sequential` leave lawful points where they are, which for `sequential`, and with `limits`, are those that keep bounds
and inequalities too.
"""

from lawful.core.errors import InvalidValueError
from lawful.core.polyhedra import Polyhedron
from lawful.core.strategies.base import Guarantee, Strategy
from lawful.core.strategies.completion import Completion
from lawful.core.strategies.conditional import Conditional
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
"""By name, in the order of the table. Options beside the polyhedron are those of the class."""


def strategy(name: str, polyhedron: Polyhedron) -> Strategy:
    """The strategy `name` with its default options.

    Raises:
        InvalidValueError: there is none of that name.
    """
    if name not in STRATEGIES:
        raise InvalidValueError(f"Expected a strategy of {', '.join(STRATEGIES)}, got {name!r}.")
    return STRATEGIES[name](polyhedron)


__all__ = [
    "STRATEGIES",
    "Completion",
    "Conditional",
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
