"""The switches of PyTorch's backends, for scripts that set them.

They choose between implementations that are not here. Setting one is allowed, as it can change no result: there is no
GPU, arithmetic is never done in less than the tensors' precision, and the same seed gives the same bits always.
"""

from __future__ import annotations

from typing import Any

__all__ = ["cudnn", "mkl", "mkldnn", "mps", "openmp"]


class Backend:
    """A backend of PyTorch that is not here: not available, with the switches that scripts set.

    Parameters
    ----------
    name : str
    switches : bool
        By name, the values that they start with.
    """

    def __init__(self, name: str, **switches: bool):
        self.__dict__.update(switches, _name=name)

    def is_available(self) -> bool:
        """Return False."""
        return False

    def version(self) -> None:
        """Return None: there is no library."""

    def __setattr__(self, switch: str, value: Any) -> None:
        if switch not in self.__dict__:
            raise AttributeError(self._unknown(switch))
        self.__dict__[switch] = value

    def __getattr__(self, switch: str) -> Any:
        raise AttributeError(self._unknown(switch))

    def _unknown(self, switch: str) -> str:
        known = ", ".join(name for name in self.__dict__ if name != "_name") or "none"
        return f"backends.{self._name}.{switch}: this switch is not there (switches: {known})"


cudnn = Backend("cudnn", allow_tf32=False, benchmark=False, deterministic=True, enabled=False)
mkl = Backend("mkl")
mkldnn = Backend("mkldnn", enabled=False)
mps = Backend("mps")
openmp = Backend("openmp")
