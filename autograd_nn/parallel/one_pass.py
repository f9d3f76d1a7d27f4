"""All shards of a rank in one forward and backward pass, with the bits that they have one by one.

Almost all of a training step treats each sample by itself, and a row's bits do not depend on how many rows there are.
Only sums over samples tell the shards apart: gradients of weights, statistics of a batch norm, losses. `OnePass` stands
at the door and knows of each array what it holds:

- *rows*: the samples of all shards, one after the other along dim 0;
- *columns*: the same along dim 1, of a matrix;
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
from ..engine import Primitive, Result, Update, Variable, listen, no_grad, state, wrap
from ..engine.backward import accumulate, kept
from ..engine.views import renew
from ..kernels import gemm
from ..ops import (
    activation,
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
    reduce,
    shape,
    terms,
)
from ..tensor import Tensor
from ..typing import Array
from .norm import chan
from .tree import add

__all__ = ["EACH", "Apart", "Later", "OnePass"]

ROWS, COLUMNS, EACH = "rows", "columns", "each"
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
        elif kind == EACH:
            stack = self.stack(array)
            for i in range(len(stack)):
                yield stack[i, ...]
        else:
            for _ in self.bounds:
                yield array

    def of_each(self, array: Array) -> Array | Later:
        """Return a stack of what each shard has of an array of which all have as much, or how it is computed."""
        kind = self.kind(array)
        if kind in (ROWS, COLUMNS):
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

    def whole(self, primitive: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """Apply a primitive to all rows at once."""
        out = self.passed(primitive, inputs, params)
        for each in out if isinstance(out, tuple) else (out,):
            self.rows(each.array)
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
            found.append(self.rows(np.concatenate(values)) if kind == ROWS else self.each(values))
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
    return one.whole(primitive, inputs, params)


def _one_by_one(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply to each shard what takes values of shards, with rows or without."""
    if COLUMNS in kinds:
        raise _without_rule(primitive)
    of = ROWS if ROWS in kinds else EACH
    return one.looped(primitive, inputs, kinds, params, [of] * max(1, len(primitive.signature.results)))


