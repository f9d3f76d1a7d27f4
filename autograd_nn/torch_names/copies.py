"""PyTorch's views as copies (``view_copy`` ...), and names that its own libraries write for what is here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine import wrap
from ..ops import joining, sampling, scattering, shape
from ..ops import pad as padding
from ..ops.arithmetic import sub
from ..ops.index import index_put
from ..tensor import Tensor
from ..typing import Dims, Number

__all__ = [
    "alias_copy", "as_strided_copy", "as_strided_scatter", "constant_pad_nd", "diagonal_copy", "expand_copy",
    "grid_sampler_2d", "grid_sampler_3d", "narrow_copy", "permute_copy", "rsub", "split_with_sizes",
    "split_with_sizes_copy", "squeeze_copy", "t_copy", "transpose_copy", "unbind_copy", "unfold_copy", "unsafe_chunk",
    "unsafe_split", "unsqueeze_copy", "view_copy",
]  # fmt: skip

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def alias_copy(input: Tensor) -> Tensor:
    """Return a copy, as `clone` does.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.alias_copy(ag.ones(2))
    tensor([1., 1.])
    """
    return input.clone()


def as_strided_copy(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0) -> Tensor:
    """Return what `as_strided` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.as_strided_copy(ag.arange(4), (2, 2), (1, 2))
    tensor([[0, 2],
            [1, 3]])
    """
    return scattering.as_strided(input, size, stride, storage_offset).clone()


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0
) -> Tensor:
    """Return `input` with the elements that `as_strided` would take replaced; `input` has no gradient there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.as_strided_scatter(ag.zeros(4), ag.ones(2), (2,), (2,)).tolist()
    [1.0, 0.0, 1.0, 0.0]
    """
    if tuple(src.shape) != tuple(size):
        raise RuntimeError("as_strided_scatter(): src must have the shape of what it replaces "
                           f"(src.shape={src.shape}, size={tuple(size)})")
    places = np.full(tuple(size), int(storage_offset), np.int64)
    for axis, step in zip(np.indices(places.shape), stride):
        places += axis * int(step)
    flat = index_put(input.reshape(-1), (wrap(places.reshape(-1)),), src.reshape(-1))
    return flat.reshape(input.shape)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: Number = 0) -> Tensor:
    """Return `input` padded with a number (see `nn.functional.pad`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.constant_pad_nd(ag.ones(2), (1, 0), 5.0)
    tensor([5., 1., 1.])
    """
    return padding.pad(input, pad, "constant", float(value))


def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return what `diagonal` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.diagonal_copy(ag.ones(2, 2))
    tensor([1., 1.])
    """
    return shape.diagonal(input, offset, dim1, dim2).clone()


def expand_copy(input: Tensor, size: Sequence[int], *, implicit: bool = False) -> Tensor:
    """Return what `expand` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.expand_copy(ag.ones(1), (2,))
    tensor([1., 1.])
    """
    return shape.expand(input, size).clone()


def grid_sampler_2d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Return `nn.functional.grid_sample`, its modes counted from 0 in the order of its documentation.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.grid_sampler_2d(ag.ones(1, 1, 2, 2), ag.zeros(1, 1, 1, 2), 0, 0, False).item()
    1.0
    """
    mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return sampling.grid_sample(input, grid, mode, padding, align_corners)


def grid_sampler_3d(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Return `nn.functional.grid_sample`, its modes counted from 0 in the order of its documentation.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.grid_sampler_3d(ag.ones(1, 1, 2, 2, 2), ag.zeros(1, 1, 1, 1, 3), 0, 0, False).item()
    1.0
    """
    mode, padding = _MODES[interpolation_mode], _PADDINGS[padding_mode]
    return sampling.grid_sample(input, grid, mode, padding, align_corners)


def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return what `narrow` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.narrow_copy(ag.arange(4), 0, 1, 2)
    tensor([1, 2])
    """
    return shape.narrow(input, dim, start, length).clone()


def permute_copy(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Return what `permute` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.permute_copy(ag.ones(2, 3), (1, 0)).shape
    (3, 2)
    """
    return shape.permute(input, dims).clone()


def rsub(input: Tensor, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Return ``other - alpha * input``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.rsub(ag.ones(2), 3.0, alpha=2)
    tensor([1., 1.])
    """
    return sub(other, input, alpha=alpha)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces of given sizes along `dim`, as views (see `split`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [x.tolist() for x in ag.split_with_sizes(ag.arange(3), [1, 2])]
    [[0], [1, 2]]
    """
    return shape.split(input, list(split_sizes), dim)


def split_with_sizes_copy(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces of given sizes along `dim`, as copies.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [x.tolist() for x in ag.split_with_sizes_copy(ag.arange(3), [1, 2])]
    [[0], [1, 2]]
    """
    return tuple([each.clone() for each in split_with_sizes(input, split_sizes, dim)])


def squeeze_copy(input: Tensor, dim: Dims = None) -> Tensor:
    """Return what `squeeze` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.squeeze_copy(ag.ones(1, 2))
    tensor([1., 1.])
    """
    return shape.squeeze(input, dim).clone()


def t_copy(input: Tensor) -> Tensor:
    """Return what `t` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.t_copy(ag.ones(2, 3)).shape
    (3, 2)
    """
    return joining.t(input).clone()


def transpose_copy(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return what `transpose` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.transpose_copy(ag.ones(2, 3), 0, 1).shape
    (3, 2)
    """
    return shape.transpose(input, dim0, dim1).clone()


def unbind_copy(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices along `dim` as copies.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unbind_copy(ag.tensor([1.0, 2.0]))
    (tensor(1.), tensor(2.))
    """
    return tuple([each.clone() for each in shape.unbind(input, dim)])


def unfold_copy(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return what `unfold` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unfold_copy(ag.arange(3), 0, 2, 1)
    tensor([[0, 1],
            [1, 2]])
    """
    return input.unfold(dimension, size, step).clone()


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return what `chunk` returns: views that know their base, so nothing is unsafe here.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [x.tolist() for x in ag.unsafe_chunk(ag.arange(4), 2)]
    [[0, 1], [2, 3]]
    """
    return shape.chunk(input, chunks, dim)


def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return what `split` returns: views that know their base, so nothing is unsafe here.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> [x.tolist() for x in ag.unsafe_split(ag.arange(3), 2)]
    [[0, 1], [2]]
    """
    return shape.split(tensor, split_size, dim)


def unsqueeze_copy(input: Tensor, dim: int) -> Tensor:
    """Return what `unsqueeze` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.unsqueeze_copy(ag.ones(2), 0).shape
    (1, 2)
    """
    return shape.unsqueeze(input, dim).clone()


def view_copy(input: Tensor, size: Sequence[int]) -> Tensor:
    """Return what `view` returns, as a copy: a change of it is not seen by `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.view_copy(ag.ones(4), (2, 2)).shape
    (2, 2)
    """
    return input.view(*size).clone()
