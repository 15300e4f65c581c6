"""A training on its way, on disk: one safetensors file, whole or not at all, with what is no tensor as JSON in it."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lawful.domains import InputError
from lawful.reports.files import write_atomically

_HEADER, _TENSOR = "lawful", "tensor:"


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, text, lists and dictionaries, nested; `read_checkpoint` gives them back.

    A file that is there is replaced in one move: whoever is killed at it leaves the old one.
    """
    tensors: dict[str, Tensor] = {}
    plain = _without_tensors(content, "", tensors)
    write_atomically(path, save(tensors, metadata={_HEADER: json.dumps(plain)}))


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """What was written; None when there is no file.

    Raises:
        InputError: the file is damaged, or something else.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            content = _with_tensors(json.loads(file.metadata()[_HEADER]), tensors)
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not a checkpoint of a training ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a checkpoint of a training")
    return content


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value with names in the place of its tensors, which are put into `tensors`."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return f"{_TENSOR}{name}"
    if isinstance(value, dict):
        return {key: _without_tensors(part, f"{name}/{key}", tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_tensors(part, f"{name}/{i}", tensors) for i, part in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensors[value.removeprefix(_TENSOR)]
    if isinstance(value, dict):
        return {key: _with_tensors(part, tensors) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_tensors(part, tensors) for part in value]
    return value
