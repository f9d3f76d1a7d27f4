"""PyTorch's mixed precision (`amp`): regions that change nothing here, said once, and a `GradScaler` that scales.

Everything is computed in the precision of the tensors, which is at least that of `autocast`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from ..engine import no_grad, note_read
from ..engine.errors import warn
from ..optim import Optimizer
from ..tensor import Tensor

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available",
           "is_autocast_enabled"]

F = TypeVar("F", bound=Callable[..., Any])


class autocast:
    """A region, or a function, in which PyTorch computes some operations in half precision; here it changes nothing.

    Tensors are computed in their own precision, which is more exact. For the CPU, for which PyTorch would lower the
    precision, a warning says so; for a device that is not there a warning says what PyTorch's says.

    Parameters
    ----------
    device_type : str
        'cpu', 'cuda' ...
    dtype : optional
        Of the operations; without effect.
    enabled : bool
    cache_enabled : bool, optional

    Examples
    --------
    >>> from autograd_nn import autocast
    >>> with autocast("cpu", enabled=False):
    ...     pass
    """

    def __init__(self, device_type: str = "cpu", dtype: Any = None, enabled: bool = True,
                 cache_enabled: bool | None = None):
        if not isinstance(device_type, str):
            raise ValueError(f"autocast(): device_type must be a str such as 'cpu' (got {device_type!r})")
        self.device_type, self.dtype, self.enabled = device_type, dtype, enabled
        if enabled and device_type != "cpu":
            warn(f"autocast(): {device_type!r} is not available; it changes nothing")
        elif enabled:
            warn("autocast(): tensors are computed in their own precision, which is more exact than PyTorch's "
                          "autocast; it changes nothing")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        return None

    def __call__(self, function: F) -> F:
        return function


def is_autocast_available(device_type: str) -> bool:
    """Return whether operations can be computed in less than the tensors' precision: no."""
    return False


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Return whether operations are computed in less than the tensors' precision: no.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.is_autocast_enabled()
    False
    """
    return False


def custom_fwd(fwd: F | None = None, *, device_type: str = "cpu", cast_inputs: Any = None) -> Any:
    """Return the forward of an `autograd.Function` as it is: nothing is cast."""
    return fwd if fwd is not None else functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)


def custom_bwd(bwd: F | None = None, *, device_type: str = "cpu") -> Any:
    """Return the backward of an `autograd.Function` as it is: nothing is cast."""
    return bwd if bwd is not None else functools.partial(custom_bwd, device_type=device_type)


class GradScaler:
    """Scale the loss, so that small gradients do not vanish in half precision, and the gradients back.

    ``step`` leaves a step out if a gradient is infinite or NaN; ``update`` divides the scale then, and multiplies it
    after `growth_interval` steps without.

    Parameters
    ----------
    device : str
        For any other than 'cpu', which is not there, it is disabled with a warning, as in PyTorch.
    init_scale, growth_factor, backoff_factor : float
    growth_interval : int
    enabled : bool
        If not, ``scale`` returns its input and ``step`` steps.

    Examples
    --------
    >>> from autograd_nn import nn, ones, optim
    >>> from autograd_nn.amp import GradScaler
    >>> model = nn.Linear(2, 1)
    >>> optimizer, scaler = optim.SGD(model.parameters(), lr=0.1), GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale(model(ones(1, 2)).sum()).backward()
    >>> model.bias.grad.item()
    4.0
    >>> scaler.step(optimizer)
    >>> model.bias.grad.item()
    1.0
    >>> scaler.update()
    """

    def __init__(self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
                 backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True):
        if enabled and str(device).partition(":")[0] != "cpu":
            warn(f"GradScaler(): {device!r} is not available; it is disabled")
            enabled = False
        if enabled and not growth_factor > 1:
            raise ValueError(f"GradScaler(): growth_factor must be above 1 (growth_factor={growth_factor})")
        if enabled and not backoff_factor < 1:
            raise ValueError(f"GradScaler(): backoff_factor must be below 1 (backoff_factor={backoff_factor})")
        self._enabled = enabled
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._good_steps = growth_interval, 0
        self._found: defaultdict[int, dict[str, Any]] = defaultdict(dict)  # by optimizer: unscaled, bad, stepped

    def is_enabled(self) -> bool:
        """Return whether it scales."""
        return self._enabled

    def get_scale(self) -> float:
        """Return the factor; 1 if disabled."""
        return self._scale if self._enabled else 1.0

    def scale(self, outputs: Any) -> Any:
        """Return a tensor, or a list or tuple of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, list | tuple):
            return type(outputs)(map(self.scale, outputs))
        raise ValueError("GradScaler.scale(): expects tensors, or lists and tuples of them, got "
                         f"{type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, in place; say to clip them afterwards."""
        if not self._enabled:
            return
        state = self._found[id(optimizer)]
        if "bad" in state:
            raise RuntimeError("GradScaler.unscale_(): was called already for this optimizer since the last update()")
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        with no_grad():
            for g in gradients:
                g.mul_(1 / self._scale)
            for g in gradients:
                note_read(g, "GradScaler.unscale_()")
        state["bad"] = any(not np.isfinite(g.array).all() for g in gradients)

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale the gradients unless that was done, and call ``optimizer.step`` if all are finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("GradScaler.step(): a closure is not supported while it scales")
        state = self._found[id(optimizer)]
        if "stepped" in state:
            raise RuntimeError("GradScaler.step(): was called already for this optimizer since the last update()")
        if "bad" not in state:
            self.unscale_(optimizer)
        state["stepped"] = True
        return None if state["bad"] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale to what the steps since the last update found, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            found = [state["bad"] for state in self._found.values() if "bad" in state]
            if not found:
                raise RuntimeError("GradScaler.update(): no gradient was unscaled since the last update(); call step() "
                                   "first")
            if any(found):
                self._scale *= self._backoff_factor
                self._good_steps = 0
            else:
                self._good_steps += 1
                if self._good_steps == self._growth_interval:
                    self._scale *= self._growth_factor
                    self._good_steps = 0
        self._found.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and the settings; an empty dict if disabled."""
        if not self._enabled:
            return {}
        return {"scale": self._scale, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
                "growth_interval": self._growth_interval, "_growth_tracker": self._good_steps}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict(): the state is empty; it is that of a disabled GradScaler")
        self._scale = float(state_dict["scale"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval, self._good_steps = state_dict["growth_interval"], state_dict["_growth_tracker"]
