"""What a function can reach: the Python values, tensors and sources of random numbers that it reads or changes.

A walk from the function over its globals, closures and defaults, and over those attributes that its code names. What
it finds serves twice: a `Snapshot` puts state back and compares it, and `guards` look whether a value has changed.
"""

from __future__ import annotations

import builtins
import contextvars
import functools
import operator
import random
import sys
import types
import weakref
from array import array as NumberArray
from collections import deque
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from ..engine import Leaf, Variable
from ..nn import Module
from ..ops.random import Generator, default_generator
from .watch import Watch, code_within, is_users, is_users_file, names_in, words_in

__all__ = ["MISSING", "Place", "Reach", "Snapshot", "Stands", "alike", "owner", "same"]

MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()
LIMIT = 100_000  # objects beyond which the walk gives up
_ATOMS = (int, float, bool, str, bytes, complex, type(None), np.generic, np.dtype, slice, range, CodeType)
_PACKAGE = __name__.split(".")[0] + "."
_READERS = frozenset({"get_last_lr", "get_lr", "state_dict"})  # methods that hand out what such objects hold
_VIEWS: Any = (types.MappingProxyType, type({}.keys()), type({}.values()), type({}.items()))
# Modules whose classes' methods hide nothing: they read what the user's code names.
_STATELESS = frozenset({"abc", "argparse", "builtins", "collections.abc", "types", "typing"})
# Modules whose objects without attributes never change, or are locks.
_FIXED = frozenset({"builtins", "datetime", "decimal", "fractions", "ipaddress", "pathlib", "re", "types", "typing",
                    "uuid", "_thread"})
_LIVE = (_PACKAGE + "optim.",)  # objects whose methods are called anew by each replay: nothing of them is guarded


def owner(array: np.ndarray) -> np.ndarray:
    """Return the array whose memory an array shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def same(a: Any, b: Any) -> bool:
    """Return whether two values are one object, or plain values that are equal."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, _ATOMS):
        return bool(a == b) or (a != a and b != b)
    if isinstance(a, types.MethodType):
        return a.__self__ is b.__self__ and a.__func__ is b.__func__
    return False


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays are of one shape and dtype and hold the same bits."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def alike(a: Any, b: Any) -> bool:
    """Return whether two values are equal in all that they hold, tensors and arrays bit by bit."""
    if same(a, b):
        return True
    if isinstance(a, Variable) and isinstance(b, Variable):
        return same_bits(a.array, b.array)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return same_bits(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple | deque):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(value, b[key]) for key, value in a.items())
    return isinstance(a, set | frozenset) and a == b


class Stands:
    """Stands for a function, ``_stands_for``: that is what is reached by it."""

    __slots__ = ()

    _stands_for: Any


# ------------------------------------------------------------------------------------ places that hold values


class Place:
    """Something that holds values which can be replaced."""

    def __init__(self, path: str, holder: Any):
        self.path = path
        self.holder = holder

    def now(self) -> tuple[Any, ...]:
        """Return the values that it holds."""
        raise NotImplementedError

    def put(self, values: tuple[Any, ...]) -> None:
        """Let it hold these values."""
        raise NotImplementedError

    def name(self, i: int) -> str:
        """Return what value number i is called."""
        return f"{self.path}[{i}]"


class Names(Place):
    """Names of a namespace: globals of a module, attributes of an object or a class."""

    def __init__(self, path: str, holder: Any, names: tuple[str, ...], target: Any = None):
        super().__init__(path, holder)
        self.names = names
        self.target = target  # a class, whose namespace is written to by setattr

    def now(self) -> tuple[Any, ...]:
        get = self.holder.get
        return tuple([get(name, MISSING) for name in self.names])

    def put(self, values: tuple[Any, ...]) -> None:
        for name, before, value in zip(self.names, self.now(), values):
            if before is value:
                continue
            if value is MISSING:
                del self.holder[name]
            elif self.target is not None:
                setattr(self.target, name, value)
            else:
                self.holder[name] = value

    def name(self, i: int) -> str:
        return f"{self.path}.{self.names[i]}" if self.path else self.names[i]


