"""Finding where NaN and infinity come from: a listener at the door that checks every result."""

from __future__ import annotations

import itertools
import pathlib
import sys
import traceback
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Primitive, differentiating, listen, results_of
from ..tensor import Tensor

__all__ = ["AnomalyError", "detect_anomaly", "set_detect_anomaly"]

_PACKAGE = str(pathlib.Path(__file__).parent.parent)


class AnomalyError(RuntimeError):
    """An operation returned NaN or infinity."""


class detect_anomaly:
    """Raise at the first operation, forward or backward, that makes NaN or infinity out of finite numbers.

    The error names the operation, the module that it ran in, the first bad element, the range of each input and the
    line of the user's code. Every result is checked, so that the block runs slower; it says that it is on.

    Parameters
    ----------
    nan, inf : bool
        What counts as an anomaly.
    quiet : bool
        Do not say that the check is on.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> with ag.autograd.detect_anomaly(quiet=True):
    ...     y = ag.tensor([4.0]) / 2
    """

    def __init__(self, nan: bool = True, inf: bool = True, quiet: bool = False):
        if not (nan or inf):
            raise ValueError("detect_anomaly(): nothing to detect (nan=False, inf=False)")
        self.nan, self.inf, self.quiet = nan, inf, quiet
        self.sites: weakref.WeakKeyDictionary[Any, tuple[str, str]] = weakref.WeakKeyDictionary()
        self._listen = listen(self._check)

    def __enter__(self) -> detect_anomaly:
        if not self.quiet:
            print("autograd_nn: detect_anomaly checks every result; training is slower inside it", file=sys.stderr)
        self._listen.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listen.__exit__(*exception)

    def _bad(self, array: np.ndarray) -> Any:
        if array.dtype.kind != "f":
            return np.zeros(array.shape, bool)
        if self.nan and self.inf:
            return ~np.isfinite(array)
        return np.isnan(array) if self.nan else np.isinf(array)

    def _check(self, proceed: Callable[..., Tensor], primitive: Primitive[Any], inputs: Any, params: Any) -> Tensor:
        with np.errstate(all="ignore"):
            out = proceed(*inputs, **params)
        site = None
        for result in results_of(out):
            if result.node is not None:
                site = self.sites[result.node] = site or (_module_path(), _user_line())
            bad = self._bad(result.array)
            if bad.any():
                arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
                if not any(isinstance(a, np.ndarray) and self._bad(a).any() for a in arrays):
                    raise AnomalyError(self._message(primitive, result.array, bad, arrays, site))
        return out

    def _message(
        self, primitive: Primitive[Any], out: np.ndarray, bad: np.ndarray, arrays: list[Any], site: Any
    ) -> str:
        call = differentiating()
        module, line = site or (_module_path(), _user_line())
        where = f"{primitive.name}()"
        if call is not None:
            module, line = self.sites.get(call, ("", "a line outside of detect_anomaly()"))
            where = f"{primitive.name}(), in the gradient of {call.primitive.name}()"
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        ranges = "; ".join(f"input {i}: {_range(a)}" for i, a in enumerate(arrays))
        advice = ""
        if call is not None and call.primitive.name == "where":
            advice = " A branch that where() does not take can do this: make its argument safe first (see where)."
        inside = f", in module {module}" if module else ""
        return (f"detect_anomaly(): {where} returned {out[first]} at {first}, shape {out.shape}, {int(bad.sum())} such "
                f"in all{inside} ({ranges}); forward: {line}.{advice}")


def _range(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    return f"shape {value.shape}" + (f", from {value.min():.4g} to {value.max():.4g}" if value.size else "")


def _user_line() -> str:
    """Return the innermost line of the stack that is not in this package."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_PACKAGE):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return "unknown"


def _module_path() -> str:
    """Return the names of the modules that are being called, outermost first, as ``net.features.0``."""
    modules: list[Any] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if hasattr(caller, "named_children") and not any(caller is module for module in modules):
            modules.append(caller)
        frame = frame.f_back
    modules.reverse()
    if not modules:
        return ""
    names = [type(modules[0]).__name__]
    for outer, inner in itertools.pairwise(modules):
        names.append(next((name for name, child in outer.named_children() if child is inner), type(inner).__name__))
    return ".".join(names)


class set_detect_anomaly:
    """Turn `detect_anomaly` on or off from here on; as a context, until its end.

    Parameters
    ----------
    mode : bool
    check_nan : bool
        Accepted as PyTorch does: what is checked here is whether results are NaN or infinite.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> with ag.autograd.set_detect_anomaly(False):
    ...     y = ag.tensor([4.0]) / 0
    """

    _on: detect_anomaly | None = None

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = set_detect_anomaly._on is not None
        self._set(bool(mode) and bool(check_nan))

    @staticmethod
    def _set(mode: bool) -> None:
        on = set_detect_anomaly._on
        if mode and on is None:
            set_detect_anomaly._on = detect_anomaly().__enter__()
        elif on is not None and not mode:
            set_detect_anomaly._on = None
            on.__exit__(None, None, None)

    def __enter__(self) -> None:
        """Begin, which was done already."""

    def __exit__(self, *exception: object) -> None:
        self._set(self._before)
