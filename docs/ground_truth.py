"""Distributions of lawful events that are known in closed form, and how far a sample or a density is from them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from scipy.linalg import null_space
from scipy.special import gammaln, logsumexp
from scipy.stats import multivariate_normal, norm

from lawful.core.coordinates import Problem
from lawful.core.models import Batch
from lawful.core.models.face import FaceModel
from lawful.core.polyhedra import HitAndRun
from lawful.data_recipes.metabolic_flux import Medium, polyhedron
from lawful.domains.metabolic_flux import KNOCKOUTS

REFERENCE = 100_000
"""Exact draws that marginals are compared with, and moments where these are integrals."""

MEDIUM: Medium = {"glucose": 10.0, "oxygen": 15.0, "ammonium": 5.0, **{f"{gene}_on": 1.0 for gene in KNOCKOUTS}}
"""Of the steady states."""

_STILL = 1e-24


@dataclass(frozen=True)
class Truth:
    """A distribution on the events of a problem.

    `draw` gives exact draws (count, n). `log_density` (count,) is that of a face times the density on it, with respect
    to Hausdorff measure; None where its normaliser is not known. `moments` are the mean (n,) and the covariance (n, n),
    from exact draws where None. All but faces and densities are compared in a `view` of the variables.
    """

    name: str
    problem: Problem
    draw: Callable[[int, np.random.Generator], np.ndarray]
    log_density: Callable[[np.ndarray], np.ndarray] | None
    moments: tuple[np.ndarray, np.ndarray] | None = None
    view: Callable[[np.ndarray], np.ndarray] = np.asarray

    @cached_property
    def _exact(self) -> np.ndarray:
        return self.draw(REFERENCE, np.random.default_rng(99))

    @cached_property
    def reference(self) -> np.ndarray:
        """Exact draws in view, sorted by each variable alone."""
        return np.sort(self.view(self._exact), 0)

    @cached_property
    def mean_and_covariance(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the variables, exact or of many exact draws."""
        if self.moments is not None:
            return self.moments
        z = self.view(self._exact)
        return z.mean(0), np.cov(z.T)

    @cached_property
    def faces(self) -> dict[bytes, float]:
        """The probability of each pattern of zeros, of many exact draws."""
        return _shares(self._exact)


@dataclass(frozen=True)
class Distance:
    """Largest errors over variables (mean and spread in standard deviations, correlations), over faces (probability),
    and the mean over variables of the Wasserstein distance of marginals in standard deviations."""

    mean: float
    spread: float
    correlation: float
    marginals: float
    faces: float


def distance(truth: Truth, z: np.ndarray) -> Distance:
    """How far draws z (count, n) are from the truth; variables that do not vary are left out."""
    found, (mean, covariance) = _shares(z), truth.mean_and_covariance
    moves = np.diag(covariance) > _STILL * np.diag(covariance).max()
    z, mean, covariance = truth.view(z)[:, moves], mean[moves], covariance[np.ix_(moves, moves)]
    sd = np.sqrt(np.diag(covariance))
    levels = (np.arange(2000) + 0.5) / 2000
    gaps = np.abs(np.quantile(z, levels, 0) - np.quantile(truth.reference[:, moves], levels, 0)).mean(0)
    return Distance(
        mean=float(np.abs((z.mean(0) - mean) / sd).max()),
        spread=float(np.abs(z.std(0) / sd - 1).max()),
        correlation=float(np.abs(np.corrcoef(z.T) - covariance / np.outer(sd, sd)).max()),
        marginals=float((gaps / sd).mean()),
        faces=max(abs(found.get(p, 0.0) - truth.faces.get(p, 0.0)) for p in {*found, *truth.faces}),
    )


