"""Windows in time: the states that they start from, then one step after another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lawful.core.coordinates import Chart, Steps
from lawful.core.models.bagged import BaggedModel
from lawful.core.models.base import Settings
from lawful.core.models.memory import Memory
from lawful.core.models.sampling import Sampled, sample_events
from lawful.core.models.seen import SeenModel, SeenStates

_STILL = 1e-6
"""Of its size, a feature whose standard deviation is less is constant but for rounding."""


class WindowModel(nn.Module):
    """`p(window) = p(first states | context) prod_t p(step_t | its first states, memory of steps before, context)`.

    All steps share one model on the chart of one step, in which the states that it starts from are given. A law that
    links a step to the next is thus a law of a single step, and zeros and bounds are those of any other event. What is
    given, such as precipitation, is known to its own step and, through the memory, to later ones.

    Args:
        family: of the models of states and of steps.
        steps: which variables of a window are those of each step.
        of_step: the chart of a step.
        of_start: the chart of the first states; None where there are none to generate.
        context_size: features of a step's context.
        settings: of both models.
    """

    context_mean: Tensor
    context_std: Tensor

    def __init__(
        self,
        family: str,
        steps: Steps,
        of_step: Chart,
        of_start: Chart | None,
        context_size: int,
        settings: Settings | None = None,
    ):
        super().__init__()
        self.steps, self.context_size = steps, context_size
        inner = slice(steps.carried, len(steps.names) - steps.carried)
        self.inner = inner
        self.memory = Memory(of_step.problem.lower[inner], of_step.problem.upper[inner])
        self.step = BaggedModel(family, of_step, context_size + self.memory.size, settings)
        self.start = None if of_start is None else BaggedModel(family, of_start, context_size, settings)
        self.seen = SeenStates(len(of_step.states.table), context_size)
        self.register_buffer("context_mean", torch.zeros(context_size))
        self.register_buffer("context_std", torch.ones(context_size))

    def fit_features(self, context: Tensor, z: Tensor, ids: Tensor) -> None:
        """Moments of contexts `(N, T, c)` and of steps `z` (N, T, k) of training windows in the states `ids` (N T,)."""
        self.seen.fit(ids, context.flatten(0, 1))
        if self.context_size:
            flat = context.flatten(0, 1)
            self.context_mean, std = flat.mean(0), flat.std(0, correction=0)
            self.context_std = torch.where(std > _STILL * flat.abs().amax(0), std, 1.0)
        self.memory.fit(z[..., self.inner])

    def known(self, context: Tensor, z: Tensor) -> Tensor:
        """What the model of steps is told of each step of training windows, `(N, T, features)` float32."""
        memory = self.memory.before_each(z[..., self.inner])
        return torch.cat([self.standard(context), memory.float()], -1)

    def standard(self, context: Tensor) -> Tensor:
        """Contexts `(..., c)` with the moments of the training windows taken out."""
        return (context - self.context_mean) / self.context_std

    def sample_windows(
        self,
        context: Tensor,
        given: Tensor,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float64,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Sampled:
        """A window for each row of `context` (B, T, c) and `given` (B, n), lawful in the precision `dtype`.

        Raises:
            InfeasibleEventsError: some steps stay unlawful after many draws.
        """
        context, z = self.standard(context), given.to(dtype, copy=True)
        redrawn, memory, model = 0, self.memory.begin(len(z)), SeenModel(self.step, self.seen)
        if self.start is not None:
            columns = self.steps.columns[0, : self.steps.carried]
            drawn = sample_events(
                self.start, self.start.chart, context[:, 0], z[:, columns].double(), generator, dtype=dtype
            )
            z[:, columns], redrawn = drawn.z, drawn.redrawn
        for step, columns in enumerate(self.steps.columns):
            told = torch.cat([context[:, step], memory.float()], -1)
            drawn = sample_events(model, self.step.chart, told, z[:, columns].double(), generator, dtype=dtype)
            z[:, columns], redrawn = drawn.z, redrawn + drawn.redrawn
            memory = self.memory.after(memory, drawn.z.double()[:, self.inner])
            progress(len(z) // len(self.steps))
        return Sampled(z, redrawn)
