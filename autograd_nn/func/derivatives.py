"""Derivatives of functions, as functions: grad, vjp, jvp, Jacobians, Hessians.

All of them run the tape of the engine. A function is called with stand-ins for its arguments that have a place of their
own in the graph, and what it returns is differentiated with respect to those. Where the arguments, or other tensors
that the function reads, require gradients themselves, so does the result.

Forward mode is reverse mode twice: ``u^T J`` is linear in `u`, and its vjp with `v` is ``J v``. So it needs no rule of
its own for any operation, and costs about as much as three evaluations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Leaf, enable_grad, is_grad_enabled, wrap
from ..engine import grad as gradients_of
from ..ops.elementwise import zeros_like
from ..ops.shape import identity, movedim, reshape
from ..tensor import Tensor
from .levels import Batched, innermost
from .trees import leaves_of, mapped, rebuilt, same_structure
from .vectorized import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "value_and_grad", "vjp"]


# ------------------------------------------------------------------------------------ places in the graph


class _Argument(Leaf):
    """The place of a stand-in for an argument that has none itself; closed when the function has returned."""

    __slots__ = ("is_open",)

    def __init__(self, x: Any):
        super().__init__(x.shape, x.dtype)
        self.is_open = True


class _Traced:
    """Stand-ins for arguments, and the places in the graph that they had first."""

    def __init__(self, arguments: Any, operation: str):
        leaves = leaves_of(arguments)
        for x in leaves:
            if not isinstance(x, Tensor):
                raise ValueError(f"{operation}(): arguments must be tensors, or tuples, lists and dicts of tensors "
                                 f"(got {type(x).__name__})")
            if x.dtype.kind not in "fc":
                raise RuntimeError(f"{operation}(): arguments must be floating-point tensors (dtype={x.dtype}); "
                                   "convert with .float(), or leave the argument out of argnums")
        self.recording = is_grad_enabled()
        stand_ins = [_stand_in(x, self.recording) for x in leaves]
        self.arguments = rebuilt(arguments, stand_ins)
        self.probes: list[Any] = [x.placed(x.node) for x in stand_ins]  # a change in place moves a stand-in

    def close(self) -> None:
        """Say that the function has returned: from now on, nobody else asks for derivatives in these arguments."""
        for x in self.probes:
            if type(x.node) is _Argument:
                x.node.is_open = False

    def gradients(self, outputs: Sequence[Any], vectors: Sequence[Any], create_graph: bool, retain: bool) -> list[Any]:
        """Return the vjp of all arguments; zeros for those that the outputs do not depend on."""
        pairs = [(out, v) for out, v in zip(outputs, vectors) if out.node is not None]
        if not pairs:
            return [zeros_like(x.detach()) for x in self.probes]
        found = gradients_of([out for out, _ in pairs], self.probes, [v for _, v in pairs],
                             retain_graph=retain or create_graph, create_graph=create_graph, allow_unused=True)
        return [zeros_like(x.detach()) if g is None else g for x, g in zip(self.probes, found)]

    def goes_beyond(self, outputs: Sequence[Any]) -> bool:
        """Return whether outputs depend on more that requires a gradient than on these arguments."""
        if not self.recording:
            return False
        own = {x.node for x in self.probes}
        if any(type(node) is not _Argument for node in own):
            return True
        waiting = [out.node for out in outputs if out.node is not None]
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            if isinstance(node, Leaf) and node not in own and (type(node) is not _Argument or node.is_open):
                return True
            for parent in node.parents:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return False

    def released(self, out: Any) -> Any:
        """Return a result without the graph behind it, if that holds nothing but these arguments."""
        if not isinstance(out, Tensor) or out.node is None or self.goes_beyond([out]):
            return out
        return out.placed(None)


def _stand_in(x: Any, recording: bool) -> Any:
    """Return a tensor of the same elements with a place of its own in the graph, behind that of `x`."""
    level = innermost()
    if level is None:
        if x.requires_grad and recording:
            return identity(x)
        return x.detach().placed(_Argument(x))
    mine = level.own(x)
    if mine is None:
        return Batched(level, x, False, _Argument(x))
    if mine.node is not None and recording:
        return identity(mine)
    return mine.placed(_Argument(mine))


def _seen_from_outside(outputs: Sequence[Any]) -> bool:
    """Return whether samples inside `vmap` depend on what requires a gradient outside."""
    return any(isinstance(out, Batched) and out.whole.requires_grad for out in outputs)


def _chosen(argnums: int | Sequence[int], args: tuple[Any, ...], operation: str) -> Any:
    """Return the arguments that are to be differentiated: one, or a tuple."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in numbers:
        if not isinstance(i, int) or not -len(args) <= i < len(args):
            raise RuntimeError(f"{operation}(): argnums must be numbers of positional arguments (argnums={argnums}, "
                               f"{len(args)} arguments)")
    if len({i % len(args) for i in numbers}) != len(numbers) or not numbers:
        raise RuntimeError(f"{operation}(): argnums must name each argument once (argnums={argnums})")
    return args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in numbers)


