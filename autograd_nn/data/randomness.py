"""Where samplers and transforms get their random numbers from.

A `DataLoader` derives one generator per batch from ``(seed, epoch, position)``. While it makes a batch, that
generator is the current one of its thread, and whatever draws through `current_generator` (every transform
without a generator of its own, and a user's dataset) gets numbers that depend on nothing else: not on the
prefetching thread, not on the batches that came before, not on where training was resumed.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..ops.random import Generator, default_generator

__all__ = ["BatchRandomness", "current_generator", "draw_seed", "epoch_generator", "numpy_generator"]

LARGEST_SEED = 2**63 - 1
ORDER, BATCH = 0, 1  # two independent streams of one seed


class _Current(threading.local):
    batch: BatchRandomness | None = None


_current = _Current()


class BatchRandomness:
    """A context in which `current_generator` is the generator of one batch; it is made when first asked for.

    Parameters
    ----------
    seed, epoch, position : int
        The generator depends on these three numbers only.
    shard : int, optional
        And on this one, if the batch is made in parts.
    """

    __slots__ = ("_generator", "_key", "_outer")

    def __init__(self, seed: int, epoch: int, position: int, shard: int | None = None):
        self._key = (seed, BATCH, epoch, position) if shard is None else (seed, BATCH, epoch, position, shard)
        self._generator: np.random.Generator | None = None

    @property
    def generator(self) -> np.random.Generator:
        """The generator of this batch."""
        if self._generator is None:
            self._generator = np.random.default_rng(self._key)
        return self._generator

    def __enter__(self) -> BatchRandomness:
        self._outer = _current.batch
        _current.batch = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.batch = self._outer


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator that orders the samples of one epoch."""
    return np.random.default_rng((seed, ORDER, epoch))


def check_generator(generator: Any, what: str) -> Any:
    """Return `generator`, with an integer taken as a seed; raise where it is none of the kinds accepted."""
    if generator is None or isinstance(generator, (np.random.Generator, Generator)):
        return generator
    if isinstance(generator, (int, np.integer)) and not isinstance(generator, bool) and generator >= 0:
        return np.random.default_rng(int(generator))
    raise TypeError(f"{what} must be a Generator of autograd_nn or NumPy, or a seed (an integer from 0), got "
                    f"{generator!r}")


def draw_seed(source: Any) -> int:
    """Draw a seed from a generator of either kind; None stands for the one of `autograd_nn.manual_seed`."""
    if isinstance(source, np.random.Generator):
        return int(source.integers(0, LARGEST_SEED))
    return int((default_generator if source is None else source).integers(0, LARGEST_SEED, ()))


def numpy_generator(source: Any) -> np.random.Generator:
    """Return a NumPy generator: `source` itself where it is one, else one seeded by a draw from it."""
    return source if isinstance(source, np.random.Generator) else np.random.default_rng(draw_seed(source))


def get_state(source: Any) -> dict[str, Any]:
    """Return the state of a generator of either kind as nested dicts of plain values."""
    return dict(source.bit_generator.state) if isinstance(source, np.random.Generator) else source.get_state()


def set_state(source: Any, state: dict[str, Any]) -> None:
    """Continue a generator of either kind from a state that `get_state` returned."""
    if isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    else:
        source.set_state(state)


def current_generator() -> np.random.Generator:
    """Return the generator of the batch that this thread is making.

    Outside a DataLoader it is one seeded by a draw from the generator of `autograd_nn.manual_seed`.

    Examples
    --------
    What a dataset draws here repeats from run to run, and after a resume:

    >>> from autograd_nn.data import Dataset, current_generator
    >>> class Noise(Dataset):
    ...     def __len__(self):
    ...         return 100
    ...     def __getitem__(self, index):
    ...         return current_generator().standard_normal(3, dtype="float32")
    """
    batch = _current.batch
    return numpy_generator(None) if batch is None else batch.generator
