"""What `benchmark_normal.py` measures lawful against: two rivals written out, and layers from PyPI where installed."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """Dense laws A (m, n) for a batch, right-hand sides, points and incoming gradients per sample."""

    A: Tensor
    b: Tensor
    x: Tensor
    gradient: Tensor

    @classmethod
    def random(cls, n: int, dtype: torch.dtype, batch: int = 1024) -> "Case":
        generator = torch.Generator().manual_seed(n)
        sizes = (n // 8, n), (batch, n // 8), (batch, n), (batch, n)
        return cls(*(torch.randn(size, generator=generator, dtype=torch.float64).to(dtype) for size in sizes))


Step = Callable[[], tuple[Tensor, ...]]
"""One forward and backward pass: the points, then gradients."""


def kkt(case: Case) -> Step:
    """Orthogonal projection with a factor that was computed before, as Chen, Flores, Li, arXiv:2402.07251 have it."""
    gain, x = torch.linalg.pinv(case.A.double()).to(case.A.dtype), case.x.clone().requires_grad_()

    def step() -> tuple[Tensor, ...]:
        z = x - (x @ case.A.T - case.b) @ gain.T
        return z.detach(), *torch.autograd.grad(z, x, case.gradient)

    return step


class ClosedForm(torch.autograd.Function):
    """`x - V A' S^-1 (A x - b)` with `S = A V A'` of per-sample variances, and its derivative; no refinement."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, v: Tensor, b: Tensor, A: Tensor, products: list[Tensor]) -> Tensor:
        rows, columns = torch.tril_indices(len(A), len(A))
        S = v.new_zeros(len(v), len(A), len(A))
        S[:, rows, columns] = torch.cat([v @ part.T for part in products], 1)
        lower = torch.linalg.cholesky(S)
        across = torch.cholesky_solve((x @ A.T - b).unsqueeze(-1), lower).squeeze(-1) @ A
        ctx.save_for_backward(v, A, lower, across)
        return x - v * across

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        v, A, lower, across = ctx.saved_tensors
        u = torch.cholesky_solve(((v * gradients[0]) @ A.T).unsqueeze(-1), lower).squeeze(-1)
        by_x = gradients[0] - u @ A
        return by_x, -by_x * across, u, None, None


def closed_form(case: Case, scale: Tensor) -> Step:
    """A draw with standard deviations `scale` (batch, n), and gradients by mean and scale."""
    rows, columns = torch.tril_indices(len(case.A), len(case.A))
    products = [*(case.A[rows] * case.A[columns]).split(1024)]
    loc, scale = case.x.clone().requires_grad_(), scale.clone().requires_grad_()

    def step() -> tuple[Tensor, ...]:
        draw = loc + scale * torch.randn_like(scale)
        z = ClosedForm.apply(draw, scale.square(), case.b, case.A, products)
        return z.detach(), *torch.autograd.grad(z, (loc, scale), case.gradient)

    return step


def cvxpylayers(case: Case) -> Step:
    """The projection as a disciplined convex programme, https://pypi.org/project/cvxpylayers/."""
    import cvxpy
    from cvxpylayers.torch import CvxpyLayer

    z, x, b = cvxpy.Variable(case.A.shape[1]), cvxpy.Parameter(case.A.shape[1]), cvxpy.Parameter(case.A.shape[0])
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(z - x)), [case.A.numpy() @ z == b])
    layer, point = CvxpyLayer(problem, parameters=[x, b], variables=[z]), case.x.clone().requires_grad_()

    def step() -> tuple[Tensor, ...]:
        (found,) = layer(point, case.b)
        return found.detach(), *torch.autograd.grad(found, point, case.gradient)

    return step


def qpth(case: Case) -> Step:
    """The projection as a quadratic programme, https://pypi.org/project/qpth/; it needs an inequality, never active."""
    from qpth.qp import QPFunction

    n, point = case.A.shape[1], case.x.clone().requires_grad_()
    eye, row, far = (y.to(case.A.dtype) for y in (torch.eye(n), torch.ones(1, n), torch.full((1,), 1e6)))

    def step() -> tuple[Tensor, ...]:
        z = QPFunction(verbose=-1, check_Q_spd=False)(eye, -point, row, far, case.A, case.b)
        return z.detach(), *torch.autograd.grad(z, point, case.gradient)

    return step


def pinet(case: Case) -> Step:
    """The projection in compiled JAX with a pseudo-inverse, https://pypi.org/project/pinet-hcnn/."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import jax

    jax.config.update("jax_enable_x64", True)
    from pinet import EqualityConstraint, EqualityConstraintsSpecification, ProjectionInstance

    A, b, x, gradient = (jax.numpy.asarray(y.numpy()) for y in (case.A, case.b, case.x, case.gradient))
    laws = EqualityConstraint(A[None], b[..., None], var_b=True)

    def project(x: Any) -> Any:
        at = ProjectionInstance(x=x[..., None], eq=EqualityConstraintsSpecification(b=b[..., None]))
        return laws.project(at).x[..., 0]

    @jax.jit
    def both(x: Any, gradient: Any) -> Any:
        z, pull = jax.vjp(project, x)
        return z, *pull(gradient)

    def step() -> tuple[Tensor, ...]:
        found = jax.block_until_ready(both(x, gradient))
        return tuple(torch.from_numpy(y.__array__().copy()) for y in found)

    return step


PACKAGES = {"cvxpylayers": (cvxpylayers, "cvxpylayers"), "qpth": (qpth, "qpth"), "PiNet": (pinet, "pinet")}
"""Layers from PyPI, and the modules that they need."""


def installed(name: str) -> bool:
    return importlib.util.find_spec(PACKAGES[name][1]) is not None
