"""PyTorch's `accelerator` where there is none: the device that beats the CPU is absent."""

from __future__ import annotations

from typing import Any

from .place import device

__all__ = ["current_accelerator", "device_count", "is_available"]


def is_available() -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def current_accelerator(check_available: bool = False) -> device | None:
    """Return None: there is none."""
    return None


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"accelerator.{name}: accelerator is not available; autograd_nn computes on the CPU only", name=name
    )