class Mapping(Place):
    """All items of a dict."""

    def now(self) -> tuple[Any, ...]:
        return (*self.holder.keys(), *self.holder.values())

    def put(self, values: tuple[Any, ...]) -> None:
        if not all(map(same, self.now(), values)) or len(self.holder) * 2 != len(values):
            half = len(values) // 2
            self.holder.clear()
            self.holder.update(zip(values[:half], values[half:]))

    def name(self, i: int) -> str:
        keys = [*self.holder]
        key = keys[i % len(keys)] if keys else "..."
        return f"{self.path}[{key!r}]" if not isinstance(key, Variable) else f"{self.path}[a tensor]"


class Attributes(Mapping):
    """All attributes of an object, by its ``__dict__``."""

    def name(self, i: int) -> str:
        keys = [*self.holder]
        return f"{self.path}.{keys[i % len(keys)]}" if keys else self.path


class Sequence(Place):
    """The items of a list or a deque."""

    def now(self) -> tuple[Any, ...]:
        return tuple(self.holder)

    def put(self, values: tuple[Any, ...]) -> None:
        self.holder.clear()
        self.holder.extend(values)


class Collection(Place):
    """The items of a set."""

    def now(self) -> tuple[Any, ...]:
        return tuple(self.holder)

    def put(self, values: tuple[Any, ...]) -> None:
        if self.holder != set(values):  # else their order would change
            self.holder.clear()
            self.holder.update(values)

    def name(self, i: int) -> str:
        return self.path


class Cell(Place):
    """A variable of an enclosing function."""

    def now(self) -> tuple[Any, ...]:
        try:
            return (self.holder.cell_contents,)
        except ValueError:
            return (MISSING,)

    def put(self, values: tuple[Any, ...]) -> None:
        if values[0] is not MISSING:
            self.holder.cell_contents = values[0]

    def name(self, i: int) -> str:
        return self.path


class Slots(Place):
    """Attributes that lie in slots of an object."""

    def __init__(self, path: str, holder: Any, names: tuple[str, ...]):
        super().__init__(path, holder)
        self.names = names

    def now(self) -> tuple[Any, ...]:
        return tuple([getattr(self.holder, name, MISSING) for name in self.names])

    def put(self, values: tuple[Any, ...]) -> None:
        for name, before, value in zip(self.names, self.now(), values):
            if before is not value and value is not MISSING:
                setattr(self.holder, name, value)

    def name(self, i: int) -> str:
        return f"{self.path}.{self.names[i]}"


class Content(Place):
    """What an object holds that has no attributes: bytes, numbers, what a view or a weak reference leads to."""

    def now(self) -> tuple[Any, ...]:
        holder = self.holder
        if isinstance(holder, weakref.ref):
            return (holder(),)
        if isinstance(holder, contextvars.ContextVar):
            return (holder.get(MISSING),)
        if isinstance(holder, types.MappingProxyType):
            return (*holder.keys(), *holder.values())
        return tuple(holder) if isinstance(holder, _VIEWS) else (bytes(holder),)

    def put(self, values: tuple[Any, ...]) -> None:
        holder = self.holder
        if isinstance(holder, (weakref.ref, *_VIEWS)) or all(map(same, self.now(), values)):
            return  # the first lead to what others hold
        (value,) = values
        if isinstance(holder, contextvars.ContextVar):
            if value is not MISSING:
                holder.set(value)
        elif isinstance(holder, NumberArray):
            del holder[:]
            holder.frombytes(value)
        elif isinstance(holder, bytearray):
            holder[:] = value
        elif not holder.readonly:
            holder.cast("B")[:] = value

    def name(self, i: int) -> str:
        return self.path


class Absent(Place):
    """Names that a namespace does not have: those of a class or of Python stand for them."""

    def __init__(self, path: str, holder: Any, names: tuple[str, ...]):
        super().__init__(path, holder)
        self.names = names

    def now(self) -> tuple[Any, ...]:
        return (self.holder.keys().isdisjoint(self.names),)

    def put(self, values: tuple[Any, ...]) -> None:
        if values != self.now():
            for name in self.names:
                self.holder.pop(name, None)

    def name(self, i: int) -> str:
        there = [name for name in self.names if name in self.holder]
        return ".".join([*filter(None, [self.path]), *(there[:1] or ["a name"])])


