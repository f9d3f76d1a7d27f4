"""Initial values of parameters, written in place and drawn from the one generator.

All functions take a tensor (or the array of one, as ``parameter.data`` is) and return it. Whether it requires a
gradient does not matter: nothing is recorded.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..engine import Variable, mark_changed
from ..engine.arguments import explain
from ..missing import absent_from_nn
from ..ops.random import Generator, default_generator
from ..typing import Array, Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

TensorOrArray = TypeVar("TensorOrArray", bound="Tensor | Array")
Fan: TypeAlias = Literal["fan_in", "fan_out"]


def _array(tensor: Tensor | Array, operation: str) -> Array:
    array = tensor.array if isinstance(tensor, Variable) else tensor
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{operation}(): expects a tensor or an array, got {type(tensor).__name__}")
    return array


def _write(tensor: TensorOrArray, values: Array | float, operation: str) -> TensorOrArray:
    array = _array(tensor, operation)
    array[...] = values
    mark_changed(array)
    return tensor


def _draw_uniform(
    tensor: TensorOrArray, low: float, high: float, generator: Generator | None, operation: str
) -> TensorOrArray:
    array = _array(tensor, operation)
    dtype = _floating(array, operation)
    values = (generator or default_generator).random(array.shape, dtype)
    return _write(tensor, values * dtype(high - low) + dtype(low), operation)


def _draw_normal(
    tensor: TensorOrArray, mean: float, std: float, generator: Generator | None, operation: str
) -> TensorOrArray:
    array = _array(tensor, operation)
    dtype = _floating(array, operation)
    values = (generator or default_generator).normal(array.shape, dtype)
    return _write(tensor, values * dtype(std) + dtype(mean), operation)


def _floating(array: Array, operation: str) -> type[np.floating[Any]]:
    if array.dtype.kind != "f":
        raise TypeError(f"{operation}(): expects a floating-point tensor (dtype={array.dtype})")
    return array.dtype.type


# ------------------------------------------------------------------------------------ plain


def uniform_(
    tensor: TensorOrArray, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> TensorOrArray:
    """Draw from the uniform distribution on [a, b).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.uniform_(w, -0.1, 0.1)
    >>> round(w.std().item(), 2)
    0.06
    """
    return _draw_uniform(tensor, a, b, generator, "uniform_")


def normal_(
    tensor: TensorOrArray, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> TensorOrArray:
    """Draw from the normal distribution.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.normal_(w, std=0.02)
    >>> round(w.std().item(), 2)
    0.02
    """
    return _draw_normal(tensor, mean, std, generator, "normal_")


def trunc_normal_(
    tensor: TensorOrArray,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> TensorOrArray:
    """Draw from the normal distribution cut off outside [a, b]; what falls outside is drawn again.

    Parameters
    ----------
    tensor : Tensor or ndarray
    mean, std : float
        Of the distribution before it is cut.
    a, b : float
        Bounds of the values themselves, not in units of `std`; ``a < b``, and not both far out in one tail.
    generator : Generator, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.trunc_normal_(w, std=0.02)
    >>> round(w.std().item(), 2)
    0.02
    """
    if not a < b:
        raise ValueError(f"trunc_normal_(): a must be less than b (a={a}, b={b})")
    if mean < a - 2 * std or mean > b + 2 * std:
        raise ValueError(f"trunc_normal_(): mean must be within 2 std of [a, b] (mean={mean}, std={std}, a={a}, b={b})")
    array = _array(tensor, "trunc_normal_")
    dtype = _floating(array, "trunc_normal_")
    source = generator or default_generator
    values = source.normal(array.size, dtype) * dtype(std) + dtype(mean)
    outside = np.flatnonzero((values < a) | (values > b))
    while outside.size:
        drawn = source.normal(outside.size, dtype) * dtype(std) + dtype(mean)
        values[outside] = drawn
        outside = outside[(drawn < a) | (drawn > b)]
    return _write(tensor, values.reshape(array.shape), "trunc_normal_")


def constant_(tensor: TensorOrArray, val: float) -> TensorOrArray:
    """Set all elements to `val`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(2, 2)
    >>> init.constant_(w, 0.3)
    tensor([[0.3, 0.3],
            [0.3, 0.3]])
    """
    return _write(tensor, val, "constant_")


def ones_(tensor: TensorOrArray) -> TensorOrArray:
    """Set all elements to 1.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(2, 2)
    >>> init.ones_(w)
    tensor([[1., 1.],
            [1., 1.]])
    """
    return _write(tensor, 1, "ones_")


def zeros_(tensor: TensorOrArray) -> TensorOrArray:
    """Set all elements to 0.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(2, 2)
    >>> init.zeros_(w)
    tensor([[0., 0.],
            [0., 0.]])
    """
    return _write(tensor, 0, "zeros_")


def eye_(tensor: TensorOrArray) -> TensorOrArray:
    """Make a matrix the identity, as far as it is square.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(2, 2)
    >>> init.eye_(w)
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = _array(tensor, "eye_").shape
    if len(shape) != 2:
        raise ValueError(f"eye_(): expects 2 dims (shape={shape})")
    return _write(tensor, np.eye(*shape), "eye_")


