"""Compile kernels for a level of x86-64 and put the machine code into a wheel (see `compile.shipped`).

``python -m autograd_nn.kernels ship LEVEL FOLDER`` is called by the build of the wheel. Nothing of what it compiles is
run: the processor at hand need not have the level.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Sequence

from . import warm
from .compile import Chunked, shipped, target, threads
from .compile.options import config

__all__ = ["compiled_only", "ship"]


@contextlib.contextmanager
def compiled_only() -> Iterator[None]:
    """Let calls of kernels compile them and run nothing; the results are whatever is in memory."""
    call, start = Chunked.__call__, threads.start

    def only_compile(_: int) -> None:
        threads.compile_pool()

    Chunked.__call__ = Chunked.compile  # type: ignore[method-assign]
    threads.start = only_compile  # type: ignore[assignment]
    try:
        yield
    finally:
        Chunked.__call__, threads.start = call, start  # type: ignore[method-assign]


def ship(level: str, folder: pathlib.Path, calls: Sequence[Callable[[], None]] | None = None) -> int:
    """Compile the kernels that `warm` knows and write the archive of a level; return its size in bytes.

    Parameters
    ----------
    level : str
        One of `target.LEVELS`, for which Numba must be set to compile.
    folder : Path
        Where to put the archive and its table of contents.
    calls : sequence of callable, optional
        Other calls of kernels than those that `warm` knows.
    """
    if level not in target.LEVELS or target.features() != target.features_of(level) or config.USING_SVML:
        raise ValueError(
            f"ship(): Numba must compile for the level, without Intel's library (level={level}); set "
            f"NUMBA_CPU_NAME={level} NUMBA_CPU_FEATURES= NUMBA_DISABLE_INTEL_SVML=1, as setup.py does"
        )
    shipped.collected = {}
    try:
        with compiled_only():
            warm.compile_all(lambda name: None, calls)
        shipped.write(folder, level, shipped.collected)
    finally:
        shipped.collected = None
    return (folder / f"{level}.bin").stat().st_size
