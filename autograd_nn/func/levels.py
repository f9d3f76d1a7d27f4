"""Tensors inside `vmap`: to the function each looks like one sample, to the door it is all samples at once.

A `Level` is one call of `vmap`. It listens at the door: a primitive that gets a `Batched` tensor of this level is
applied to all samples by its batching rule, one level further out. So calls of `vmap` nest as listeners do, and whoever
is not inside one pays nothing.

A `Batched` tensor has two places in the graph. Its ``whole`` has the one that is seen from outside, as any tensor
has. Its ``node`` is the one that is seen from inside, recorded of samples: `grad` inside `vmap` differentiates with
respect to it, and its backward pass is a program of samples again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..engine import Call, Node, Primitive, Result, Update, Variable, check_recordable, listen, state
from ..engine.views import Owner, View, follow, renew
from ..ops import attention, random
from ..ops import index as indexing
from ..ops import shape as shapes
from ..ops.index import ARRAY
from ..tensor import Tensor
from ..tensor.in_place import assign, write
from ..tensor.size import Size
from .rules import Applied, aligned, batched_index, looped, rule_of

__all__ = ["Batched", "Level", "innermost", "lowest"]

_ATTENTION = {attention._attention, attention._attention_input}


class Samples:
    """Stands for the array of a `Batched` tensor: it has the shape of a sample, and no values to read.

    Checks that compare elements with a bound see the elements of all samples.
    """

    __slots__ = ("tensor",)

    def __init__(self, tensor: Batched):
        self.tensor = tensor

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.tensor.whole.array.shape
        return shape[1:] if self.tensor.stacked else shape

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.tensor.whole.dtype
        return dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        strides: tuple[int, ...] = self.tensor.memory.strides
        return strides[len(strides) - self.ndim :]

    @property
    def base(self) -> Any:
        """What owns the memory: never this stand-in alone."""
        return self.tensor.memory

    @property
    def flags(self) -> Any:
        return self.tensor.memory.flags

    def view(self, dtype: Any) -> Any:
        """Return the bits of all samples as another type."""
        return self.tensor.memory.view(dtype)

    def min(self) -> Any:
        return self.tensor.memory.min()

    def max(self) -> Any:
        return self.tensor.memory.max()

    def any(self) -> Any:
        return self.tensor.memory.any()

    def __len__(self) -> int:
        return self.shape[0]

    def __lt__(self, other: Any) -> Any:
        return self.tensor.memory < other

    def __ge__(self, other: Any) -> Any:
        return self.tensor.memory >= other

    def __eq__(self, other: object) -> Any:
        return self.tensor.memory == other

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        """Return the elements of all samples that a mask of all samples, made by a comparison, selects."""
        if isinstance(key, np.ndarray) and key.shape == self.tensor.memory.shape:
            return self.tensor.memory[key]
        raise _unreadable(self.tensor, "an operation that reads values")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise _unreadable(self.tensor, "an operation that reads values")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _unreadable(self.tensor, f"an operation that reads values (.{name})")

    def __float__(self) -> float:
        return float("nan")


def _unreadable(tensor: Batched, what: str) -> RuntimeError:
    if not tensor.level.is_open:
        return RuntimeError("vmap: a tensor from inside vmap was used after vmap had returned; return it from the "
                            f"function instead (shape of a sample: {tensor.shape})")
    return RuntimeError(f"vmap: {what} is not possible inside vmap, where a tensor stands for {tensor.level.size} "
                        f"samples (shape of a sample: {tensor.shape}); use operations on tensors, and where() instead "
                        "of a decision")


class Batched(Tensor):
    """A tensor inside `vmap`.

    Attributes
    ----------
    level : Level
    whole : Tensor
        All samples, along dim 0; or what is the same for all of them.
    stacked : bool
        Which of the two.
    """

    __slots__ = ("level", "stacked", "whole")

    level: Level
    whole: Any
    stacked: bool

    def __init__(self, level: Level, whole: Any, stacked: bool, node: Node | None = None):
        self.level = level
        self.whole = whole
        self.stacked = stacked
        self.node = node
        self._view = None

    @property
    def array(self) -> Any:
        """A stand-in for the array of a sample."""
        return Samples(self)

    @array.setter
    def array(self, value: Any) -> None:
        if type(value) is not Samples:
            raise RuntimeError("vmap: a tensor inside vmap cannot be given another array")
        self.whole, self.stacked = value.tensor.whole, value.tensor.stacked

    @property
    def memory(self) -> Any:
        """The array behind all samples of all levels."""
        return self.whole.memory

    @property
    def shape(self) -> Size:
        """The size of each dim of a sample."""
        shape: Size = self.whole.shape
        return shape[1:] if self.stacked else shape

    @property
    def ndim(self) -> int:
        """The number of dims of a sample."""
        ndim: int = self.whole.ndim
        return ndim - self.stacked

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self.whole.dtype
        return dtype

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed, inside `vmap` or outside."""
        if self._view is not None:
            renew(self)
        return self.node is not None or bool(self.whole.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        raise RuntimeError("requires_grad: cannot be set inside vmap; use func.grad, func.vjp or func.jvp there")

    def placed(self, node: Node | None) -> Batched:
        """Return these samples with another place in the graph."""
        return Batched(self.level, self.whole, self.stacked, node)

    def detach(self) -> Tensor:
        """Return the samples outside the graph, sharing memory."""
        return Batched(self.level, self.whole.detach(), self.stacked)

    def new_zeros(self, *size: Any, **settings: Any) -> Tensor:
        """Return zeros of a shape, as many as there are samples."""
        return self.for_each_sample(super().new_zeros(*size, **settings))

    def new_ones(self, *size: Any, **settings: Any) -> Tensor:
        """Return ones of a shape, as many as there are samples."""
        return self.for_each_sample(super().new_ones(*size, **settings))

    def new_empty(self, *size: Any, **settings: Any) -> Tensor:
        """Return a tensor of a shape, as many as there are samples, whose elements are still to be set."""
        return self.for_each_sample(super().new_empty(*size, **settings))

    def new_full(self, *size: Any, **settings: Any) -> Tensor:
        """Return a tensor of a shape filled with a number, as many as there are samples."""
        return self.for_each_sample(super().new_full(*size, **settings))

    def for_each_sample(self, one: Tensor) -> Tensor:
        """Return a tensor that was made like this one as often as there are samples."""
        if not self.stacked:
            return one
        with self.level.outside():
            return Batched(self.level, shapes.clone(shapes.broadcast_to(one, (self.level.size, *one.shape))), True)

    def __repr__(self) -> str:
        kind = "samples" if self.stacked else "the same for all samples"
        return f"Batched(shape={self.shape}, {self.level.size} {kind}, whole=\n{self.whole!r})"

    def item(self) -> Any:
        """Raise: there is one element for each sample."""
        raise _unreadable(self, "item()")

    def tolist(self) -> Any:
        """Raise: there is one list for each sample."""
        raise _unreadable(self, "tolist()")

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Raise: there is one array for each sample."""
        raise _unreadable(self, "numpy()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise _unreadable(self, "a conversion to an array")

    def __bool__(self) -> bool:
        raise _unreadable(self, "a decision by the value of a tensor (if, while, and, or)")

    def __contains__(self, value: Any) -> bool:
        raise _unreadable(self, "a decision by the value of a tensor (in)")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.clone()

    def __reduce__(self) -> Any:
        raise RuntimeError("pickle: a tensor inside vmap cannot be pickled")

    def equal(self, other: Tensor) -> bool:
        """Raise: the answer may differ from sample to sample."""
        raise _unreadable(self, "equal()")

    def allclose(self, other: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> bool:
        """Raise: the answer may differ from sample to sample."""
        raise _unreadable(self, "allclose()")


class _Open(threading.local):
    """The calls of vmap that this thread is inside of, the innermost last."""

    levels: tuple[Level, ...] = ()


_open = _Open()


def innermost() -> Level | None:
    """Return the call of vmap that this thread is inside of, the innermost one."""
    return _open.levels[-1] if _open.levels else None


def lowest(x: Any) -> Any:
    """Return the array of a tensor, or of all samples of all levels."""
    return x.memory


class _Outside:
    """Lets operations pass one level further out."""

    def __init__(self, level: Level):
        self.level = level

    def __enter__(self) -> None:
        self.before = state.listener, state.sampler, _open.levels
        state.listener, state.sampler = self.level.outer, self.level.outer_sampler
        _open.levels = _open.levels[: _open.levels.index(self.level)]

    def __exit__(self, *exception: object) -> None:
        state.listener, state.sampler, _open.levels = self.before


class Level(listen):
    """One call of `vmap`: how many samples there are, and how random numbers are drawn for them."""

    def __init__(self, size: int, randomness: str):
        self.size = size
        self.randomness = randomness
        self.listener: Any = None  # hears of primitives alone
        self.is_open = False

    def __enter__(self) -> Level:
        self.outer, self.outer_sampler = state.listener, state.sampler
        state.listener, state.sampler = self, self.sample
        _open.levels = (*_open.levels, self)
        self.is_open = True
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_open = False
        _open.levels = _open.levels[:-1]
        state.listener, state.sampler = self.outer, self.outer_sampler

    def outside(self) -> _Outside:
        """Return a context in which operations pass one level further out."""
        return _Outside(self)

    # -------------------------------------------------------------------------------- at the door

    def own(self, x: Any) -> Batched | None:
        """Return an input as a tensor of this level; None for any other."""
        if type(x) is Batched:
            return x if x.level is self else None
        array = x.array if isinstance(x, Variable) else x
        if type(array) is Samples and array.tensor.level is self:  # what `wrap(x.array)` makes: out of the graph
            known = array.tensor
            return Batched(self, known.whole.detach(), known.stacked, x.node if isinstance(x, Variable) else None)
        return None

    def __call__(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if any(isinstance(value, Variable) for value in params.values()):
            ordered = primitive._in_order(inputs, params)
            if ordered is not None:
                inputs, params = tuple(ordered[0]), ordered[1]
        own = [self.own(x) for x in inputs]
        draws = primitive is random._dropout or (primitive in _ATTENTION and params["p"])
        if all(x is None for x in own) and not (draws and self.randomness != "same"):
            with self.outside():
                return primitive(*inputs, **params)
        if isinstance(primitive, Update):
            return self._updated(primitive, inputs, own, params)
        for x in own:
            if x is not None and x._view is not None:
                renew(x)
        wholes = [x if mine is None else mine.whole for x, mine in zip(inputs, own)]
        stacked = [mine is not None and mine.stacked for mine in own]
        with self.outside():
            out, is_stacked = self._applied(primitive, wholes, stacked, params)
        if not isinstance(out, tuple):
            result = Batched(self, out, is_stacked)
            self._record(primitive, inputs, own, params, (result,))
            if primitive.view and own[0] is not None:
                _link(result, own[0], primitive, params)
            return result
        results = tuple(Batched(self, each, is_stacked) for each in out)
        self._record(primitive, inputs, own, params, results)
        return results

    def _applied(self, primitive: Any, wholes: list[Any], stacked: list[bool], params: dict[str, Any]) -> Any:
        """Return what a primitive makes of all samples, and whether that is one result for each."""
        if primitive is random._dropout:
            return self._dropped(wholes, stacked, params)
        if primitive in _ATTENTION and params["p"]:
            return self._attended(primitive, wholes, stacked, params)
        if not any(stacked):
            return primitive(*wholes, **params), False
        return rule_of(primitive)(Applied(primitive, wholes, stacked, params, self.size)), True

    def _record(
        self, primitive: Primitive[Any], inputs: tuple[Any, ...], own: list[Batched | None], params: dict[str, Any],
        results: tuple[Batched, ...],
    ) -> None:
        """Give results their place in the graph of samples, where an input has one."""
        if not state.recording:
            return
        parents = [None if x is None else x.node for x in own]
        needs = sum(1 << i for i, node in enumerate(parents) if node is not None) & primitive.differentiable
        if not needs or not results:
            return
        kept = tuple(x.placed(None) for x in results)
        call = primitive._record(kept[0], kept, self._kept(inputs, own), parents, params, needs, 1 << len(inputs))
        if not primitive.single:
            call.count = len(results)
        for i, x in enumerate(results):
            if x.dtype.kind in "fc":
                x.node = Result(call, i, x.shape, x.dtype) if i else call

    def _kept(self, inputs: tuple[Any, ...], own: list[Batched | None]) -> list[Any]:
        """Return inputs as a recorded call keeps them: with their place outside, without that inside."""
        return [
            mine.placed(None) if mine is not None
            else Batched(self, x, False) if isinstance(x, Variable)
            else np.asarray(x) if isinstance(x, list | tuple | np.generic)
            else x
            for x, mine in zip(inputs, own)
        ]

    # -------------------------------------------------------------------------------- writes

    def _updated(
        self, primitive: Update, inputs: tuple[Any, ...], own: list[Batched | None], params: dict[str, Any]
    ) -> Any:
        written = primitive.places(len(inputs)) if primitive.writes_rest else primitive.writes
        places = [i for i in written if i < len(inputs) and inputs[i] is not None]
        if any(x is not None and x.stacked for x in own):
            for i in places:
                mine = own[i]
                if mine is None or not mine.stacked:
                    raise RuntimeError(
                        f"{primitive.name}(): inside vmap, samples cannot be written into a tensor that is one for all "
                        f"of them (shape={inputs[i].shape}); use the operation that is not in place, make the tensor "
                        "by x.new_zeros() or zeros_like(x), or map over it too")
        recorded = 0
        target = own[written[0]] if written else None
        if state.recording and primitive.differentiable and target is not None:
            recorded = sum(1 << i for i, x in enumerate(own) if x is not None and x.node is not None
                           and primitive.differentiable >> i & 1)
            if recorded or target.node is not None:
                check_recordable(target, primitive.name + "()")
        kept = self._kept(inputs, own) if recorded else []
        if primitive is indexing.copy_into:
            self._write(own[0], inputs[1], own[1])
        elif primitive is indexing.write_view:
            self._write(self._reached(own[0], params["path"]), inputs[1], own[1])
        elif primitive is indexing.setitem:
            self._set(own, inputs, params)
        else:
            wholes = [x if mine is None else mine.whole for x, mine in zip(inputs, own)]
            stacked = [mine is not None and mine.stacked for mine in own]
            with self.outside():
                if primitive.name in _ELEMENTWISE_UPDATES or not any(stacked):
                    primitive(*wholes, **params)
                else:
                    looped(Applied(primitive, wholes, stacked, params, self.size))
        if target is not None and (recorded or target.node is not None) and state.recording and (
            primitive.differentiable
        ):
            parents = [None if x is None else x.node for x in own]
            bare = target.placed(None)
            target.node = primitive._record(bare, (bare,), kept, parents, params, recorded,
                                            1 << len(inputs)) if recorded else None
            if target._view is not None:
                target._view.version += 1
        return inputs[written[0]] if written else None

    def _reached(self, base: Any, path: Any) -> Any:
        """Return the view that `path` leads to, recorded outside only."""
        view = base.placed(None)
        return follow(view, path) if path else view

    def _write(self, target: Any, value: Any, mine: Batched | None) -> None:
        with self.outside():
            if mine is not None:
                value = aligned(mine.whole, target.ndim) if mine.stacked else mine.whole
            write(target.whole, value, "an in-place operation")

    def _set(self, own: list[Batched | None], inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
        view = self._reached(own[0], params["path"])
        arrays = [x if mine is None else mine.whole for x, mine in zip(inputs[2:], own[2:])]
        stacked = [mine is not None and mine.stacked for mine in own[2:]]
        value = inputs[1] if own[1] is None else own[1].whole
        with self.outside():
            key = params["key"]
            if not view.stacked:
                assign(view.whole, indexing.numpy_index(key, arrays), value)
                return
            found = batched_index(key, arrays, stacked, view.ndim, self.size)
            if isinstance(value, Tensor) and value.ndim:
                rank = found.result_rank(view.ndim)
                if own[1] is not None and own[1].stacked:
                    value = aligned(value, rank)
                elif value.ndim > rank:  # leading dims of size 1
                    value = shapes.reshape(value, value.shape[value.ndim - rank :])
                elif found.place and found.rank:
                    value = shapes.reshape(value, (1,) * (rank + 1 - value.ndim) + value.shape)
                if value.ndim == rank + 1:
                    value = found.index_first(value)
            index = tuple(found.arrays[i] if entry is ARRAY else slice(*entry) if isinstance(entry, tuple) else entry
                          for i, entry in _numbered(found.key))
            assign(view.whole, index, value)

    # -------------------------------------------------------------------------------- random numbers

    def _dropped(self, wholes: list[Any], stacked: list[bool], params: dict[str, Any]) -> Any:
        x, seed = wholes
        if self.randomness == "error":
            raise _random_error("dropout")
        if self.randomness == "different":
            x = x if stacked[0] else shapes.broadcast_to(x, (self.size, *x.shape))
            return random._dropout(x, seed, **params), True
        if not stacked[0]:
            return random._dropout(x, seed, **params), False
        _, mask = random._dropout(shapes.select(x, 0, 0).detach(), seed, **params)
        mask = shapes.broadcast_to(mask, x.shape)
        return (random._dropout_apply(x, mask, **params), mask), True

    def _attended(self, primitive: Any, wholes: list[Any], stacked: list[bool], params: dict[str, Any]) -> Any:
        if self.randomness == "error":
            raise _random_error("dropout")
        if self.randomness == "different":
            wholes[0] = wholes[0] if stacked[0] else shapes.broadcast_to(wholes[0], (self.size, *wholes[0].shape))
            return rule_of(primitive)(Applied(primitive, wholes, [True, *stacked[1:]], params, self.size)), True
        if not any(stacked):
            return primitive(*wholes, **params), False
        return looped(Applied(primitive, wholes, stacked, params, self.size)), True

    def sample(self, draw: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Draw random numbers: none, the same for all samples, or different ones."""
        if self.randomness == "error":
            raise _random_error(draw.__name__)
        own = {id(x): self.own(x) for x in (*args, *settings.values()) if self.own(x) is not None}
        if self.randomness == "same" and not any(x.stacked for x in own.values() if x is not None):
            with self.outside():
                return draw(*args, **settings)
        parts = []
        generator = settings.get("generator") or random.default_generator
        before = generator.get_state()
        with self.outside():
            for i in range(self.size):
                if self.randomness == "same":
                    generator.set_state(before)
                one = [self._one(x, own.get(id(x)), i) for x in args]
                parts.append(draw(*one, **{key: self._one(x, own.get(id(x)), i) for key, x in settings.items()}))
            parts = [part if isinstance(part, Variable) else Tensor(part) for part in parts]
            return Batched(self, shapes.stack(parts), True)

    def _one(self, x: Any, mine: Batched | None, i: int) -> Any:
        if mine is None:
            return x
        return shapes.select(mine.whole, 0, i) if mine.stacked else mine.whole


_ELEMENTWISE_UPDATES = {"move_statistics", "accumulate"}  # which do to all samples what they do to one


def _random_error(operation: str) -> RuntimeError:
    return RuntimeError(f"{operation}(): vmap was called with randomness='error', and so draws no random numbers; say "
                        "randomness='different' for other numbers in each sample, or 'same' for the same ones")


def _numbered(key: Iterable[Any]) -> Any:
    """Yield the entries of a key, each with the number of arrays before it."""
    count = 0
    for entry in key:
        yield count, entry
        count += entry is ARRAY


def _link(out: Batched, source: Batched, primitive: Any, params: dict[str, Any]) -> None:
    """Make `out` a view of `source`, where the two share memory."""
    if not np.may_share_memory(out.memory, source.memory):
        return
    step = (primitive, params)
    known = source._view
    out._view = view = View()
    if type(known) is View:
        view.base, view.path, view.seen = known.base, (*known.path, step), known.seen
    else:
        if known is None:
            known = source._view = Owner()
        view.base, view.path, view.seen = source, (step,), known.version


_Call = Call
