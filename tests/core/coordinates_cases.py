"""Problems with synthetic lawful events, one for each thing that a chart has to cope with."""

import numpy as np
import torch

from lawful.core.coordinates import Problem, Ratio

INF = float("inf")


def tensor(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def make_problem(A, b, lower, upper, *, C=(), d=(), resolution=None, ratios=(), given=()) -> Problem:
    """Variables a, b, c ..., laws law0 ..., inequalities limit0 ..."""
    n = len(lower)
    A, C = tensor(A).reshape(-1, n), tensor(C).reshape(-1, n)
    return Problem(
        A=A,
        b=tensor(b).reshape(-1),
        C=C,
        d=tensor(d).reshape(-1),
        lower=tensor(lower),
        upper=tensor(upper),
        resolution=tensor(resolution or [0.0] * n),
        given=torch.zeros(n, dtype=torch.bool),
        ratios=tuple(ratios),
        names=tuple("abcdefghijkl"[:n]),
        law_names=tuple(f"law{i}" for i in range(len(A))),
        inequality_names=tuple(f"limit{i}" for i in range(len(C))),
    ).with_given(tuple(given))


def _completion(rng, N):
    a, b = rng.gamma(2, 1, (2, N)) * (rng.random((2, N)) < 0.7)
    return make_problem([[1, -1, -1]], [0], [0, 0, -INF], [INF] * 3), np.stack([a, b, a - b], 1)


def _composition(rng, N):
    parts = rng.gamma(1, 1, (N, 5)) * (rng.random((N, 5)) < [1, 0.9, 0.7, 0.8, 0.5])
    parts = 100 * parts / parts.sum(1, keepdims=True)
    parts[:, 0] += 100 - parts.sum(1)
    return make_problem([[1] * 5], [100], [0] * 5, [100] * 5), parts


def _two_sided(rng, N):
    parts = rng.beta(1, 2, (N, 3)) * 4 - 2
    total = parts.sum(1)
    problem = make_problem([[1, 1, 1, -1, 0], [0, 0, 0, 1, 1]], [0, 1], [-2] * 3 + [-6, -5], [2] * 3 + [6, 7])
    return problem, np.column_stack([parts, total, 1 - total])


def _inequality(rng, N):
    small = rng.gamma(2, 1, N)
    large = small + rng.gamma(2, 1, N) * (rng.random(N) < 0.6)
    other = np.where(rng.random(N) < 0.5, 20 - 1.5 * large, rng.uniform(-5, 0, N))
    problem = make_problem(
        [[1, 1, 1, -1]], [0], [0, 0, -INF, -INF], [INF] * 4, C=[[1, -1, 0, 0], [0, 1.5, 1, 0]], d=[0, 20]
    )
    other = np.minimum(other, 20 - 1.5 * large)
    return problem, np.stack([small, large, other, small + large + other], 1)


def _ratio(rng, N, given=()):
    sun = rng.gamma(2, 50, N) * (rng.random(N) < 0.6)
    albedo = np.where(rng.random(N) < 0.3, 0.25, rng.uniform(0.1, 0.4, N))
    rest = rng.normal(0, 30, N)
    up = albedo * sun
    problem = make_problem(
        [[1, -1, 1, -1]],
        [0],
        [0, 0, -INF, -INF],
        [INF] * 4,
        C=[[-1, 1, 0, 0]],
        d=[0],
        ratios=[Ratio("albedo", 1, 0, 0.0, 1.0)],
        given=given,
    )
    return problem, np.stack([sun, up, rest, sun - up + rest], 1)


def _quantised(rng, N):
    rain = 0.2 * np.round(rng.gamma(1, 1, N) * (rng.random(N) < 0.5) / 0.2)
    change = 0.5 * np.round(rng.normal(0, 2, N))
    evap = rng.normal(0, 1, N)
    problem = make_problem([[1, 1, -1, -1]], [0], [0, -INF, -INF, -INF], [INF] * 4, resolution=[0.2, 0.5, 0, 0])
    return problem, np.stack([rain, change, evap, rain + change - evap], 1)


def _off_grid(rng, N):
    reading = np.clip(0.5 * np.round(rng.normal(5, 0.8, N) / 0.5), 3.5, 6.5)
    share = rng.uniform(0.1, 0.9, N)
    problem = make_problem([[1, -1, -1]], [0], [3.4, 0, 0], [6.6, 7, 7], resolution=[0.5, 0, 0])
    return problem, np.stack([reading, share * reading, reading - share * reading], 1)


def _given(rng, N):
    problem, z = _composition(rng, N)
    return problem.with_given(("b", "d")), z


def _mixed_signs(rng, N):
    x = rng.gamma(3, 1, (N, 4)) * 10.0 ** np.array([0, 0, -3, -3])
    total, balance = 2 * x[:, 0] - x[:, 1] + 5, 1000 * x[:, 2] - x[:, 1] - 1000 * x[:, 3]
    problem = make_problem(
        [[2, -1, 0, 0, -1, 0], [0, -1, 1000, -1000, 0, -1]], [-5, 0], [0] * 4 + [-INF] * 2, [INF] * 4 + [40, INF]
    )
    return problem, np.column_stack([x, total, balance])


def _no_laws(rng, N):
    a = rng.gamma(2, 1, N)
    return make_problem([], [], [0, 0], [INF] * 2, C=[[1, -1]], d=[0]), np.stack([a, a + rng.gamma(1, 1, N)], 1)


MAKERS = {
    "completion": _completion,
    "composition": _composition,
    "two-sided": _two_sided,
    "inequality": _inequality,
    "ratio": _ratio,
    "ratio, given denominator": lambda rng, N: _ratio(rng, N, given=("a",)),
    "quantised": _quantised,
    "quantised, bounds off the grid": _off_grid,
    "given": _given,
    "mixed signs": _mixed_signs,
    "no laws": _no_laws,
}


def make_case(name: str, N: int = 600, seed: int = 0) -> tuple[Problem, torch.Tensor]:
    """A problem and N of its events, float64 `(N, n)`."""
    problem, z = MAKERS[name](np.random.default_rng(seed), N)
    return problem, tensor(z)
