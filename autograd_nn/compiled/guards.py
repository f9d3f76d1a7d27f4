"""Guards: what a replay depends on, compared at each call.

Values are compared by identity, which costs some nanoseconds each; where one differs, by equality, before the plan is
given up.
"""

from __future__ import annotations

from operator import attrgetter, is_, itemgetter
from typing import Any

from ..engine import Leaf, observers, structure
from ..nn import Module
from ..nn.module import hooks_everywhere
from .reach import MISSING, Cell, Names, Reach, same, same_bits
from .trace import Trace

__all__ = ["Guards"]

_array, _node, _content = attrgetter("array"), attrgetter("node"), attrgetter("cell_contents")


class Guards:
    """Compares all that a plan depends on with what it was when the plan was traced."""

    def __init__(self, reach: Reach, trace: Trace):
        self.places = [(place, place.now()) for place in reach.guarded]
        self.fast = [(itemgetter(*place.names), place.holder, values) for place, values in self.places
                     if isinstance(place, Names) and len(place.names) > 1]
        cells = [(place.holder, values[0]) for place, values in self.places
                 if isinstance(place, Cell) and values[0] is not MISSING]
        self.cells, self.contents = [cell for cell, _ in cells], [value for _, value in cells]
        self.slow = [(place, values) for place, values in self.places
                     if not (isinstance(place, Names) and len(place.names) > 1)
                     and not (isinstance(place, Cell) and values[0] is not MISSING)]
        self.tensors = [known.tensor for known in reach.tensors.values()]
        self.paths = [known.path for known in reach.tensors.values()]
        self.arrays = [x.array for x in self.tensors]
        self.nodes = [x.node for x in self.tensors]
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
        try:
            if not all(map(is_, map(_content, self.cells), self.contents)):
                return self._look()
        except ValueError:  # a cell was emptied
            return self._look()
        if observers != self.observers:
            return "who observes training"
        for place, values in self.slow:
            now = place.now()
            if len(now) != len(values) or not all(map(is_, now, values)):
                return self._look()
        if not (all(map(is_, map(_array, self.tensors), self.arrays))
                and all(map(is_, map(_node, self.tensors), self.nodes))):
            return self._look()
        if structure.changes != self.changes:
            return self._look()
        for path, array, copy in self.read:
            if not same_bits(array, copy):
                return path
        return None

    def _look(self) -> str | None:
        """Compare by equality; take over values that are other objects but equal."""
        before = structure.changes
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
        self.contents = [cell.cell_contents for cell in self.cells]
        self.slow = [(place, place.now()) for place, _ in self.slow]
        self.nodes = [x.node for x in self.tensors]
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
