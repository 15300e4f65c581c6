"""Products that laws rest on keep their precision, whatever precision networks are run in."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(like: Tensor) -> AbstractContextManager[None]:
    """Within, products on the device of `like` are no coarser than its dtype.

    For float32, mixed precision (`torch.autocast`) and the TensorFloat-32 or bfloat16 products that may be allowed for
    the whole process are off; afterwards they are as they were. Products of float64 are never any coarser.
    """
    device = like.device.type
    return nullcontext() if like.dtype == torch.float64 or _is_full(device) else _forbidding(device)


@contextmanager
def _forbidding(device: str) -> Iterator[None]:
    before = _Allowed()
    before.forbid()
    try:
        with torch.autocast(device, enabled=False):
            yield
    finally:
        before.restore()


def _is_full(device: str) -> bool:
    """Whether nothing coarser is allowed: PyTorch says "highest" only where no backend says otherwise."""
    try:
        return torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled(device)
    except RuntimeError:
        return False


class _Allowed:
    """How coarse float32 products may be, in PyTorch's one word for all, and since PyTorch 2.9 by backend too."""

    def __init__(self) -> None:
        self.backends = [backend.fp32_precision for backend in _BACKENDS]
        try:
            self.word: str | None = torch.get_float32_matmul_precision()
        except RuntimeError:
            # Someone has set the backends otherwise than the word says; PyTorch then refuses to tell it.
            self.word = None

    def forbid(self) -> None:
        if self.word is not None:
            torch.set_float32_matmul_precision("highest")
        for backend in _BACKENDS:
            backend.fp32_precision = "ieee"

    def restore(self) -> None:
        if self.word is not None:
            torch.set_float32_matmul_precision(self.word)
        for backend, word in zip(_BACKENDS, self.backends, strict=True):
            backend.fp32_precision = word


_MATMULS: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.mkldnn, "matmul", None)]
_BACKENDS = _MATMULS if all(hasattr(backend, "fp32_precision") for backend in _MATMULS) else []