class Known(NamedTuple):
    """A tensor and where it was found."""

    path: str
    tensor: Any


# ------------------------------------------------------------------------------------ the walk


class Reach:
    """What a function and its arguments reach.

    Parameters
    ----------
    function : callable
    watch : Watch
        Which code ran: of other code nothing is followed.
    arguments : iterable of (str, object)
        Values that are reached too.

    Attributes
    ----------
    places, guarded : list of Place
        All that hold values; and those whose values a replay depends on.
    modules : list of (str, Module)
    tensors : dict of int to Known
    arrays : dict of int to (str, ndarray)
        The owners of memory, by their id.
    sources : list of (str, object)
        Generators of random numbers.
    problems : list of str
        Why what is reached cannot be replayed.
    """

    def __init__(self, function: Callable[..., Any], watch: Watch, arguments: Any = ()):
        self.watch = watch
        self.places: list[Place] = []
        self.guarded: list[Place] = []
        self.modules: list[tuple[str, Module]] = []
        self.tensors: dict[int, Known] = {}
        self.arrays: dict[int, tuple[str, np.ndarray]] = {}
        self.loose: dict[int, tuple[str, np.ndarray]] = {}  # arrays of NumPy's that code of the user's names
        self.sources: dict[int, tuple[str, Any]] = {id(default_generator): ("default_generator", default_generator)}
        self.problems: dict[str, None] = {}
        self.names: set[str] = set()
        self.words: set[str] = set()  # by which getattr may ask for an attribute
        for code in watch.codes:
            self.names |= names_in(code)
            self.words |= words_in(code)
        self._seen: dict[int, tuple[bool, Any]] = {}
        self._found: set[CodeType] = set()
        self._waiting: deque[tuple[Any, str, bool]] = deque([(function, getattr(function, "__name__", "step"), True)])
        self._waiting.extend((value, path, True) for path, value in arguments)
        while self._waiting:
            if len(self._seen) > LIMIT:
                self.problems[f"it reaches more than {LIMIT} Python objects"] = None
                break
            self._visit(*self._waiting.popleft())
        for code in watch.codes - self._found:
            self.problems[f"it calls {code.co_name}() ({code.co_filename.rpartition('/')[2]}, line "
                          f"{code.co_firstlineno}) in a way that cannot be followed"] = None

    def leaves(self) -> list[Known]:
        """Return the tensors whose gradients `backward` adds up."""
        return [known for known in self.tensors.values() if type(known.tensor.node) is Leaf]

    def _add(self, place: Place, guarded: bool, fresh: bool) -> None:
        if fresh:
            self.places.append(place)
        if guarded:
            self.guarded.append(place)

    def _visit(self, value: Any, path: str, guarded: bool) -> None:
        if isinstance(value, _ATOMS):
            return
        before = self._seen.get(id(value))
        if before is not None and (before[0] or not guarded):
            return
        fresh = before is None
        self._seen[id(value)] = guarded, value
        if isinstance(value, Variable):
            self._tensor(value, path)
        elif isinstance(value, np.ndarray):
            self.arrays.setdefault(id(owner(value)), (path, owner(value)))
            if guarded:
                self.loose[id(value)] = path, value
        elif isinstance(value, FunctionType):
            self._function(value, path, guarded, fresh)
        elif isinstance(value, types.MethodType):
            self._later((value.__self__, path.rpartition(".")[0] or path), (value.__func__, path), guarded=guarded)
        elif isinstance(value, functools.partial):
            self._later((value.func, path), (value.args, path), (value.keywords, path), guarded=guarded)
        elif isinstance(value, staticmethod | classmethod):
            self._later((value.__func__, path), guarded=guarded)
        elif isinstance(value, property):
            self._later((value.fget, path), (value.fset, path), guarded=guarded)
        elif isinstance(value, functools.cached_property):
            self._later((value.func, path), guarded=guarded)
        elif isinstance(value, tuple | frozenset):
            self._later(*((item, f"{path}[{i}]") for i, item in enumerate(value)), guarded=guarded)
        elif isinstance(value, dict):
            self._dict(value, path, guarded, fresh)
        elif isinstance(value, list | deque):
            self._add(Sequence(path, value), guarded, fresh)
            self._later(*((item, f"{path}[{i}]") for i, item in enumerate(value)), guarded=guarded)
        elif isinstance(value, set):
            self._add(Collection(path, value), guarded, fresh)
            self._later(*((item, path) for item in value), guarded=guarded)
        elif isinstance(value, types.ModuleType):
            self._namespace(value, path, guarded, fresh)
        elif isinstance(value, type):
            self._class(value, path, guarded, fresh)
        elif isinstance(value, Generator | np.random.Generator | np.random.RandomState | random.Random):
            self.sources[id(value)] = path, value
        elif isinstance(value, (*_VIEWS, NumberArray, bytearray, memoryview, weakref.ref, contextvars.ContextVar)):
            place = Content(path, value)
            self._add(place, guarded, fresh)
            self._later(*((item, path) for item in place.now() if item is not MISSING), guarded=guarded)
        elif isinstance(value, types.BuiltinMethodType | types.MethodWrapperType):
            self._later((value.__self__, path.rpartition(".")[0] or path), guarded=guarded)
        elif hasattr(type(value), "__next__"):
            if guarded:
                self.problems[f"it reads from an iterator, {path}: what comes next cannot be known"] = None
        else:
            self._object(value, path, guarded, fresh)

    def _later(self, *values: tuple[Any, str], guarded: bool) -> None:
        self._waiting.extend((value, path, guarded) for value, path in values)

    def _tensor(self, x: Any, path: str) -> None:
        self.tensors[id(x)] = Known(path, x)
        self.arrays.setdefault(id(owner(x.array)), (path, owner(x.array)))
        if type(x.node) is Leaf and x.node.hooks is not None:
            self._later((x.node.hooks, f"the hooks of {path}"), guarded=True)

    def _dict(self, value: dict[Any, Any], path: str, guarded: bool, fresh: bool) -> None:
        self._add(Mapping(path, value), guarded, fresh)
        for key, item in [*value.items()]:
            if isinstance(key, Variable):
                self._later((key, f"a key of {path}"), (item, f"{path}[a tensor]"), guarded=guarded)
            else:
                self._later((item, f"{path}[{key!r}]"), guarded=guarded)

    def _function(self, function: FunctionType, path: str, guarded: bool, fresh: bool) -> None:
        code = function.__code__
        users = is_users(code)
        if users and code not in self.watch.codes:
            return
        if users:
            self._found.update(code_within(code))
            known = function.__globals__
            names = tuple(sorted(name for name in names_in(code) if name in known))
            if names:
                self._add(Names("", known, names), guarded, fresh)
                self._later(*((known[name], name) for name in names), guarded=guarded)
            absent = tuple(sorted(name for name in names_in(code) if name not in known and hasattr(builtins, name)))
            if absent:
                self._add(Absent("", known, absent), guarded, fresh)
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            place = Cell(name, cell)
            self._add(place, guarded, fresh)
            self._later(*((value, name) for value in place.now() if value is not MISSING), guarded=guarded)
        if users:
            parts = "__code__", "__defaults__", "__kwdefaults__"
            self._add(Slots(function.__name__, function, parts), guarded, fresh)
        for defaults in (function.__defaults__, function.__kwdefaults__):
            if defaults is not None:
                self._later((defaults, f"the defaults of {function.__name__}"), guarded=guarded)
        if hasattr(function, "__wrapped__"):
            self._later((function.__wrapped__, path), guarded=guarded)

    def _named(self, names: Any) -> tuple[str, ...]:
        return tuple(name for name in names if self.watch.by_any_name or name in self.names)

    def _namespace(self, module: types.ModuleType, path: str, guarded: bool, fresh: bool) -> None:
        file = getattr(module, "__file__", None)
        names = tuple(name for name in vars(module) if name in self.names)
        if file is None or not is_users_file(file):  # of a library only values are followed, such as os.environ
            if module.__name__.startswith(_PACKAGE) or module.__name__ == _PACKAGE[:-1]:
                return
            names = tuple(name for name in names
                          if not (callable(vars(module)[name]) or isinstance(vars(module)[name], types.ModuleType)))
        if names:
            self._add(Names(path, vars(module), names), guarded, fresh)
            self._later(*((vars(module)[name], f"{path}.{name}") for name in names), guarded=guarded)

    def _class(self, kind: type, path: str, guarded: bool, fresh: bool) -> None:
        if not _is_users_class(kind):
            return
        held = vars(kind)
        names = self._named(name for name in held if not name.startswith("__"))
        if names:
            self._add(Names(kind.__name__, held, names, kind), guarded, fresh)
        for name, value in held.items():
            if name in names or isinstance(value, FunctionType | staticmethod | classmethod | property):
                self._later((value, f"{kind.__name__}.{name}"), guarded=guarded)
        self._later(*((base, base.__name__) for base in kind.__bases__), guarded=guarded)
        if type(kind) is not type:
            self._later((type(kind), type(kind).__name__), guarded=guarded)

    def _object(self, value: Any, path: str, guarded: bool, fresh: bool) -> None:
        kind = type(value)
        if isinstance(value, Stands):
            self._later((value._stands_for, path), guarded=guarded)
            return
        module = kind.__module__
        self._later((kind, kind.__name__), guarded=guarded)
        held = getattr(value, "__dict__", None)
        if isinstance(value, Module):
            self.modules.append((path, value))
            self._add(Attributes(path, held), False, fresh)
            for name, item in held.items():  # type: ignore[union-attr]
                if name in ("_hooks", "_persistent", "_declared"):  # their changes are counted (`engine.structure`)
                    self._later((item, f"{path}.{name}"), guarded=False)
                else:
                    self._later((item, f"{path}.{name}"), guarded=True)
            return
        if module.startswith(_LIVE):
            self._live(value, path, guarded, fresh)
            return
        slots = tuple(name for base in kind.__mro__ for name in _listed(vars(base).get("__slots__", ()))
                      if name not in ("__weakref__", "__dict__"))
        if slots and _is_users_class(kind):
            place = Slots(path, value, slots)
            self._add(place, guarded, fresh)
            self._later(*((item, place.name(i)) for i, item in enumerate(place.now()) if item is not MISSING),
                        guarded=guarded)
        if held is None and not slots and guarded and not _is_fixed(value):
            self.problems[f"it reads {path}, of {module}.{kind.__name__}, whose changes are not seen"] = None
        if isinstance(held, dict):
            if module.startswith(_PACKAGE) or any(map(_hides, kind.__mro__)):
                self._add(Attributes(path, held), guarded, fresh)
                names = tuple(held)
            else:
                names = self._named(held)
                if names:
                    self._add(Names(path, held, names), guarded, fresh)
                of_class = {name for base in kind.__mro__[:-1] for name in vars(base)} - held.keys()
                absent = self._named(sorted(of_class))
                absent += tuple(sorted(self.words - held.keys() - of_class))
                if absent and _is_users_class(kind):
                    self._add(Absent(path, held, absent), guarded, fresh)
            self._later(*((held[name], f"{path}.{name}") for name in names), guarded=guarded)
        call = getattr(kind, "__call__", None)  # noqa: B004 -- the function, to follow it
        if isinstance(call, FunctionType):
            self._later((call, path), guarded=guarded)

    def _live(self, value: Any, path: str, guarded: bool, fresh: bool) -> None:
        """Follow an optimizer, a schedule or an average: what they do is done anew, but the user's code may read it."""
        held = vars(value)
        self._add(Attributes(path, held), False, fresh)
        everything = not self.names.isdisjoint(_READERS)
        for name, item in held.items():
            self._later((item, f"{path}.{name}"), guarded=guarded and (everything or name in self.names))


