"""Devices as PyTorch names them, of which there is one: the CPU."""

from __future__ import annotations

from typing import Any

__all__ = ["accelerator", "cuda", "device", "get_default_device", "mps", "set_default_device",
           "set_float32_matmul_precision", "use_deterministic_algorithms", "xpu"]


class device:
    """The place of a tensor: ``device("cpu")``; any other raises.

    Attributes
    ----------
    type : str
        'cpu'.
    index : None
    """

    type = "cpu"
    index = None

    def __init__(self, type: Any = "cpu", index: int | None = None):
        name = str(type)
        if name.split(":")[0] != "cpu":
            raise RuntimeError(
                f"device(): {name!r} is not available; autograd_nn computes on the CPU only (device='cpu')"
            )

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) or other == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")


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

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            f"{self._name}.{attribute}: {self._name} is not available; autograd_nn computes on the CPU only"
        )


accelerator = _Absent("accelerator")
cuda = _Absent("cuda")
mps = _Absent("mps")
xpu = _Absent("xpu")


def get_default_device() -> device:
    """Return the CPU."""
    return device("cpu")


def set_default_device(device_: Any) -> None:
    """Accept the CPU, and raise for any other device."""
    if device_ is not None:
        device(device_)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accept either mode: every algorithm gives the same bits for the same seed, with any number of threads."""


def set_float32_matmul_precision(precision: str) -> None:
    """Accept 'highest', 'high' and 'medium', which allow less than float32 but do not ask for it."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError("set_float32_matmul_precision(): precision must be 'highest', 'high' or 'medium' "
                         f"(precision={precision!r})")
