"""Bias and variance of every gradient estimator, against exact gradients: `python docs/study_gradients.py`.

Each estimate takes `SAMPLES` draws. Exact gradients are closed forms for the constrained normal, and sums over all
values for discrete laws. Writes docs/gradients.png and a section of docs/benchmarks.md; takes some minutes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lawful.core import ConstrainedBernoulli, ConstrainedNormal, ConstrainedPoisson, LinearSystem
from lawful.core.distributions import expected_loss
from lawful.core.distributions.gradients import Lawful
from lawful.core.errors import InvalidValueError
from lawful.reports.figures import style

ESTIMATORS = ("pathwise", "marginal", "score", "straight-through")
SAMPLES, ROUNDS, REPEATS = 8, 8, 5_000
NONE_FOUND, NO_SPREAD = 0.02, 0.01
FIGURE = Path(__file__).parent / "gradients.png"
Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Problem:
    """A loss under a family of laws, one parameter (n,) of it, and the exact gradient there."""

    name: str
    parameter: str
    make: Callable[[Tensor], Lawful]
    at: Tensor
    loss: Loss
    exact: Tensor


@dataclass(frozen=True)
class Outcome:
    """Of one estimator, relative to the length of the exact gradient: bias, its standard error, and the standard
    deviation of one estimate; `found` tells whether the bias is more than noise, `cosine` the angle of the mean."""

    bias: float
    error: float
    spread: float
    found: bool
    cosine: float


def double(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


SYSTEM = LinearSystem([[1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 1.0, -1.0, 2.0, 1.0]], [1.0, 0.5])
LOC, SCALE = double([0.8, -0.2, 0.6, 1.0, -1.4]), double([1.0, 0.5, 1.5, 0.7, 1.2])
Q = double([[2.0, 1, 0, 0, -1], [1, 1, 0, 1, 0], [0, 0, 3, 1, 0], [0, 1, 1, 2, 0], [-1, 0, 0, 0, 1]])
TARGET = double([0.5, 0.0, 1.0, -0.5, 0.2])


def quadratic(z: Tensor) -> Tensor:
    """`(z - t)' Q (z - t)`, with interactions."""
    gap = z - TARGET[: z.shape[-1]]
    return ((gap @ Q[: z.shape[-1], : z.shape[-1]]) * gap).sum(-1)


def absolute(z: Tensor) -> Tensor:
    """`sum |z - t|`."""
    return (z - TARGET[: z.shape[-1]]).abs().sum(-1)


def exact_quadratic(law: ConstrainedNormal) -> Tensor:
    return quadratic(law.mean) + (law.covariance_matrix * Q).sum()


def exact_absolute(law: ConstrainedNormal) -> Tensor:
    """The mean of a folded normal (Leone, Nelson, Nottingham 1961, Technometrics 3, 543), added up."""
    gap, sd = law.mean - TARGET, law.variance.sqrt()
    ratio = gap / sd
    return (sd * math.sqrt(2 / math.pi) * (-(ratio**2) / 2).exp() + gap * torch.erf(ratio / math.sqrt(2))).sum()


def gradient(value: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    return torch.autograd.grad(value(at), at)[0]


def normal_problems() -> list[Problem]:
    made = []
    for place, loc in (("off the laws", LOC), ("on the laws", SYSTEM.project(LOC))):
        families = {
            "location": (lambda p: ConstrainedNormal(p, SCALE, SYSTEM), loc),
            "scale": (lambda p, loc=loc: ConstrainedNormal(loc, p, SYSTEM), SCALE),
        }
        for (title, loss, mean), parameter in itertools.product(
            (("quadratic", quadratic, exact_quadratic), ("absolute", absolute, exact_absolute)), families
        ):
            make, at = families[parameter]
            exact = gradient(lambda p, make=make, mean=mean: mean(make(p)), at)
            made.append(Problem(f"normal, μ {place}, {title}", parameter, make, at, loss, exact))
    return made


def discrete_problems() -> list[Problem]:
    ones = double([x for x in itertools.product([0, 1], repeat=5) if sum(x) == 2])
    counts = double([x for x in itertools.product(range(6), repeat=4) if sum(x[:2]) == 3 and sum(x[2:]) == 2])
    families = (
        ("2 of 5 ones", "logits", lambda p: ConstrainedBernoulli(p, 2), double([0.5, -1.0, 0.0, 1.0, 0.3]), ones),
        (
            "counts with totals 3 and 2",
            "rates",
            lambda p: ConstrainedPoisson(p, [3, 2], [0, 0, 1, 1]),
            double([0.5, 1.0, 2.0, 1.2]),
            counts,
        ),
    )
    losses = (("linear", lambda z: z @ TARGET[: z.shape[-1]]), ("quadratic", quadratic), ("absolute", absolute))
    return [
        Problem(
            f"{name}, {title}",
            parameter,
            make,
            at,
            loss,
            gradient(lambda p, f=make, v=values, loss=loss: (f(p).log_prob(v).exp() * loss(v)).sum(), at),
        )
        for name, parameter, make, at, values in families
        for title, loss in losses
    ]


def estimates(problem: Problem, estimator: str) -> Tensor:
    """Independent gradients (ROUNDS * REPEATS, n), or none where the estimator does not exist."""
    torch.manual_seed(0)
    rows = []
    for _ in range(ROUNDS):
        parameter = problem.at.expand(REPEATS, -1).clone().requires_grad_()
        try:
            loss = expected_loss(problem.make(parameter), problem.loss, estimator, SAMPLES).sum()
        except InvalidValueError:
            return parameter.new_zeros(0, parameter.shape[-1])
        # None: the straight-through estimator gives scales no gradient at all.
        (found,) = torch.autograd.grad(loss, parameter, allow_unused=True) if loss.requires_grad else (None,)
        rows.append(torch.zeros_like(parameter) if found is None else found)
    return torch.cat(rows)


def outcome(problem: Problem, estimator: str) -> Outcome | None:
    found = estimates(problem, estimator)
    if not len(found):
        return None
    length, mean, error = problem.exact.norm(), found.mean(0), found.std(0) / len(found) ** 0.5
    gap = mean - problem.exact
    cosine = (mean @ problem.exact / (mean.norm() * length).clamp_min(1e-300)).item()
    return Outcome(
        bias=(gap.norm() / length).item(),
        error=(error.norm() / length).item(),
        spread=(found.std(0).norm() / length).item(),
        found=bool((gap.abs() > 4 * error + 1e-9 * length).any()),
        cosine=cosine,
    )


def cell(result: Outcome | None) -> str:
    if result is None:
        return "does not exist"
    bias = f"**{result.bias:.2f}** ± {result.error:.3f}" if result.found else f"{result.bias:.3f} ± {result.error:.3f}"
    return f"{bias} · {result.spread if result.spread > 1e-12 else 0:.2g}"


def draw_figure(results: dict[tuple[str, str], dict[str, Outcome | None]]) -> None:
    """Bias over the spread of one estimate, one panel a kind of parameter, one marker an estimator."""
    with style.style():
        panels = {"location": [], "scale": [], "logits and rates": []}
        for (_, parameter), row in results.items():
            panels.get(parameter, panels["logits and rates"]).append(row)
        figure, axes = style.panels(3, height=3.0, columns=3)
        colours = (style.BLUE, style.GREEN, style.ORANGE, style.VERMILION)
        for axis, (title, rows) in zip(axes, panels.items(), strict=True):
            for estimator, colour, marker in zip(ESTIMATORS, colours, "o^sD", strict=True):
                shown = [row[estimator] for row in rows if row[estimator] is not None]
                bias = [r.bias if r.found else NONE_FOUND for r in shown]
                spread = [max(r.spread, NO_SPREAD) for r in shown]
                axis.scatter(spread, bias, s=34, marker=marker, facecolors="none", edgecolors=colour, label=estimator)
            axis.axhspan(NONE_FOUND / 1.5, NONE_FOUND * 1.5, color=style.PALE, alpha=0.4, lw=0)
            axis.set(xscale="log", yscale="log", ylim=(NONE_FOUND / 1.5, 8), title=f"gradient in {title}")
            axis.set(xlim=(0.8 * NO_SPREAD, 6), xlabel=f"standard deviation of one estimate ({SAMPLES} draws)")
            axis.text(0.03, NONE_FOUND, "no bias found", va="center", color=style.GREY, fontsize=8)
            axis.set_xticks([NO_SPREAD, 0.1, 1.0], ["none", "0.1", "1"])
            axis.set_yticks([0.1, 1.0], ["0.1", "1"])
        axes[0].set_ylabel("bias, share of the exact gradient")
        style.legend_above(figure, axes[0])
        FIGURE.write_bytes(style.rendered(figure))


def main() -> None:
    from timing import table, write_section

    results = {
        (p.name, p.parameter): {name: outcome(p, name) for name in ESTIMATORS}
        for p in (*normal_problems(), *discrete_problems())
    }
    draw_figure(results)
    rows = [[name, parameter, *(cell(row[e]) for e in ESTIMATORS)] for (name, parameter), row in results.items()]
    write_section("gradients", HEAD + "\n" + table(["problem", "gradient in", *ESTIMATORS], rows))


HEAD = f"""## Gradient estimators

`python docs/study_gradients.py`. Bias ± its standard error · standard deviation of one estimate, both as shares of the
length of the exact gradient; {ROUNDS * REPEATS:,} estimates of {SAMPLES} draws each. In bold: more bias than four
standard errors in a component. A bias of 1.00 with no spread means that the estimate is zero.
"""

if __name__ == "__main__":
    main()
