"""Guards: what a replay depends on, compared at each call.

Values are compared by identity, which costs some nanoseconds each; where one differs, by equality, before the plan is
given up.
"""

from __future__ import annotations

from operator import attrgetter, is_
from typing import Any

from ..engine import Leaf, Variable, observers, structure
from ..nn import Module
from ..nn.module import hooks_everywhere
from .reach import MISSING, Absent, Cell, Names, Reach, Slots, same, same_bits
from .structure import getter
from .trace import Trace
from .words import SLOTS, Look, Words, elements_of, has_places

__all__ = ["Guards"]

_array, _node = attrgetter("array"), attrgetter("node")


class Guards:
    """Compares all that a plan depends on with what it was when the plan was traced."""

    def __init__(self, reach: Reach, trace: Trace):
        self.places = [(place, place.now()) for place in reach.guarded]
        self.tensors = [known.tensor for known in reach.tensors.values()]
        self.paths = [known.path for known in reach.tensors.values()]
        self.arrays = [x.array for x in self.tensors]
        self.nodes = [x.node for x in self.tensors]
        looks = [Look(x, name, Variable) for x in self.tensors for name in SLOTS[Variable]]
        looks += [Look(vars(structure), "changes"), *elements_of(observers)]
        self.fast, self.slow = [], []
        native = has_places()
        for place, values in self.places:
            kind, is_whole = type(place.holder), all(x is not MISSING for x in values)
            if native and kind is dict and isinstance(place, Absent | Names):
                looks += [Look(place.holder, name) for name in place.names]
            elif native and kind in SLOTS and isinstance(place, Cell | Slots) and is_whole:
                looks += [Look(place.holder, name, kind) for name in SLOTS[kind]]
            elif isinstance(place, Names) and place.names and is_whole:
                get = getter(place.names)
                self.fast.append((get, place.holder, get(place.holder)))
            else:
                self.slow.append((place, values))
        self.words = Words(looks) if native else None
        self.hooks = [_hooks(node) for node in self.nodes]
        self.modules = [(path, module, _contents(module)) for path, module in reach.modules]
        self.everywhere = hooks_everywhere()
        self.changes = structure.changes
        self.observers = list(observers)
        self.read = [(path, array, array.copy()) for path, array in (*trace.read_outside, *reach.loose.values())]

    def changed(self) -> str | None:
        """Return what has changed; None where nothing has."""
        try:
            for get, holder, values in self.fast:
                if not all(map(is_, get(holder), values)):
                    return self._look()
        except KeyError:
            return self._look()
        for place, values in self.slow:
            now = place.now()
            if len(now) != len(values) or not all(map(is_, now, values)):
                return self._look()
        if not (self._holds_all() if self.words is None else self.words.same()):
            return self._look()
        for path, array, copy in self.read:
            if not same_bits(array, copy):
                return path
        return None

    def _holds_all(self) -> bool:
        """Return whether tensors have the arrays and nodes that they had, observers and modules too."""
        return (all(map(is_, map(_array, self.tensors), self.arrays))
                and all(map(is_, map(_node, self.tensors), self.nodes))
                and observers == self.observers and structure.changes == self.changes)

    def _look(self) -> str | None:
        """Compare by equality; take over values that are other objects but equal."""
        before = structure.changes
        if observers != self.observers:
            return "who observes training"
        if not same(self.everywhere, hooks_everywhere()):
            return "the hooks on all modules"
        for path, module, contents in self.modules:
            now = _contents(module)
            if now.keys() != contents.keys():
                return f"the attributes of {path}"
            for name, value in contents.items():
                if not same(now[name], value):
                    return f"{path}.{name}"
        for place, values in self.places:
            now_values = place.now()
            if len(now_values) != len(values):
                return place.path or "a global"
            for i, pair in enumerate(zip(now_values, values)):
                if not same(*pair):
                    return place.name(i)
        for path, x, array, node in zip(self.paths, self.tensors, self.arrays, self.nodes):
            if x.array is not array:
                return f"the array of {path}"
            if x.node is not node and (type(x.node) is Leaf or type(node) is Leaf):
                return f"whether {path} requires a gradient"
        for path, x, hooks in zip(self.paths, self.tensors, self.hooks):
            if not same(_hooks(x.node), hooks):
                return f"the hooks of {path}"
        self.fast = [(get, holder, get(holder)) for get, holder, _ in self.fast]
        self.slow = [(place, place.now()) for place, _ in self.slow]
        self.nodes = [x.node for x in self.tensors]
        if self.words is not None:
            self.words.renew()
        self.changes = before
        return None


def _hooks(node: Any) -> tuple[Any, ...]:
    """Return the hooks on the gradient of a leaf."""
    return tuple(node.hooks.items()) if type(node) is Leaf and node.hooks else ()


def _contents(module: Module) -> dict[str, Any]:
    """Return the attributes of a module, and its hooks and names as tuples."""
    held = dict(vars(module))
    held["_hooks"] = tuple(held["_hooks"].items())
    held["_persistent"] = tuple(held["_persistent"].items())
    held["_declared"] = tuple(sorted(held["_declared"]))
    return held
