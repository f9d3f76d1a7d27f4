"""PyTorch's helpers of modules (`nn.modules.utils`): numbers as tuples of so many, and names of a state shortened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from itertools import repeat
from typing import Any

__all__ = ["_ntuple", "_pair", "_quadruple", "_reverse_repeat_tuple", "_single", "_triple",
           "consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that makes a tuple of `n` equal elements of whatever is no iterable."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else tuple(repeat(x, n))

    parse.__name__ = name
    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n, f"_{name}") for n, name in
                                       ((1, "single"), (2, "pair"), (3, "triple"), (4, "quadruple")))


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """Return the elements from the last to the first, each `n` times."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: MutableMapping[str, Any], prefix: str) -> None:
    """Take a prefix off the names of a state, in place: that of a wrapped module, say ``"module."``.

    Examples
    --------
    >>> from autograd_nn import nn, ones
    >>> state = {"module.weight": ones(1, 2), "bias": ones(1)}
    >>> nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    >>> list(state)
    ['weight', 'bias']
    """
    items = [(name.removeprefix(prefix), value) for name, value in state_dict.items()]
    state_dict.clear()
    state_dict.update(items)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is not None:
        state_dict._metadata = {  # type: ignore[attr-defined]
            name.removeprefix(prefix) if name != prefix.rstrip(".") else "": value for name, value in metadata.items()
        }
