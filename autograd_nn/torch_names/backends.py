"""The switches of PyTorch's backends, for scripts that set them.

They choose between implementations that are not here. Setting one is allowed, as it can change no result: there is no
GPU, arithmetic is never done in less than the tensors' precision, and the same seed gives the same bits always.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]

__path__: list[str] = []  # so that ``import autograd_nn.backends.cudnn`` is asked for


class Backend(ModuleType):
    """A backend of PyTorch that is not here: not available, with the switches that scripts set.

    Parameters
    ----------
    name : str
    switches : bool, str or Backend
        By name, the values that they start with.
    """

    def __init__(self, name: str, **switches: Any):
        super().__init__(f"{__name__}.{name}", f"The switches of PyTorch's {name}.")
        self.__dict__.update(switches, _switches=tuple(switches), __path__=[])
        sys.modules[self.__name__] = self

    def is_available(self) -> bool:
        """Return False."""
        return False

    def is_built(self) -> bool:
        """Return False."""
        return False

    def version(self) -> None:
        """Return None: there is no library."""

    @contextlib.contextmanager
    def flags(self, **switches: Any) -> Iterator[None]:
        """Set switches inside a block."""
        before = {switch: getattr(self, switch) for switch in switches}
        try:
            for switch, value in switches.items():
                setattr(self, switch, value)
            yield
        finally:
            self.__dict__.update(before)

    def __setattr__(self, switch: str, value: Any) -> None:
        if switch not in self.__dict__ and not switch.startswith("__"):
            raise AttributeError(self._unknown(switch))
        self.__dict__[switch] = value

    def __getattr__(self, switch: str) -> Any:
        raise AttributeError(self._unknown(switch))

    def _unknown(self, switch: str) -> str:
        name = self.__name__.rpartition("backends.")[2]
        return f"backends.{name}.{switch}: this switch is not there (switches: {', '.join(self._switches) or 'none'})"


class _Attention(Backend):
    """The switches of attention, which PyTorch has as functions."""

    def _on(self) -> bool:
        return False

    flash_sdp_enabled = mem_efficient_sdp_enabled = cudnn_sdp_enabled = _on

    def math_sdp_enabled(self) -> bool:
        """Return True: attention is computed as it is written."""
        return True

    def enable_math_sdp(self, enabled: bool) -> None:
        """Accept either: the result is the same."""

    enable_flash_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = enable_math_sdp


cudnn = Backend("cudnn", allow_tf32=False, benchmark=False, benchmark_limit=10, deterministic=True, enabled=False,
                fp32_precision="ieee")
cuda = _Attention("cuda", matmul=Backend("cuda.matmul", allow_tf32=False, allow_fp16_reduced_precision_reduction=False,
                                         allow_bf16_reduced_precision_reduction=False, fp32_precision="ieee"))
mkl = Backend("mkl")
mkldnn = Backend("mkldnn", enabled=False)
mps = Backend("mps")
openmp = Backend("openmp")
