"""Trains on graphs of a domain, keeps and loads models, and draws ensembles."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from safetensors import SafetensorError
from safetensors.torch import load

from lawful import __version__
from lawful.core.models import InfeasibleEventsError
from lawful.core.models.graphs import GraphModel, GraphSettings
from lawful.core.training import Schedule, fit, launched
from lawful.domains import InputError
from lawful.domains.graph_domain import GraphDomain
from lawful.pipeline.keeping import Kept, found_in
from lawful.pipeline.model_file import mark_started, require_model, save_network
from lawful.pipeline.progress import Console

_VALIDATION_SHARE = 1 / 8
SCHEDULE = Schedule(steps=1500, batch_size=64)


def train_graphs(
    domain: GraphDomain,
    data: xr.Dataset,
    out: Path,
    *,
    seed: int = 0,
    settings: GraphSettings | None = None,
    schedule: Schedule = SCHEDULE,
    resume: bool = False,
    device: str = "cpu",
) -> GraphModel:
    """A model of the values of `data`, written to the folder `out`; an eighth of the graphs judge the training.

    With `resume` a training that was cut off there goes on from its checkpoint.

    Raises:
        InputError: the data do not hold graphs of the domain, or the training diverged.
    """
    graphs, count = domain.graphs(data), data.sizes[domain.graph]
    settings = settings or GraphSettings()
    console = Console()
    facts = {**graph_facts(domain, settings), "seed": seed, "schedule": asdict(schedule), "data": _digest(domain, data)}
    kept = found_in(out, facts, console) if resume else None
    mark_started(out, over=kept is None)
    kept = kept or Kept(out, facts, console)
    torch.manual_seed(seed)
    model = _empty(domain, settings)
    judges = np.random.default_rng(seed).permutation(count)[: max(1, round(_VALIDATION_SHARE * count))]
    # All values on one graph are on one side.
    validation = torch.from_numpy(np.isin(np.arange(count), judges)).repeat(len(graphs) // count)
    with kept.ending_well(), launched(device) as fabric:
        generator = torch.Generator().manual_seed(seed)
        fitted = fit(model, [graphs], validation, schedule, generator, fabric=fabric, keeper=kept, state=kept.state)
    if not np.isfinite(fitted.validation):
        raise InputError(
            "the training diverged: no step had a finite loss; look for extreme values, or try another seed"
        )
    save_network(out, model.cpu(), {**facts, "validation_loss": fitted.validation, "best_step": fitted.step})
    return model


def load_graph_model(domain: GraphDomain, folder: Path, settings: GraphSettings | None = None) -> GraphModel:
    """The finished model in a folder, on the CPU.

    Raises:
        InputError: there is none, it is damaged, or it is one of another domain or of other settings.
    """
    settings = settings or GraphSettings()
    content = require_model(folder, graph_facts(domain, settings))
    model = _empty(domain, settings)
    try:
        model.load_state_dict({name.removeprefix("network."): tensor for name, tensor in load(content).items()})
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: not a model for this domain ({' '.join(str(error).split())[:200]})") from error
    return model.eval()


def generate_graphs(
    model: GraphModel,
    domain: GraphDomain,
    graphs: xr.Dataset,
    *,
    members: int = 20,
    seed: int = 0,
    dtype: str = "float64",
    chunk: int = 512,
) -> xr.Dataset:
    """`members` realizations of the values on each of `graphs`; dims (realization, nodes).

    Raises:
        InputError: the data do not hold graphs of the domain, or bounds leave no values with some total.
    """
    bare = graphs.drop_vars(domain.value.name, errors="ignore")
    asked = domain.graphs(bare, values=False)
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for rows in torch.arange(len(asked)).split(chunk):
        try:
            parts.append(model.sample(asked[rows], generator, draws=members, dtype=getattr(torch, dtype)))
        except InfeasibleEventsError as error:
            raise InputError(
                f"{domain.graph} {int(rows[error.events[0]])}: no {domain.value.name}s found in bounds"
            ) from error
    described = {"long_name": domain.value.description, "units": domain.value.units}
    realization = ("realization", np.arange(members, dtype=np.int32), {"standard_name": "realization", "units": "1"})
    values = (("realization", domain.node), torch.cat(parts, 1).numpy(), described)
    return bare.assign({domain.value.name: values}).assign_coords(realization=realization).assign_attrs(
        title=f"Generated ensemble: {domain.title}", source=f"lawful {__version__}, model graph",
        lawful_domain=domain.name, lawful_laws=domain.equation, lawful_seed=seed,
    )  # fmt: skip


def graph_facts(domain: GraphDomain, settings: GraphSettings) -> dict[str, Any]:
    """What a model must agree with to be used, in types that JSON knows."""
    return {"domain": domain.model_dump(mode="json"), "model": "graph", "network": asdict(settings)}


def _empty(domain: GraphDomain, settings: GraphSettings) -> GraphModel:
    return GraphModel(len(domain.node_kinds), len(domain.edge_kinds), 0, settings)


def _digest(domain: GraphDomain, data: xr.Dataset) -> str:
    names = [*domain.counts, domain.total.name, domain.node_kind, domain.edge_kind, domain.ends, domain.value.name]
    return hashlib.sha256(b"".join(np.ascontiguousarray(data[name].to_numpy()).tobytes() for name in names)).hexdigest()
