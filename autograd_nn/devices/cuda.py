"""What PyTorch's `cuda` does where there is no GPU: nothing is there, seeds and caches of nothing are accepted.

What would have to compute or to move data raises.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "device_count", "empty_cache", "get_arch_list", "get_rng_state_all", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_max_memory_allocated", "reset_peak_memory_stats",
    "seed", "seed_all", "set_rng_state_all",
]  # fmt: skip


def is_available() -> bool:
    """Return False."""
    return False


def is_initialized() -> bool:
    """Return False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Return False."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def get_arch_list() -> list[str]:
    """Return no architecture."""
    return []


def manual_seed(seed: int) -> None:
    """Seed no GPU: do nothing. `autograd_nn.manual_seed` seeds the CPU."""


def seed() -> None:
    """Seed no GPU: do nothing."""


manual_seed_all = manual_seed
seed_all = seed


def get_rng_state_all() -> list[Any]:
    """Return the states of no generator."""
    return []


def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Set the states of no generator."""
    if count := len(list(new_states)):
        raise RuntimeError(f"cuda.set_rng_state_all(): there is no GPU, but {count} states were given")


def empty_cache() -> None:
    """Free the memory of no GPU: do nothing."""


def memory_allocated(device: Any = None) -> int:
    """Return 0 bytes."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Return no figures."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """Forget the peak of no memory: do nothing."""


reset_max_memory_allocated = reset_peak_memory_stats


def __getattr__(name: str) -> Any:
    if name == "amp":  # above this room, so by its name
        return importlib.import_module(f"{__package__.rpartition('.')[0]}.cuda.amp")
    raise AttributeError(f"cuda.{name}: cuda is not available; autograd_nn computes on the CPU only", name=name)


