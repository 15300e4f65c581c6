"""Devices, precision and processes, by Lightning Fabric; several processes are those that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import Strategy


def is_main_process() -> bool:
    """Whether this process is the only one, or the first of those that `torchrun` started: the one that writes."""
    return not _by_torchrun() or os.environ["RANK"] == "0"


def process_count() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if _by_torchrun() else 1


@contextmanager
def launched(device: str = "cpu", *, mixed: bool = False) -> Iterator[Fabric]:
    """Fabric on one `device`, "cpu" or "cuda", for each process of this training.

    With `mixed`, networks compute in bfloat16; coordinates, losses and laws do not (`core/precision.py`).
    """
    # Here, because it is slow to import and only trainings need it.
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

    from lawful.core.training.mixed import NetworkPrecision

    # Named, or Fabric would look for a scheduler's variables and take its tasks for processes of this training.
    environment = TorchElasticEnvironment() if _by_torchrun() else LightningEnvironment()

    each = int(os.environ["LOCAL_WORLD_SIZE"]) if _by_torchrun() else 1
    fabric = Fabric(
        accelerator=device,
        devices=each,
        num_nodes=process_count() // each,
        strategy=_shared_gradients() if process_count() > 1 else "auto",
        plugins=[environment, *([NetworkPrecision(device)] if mixed else [])],
    )
    fabric.launch()
    try:
        yield fabric
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _by_torchrun() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def _shared_gradients() -> Strategy:
    """Gradients averaged over processes; a parameter may have no part in a loss."""
    from lightning_fabric.strategies import DDPStrategy

    return DDPStrategy(find_unused_parameters=True)