def dirac_(tensor: TensorOrArray, groups: int = 1) -> TensorOrArray:
    """Make the weight of a convolution pass its channels through, as many as there are in each group.

    Parameters
    ----------
    tensor : Tensor or ndarray of shape (C_out, C_in / groups, ...)
        Of 3 to 5 dims.
    groups : int

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> init.dirac_(ag.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    array = _array(tensor, "dirac_")
    if not 3 <= array.ndim <= 5:
        raise ValueError(f"dirac_(): expects 3 to 5 dims (shape={array.shape})")
    if array.shape[0] % groups:
        raise ValueError(f"dirac_(): groups must divide the first dim (groups={groups}, shape={array.shape})")
    out_channels = array.shape[0] // groups
    values = np.zeros_like(array)
    centre = tuple(k // 2 for k in array.shape[2:])
    for group in range(groups):
        for channel in range(min(out_channels, array.shape[1])):
            values[(group * out_channels + channel, channel, *centre)] = 1
    return _write(tensor, values, "dirac_")


# ------------------------------------------------------------------------------------ scaled by fan


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a nonlinearity's input is to be scaled so that variance is kept.

    Parameters
    ----------
    nonlinearity : str
        'linear', 'conv1d' and other layers, 'sigmoid' (1), 'tanh' (5/3), 'relu' (sqrt 2), 'leaky_relu'
        (sqrt(2 / (1 + a^2))), 'selu' (3/4).
    param : float, optional
        The negative slope a of 'leaky_relu' (0.01).

    Examples
    --------
    >>> from autograd_nn.nn import init
    >>> round(init.calculate_gain("relu"), 4)
    1.4142
    """
    linear = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
    if nonlinearity in linear or nonlinearity == "sigmoid":
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain(): the negative slope must be a number (param={param!r})")
        return math.sqrt(2 / (1 + slope**2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        known = ", ".join([*linear, "sigmoid", "leaky_relu", *gains])
        raise ValueError(f"calculate_gain(): unknown nonlinearity {nonlinearity!r} (known: {known})")
    return gains[nonlinearity]


def fans(tensor: Tensor | Array, operation: str = "fans") -> tuple[int, int]:
    """Return ``(fan_in, fan_out)``: to how many inputs an output of a layer is connected, and the reverse.

    Parameters
    ----------
    tensor : Tensor or ndarray of shape (out, in) or (C_out, C_in / groups, ...)
        The weight of the layer.
    """
    shape = _array(tensor, operation).shape
    if len(shape) < 2:
        raise ValueError(f"{operation}(): fan in and fan out need at least 2 dims (shape={shape})")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def _kaiming_std(tensor: Tensor | Array, a: float, mode: Fan, nonlinearity: str, operation: str) -> float:
    modes = {"fan_in": 0, "fan_out": 1}
    if mode not in modes:
        raise ValueError(f"{operation}(): mode must be 'fan_in' or 'fan_out' (mode={mode!r})")
    fan = fans(tensor, operation)[modes[mode]]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def xavier_uniform_(tensor: TensorOrArray, gain: float = 1.0, generator: Generator | None = None) -> TensorOrArray:
    """Draw from U(-b, b), ``b = gain * sqrt(6 / (fan_in + fan_out))``.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.xavier_uniform_(w)
    >>> round(w.std().item(), 2)
    0.06
    """
    bound = gain * math.sqrt(6 / max(sum(fans(tensor, "xavier_uniform_")), 1))
    return _draw_uniform(tensor, -bound, bound, generator, "xavier_uniform_")


def xavier_normal_(tensor: TensorOrArray, gain: float = 1.0, generator: Generator | None = None) -> TensorOrArray:
    """Draw from N(0, s^2), ``s = gain * sqrt(2 / (fan_in + fan_out))``; see `xavier_uniform_`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.xavier_normal_(w)
    >>> round(w.std().item(), 2)
    0.06
    """
    std = gain * math.sqrt(2 / max(sum(fans(tensor, "xavier_normal_")), 1))
    return _draw_normal(tensor, 0.0, std, generator, "xavier_normal_")


def kaiming_uniform_(
    tensor: TensorOrArray,
    a: float = 0,
    mode: Fan = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> TensorOrArray:
    """Draw from U(-b, b), ``b = gain * sqrt(3 / fan)``.

    Parameters
    ----------
    tensor : Tensor or ndarray
    a : float
        The negative slope of the leaky ReLU that follows.
    mode : {'fan_in', 'fan_out'}
        Keep the variance of the forward or of the backward pass.
    nonlinearity : str
        As for `calculate_gain`.
    generator : Generator, optional

    References
    ----------
    K. He et al., "Delving deep into rectifiers", ICCV 2015, arXiv:1502.01852.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.kaiming_uniform_(w, nonlinearity="relu")
    >>> round(w.std().item(), 2)
    0.1
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return _draw_uniform(tensor, -bound, bound, generator, "kaiming_uniform_")


def kaiming_normal_(
    tensor: TensorOrArray,
    a: float = 0,
    mode: Fan = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> TensorOrArray:
    """Draw from N(0, s^2), ``s = gain / sqrt(fan)``; see `kaiming_uniform_`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = ag.empty(300, 200)
    >>> _ = init.kaiming_normal_(w, nonlinearity="relu")
    >>> round(w.std().item(), 2)
    0.1
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return _draw_normal(tensor, 0.0, std, generator, "kaiming_normal_")


# ------------------------------------------------------------------------------------ structured


def orthogonal_(tensor: TensorOrArray, gain: float = 1, generator: Generator | None = None) -> TensorOrArray:
    """Make the rows (or columns, if there are fewer) orthonormal, times `gain`; dims after the first count as one.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", 2013, arXiv:1312.6120.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = init.orthogonal_(ag.empty(3, 3))
    >>> ag.allclose(w @ w.T, ag.eye(3), atol=1e-5)
    True
    """
    array = _array(tensor, "orthogonal_")
    if array.ndim < 2:
        raise ValueError(f"orthogonal_(): expects at least 2 dims (shape={array.shape})")
    if not array.size:
        return tensor
    _floating(array, "orthogonal_")
    rows = array.shape[0]
    columns = array.size // rows
    drawn = (generator or default_generator).normal((max(rows, columns), min(rows, columns)), np.float64)
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))
    q = q if rows >= columns else q.T
    return _write(tensor, (gain * q).reshape(array.shape), "orthogonal_")


def sparse_(
    tensor: TensorOrArray, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> TensorOrArray:
    """Draw a matrix from N(0, std^2) and set the fraction `sparsity` of each column to 0.

    References
    ----------
    J. Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import init
    >>> w = init.sparse_(ag.empty(10, 4), sparsity=0.5)
    >>> (w == 0).sum(0).tolist()
    [5, 5, 5, 5]
    """
    array = _array(tensor, "sparse_")
    if array.ndim != 2:
        raise ValueError(f"sparse_(): expects 2 dims (shape={array.shape})")
    source = generator or default_generator
    _draw_normal(tensor, 0.0, std, source, "sparse_")
    zeros = math.ceil(sparsity * array.shape[0])
    for column in range(array.shape[1]):
        array[source.permutation(array.shape[0])[:zeros], column] = 0
    return tensor


explain(globals(), __all__)


def __getattr__(name: str) -> Any:
    raise absent_from_nn("nn.init", name)
