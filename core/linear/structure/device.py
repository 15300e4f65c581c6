"""Moving what is made of tensors to another device."""

from dataclasses import fields, replace
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def on_device(x: T, device: torch.device) -> T:
    """The dataclass `x` with its tensors, and the parts that have a `to` of their own, on `device`."""
    values = {field.name: getattr(x, field.name) for field in fields(x)}  # type: ignore[arg-type]
    return replace(x, **{name: _moved(value, device) for name, value in values.items()})  # type: ignore[type-var]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(v, device) for v in value)
    return value.to(device) if hasattr(value, "to") else value
