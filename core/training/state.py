"""What a training has become so far: weights, their average, optimisers, random numbers; all that going on needs."""

from __future__ import annotations

import copy
from dataclasses import astuple
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from lawful.core.errors import InvalidValueError
from lawful.core.models.base import Events, Trainable, Turn
from lawful.core.training.schedule import Fitted, Progress, Schedule


class Training:
    """A model on its way: `step` steps are done, `average` is over them, `best` the one of least validation loss.

    An optimiser for each `Turn` of the model: AdamW with a one-cycle rate (Smith & Topin 2017, arXiv:1708.07120). The
    average is exponential (Polyak & Juditsky 1992, doi:10.1137/0330046).
    """

    def __init__(self, model: Trainable, schedule: Schedule, generator: torch.Generator, fabric: Fabric):
        self.model, self.schedule, self.generator, self.fabric = model, schedule, generator, fabric
        self.average = copy.deepcopy(model).eval().to(fabric.device)
        self.turns = model.turns(schedule.weight_decay)
        pairs = [_optimizer(turn, schedule) for turn in self.turns]
        self.rates = [rate for _, rate in pairs]
        self.shared, *self.optimizers = fabric.setup(model, *(optimizer for optimizer, _ in pairs))
        for turn in self.turns:
            self.shared.mark_forward_method(turn.loss)
        self.step, self.history = 0, list[Progress]()
        self.best = copy.deepcopy(self.average.state_dict())

    def take(self, number: int, batch: Events) -> float:
        """One step of the optimiser of a turn; gives the loss before it."""
        turn, optimizer = self.turns[number], self.optimizers[number]
        self.model.train()
        with self.fabric.autocast():
            loss = getattr(self.shared, turn.loss)(batch)
        optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.shared, optimizer, max_norm=self.schedule.clip, error_if_nonfinite=False)
        optimizer.step()
        return loss.item()

    def advance(self) -> None:
        """The end of a step: next rates, and the weights into their average."""
        self.step += 1
        for rate in self.rates:
            rate.step()
        _update_average(self.average, self.model, min(self.schedule.averaging, self.step / (self.step + 20)))

    def record(self, progress: Progress) -> None:
        """Remember a check, and the averaged weights where none were better."""
        if progress.validation < self.fitted.validation:
            self.best = copy.deepcopy(self.average.state_dict())
        self.history.append(progress)

    @property
    def fitted(self) -> Fitted:
        """The outcome so far."""
        return Fitted.of(self.history)

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, text, lists and dictionaries with text for keys: what JSON and safetensors can keep."""
        return {
            "step": self.step,
            "history": [list(astuple(progress)) for progress in self.history],
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizers": [_with_text_keys(optimizer.state_dict()) for optimizer in self.optimizers],
            "rates": [rate.state_dict() for rate in self.rates],
            "random": self._random_states(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken, with the same random numbers.

        Raises:
            InvalidValueError: the state is that of another training, or none.
        """
        try:
            self._load(state)
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InvalidValueError(f"The state to go on from is not one of this training ({reason}).") from error

    def _load(self, state: dict[str, Any]) -> None:
        self.step, self.history = state["step"], [Progress(*numbers) for numbers in state["history"]]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.best = {name: tensor.to(self.fabric.device) for name, tensor in state["best"].items()}
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(_with_number_keys(saved))
        for rate, saved in zip(self.rates, state["rates"], strict=True):
            rate.load_state_dict(saved)
        self._restore_random_states(state["random"])

    def _random_states(self) -> dict[str, torch.Tensor]:
        states = {"batches": self.generator.get_state(), "cpu": torch.get_rng_state()}
        if self.fabric.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        return states

    def _restore_random_states(self, states: dict[str, torch.Tensor]) -> None:
        self.generator.set_state(states["batches"])
        torch.set_rng_state(states["cpu"])
        if "cuda" in states and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self.fabric.device)


def _optimizer(turn: Turn, schedule: Schedule) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = [{key: value for key, value in group.items() if key != "pace"} for group in turn.groups]
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate, betas=turn.betas or (0.9, 0.999))
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        [schedule.rate * group["pace"] for group in turn.groups],
        total_steps=schedule.steps + 1,
        pct_start=0.05,
        cycle_momentum=turn.betas is None,
    )
    return optimizer, cycle


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, keep: float) -> None:
    for mean, current in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(current, 1 - keep)


def _with_text_keys(optimizer: dict[str, Any]) -> dict[str, Any]:
    return {**optimizer, "state": {str(number): state for number, state in optimizer["state"].items()}}


def _with_number_keys(optimizer: dict[str, Any]) -> dict[str, Any]:
    return {**optimizer, "state": {int(number): state for number, state in optimizer["state"].items()}}
