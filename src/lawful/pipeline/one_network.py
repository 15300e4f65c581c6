"""Graphs and fields: one network on samples of their own kind, trained, kept, loaded and drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from lawful.core.errors import LawfulError
from lawful.core.models.base import Events, Trainable
from lawful.core.training import Schedule
from lawful.data_recipes.cf import variable_attributes
from lawful.domains import InputError, ShapedDomain
from lawful.domains.field_domain import FieldDomain
from lawful.domains.graph_domain import GraphDomain
from lawful.pipeline.data import validation_mask
from lawful.pipeline.fields import FIELDS
from lawful.pipeline.graphs import GRAPHS
from lawful.pipeline.keeping import Kept
from lawful.pipeline.members import fit_kept
from lawful.pipeline.model_file import require_model, save_network, under
from lawful.pipeline.progress import Console
from lawful.pipeline.reuse import trained_or_reused

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Kind(Protocol):
    """What graphs and fields differ in; `settings` are those of the network."""

    family: str

    def settings(self, domain: Any, fast: bool) -> Any:
        """Size of the network."""

    def schedule(self, fast: bool) -> Schedule:
        """How long to train."""

    def events(self, domain: Any, ds: xr.Dataset) -> Events:
        """Samples, with several where there are several sets of values on one."""

    def model(self, domain: Any, ds: xr.Dataset, settings: Any) -> Trainable:
        """A network that is not trained yet, for data to learn from."""

    def tensors(self, model: Any) -> dict[str, Tensor]:
        """What, with domain and settings, makes the model again, without its weights."""

    def empty(self, domain: Any, tensors: dict[str, Tensor], settings: Any) -> Trainable:
        """The model whose weights are to be loaded."""

    def draw(
        self, model: Any, domain: Any, ds: xr.Dataset, members: int, generator: torch.Generator, dtype: torch.dtype,
        done: Callable[[int], None],
    ) -> tuple[xr.Dataset, dict[str, tuple[tuple[str, ...], np.ndarray]]]:  # fmt: skip
        """What is known of samples, and values with their dimensions, realizations first."""


_KINDS: dict[type[ShapedDomain], Kind] = {GraphDomain: GRAPHS, FieldDomain: FIELDS}


def kind_of(domain: ShapedDomain) -> Kind:
    """How samples of a domain are learned and drawn."""
    return _KINDS[type(domain)]


def train_shaped(
    domain: ShapedDomain,
    data: xr.Dataset,
    out: Path,
    *,
    seed: int = 0,
    settings: Any = None,
    schedule: Schedule | None = None,
    resume: bool = False,
    device: str = "cpu",
    mixed: bool = False,
    facts: dict[str, Any] | None = None,
    console: Console | None = None,
) -> tuple[Trainable, dict[str, Any]]:
    """A model of the values of `data` in the folder `out`, and what it is; an eighth of the blocks judge the training.

    A finished training of the same `facts` there is used again. With `resume` one that was cut off goes on from its
    checkpoint.

    Raises:
        InputError: the data do not hold samples of the domain, or the training diverged.
    """
    kind = kind_of(domain)
    settings, schedule = settings or kind.settings(domain, False), schedule or kind.schedule(False)
    facts = {
        **model_facts(domain, settings), "seed": seed, "schedule": asdict(schedule), "mixed": mixed, **(facts or {})
    }  # fmt: skip

    def train(fabric: Fabric, kept: Kept) -> tuple[Trainable, dict[str, Any]]:
        return _train(domain, data, settings, schedule, seed, fabric, kept)

    return trained_or_reused(
        out, facts, console or Console(), resume=resume, device=device, mixed=mixed,
        load=lambda: load_shaped(domain, out, settings), train=train,
        save=lambda model, outcome: save_network(out, model, outcome, _named(kind.tensors(model))),
    )  # fmt: skip


def _train(
    domain: ShapedDomain, data: xr.Dataset, settings: Any, schedule: Schedule, seed: int, fabric: Fabric, kept: Kept
) -> tuple[Trainable, dict[str, Any]]:
    kind = kind_of(domain)
    events = kind.events(domain, data)
    torch.manual_seed(seed)
    model = kind.model(domain, data, settings)
    # All values on one sample are on one side.
    mask = validation_mask(data, domain, np.random.default_rng(seed))
    mask = mask.repeat(len(events) // len(mask))
    title, generator = f"training on {len(events)} {domain.event_dim}s", torch.Generator().manual_seed(seed)
    with kept.ending_well():
        fitted = fit_kept(model, [events], mask, schedule, generator, fabric, kept, title)
    return model.cpu(), {"validation_loss": fitted.validation, "best_step": fitted.step, "processes": fabric.world_size}


def load_shaped(
    domain: ShapedDomain, folder: Path, settings: Any = None, facts: dict[str, Any] | None = None
) -> Trainable:
    """The finished model in a folder, on the CPU.

    Raises:
        InputError: there is none, it is damaged, or it is one of another domain, other settings or other `facts`.
    """
    kind = kind_of(domain)
    settings = settings or kind.settings(domain, False)
    content = require_model(folder, {**model_facts(domain, settings), **(facts or {})})
    try:
        tensors = load(content)
        model = kind.empty(domain, under("chart.", tensors), settings)
        model.load_state_dict(under("network.", tensors))
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: not a model for this domain ({' '.join(str(error).split())[:200]})") from error
    return model.eval()


def generate_shaped(
    model: nn.Module,
    domain: ShapedDomain,
    samples: xr.Dataset,
    *,
    members: int = 20,
    seed: int = 0,
    dtype: str = "float64",
    done: Callable[[int], None] = lambda count: None,
) -> xr.Dataset:
    """`members` realizations of the values on each of `samples`, with all that is known of these.

    Raises:
        InputError: the data do not hold samples of the domain, or no lawful values were found.
    """
    generator, number_type = torch.Generator().manual_seed(seed), getattr(torch, dtype)
    try:
        known, drawn = kind_of(domain).draw(model, domain, samples, members, generator, number_type, done)
    except LawfulError as error:
        raise InputError(f"domain {domain.name!r}: {error}") from error
    said = {"standard_name": "realization", "long_name": "ensemble member", "units": "1"}
    values = {
        v.name: (*drawn[v.name], {**variable_attributes(v), "coverage_content_type": "modelResult"})
        for v in domain.generated
    }
    realization = ("realization", np.arange(members, dtype=np.int32), said)
    return known.assign(values).assign_coords(realization=realization)


def model_facts(domain: ShapedDomain, settings: Any) -> dict[str, Any]:
    """What a model must agree with to be used, in types that JSON knows."""
    return {
        "domain": domain.name, "laws": domain.law_hash(), "model": kind_of(domain).family, "network": asdict(settings)
    }  # fmt: skip


def _named(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"chart.{name}": tensor for name, tensor in tensors.items()}
