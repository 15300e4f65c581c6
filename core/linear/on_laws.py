"""The derivative of least moves, in closed form.

A point `x` is moved to `z = x - V A' S^-1 (A x - b)` with `S = A V A'`, `V = diag(root^2)`. With `u = S^-1 A V g` for a
gradient `g` by z: `g - A' u` by x, `u` by b, and `-2 (g - A' u) (x - z) / root` by root.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lawful.core.linear.exact import with_gradient_of

Settled = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Points (..., n) to lawful ones and, where the gradient of weights needs them, the moves; both of the same dtype."""


class _Moved(torch.autograd.Function):
    """What `settled` makes of z, differentiated as the least move in `metric` that leads there; any order."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, b: Tensor, root: Tensor, metric: Any, settled: Settled, residual_of: Any
    ) -> Tensor:
        value, step = settled(z)
        ctx.save_for_backward(z, b, root, step)
        ctx.metric, ctx.residual_of = metric, residual_of
        return value.view_as(value) if value is z else value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        z, b, root, step = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *_again(ctx, z, b, root, gradients[0]), None, None, None
        by_z, by_b = ctx.metric.adjoint(gradients[0], ctx.needs_input_grad[1])
        by_root = None
        if ctx.needs_input_grad[2]:
            by_root = torch.addcdiv(by_z.new_zeros(()), by_z * step, root.to(by_z.dtype), value=-2)
        return _like(by_z, z), _like(by_b, b), _like(by_root, root), None, None, None


def _like(gradient: Tensor | None, x: Tensor) -> Tensor | None:
    """`gradient` summed to the shape of x, in its dtype."""
    if gradient is None or (gradient.shape == x.shape and gradient.dtype == x.dtype):
        return gradient
    return gradient.sum_to_size(x.shape).to(x.dtype)


def _again(ctx: Any, z: Tensor, b: Tensor, root: Tensor, gradient: Tensor) -> tuple[Tensor | None, ...]:
    """The same gradients as a differentiable expression, for derivatives of higher order.

    Fresh points and residuals, since z may itself be computed from b or root: their own part would count twice.
    """
    residual, gradient = ctx.residual_of(z), gradient.double()
    point = z.detach().expand(gradient.shape).requires_grad_()
    probe = residual.detach().expand(*gradient.shape[:-1], residual.shape[-1]).requires_grad_()
    by_b = _pulled(ctx.metric.move(probe), probe, gradient)
    by_z = gradient - _pulled(ctx.residual_of(point), point, by_b)
    by_root = -2 * by_z * ctx.metric.move(residual) / root if ctx.needs_input_grad[2] else None
    return _like(by_z, z), _like(by_b, b), _like(by_root, root)


def _pulled(output: Tensor, x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient by x, differentiable; zeros where laws without coefficients use none of it."""
    if not output.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(output, x, gradient, create_graph=True, allow_unused=True, materialize_grads=True)[0]


def moved(z: Tensor, b: Tensor, metric: Any, settled: Settled, residual_of: Callable[[Tensor], Tensor]) -> Tensor:
    """The points that `settled` finds for z (..., n) by moves in `metric`, in its dtype; differentiable in all.

    Metrics of weights have `adjoint`, the closed form; others are differentiated as they compute their moves.
    """
    closed = hasattr(metric, "adjoint")
    if torch.is_grad_enabled() and closed and (z.requires_grad or b.requires_grad or metric.root.requires_grad):
        return _Moved.apply(z, b, metric.root, metric, settled, residual_of)
    with torch.no_grad():
        value, _ = settled(z)
    if closed or not torch.is_grad_enabled():
        return value
    return with_gradient_of(z - metric.move(residual_of(z)), value).to(z.dtype)
