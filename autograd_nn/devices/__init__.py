"""Devices as PyTorch names them. Tensors live on the CPU; other devices are names that can be compared, not used."""

from __future__ import annotations

from typing import Any

from . import accelerator, cuda
from .place import device, get_default_device, set_default_device

__all__ = ["accelerator", "cuda", "device", "get_default_device", "get_float32_matmul_precision", "mps",
           "set_default_device", "set_float32_matmul_precision", "use_deterministic_algorithms", "xpu"]


class _Absent:
    """A family of devices that is not there: it says so when asked, and raises when used."""

    def __init__(self, name: str):
        self._name = name

    def is_available(self) -> bool:
        """Return False."""
        return False

    def device_count(self) -> int:
        """Return 0."""
        return 0

    def empty_cache(self) -> None:
        """Do nothing: there is no memory but the CPU's."""

    def manual_seed(self, seed: int) -> None:
        """Do nothing, as PyTorch does where there is no such device; `autograd_nn.manual_seed` seeds the CPU."""

    manual_seed_all = manual_seed

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            f"{self._name}.{attribute}: {self._name} is not available; autograd_nn computes on the CPU only"
        )


mps = _Absent("mps")
xpu = _Absent("xpu")
_precision = ["highest"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept either mode: every algorithm gives the same bits for the same seed, with any number of threads.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.use_deterministic_algorithms(True)
    """


def set_float32_matmul_precision(precision: str) -> None:
    """Accept 'highest', 'high' and 'medium', which allow less than float32 but do not ask for it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.set_float32_matmul_precision("highest")
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError("set_float32_matmul_precision(): precision must be 'highest', 'high' or 'medium' "
                         f"(precision={precision!r})")
    _precision[0] = precision


def get_float32_matmul_precision() -> str:
    """Return what `set_float32_matmul_precision` was given; products are always those of float32.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.set_float32_matmul_precision("highest")
    >>> ag.get_float32_matmul_precision()
    'highest'
    """
    return _precision[0]
