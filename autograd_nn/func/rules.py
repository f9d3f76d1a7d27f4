"""Batching rules: how a primitive is applied to many samples at once, in one table by kind.

A rule gets a primitive with its inputs, those of the samples stacked along a new first dim, and returns the results
stacked likewise. It is written with operations, so that what it does is recorded, and may itself happen inside `vmap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..autograd.checkpoint import _checkpointed
from ..engine import Primitive, Update, common_dtype, wrap
from ..engine.backward import kept
from ..engine.errors import warn
from ..engine.views import follow
from ..nn.hooks import _watched
from ..ops import (
    activation,
    attention,
    bags,
    complexes,
    conv,
    ctc,
    decompositions,
    distance,
    elementwise,
    fourier,
    index,
    linalg,
    loss,
    matrices,
    normalization,
    pool,
    random,
    recurrent,
    reduce,
    resize,
    sampling,
    scan,
    scattering,
    search,
    shape,
    slopes,
    solving,
    volumes,
)
from ..ops.index import ARRAY, Slice
from ..tensor import Tensor

__all__ = ["RULES", "Applied", "aligned", "batched_index", "looped", "rule_of"]

ALL = Slice(None, None, None)


class Applied(NamedTuple):
    """A primitive, its inputs (those that are `stacked` hold all samples), its settings, and how many samples."""

    primitive: Any
    inputs: list[Any]
    stacked: list[bool]
    params: dict[str, Any]
    size: int


Rule: TypeAlias = Callable[[Applied], Any]
RULES: dict[Any, Rule] = {}


def _rule(*primitives: Any) -> Callable[[Rule], Rule]:
    def declared(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(primitives, rule))
        return rule

    return declared


# ------------------------------------------------------------------------------------ stacking


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray)


def _rank(call: Applied, i: int) -> int:
    """Return the number of dims that input i has in each sample."""
    x = call.inputs[i]
    return x.ndim - call.stacked[i] if _is_array(x) else 0


def aligned(x: Any, rank: int) -> Any:
    """Return stacked samples with dims of size 1 put before their own, up to `rank` of them."""
    missing = rank + 1 - x.ndim
    return x if missing <= 0 else shape.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))


def _expanded(call: Applied, i: int) -> Any:
    """Return input i stacked: what is one for all samples is repeated as a view; numbers and None stay."""
    x = call.inputs[i]
    if call.stacked[i] or not _is_array(x):
        return x
    x = x if isinstance(x, Tensor) else wrap(x)
    return shape.broadcast_to(x, (call.size, *x.shape))


def _all_expanded(call: Applied) -> list[Any]:
    return [_expanded(call, i) for i in range(len(call.inputs))]


def _results(out: Any, change: Callable[[Any], Any]) -> Any:
    return tuple(change(x) for x in out) if isinstance(out, tuple) else change(out)


def _folded(x: Any, dim: int = 0) -> Any:
    """Return stacked samples joined along a dim of theirs."""
    if dim:
        x = shape.movedim(x, 0, dim)
    return shape.reshape(x, (*x.shape[:dim], math.prod(x.shape[dim : dim + 2]), *x.shape[dim + 2 :]))


def _unfolded(x: Any, size: int, dim: int = 0) -> Any:
    """Undo `_folded`."""
    x = shape.reshape(x, (*x.shape[:dim], size, x.shape[dim] // size, *x.shape[dim + 1 :]))
    return shape.movedim(x, dim, 0) if dim else x


# ------------------------------------------------------------------------------------ element by element


def _elementwise(call: Applied) -> Any:
    """Line the dims of the samples up from the right, as broadcasting does."""
    rank = max(_rank(call, i) for i in range(len(call.inputs)))
    inputs = [aligned(x, rank) if call.stacked[i] else x for i, x in enumerate(call.inputs)]
    return call.primitive(*_of_one_dtype(call, inputs), **call.params)


def _of_one_dtype(call: Applied, inputs: list[Any]) -> list[Any]:
    """Let 0-d samples have as little say in the dtype of the result as 0-d tensors have."""
    count = call.primitive.operands or len(inputs)
    places = [i for i in range(count) if _is_array(inputs[i])]
    if len({inputs[i].dtype for i in places}) < 2:
        return inputs
    stand_ins = [np.empty((0,) * _rank(call, i), x.dtype) if _is_array(x) else x for i, x in enumerate(inputs[:count])]
    dtype = common_dtype(stand_ins, call.primitive.floating)
    return [shape.to_dtype(x, dtype) if i in places and call.stacked[i] and not _rank(call, i) else x
            for i, x in enumerate(inputs)]


def _same_shape(call: Applied) -> Any:
    """Give each input all samples: for kernels that do not broadcast, and for those that take batches of matrices."""
    rank = max(_rank(call, i) for i in range(len(call.inputs)))
    inputs = [aligned(x, rank) if _is_array(x) else x for x in _all_expanded(call)]
    return call.primitive(*inputs, **call.params)


_rule(*(
    each for family in (elementwise, activation, decompositions, matrices, solving) for each in vars(family).values()
    if isinstance(each, Primitive) and not each.elementwise and each.__module__ == family.__name__
))(_same_shape)
_rule(
    shape.cast, shape._cast_discrete, shape._clone, shape.identity, shape._triangle, bags._not_below, loss._log_from,
    complexes._real, complexes._imag, complexes._view_as_real, complexes._view_as_complex,
    loss._hinge, random._dropout_apply, index._one_hot, volumes._depths, slopes._middle_of, slopes._most_frequent, kept,
)(_same_shape)


# ------------------------------------------------------------------------------------ dims that move by one


def _settings(params: dict[str, Any], size: int) -> dict[str, Any]:
    """Return settings that name dims with the samples in front."""
    moved = dict(params)
    for name, value in params.items():
        if name in ("dim", "dim1", "dim2") and value is not None:
            moved[name] = value + 1 if value >= 0 else value
        elif name == "dims":
            moved[name] = tuple(d + 1 if d >= 0 else d for d in value)
        elif name in ("shape", "x_shape"):
            moved[name] = (size, *value)
        elif name == "widths":
            moved[name] = ((0, 0), *value)
        elif name == "key":
            moved[name] = (ALL, *value)
    return moved


def _moved_dims(call: Applied) -> Any:
    return call.primitive(*_all_expanded(call), **_settings(call.params, call.size))


_rule(
    reduce._spread_to, reduce._sum, reduce._mean, reduce._var, reduce._std, reduce._all, reduce._any,
    reduce._count_nonzero, reduce._amax, reduce._amin, reduce._shares, reduce._logsumexp, reduce._logsumexp_input,
    reduce._softmax, reduce._softmax_input, reduce._log_softmax, reduce._log_softmax_input, distance._euclidean,
    distance._p_norm, scan._cumsum, scan._recurrence, scan._cumprod, scan._product_before, scan._running, scan._prod,
    scan._prod_input, scan._logcumsumexp, scan._argsort, scan._top_indices, scan._middle, shape._flip, shape._roll,
    shape._narrow, shape._pad_constant, shape._crop, shape._diagonal, shape._put_diagonal, shape._cat, index._slice,
    index._take_along, index._put_along, index._take_last_along, index._put_last_along, scattering._reduced_along,
    scattering._counts, distance._zero_norm, fourier._transform, fourier._to_half, fourier._from_half,
)(_moved_dims)  # fmt: skip


@_rule(reduce._argmax, reduce._argmin)
def _argument(call: Applied) -> Any:
    (x,), params = call.inputs, call.params
    if params["dim"] is not None:
        return _moved_dims(call)
    flat = shape.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
    out = call.primitive(flat, dim=1, keepdim=False)
    return shape.reshape(out, (x.shape[0], *(1,) * (x.ndim - 1))) if params["keepdim"] else out


@_rule(search._isin)
def _isin(call: Applied) -> Any:
    return looped(call) if call.stacked[1] else call.primitive(*call.inputs, **call.params)


@_rule(search._searchsorted)
def _searchsorted(call: Applied) -> Any:
    sequences, values = call.inputs
    if _rank(call, 0) > 1 or (call.stacked[0] and _rank(call, 1) == 1):
        sequences, values = _all_expanded(call)
    elif call.stacked[0]:
        return looped(call)
    return call.primitive(sequences, values, **call.params)


@_rule(index._replaced_along)
def _replaced_along(call: Applied) -> Any:
    x, value, places = _all_expanded(call)
    value = aligned(value, places.ndim - 1) if _is_array(value) else value
    return call.primitive(x, value, places, **_settings(call.params, call.size))


@_rule(shape._permute)
def _permute(call: Applied) -> Any:
    return shape._permute(call.inputs[0], dims=(0, *(d + 1 for d in call.params["dims"])))


@_rule(shape._broadcast_to)
def _broadcast_to(call: Applied) -> Any:
    wanted = call.params["shape"]
    return shape._broadcast_to(aligned(call.inputs[0], len(wanted)), shape=(call.size, *wanted))


@_rule(shape._sum_to_size)
def _sum_to_size(call: Applied) -> Any:
    (x,), wanted = call.inputs, call.params["shape"]
    extra = x.ndim - 1 - len(wanted)
    dims = tuple(i for i in range(1, x.ndim) if i <= extra or (wanted[i - 1 - extra] == 1 and x.shape[i] != 1))
    return shape.reshape(reduce._sum(x, dims=dims, keepdim=True) if dims else x, (call.size, *wanted))


@_rule(shape._reshape)
def _reshape(call: Applied) -> Any:
    (x,), wanted = call.inputs, call.params["shape"]
    if -1 in wanted:
        known = math.prod(n for n in wanted if n != -1)
        wanted = tuple((math.prod(x.shape[1:]) // known if known else 0) if n == -1 else n for n in wanted)
    return shape._reshape(x, shape=(call.size, *wanted))


@_rule(slopes._quantile_places)
def _quantile_places(call: Applied) -> Any:
    if call.stacked[1]:
        return looped(call)
    return call.primitive(*call.inputs, **call.params)


@_rule(resize._resampled_bytes)
def _resampled_bytes(call: Applied) -> Any:
    if any(call.stacked[1:]):
        return looped(call)
    return call.primitive(*call.inputs, dim=call.params["dim"] + 1)


@_rule(shape._repeated)
def _repeated(call: Applied) -> Any:
    if call.stacked[1]:
        return _data_dependent(call)
    return shape._repeated(call.inputs[0], call.inputs[1], dim=call.params["dim"] + 1)


@_rule(shape._added_repeats)
def _added_repeats(call: Applied) -> Any:
    if call.stacked[1]:
        return _data_dependent(call)
    return shape._added_repeats(*call.inputs, dim=call.params["dim"] + 1, size=call.params["size"])


# ------------------------------------------------------------------------------------ samples as more rows


def _rows(call: Applied) -> Any:
    """Join the samples along the first dim of all inputs, and take the results apart again."""
    inputs = [_folded(x) if _is_array(x) else x for x in _all_expanded(call)]
    return _results(call.primitive(*inputs, **call.params), lambda x: _unfolded(x, call.size))


_rule(
    pool._max_pool2d, pool._max_pool2d_relu, pool._window_put, pool._window_take, pool._places, pool._avg_pool2d,
    pool._avg_pool2d_input, pool._adaptive_avg_pool2d, pool._adaptive_avg_pool2d_input, pool._adaptive_max_pool2d,
    pool._plane_take, pool._plane_put, resize._unfold, resize._fold, resize._linear_resize, resize._linear_resize_input,
    volumes._slices, volumes._slices_put,
    loss._cross_entropy_rows, loss._one_hot_rows, loss._pick_rows, loss._other_classes, loss._listed_labels,
    loss._first_or_none, loss._unlisted_classes, sampling._weighted_take, sampling._weighted_put,
    sampling._weighted_products, sampling._grid_places,
)(_rows)  # fmt: skip


@_rule(loss._cross_entropy_rows_input)
def _cross_entropy_rows_input(call: Applied) -> Any:
    g, logits, target, logsumexp = _all_expanded(call)
    g = shape.broadcast_to(aligned(g, 1), (call.size, logits.shape[1]))
    out = call.primitive(*map(_folded, (g, logits, target, logsumexp)))
    return _unfolded(out, call.size)


@_rule(loss._class_indices)
def _class_indices(call: Applied) -> Any:
    out = call.primitive(*call.inputs, **call.params)
    return shape.reshape(out, (call.size, math.prod(call.inputs[0].shape[1:])))


@_rule(loss._class_factors)
def _class_factors(call: Applied) -> Any:
    indices, weight = call.inputs
    if weight is not None and call.stacked[1]:
        return looped(call)
    return call.primitive(indices, weight, **call.params)


@_rule(loss._elementwise_loss)
def _elementwise_loss(call: Applied) -> Any:
    out = call.primitive(*_all_expanded(call), **{**call.params, "summed": False})
    return reduce._sum(out, dims=tuple(range(1, out.ndim)), keepdim=False) if call.params["summed"] else out


@_rule(loss._elementwise_loss_input)
def _elementwise_loss_input(call: Applied) -> Any:
    g, x, target = _all_expanded(call)
    g = shape.broadcast_to(aligned(g, x.ndim - 1), x.shape)
    return call.primitive(g, x, target, **call.params)


# ------------------------------------------------------------------------------------ products


@_rule(linalg._matmul)
def _matmul(call: Applied) -> Any:
    x, y = call.inputs
    if not call.stacked[1] and y.ndim == 2:
        rows = shape.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        return shape.reshape(linalg._matmul(rows, y), (*x.shape[:-1], y.shape[-1]))
    rank = max(_rank(call, 0), _rank(call, 1))
    x, y = (aligned(each, rank) if stacked else each for each, stacked in zip((x, y), call.stacked))
    return linalg._matmul(x, y)


@_rule(linalg._matmul_transposed)
def _matmul_transposed(call: Applied) -> Any:
    x, y = call.inputs
    return linalg._matmul(shape.transpose(x, -1, -2), y)


@_rule(linalg._linear, linalg._linear_relu)
def _linear(call: Applied) -> Any:
    x, w, b = call.inputs
    if not (call.stacked[1] or call.stacked[2]):
        return _unfolded(call.primitive(_folded(x), w, b), call.size)
    out = linalg._matmul(x, shape.transpose(w, -1, -2))
    if b is not None:
        out = elementwise.add(out, shape.unsqueeze(b, 1) if call.stacked[2] else b)
    out = out if out.ndim == 3 else shape.broadcast_to(out, (call.size, *out.shape))
    return elementwise.relu(out) if call.primitive is linalg._linear_relu else out


@_rule(conv._conv2d, conv._conv2d_relu)
def _conv2d(call: Applied) -> Any:
    """Filters of one kind see all samples as one batch; filters of each sample are groups of one convolution."""
    x, w, b = call.inputs
    if not (call.stacked[1] or call.stacked[2]):
        return _unfolded(call.primitive(_folded(x), w, b, **call.params), call.size)
    x, w, b = _all_expanded(call)
    params = {**call.params, "groups": call.params["groups"] * call.size}
    out = call.primitive(_folded(x, 1), _folded(w), None if b is None else _folded(b), **params)
    return _unfolded(out, call.size, 1)


@_rule(conv._conv2d_input)
def _conv2d_input(call: Applied) -> Any:
    g, w = call.inputs
    if not call.stacked[1]:
        return _unfolded(call.primitive(_folded(g), w, **call.params), call.size)
    g, w = _all_expanded(call)
    params = {**call.params, "groups": call.params["groups"] * call.size}
    return _unfolded(call.primitive(_folded(g, 1), _folded(w), **params), call.size, 1)


@_rule(conv._conv2d_weight)
def _conv2d_weight(call: Applied) -> Any:
    g, x = _all_expanded(call)
    params = {**call.params, "groups": call.params["groups"] * call.size}
    return _unfolded(call.primitive(_folded(g, 1), _folded(x, 1), **params), call.size)


@_rule(conv._channel_sum)
def _channel_sum(call: Applied) -> Any:
    return reduce._sum(call.inputs[0], dims=(1, 3, 4), keepdim=False)


@_rule(conv._channel_spread)
def _channel_spread(call: Applied) -> Any:
    (b,) = call.inputs
    return shape.broadcast_to(shape.reshape(b, (call.size, 1, b.shape[1], 1, 1)), (call.size, *call.params["shape"]))


# ------------------------------------------------------------------------------------ normalization


def _per_channel(call: Applied, images: Iterable[int]) -> Any:
    """Join the samples along the channels: dim 1 of images, dim 0 of what has one entry per channel."""
    inputs = [_folded(x, int(i in images)) if _is_array(x) else x for i, x in enumerate(_all_expanded(call))]
    out = call.primitive(*inputs, **call.params)
    return _results(out, lambda x: _unfolded(x, call.size, int(x.ndim > 1)))


@_rule(normalization._batch_norm)
def _batch_norm(call: Applied) -> Any:
    return _per_channel(call, (0,))


@_rule(normalization._batch_norm_input)
def _batch_norm_input(call: Applied) -> Any:
    return _per_channel(call, (0, 1))


@_rule(normalization._normalize)
def _normalize(call: Applied) -> Any:
    if not any(call.stacked[1:]):
        return _unfolded(call.primitive(_folded(call.inputs[0]), *call.inputs[1:], **call.params), call.size)
    return _per_channel(call, (0,))


def _normalized(call: Applied, placed: Callable[[Any, bool, Any], Any]) -> Any:
    """Normalize all samples at once; weights and biases of their own are applied after, as `placed` shapes them."""
    x, weight, bias = call.inputs
    if not (call.stacked[1] or call.stacked[2]):
        out = call.primitive(_folded(x), weight, bias, **call.params)
        return _results(out, lambda each: _unfolded(each, call.size))
    out, mean, rstd = (_unfolded(each, call.size) for each in call.primitive(
        _folded(_expanded(call, 0)), None, None, **call.params))
    for parameter, stacked, combine in ((weight, call.stacked[1], elementwise.mul),
                                        (bias, call.stacked[2], elementwise.add)):
        if parameter is not None:
            out = combine(out, placed(parameter, stacked, out))
    return out, mean, rstd


@_rule(normalization._layer_norm)
def _layer_norm(call: Applied) -> Any:
    return _normalized(call, lambda parameter, stacked, out: shape.unsqueeze(parameter, 1) if stacked else parameter)


@_rule(normalization._layer_norm_input)
def _layer_norm_input(call: Applied) -> Any:
    g, x, weight, mean, rstd = _all_expanded(call)
    through = g if weight is None else elementwise.mul(g, shape.unsqueeze(weight, 1))
    gx, _, _ = call.primitive(*map(_folded, (through, x)), None, *map(_folded, (mean, rstd)), **call.params)
    normalized, _, _ = normalization._layer_norm(_folded(x), None, None, **call.params)
    gweight = reduce._sum(elementwise.mul(g, _unfolded(normalized, call.size)), dims=(1,), keepdim=False)
    return _unfolded(gx, call.size), gweight, reduce._sum(g, dims=(1,), keepdim=False)


@_rule(normalization._group_norm)
def _group_norm(call: Applied) -> Any:
    return _normalized(call, lambda parameter, stacked, out: _by_group(parameter, out.shape[-3:-1], stacked))


def _by_group(parameter: Any, groups: tuple[int, ...], stacked: bool) -> Any:
    """Return an entry per channel in the form of (N, G, D, S), with the samples before it if it is stacked."""
    return shape.reshape(parameter, (*parameter.shape[:1], 1, *groups, 1) if stacked else (1, *groups, 1))


@_rule(normalization._group_norm_input)
def _group_norm_input(call: Applied) -> Any:
    g, x, weight, mean, rstd = _all_expanded(call)
    through = g if weight is None else elementwise.mul(g, _by_group(weight, x.shape[-3:-1], True))
    gx, _, _ = call.primitive(*map(_folded, (through, x)), None, *map(_folded, (mean, rstd)), **call.params)
    normalized, _, _ = normalization._group_norm(_folded(x), None, None, **call.params)
    sums = [shape.reshape(reduce._sum(each, dims=(1, 4), keepdim=False), (call.size, -1))
            for each in (elementwise.mul(g, _unfolded(normalized, call.size)), g)]
    return _unfolded(gx, call.size), *sums


# ------------------------------------------------------------------------------------ recurrent layers


def _sequences(call: Applied, weights: Sequence[int]) -> Any:
    """Join the samples along N of sequences (T, N, H) and states (N, H); samples with weights of their own go in turn.
    """
    if any(call.stacked[i] for i in weights):
        return looped(call)
    inputs = []
    for i, x in enumerate(call.inputs):
        if i not in weights and _is_array(x):
            x = _expanded(call, i)
            x = _folded(x, x.ndim - 3)
        inputs.append(x)
    return _results(call.primitive(*inputs, **call.params), lambda x: _unfolded(x, call.size, x.ndim - 2))


_rule(recurrent._rnn, recurrent._lstm, recurrent._lstm_input)(lambda call: _sequences(call, (_weight_of(call),)))
_rule(recurrent._gru)(lambda call: _sequences(call, (1, 2)))
_rule(recurrent._rnn_input)(lambda call: _sequences(call, (2,)))
_rule(recurrent._gru_gates)(lambda call: _sequences(call, ()))
_rule(recurrent._gru_input)(lambda call: _sequences(call, (3,)))


def _weight_of(call: Applied) -> int:
    return int(call.primitive.signature.inputs.index("w"))


# ------------------------------------------------------------------------------------ attention


@_rule(attention._attention, attention._attention_input)
def _attention(call: Applied) -> Any:
    """Let the samples be one more dim before those of the heads; the mask of dropout differs between them."""
    mask = call.primitive.signature.inputs.index("mask")
    inputs = [x if i in (mask, mask + 1) else _expanded(call, i) for i, x in enumerate(call.inputs)]
    if call.stacked[mask]:
        inputs[mask] = aligned(inputs[mask], _rank(call, mask - 1))
    return call.primitive(*inputs, **call.params)


# ------------------------------------------------------------------------------------ indexing


class _Index(NamedTuple):
    """An index of all samples, and where the dims that its arrays make stand in the results."""

    key: tuple[Any, ...]
    arrays: list[Any]
    rank: int  # of the index arrays, broadcast
    place: int  # where their dims stand in the result of a sample

    def sample_first(self, x: Any) -> Any:
        """Return what NumPy makes of the index, (samples, index dims, other dims), with each dim at its place."""
        order = [0, *range(self.rank + 1, self.rank + 1 + self.place), *range(1, self.rank + 1)]
        return shape.permute(x, [*order, *range(len(order), x.ndim)]) if self.place and self.rank else x

    def index_first(self, x: Any) -> Any:
        """Undo `sample_first`."""
        order = [0, *range(1 + self.place, 1 + self.place + self.rank), *range(1, 1 + self.place)]
        return shape.permute(x, [*order, *range(len(order), x.ndim)]) if self.place and self.rank else x


    def result_rank(self, rank: int) -> int:
        """Return the number of dims that the index makes of `rank` dims of a sample."""
        used = sum(entry is not None and entry is not Ellipsis for entry in self.key[1:])
        kept = sum(entry is None or type(entry) is Slice for entry in self.key[1:])
        return kept + rank - used + self.rank


def batched_index(key: tuple[Any, ...], arrays: Sequence[Any], stacked: Sequence[bool], rank: int, size: int) -> _Index:
    """Return the index that does in all samples what an index does in each of `rank` dims."""
    if not arrays:
        return _Index((ALL, *key), [], 0, 0)
    taken = iter(zip(arrays, stacked))
    entries: list[Any] = []  # of the key, each array with whether it is stacked
    for entry in key:
        if entry is not ARRAY:
            entries.append(entry)
            continue
        array, is_stacked = next(taken)
        if array.dtype == bool:
            if is_stacked:
                raise RuntimeError("getitem(): inside vmap a boolean mask would select as many elements as its values "
                                   "say, another number for each sample; use where()")
            mask = array.array if isinstance(array, Tensor) else array
            if not mask.ndim:
                raise RuntimeError("getitem(): inside vmap a single boolean cannot be an index; use where()")
            entries += [(part, False) for part in np.nonzero(mask)]
        else:
            entries.append((array, is_stacked))
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    if Ellipsis in [entry for entry in entries if not isinstance(entry, tuple)]:
        at = next(i for i, entry in enumerate(entries) if entry is Ellipsis)
        entries[at : at + 1] = [ALL] * (rank - used)
    entries = [(np.asarray(entry), False) if type(entry) is int else entry for entry in entries]
    places = [i for i, entry in enumerate(entries) if type(entry) is tuple]
    width = max(entries[i][0].ndim - entries[i][1] for i in places)
    together = places == list(range(places[0], places[0] + len(places)))
    place = places[0] if together else 0
    found: list[Any] = [wrap(np.arange(size).reshape(size, *(1,) * width))]
    for i in places:
        array, is_stacked = entries[i]
        found.append(aligned(array, width) if is_stacked else array)
        entries[i] = ARRAY
    return _Index((ARRAY, *entries), found, width, place)


def _index_of(call: Applied, first: int, rank: int) -> _Index:
    return batched_index(call.params["key"], call.inputs[first:], call.stacked[first:], rank, call.size)


@_rule(index._getitem, index._getlast)
def _getitem(call: Applied) -> Any:
    x = _expanded(call, 0)
    found = _index_of(call, 1, x.ndim - 1)
    return found.sample_first(call.primitive(x, *found.arrays, key=found.key))


@_rule(index._put, index._putlast)
def _put(call: Applied) -> Any:
    wanted = call.params["shape"]
    found = _index_of(call, 1, len(wanted))
    return call.primitive(found.index_first(_expanded(call, 0)), *found.arrays, shape=(call.size, *wanted),
                          key=found.key)


@_rule(index._replaced)
def _replaced(call: Applied) -> Any:
    x, value = _expanded(call, 0), _expanded(call, 1)
    found = _index_of(call, 2, x.ndim - 1)
    if _is_array(value):
        value = found.index_first(aligned(value, found.result_rank(x.ndim - 1)))
    return call.primitive(x, value, *found.arrays, key=found.key)


def moved_path(path: Any, size: int) -> Any:
    """Return the path of views that does in all samples what `path` does in each."""
    moved = []
    for primitive, items in path:
        params = dict(items)
        if primitive is shape._permute:
            params = {"dims": (0, *(d + 1 for d in params["dims"]))}
        else:
            params = _settings(params, size)
        moved.append((primitive, tuple(params.items())))
    return tuple(moved)


@_rule(index._erase)
def _erase(call: Applied) -> Any:
    g, path = _expanded(call, 0), call.params["path"]
    rank = g.ndim - 1
    if path:
        rank = follow(np.broadcast_to(np.zeros((), bool), g.shape[1:]), path).ndim
    found = _index_of(call, 1, rank)
    return call.primitive(g, *found.arrays, key=found.key, path=moved_path(path, call.size))


@_rule(index._index_select)
def _index_select(call: Applied) -> Any:
    x, places = call.inputs
    dim = call.params["dim"]
    if not call.stacked[1]:
        return call.primitive(x, places, dim=dim + 1)
    return _getitem(call._replace(primitive=index._getitem, params={"key": (ALL,) * dim + (ARRAY,)}))


@_rule(index._index_put)
def _index_put(call: Applied) -> Any:
    (g, places), dim, count = call.inputs, call.params["dim"], call.params["size"]
    if not call.stacked[1]:
        return call.primitive(g, places, dim=dim + 1, size=count)
    inner = g.shape[1:] if call.stacked[0] else g.shape
    params = {"key": (ALL,) * dim + (ARRAY,), "shape": (*inner[:dim], count, *inner[dim + 1 :])}
    return _put(call._replace(primitive=index._put, params=params))


@_rule(index._embedding)
def _embedding(call: Applied) -> Any:
    weight, places = call.inputs
    if not call.stacked[0]:
        return call.primitive(weight, places, **call.params)
    rows = _getitem(call._replace(primitive=index._getitem, params={"key": (ARRAY,)}))
    padding = call.params["padding_idx"]
    if padding is None:
        return rows
    padded = elementwise.eq(places, padding)
    padded = shape.reshape(padded, (*padded.shape, 1) if call.stacked[1] else (1, *padded.shape, 1))
    return elementwise.where(padded, rows.detach(), rows)


@_rule(index._embedding_weight)
def _embedding_weight(call: Applied) -> Any:
    g, places = _all_expanded(call)
    rows, padding = call.params["rows"], call.params["padding_idx"]
    offsets = wrap(np.arange(call.size).reshape(call.size, *(1,) * (places.ndim - 1)) * rows)
    out = call.primitive(g, elementwise.add(places, offsets), rows=rows * call.size, padding_idx=None)
    out = shape.reshape(out, (call.size, rows, g.shape[-1]))
    return out if padding is None else index._erase(out, key=(ALL, padding), path=())


@_rule(bags._bag_sum, bags._bag_put)
def _bags(call: Applied) -> Any:
    """Tables of each sample are the columns of one; bags of each sample go one by one."""
    if any(call.stacked[1:]):
        return looped(call)
    table, *others = call.inputs
    columns = shape.movedim(table, 0, 1)
    out = call.primitive(shape.reshape(columns, (columns.shape[0], -1)), *others, **call.params)
    return shape.movedim(shape.reshape(out, (out.shape[0], *columns.shape[1:])), 1, 0)


@_rule(ctc._ctc, ctc._ctc_input)
def _alignments(call: Applied) -> Any:
    """Join the samples along N of log-probabilities (T, N, C), and along dim 0 of all else."""
    inputs = [_folded(x, max(0, x.ndim - 3) if name == "log_probs" else 0)
              for name, x in zip(call.primitive.signature.inputs, _all_expanded(call))]
    out = call.primitive(*inputs, **call.params)
    return _unfolded(out, call.size, max(0, out.ndim - 2))


# ------------------------------------------------------------------------------------ regions and hooks


@_rule(_checkpointed)
def _region(call: Applied) -> Any:
    """Hand on what the region computed; its gradients inside are computed again of samples."""
    if any(isinstance(x, Tensor) and x.requires_grad for x in call.inputs):
        raise RuntimeError("checkpoint(): inside vmap it can be differentiated inside only; take the gradient inside "
                           "vmap, or checkpoint the function that calls vmap")
    return tuple(_all_expanded(call)[call.params["count"] :])


@_rule(_watched)
def _hooks(call: Applied) -> Any:
    """Let hooks on gradients see those of a sample inside, and those of all samples outside."""
    return call.primitive(*_all_expanded(call), **call.params)


# ------------------------------------------------------------------------------------ one by one


def _data_dependent(call: Applied) -> Any:
    raise RuntimeError(f"{call.primitive.name}(): the shape of its result depends on values, so that samples inside "
                       "vmap could have different ones; use where() or a fixed number of elements")


_rule(index._nonzero)(_data_dependent)
_warned: set[str] = set()


def looped(call: Applied) -> Any:
    """Apply a primitive to one sample after the other; warn once that it has no batching rule."""
    name = call.primitive.name
    if name not in _warned:
        _warned.add(name)
        warn(f"vmap: {name}() has no batching rule for these inputs, so it runs in a loop over the samples")
    if not call.size:
        raise RuntimeError(f"{name}(): vmap over no samples needs a batching rule")
    results = [
        call.primitive(*(shape.select(x, 0, i) if stacked else x for x, stacked in zip(call.inputs, call.stacked)),
                       **call.params)
        for i in range(call.size)
    ]
    if isinstance(call.primitive, Update):
        return None
    if isinstance(results[0], tuple):
        return tuple(shape.stack(each) for each in zip(*results))
    return shape.stack(results)


def rule_of(primitive: Any) -> Rule:
    """Return the batching rule of a primitive."""
    rule = RULES.get(primitive)
    if rule is not None:
        return rule
    return _elementwise if primitive.elementwise else looped

