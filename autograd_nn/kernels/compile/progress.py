"""Who waits for the compiler is told so, and what for."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from numba.core import event

from .cache import cache_folder
from .options import JIT_DISABLED, VERBOSE

__all__ = ["compile_hooks"]

PATIENCE = 1.0  # seconds of compilation after which the user is told about it

compile_hooks: list[Callable[[str, float], None]] = []
"""Called as ``hook(name, seconds)`` after a kernel was compiled (not when it came from the cache)."""


def _is_ours(function: Callable[..., object]) -> bool:
    """Return whether a function is of this package; a user's may come from no module at all."""
    return str(function.__module__).startswith("autograd_nn.")


class _Progress(event.Listener):
    """Says once that kernels are being compiled, when that takes longer than `PATIENCE`."""

    def __init__(self) -> None:
        self.depth = 0  # a helper is compiled while its kernel is
        self.started = 0.0
        self.spent = 0.0
        self.told = VERBOSE
        self.timer: threading.Timer | None = None

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        if not _is_ours(function):
            return
        self.depth += 1
        if self.depth > 1:
            return
        self.started = time.perf_counter()
        if not self.told:
            wait = max(0.0, PATIENCE - self.spent)
            self.timer = threading.Timer(wait, self.tell, [function.__name__.lstrip("_")])
            self.timer.daemon = True
            self.timer.start()

    def on_end(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        if not _is_ours(function):
            return
        self.depth -= 1
        if self.depth:
            return
        if self.timer is not None:
            self.timer.cancel()
        seconds = time.perf_counter() - self.started
        self.spent += seconds
        name = f"{function.__module__.removeprefix('autograd_nn.kernels.')}.{function.__name__}"
        if VERBOSE:
            _print(f"autograd_nn: compiled {name} in {seconds:.2f} s")
        for hook in compile_hooks:
            hook(name, seconds)

    def tell(self, name: str) -> None:
        if not self.told:
            self.told = True
            where = f"kept in {cache_folder}" if cache_folder else "no cache folder can be written"
            _print(f"autograd_nn: compiling kernels for this processor, once: {name}, ... ({where})")


def _print(message: str) -> None:
    if sys.stderr is not None:
        print(message, file=sys.stderr, flush=True)


if not JIT_DISABLED:
    event.register("numba:compile", _Progress())