def divergence(truth: Truth, model: FaceModel, known: np.ndarray, ids: torch.Tensor, fresh: np.ndarray) -> float:
    """`E[log p - log q]` in nats over fresh events, for a model whose loss is its negative log-likelihood.

    `known` (N, n) with the states `ids` (N,) are events by which the states of the fresh ones are found.
    """
    states = dict(zip(_faces(known), ids.tolist(), strict=True))
    fresh = fresh[[face in states for face in _faces(fresh)]]
    found = torch.tensor([states[face] for face in _faces(fresh)])
    z = torch.from_numpy(fresh)
    w = model.chart.encode(z, found, torch.Generator())
    with torch.no_grad():
        loss = model.loss(Batch(found, w, torch.zeros(len(z), 0), z)).item()
    assert truth.log_density is not None
    return float(truth.log_density(fresh).mean()) + loss + _log_volume(model, w, found)


def _log_volume(model: FaceModel, w: torch.Tensor, ids: torch.Tensor) -> float:
    """The mean log volume of a unit of coordinates in standard units, by central differences of decoding."""
    given = torch.zeros(len(w), model.chart.problem.n, dtype=torch.float64)
    slopes = []
    for column, unit in zip(model.order, model.standard.coordinate_std.tolist(), strict=True):
        step = torch.zeros_like(w)
        step[:, column] = 1e-5 * unit
        above, below = (model.chart.decode(w + sign * step, ids, given).z for sign in (1, -1))
        slopes.append((above - below) / 2e-5)
    J, active = torch.stack(slopes, -1), model.active[ids]
    # A coordinate that is not active is no dimension of the face: a unit of its own leaves the volume as it is.
    gram = J.mT @ J * (active[:, None] & active[:, :, None]) + torch.diag_embed((~active).double())
    return 0.5 * torch.logdet(gram).mean().item()


def _faces(z: np.ndarray) -> list[bytes]:
    """Each event's pattern of zeros."""
    return [row.tobytes() for row in np.packbits(z == 0, axis=1)]


def _shares(z: np.ndarray) -> dict[bytes, float]:
    return {face: count / len(z) for face, count in Counter(_faces(z)).items()}


