"""`vmap`: a function of one sample becomes a function of many, that runs once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..ops import shape
from ..tensor import Tensor
from .levels import Batched, Level
from .trees import broadcast_prefix, leaves_of, rebuilt

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return a function that applies `func` to many samples at once.

    `func` is written for one sample, and runs once. Each operation in it is applied to all samples by its batching
    rule: elementwise operations line their dims up, reductions count their dims from one further, products become
    batches of products, convolutions larger batches or more groups. An operation without a rule runs in a loop over the
    samples, and a warning names it once.

    It nests with itself and with the derivatives of this package: ``vmap(grad(f))`` are gradients of each sample.

    Parameters
    ----------
    func : callable
        Takes tensors, or nested tuples, lists and dicts of them, and returns such.
    in_dims : int, None, or a structure of them
        Along which dim of each argument the samples lie; None: the argument is the same for all. Keyword arguments lie
        along dim 0.
    out_dims : int, None, or a structure of them
        Where the samples are to lie in what is returned.
    randomness : {'error', 'different', 'same'}
        Whether random operations raise, draw for each sample, or draw once for all of them.
    chunk_size : int, optional
        Run so many samples at a time, to save memory.

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        `in_dims` or `out_dims` that do not fit, samples of different number.
    RuntimeError
        Inside: `item`, a decision by a tensor's value, a shape that depends on values, samples written into a tensor
        that is one for all of them, random numbers under ``randomness='error'``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import vmap
    >>> x, y = ag.randn(5, 3), ag.randn(5, 3)
    >>> products = vmap(ag.dot)(x, y)
    >>> products.shape
    (5,)
    >>> bool(ag.allclose(products, (x * y).sum(1)))
    True
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap(): randomness must be 'error', 'different' or 'same' (randomness={randomness!r})")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"vmap(): chunk_size must be positive (chunk_size={chunk_size})")

    @functools.wraps(func, updated=())
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, size = _flattened(in_dims, args, kwargs)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, dims, size, (args, kwargs), out_dims, randomness)
        pieces = []
        for start in range(0, size, chunk_size):
            count = min(chunk_size, size - start)
            part = [x if dim is None else shape.narrow(x, dim, start, count) for x, dim in zip(leaves, dims)]
            pieces.append(_run(func, part, dims, count, (args, kwargs), out_dims, randomness))
        places = _out_dims(out_dims, pieces[0])
        columns = zip(*map(leaves_of, pieces))
        return rebuilt(pieces[0], [column[0] if dim is None else shape.cat(column, dim)
                                   for column, dim in zip(columns, places)])

    return vectorized


def _flattened(in_dims: Any, args: Any, kwargs: Any) -> tuple[list[Any], list[int | None], int]:
    """Return the leaves of all arguments, along which dim of each the samples lie, and how many samples there are."""
    if not args and not kwargs:
        raise ValueError("vmap(): the function was called without inputs; it needs a tensor to map over")
    in_dims = list(in_dims) if isinstance(in_dims, list) else in_dims
    per_argument = broadcast_prefix(in_dims if isinstance(in_dims, int | None) else tuple(in_dims), args)
    if per_argument is None:
        raise ValueError(f"vmap(): in_dims does not fit the structure of the inputs (in_dims={in_dims}, "
                         f"{len(args)} inputs); give a dim or None for each")
    leaves = [*leaves_of(args), *leaves_of(kwargs)] if kwargs else leaves_of(args)
    dims: list[int | None] = [*per_argument, *(0 for _ in range(len(leaves) - len(per_argument)))]
    size = None
    for i, (x, dim) in enumerate(zip(leaves, dims)):
        if dim is None:
            continue
        if type(dim) is not int:
            raise ValueError(f"vmap(): in_dims must hold integers and None (got {dim!r})")
        if not isinstance(x, Tensor):
            if i >= len(per_argument):
                dims[i] = None  # a keyword that is no tensor
                continue
            raise ValueError(f"vmap(): can map over tensors only, but input {i} is a {type(x).__name__}; say None for "
                             f"it in in_dims (in_dims={in_dims})")
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(f"vmap(): in_dims names dim {dim} of input {i}, which has {x.ndim} dims (shape={x.shape})")
        dims[i] = dim % x.ndim
        count = x.shape[dim]
        if size is not None and count != size:
            raise ValueError(f"vmap(): inputs must have one number of samples (input {i} has {count} along dim {dim}, "
                             f"an earlier one {size})")
        size = count
    if size is None:
        raise ValueError(f"vmap(): at least one input must be mapped over (in_dims={in_dims})")
    return leaves, dims, size


def _run(
    func: Callable[..., Any], leaves: list[Any], dims: list[int | None], size: int, structure: Any, out_dims: Any,
    randomness: str,
) -> Any:  # fmt: skip
    inputs = [x if dim is None else shape.movedim(x, dim, 0) if dim else x for x, dim in zip(leaves, dims)]
    level = Level(size, randomness)
    with level:
        inside = [x if dim is None else Batched(level, x, True) for x, dim in zip(inputs, dims)]
        args, kwargs = rebuilt(structure, inside)
        out = func(*args, **kwargs)
        found = [x if mine is None else mine for x, mine in ((x, level.own(x)) for x in leaves_of(out))]
    places = _out_dims(out_dims, out)
    return rebuilt(out, [_left(x, dim, level, func) for x, dim in zip(found, places)])


def _out_dims(out_dims: Any, out: Any) -> list[Any]:
    places = broadcast_prefix(tuple(out_dims) if isinstance(out_dims, list) else out_dims, out)
    if places is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        places = broadcast_prefix(out_dims[0], out)
    if places is None:
        raise ValueError(f"vmap(): out_dims does not fit the structure of what the function returned "
                         f"(out_dims={out_dims}, {len(leaves_of(out))} tensors); give a dim for each")
    return places


def _left(x: Any, dim: int | None, level: Level, func: Callable[..., Any]) -> Any:
    """Return what leaves `vmap`, with the samples along `dim`."""
    if not isinstance(x, Tensor):
        raise ValueError(f"vmap(): {getattr(func, '__name__', 'the function')} must return tensors only "
                         f"(got {type(x).__name__})")
    whole, stacked = (x.whole, x.stacked) if isinstance(x, Batched) and x.level is level else (x, False)
    if dim is None:
        if stacked:
            raise ValueError("vmap(): out_dims=None says that a result is the same for all samples, but it was "
                             f"computed from them (shape of a sample: {x.shape})")
        return whole
    if not stacked:
        whole = shape.broadcast_to(whole, (level.size, *whole.shape))
    if not -whole.ndim <= dim < whole.ndim:
        raise ValueError(f"vmap(): out_dims names dim {dim} of a result of {whole.ndim} dims (shape={whole.shape})")
    return shape.movedim(whole, 0, dim) if dim else whole


