"""PyTorch's `utils.dlpack`: memory shared with other libraries by the DLPack protocol."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor, from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """Return a tensor's memory as a DLPack capsule, for libraries that take no object with ``__dlpack__``."""
    return tensor.__dlpack__()