def _replaced(argnums: int | Sequence[int], args: tuple[Any, ...], chosen: Any) -> list[Any]:
    replaced = list(args)
    pairs = [(argnums, chosen)] if isinstance(argnums, int) else zip(argnums, chosen)
    for i, x in pairs:
        replaced[i] = x
    return replaced


def _with_aux(out: Any, has_aux: bool, operation: str) -> tuple[Any, Any]:
    if not has_aux:
        return out, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise RuntimeError(f"{operation}(): with has_aux=True the function must return (output, aux) (got "
                           f"{type(out).__name__})")
    return out


def _outputs(out: Any, operation: str) -> list[Any]:
    leaves = leaves_of(out)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{operation}(): the function must return tensors, or tuples, lists and dicts of "
                               f"tensors (got {type(x).__name__})")
    return leaves


# ------------------------------------------------------------------------------------ reverse mode


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes the gradient of `func` and its value.

    Parameters
    ----------
    func : callable
        Returns a tensor of one element, 0-d.
    argnums : int or tuple of int
        With respect to which positional arguments.
    has_aux : bool
        `func` returns ``(output, aux)``, and `aux` is handed on.

    Returns
    -------
    callable
        Returns ``(value, gradient)``, or ``((value, aux), gradient)``. (PyTorch's name for the reverse order,
        ``(gradient, value)``, is `grad_and_value`.)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import value_and_grad
    >>> value, gradient = value_and_grad(lambda x: (x**2).sum())(ag.tensor([1.0, 3.0]))
    >>> value.item(), gradient.tolist()
    (10.0, [2.0, 6.0])
    """

    @functools.wraps(func, updated=())
    def both(*args: Any, **kwargs: Any) -> Any:
        traced = _Traced(_chosen(argnums, args, "grad"), "grad")
        try:
            with enable_grad():
                out = func(*_replaced(argnums, args, traced.arguments), **kwargs)
        finally:
            traced.close()
        out, aux = _with_aux(out, has_aux, "grad")
        if not isinstance(out, Tensor) or out.ndim:
            got = f"shape={out.shape}" if isinstance(out, Tensor) else f"got {type(out).__name__}"
            raise RuntimeError(f"grad(): the function must return a tensor of one element without dims ({got}); reduce "
                               "it with .sum() or .mean(), or use vjp or jacrev")
        if out.dtype.kind != "f":
            raise RuntimeError(f"grad(): the function must return a floating-point number (dtype={out.dtype})")
        beyond = traced.goes_beyond([out])
        found = traced.gradients([out], [None], beyond or (traced.recording and _seen_from_outside([out])), False)
        gradients = rebuilt(traced.arguments, [g if beyond else traced.released(g) for g in found])
        value = out if beyond else out.placed(None)
        return ((value, mapped(traced.released, aux)) if has_aux else value), gradients

    return both


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that computes ``(gradient, value)``, or ``(gradient, (value, aux))``; see `value_and_grad`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import grad_and_value
    >>> gradient, value = grad_and_value(lambda x: x**3)(ag.tensor(2.0))
    >>> gradient.item(), value.item()
    (12.0, 8.0)
    """
    both = value_and_grad(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def reversed_order(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return gradients, value

    return reversed_order


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that computes the gradient of `func`.

    Parameters
    ----------
    func, argnums, has_aux
        As for `value_and_grad`.

    Returns
    -------
    callable
        Returns the gradient, in the structure of the argument (a tuple of them for several `argnums`); with `has_aux`
        ``(gradient, aux)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import grad, vmap
    >>> grad(ag.sin)(ag.tensor(0.0)).item()
    1.0
    >>> grad(grad(lambda x: x**3))(ag.tensor(2.0)).item()
    12.0
    >>> vmap(grad(lambda x: x**2))(ag.tensor([1.0, 2.0, 3.0])).tolist()
    [2.0, 4.0, 6.0]
    """
    both = value_and_grad(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return ``func(*primals)`` and a function that computes vector-Jacobian products there.

    Parameters
    ----------
    func : callable
        Returns tensors, or a structure of them.
    *primals : Tensor, or structures of them
    has_aux : bool
        `func` returns ``(output, aux)``.

    Returns
    -------
    output : structure of Tensor
    vjp_fn : callable
        Takes a structure like the output, or a tensor for each argument of it, and returns a tuple of one gradient per
        primal (one gradient for one primal is a tuple of one, as in PyTorch). It can be called again.
    aux
        With `has_aux`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import vjp
    >>> out, vjp_fn = vjp(lambda x, y: x * y, ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0]))
    >>> [g.tolist() for g in vjp_fn(ag.tensor([1.0, 10.0]))]
    [[3.0, 40.0], [1.0, 20.0]]
    """
    traced, out, aux = _traced_call(func, primals, has_aux, "vjp")
    outputs = _outputs(out, "vjp")

    def vjp_fn(*cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple[Any, ...]:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        vectors = _vectors(given, out, outputs, "vjp")
        create = create_graph if create_graph is not None else is_grad_enabled() and (
            traced.goes_beyond(outputs) or _seen_from_outside([*outputs, *vectors])
            or any(isinstance(v, Tensor) and v.requires_grad for v in vectors))
        found = traced.gradients(outputs, vectors, create, retain_graph)
        return rebuilt(primals, found)  # type: ignore[no-any-return]

    released = mapped(traced.released, out)
    return (released, vjp_fn, mapped(traced.released, aux)) if has_aux else (released, vjp_fn)


def _traced_call(
    func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, operation: str
) -> tuple[_Traced, Any, Any]:
    if not primals:
        raise RuntimeError(f"{operation}(): expects at least one primal")
    traced = _Traced(primals, operation)
    try:
        with enable_grad():
            out = func(*traced.arguments)
    finally:
        traced.close()
    out, aux = _with_aux(out, has_aux, operation)
    return traced, out, aux


def _vectors(given: Any, like: Any, leaves: list[Any], operation: str) -> list[Any]:
    """Return the leaves of a structure of vectors, having checked that it is one for `like`."""
    if not same_structure(like, given):
        raise RuntimeError(f"{operation}(): the vectors must have the structure of what they are multiplied with "
                           f"(expected {_told(like)}, got {_told(given)})")
    vectors = leaves_of(given)
    for v, x in zip(vectors, leaves):
        if not isinstance(v, Tensor) or v.shape != x.shape:
            got = f"shape {v.shape}" if isinstance(v, Tensor) else type(v).__name__
            raise RuntimeError(f"{operation}(): each vector must be a tensor of the shape of what it is multiplied "
                               f"with (expected shape {x.shape}, got {got})")
    return vectors


def _told(tree: Any) -> str:
    if isinstance(tree, tuple | list):
        return f"{type(tree).__name__}({', '.join(map(_told, tree))})"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {_told(item)}" for key, item in tree.items()) + "}"
    return type(tree).__name__


# ------------------------------------------------------------------------------------ forward mode


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return ``func(*primals)`` and its derivative there, a linear function.

    Worth it where many Jacobian-vector products are needed at one place: `func` runs once.

    Parameters
    ----------
    func : callable
    *primals : Tensor, or structures of them

    Returns
    -------
    output : structure of Tensor
    jvp_fn : callable
        Takes one tangent per primal, returns that of the output.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import linearize
    >>> out, derivative = linearize(ag.sin, ag.tensor([0.0, 1.0]))
    >>> derivative(ag.tensor([1.0, 0.0])).tolist()
    [1.0, 0.0]
    """
    out, jvp_fn, _ = _linearized(func, primals, False, "linearize")
    return out, jvp_fn


def _linearized(
    func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, operation: str
) -> tuple[Any, Callable[..., Any], Any]:
    traced, out, aux = _traced_call(func, primals, has_aux, operation)
    outputs = _outputs(out, operation)
    dummies = _Traced([zeros_like(x.detach()) for x in outputs], operation)
    dummies.close()
    with enable_grad():
        products = traced.gradients(outputs, dummies.arguments, True, True)
    beyond = traced.goes_beyond(outputs)

    def jvp_fn(*tangents: Any) -> Any:
        vectors = _vectors(tangents, primals, traced.probes, operation)
        create = is_grad_enabled() and (
            beyond or any(isinstance(v, Tensor) and v.requires_grad for v in vectors)
            or _seen_from_outside([*outputs, *products]))
        pairs = [(product, v) for product, v in zip(products, vectors)]
        with enable_grad():
            found = dummies.gradients([p for p, _ in pairs], [v for _, v in pairs], create, True)
        return rebuilt(out, found)

    return mapped(traced.released, out), jvp_fn, mapped(traced.released, aux)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """Return ``func(*primals)`` and the Jacobian-vector product with `tangents`.

    Parameters
    ----------
    func : callable
    primals, tangents : tuple of Tensor, or of structures of them
        Of the same shapes.
    strict : bool
        Raise where the output does not depend on the primals, instead of returning zeros.
    has_aux : bool
        `func` returns ``(output, aux)``.

    Returns
    -------
    output, tangent, and with `has_aux` aux

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import jvp
    >>> out, tangent = jvp(lambda x: x**2, (ag.tensor(3.0),), (ag.tensor(1.0),))
    >>> out.item(), tangent.item()
    (9.0, 6.0)
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp(): primals and tangents must be tuples (primals: "
                           f"{type(primals).__name__}, tangents: {type(tangents).__name__})")
    if strict:
        func = _strict(func, has_aux)
    out, jvp_fn, aux = _linearized(func, primals, has_aux, "jvp")
    return (out, jvp_fn(*tangents), aux) if has_aux else (out, jvp_fn(*tangents))


def _strict(func: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    def checked(*args: Any) -> Any:
        out = func(*args)
        for i, x in enumerate(leaves_of(_with_aux(out, has_aux, "jvp")[0])):
            if isinstance(x, Tensor) and x.node is None:
                raise RuntimeError(f"jvp(): with strict=True each output must depend on the primals (output {i} does "
                                   "not)")
        return out

    return checked


# ------------------------------------------------------------------------------------ Jacobians


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of `func`, row by row: `vmap` of `vjp`.

    Parameters
    ----------
    func : callable
        Returns a tensor, or a structure of them.
    argnums : int or tuple of int
        With respect to which positional arguments.
    has_aux : bool
        `func` returns ``(output, aux)``.
    chunk_size : int, optional
        Compute so many rows at a time, to save memory.

    Returns
    -------
    callable
        Returns a tensor of shape (*output.shape, *argument.shape), or for structures one such tensor for each pair:
        the structure of the output, with that of the arguments in place of each tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import jacrev
    >>> jacrev(lambda x: x**2)(ag.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @functools.wraps(func, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args, "jacrev")

        def of_chosen(each: Any) -> Any:
            return func(*_replaced(argnums, args, each), **kwargs)

        found = vjp(of_chosen, chosen, has_aux=has_aux)
        out, vjp_fn = found[0], found[1]
        leaves = leaves_of(out)
        basis = _basis(leaves)
        rows = vmap(lambda *units: tuple(leaves_of(vjp_fn(rebuilt(out, units)))), chunk_size=chunk_size)(*basis)
        blocks = []
        start = 0
        for x in leaves:  # the rows of all outputs lie one behind the other
            stop = start + x.numel()
            blocks.append(rebuilt(chosen, [
                reshape(block[start:stop], (*x.shape, *block.shape[1:])) for block in rows]))
            start = stop
        jacobians = rebuilt(out, blocks)
        return (jacobians, found[2]) if has_aux else jacobians

    return jacobian


def _basis(leaves: Sequence[Any]) -> list[Any]:
    """Return for each tensor its part of all unit vectors of all tensors together."""
    sizes = [int(np.prod(x.shape)) for x in leaves]
    total = sum(sizes)
    basis, start = [], 0
    for x, size in zip(leaves, sizes):
        units = np.zeros((total, size), x.dtype)
        units[start : start + size] = np.eye(size, dtype=x.dtype)
        basis.append(wrap(units.reshape(total, *x.shape)))
        start += size
    return basis


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return a function that computes the Jacobian of `func`, column by column: `vmap` of `jvp`.

    Better than `jacrev` where the output has more elements than the arguments.

    Parameters
    ----------
    func, argnums, has_aux
        As for `jacrev`.
    randomness : {'error', 'different', 'same'}
        Accepted as PyTorch does. `func` runs once, so that its random numbers are the same for all columns.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import jacfwd
    >>> jacfwd(lambda x: ag.stack([x, x**2]))(ag.tensor(3.0)).tolist()
    [1.0, 6.0]
    """

    @functools.wraps(func, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args, "jacfwd")

        def of_chosen(each: Any) -> Any:
            return func(*_replaced(argnums, args, each), **kwargs)

        out, jvp_fn, aux = _linearized(of_chosen, (chosen,), has_aux, "jacfwd")
        leaves = leaves_of(chosen)
        columns = vmap(lambda *units: tuple(leaves_of(jvp_fn(rebuilt(chosen, units)))))(*_basis(leaves))
        jacobians = []
        for x, column in zip(leaves_of(out), columns):
            blocks, start = [], 0
            for argument in leaves:
                stop = start + argument.numel()
                block = reshape(column[start:stop], (*argument.shape, *x.shape))
                ahead = list(range(argument.ndim))
                blocks.append(movedim(block, ahead, [x.ndim + i for i in ahead]) if ahead and x.ndim else block)
                start = stop
            jacobians.append(rebuilt(chosen, blocks))
        found = rebuilt(out, jacobians)
        return (found, aux) if has_aux else found

    return jacobian


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that computes the matrix of second derivatives of `func`: `jacfwd` of `jacrev`.

    Parameters
    ----------
    func : callable
        Returns a tensor, mostly of one element.
    argnums : int or tuple of int
        With respect to which positional arguments.

    Returns
    -------
    callable
        Returns a tensor of shape (*output.shape, *argument.shape, *argument.shape); for structures one for each pair.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.func import hessian
    >>> hessian(lambda x: x[0] ** 2 * x[1])(ag.tensor([3.0, 1.0])).tolist()
    [[2.0, 6.0], [6.0, 0.0]]
    """
    return jacfwd(jacrev(func, argnums), argnums)


