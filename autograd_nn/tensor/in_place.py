"""Changes in place: methods that end in an underscore, augmented assignment and item assignment.

Each method is an operation and a write: `in_place` computes the operation's result and writes it through the door into
the tensor's memory, or along its path into the owner of the memory where the tensor is a view.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import Variable, check_recordable, check_writable, is_grad_enabled, recording, state, wrap
from ..engine.views import Path, View, hashable
from ..ops import arithmetic, elementwise, linalg, placing, random, scan, scattering, slopes
from ..ops import index as indexing
from ..ops import shape as shapes
from ..typing import Dim, Tensor

__all__ = ["InPlace", "in_place", "write"]


def write(target: Any, value: Any, operation: str, made: Sequence[Any] = ()) -> Any:
    """Write `value` into the memory of a tensor, and let the tensor take its place in the graph.

    Parameters
    ----------
    target : Tensor
    value : Tensor, array or number
        Broadcast to the tensor's shape and converted to its dtype, within one kind of numbers.
    operation : str
        What errors call it.
    made : sequence of Call
        The calls that computed `value`; where they keep the memory that is about to change, they get a copy.
    """
    value = value if isinstance(value, Variable) else wrap(np.asarray(value))
    check_writable(target.array, operation)
    if value.array.shape != target.array.shape or value.dtype != target.dtype:
        _check_fit(target, value, operation)
    if not (state.recording and (target.requires_grad or value.requires_grad)):
        indexing.copy_into(target, value)
        return target
    check_recordable(target, operation)
    if value.array.shape != target.array.shape:
        value = shapes.broadcast_to(value, target.array.shape)
    value = shapes.to_dtype(value, target.dtype)
    for call in made:
        call.inputs = [_apart(a, target.memory) for a in call.inputs or ()]
        if call.outputs is not None:
            call.outputs = tuple(_apart(a, target.memory) for a in call.outputs)
    view = target._view
    if type(view) is View:
        indexing.write_view(view.base, value, path=hashable(view.path))
    else:
        indexing.copy_into(target, value)
    return target


def _apart(array: Any, changing: np.ndarray) -> Any:
    """Return an array, as a copy where its memory is about to change."""
    if isinstance(array, Variable):  # inside `vmap`
        tensor: Any = array
        return shapes.clone(tensor) if np.may_share_memory(array.memory, changing) else array
    return array.copy() if isinstance(array, np.ndarray) and np.may_share_memory(array, changing) else array


def _check_fit(target: Any, value: Any, operation: str) -> None:
    try:
        fits = np.broadcast_shapes(value.array.shape, target.array.shape) == target.array.shape
    except ValueError:
        fits = False
    kind = TypeError if fits else RuntimeError
    if not fits or not np.can_cast(value.dtype, target.dtype, "same_kind"):
        raise kind(f"{operation}: the result does not fit into the tensor (tensor: {target.dtype} {target.shape}, "
                   f"result: {value.dtype} {value.shape})")


def in_place(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """Return the method that changes a tensor to what ``function(tensor, ...)`` returns."""
    name = name or function.__name__ + "_"
    operation = name + "()"

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if state.recording:
            before, state.made = state.made, []
            recording.collecting = True
            try:
                value = function(self, *args, **kwargs)
                made = state.made
            finally:
                state.made = before
            return write(self, value, operation, made)
        return write(self, function(self, *args, **kwargs), operation)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Do `{name[:-1]}` in place. {inspect.getdoc(function) or ''}".rstrip()
    method.__wrapped__ = function  # type: ignore[attr-defined]  # its signature, for help()
    return method


def assign(target: Any, key: Any, value: Any) -> None:
    """Write `value` to ``target[key]``."""
    value = value if isinstance(value, Variable) else wrap(shapes.to_array(value, target.dtype, "item assignment"))
    key, arrays = indexing.split_index(key, "setitem")
    check_writable(target.array, "item assignment")
    base: Any = target
    path: Path = ()
    if state.recording and (target.requires_grad or value.requires_grad):
        check_recordable(target, "item assignment")
        value = shapes.to_dtype(value, target.dtype)
        if type(target._view) is View:
            base, path = target._view.base, hashable(target._view.path)
    indexing.setitem(base, value, *arrays, key=key, path=path)


# ------------------------------------------------------------------------------------ what only exists in place


def _masked_scatter(self: Any, mask: Any, source: Any) -> Any:
    """Return this tensor with the first elements of `source`, one after the other, where `mask` holds.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.zeros(4)
    >>> x.masked_scatter_(ag.tensor([True, False, True, False]), ag.tensor([5.0, 6.0]))
    tensor([5., 0., 6., 0.])
    """
    return scattering._masked_scattered(self, mask, source, "masked_scatter_")


def _fill_diagonal(self: Any, value: Any) -> Any:
    """Return a matrix with its diagonal set to a number.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(2, 3).fill_diagonal_(1)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if self.ndim != 2:
        raise RuntimeError(f"fill_diagonal_(): expects a matrix (shape={self.shape})")
    return elementwise.masked_fill(self, np.eye(*self.shape, dtype=np.bool_), value)


