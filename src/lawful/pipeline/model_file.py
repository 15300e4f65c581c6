"""Trained models on disk: tensors as safetensors, everything else as JSON; nothing in them is ever executed."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lawful import __version__
from lawful.core.coordinates import Chart, Problem
from lawful.core.errors import LawfulError
from lawful.core.models import AutoregressiveModel, Settings
from lawful.domains import InputError

FORMAT = 1
_WEIGHTS, _DESCRIPTION, _MARKER = "model.safetensors", "model.json", "training.json"


def mark_started(folder: Path, key: str) -> bool:
    """Note that a training begins; True when an earlier one was cut off here."""
    folder.mkdir(parents=True, exist_ok=True)
    interrupted = (folder / _MARKER).exists()
    # A model of other settings must not be taken for the one that is being made.
    (folder / _DESCRIPTION).unlink(missing_ok=True)
    _write(folder / _MARKER, json.dumps({"key": key}).encode())
    return interrupted


def save_model(folder: Path, model: AutoregressiveModel, facts: dict[str, Any]) -> None:
    """Write a finished model; `facts` is what it was made from, with its `key`. The description comes last."""
    chart = {f"chart.{name}": tensor.contiguous() for name, tensor in model.chart.tensors().items()}
    network = {f"network.{name}": tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = save({**chart, **network})
    description = {
        **facts,
        "format": FORMAT,
        "lawful_version": __version__,
        "context_size": model.context_size,
        "settings": asdict(model.settings),
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    _write(folder / _WEIGHTS, content)
    _write(folder / _DESCRIPTION, json.dumps(description, indent=1).encode())
    (folder / _MARKER).unlink(missing_ok=True)


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
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a model of lawful ({error}); remove {folder} and train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{path}: its format is not {FORMAT}; this is lawful {__version__}, train again with it")
    if description.get("weights_sha256") != weights:
        raise InputError(f"{folder / _WEIGHTS}: does not belong to {path.name}; remove {folder} and train again")
    return description


def load_model(folder: Path, problem: Problem, law_hash: str) -> AutoregressiveModel:
    """The model in a folder, on the CPU, for the laws it was trained on.

    Raises:
        InputError: there is none, it is damaged, or it was made for other laws or given variables.
    """
    description = describe(folder)
    if description is None:
        raise InputError(f"{folder}: no finished model here; run `lawful train` first")
    if description["law_hash"] != law_hash:
        raise InputError(f"{folder}: trained for other laws than domain {description['domain']!r} has now; train again")
    try:
        tensors = load((folder / _WEIGHTS).read_bytes())
        chart = Chart.from_tensors(problem, _under("chart.", tensors))
        model = AutoregressiveModel(chart, int(description["context_size"]), Settings(**description["settings"]))
        model.load_state_dict(_under("network.", tensors))
    except (SafetensorError, LawfulError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise InputError(f"{folder}: not a model for this domain ({_one_line(error)}); train again") from error
    return model.eval()


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
