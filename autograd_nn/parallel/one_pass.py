"""All shards of a rank in one forward and backward pass, with the bits that they have one by one.

Almost all of a training step treats each sample by itself, and a row's bits do not depend on how many rows there are.
Only sums over samples tell the shards apart: gradients of weights, statistics of a batch norm, losses. `OnePass` stands
at the door and knows of each array what it holds:

- *rows*: the samples of all shards, one after the other along dim 0;
- *columns*: the same along dim 1, as in the sequences (T, N, features) of a recurrent layer;
- *steps*: those with their first two dims in one, all samples of the first step, then all of the second;
- one value for *each* shard: they are kept as a stack, and the graph sees the first one, which has the right shape;
- anything else is the same for all shards.

An operation on rows runs once. One that sums over samples runs on the rows of each shard in turn, and so does one whose
rows would have other bits (a matrix product for which NumPy is asked). What has no rule here raises `Apart`, and the
step runs shard by shard.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import unwrap
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from ..data.collate import map_nested
from ..engine import Primitive, Result, Update, Variable, listen, mark_changed, no_grad, state, wrap
from ..engine.backward import accumulate, kept
from ..engine.views import renew
from ..kernels import gemm
from ..ops import (
    activation,
    attention,
    conv,
    distance,
    elementwise,
    index,
    joined_norm,
    linalg,
    loss,
    normalization,
    pool,
    random,
    recurrent,
    reduce,
    shape,
    terms,
)
from ..tensor import Tensor
from ..typing import Array
from .norm import chan
from .tree import add

__all__ = ["EACH", "Apart", "Later", "OnePass"]

ROWS, COLUMNS, STEPS, EACH = "rows", "columns", "steps", "each"
SAMPLES = (ROWS, COLUMNS, STEPS)
LARGE = 2**14  # elements of a gradient of which no stack is made
Kinds: TypeAlias = list[str | None]


class Apart(Exception):
    """The shards cannot run in one pass, for the reason that is given."""


class Later:
    """A large value of each shard that is still to be computed: one at a time, where they are only to be summed.

    Parameters
    ----------
    compute : callable
        ``compute(i)`` returns that of the shard at the place `i`, a new array each time.
    """

    def __init__(self, compute: Callable[[int], Array]):
        self.compute = compute


class _NoSource:
    """Stands for the source of the default generator: only draws that `OnePass` knows are divided among shards."""

    def __getattr__(self, name: str) -> Any:
        raise Apart(f"random numbers are drawn by {name}(), which has no form for several shards")


class OnePass(listen):
    """Listens while the shards of a rank run together: ``with OnePass(...) as one:``.

    Parameters
    ----------
    sizes : dict of int to int
        How many samples each shard has, at least one.
    streams : list of Generator of NumPy
        What each shard draws from.
    join : callable, optional
        ``join(values, what, merge)`` joins what each shard has of a sum with what all others have.
    """

    def __init__(self, sizes: Mapping[int, int], streams: Sequence[Any],
                 join: Callable[[list[Array], str, Any], Array] | None = None):
        super().__init__(self)
        self.shards, self.sizes, self.streams, self.join = [*sizes], [*sizes.values()], streams, join
        self.ends = np.cumsum(self.sizes).tolist()
        self.total = self.ends[-1]
        self.bounds = list(zip([0, *self.ends], self.ends))
        self.even = len({*self.sizes}) == 1
        self.known: dict[int, tuple[Any, str, Any]] = {}
        self.terms: list[list[float]] = []  # what each loss is divided by, of each shard

    def __enter__(self) -> OnePass:
        super().__enter__()
        self.source = random.default_generator.swap_source(_NoSource())
        return self

    def __exit__(self, *exception: object) -> None:
        random.default_generator.swap_source(self.source)
        super().__exit__(*exception)

    # ------------------------------------------------------------------------------------ what arrays hold

    def kind(self, array: Any) -> str | None:
        """Return what an array holds, None if it is the same for all shards."""
        entry = self.known.get(id(array))
        return entry[1] if entry is not None and entry[0]() is array else None

    def stack(self, array: Array) -> Array:
        """Return the values of all shards of an array that stands for them."""
        stack: Any = self.known[id(array)][2]
        if isinstance(stack, Later):
            stack = np.stack([stack.compute(i) for i in range(len(self.sizes))])
            array[...] = stack[0]
            self.note(array, EACH, stack)
        return stack  # type: ignore[no-any-return]

    def note(self, array: Array, kind: str, stack: Any = None) -> Array:
        """Note what an array holds."""
        self.known[id(array)] = weakref.ref(array), kind, stack
        return array

    def each(self, values: Any) -> Array:
        """Return the array that stands for a stack of one value for each shard."""
        stack = np.asarray(values)
        return self.note(stack[0, ...], EACH, stack)

    def rows(self, array: Array) -> Array:
        """Note that an array holds samples along dim 0."""
        if array.ndim == 0 or len(array) % self.total or not len(array):
            raise Apart(f"an array of shape {array.shape} does not hold {self.total} samples along its first dim")
        return self.note(array, ROWS)

    def samples(self, array: Array, kind: str) -> Array:
        """Note that an array holds samples, in rows, columns or steps."""
        if kind == ROWS:
            return self.rows(array)
        held = array.shape[1] if kind == COLUMNS and array.ndim > 1 else len(array) if kind == STEPS else 0
        if held % self.total or not held:
            raise Apart(f"an array of shape {array.shape} does not hold {self.total} samples in {kind}")
        return self.note(array, kind)

    def parts(self, array: Any, kind: str | None) -> Iterator[Any]:
        """Yield what each shard has of an array."""
        if kind == ROWS:
            per = len(array) // self.total
            for begin, end in self.bounds:
                yield array[begin * per : end * per]
        elif kind == COLUMNS:
            per = array.shape[1] // self.total
            for begin, end in self.bounds:
                yield array[:, begin * per : end * per]
        elif kind == STEPS:
            apart = array.reshape(len(array) // self.total, self.total, *array.shape[1:])
            for begin, end in self.bounds:
                yield apart[:, begin:end].reshape(-1, *array.shape[1:])
        elif kind == EACH:
            stack = self.stack(array)
            for i in range(len(stack)):
                yield stack[i, ...]
        else:
            for _ in self.bounds:
                yield array

    def joined(self, values: Sequence[Array], kind: str) -> Array:
        """Return what shards have of an array with samples as one array."""
        if kind != STEPS:
            return self.samples(np.concatenate(values, axis=int(kind == COLUMNS)), kind)
        steps = len(values[0]) // self.sizes[0]
        whole = np.concatenate([value.reshape(steps, -1, *value.shape[1:]) for value in values], axis=1)
        return self.samples(whole.reshape(-1, *whole.shape[2:]), kind)

    def of_each(self, array: Array) -> Array | Later:
        """Return a stack of what each shard has of an array of which all have as much, or how it is computed."""
        kind = self.kind(array)
        if kind in SAMPLES:
            raise Apart("a gradient of a parameter is one of samples")
        if kind is None:
            return np.broadcast_to(array, (len(self.sizes), *array.shape))
        later = self.known[id(array)][2]
        return later if isinstance(later, Later) else self.stack(array)

    def share(self, nest: Any, shard: int) -> Any:
        """Return what one shard has of tensors and arrays, nested as they may be."""
        place = self.shards.index(shard)

        def part(value: Any) -> Any:
            array = value.array if isinstance(value, Tensor) else value
            kind = self.kind(array)
            if kind is None:
                return value
            own = next(islice(self.parts(array, kind), place, None))
            return Tensor(own) if isinstance(value, Tensor) else own

        return map_nested(part, nest)

    # ------------------------------------------------------------------------------------ at the door

    def __call__(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        kinds: Kinds = []
        known = self.known
        some = False
        for x in inputs:
            array = x.array if isinstance(x, Variable) else x
            entry = known.get(id(array))
            if entry is not None and entry[0]() is array:
                kinds.append(entry[1])
                some = True
            else:
                kinds.append(None)
        if params:
            for value in params.values():
                if isinstance(value, Variable):
                    raise Apart(f"{primitive.name}() was given a tensor by keyword")
        if not some:
            return self.passed(primitive, inputs, params)
        rule = RULES.get(primitive)
        if rule is None:
            if isinstance(primitive, Update):
                raise _without_rule(primitive)
            if primitive.elementwise:
                rule = _elementwise
            elif primitive.__module__ in _ELEMENT_BY_ELEMENT:
                rule = _shape_kept
            else:
                raise _without_rule(primitive)
        return rule(self, primitive, inputs, kinds, params)

    def passed(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Apply a primitive as if nobody listened here."""
        state.listener = self.outer
        try:
            return primitive(*inputs, **params)
        finally:
            state.listener = self

    def whole(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any], *kinds: str) -> Any:
        """Apply a primitive to all samples at once; `kinds` says how its results hold them, by default in rows."""
        out = self.passed(primitive, inputs, params)
        outs = out if isinstance(out, tuple) else (out,)
        for each, kind in zip(outs, kinds if len(kinds) == len(outs) else (kinds or (ROWS,)) * len(outs)):
            self.samples(each.array, kind)
        return out

    def looped(self, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any],
               results: Sequence[str], settings: Sequence[dict[str, Any]] | None = None) -> Any:
        """Apply a primitive to what each shard has of its inputs; `results` says what its results hold."""
        arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
        own = enumerate(zip(*(self.parts(a, kind) for a, kind in zip(arrays, kinds))))
        if primitive.elementwise:
            with no_grad():
                outs = [self.passed(primitive, part, params if settings is None else settings[i]).array
                        for i, part in own]
        else:
            outs = [primitive.forward(*part, **(params if settings is None else settings[i])) for i, part in own]
        found = []
        for place, kind in enumerate(results):
            values = [out[place] if isinstance(out, tuple) else out for out in outs]
            found.append(self.joined(values, kind) if kind in SAMPLES else self.each(values))
        return self.result(primitive, inputs, params, found)

    def result(self, primitive: Primitive[Any], inputs: tuple[Any, ...], params: dict[str, Any],
             arrays: list[Array]) -> Any:
        """Return results of a call as tensors with their place in the graph."""
        outs = tuple(wrap(array) for array in arrays)
        if state.recording:
            parents, values = [], []
            for x in inputs:
                if isinstance(x, Variable):
                    if x._view is not None:
                        renew(x)
                    parents.append(x.node)
                    values.append(x.array)
                else:
                    parents.append(None)
                    values.append(x)
            needs = sum(1 << i for i, node in enumerate(parents) if node is not None) & primitive.differentiable
            if needs:
                several = None if primitive.single else tuple(arrays)
                call = primitive._record(arrays[0], several, values, parents, params, needs, 1 << len(inputs))
                if several is not None:
                    call.count = len(outs)
                for i, out in enumerate(outs):
                    if out.array.dtype.kind == "f":
                        out.node = Result(call, i, out.array.shape, out.array.dtype) if i else call
        return outs[0] if primitive.single else outs

    # ------------------------------------------------------------------------------------ what is no operation

    def read(self, x: Any, operation: str) -> None:
        """Hear that Python reads elements: of samples, or of what differs from shard to shard, it must not."""
        if self.kind(x.array if isinstance(x, Variable) else x) is not None:
            raise Apart(f"{operation} reads values of some samples")

    def effect(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Divide among the shards what is drawn, and what a loss is divided by."""
        if method is _NOTE:
            self.terms.append(self._terms(*args, **kwargs))
            return None
        if method in _DRAWS and args[0] is random.default_generator:
            return self._drawn(method, args[0], args[1:], kwargs)
        if method.__qualname__.startswith("Generator."):
            raise Apart(f"random numbers are drawn by {method.__qualname__}() of a generator that is not the default")
        return method(*args, **kwargs)

    def _terms(self, reduction: str, count: Any) -> list[float]:
        if reduction != "mean":
            return [math.inf] * len(self.sizes)
        array = count.array if isinstance(count, Variable) else count
        if isinstance(array, np.ndarray):
            if self.kind(array) not in (EACH, None):
                raise Apart("a loss is divided by samples")
            return [float(n) for n in self.parts(array, self.kind(array))]
        if count % self.total:
            raise Apart("a loss is a mean over no whole number of terms a sample")
        return [float(count // self.total * n) for n in self.sizes]

    def _drawn(self, method: Any, generator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Array:
        place = _DRAWS[method]
        if kwargs or len(args) <= place:
            raise Apart("random numbers are drawn in a form that is not known for several shards")
        size = args[place]
        size = (size,) if isinstance(size, int | np.integer) else tuple(size)
        of_rows = bool(size) and size[0] > 0 and size[0] % self.total == 0
        values = []
        for stream, n in zip(self.streams, self.sizes):
            own = (size[0] // self.total * n, *size[1:]) if of_rows else size
            source = generator.swap_source(stream)
            try:
                values.append(method(generator, *args[:place], own, *args[place + 1 :]))
            finally:
                generator.swap_source(source)
        return self.rows(np.concatenate(values)) if of_rows else self.each(values)


def _without_rule(primitive: Any) -> Apart:
    return Apart(f"{primitive.name}() has no form for several shards")


# ------------------------------------------------------------------------------------ rules
# Each takes the pass, the primitive, its inputs, what they hold, and its settings.

Rule: TypeAlias = Callable[[OnePass, Any, tuple[Any, ...], Kinds, dict[str, Any]], Any]


def _row_by_row(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply what treats each row by itself, whatever is the same for all."""
    if EACH in kinds or COLUMNS in kinds:
        return _one_by_one(one, primitive, inputs, kinds, params)
    return one.whole(primitive, inputs, params, _kind_of_samples(primitive, kinds))


def _in_any_place(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply what treats each sample by itself along whatever dim they are."""
    if EACH in kinds:
        return _one_by_one(one, primitive, inputs, kinds, params)
    return one.whole(primitive, inputs, params, _kind_of_samples(primitive, kinds))


def _kind_of_samples(primitive: Any, kinds: Kinds, otherwise: str = ROWS) -> str:
    """Return how inputs hold samples: all of them in one way."""
    found = {kind for kind in kinds if kind in SAMPLES}
    if len(found) > 1:
        raise _without_rule(primitive)
    return str(found.pop()) if found else otherwise


def _one_by_one(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply to each shard what takes values of shards, with rows or without."""
    if COLUMNS in kinds:
        raise _without_rule(primitive)
    of = ROWS if ROWS in kinds else STEPS if STEPS in kinds else EACH
    return one.looped(primitive, inputs, kinds, params, [of] * max(1, len(primitive.signature.results)))


def _needs(found: tuple[str, ...], *places: int) -> Callable[[Rule], Rule]:
    """Let a rule hold where certain inputs hold samples, all in one way, and the others are the same for all."""

    def limited(rule: Rule) -> Rule:
        def checked(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
            of = kinds[places[0]]
            if of not in found or any(kind != (of if i in places else None) for i, kind in enumerate(kinds)):
                raise _without_rule(primitive)
            return rule(one, primitive, inputs, kinds, params)

        return checked

    return limited


def _needs_rows(*places: int) -> Callable[[Rule], Rule]:
    """Let a rule hold where certain inputs are rows and the others are the same for all."""
    return _needs((ROWS, STEPS), *places)


def _to_each(*results: str) -> Rule:
    """Return the rule of what sums over samples: it runs on each shard. Rows among its results are as its inputs'."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        of = _kind_of_samples(primitive, kinds)
        own = [of if kind == ROWS else kind for kind in results or (EACH,)]
        return one.looped(primitive, inputs, kinds, params, own)

    return rule


def _to_be_summed(shape_of: Callable[..., tuple[int, ...]]) -> Rule:
    """Return the rule of a gradient of weights, of two arrays of rows; large ones are computed as they are summed."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        g, x = (v.array if isinstance(v, Variable) else v for v in inputs)
        size = shape_of(g, x, **params)
        if math.prod(size) < LARGE or state.recording:
            return one.looped(primitive, inputs, kinds, params, (EACH,))
        own = list(zip(one.parts(g, kinds[0]), one.parts(x, kinds[1])))
        later = Later(lambda i: primitive.forward(*own[i], **params))
        return wrap(one.note(np.empty(size, g.dtype), EACH, later))

    return rule


def _without_dim_0(rule: Rule, *names: str) -> Rule:
    """Let a rule hold where settings name other dims than that of samples; values of shards are taken one by one."""

    def checked(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        of = _kind_of_samples(primitive, kinds, EACH)
        if of == EACH:
            return _one_by_one(one, primitive, inputs, kinds, params)
        for name in names:
            dims = params[name]
            if dims is None or (of == COLUMNS) in (dims if isinstance(dims, tuple) else (dims,)):
                raise _without_rule(primitive)
        if of != COLUMNS:
            return rule(one, primitive, inputs, kinds, params)
        out = _in_any_place(one, primitive, inputs, kinds, params)
        if out.array.ndim != inputs[0].array.ndim:
            raise _without_rule(primitive)
        return out

    return checked


def _elementwise(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply to samples at once; what is one value for each shard is repeated for its rows."""
    arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
    of = ROWS if ROWS in kinds else COLUMNS if COLUMNS in kinds else STEPS
    if of not in kinds:  # stacks, lined up
        most = max(a.ndim for a in arrays if isinstance(a, np.ndarray))
        stacks = [_lined_up(one.stack(a), most) if kind == EACH else a for a, kind in zip(arrays, kinds)]
        with no_grad():
            out = one.passed(primitive, tuple(stacks), params)
        results = [one.each(each.array) for each in (out if isinstance(out, tuple) else (out,))]
        return one.result(primitive, inputs, params, results)
    first = next(a for a, kind in zip(arrays, kinds) if kind == of)
    dim = 1 if of == COLUMNS else 0
    for a, kind in zip(arrays, kinds):
        if kind in SAMPLES:
            fits = kind == of and a.ndim == first.ndim and a.shape[dim] == first.shape[dim]
        elif isinstance(a, np.ndarray):
            place = dim + a.ndim - first.ndim
            fits = a.ndim <= first.ndim and (place < 0 or a.shape[place] == 1)
        else:
            fits = True
        if not fits:
            raise Apart(f"{primitive.name}() meets samples with an array of another layout, {a.shape} with "
                        f"{first.shape}")
    if EACH not in kinds:
        return one.whole(primitive, inputs, params, of)
    if of != ROWS:
        raise _without_rule(primitive)
    counts = [n * (len(first) // one.total) for n in one.sizes]
    wide = []
    for a, kind in zip(arrays, kinds):
        if kind == EACH:
            stack = one.stack(a)
            rows = stack[:, 0] if a.ndim == first.ndim else _lined_up(stack, first.ndim - 1)
            a = np.repeat(rows, counts, axis=0)
        wide.append(a)
    with no_grad():
        out = one.passed(primitive, tuple(wide), params)
    results = [one.rows(each.array) for each in (out if isinstance(out, tuple) else (out,))]
    return one.result(primitive, inputs, params, results)


def _shape_kept(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply what has a result of its inputs' shape, element by element: activations and their gradients."""
    arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
    of = kinds[0]
    like = one.stack(arrays[0]) if of == EACH else arrays[0]
    for a, kind in zip(arrays, kinds):
        if isinstance(a, np.ndarray) and (kind != of or a.shape != arrays[0].shape):
            raise _without_rule(primitive)
    if of is None:
        raise _without_rule(primitive)
    if of != EACH:
        out = one.whole(primitive, inputs, params, of)
        if out.array.shape != like.shape:
            raise _without_rule(primitive)
        return out
    stacks = [one.stack(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with no_grad():
        out = one.passed(primitive, tuple(stacks), params)
    if out.array.shape != like.shape:
        raise _without_rule(primitive)
    return one.result(primitive, inputs, params, [one.each(out.array)])


def _lined_up(stack: Array, ndim: int) -> Array:
    """Return a stack of values of `ndim` dims."""
    return stack.reshape(len(stack), *(1,) * (ndim + 1 - stack.ndim), *stack.shape[1:])


def _reshape(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    of, before, after = kinds[0], inputs[0].array.shape, tuple(params["shape"])
    if of == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    if of == ROWS:  # samples lie one after the other before and after
        alone = len(after) > 1 and after[:2] == (1, before[0])
        return one.whole(primitive, inputs, params, COLUMNS if alone else ROWS)
    if of == COLUMNS and after:
        if len(after) > 1 and after[0] == before[0] and after[1] % one.total == 0:
            return one.whole(primitive, inputs, params, COLUMNS)
        if after[0] == before[0] * before[1]:
            return one.whole(primitive, inputs, params, STEPS if before[1] == one.total and before[0] > 1 else ROWS)
    if of == STEPS and after:
        if after[0] == before[0]:
            return one.whole(primitive, inputs, params, STEPS)
        if len(after) > 1 and after[:2] == (before[0] // one.total, one.total):
            return one.whole(primitive, inputs, params, COLUMNS)
    raise _without_rule(primitive)


def _permute(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    of = kinds[0]
    if of == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    place = params["dims"].index(1 if of == COLUMNS else 0)
    if place == 0:
        return one.whole(primitive, inputs, params, STEPS if of == STEPS else ROWS)
    if place > 1 or of == STEPS:
        raise Apart("samples are put along another dim than the first two")
    return one.whole(primitive, inputs, params, COLUMNS)


def _sliced(primitive: Any, of: str | None, key: Any, ndim: int) -> str:
    """Return how what a key of slices and numbers selects holds samples, if it takes all of them."""
    place = 1 if of == COLUMNS else 0
    if Ellipsis in key:
        i, full = key.index(Ellipsis), (None, None, None)
        key = (*key[:i], *(full,) * (ndim - sum(entry is not None for entry in key) + 1), *key[i + 1 :])
    if None in key[: place + 1]:
        raise _without_rule(primitive)
    if len(key) > place and key[place] != (None, None, None):
        raise Apart("some samples are picked out of a batch")
    return ROWS if of == COLUMNS and key and isinstance(key[0], int) else str(of)


def _slice(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if kinds[0] == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    return one.whole(primitive, inputs, params, _sliced(primitive, kinds[0], params["key"],
                                                               inputs[0].array.ndim))


def _put(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if len(inputs) > 1:
        raise _without_rule(primitive)
    of, key = kinds[0], params["key"]
    if of == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    if of == ROWS and key and isinstance(key[0], int) and params["shape"][1] == len(inputs[0].array):
        of = COLUMNS  # one step of some
    _sliced(primitive, of, key, len(params["shape"]))
    return one.whole(primitive, inputs, params, str(of))


def _padded(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if kinds[0] == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    if tuple(params["widths"][1 if kinds[0] == COLUMNS else 0]) != (0, 0):
        raise _without_rule(primitive)
    return one.whole(primitive, inputs, params, str(kinds[0]))


def _cat(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    of = _kind_of_samples(primitive, kinds)
    zeros = [of == COLUMNS and kind is None and _is_zero(one, x, 1) for x, kind in zip(inputs, kinds)]
    if params["dim"] == (of == COLUMNS) or not all(kind == of or zero for kind, zero in zip(kinds, zeros)):
        raise _without_rule(primitive)
    return one.whole(primitive, inputs, params, of)


def _is_zero(one: OnePass, x: Any, dim: int) -> bool:
    """Return whether an array that Python made is 0 for as many samples as there are: then it is so for each shard."""
    array = x.array if isinstance(x, Variable) else x
    return array.ndim > dim and array.shape[dim] == one.total and not array.any()


def _sum_to_size(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x, size, of = inputs[0].array, params["shape"], kinds[0]
    if of not in SAMPLES:
        return one.looped(primitive, inputs, kinds, params, (EACH,))
    dim = 1 if of == COLUMNS else 0
    place = dim + len(size) - x.ndim
    if place >= 0 and size[place] != 1:
        if len(size) == x.ndim and size[dim] == x.shape[dim]:
            return one.whole(primitive, inputs, params, of)
        raise _without_rule(primitive)
    return one.looped(primitive, inputs, kinds, params, (EACH,))


def _broadcast_to(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x = inputs[0].array
    if kinds[0] != ROWS or len(params["shape"]) != x.ndim or params["shape"][0] != len(x):
        raise _without_rule(primitive)
    return one.whole(primitive, inputs, params)


def _shares(one: OnePass, share: float, count: int) -> list[float]:
    """Return the factors of means over the shards, of that of a mean over all `count` terms; others stay."""
    for scale in (1.0, 0.5, 2.0):
        if share == scale / count and count % one.total == 0 and count > 1:
            return [scale / (count // one.total * n) for n in one.sizes]
    if share not in (1.0, 0.5, 2.0):
        raise Apart("a loss has a factor that may depend on the size of the batch")
    return [share] * len(one.sizes)


def _count(shape: Sequence[int], dims: Sequence[int]) -> int:
    return math.prod(shape[i] for i in dims)


def _reduce(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Sum, or take the mean or the largest, over samples in each shard, over other dims at once."""
    x, dims = inputs[0].array, params["dims"]
    if kinds[0] == EACH and x.ndim == 0:
        return one.looped(primitive, inputs, kinds, params, (EACH,))
    of = kinds[0]
    if of not in SAMPLES:
        raise _without_rule(primitive)
    if (of == COLUMNS) not in dims:
        gone = of == COLUMNS and 0 in dims and not params["keepdim"]
        return one.whole(primitive, inputs, params, ROWS if gone else of)
    shares = _shares(one, params["share"], _count(x.shape, dims)) if "share" in params else []
    if one.even and of == ROWS:  # the shards along a dim of their own
        apart = x.reshape(len(one.sizes), len(x) // len(one.sizes), *x.shape[1:])
        own = {**params, "dims": tuple(dim + 1 for dim in dims)} | ({"share": shares[0]} if shares else {})
        return one.result(primitive, inputs, params, [one.each(primitive.forward(apart, **own))])
    settings = [{**params, "share": share} for share in shares] if shares else None
    return one.looped(primitive, inputs, kinds, params, (EACH,), settings)


def _spread_to(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    g, size, dims, share = inputs[0].array, params["shape"], params["dims"], params.get("share", 1.0)
    if kinds[0] in (ROWS, STEPS) and 0 not in dims:
        return one.whole(primitive, inputs, params, kinds[0])
    if kinds[0] in (ROWS, COLUMNS) and 1 not in dims and len(size) > 1 and size[1] in g.shape[:2]:
        return one.whole(primitive, inputs, params, COLUMNS)
    if kinds[0] != EACH or not (0 in dims or not size):
        raise _without_rule(primitive)
    if not size:
        return one.looped(primitive, inputs, kinds, params, (EACH,))
    if size[0] % one.total:
        raise _without_rule(primitive)
    per = size[0] // one.total
    shares = [1.0] * len(one.sizes) if share == 1 else _shares(one, share, _count(size, dims))
    stack = one.stack(g)
    stack = stack.reshape(len(stack), *(1 if i in dims else size[i] for i in range(1, len(size))))
    if share != 1:
        stack = stack * np.array(shares, stack.dtype).reshape(-1, *(1,) * (stack.ndim - 1))
    rows = np.repeat(stack, [per * n for n in one.sizes], axis=0)
    out = np.broadcast_to(rows, size) if rows.shape != tuple(size) else rows
    return one.result(primitive, inputs, params, [one.rows(out)])


def _loss_settings(one: OnePass, primitive: Any, params: dict[str, Any], size: int) -> list[dict[str, Any]]:
    return [{**params, "share": share} for share in _shares(one, params["share"], size)]


def _elementwise_loss(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds,
                      params: dict[str, Any]) -> Any:
    if kinds != [ROWS, ROWS]:
        raise _without_rule(primitive)
    if not params["summed"]:
        if params["share"] not in (1.0, 0.5, 2.0):
            raise _without_rule(primitive)
        return one.whole(primitive, inputs, params)
    settings = _loss_settings(one, primitive, params, inputs[0].array.size)
    return one.looped(primitive, inputs, kinds, params, (EACH,), settings)


def _elementwise_loss_input(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds,
                            params: dict[str, Any]) -> Any:
    if kinds[1:] != [ROWS, ROWS]:
        raise _without_rule(primitive)
    settings = _loss_settings(one, primitive, params, inputs[1].array.size)
    return one.looped(primitive, inputs, kinds, params, (ROWS,), settings)


def _matmul(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x, y = inputs[0].array, inputs[1].array
    if kinds in ([ROWS, None], [STEPS, None]) and x.ndim == 2 and y.ndim == 2:
        return _product(one, primitive, inputs, kinds, params)
    if kinds == [COLUMNS, ROWS] and x.ndim == 2 == y.ndim:
        return one.looped(primitive, inputs, kinds, params, (EACH,))
    if kinds == [ROWS, ROWS] and x.ndim == y.ndim > 2 and len(x) == len(y):
        return one.looped(primitive, inputs, kinds, params, (ROWS,))
    raise _without_rule(primitive)


def _product(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Multiply rows by a matrix (K, N): at once if their bits do not depend on how many there are."""
    of = str(kinds[0])
    if gemm.rows_are_alike(inputs[0].array.dtype):
        return one.whole(primitive, inputs, params, of)
    return one.looped(primitive, inputs, kinds, params, (of,))


def _recurrence(*results: str) -> Rule:
    """Return the rule of a recurrence over columns: samples do not meet. First states of 0 are so for all of them."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        names = primitive.signature.inputs
        for name, x, kind in zip(names, inputs, kinds):
            shared = name in ("w", "b") and kind is None
            first = name in ("h0", "c0") and (kind == ROWS or (kind is None and _is_zero(one, x, 0)))
            if not (shared or first or (kind == COLUMNS and name not in ("w", "b", "h0", "c0"))):
                raise _without_rule(primitive)
        if not gemm.rows_are_alike(inputs[0].array.dtype):
            raise _without_rule(primitive)
        return one.whole(primitive, inputs, params, *results)

    return rule


def _linear(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if inputs[0].array.ndim != 2:
        raise _without_rule(primitive)
    return _product(one, primitive, inputs, kinds, params)


def _kept(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Return stacks as they are: nobody writes into those."""
    return wrap(inputs[0].array) if kinds[0] == EACH else one.whole(primitive, inputs, params, str(kinds[0]))


def _accumulate(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    total, part = (x.array for x in inputs)
    if kinds[0] in SAMPLES and kinds[0] == kinds[1]:
        return one.passed(primitive, inputs, params)
    if kinds[0] != EACH or kinds[1] not in (EACH, None):
        raise _without_rule(primitive)
    stack = one.stack(total)
    np.add(stack, one.stack(part) if kinds[1] == EACH else part, out=stack)  # it was made by an addition
    return inputs[0]


def _of_places(one: OnePass, of: str, function: Callable[..., Array], *arrays: Array) -> list[Array]:
    """Return what a function of `joined_norm` gives of each shard."""
    if one.even and of == ROWS:
        return list(function(*arrays, len(one.sizes)))
    return [function(*parts)[0] for parts in zip(*(one.parts(array, of) for array in arrays))]


def _joined_norm(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x, weight, bias = (v.array if isinstance(v, Variable) else v for v in inputs)
    if one.join is None:
        raise _without_rule(primitive)
    of = str(kinds[0])
    own = _of_places(one, of, joined_norm.own_statistics, x)
    joined = one.join(own, joined_norm.STATISTICS, chan)
    out, *rest = joined_norm.normalized(x, weight, bias, joined, **params)
    return one.result(primitive, inputs, params, [one.samples(out, of), *rest])


def _joined_norm_input(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds,
                       params: dict[str, Any]) -> Any:
    g, x, weight, mean, rstd, count = (v.array if isinstance(v, Variable) else v for v in inputs)
    if one.join is None:
        raise _without_rule(primitive)
    h = joined_norm.unscaled(x, mean, rstd)
    of = str(kinds[0])
    own = _of_places(one, of, joined_norm.own_sums, g, h)
    gx = joined_norm.input_gradient(g, h, weight, rstd, count, one.join(own, joined_norm.SUMS, add))
    gweight, gbias = (np.stack([each[i] for each in own]).astype(x.dtype) for i in (1, 0))
    return one.result(primitive, inputs, params, [one.samples(gx, of), one.each(gweight), one.each(gbias)])


def _dropout(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    of = kinds[0]
    if of not in SAMPLES or kinds[1] != EACH:
        raise _without_rule(primitive)
    return one.looped(primitive, inputs, kinds, params, (of, of))


def _own_norm_input(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Return the gradients of a batch norm with the statistics of each shard."""
    of = kinds[0]
    if of not in (ROWS, STEPS) or kinds != [of, of, None, EACH, EACH]:
        raise _without_rule(primitive)
    return one.looped(primitive, inputs, kinds, params, (of, EACH, EACH))


def _move_statistics(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds,
                     params: dict[str, Any]) -> Any:
    """Move running statistics in each shard by its own: they hold the values of the first one, and stand for all."""
    arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
    counts = [params["count"] // one.total * n for n in one.sizes]
    if kinds[2:] != [EACH, EACH, None] or 1 in counts:
        raise _without_rule(primitive)
    stacks = [None if a is None else np.stack([*one.parts(a, kind)]) for a, kind in zip(arrays[:2], kinds)]
    new = [[*one.parts(a, EACH)] for a in arrays[2:4]]
    for i, count in enumerate(counts):
        primitive.forward(*(None if stack is None else stack[i] for stack in stacks), new[0][i], new[1][i], arrays[4],
                          **{**params, "count": count})
    for running, stack in zip(arrays, stacks):
        if stack is not None:
            np.copyto(running, stack[0])
            mark_changed(running, primitive.name)
            one.note(running, EACH, stack)
    return inputs[0]


def _attention(count: int) -> Rule:
    """Return the rule of attention: the first inputs, so many, are rows; its mask may be one for all."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        if any(kind != ROWS for kind in kinds[:count]):
            raise _without_rule(primitive)
        return _row_by_row(one, primitive, inputs, kinds, params)

    return rule


_ELEMENT_BY_ELEMENT = {elementwise.__name__, activation.__name__}
_CONVOLUTION = _needs_rows(0)(_row_by_row)
RULES: dict[Any, Rule] = {
    accumulate: _accumulate,
    attention._attention: _attention(3),
    attention._attention_input: _attention(4),
    kept: _kept,
    conv._conv2d: _CONVOLUTION,
    conv._conv2d_relu: _CONVOLUTION,
    conv._conv2d_input: _CONVOLUTION,
    conv._conv2d_weight: _needs_rows(0, 1)(_to_be_summed(
        lambda g, x, groups, size, **_: (g.shape[1], x.shape[1] // groups, *size))),
    conv._channel_sum: _needs_rows(0)(_to_each()),
    distance._euclidean: _without_dim_0(_row_by_row, "dims"),
    linalg._linear: _needs_rows(0)(_linear),
    linalg._linear_relu: _needs_rows(0)(_linear),
    linalg._matmul: _matmul,
    linalg._matmul_transposed: _needs_rows(0, 1)(_to_be_summed(lambda g, x: (g.shape[1], x.shape[1]))),
    loss._cross_entropy_rows: _needs_rows(0, 1)(_row_by_row),
    loss._cross_entropy_rows_input: _needs_rows(0, 1, 2, 3)(_row_by_row),
    loss._one_hot_rows: _needs_rows(0, 1)(_row_by_row),
    loss._pick_rows: _needs_rows(0, 1)(_row_by_row),
    loss._class_indices: _needs_rows(0)(_row_by_row),
    loss._class_factors: _needs_rows(0)(_row_by_row),
    loss._elementwise_loss: _elementwise_loss,
    loss._elementwise_loss_input: _elementwise_loss_input,
    index._embedding: _needs(SAMPLES, 1)(_in_any_place),
    index._embedding_weight: _needs(SAMPLES, 0, 1)(_to_be_summed(lambda g, x, rows, **_: (rows, g.shape[-1]))),
    index._one_hot: _needs_rows(0)(_row_by_row),
    index._slice: _slice,
    index._put: _put,
    joined_norm._joined_norm: _needs_rows(0)(_joined_norm),
    joined_norm._joined_norm_input: _needs_rows(0, 1)(_joined_norm_input),
    normalization._batch_norm: _needs_rows(0)(_to_each(ROWS, EACH, EACH)),
    normalization._batch_norm_input: _own_norm_input,
    normalization._move_statistics: _move_statistics,
    normalization._group_norm: _needs_rows(0)(_row_by_row),
    normalization._group_norm_input: _needs_rows(0, 1, 3, 4)(_to_each(ROWS, EACH, EACH)),
    normalization._layer_norm: _needs_rows(0)(_row_by_row),
    normalization._layer_norm_input: _needs_rows(0, 1, 3, 4)(_to_each(ROWS, EACH, EACH)),
    normalization._normalize: _needs_rows(0)(_row_by_row),
    random._dropout: _dropout,
    random._dropout_apply: _in_any_place,
    recurrent._rnn: _recurrence(COLUMNS),
    recurrent._rnn_input: _recurrence(COLUMNS, ROWS),
    recurrent._lstm: _recurrence(COLUMNS),
    recurrent._lstm_input: _recurrence(COLUMNS, ROWS, ROWS),
    recurrent._gru: _recurrence(COLUMNS),
    recurrent._gru_gates: _needs(SAMPLES, 0, 1, 2)(_in_any_place),
    recurrent._gru_input: _recurrence(COLUMNS, ROWS),
    reduce._sum: _reduce,
    reduce._mean: _reduce,
    reduce._amax: _reduce,
    reduce._amin: _reduce,
    reduce._spread_to: _spread_to,
    reduce._softmax: _without_dim_0(_row_by_row, "dim"),
    reduce._softmax_input: _without_dim_0(_row_by_row, "dim"),
    reduce._log_softmax: _without_dim_0(_row_by_row, "dim"),
    reduce._log_softmax_input: _without_dim_0(_row_by_row, "dim"),
    reduce._logsumexp: _without_dim_0(_row_by_row, "dims"),
    reduce._logsumexp_input: _without_dim_0(_row_by_row, "dims"),
    shape._reshape: _reshape,
    shape._permute: _permute,
    shape._cat: _cat,
    shape._narrow: _without_dim_0(_row_by_row, "dim"),
    shape._flip: _without_dim_0(_row_by_row, "dims"),
    shape._pad_constant: _padded,
    shape._crop: _padded,
    shape._sum_to_size: _sum_to_size,
    shape._broadcast_to: _broadcast_to,
    shape._clone: _in_any_place,
    shape.cast: _in_any_place,
    shape._cast_discrete: _in_any_place,
    pool._max_pool2d: _needs_rows(0)(_row_by_row),
    pool._max_pool2d_relu: _needs_rows(0)(_row_by_row),
    pool._window_put: _needs_rows(0, 1)(_row_by_row),
    pool._window_take: _needs_rows(0, 1)(_row_by_row),
    pool._avg_pool2d: _needs_rows(0)(_row_by_row),
    pool._avg_pool2d_input: _needs_rows(0)(_row_by_row),
    pool._adaptive_avg_pool2d: _needs_rows(0)(_row_by_row),
    pool._adaptive_avg_pool2d_input: _needs_rows(0)(_row_by_row),
    pool._adaptive_max_pool2d: _needs_rows(0)(_row_by_row),
    pool._plane_put: _needs_rows(0, 1)(_row_by_row),
}

_NOTE = unwrap(terms._note)
_DRAWS = {unwrap(getattr(random.Generator, name)): place
          for name, place in (("random", 0), ("normal", 0), ("integers", 2))}  # where the shape stands