def _apply(self: Any, function: Callable[[Any], Any]) -> Any:
    """Return each element x replaced by ``function(x)``; slow, and without gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.arange(3.0).apply_(lambda value: value**2 + 1)
    tensor([1., 2., 5.])
    """
    if self.requires_grad:
        raise TypeError("apply_(): has no gradient; use it under .detach() or on a tensor that requires none")
    values = [function(x) for x in self.array.reshape(-1).tolist()]
    return np.array(values, self.dtype).reshape(self.shape)


def _fill(self: Any, value: Any) -> Any:
    """Return the number that all elements become.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(2).fill_(7)
    tensor([7., 7.])
    """
    return value if isinstance(value, Variable) else np.asarray(value)


def _zero(self: Any) -> Any:
    """Return 0 in the dtype of the tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.ones(2).zero_()
    tensor([0., 0.])
    """
    return np.zeros((), self.dtype)


def _copy(self: Any, src: Any, non_blocking: bool = False) -> Any:
    """Return what the elements become, broadcast to this shape.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(2).copy_(ag.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return src


@random.sampled
def _normal(self: Any, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Any:
    """Return draws from a normal distribution.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> generator = ag.manual_seed(0)
    >>> x = ag.zeros(10000).normal_(mean=3.0, std=0.5)
    >>> round(x.mean().item(), 1), round(x.std().item(), 1)
    (3.0, 0.5)
    """
    if self.dtype.kind == "c":
        return random.randn(self.shape, generator=generator, dtype=self.dtype).array * std + mean
    values = (generator or random.default_generator).normal(self.array.shape, self.dtype.type)
    return values * self.dtype.type(std) + self.dtype.type(mean)


@random.sampled
def _uniform(self: Any, low: Any = 0.0, high: Any = 1.0, *, generator: Any = None) -> Any:
    """Return draws from [low, high), all values alike.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> generator = ag.manual_seed(0)
    >>> x = ag.zeros(1000).uniform_(2, 3)
    >>> bool((x >= 2).all() and (x < 3).all())
    True
    """
    values = (generator or random.default_generator).random(self.array.shape, self.dtype.type)
    return values * self.dtype.type(high - low) + self.dtype.type(low)


@random.sampled
def _bernoulli(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Return 1 with probability `p`, else 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(3).bernoulli_(1.0)
    tensor([1., 1., 1.])
    """
    return random.bernoulli(self, p, generator=generator)


@random.sampled
def _exponential(self: Any, lambd: Any = 1.0, *, generator: Any = None) -> Any:
    """Return draws from the exponential distribution of rate `lambd`; never 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> generator = ag.manual_seed(0)
    >>> x = ag.zeros(10000).exponential_(2.0)
    >>> round(x.mean().item(), 1)
    0.5
    """
    values = (generator or random.default_generator).random(self.array.shape, self.dtype.type)
    draws = -np.log1p(-values) / self.dtype.type(lambd)
    return np.maximum(draws, np.finfo(self.dtype).tiny)


