"""Matrix products."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ..engine import Primitive, dtypes_apart, primitive
from ..kernels import gemm as kernels
from ..typing import Array, Gradients, Ints, Number, Shape, Tensor
from .arithmetic import alike
from .elementwise import add, mul, relu_input
from .reduce import sum
from .shape import diagonal, permute, reshape, sum_to_size, transpose, unsqueeze

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "dot", "einsum", "matmul", "mm", "mv", "outer",
           "tensordot", "trace", "vdot"]  # fmt: skip


@primitive
def _matmul(x: Array, y: Array) -> Array:
    return kernels.matmul(x, y) if x.shape[-1] else np.matmul(x, y)  # a sum of nothing is 0


_matmul.defvjp(
    x=lambda g, x_like, y: sum_to_size(_matmul(g, transpose(y, -1, -2)), x_like.shape),
    y=lambda g, x, y_like: sum_to_size(_matmul(transpose(x, -1, -2), g), y_like.shape),
)


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Return the matrix product of the last two dims; the other dims are broadcast.

    A 1-D tensor counts as a row on the left and as a column on the right, and that dim is taken away again.

    Parameters
    ----------
    x : Tensor of shape (..., N, K) or (K,)
    y : Tensor of shape (..., K, M) or (K,)

    Returns
    -------
    Tensor of shape (..., N, M)

    Raises
    ------
    RuntimeError
        0-d operands, sizes of K that differ, batch dims that do not broadcast, dtypes that differ.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.matmul(ag.tensor([[1.0, 2.0], [3.0, 4.0]]), ag.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(f"matmul(): both tensors need at least one dim (x.shape={x.shape}, y.shape={y.shape})")
    rows, columns = x.ndim == 1, y.ndim == 1
    if x.array.shape[-1] != y.array.shape[0 if columns else -2]:
        raise RuntimeError(f"matmul(): the last dim of x ({x.shape[-1]}) must be as large as the first matrix dim of y "
                           f"({y.shape[0 if columns else -2]}) (x.shape={x.shape}, y.shape={y.shape})")
    if x.dtype != y.dtype:
        raise dtypes_apart("matmul", x=x.dtype, y=y.dtype)
    if rows and columns:
        return sum(mul(x, y), dtype=x.dtype if x.dtype.kind in "iu" else None)
    if x.ndim > 2 and y.ndim <= 2:
        y_matrix = unsqueeze(y, 1) if columns else y
        out = _matmul(reshape(x, (-1, x.array.shape[-1])) if x.array.shape[-1] else _flat_rows(x), y_matrix)
        return reshape(out, x.array.shape[:-1] if columns else (*x.array.shape[:-1], y_matrix.array.shape[-1]))
    if (x.ndim > 2 or y.ndim > 2) and x.array.shape[:-2] != y.array.shape[:-2]:
        try:
            np.broadcast_shapes(x.array.shape[:-2], y.array.shape[:-2])
        except ValueError:
            raise RuntimeError(f"matmul(): batch dims {x.shape[:-2]} and {y.shape[:-2]} do not broadcast") from None
    out = _matmul(unsqueeze(x, 0) if rows else x, unsqueeze(y, 1) if columns else y)
    if rows:
        return reshape(out, (*out.array.shape[:-2], out.array.shape[-1]))
    return reshape(out, out.array.shape[:-1]) if columns else out


def _flat_rows(x: Tensor) -> Tensor:
    return reshape(x, (math.prod(x.array.shape[:-1]), x.array.shape[-1]))


@primitive
def _matmul_transposed(x: Array, y: Array) -> Array:
    """Return ``x.T @ y`` of two matrices."""
    return kernels.matmul(x.T, y)


_matmul_transposed.defvjp(
    x=lambda g, y: _matmul(y, transpose(g, 0, 1)),
    y=lambda g, x: _matmul(x, g),
)


@primitive
def _linear(x: Array, w: Array, b: Array | None) -> Array:
    return kernels.linear(x, w, b)


_linear.defvjp(
    x=lambda g, w: _matmul(g, w),
    w=lambda g, x: _matmul_transposed(g, x),
    b=lambda g: sum(g, 0),
)


@primitive
def _linear_relu(x: Array, w: Array, b: Array | None) -> Array:
    return kernels.linear(x, w, b, relu=True)


def _linear_relu_rule(g: Tensor, out: Tensor, x: Tensor, w: Tensor, needs: Sequence[bool]) -> Gradients:
    g = relu_input(g, out)
    return (
        _matmul(g, w) if needs[0] else None,
        _matmul_transposed(g, x) if needs[1] else None,
        sum(g, 0) if needs[2] else None,
    )


_linear_relu.defvjps(_linear_relu_rule)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor of shape (..., in)
    weight : Tensor of shape (out, in)
    bias : Tensor of shape (out,), optional

    Returns
    -------
    Tensor of shape (..., out)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.linear(ag.ones(2, 3), ag.ones(4, 3), ag.ones(4)).shape
    (2, 4)
    """
    return _mapped(_linear, input, weight, bias)


