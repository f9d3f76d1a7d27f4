"""device: the name of a place of tensors, and the check that it is the CPU."""

from __future__ import annotations

from typing import Any

__all__ = ["check_cpu", "device", "get_default_device", "names_device", "set_default_device"]

_KINDS = ("cpu", "cuda", "mps", "xpu", "meta", "hpu", "xla")


class device:
    """The name of a place of tensors. Any can be named and compared; tensors live on ``device("cpu")`` only.

    Parameters
    ----------
    type : str or device
        'cpu', 'cuda', 'mps', 'xpu', 'meta', 'hpu' or 'xla', with or without a number: ``"cuda:0"``.
    index : int, optional

    Attributes
    ----------
    type : str
    index : int or None

    Examples
    --------
    >>> from autograd_nn import device, zeros
    >>> device("cuda", 1)
    device(type='cuda', index=1)
    >>> zeros(2).device == device("cpu"), device("cuda:1") == device("cuda", 1)
    (True, True)
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None):
        if isinstance(type, int):
            raise RuntimeError(f"device(): {type} is the number of a GPU, which is not available; autograd_nn computes "
                               "on the CPU only (device='cpu')")
        kind, colon, number = str(type).partition(":")
        if kind not in _KINDS or (colon and not number.isdigit()):
            raise RuntimeError(f"device(): expects one of {', '.join(_KINDS)}, and a number behind a colon at most "
                               f"(type={str(type)!r})")
        if colon and index is not None:
            raise RuntimeError(f"device(): the number is given twice (type={str(type)!r}, index={index})")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if colon else index)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"device.{name}: cannot be set; make another device")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> device:
        check_cpu(self, "device")
        return self

    def __exit__(self, *error: object) -> None:
        return None


def names_device(target: object) -> bool:
    """Return whether an argument of ``to()`` names a device, and not a dtype."""
    return isinstance(target, device) or (isinstance(target, str) and target.partition(":")[0] in _KINDS)


def check_cpu(place: Any, operation: str) -> None:
    """Raise RuntimeError if tensors are wanted in any other place than the CPU; None is the CPU."""
    if place is not None and (not isinstance(place, str | device) or str(place).partition(":")[0] != "cpu"):
        raise RuntimeError(f"{operation}(): autograd_nn computes on the CPU only (device={str(place)!r})")


def get_default_device() -> device:
    """Return the CPU.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.get_default_device()
    device(type='cpu')
    """
    return device("cpu")


def set_default_device(device_: Any) -> None:
    """Accept the CPU, and raise for any other device.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.set_default_device("cpu")
    >>> ag.get_default_device()
    device(type='cpu')
    """
    check_cpu(device_, "set_default_device")
