"""Trains on graphs of a domain, keeps and loads models, and draws ensembles."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from lawful import __version__
from lawful.core.models import InfeasibleEventsError
from lawful.core.models.graphs import GraphModel, GraphSettings
from lawful.core.training import Schedule
from lawful.domains import InputError
from lawful.domains.graph_domain import GraphDomain
from lawful.pipeline.one_network import judges, load_weights, read_tensors, train_network

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
    facts = {**graph_facts(domain, settings), "seed": seed, "schedule": asdict(schedule), "data": _digest(domain, data)}
    torch.manual_seed(seed)
    model = _empty(domain, settings)
    # All values on one graph are on one side.
    validation = judges(count, seed).repeat(len(graphs) // count)
    train_network(model, graphs, validation, out, facts, schedule, seed=seed, resume=resume, device=device)
    return model


def load_graph_model(domain: GraphDomain, folder: Path, settings: GraphSettings | None = None) -> GraphModel:
    """The finished model in a folder, on the CPU.

    Raises:
        InputError: there is none, it is damaged, or it is one of another domain or of other settings.
    """
    settings = settings or GraphSettings()
    tensors = read_tensors(folder, graph_facts(domain, settings))
    model = _empty(domain, settings)
    load_weights(model, tensors, folder)
    return model


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
