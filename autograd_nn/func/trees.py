"""Nested tuples, lists and dicts of tensors, taken apart into their leaves and put together again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["broadcast_prefix", "leaves_of", "mapped", "rebuilt", "same_structure"]


def leaves_of(tree: Any) -> list[Any]:
    """Return what is in nested tuples, lists and dicts, from left to right; None is a leaf."""
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in leaves_of(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves_of(item)]
    return [tree]


def rebuilt(tree: Any, leaves: Iterable[Any]) -> Any:
    """Return a structure like `tree` with other leaves."""
    return _rebuilt(tree, iter(leaves))


def _rebuilt(tree: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(tree, tuple | list):
        items = [_rebuilt(item, leaves) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        items_by_key = {key: _rebuilt(item, leaves) for key, item in tree.items()}
        return OrderedDict(items_by_key) if isinstance(tree, OrderedDict) else items_by_key
    return next(leaves)


def mapped(function: Callable[..., Any], tree: Any) -> Any:
    """Return a structure like `tree` with `function` of each leaf."""
    return rebuilt(tree, [function(leaf) for leaf in leaves_of(tree)])


def same_structure(tree: Any, other: Any) -> bool:
    """Return whether two structures differ in their leaves only (a list and a tuple count as different)."""
    if isinstance(tree, tuple | list):
        return isinstance(other, tuple) == isinstance(tree, tuple) and isinstance(other, tuple | list) and (
            len(tree) == len(other)) and all(map(same_structure, tree, other))
    if isinstance(tree, dict):
        return isinstance(other, dict) and tree.keys() == other.keys() and all(
            same_structure(item, other[key]) for key, item in tree.items())
    return not isinstance(other, tuple | list | dict)


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any] | None:
    """Return for each leaf of `tree` what `prefix` says of it, or None where the two do not fit.

    A prefix has a structure like the tree, or one leaf for a whole part of it.
    """
    if not isinstance(prefix, tuple | list | dict):
        return [prefix] * len(leaves_of(tree))
    if isinstance(prefix, dict):
        if not isinstance(tree, dict) or prefix.keys() != tree.keys():
            return None
        parts = [broadcast_prefix(prefix[key], item) for key, item in tree.items()]
    else:
        if not isinstance(tree, tuple | list) or len(prefix) != len(tree):
            return None
        parts = [broadcast_prefix(one, item) for one, item in zip(prefix, tree)]
    return None if None in parts else [leaf for part in parts if part is not None for leaf in part]
