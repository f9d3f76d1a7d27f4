"""PyTorch's `random`: the functions of the default generator, and `fork_rng`, which puts its state back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..ops.random import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Put the default generator back, at the end of the block, to where it was at its beginning.

    Parameters
    ----------
    devices, device_type
        Accepted: there is one generator.
    enabled : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.random import fork_rng
    >>> with fork_rng():
    ...     inside = ag.randn(2)
    >>> bool((ag.randn(2) == inside).all())
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
