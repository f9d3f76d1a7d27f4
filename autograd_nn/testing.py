"""Checks of gradients against central differences.

A vector-Jacobian product is checked as one number per input element: with a random vector u the function
``phi(x) = <u, f(x)>`` has the gradient ``u @ J`` that `backward` computes in one pass, and the derivative of phi along
input element j is ``(phi(x + eps e_j) - phi(x - eps e_j)) / (2 eps)`` up to O(eps**2). A wrong entry of the
Jacobian goes unnoticed with probability 0.

Complex inputs are moved along both parts; the gradient is then ``d phi/d re + i d phi/d im``. Of complex results phi is
the real part of ``<u, f(x)>`` with a complex u.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .engine import enable_grad, grad, wrap
from .tensor import Tensor

__all__ = ["assert_close", "gradcheck", "gradgradcheck"]

_RTOL = {"float16": 1e-3, "float32": 1.3e-6, "float64": 1e-7, "complex64": 1.3e-6, "complex128": 1e-7}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless two tensors, or sequences or dicts of them, agree.

    Elements may differ by ``atol + rtol * abs(expected)``. Without both, these are PyTorch's: for float32 1e-5 and
    1.3e-6, for float64 1e-7 and 1e-7, for float16 1e-5 and 1e-3, and 0 for integers.

    Parameters
    ----------
    actual, expected : tensor, array, number, or sequences or dicts of them
    rtol, atol : float, optional
        Both or none.
    equal_nan : bool
        Whether NaN agrees with NaN.
    check_dtype : bool
        Whether tensors must have one dtype.
    msg : str or callable, optional
        The error's text, or what makes one of ours.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.testing.assert_close(ag.tensor([1.0, 2.0]), ag.tensor([1.0, 2.0 + 1e-6]))
    >>> ag.testing.assert_close(ag.ones(2), ag.zeros(2))
    Traceback (most recent call last):
    AssertionError: assert_close(): 2 of 2 elements differ, by at most 1.0 at [0] (allowed: rtol=1.3e-06, atol=1e-05)
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"assert_close(): rtol and atol must be given together (rtol={rtol}, atol={atol})")
    problem = _disagreement(actual, expected, rtol, atol, equal_nan, check_dtype, "")
    if problem:
        text = f"assert_close(): {problem}"
        raise AssertionError(msg(text) if callable(msg) else text if msg is None else msg)


def _disagreement(actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool, at: str) -> str:
    """Return in what two nested values differ; '' where they agree."""
    pairs: Any = None
    if isinstance(actual, dict) and isinstance(expected, dict):
        if actual.keys() != expected.keys():
            return f"the keys differ{at} ({sorted(actual)} and {sorted(expected)})"
        pairs = [(key, actual[key], expected[key]) for key in actual]
    elif isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            return f"the lengths differ{at} ({len(actual)} and {len(expected)})"
        pairs = [(i, a, e) for i, (a, e) in enumerate(zip(actual, expected))]
    if pairs is not None:
        found = (_disagreement(a, e, rtol, atol, equal_nan, check_dtype, f"{at} in item {key!r}")
                 for key, a, e in pairs)
        return next((problem for problem in found if problem), "")
    a, e = (x.array if isinstance(x, Tensor) else np.asarray(x) for x in (actual, expected))
    if a.dtype == object or e.dtype == object:
        raise TypeError(f"assert_close(): compares tensors, arrays and numbers{at} (got {type(actual).__name__} and "
                        f"{type(expected).__name__})")
    if a.shape != e.shape:
        return f"the shapes differ{at} ({a.shape} and {e.shape})"
    if check_dtype and a.dtype != e.dtype and isinstance(actual, Tensor) and isinstance(expected, Tensor):
        return f"the dtypes differ{at} ({a.dtype} and {e.dtype})"
    dtype = np.result_type(a, e)
    wide = np.complex128 if dtype.kind == "c" else np.float64 if dtype.kind == "f" else dtype
    if rtol is None:
        rtol = _RTOL.get(dtype.name, 0.0)
        atol = 0.0 if dtype.kind in "iub" else 1e-7 if dtype.name in ("float64", "complex128") else 1e-5
    a, e = a.astype(wide), e.astype(wide)
    close = a == e if dtype.kind == "b" else np.isclose(a, e, rtol, atol, equal_nan)
    if close.all():
        return ""
    with np.errstate(invalid="ignore"):
        far = np.where(close, 0, a ^ e if dtype.kind == "b" else np.abs(np.where(a > e, a - e, e - a)))
    worst = np.unravel_index(np.argmax(np.nan_to_num(far, nan=np.inf) if dtype.kind in "fc" else far), far.shape)
    return (f"{close.size - int(close.sum())} of {close.size} elements differ{at}, by at most {far[worst].item()} at "
            f"{[int(i) for i in worst]} (allowed: rtol={rtol:.3g}, atol={atol:.3g})")


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
) -> bool:
    """Check the gradients of a function against central differences in float64.

    Parameters
    ----------
    function : callable
        Takes the inputs, returns a tensor or a sequence of tensors; must give the same result when called again.
    inputs : tensor or sequence
        Those tensors are checked that require a gradient; float32 ones are converted to float64, complex64 ones to
        complex128. Other arguments are handed over as they are. Strides are kept, so that non-contiguous inputs are
        checked as such.
    eps : float
        The step of the differences.
    atol, rtol : float
        Allowed is a difference of ``atol + rtol * abs(numeric)``.
    raise_exception : bool
        Whether to raise where the check fails, or to return False.
    fast_mode : bool
        Take the differences along one random direction per input, where otherwise each element is moved by itself.
    seed : int
        Of the random vectors.

    Returns
    -------
    bool

    Raises
    ------
    RuntimeError
        The gradients disagree; the message lists the worst elements, their analytic and numeric values.
    ValueError
        No input requires a gradient.
    TypeError
        The function computes in less than float64, in which differences are too coarse.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([0.5, 1.0, 2.0], requires_grad=True)
    >>> gradcheck(lambda x: x.log() * x, x)
    True
    """
    arguments, checked = _prepared(inputs, "gradcheck")
    source = np.random.Generator(np.random.PCG64(seed))
    try:
        _check(function, arguments, checked, eps, atol, rtol, fast_mode, source)
    except RuntimeError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
) -> bool:
    """Check the gradients of the gradients of a function against central differences in float64.

    The function that is checked is the vector-Jacobian product of `function`, in its inputs and in the vector.

    Parameters
    ----------
    function, inputs, eps, atol, rtol, raise_exception, fast_mode, seed
        As for `gradcheck`.
    grad_outputs : tensor or sequence of tensors, optional
        The vectors; random where they are not given.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.testing import gradgradcheck
    >>> gradgradcheck(lambda x: (x**3).sum(), [ag.tensor([1.0, 2.0], dtype="float64", requires_grad=True)])
    True
    """
    arguments, checked = _prepared(inputs, "gradgradcheck")
    source = np.random.Generator(np.random.PCG64(seed + 1))
    with enable_grad():
        outputs = _outputs(function(*arguments), "gradgradcheck")
    if grad_outputs is None:
        vectors = [Tensor(_drawn(source, out.array), requires_grad=True) for out in outputs if out.requires_grad]
    else:
        vectors = [_leaf(g) for g in (grad_outputs if isinstance(grad_outputs, tuple | list) else [grad_outputs])]
    count = len(arguments)

    def gradients(*values: Any) -> list[Any]:
        xs, gs = values[:count], values[count:]
        outputs = [out for out in _outputs(function(*xs), "gradgradcheck") if out.requires_grad]
        found = grad(outputs, [xs[i] for i in checked], list(gs), create_graph=True, allow_unused=True)
        return [g for g in found if g is not None]

    return gradcheck(
        gradients, [*arguments, *vectors], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        fast_mode=fast_mode, seed=seed,
    )  # fmt: skip


def _prepared(inputs: Any, operation: str) -> tuple[list[Any], list[int]]:
    """Return the arguments, those that require a gradient as new float64 leaves, and the positions of these."""
    arguments = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    checked = [i for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ValueError(
            f"{operation}(): no input requires a gradient ({len(arguments)} inputs); make one with requires_grad=True"
        )
    for i in checked:
        arguments[i] = _leaf(arguments[i])
    return arguments, checked


def _leaf(x: Tensor) -> Tensor:
    """Return a float64 or complex128 leaf of the same elements and the same strides, counted in elements."""
    leaf = wrap(_copy_with_strides(x.array))
    leaf.requires_grad = True
    return leaf


def _copy_with_strides(array: np.ndarray) -> np.ndarray:
    """Return a writeable copy of double precision, laid out like `array`.

    One that overlaps itself (an expanded one) is copied densely.
    """
    dtype: Any = np.complex128 if array.dtype.kind == "c" else np.float64
    strides = [stride // array.itemsize for stride in array.strides]
    if array.size == 0 or any(stride == 0 and n > 1 for stride, n in zip(strides, array.shape)):
        return np.array(array, dtype, order="C")
    spans = [stride * (n - 1) for stride, n in zip(strides, array.shape)]
    start = -sum(span for span in spans if span < 0)
    buffer = np.zeros(start + 1 + sum(span for span in spans if span > 0), dtype)
    out = np.lib.stride_tricks.as_strided(buffer[start:], array.shape, [buffer.itemsize * stride for stride in strides])
    out[...] = array
    return out


def _outputs(result: Any, operation: str) -> list[Tensor]:
    """Return the floating-point and complex results of the function as a list."""
    results = result if isinstance(result, tuple | list) else [result]
    for out in results:
        if not isinstance(out, Tensor):
            raise TypeError(f"{operation}(): the function must return tensors, got {type(out).__name__}")
    floating = [out for out in results if out.dtype.kind in "fc"]
    for out in floating:
        if out.dtype not in (np.float64, np.complex128):
            raise TypeError(
                f"{operation}(): the function returned {out.dtype} for float64 inputs; differences of so few "
                "digits are too coarse (convert its parameters and constants with .double())"
            )
    return floating


def _check(
    function: Callable[..., Any],
    arguments: list[Any],
    checked: list[int],
    eps: float,
    atol: float,
    rtol: float,
    fast_mode: bool,
    source: np.random.Generator,
) -> None:
    before = [arguments[i].array.copy() for i in checked]
    with enable_grad():
        outputs = _outputs(function(*arguments), "gradcheck")
    vectors = [_drawn(source, out.array) for out in outputs]

    def projected() -> float:
        values = _outputs(function(*arguments), "gradcheck")
        return math.fsum(float(np.vdot(u, out.array).real) for u, out in zip(vectors, values))

    for out, again in zip(outputs, _outputs(function(*arguments), "gradcheck")):
        if not np.array_equal(out.array, again.array, equal_nan=True):
            raise RuntimeError(
                "gradcheck(): the function gives another result when called again; seed its random numbers"
            )
    for i, data in zip(checked, before):
        if not np.array_equal(arguments[i].array, data, equal_nan=True):
            raise RuntimeError(f"gradcheck(): the function changed its input {i} in place; give it a .clone()")

    recorded = [(out, u) for out, u in zip(outputs, vectors) if out.requires_grad]
    leaves = [arguments[i] for i in checked]
    found: Sequence[Any] = [None] * len(leaves)
    if recorded:
        found = grad(
            [out for out, _ in recorded], leaves, [u for _, u in recorded], retain_graph=True, allow_unused=True
        )
    for i, leaf, g in zip(checked, leaves, found):
        if g is not None and (g.shape != leaf.shape or g.dtype != leaf.dtype):
            raise RuntimeError(
                f"gradcheck(): the gradient of input {i} must have its shape and dtype {leaf.shape}, "
                f"{leaf.dtype}; got {g.shape}, {g.dtype}"
            )
        analytic = np.zeros_like(leaf.array) if g is None else g.array
        if fast_mode:
            direction = _drawn(source, leaf.array)
            numeric = np.asarray(_difference(leaf.array, direction, projected, eps))
            _compare(np.asarray(np.vdot(analytic, direction).real), numeric, atol, rtol, i, leaf.shape, True)
        else:
            numeric = np.empty(leaf.shape, leaf.dtype)
            for position in np.ndindex(leaf.shape):
                view = leaf.array[(*position, ...)]
                numeric[position] = _difference(view, np.ones(()), projected, eps)
                if leaf.dtype.kind == "c":
                    numeric[position] += 1j * _difference(view, np.array(1j), projected, eps)
            _compare(analytic, numeric, atol, rtol, i, leaf.shape, False)


def _drawn(source: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """Return random numbers of a shape, complex where the array is."""
    numbers = np.asarray(source.standard_normal(like.shape))
    return numbers + 1j * source.standard_normal(like.shape) if like.dtype.kind == "c" else numbers


def _difference(view: np.ndarray, direction: np.ndarray, projected: Callable[[], float], eps: float) -> float:
    """Return the central difference of `projected` where the memory behind `view` moves along `direction`."""
    kept = view.copy()
    view[...] = kept + eps * direction
    above = projected()
    view[...] = kept - eps * direction
    below = projected()
    view[...] = kept
    return (above - below) / (2 * eps)


def _compare(
    analytic: np.ndarray,
    numeric: np.ndarray,
    atol: float,
    rtol: float,
    position: int,
    shape: tuple[int, ...],
    along: bool,
) -> None:
    """Raise where the gradients differ, with a list of the elements that differ most."""
    error = np.abs(analytic - numeric)
    allowed = atol + rtol * np.abs(numeric)
    wrong = ~(error <= allowed)
    if not wrong.any():
        return
    if along:
        raise RuntimeError(
            f"gradcheck(): gradient of input {position} (shape={shape}) disagrees with the central difference along a "
            f"random direction: analytic {float(analytic):.9g}, numeric {float(numeric):.9g}, off by "
            f"{float(error):.3g} "
            f"(allowed {float(allowed):.3g}); fast_mode=False says which element"
        )
    places = np.argwhere(wrong)
    excess = np.nan_to_num(error - allowed, nan=np.inf)[wrong]
    lines = []
    for k in np.argsort(-excess, kind="stable")[:5]:
        place = tuple(int(j) for j in places[k])
        lines.append(
            f"  [{', '.join(map(str, place))}]: analytic {analytic[place]:.9g}, numeric {numeric[place]:.9g}, "
            f"off by {error[place]:.3g} (allowed {allowed[place]:.3g})"
        )
    raise RuntimeError(
        f"gradcheck(): gradient of input {position} (shape={shape}) disagrees with central differences in "
        f"{len(places)} of "
        f"{error.size} elements (u @ J for a random vector u); worst first:\n" + "\n".join(lines)
    )
