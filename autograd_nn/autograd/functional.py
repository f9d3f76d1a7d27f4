"""Derivatives of functions: vjp, jvp, Jacobian, Hessian and products with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import enable_grad, grad, wrap
from ..ops.shape import stack
from ..tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _prepared(inputs: Any, operation: str) -> tuple[list[Tensor], bool]:
    """Return leaves with the values of `inputs`, and whether a single tensor was given."""
    single = isinstance(inputs, Tensor)
    tensors = [inputs] if single else list(inputs)
    for i, x in enumerate(tensors):
        if not isinstance(x, Tensor) or x.dtype.kind != "f":
            got = getattr(x, "dtype", type(x).__name__)
            raise TypeError(f"{operation}(): input {i} must be a floating-point tensor, got {got}")
    return [x.detach().requires_grad_() for x in tensors], single


def _output(function: Callable[..., Any], leaves: list[Tensor], operation: str) -> Tensor:
    with enable_grad():
        out = function(*leaves)
    if not isinstance(out, Tensor):
        raise TypeError(f"{operation}(): the function must return a tensor, got {type(out).__name__}")
    return out


def _vector(v: Tensor | None, like: Tensor, operation: str) -> Tensor:
    if v is None:
        if like.numel() != 1:
            raise RuntimeError(f"{operation}(): v may be left out for one element only (shape={like.shape})")
        return wrap(np.ones(like.shape, like.dtype))
    if v.shape != like.shape:
        raise RuntimeError(f"{operation}(): v must have shape {like.shape}, got {v.shape}")
    return v


def _gradients(out: Tensor, leaves: list[Tensor], v: Tensor, create_graph: bool) -> list[Tensor]:
    """Return the gradients of `out` with respect to the leaves; zeros for those that it does not depend on."""
    if out.node is None:
        return [wrap(np.zeros(x.shape, x.dtype)) for x in leaves]
    found = grad(out, leaves, v, retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [wrap(np.zeros(x.shape, x.dtype)) if g is None else g for x, g in zip(leaves, found)]


def _as_given(values: list[Any], single: bool) -> Any:
    return values[0] if single else tuple(values)


def vjp(
    function: Callable[..., Tensor], inputs: Any, v: Tensor | None = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """Return ``function(*inputs)`` and the vector-Jacobian product ``v^T J``.

    Parameters
    ----------
    function : callable
        Takes tensors, returns one.
    inputs : Tensor or tuple of Tensor
    v : Tensor of the output's shape, optional
        1 where the output has one element.
    create_graph : bool
        Let the product be differentiated.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.autograd.functional import vjp
    >>> vjp(lambda x: x**2, ag.tensor([1.0, 2.0]), ag.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    leaves, single = _prepared(inputs, "vjp")
    out = _output(function, leaves, "vjp")
    products = _gradients(out, leaves, _vector(v, out, "vjp"), create_graph)
    return (out if create_graph else out.detach()), _as_given(products, single)


def jvp(
    function: Callable[..., Tensor], inputs: Any, v: Any = None, create_graph: bool = False
) -> tuple[Tensor, Tensor]:
    """Return ``function(*inputs)`` and the Jacobian-vector product ``J v``.

    Reverse mode twice: ``u^T J`` is linear in `u`, and its vjp with `v` is ``J v``.

    Parameters
    ----------
    v : Tensor or tuple of Tensor
        Of the shapes of `inputs`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.autograd.functional import jvp
    >>> jvp(lambda x: x**2, ag.tensor([1.0, 2.0]), ag.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    leaves, single = _prepared(inputs, "jvp")
    vectors = [v] if single else list(v if v is not None else [None] * len(leaves))
    vectors = [_vector(vector, x, "jvp") for vector, x in zip(vectors, leaves)]
    out = _output(function, leaves, "jvp")
    u = wrap(np.zeros(out.shape, out.dtype)).requires_grad_()
    rows = [row for row in zip(_gradients(out, leaves, u, True), vectors) if row[0].node is not None]
    if not rows:
        return out.detach(), wrap(np.zeros(out.shape, out.dtype))
    with enable_grad():
        total = rows[0][0].mul(rows[0][1]).sum()
        for row, vector in rows[1:]:
            total = total + row.mul(vector).sum()
    (product,) = grad(total, u, create_graph=create_graph, allow_unused=True)
    return (out if create_graph else out.detach()), wrap(np.zeros(out.shape, out.dtype)) if product is None else product


def jacobian(function: Callable[..., Tensor], inputs: Any, create_graph: bool = False) -> Any:
    """Return the Jacobian, one reverse pass per element of the output.

    Returns
    -------
    Tensor of shape (*output.shape, *input.shape)
        A tuple of them for a tuple of inputs.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.autograd.functional import jacobian
    >>> jacobian(lambda x: x**2, ag.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    leaves, single = _prepared(inputs, "jacobian")
    out = _output(function, leaves, "jacobian")
    rows: list[list[Tensor]] = []
    for i in range(out.numel()):
        unit = np.zeros(out.numel(), out.dtype)
        unit[i] = 1
        rows.append(_gradients(out, leaves, wrap(unit.reshape(out.shape)), create_graph))
    blocks = []
    for k, x in enumerate(leaves):
        if not rows:
            blocks.append(wrap(np.zeros((*out.shape, *x.shape), x.dtype)))
        elif create_graph:
            with enable_grad():
                blocks.append(_stacked([row[k] for row in rows]).reshape(*out.shape, *x.shape))
        else:
            blocks.append(wrap(np.stack([row[k].array for row in rows]).reshape((*out.shape, *x.shape))))
    return _as_given(blocks, single)


def _stacked(tensors: list[Tensor]) -> Tensor:
    first = tensors[0]
    return stack(tensors) if len(tensors) > 1 else first.reshape(1, *first.shape)


def hessian(function: Callable[..., Tensor], inputs: Any) -> Any:
    """Return the matrix of second derivatives of a function with one output element.

    Returns
    -------
    Tensor of shape (*input.shape, *input.shape)
        For a tuple of inputs a tuple of tuples: block [i][j] has shape (*inputs[i].shape, *inputs[j].shape).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.autograd.functional import hessian
    >>> hessian(lambda x: (x**3).sum(), ag.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    single = isinstance(inputs, Tensor)
    given = (inputs,) if single else tuple(inputs)
    blocks = []
    for i in range(len(given)):

        def gradient(*leaves: Tensor, i: int = i) -> Tensor:
            out = function(*leaves)
            if out.numel() != 1:
                raise RuntimeError(f"hessian(): the function must return one element (shape={out.shape})")
            return _gradients(out, [leaves[i]], wrap(np.ones(out.shape, out.dtype)), True)[0]

        blocks.append(jacobian(gradient, given))
    return blocks[0][0] if single else tuple(blocks)


def hvp(function: Callable[..., Tensor], inputs: Any, v: Any = None) -> tuple[Tensor, Any]:
    """Return ``function(*inputs)`` and the product ``H v`` of its Hessian with `v`, at the cost of two reverse passes.

    Parameters
    ----------
    v : Tensor or tuple of Tensor
        Of the shapes of `inputs`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.autograd.functional import hvp
    >>> hvp(lambda x: (x**3).sum(), ag.tensor([1.0, 2.0]), ag.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    leaves, single = _prepared(inputs, "hvp")
    vectors = [v] if single else list(v if v is not None else [None] * len(leaves))
    vectors = [_vector(vector, x, "hvp") for vector, x in zip(vectors, leaves)]
    out = _output(function, leaves, "hvp")
    if out.numel() != 1:
        raise RuntimeError(f"hvp(): the function must return one element (shape={out.shape})")
    first = _gradients(out, leaves, wrap(np.ones(out.shape, out.dtype)), True)
    pairs = [(g, vector) for g, vector in zip(first, vectors) if g.node is not None]
    if not pairs:
        return out.detach(), _as_given([wrap(np.zeros(x.shape, x.dtype)) for x in leaves], single)
    with enable_grad():
        total = pairs[0][0].mul(pairs[0][1]).sum()
        for g, vector in pairs[1:]:
            total = total + g.mul(vector).sum()
    return out.detach(), _as_given(_gradients(total, leaves, wrap(np.ones((), total.dtype)), False), single)


vhp = hvp  # a Hessian is symmetric