@random.sampled
def _random(self: Any, low: Any = 0, high: Any = None, *, generator: Any = None) -> Any:
    """Return draws from the integers from `low` (0 where one bound is given) to `high` - 1.

    Without bounds, up to the largest integer that the dtype holds exactly.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> generator = ag.manual_seed(0)
    >>> x = ag.zeros(1000).random_(0, 3)
    >>> x.unique()
    tensor([0., 1., 2.])
    """
    if high is None:
        largest = 2**(np.finfo(self.dtype).nmant + 1) if self.dtype.kind == "f" else np.iinfo(self.dtype).max
        low, high = (0, low) if low else (0, int(largest))
    if high <= low:
        raise RuntimeError(f"random_(): high must be greater than low (low={low}, high={high})")
    return (generator or random.default_generator).integers(low, high, self.shape).astype(self.dtype)


def _scatter(self: Any, dim: Any, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None) -> Any:
    """Return the elements of `src`, or a number, at `index` along `dim` (see `ops.scattering.scatter`).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.zeros(2, 3).scatter_(1, ag.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return scattering.scatter(self, dim, index, value if src is None else src, reduce=reduce)


def _become(self: Any, view: Tensor, operation: str) -> Tensor:
    """Let a tensor become a view of itself, and take its place in the graph."""
    if is_grad_enabled() and self.node is not None and self.is_leaf:
        raise RuntimeError(f"{operation}: a leaf that requires a gradient cannot be changed in place while "
                           "operations are recorded; do it under no_grad()")
    self.array = view.array
    if self.node is not None and self.is_leaf:
        self.node.shape = view.array.shape
    else:
        self.node = view.node
    if type(self._view) is View:
        self._view = view._view
    elif self._view is not None:  # its views lead from what it was
        self._view = None
    out: Tensor = self
    return out


class InPlace(Variable):
    """The in-place methods of `Tensor`, from one table."""

    __slots__ = ()

    add_, sub_, div_ = in_place(arithmetic.add), in_place(arithmetic.sub), in_place(arithmetic.div)
    mul_, pow_, neg_ = in_place(elementwise.mul), in_place(elementwise.pow), in_place(elementwise.neg)
    addcmul_, addcdiv_ = in_place(arithmetic.addcmul), in_place(arithmetic.addcdiv)
    remainder_, fmod_ = in_place(elementwise.remainder), in_place(elementwise.fmod)
    floor_divide_, lerp_ = in_place(elementwise.floor_divide), in_place(elementwise.lerp)
    abs_, sign_, square_ = in_place(elementwise.abs), in_place(elementwise.sign), in_place(elementwise.square)
    reciprocal_, sqrt_, rsqrt_ = map(in_place, (elementwise.reciprocal, elementwise.sqrt, elementwise.rsqrt))
    exp_, expm1_, log_, log1p_ = map(in_place, (elementwise.exp, elementwise.expm1, elementwise.log, elementwise.log1p))
    log2_, log10_, erf_ = map(in_place, (elementwise.log2, elementwise.log10, elementwise.erf))
    sin_, cos_, tan_, sinh_, cosh_ = map(
        in_place, (elementwise.sin, elementwise.cos, elementwise.tan, elementwise.sinh, elementwise.cosh))
    asin_, acos_, atan_, asinh_, acosh_, atanh_ = map(
        in_place, (elementwise.asin, elementwise.acos, elementwise.atan, elementwise.asinh, elementwise.acosh,
                   elementwise.atanh))
    tanh_, sigmoid_, relu_ = map(in_place, (elementwise.tanh, elementwise.sigmoid, elementwise.relu))
    floor_, ceil_, trunc_ = map(in_place, (elementwise.floor, elementwise.ceil, elementwise.trunc))
    frac_, round_ = in_place(elementwise.frac), in_place(elementwise.round)
    nan_to_num_, clamp_ = in_place(elementwise.nan_to_num), in_place(elementwise.clamp)
    clamp_min_, clamp_max_ = in_place(arithmetic.clamp_min), in_place(arithmetic.clamp_max)
    masked_fill_, masked_scatter_ = in_place(elementwise.masked_fill), in_place(_masked_scatter, "masked_scatter_")
    logical_and_, logical_or_, logical_not_, logical_xor_ = map(
        in_place, (elementwise.logical_and, elementwise.logical_or, elementwise.logical_not, elementwise.logical_xor))
    bitwise_and_, bitwise_or_, bitwise_xor_, bitwise_not_ = map(
        in_place, (elementwise.bitwise_and, elementwise.bitwise_or, elementwise.bitwise_xor, elementwise.bitwise_not))
    eq_, ne_, lt_, le_, gt_, ge_ = map(
        in_place, (elementwise.eq, elementwise.ne, elementwise.lt, elementwise.le, elementwise.gt, elementwise.ge))
    cumsum_, cumprod_ = in_place(scan.cumsum), in_place(scan.cumprod)
    addmm_, addmv_, baddbmm_ = map(in_place, (linalg.addmm, linalg.addmv, linalg.baddbmm))
    index_fill_, index_add_ = in_place(indexing.index_fill), in_place(indexing.index_add)
    index_copy_, index_put_ = in_place(indexing.index_copy), in_place(indexing.index_put)
    scatter_, scatter_add_ = in_place(_scatter, "scatter_"), in_place(indexing.scatter_add)
    scatter_reduce_, index_reduce_ = in_place(scattering.scatter_reduce), in_place(scattering.index_reduce)
    put_, renorm_ = in_place(placing.put), in_place(slopes.renorm)
    tril_, triu_ = in_place(shapes.tril), in_place(shapes.triu)
    fill_diagonal_, apply_ = in_place(_fill_diagonal, "fill_diagonal_"), in_place(_apply, "apply_")
    copy_, fill_, zero_ = in_place(_copy, "copy_"), in_place(_fill, "fill_"), in_place(_zero, "zero_")
    normal_, uniform_ = in_place(_normal, "normal_"), in_place(_uniform, "uniform_")
    bernoulli_, exponential_ = in_place(_bernoulli, "bernoulli_"), in_place(_exponential, "exponential_")
    random_ = in_place(_random, "random_")
    multiply_, subtract_, divide_, true_divide_, negative_, clip_ = mul_, sub_, div_, div_, neg_, clamp_
    arcsin_, arccos_, arctan_, absolute_, fix_ = asin_, acos_, atan_, abs_, trunc_

    __iadd__, __isub__, __imul__, __itruediv__, __ipow__ = add_, sub_, mul_, div_, pow_
    __ifloordiv__, __imod__ = floor_divide_, remainder_
    __iand__, __ior__, __ixor__ = bitwise_and_, bitwise_or_, bitwise_xor_

    def squeeze_(self: Any, dim: Any = None) -> Tensor:
        """Take dims of size 1 away, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(1, 3)
        >>> x.squeeze_().shape
        (3,)
        """
        return _become(self, shapes.squeeze(self, dim), "squeeze_()")

    def unsqueeze_(self: Any, dim: Dim) -> Tensor:
        """Insert a dim of size 1, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(3)
        >>> x.unsqueeze_(0).shape
        (1, 3)
        """
        return _become(self, shapes.unsqueeze(self, dim), "unsqueeze_()")

    def transpose_(self: Any, dim0: Dim, dim1: Dim) -> Tensor:
        """Exchange two dims, in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(2, 3, 4)
        >>> x.transpose_(0, 2).shape
        (4, 3, 2)
        """
        return _become(self, shapes.transpose(self, dim0, dim1), "transpose_()")

    def t_(self: Any) -> Tensor:
        """Transpose a matrix in place.

        Examples
        --------
        >>> import autograd_nn as ag
        >>> x = ag.zeros(2, 3)
        >>> x.t_().shape
        (3, 2)
        """
        return _become(self, self.t(), "t_()")