def _hides(kind: type) -> bool:
    """Return whether methods of a class are Python's own, which read what no code of the user's names."""
    module = kind.__module__
    return module not in _STATELESS and module.partition(".")[0] in sys.stdlib_module_names and any(
        isinstance(value, FunctionType) for value in vars(kind).values())


def _is_fixed(value: Any) -> bool:
    """Return whether an object without attributes never changes."""
    kind = type(value)
    if isinstance(value, operator.itemgetter) or kind is object:
        return True
    return kind.__module__.partition(".")[0] in (*_FIXED, _PACKAGE[:-1], "numpy", "numba", "llvmlite")


def _listed(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _is_users_class(kind: type) -> bool:
    """Return whether a class was defined by the user: some function of it is the user's, or its module is."""
    if kind.__module__ in ("builtins", "types", "typing", "abc", "collections", "functools"):
        return False
    functions = [value for value in vars(kind).values() if isinstance(value, FunctionType)]
    if functions:
        return any(is_users(function.__code__) for function in functions)
    return not kind.__module__.startswith((_PACKAGE, "numpy", "numba"))


# ------------------------------------------------------------------------------------ state


def _state_of(source: Any) -> Any:
    if isinstance(source, Generator):
        return source.get_state()
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    return source.get_state(legacy=False) if isinstance(source, np.random.RandomState) else source.getstate()


def _set_state(source: Any, state: Any) -> None:
    if isinstance(source, Generator | np.random.RandomState):
        source.set_state(state)
    elif isinstance(source, np.random.Generator):
        source.bit_generator.state = state
    else:
        source.setstate(state)


def foreign_dice(reach: Reach) -> list[tuple[str, Any, Any]]:
    """Return the sources of random numbers that are not this package's, with their states."""
    known = [(path, source) for path, source in reach.sources.values() if not isinstance(source, Generator)]
    states = [(path, source, _state_of(source)) for path, source in known]
    return [*states, ("random", random, random.getstate()),
            ("numpy.random", np.random, np.random.get_state(legacy=False))]  # noqa: NPY002 -- the one in use


class Snapshot:
    """All state that a function reaches, at one time.

    Parameters
    ----------
    reach : Reach
    """

    def __init__(self, reach: Reach):
        self.reach = reach
        self.values = [place.now() for place in reach.places]
        self.tensors = [(x.array, x.node, x.node.grad if type(x.node) is Leaf else None)
                        for _, x in reach.tensors.values()]
        self.gradients = [None if grad is None else grad.array.copy() for _, _, grad in self.tensors]
        self.arrays = [array.copy() for _, array in reach.arrays.values()]
        self.dice = [_state_of(source) for _, source in reach.sources.values()]

    def restore(self) -> None:
        """Put all state back."""
        for place, values in zip(self.reach.places, self.values):
            place.put(values)
        for (_, x), (array, node, grad), copy in zip(self.reach.tensors.values(), self.tensors, self.gradients):
            x.array, x.node = array, node
            if type(node) is Leaf:
                node.grad = grad
                if grad is not None and grad.array.flags.writeable:
                    grad.array[...] = copy
        for (_, array), copy in zip(self.reach.arrays.values(), self.arrays):
            if array.flags.writeable:
                array[...] = copy
        for (_, source), state in zip(self.reach.sources.values(), self.dice):
            _set_state(source, state)

    def differences(self, other: Snapshot) -> Iterator[str]:
        """Yield what differs from a later state, by its path."""
        for place, before, after in zip(self.reach.places, self.values, other.values):
            if len(before) != len(after):
                yield f"{place.path or 'a namespace'} (its length)"
                continue
            for i, pair in enumerate(zip(before, after)):
                if not alike(*pair):
                    yield place.name(i)
        for (path, _), mine, others, *gradients in zip(self.reach.tensors.values(), self.tensors, other.tensors,
                                                       self.gradients, other.gradients):
            if mine[0] is not others[0] or mine[1] is not others[1]:
                yield f"{path} (another array or place in the graph)"
            if (gradients[0] is None) != (gradients[1] is None) or not alike(*gradients):
                yield f"{path}.grad"
        for (path, array), *copies in zip(self.reach.arrays.values(), self.arrays, other.arrays):
            if not same_bits(*copies):
                yield f"{path}, shape {array.shape}"
        for (path, _), *states in zip(self.reach.sources.values(), self.dice, other.dice):
            if not _equal_states(*states):
                yield f"the random numbers drawn from {path}"


def _equal_states(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal_states(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_equal_states, a, b))
    return bool(a == b)
