"""Views know their base: a change of either, recorded or not, is seen by both, in values and in gradients.

A primitive declared ``view=True`` gives its result a `View`: the tensor that owns the memory, and the path of view
primitives that leads from it to the view. A recorded write into the owner gives the owner a new node; a recorded write
into a view is a write into its owner, along the path. Either way the owner's version advances, and a view that was
last seen at another version renews its node at its next use, by recording its path again. Its values need nothing,
since the memory is shared.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .recording import state

_new: Any = object.__new__
Path: TypeAlias = tuple[tuple[Any, Any], ...]  # view primitives with their settings, a dict or its items


class Owner:
    """Stands at a tensor that has views: how many recorded writes it took."""

    __slots__ = ("version",)
    tracked = True

    def __init__(self) -> None:
        self.version = 0


class Untracked(Owner):
    """Stands at what ``tensor.data`` returned: the in-place check does not see its changes."""

    __slots__ = ()
    tracked = False


class View:
    """Stands at a view: ``base`` owns the memory, ``path`` leads to the view, ``seen`` is the version that it knows."""

    __slots__ = ("base", "path", "seen")

    base: Any
    path: Path
    seen: int

    @property
    def tracked(self) -> bool:
        return bool(self.base._view.tracked)


def link(out: Any, source: Any, primitive: Any, params: dict[str, Any]) -> None:
    """Make `out` a view of `source`, from which `primitive` computed it, where the two share memory."""
    base = out.array.base
    if base is None or (base is not source.array and base is not source.array.base
                        and not np.may_share_memory(out.array, source.array)):
        return
    step = (primitive, params)
    known = source._view
    out._view = view = _new(View)
    if type(known) is View:
        view.base, view.path, view.seen = known.base, (*known.path, step), known.seen
    else:
        if known is None:
            known = source._view = Owner()
        view.base, view.path, view.seen = source, (step,), known.version


def follow(array: Any, path: Path) -> Any:
    """Return what the functions of `path` make of an array (or, by their primitives, of a tensor)."""
    for primitive, params in path:
        if isinstance(array, np.ndarray):
            array = primitive.forward(array, **dict(params))
        else:
            array = primitive(array, **dict(params))
    return array


def hashable(path: Path) -> Path:
    """Return a path that can be a setting."""
    return tuple((primitive, tuple(params.items())) for primitive, params in path)


def renew(variable: Any) -> None:
    """Give a view whose owner was written to, recorded, the node that its path leads to now."""
    view = variable._view
    if type(view) is View and view.seen != view.base._view.version and state.recording:
        view.seen = view.base._view.version
        variable.node = follow(view.base, view.path).node