def _needs_rows(*places: int) -> Callable[[Rule], Rule]:
    """Let a rule hold where certain inputs are rows and the others are the same for all."""

    def limited(rule: Rule) -> Rule:
        def checked(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
            if any((kind == ROWS) != (i in places) or kind in (EACH, COLUMNS) for i, kind in enumerate(kinds)):
                raise _without_rule(primitive)
            return rule(one, primitive, inputs, kinds, params)

        return checked

    return limited


def _to_each(*results: str) -> Rule:
    """Return the rule of what sums over samples: it runs on each shard."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        return one.looped(primitive, inputs, kinds, params, results or (EACH,))

    return rule


def _to_be_summed(shape_of: Callable[..., tuple[int, ...]]) -> Rule:
    """Return the rule of a gradient of weights, of two arrays of rows; large ones are computed as they are summed."""

    def rule(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        g, x = (v.array if isinstance(v, Variable) else v for v in inputs)
        size = shape_of(g, x, **params)
        if math.prod(size) < LARGE or state.recording:
            return one.looped(primitive, inputs, kinds, params, (EACH,))
        own = list(zip(one.parts(g, ROWS), one.parts(x, ROWS)))
        later = Later(lambda i: primitive.forward(*own[i], **params))
        return wrap(one.note(np.empty(size, g.dtype), EACH, later))

    return rule


def _without_dim_0(rule: Rule, *names: str) -> Rule:
    """Let a rule hold where settings name other dims than dim 0; values of shards are taken one by one."""

    def checked(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
        if ROWS not in kinds:
            return _one_by_one(one, primitive, inputs, kinds, params)
        for name in names:
            dims = params[name]
            if dims is None or 0 in (dims if isinstance(dims, tuple) else (dims,)):
                raise _without_rule(primitive)
        return rule(one, primitive, inputs, kinds, params)

    return checked


def _elementwise(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Apply to rows at once; what is one value for each shard is repeated for its rows."""
    arrays = [x.array if isinstance(x, Variable) else x for x in inputs]
    if COLUMNS in kinds:
        raise _without_rule(primitive)
    if ROWS not in kinds:  # stacks, lined up
        most = max(a.ndim for a in arrays if isinstance(a, np.ndarray))
        stacks = [_lined_up(one.stack(a), most) if kind == EACH else a for a, kind in zip(arrays, kinds)]
        with no_grad():
            out = one.passed(primitive, tuple(stacks), params)
        results = [one.each(each.array) for each in (out if isinstance(out, tuple) else (out,))]
        return one.result(primitive, inputs, params, results)
    first = next(a for a, kind in zip(arrays, kinds) if kind == ROWS)
    for a, kind in zip(arrays, kinds):
        if kind == ROWS:
            fits = a.ndim == first.ndim and len(a) == len(first)
        elif isinstance(a, np.ndarray):
            fits = a.ndim < first.ndim or (a.ndim == first.ndim and len(a) == 1)
        else:
            fits = True
        if not fits:
            raise Apart(f"{primitive.name}() meets samples with an array of another layout, {a.shape} with "
                        f"{first.shape}")
    if EACH not in kinds:
        return one.whole(primitive, inputs, params)
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
    if of not in (ROWS, EACH):
        raise _without_rule(primitive)
    if of == ROWS:
        out = one.whole(primitive, inputs, params)
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
    if kinds[0] == ROWS:
        return one.whole(primitive, inputs, params)  # samples lie one after the other before and after
    return _one_by_one(one, primitive, inputs, kinds, params)


def _permute(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    dims = params["dims"]
    if kinds[0] == EACH:
        return _one_by_one(one, primitive, inputs, kinds, params)
    if kinds[0] == ROWS and dims[0] == 0:
        return one.whole(primitive, inputs, params)
    if len(dims) != 2:
        raise Apart("samples are put along another dim than the first")
    out = one.passed(primitive, inputs, params)
    one.note(out.array, COLUMNS if kinds[0] == ROWS else ROWS)
    return out


def _slice(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    first = params["key"][0] if params["key"] else None
    if kinds[0] == ROWS and not (isinstance(first, tuple) and tuple(first) == (None, None, None)):
        raise Apart("some samples are picked out of a batch")
    return _row_by_row(one, primitive, inputs, kinds, params)


def _put(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if len(inputs) > 1:
        raise _without_rule(primitive)
    return _slice(one, primitive, inputs, kinds, params)


def _padded(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if kinds[0] == ROWS and tuple(params["widths"][0]) != (0, 0):
        raise _without_rule(primitive)
    return _row_by_row(one, primitive, inputs, kinds, params)


def _cat(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if set(kinds) != {ROWS} or params["dim"] == 0:
        raise _without_rule(primitive)
    return one.whole(primitive, inputs, params)


def _sum_to_size(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x, size = inputs[0].array, params["shape"]
    if kinds[0] == ROWS and len(size) == x.ndim and size[0] == len(x):
        return one.whole(primitive, inputs, params)
    if kinds[0] == COLUMNS or (kinds[0] == ROWS and len(size) == x.ndim and size[0] != 1):
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
    if kinds[0] != ROWS:
        raise _without_rule(primitive)
    if 0 not in dims:
        return one.whole(primitive, inputs, params)
    shares = _shares(one, params["share"], _count(x.shape, dims)) if "share" in params else []
    if one.even:  # the shards along a dim of their own
        apart = x.reshape(len(one.sizes), len(x) // len(one.sizes), *x.shape[1:])
        own = {**params, "dims": tuple(dim + 1 for dim in dims)} | ({"share": shares[0]} if shares else {})
        return one.result(primitive, inputs, params, [one.each(primitive.forward(apart, **own))])
    settings = [{**params, "share": share} for share in shares] if shares else None
    return one.looped(primitive, inputs, kinds, params, (EACH,), settings)


def _spread_to(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    g, size, dims, share = inputs[0].array, params["shape"], params["dims"], params.get("share", 1.0)
    if kinds[0] == ROWS and 0 not in dims:
        return one.whole(primitive, inputs, params)
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
    if kinds == [ROWS, None] and x.ndim == 2 and y.ndim == 2:
        return _product(one, primitive, inputs, kinds, params)
    if kinds == [COLUMNS, ROWS] and x.ndim == 2 == y.ndim:
        return one.looped(primitive, inputs, kinds, params, (EACH,))
    if kinds == [ROWS, ROWS] and x.ndim == y.ndim > 2 and len(x) == len(y):
        return one.looped(primitive, inputs, kinds, params, (ROWS,))
    raise _without_rule(primitive)


def _product(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Multiply rows by a matrix (K, N): at once if their bits do not depend on how many there are."""
    if gemm.rows_are_alike(inputs[0].array.dtype):
        return one.whole(primitive, inputs, params)
    return one.looped(primitive, inputs, kinds, params, (ROWS,))


def _linear(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if inputs[0].array.ndim != 2:
        raise _without_rule(primitive)
    return _product(one, primitive, inputs, kinds, params)


def _kept(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    """Return stacks as they are: nobody writes into those."""
    return wrap(inputs[0].array) if kinds[0] == EACH else one.whole(primitive, inputs, params)


def _accumulate(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    total, part = (x.array for x in inputs)
    if kinds == [ROWS, ROWS]:
        return one.passed(primitive, inputs, params)
    if kinds[0] != EACH or kinds[1] not in (EACH, None):
        raise _without_rule(primitive)
    stack = one.stack(total)
    np.add(stack, one.stack(part) if kinds[1] == EACH else part, out=stack)  # it was made by an addition
    return inputs[0]


def _of_places(one: OnePass, function: Callable[..., Array], *arrays: Array) -> list[Array]:
    """Return what a function of `joined_norm` gives of each shard."""
    if one.even:
        return list(function(*arrays, len(one.sizes)))
    return [function(*parts)[0] for parts in zip(*(one.parts(array, ROWS) for array in arrays))]


def _joined_norm(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    x, weight, bias = (v.array if isinstance(v, Variable) else v for v in inputs)
    if one.join is None:
        raise _without_rule(primitive)
    own = _of_places(one, joined_norm.own_statistics, x)
    joined = one.join(own, joined_norm.STATISTICS, chan)
    out, *rest = joined_norm.normalized(x, weight, bias, joined, **params)
    return one.result(primitive, inputs, params, [one.rows(out), *rest])


def _joined_norm_input(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds,
                       params: dict[str, Any]) -> Any:
    g, x, weight, mean, rstd, count = (v.array if isinstance(v, Variable) else v for v in inputs)
    if one.join is None:
        raise _without_rule(primitive)
    h = joined_norm.unscaled(x, mean, rstd)
    own = _of_places(one, joined_norm.own_sums, g, h)
    gx = joined_norm.input_gradient(g, h, weight, rstd, count, one.join(own, joined_norm.SUMS, add))
    gweight, gbias = (np.stack([each[i] for each in own]).astype(x.dtype) for i in (1, 0))
    return one.result(primitive, inputs, params, [one.rows(gx), one.each(gweight), one.each(gbias)])


def _dropout(one: OnePass, primitive: Any, inputs: tuple[Any, ...], kinds: Kinds, params: dict[str, Any]) -> Any:
    if kinds != [ROWS, EACH]:
        raise _without_rule(primitive)
    return one.looped(primitive, inputs, kinds, params, (ROWS, ROWS))


_ELEMENT_BY_ELEMENT = {elementwise.__name__, activation.__name__}
_CONVOLUTION = _needs_rows(0)(_row_by_row)
RULES: dict[Any, Rule] = {
    accumulate: _accumulate,
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
    index._embedding: _needs_rows(1)(_row_by_row),
    index._embedding_weight: _needs_rows(0, 1)(_to_be_summed(lambda g, x, rows, **_: (rows, g.shape[-1]))),
    index._one_hot: _needs_rows(0)(_row_by_row),
    index._slice: _slice,
    index._put: _put,
    joined_norm._joined_norm: _needs_rows(0)(_joined_norm),
    joined_norm._joined_norm_input: _needs_rows(0, 1)(_joined_norm_input),
    normalization._group_norm: _needs_rows(0)(_row_by_row),
    normalization._group_norm_input: _needs_rows(0, 1, 3, 4)(_to_each(ROWS, EACH, EACH)),
    normalization._layer_norm: _needs_rows(0)(_row_by_row),
    normalization._layer_norm_input: _needs_rows(0, 1, 3, 4)(_to_each(ROWS, EACH, EACH)),
    normalization._normalize: _needs_rows(0)(_row_by_row),
    random._dropout: _dropout,
    random._dropout_apply: _row_by_row,
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
    shape._clone: _row_by_row,
    shape.cast: _row_by_row,
    shape._cast_discrete: _row_by_row,
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