def linear_relu(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``relu(linear(input, weight, bias))`` in one pass over the result; parameters as for `linear`."""
    return _mapped(_linear_relu, input, weight, bias)


def _mapped(product: Primitive[Tensor], input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if weight.ndim != 2 or input.ndim == 0 or input.array.shape[-1] != weight.array.shape[1]:
        raise RuntimeError(f"linear(): input needs as many features in its last dim as weight has columns "
                           f"(input.shape={input.shape}, weight.shape={weight.shape})"
                           f"{_features_hint(input.shape, weight.shape)}")
    if bias is not None and bias.array.shape != (weight.array.shape[0],):
        raise RuntimeError(f"linear(): bias needs one entry per row of weight (bias.shape={bias.shape}, "
                           f"weight.shape={weight.shape})")
    if input.dtype != weight.dtype or (bias is not None and bias.dtype != input.dtype):
        raise dtypes_apart("linear", "weight", input=input.dtype, weight=weight.dtype,
                           bias=None if bias is None else bias.dtype)
    if input.ndim == 2:
        return product(input, weight, bias)
    return reshape(product(_flat_rows(input), weight, bias), (*input.array.shape[:-1], weight.array.shape[0]))


def _features_hint(input: Shape, weight: Shape) -> str:
    """Return what to do about features that do not fit, where a likely cause can be seen from the shapes."""
    if len(weight) != 2 or not input:
        return ""
    if len(input) > 2 and math.prod(input[1:]) == weight[1]:
        return "; use input.flatten(1)"
    if len(input) > 1 and math.prod(input) == weight[1]:
        return "; use input.flatten()"
    return "; use input.T" if len(input) == 2 and input[0] == weight[1] else ""


# ------------------------------------------------------------------------------------ products of given dims


def _check_dims(operation: str, **expected: tuple[Tensor, int]) -> None:
    """Raise unless each tensor, given with its number of dims, has that many."""
    for name, (x, ndim) in expected.items():
        if x.ndim != ndim:
            raise RuntimeError(f"{operation}(): {name} must have {ndim} dims ({name}.shape={x.shape})")


def mm(x: Tensor, y: Tensor) -> Tensor:
    """Return the product of two matrices.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.mm(ag.ones(2, 3), ag.ones(3, 4)).shape
    (2, 4)
    """
    _check_dims("mm", x=(x, 2), y=(y, 2))
    return matmul(x, y)


def bmm(x: Tensor, y: Tensor) -> Tensor:
    """Return the products of the matrices in two batches, (B, N, K) and (B, K, M); nothing is broadcast.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bmm(ag.ones(5, 2, 3), ag.ones(5, 3, 4)).shape
    (5, 2, 4)
    """
    _check_dims("bmm", x=(x, 3), y=(y, 3))
    if x.array.shape[0] != y.array.shape[0]:
        raise RuntimeError(f"bmm(): batches must be of one size (x.shape={x.shape}, y.shape={y.shape})")
    return matmul(x, y)


def mv(x: Tensor, y: Tensor) -> Tensor:
    """Return the product of a matrix and a vector.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.mv(ag.tensor([[1.0, 2.0], [3.0, 4.0]]), ag.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    _check_dims("mv", x=(x, 2), y=(y, 1))
    return matmul(x, y)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Return the inner product of two vectors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.dot(ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _check_dims("dot", x=(x, 1), y=(y, 1))
    return matmul(x, y)


def vdot(x: Tensor, y: Tensor) -> Tensor:
    """Return the inner product of two vectors, of `x` the conjugates.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.vdot(ag.tensor([1j]), ag.tensor([1j])).item()
    (1+0j)
    """
    _check_dims("vdot", x=(x, 1), y=(y, 1))
    return matmul(x.conj(), y)


def outer(x: Tensor, y: Tensor) -> Tensor:
    """Return the matrix ``x[i] * y[j]`` of two vectors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ger(ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _check_dims("outer", x=(x, 1), y=(y, 1))
    return mul(unsqueeze(x, 1), y)


def addmm(input: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """Return ``beta * input + alpha * (x @ y)`` of matrices.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addmm(ag.ones(2), ag.eye(2), ag.eye(2), beta=0.5)
    tensor([[1.5, 0.5],
            [0.5, 1.5]])
    """
    return _scaled_sum(input, x, y, mm, beta, alpha)


def addmv(input: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """Return ``beta * input + alpha * (x @ y)`` of a matrix and a vector.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addmv(ag.ones(2), ag.eye(2), ag.tensor([1.0, 2.0]))
    tensor([2., 3.])
    """
    return _scaled_sum(input, x, y, mv, beta, alpha)


def baddbmm(input: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """Return ``beta * input + alpha * (x @ y)`` of batches of matrices.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.baddbmm(ag.ones(1, 2, 2), ag.ones(1, 2, 3), ag.ones(1, 3, 2))
    tensor([[[4., 4.],
             [4., 4.]]])
    """
    return _scaled_sum(input, x, y, bmm, beta, alpha)


def addbmm(input: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """Return ``beta * input + alpha * sum(x[b] @ y[b])``, the sum of the products in two batches of matrices.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addbmm(ag.ones(1, 1), ag.ones(2, 1, 3), ag.ones(2, 3, 1)).item()
    7.0
    """
    return _scaled_sum(input, x, y, lambda x, y: sum(bmm(x, y), 0), beta, alpha)


def addr(input: Tensor, x: Tensor, y: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """Return ``beta * input + alpha * outer(x, y)`` of vectors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.addr(ag.ones(1, 2), ag.ones(1), ag.tensor([1.0, 2.0])).tolist()
    [[2.0, 3.0]]
    """
    return _scaled_sum(input, x, y, outer, beta, alpha)


def _scaled_sum(
    input: Tensor, x: Tensor, y: Tensor, product: Callable[[Tensor, Tensor], Tensor], beta: Number, alpha: Number
) -> Tensor:
    """Return ``beta * input + alpha * product(x, y)``, computed in the dtype of the result."""
    input, x, y = alike(input, x, y)
    out = product(x, y)
    out = out if alpha == 1 else mul(out, alpha)
    if beta == 0:
        return out
    return add(input if beta == 1 else mul(input, beta), out)


def trace(x: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.trace(ag.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    _check_dims("trace", x=(x, 2))
    return sum(diagonal(x))


def tensordot(x: Tensor, y: Tensor, dims: int | tuple[Ints, Ints] = 2) -> Tensor:
    """Return the products of `x` and `y` summed over pairs of dims.

    Parameters
    ----------
    x, y : Tensor
    dims : int or (sequence of int, sequence of int)
        How many of the last dims of `x` and first dims of `y`, or which of both.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.tensordot(ag.ones(2, 3, 4), ag.ones(3, 4, 5), 2).shape
    (2, 5)
    """
    if isinstance(dims, int):
        left, right = list(range(x.ndim - dims, x.ndim)), list(range(dims))
    else:
        left, right = ([d % t.ndim for d in ([ds] if isinstance(ds, int) else ds)] for ds, t in zip(dims, (x, y)))
    for i, j in zip(left, right):  # a dim of size 1 is repeated along the other's
        x = sum(x, i, keepdim=True) if y.array.shape[j] == 1 != x.shape[i] else x
        y = sum(y, j, keepdim=True) if x.array.shape[i] == 1 != y.shape[j] else y
    sizes, others = [x.array.shape[i] for i in left], [y.array.shape[i] for i in right]
    if sizes != others:
        raise RuntimeError(f"tensordot(): the dims that are summed must be of one size (x: {sizes}, y: {others})")
    rows, columns = [i for i in range(x.ndim) if i not in left], [i for i in range(y.ndim) if i not in right]
    rows_of, columns_of = [x.array.shape[i] for i in rows], [y.array.shape[i] for i in columns]
    n, m, k = (math.prod(shape) for shape in (rows_of, columns_of, sizes))
    product = matmul(reshape(permute(x, (*rows, *left)), (n, k)), reshape(permute(y, (*right, *columns)), (k, m)))
    return reshape(product, [*rows_of, *columns_of])


# ------------------------------------------------------------------------------------ einsum


def _einsum_terms(equation: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """Return the labels of each operand and of the result; the dims of an ellipsis get capital Greek letters."""
    equation = equation.replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise RuntimeError(f"einsum(): the equation names {len(terms)} operands but got {len(operands)} "
                           f"(equation={equation!r})")
    extra = ""
    expanded = []
    for term, x in zip(terms, operands):
        count = x.ndim - len(term.replace("...", ""))
        if count < 0 or (count and "..." not in term):
            raise RuntimeError(f"einsum(): {term!r} does not fit an operand of {x.ndim} dims (equation={equation!r}, "
                               f"shape={x.shape})")
        labels = "".join(chr(0x3B1 + i) for i in range(count))[::-1]
        extra = max(extra, labels, key=len)
        expanded.append(term.replace("...", labels))
    if arrow:
        output = output.replace("...", extra)
    else:
        counts = Counter("".join(expanded))
        output = extra + "".join(sorted(label for label, n in counts.items() if n == 1 and label not in extra))
    if len(set(output)) != len(output) or not set(output) <= set("".join(expanded)):
        raise RuntimeError("einsum(): each label of the result must come once, and from an operand "
                           f"(equation={equation!r})")
    return expanded, output


def _without_repeats(x: Tensor, labels: str) -> tuple[Tensor, str]:
    """Return an operand with the diagonal taken wherever a label comes twice."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.array.shape[i] != x.array.shape[j]:
                raise RuntimeError(f"einsum(): label {label!r} names dims of sizes {x.shape[i]} and {x.shape[j]} "
                                   f"(shape={x.shape})")
            x = diagonal(x, 0, i, j)
            labels = labels[:i] + labels[i + 1 : j] + labels[j + 1 :] + label
    return x, labels


def _summed_except(x: Tensor, labels: str, kept: set[str]) -> tuple[Tensor, str]:
    """Return an operand summed over the dims whose labels are not in `kept`."""
    dims = tuple(i for i, label in enumerate(labels) if label not in kept)
    return (sum(x, dims), "".join(label for label in labels if label in kept)) if dims else (x, labels)


def _contracted(x: Tensor, x_labels: str, y: Tensor, y_labels: str, kept: set[str]) -> tuple[Tensor, str]:
    """Return the product of two operands, summed over what both have and `kept` has not: one batched matrix product."""
    x, x_labels = _summed_except(x, x_labels, set(y_labels) | kept)
    y, y_labels = _summed_except(y, y_labels, set(x_labels) | kept)
    x_sizes, y_sizes = dict(zip(x_labels, x.array.shape)), dict(zip(y_labels, y.array.shape))
    shared = [label for label in x_labels if label in y_sizes]
    for label in shared:
        if x_sizes[label] != y_sizes[label] and 1 not in (x_sizes[label], y_sizes[label]):
            raise RuntimeError(f"einsum(): label {label!r} names dims of sizes {x_sizes[label]} and {y_sizes[label]}")
    batch = [label for label in shared if label in kept]
    inner = [label for label in shared if label not in kept]
    left, right = ([label for label in labels if label not in shared] for labels in (x_labels, y_labels))
    if any(x_sizes[label] != y_sizes[label] for label in inner):
        every = batch + inner + left + right
        product = mul(_aligned(x, x_labels, every), _aligned(y, y_labels, every))
        return _summed_except(product, "".join(every), kept)
    n, m = math.prod(x_sizes[label] for label in left), math.prod(y_sizes[label] for label in right)
    k = math.prod(x_sizes[label] for label in inner)
    x_batch, y_batch = [x_sizes[label] for label in batch], [y_sizes[label] for label in batch]
    x = reshape(permute(x, [x_labels.index(label) for label in batch + left + inner]), (*x_batch, n, k))
    y = reshape(permute(y, [y_labels.index(label) for label in batch + inner + right]), (*y_batch, k, m))
    product = matmul(x, y)
    rows = product.array.shape[: len(batch)]
    sizes = [*rows, *(x_sizes[label] for label in left), *(y_sizes[label] for label in right)]
    return reshape(product, sizes), "".join(batch + left + right)


def _aligned(x: Tensor, labels: str, every: Sequence[str]) -> Tensor:
    """Return `x` with its dims in the order of `every`, of size 1 where it has no such label."""
    x = permute(x, [labels.index(label) for label in every if label in labels])
    sizes = iter(x.array.shape)
    return reshape(x, [next(sizes) if label in labels else 1 for label in every])


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Return a sum of products by Einstein's convention, as ``einsum("bij,bjk->bik", x, y)``.

    Operands are contracted from left to right, each pair as one batched matrix product.

    Parameters
    ----------
    equation : str
        A letter for each dim of each operand, ``...`` for dims that are broadcast; after ``->`` the dims of the
        result. Without it those are the letters that come once, in alphabetical order.
    *operands : Tensor

    Raises
    ------
    RuntimeError
        An equation that does not fit the operands.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.einsum("ij,jk->ik", ag.ones(2, 3), ag.ones(3, 4)).shape
    (2, 4)
    """
    if len(operands) == 1 and isinstance(operands[0], tuple | list):
        operands = tuple(operands[0])
    terms, output = _einsum_terms(equation, operands)
    pairs = [_without_repeats(x, labels) for x, labels in zip(operands, terms)]
    out, labels = pairs[0]
    for i, (y, y_labels) in enumerate(pairs[1:], 1):
        later = set(output).union(*(other for _, other in pairs[i + 1 :]))
        out, labels = _contracted(out, labels, y, y_labels, later)
    out, labels = _summed_except(out, labels, set(output))
    return permute(out, [labels.index(label) for label in output]) if labels != output else out
