"""Trained models on disk: tensors as safetensors, everything else as JSON; nothing in them is ever executed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from lawful import __version__
from lawful.core.coordinates import Chart, Problem, Steps
from lawful.core.models import BaggedModel, Model, Settings, WindowModel
from lawful.domains import InputError
from lawful.reports.files import write_atomically

FORMAT = 9
CHECKPOINT, LOG = "checkpoint.safetensors", "training.csv"
_WEIGHTS, _DESCRIPTION, _MARKER = "model.safetensors", "model.json", "training.json"


def was_cut_off(folder: Path) -> bool:
    """Whether a training began here and did not end."""
    return (folder / _MARKER).exists()


def has_checkpoint(folder: Path) -> bool:
    """Whether a training that began here can go on."""
    return (folder / CHECKPOINT).exists()


def mark_started(folder: Path, *, over: bool) -> None:
    """Note that a training begins or, when not `over` again, goes on from its checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    # A model of other settings must not be taken for the one that is being made.
    (folder / _DESCRIPTION).unlink(missing_ok=True)
    (folder / _MARKER).touch()
    # What a killed process did not finish writing.
    leftovers = [path for name in (CHECKPOINT, LOG, _WEIGHTS, _DESCRIPTION) for path in folder.glob(f".{name}.*")]
    for path in [*leftovers, *([folder / CHECKPOINT, folder / LOG] if over else [])]:
        path.unlink(missing_ok=True)


def save_model(folder: Path, model: Model, facts: dict[str, Any]) -> dict[str, Any]:
    """Write a finished model of events and its description; `facts` is what it was made from."""
    charts = {
        f"{part}.{name}": tensor for part, chart in _charts(model).items() for name, tensor in chart.tensors().items()
    }
    return save_network(folder, model, facts, charts)


def save_network(
    folder: Path, model: nn.Module, facts: dict[str, Any], others: dict[str, torch.Tensor] | None = None
) -> dict[str, Any]:
    """Write the weights of a network, other tensors, and their description, which comes last."""
    named = {**(others or {}), **{f"network.{name}": tensor.cpu() for name, tensor in model.state_dict().items()}}
    content = save({name: tensor.contiguous() for name, tensor in named.items()})
    description = {
        **facts,
        "format": FORMAT,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    write_atomically(folder / _WEIGHTS, content)
    write_atomically(folder / _DESCRIPTION, json.dumps(description, indent=1).encode())
    for name in (_MARKER, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    return description


def describe(folder: Path) -> dict[str, Any] | None:
    """The description of the finished model in a folder; None when there is none.

    Raises:
        InputError: the description or the weights are damaged, or of a newer version.
    """
    path = folder / _DESCRIPTION
    if not path.is_file():
        return None
    try:
        description = json.loads(path.read_bytes())
        weights = hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest()
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a model of lawful ({_one_line(error)}); train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{path}: its format is not {FORMAT}; this is lawful {__version__}, train again with it")
    if description.get("weights_sha256") != weights:
        raise InputError(f"{folder / _WEIGHTS}: does not belong to {path.name}; train again")
    return description


def load_model(folder: Path, problem: Problem, facts: dict[str, Any], steps: Steps | None = None) -> Model:
    """The finished model in a folder, on the CPU, for the problem and the `facts` that it was made of.

    `steps` are those of windows in time.

    Raises:
        InputError: there is none, it is damaged, or it was made of other facts; the message names them.
    """
    content = require_model(folder, facts)
    try:
        tensors = load(content)
        model = _empty(problem, steps, tensors, facts)
        model.load_state_dict(under("network.", tensors))
    except (SafetensorError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: not a model for this domain ({_one_line(error)}); train again") from error
    return model.eval()


def require_model(folder: Path, facts: dict[str, Any]) -> bytes:
    """The weights of the finished model in a folder.

    Raises:
        InputError: there is none, it is damaged, or it was made of other facts; the message names them.
    """
    description = describe(folder)
    if description is None:
        cut = "the training was cut off" if was_cut_off(folder) else "no finished model here"
        raise InputError(f"{folder}: {cut}; run `lawful train` or `lawful run` again")
    others = changed(description, facts)
    if others:
        raise InputError(f"{folder}: the model there was trained with other {', '.join(others)}; train again")
    return (folder / _WEIGHTS).read_bytes()


def _charts(model: Model) -> dict[str, Chart]:
    if isinstance(model, BaggedModel):
        return {"chart": model.chart}
    return {"step_chart": model.step.chart} | ({"start_chart": model.start.chart} if model.start else {})


def _empty(problem: Problem, steps: Steps | None, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> Model:
    """The model whose weights are to be loaded."""
    size, network = facts["context_size"], Settings(**facts["network"])
    if steps is None:
        return BaggedModel(facts["model"], _chart(problem, under("chart.", tensors)), size, network)
    of_step, of_start = steps.require(problem)
    start = None if of_start.given.all() else _chart(of_start, under("start_chart.", tensors))
    return WindowModel(facts["model"], steps, _chart(of_step, under("step_chart.", tensors)), start, size, network)


def _chart(problem: Problem, tensors: dict[str, torch.Tensor]) -> Chart:
    """The chart, after a look at shapes and types, which otherwise would come out when events are drawn."""
    states, (columns, values) = len(tensors["table"]), tensors["atoms"].shape
    expected = {
        "table": (torch.int64, (states, columns)),
        "counts": (torch.int64, (states,)),
        "atoms": (torch.float64, (problem.columns, values)),
        "ratios": (torch.float64, (states, len(problem.ratios))),
        **dict.fromkeys(("lower", "upper", "scale"), (torch.float64, (columns,))),
    }
    for name, (dtype, shape) in expected.items():
        if tensors[name].dtype != dtype or tensors[name].shape != shape:
            raise ValueError(f"{name} is {tensors[name].dtype} of shape {tuple(tensors[name].shape)}")
    if states == 0 or tensors["table"].max() >= values:
        raise ValueError("a state has a value that is not there")
    return Chart.from_tensors(problem, tensors)


def changed(description: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Names of the facts that a model was not made of."""
    # Facts as JSON keeps them: its lists are no tuples.
    wanted = json.loads(json.dumps(facts))
    return [name.replace("_", " ") for name, value in wanted.items() if description.get(name) != value]


def under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