def make_problem(A: np.ndarray, b: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Problem:
    """Laws and bounds without inequalities, ratios or steps."""
    n = A.shape[1]
    A, b, lower, upper = (torch.as_tensor(np.asarray(x, dtype=np.float64)) for x in (A, b, lower, upper))
    return Problem(
        A=A, b=b, C=torch.zeros(0, n).double(), d=torch.zeros(0).double(), lower=lower, upper=upper,
        resolution=torch.zeros(n).double(), given=torch.zeros(n, dtype=torch.bool), ratios=(),
        names=tuple(f"z{i}" for i in range(n)), law_names=tuple(f"law {i}" for i in range(len(A))), inequality_names=(),
    )  # fmt: skip


def zero_inflated(name: str, alpha: np.ndarray, there: np.ndarray) -> Truth:
    """Parts of 100, each there with a probability of its own (the first always): on every face a Dirichlet."""
    n, whole = len(alpha), 100.0
    patterns = [np.array(p) for p in itertools.product([True, False], repeat=n) if p[0]]
    shares = [np.where(p, there, 1 - there).prod() for p in patterns]

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        parts = rng.gamma(alpha, 1.0, (count, n)) * (rng.random((count, n)) < there)
        parts = whole * parts / parts.sum(1, keepdims=True)
        parts[:, 0] += whole - parts.sum(1)
        return parts

    def log_density(z: np.ndarray) -> np.ndarray:
        on = z > 0
        a, k = np.where(on, alpha, 0.0), on.sum(1)
        powers = np.where(on, (alpha - 1) * np.log(np.where(on, z, 1.0) / whole), 0.0).sum(1)
        flat = gammaln(a.sum(1)) - np.where(on, gammaln(alpha), 0.0).sum(1) + powers
        face = np.log(np.where(on, there, 1 - there).clip(1e-300)).sum(1)
        return face + flat - (k - 1) * np.log(whole) - 0.5 * np.log(k)

    mean, second = np.zeros(n), np.zeros((n, n))
    for pattern, share in zip(patterns, shares, strict=True):
        a = alpha * pattern
        mean += share * whole * a / a.sum()
        second += share * whole**2 * (np.outer(a, a) + np.diag(a)) / (a.sum() * (a.sum() + 1))
    problem = make_problem(np.ones((1, n)), np.array([whole]), np.zeros(n), np.full(n, whole))
    return Truth(name, problem, draw, log_density, (mean, second - np.outer(mean, mean)))


class Cut:
    """A mixture of normals in R^n with `weights` (K,), `means` (K, n) and `covariances` (K, n, n), given `A z = b`, and
    cut by bounds. In an orthonormal basis of the null space it is a mixture of normals."""

    def __init__(self, weights, means, covariances, A, b, lower, upper):  # type: ignore[no-untyped-def]
        self.origin, self.basis = np.linalg.lstsq(A, b, rcond=None)[0], null_space(A)
        self.lower, self.upper = lower, upper
        evidence = [multivariate_normal(A @ m, A @ S @ A.T).logpdf(b) for m, S in zip(means, covariances, strict=True)]
        self.log_weights = np.log(weights) + evidence - logsumexp(np.log(weights) + evidence)
        precisions = [self.basis.T @ np.linalg.inv(S) @ self.basis for S in covariances]
        pulls = [self.basis.T @ np.linalg.inv(S) @ (m - self.origin) for m, S in zip(means, covariances, strict=True)]
        self.parts = [
            multivariate_normal(np.linalg.solve(P, pull), np.linalg.inv(P))
            for P, pull in zip(precisions, pulls, strict=True)
        ]

    def uncut(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (count, n) on the laws, bounds or not."""
        which = rng.choice(len(self.parts), count, p=np.exp(self.log_weights))
        t = np.empty((count, self.basis.shape[1]))
        for k, part in enumerate(self.parts):
            t[which == k] = part.rvs((which == k).sum(), random_state=rng).reshape(-1, t.shape[1])
        return self.origin + t @ self.basis.T

    def inside(self, z: np.ndarray) -> np.ndarray:
        """Which draws (count,) are within the bounds."""
        return ((z > self.lower) & (z < self.upper)).all(1)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (count, n) by rejection."""
        kept = [np.zeros((0, len(self.origin)))]
        while sum(map(len, kept)) < count:
            z = self.uncut(count, rng)
            kept.append(z[self.inside(z)])
        return np.concatenate(kept)[:count]

    @cached_property
    def log_mass(self) -> float:
        """The log of the probability that a draw is within the bounds, from half a million draws."""
        return float(np.log(self.inside(self.uncut(500_000, np.random.default_rng(96))).mean()))

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """On the laws, with respect to Lebesgue measure there."""
        t = (z - self.origin) @ self.basis
        parts = [w + part.logpdf(t) for w, part in zip(self.log_weights, self.parts, strict=True)]
        return logsumexp(parts, 0) - self.log_mass


def cut(name: str, weights, means, covariances, A, b, lower, upper) -> Truth:  # type: ignore[no-untyped-def]
    """See `Cut`."""
    made = Cut(*(np.asarray(x, dtype=float) for x in (weights, means, covariances, A, b, lower, upper)))
    problem = make_problem(np.asarray(A, dtype=float), b, lower, upper)
    return Truth(name, problem, made.draw, made.log_density)


def process(name: str, points: int, integral: float) -> Truth:
    """A Gaussian process on [0, 1] whose mean over equally spaced points is given."""
    t = np.linspace(0, 1, points)
    prior = np.exp(-0.5 * ((t[:, None] - t) / 0.25) ** 2) + 0.02 * np.eye(points)
    made = cut(
        name, [1.0], [np.sin(2 * np.pi * t)], [prior], np.full((1, points), 1 / points), [integral],
        np.full(points, -np.inf), np.full(points, np.inf),
    )  # fmt: skip
    row, centre = np.full(points, 1 / points), np.sin(2 * np.pi * t)
    gain = prior @ row / (row @ prior @ row)
    moments = centre + gain * (integral - row @ centre), prior - np.outer(gain, row @ prior)
    return Truth(name, made.problem, made.draw, made.log_density, moments)


def ions(name: str, medians: Sequence[float], spread: float) -> Truth:
    """Concentrations whose charges balance, `z0 + 2 z1 = z2 + z3`: the first three lognormal, given that the last is
    positive. Compared in logarithms, as they lie on decades."""
    law, centre = np.array([[1.0, 2.0, -1.0, -1.0]]), np.log(medians)

    def uncut(count: int, rng: np.random.Generator) -> np.ndarray:
        z = np.exp(rng.normal(centre, spread, (count, 3)))
        return np.column_stack([z, z @ law[0, :3]])

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        kept = [np.zeros((0, 4))]
        while sum(map(len, kept)) < count:
            z = uncut(count, rng)
            kept.append(z[z[:, 3] > 0])
        return np.concatenate(kept)[:count]

    log_mass = np.log((uncut(500_000, np.random.default_rng(96))[:, 3] > 0).mean())

    def log_density(z: np.ndarray) -> np.ndarray:
        each = norm.logpdf(np.log(z[:, :3]), centre, spread) - np.log(z[:, :3])
        # A unit of the first three is so much volume of the law's plane.
        return each.sum(1) - log_mass - np.log(np.linalg.norm(law / law[0, 3]))

    problem = make_problem(law, np.zeros(1), np.zeros(4), np.full(4, np.inf))
    return Truth(name, problem, draw, log_density, view=np.log)


def steady_states(name: str) -> Truth:
    """Normal variables on the steady states of a metabolism in one medium, cut by the bounds of its fluxes.

    A polyhedron of 24 dimensions in 95 variables, some of which are a millionth as wide as others. Exact draws are
    those of long chains.
    """
    whole = polyhedron(MEDIUM)

    @cache
    def normal() -> tuple[torch.Tensor, torch.Tensor]:
        center, wide = _moments(HitAndRun(whole, generator=_seeded(1)).sample(20_000, _seeded(2)))
        wide = wide.clamp_min(1e-3)
        return center + 0.5 * wide * torch.randn(len(wide), generator=_seeded(3), dtype=torch.float64), wide

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        seeds = rng.integers(2**31, size=2).tolist()
        return HitAndRun(whole, *normal(), generator=_seeded(seeds[0])).sample(count, _seeded(seeds[1])).numpy()

    system, bounds, limits = whole.system, whole.bounds, whole.inequalities
    plain = make_problem(system.A.numpy(), system.b.numpy(), bounds.lower.numpy(), bounds.upper.numpy())
    names = tuple(f"limit {i}" for i in range(len(limits.d)))
    return Truth(name, replace(plain, C=limits.C, d=limits.d, inequality_names=names), draw, None)


def _moments(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return z.mean(0), z.std(0)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def truths() -> list[Truth]:
    """All of them, in the order of the table."""
    two_laws, inf = [[1, 1, -1, 0, 0], [0, 1, 1, -1, -1]], np.inf
    return [
        cut(
            "mixture of normals, two laws, positive", [0.6, 0.4],
            [[1.0, 2.0, 3.0, 2.0, 3.0], [3.0, 0.5, 3.5, 1.0, 3.0]],
            [np.diag([0.5, 0.8, 1.0, 0.6, 1.5]), np.diag([0.4, 0.2, 0.5, 0.3, 0.8])],
            two_laws, [0, 0], [0] * 5, [inf] * 5,
        ),
        zero_inflated("Dirichlet", np.array([4.0, 2.0, 1.5, 1.0]), np.ones(4)),
        zero_inflated("zero-inflated composition", np.array([3.0, 1.5, 1.0, 2.0]), np.array([1.0, 0.9, 0.6, 0.3])),
        process("Gaussian process, fixed integral", 10, 0.5),
        cut(
            "normal, cut to a polytope", [1.0], [[0.5, 0.2, 0.1, 0.4]], [np.diag([0.09, 0.04, 0.04, 0.16])],
            [[1, 1, 1, 1]], [1], [0] * 4, [0.6, 0.5, 0.4, 0.7],
        ),
        ions("lognormal ions, charges that balance (in logarithms)", [1.0, 0.3, 0.5], 1.2),
        steady_states("normal, cut to the steady states of a metabolism"),
    ]  # fmt: skip
