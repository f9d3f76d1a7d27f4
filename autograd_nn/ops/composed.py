"""Functions on tensors that are composed of operations: joining, types, predicates, and what NumPy computes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..devices import device as Device
from ..engine import common_dtype, wrap
from ..tensor import Tensor, as_tensor
from ..typing import DTypeLike
from . import creation, elementwise, index, linalg, reduce, scan, shape

__all__ = [
    "aminmax", "argwhere", "asarray", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes",
    "broadcast_tensors", "bucketize", "can_cast", "cartesian_prod", "column_stack",
    "cross", "deg2rad", "detach", "diff", "dist", "dstack", "exp2", "fliplr", "flipud", "hsplit", "hstack",
    "inner", "is_complex", "is_floating_point", "is_nonzero", "isin", "kron", "logaddexp", "logit",
    "nanmean", "nansum", "positive", "promote_types", "quantile", "rad2deg", "ravel", "result_type", "rot90",
    "scalar_tensor", "searchsorted", "t", "tensor_split", "vsplit", "vstack",
]  # fmt: skip

# ------------------------------------------------------------------------------------ types and predicates


def is_floating_point(input: Tensor) -> bool:
    """Return whether the elements are floating-point numbers."""
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Return False: elements are real numbers."""
    return input.is_complex()


def is_nonzero(input: Tensor) -> bool:
    """Return whether the only element is not 0."""
    return input.is_nonzero()


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """Return the dtype that an operation of two tensors or numbers has."""
    return common_dtype([x.array if isinstance(x, Tensor) else x for x in (tensor1, tensor2)])


def promote_types(type1: DTypeLike, type2: DTypeLike) -> np.dtype[Any]:
    """Return the dtype that an operation of two tensors of these dtypes has."""
    return common_dtype([np.empty(1, type1), np.empty(1, type2)])


def can_cast(from_: DTypeLike, to: DTypeLike) -> bool:
    """Return whether elements of one dtype can be written into the other: never from floating point to integers or
    from numbers to booleans."""
    source, target = np.dtype(from_).kind, np.dtype(to).kind
    return target == "f" or (target in "iu" and source != "f") or source == target == "b"


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
            ) -> Tensor:
    """Return `obj` as a tensor that shares memory where it is a tensor or an array, or as a copy."""
    Device("cpu" if device is None else device)
    out = Tensor(obj, dtype=dtype) if copy else as_tensor(obj, dtype)
    return out.detach().requires_grad_() if requires_grad else out


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a number as a 0-d tensor of the default dtype."""
    return creation.full((), float(s), dtype=dtype, device=device, requires_grad=requires_grad)


def detach(input: Tensor) -> Tensor:
    """Return a tensor outside the graph that shares memory."""
    return input.detach()


# ------------------------------------------------------------------------------------ shape


def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix."""
    return input.t()


def ravel(input: Tensor) -> Tensor:
    """Return the elements in one dim."""
    return input.ravel()


def atleast_1d(input: Tensor) -> Tensor:
    """Return the tensor, a 0-d one with a dim."""
    return shape.reshape(input, (1,)) if input.ndim == 0 else input


def atleast_2d(input: Tensor) -> Tensor:
    """Return the tensor with dims of size 1 put before it up to 2 dims."""
    return shape.unsqueeze(atleast_1d(input), 0) if input.ndim < 2 else input


