"""Gradients of an expected loss `E[loss(z)]` over lawful draws z, in the parameters of their distribution.

| estimator          | derivative that stands in for that of the draw      | biased in               | exists for      |
|--------------------|-----------------------------------------------------|-------------------------|-----------------|
| `pathwise`         | of the draw itself                                  | nothing                 | continuous laws |
| `marginal`         | of the conditional mean, `E[z | A z = b]`           | scales; counts, in most | all             |
| `score`            | none: that of the log density, times loss surplus   | nothing; the noisiest   | all             |
| `straight-through` | of the mean before conditioning, as if without laws | most                    | all             |

Marginal: Ahmed, Zeng, Niepert, Van den Broeck (SIMPLE), arXiv:2210.01941; Li, Sahu, Van den Broeck, Zeng,
arXiv:2502.05416. For the location of a `ConstrainedNormal` it is the pathwise gradient draw by draw; for the scale it
is biased, and zero where the location is on the laws. Score: Williams, Machine Learning 8 (1992) 229, less the mean
loss of the other draws (Kool, van Hoof, Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!").
Straight-through: Bengio, Leonard, Courville, arXiv:1308.3432. `docs/study_gradients.py` measures bias and variance.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lawful.core.distributions.constrained_bernoulli import ConstrainedBernoulli
from lawful.core.distributions.constrained_normal import ConstrainedNormal
from lawful.core.distributions.constrained_poisson import ConstrainedPoisson
from lawful.core.errors import InvalidValueError, ShapeError
from lawful.core.linear.exact import with_gradient_of

Lawful = ConstrainedNormal | ConstrainedPoisson | ConstrainedBernoulli
Estimator = Literal["pathwise", "marginal", "score", "straight-through"]


def draw(distribution: Lawful, estimator: Estimator, sample_shape: Any = ()) -> Tensor:
    """Lawful draws (*sample_shape, ..., n) that a loss can be differentiated through.

    Raises:
        InvalidValueError: the distribution has no such estimator; `score` is one of a loss, not of a draw.
    """
    _require_estimator(distribution, estimator)
    if estimator == "pathwise":
        return distribution.rsample(sample_shape)
    if estimator == "score":
        raise InvalidValueError("No draw has the score function's gradient: give the loss to `expected_loss`.")
    z = distribution.sample(sample_shape)
    mean = distribution.mean if estimator == "marginal" else _mean_without_laws(distribution)
    return with_gradient_of(mean.expand(z.shape), z)


def expected_loss(
    distribution: Lawful, loss: Callable[[Tensor], Tensor], estimator: Estimator, samples: int = 8
) -> Tensor:
    """The mean of `loss` over draws (...), one a batch element, with the estimator's gradient.

    Args:
        distribution: of batch shape (...).
        loss: from draws (samples, ..., n) to (samples, ...); parameters of its own get their ordinary gradient. Whole
            numbers and truth values count as numbers of the draws' type: only `score` has a gradient of them.
        estimator: see the table of this module.
        samples: number of draws; at least two for `score`, whose baseline is the mean loss of the other draws.

    Raises:
        InvalidValueError: the distribution has no such estimator, too few samples, or complex losses.
        ShapeError: the loss has another shape.
    """
    if estimator == "score":
        return _score_loss(distribution, loss, samples)
    if samples < 1:
        raise InvalidValueError(f"Expected one sample or more, got {samples}.")
    z = draw(distribution, estimator, (samples,))
    return _evaluated(loss, z).mean(0)


def _score_loss(distribution: Lawful, loss: Callable[[Tensor], Tensor], samples: int) -> Tensor:
    if samples < 2:
        raise InvalidValueError("The score function's baseline is the loss of the other draws: take 2 samples or more.")
    z = distribution.sample((samples,))
    losses = _evaluated(loss, z)
    surplus = (losses - losses.mean(0)).detach() * (samples / (samples - 1))
    log_prob = distribution.log_prob(z)
    return (losses + surplus * (log_prob - log_prob.detach())).mean(0)


def _evaluated(loss: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    losses = loss(z)
    if not isinstance(losses, Tensor):
        raise ShapeError(f"Expected losses of shape {tuple(z.shape[:-1])}, one a draw, got a {type(losses).__name__}.")
    if losses.shape != z.shape[:-1]:
        raise ShapeError(f"Expected losses of shape {tuple(z.shape[:-1])}, one a draw, got {tuple(losses.shape)}.")
    if losses.is_complex():
        raise InvalidValueError(f"Expected real losses, got {losses.dtype}: take a modulus or a real part.")
    return losses if losses.is_floating_point() else losses.to(z.dtype)


def _mean_without_laws(distribution: Lawful) -> Tensor:
    if isinstance(distribution, ConstrainedNormal):
        return torch.where(distribution.system.free, distribution.loc, distribution.loc.detach())
    return distribution.unconditional_mean


def _require_estimator(distribution: Lawful, estimator: str) -> None:
    if estimator not in get_args(Estimator):
        raise InvalidValueError(f"Expected an estimator of {', '.join(get_args(Estimator))}, got {estimator!r}.")
    if estimator == "pathwise" and not distribution.has_rsample:
        raise InvalidValueError(
            f"{type(distribution).__name__} is discrete, so its draws have no pathwise gradient: take 'marginal' "
            "(little noise, some bias) or 'score' (no bias, more noise)."
        )