def atleast_3d(input: Tensor) -> Tensor:
    """Return the tensor with dims of size 1 put around it up to 3 dims; a matrix gets one at its end."""
    return shape.unsqueeze(atleast_2d(input), -1) if input.ndim < 3 else input


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the second dim, those of one dim along it."""
    parts = [atleast_1d(x) for x in tensors]
    return shape.cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the first dim; those of one dim are rows."""
    return shape.cat([atleast_2d(x) for x in tensors], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the third dim."""
    return shape.cat([atleast_3d(x) for x in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the second dim; those of one dim are columns."""
    return shape.cat([shape.reshape(x, (x.numel(), 1)) if x.ndim < 2 else x for x in tensors], 1)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that tensors of these shapes are broadcast to."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(f"broadcast_shapes(): shapes cannot be broadcast together (shapes={shapes})") from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return views of the tensors in their common shape."""
    common = broadcast_shapes(*[x.shape for x in tensors])
    return tuple(shape.broadcast_to(x, common) for x in tensors)


def fliplr(input: Tensor) -> Tensor:
    """Return a view with the order along the second dim reversed."""
    return shape.flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Return a view with the order along the first dim reversed."""
    return shape.flip(input, (0,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Return the tensor turned by `k` right angles in the plane of two dims, from the first towards the second."""
    first, second = (shape.normalized_dim(d, input.ndim, "rot90") for d in dims)
    if k % 4 == 2:
        return shape.flip(input, (first, second))
    if k % 4 == 1:
        return shape.transpose(shape.flip(input, (second,)), first, second)
    return input if k % 4 == 0 else shape.flip(shape.transpose(input, first, second), (second,))


def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Return views of parts of a tensor along a dim.

    Parameters
    ----------
    input : Tensor
    indices_or_sections : int or sequence of int
        The number of parts, the first of them longer by one where they cannot be equal; or where parts begin.
    dim : int
    """
    length = input.shape[shape.normalized_dim(dim, input.ndim, "tensor_split")]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"tensor_split(): the number of parts must be positive (indices_or_sections={count})")
        begins = [i * (length // count) + min(i, length % count) for i in range(1, count)]
    else:
        begins = [slice(i, None).indices(length)[0] for i in indices_or_sections]
    starts, ends = [0, *begins], [*begins, length]
    return tuple(shape.narrow(input, dim, a, max(b - a, 0)) for a, b in zip(starts, ends))


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Return parts along the second dim, of a tensor of one dim along it (see `tensor_split`)."""
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Return parts along the first dim (see `tensor_split`)."""
    return tensor_split(input, indices_or_sections, 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return all combinations of one element of each tensor (N,), one a row."""
    if len(tensors) == 1:
        return tensors[0]
    return shape.stack([shape.reshape(x, (-1,)) for x in shape.meshgrid(*tensors, indexing="ij")], 1)


# ------------------------------------------------------------------------------------ elementwise, reductions, products


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Return ``log(exp(input) + exp(other))`` without overflow."""
    return reduce.logsumexp(shape.stack(broadcast_tensors(input, other)), 0)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest elements, of all or along a dim; ties share the gradient."""
    return input.aminmax(dim=dim, keepdim=keepdim)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the sum of the elements that are not NaN."""
    return reduce.sum(elementwise.masked_fill(input, elementwise.isnan(input), 0), dim, keepdim)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return the mean of the elements that are not NaN."""
    count = reduce.sum(elementwise.logical_not(elementwise.isnan(input)), dim, keepdim)
    return nansum(input, dim, keepdim) / count


def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return quantiles, interpolated linearly between the two neighbours in order, which share the gradient.

    Parameters
    ----------
    input : Tensor
    q : float or Tensor of shape (Q,)
        From 0 to 1; the quantiles of a tensor `q` are the first dim of the result.
    dim : int, optional
        All elements where it is not given.
    keepdim : bool
    """
    wanted = np.asarray(q.array if isinstance(q, Tensor) else q, np.float64)
    if wanted.ndim > 1 or not ((wanted >= 0) & (wanted <= 1)).all():
        raise RuntimeError(f"quantile(): q must be numbers from 0 to 1 in at most one dim (q={wanted.tolist()})")
    ordered = scan.sort(shape.reshape(input, (-1,)) if dim is None else input, -1 if dim is None else dim)[0]
    ordered = shape.movedim(ordered, -1 if dim is None else dim, 0)
    position = np.atleast_1d(wanted) * (len(ordered) - 1)
    low = np.floor(position).astype(np.int64)
    share = wrap((position - low).astype(input.dtype).reshape(-1, *[1] * (ordered.ndim - 1)))
    out = elementwise.lerp(ordered[low], ordered[np.ceil(position).astype(np.int64)], share)
    if keepdim:
        out = shape.reshape(out, (len(out), *[1] * input.ndim)) if dim is None else shape.unsqueeze(
            out, dim + 1 if dim >= 0 else dim)
    return out if wanted.ndim else out[0]


def diff(input: Tensor, n: int = 1, dim: int = -1) -> Tensor:
    """Return the differences of neighbours along a dim, taken `n` times."""
    for _ in range(n):
        length = input.shape[shape.normalized_dim(dim, input.ndim, "diff")]
        if length == 0:
            return input
        input = shape.narrow(input, dim, 1, length - 1) - shape.narrow(input, dim, 0, length - 1)
    return input


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Return the p-norm of ``input - other``."""
    return (input - other).norm(p)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the sums of products over the last dims."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return linalg.tensordot(input, other, ([-1], [-1]))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: each element of `input` times the whole of `other`."""
    ndim = max(input.ndim, other.ndim)
    outer, block = ((1,) * (ndim - x.ndim) + x.shape for x in (input, other))
    left = shape.reshape(input, [n for size in outer for n in (size, 1)])
    right = shape.reshape(other, [n for size in block for n in (1, size)])
    return shape.reshape(left * right, [m * n for m, n in zip(outer, block)])


def exp2(input: Tensor) -> Tensor:
    """Return 2 to the power of each element."""
    return elementwise.pow(2.0, input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Return ``log(x / (1 - x))``, the inverse of the sigmoid, of elements limited to [eps, 1 - eps]."""
    x = input if eps is None else elementwise.clamp(input, eps, 1 - eps)
    return elementwise.log(x / (1 - x))


def deg2rad(input: Tensor) -> Tensor:
    """Return degrees as radians."""
    return input * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Return radians as degrees."""
    return input * (180 / math.pi)



def positive(input: Tensor) -> Tensor:
    """Return the tensor itself."""
    return input


def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """Return the vector product of vectors of 3 elements along a dim."""
    a, b = (shape.movedim(x, dim, 0) for x in broadcast_tensors(input, other))
    if len(a) != 3:
        raise RuntimeError(f"cross(): expects 3 elements along dim {dim} (input.shape={input.shape}, "
                           f"other.shape={other.shape})")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return shape.movedim(shape.stack(parts, 0), 0, dim)


# ------------------------------------------------------------------------------------ searching


def argwhere(input: Tensor) -> Tensor:
    """Return the indices of the elements that are not 0, one a row."""
    return index.nonzero(input)


def isin(elements: Any, test_elements: Any, *, invert: bool = False) -> Tensor:
    """Return of each element whether it is one of `test_elements` (or, to `invert`, whether it is not)."""
    return wrap(np.asarray(np.isin(as_tensor(elements).array, as_tensor(test_elements).array, invert=invert)))


def searchsorted(sorted_sequence: Tensor, input: Any, *, right: bool = False) -> Tensor:
    """Return where in a sorted sequence (N,) each element belongs, int64: before equal ones, with `right` after."""
    if sorted_sequence.ndim != 1:
        raise RuntimeError(f"searchsorted(): the sorted sequence must have one dim (shape={sorted_sequence.shape})")
    side: Any = "right" if right else "left"
    found = np.searchsorted(sorted_sequence.array, as_tensor(input).array, side)
    return wrap(np.asarray(found, np.int64))


def bucketize(input: Any, boundaries: Tensor, *, right: bool = False) -> Tensor:
    """Return the number of the interval between sorted boundaries (N,) that each element lies in, int64."""
    return searchsorted(boundaries, input, right=right)
