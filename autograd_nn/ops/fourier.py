"""Discrete Fourier transforms, through NumPy, and the short-time transform.

Three primitives carry all of them: the transform of complex numbers, which is symmetric and so its own adjoint; that of
real numbers, of which only the half that says all is kept; and that from such a half back to real numbers. The last two
are each other's adjoints but for a factor: a kept coefficient that stands for itself and its mirror image counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import complex_of, get_default_dtype, primitive, wrap
from ..typing import Array, DeviceLike, DTypeLike, Tensor
from .complexes import conj, view_as_real
from .creation import _made
from .elementwise import div, mul
from .index import _index_put, index_select
from .pad import pad
from .shape import _narrow, _pad_constant, clone, expand, normalized_dim, reshape, roll, to_dtype, transpose

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "istft", "rfft", "rfft2", "rfftfreq", "rfftn", "stft",
]  # fmt: skip

_NORMS = (None, "backward", "ortho", "forward")

# ------------------------------------------------------------------------------------ the three transforms


def _scaled(x: Array, scale: float) -> Array:
    if scale != 1:
        x *= x.real.dtype.type(scale)
    return x


@primitive(complex=True)
def _transform(x: Array, *, dims: tuple[int, ...], inverse: bool, scale: float) -> Array:
    """Return ``scale * sum over j of x[j] exp(-+2 pi i j k / n)`` along dims."""
    out = np.fft.ifftn(x, axes=dims, norm="forward") if inverse else np.fft.fftn(x, axes=dims)
    return _scaled(out, scale)


@primitive(complex=True)
def _to_half(x: Array, *, dim: int, scale: float) -> Array:
    """Return the first ``n // 2 + 1`` coefficients of real numbers along a dim."""
    return _scaled(np.fft.rfft(x, axis=dim), scale)


@primitive(complex=True)
def _from_half(x: Array, *, dim: int, n: int, scale: float) -> Array:
    """Return the `n` real numbers, times n, that half of their coefficients stand for."""
    return _scaled(np.fft.irfft(x, n, axis=dim, norm="forward"), scale)


def _counts(x: Any, dim: int, n: int) -> Array:
    """Return how many coefficients each of a half stands for: 2, but 1 at the start and at the middle of an even n."""
    counts: Array = np.full(n // 2 + 1, 2, np.float64 if x.dtype in (np.float64, np.complex128) else np.float32)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts.reshape([-1 if i == dim else 1 for i in range(len(x.array.shape))])


_transform.defvjp(x=lambda g, dims, inverse, scale: _transform(g, dims=dims, inverse=inverse, scale=scale))
_to_half.defvjp(
    x=lambda g, x_like, dim, scale: _from_half(
        div(conj(g), _counts(g, dim, x_like.shape[dim])), dim=dim, n=x_like.shape[dim], scale=scale)
)
_from_half.defvjp(
    x=lambda g, dim, n, scale: mul(conj(_to_half(g, dim=dim, scale=scale)), _counts(g, dim, n))
)


# ------------------------------------------------------------------------------------ arguments


def _scale(norm: str | None, count: int, inverse: bool, operation: str) -> float:
    if norm not in _NORMS:
        raise RuntimeError(f"{operation}(): norm must be 'backward', 'ortho' or 'forward' (norm={norm!r})")
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if (norm == "forward") != inverse else 1.0


def _floating(input: Tensor, operation: str, real: bool = False) -> Tensor:
    """Return real or complex numbers that can be transformed."""
    if real and input.dtype.kind == "c":
        raise RuntimeError(f"{operation}(): expects real numbers (input.dtype={input.dtype})")
    if input.dtype.char not in "fdFD":
        if input.dtype.kind == "f":
            raise RuntimeError(f"{operation}(): expects float32, float64 or complex numbers (input.dtype="
                               f"{input.dtype}); convert with .float()")
        return to_dtype(input, get_default_dtype())
    return input


def _complex(input: Tensor, operation: str) -> Tensor:
    input = _floating(input, operation)
    return to_dtype(input, complex_of(input.dtype))


def _resized(input: Tensor, sizes: dict[int, int]) -> Tensor:
    """Return `input` cut, or filled with zeros at the end, to these sizes of dims."""
    widths = [(0, 0)] * input.ndim
    for dim, size in sizes.items():
        have = input.array.shape[dim]
        if have > size:
            input = _narrow(input, dim=dim, start=0, stop=size)
        widths[dim] = (0, max(size - have, 0))
    return _pad_constant(input, widths=tuple(widths), value=0) if any(map(any, widths)) else input


def _length(n: int | None, default: int, operation: str) -> int:
    n = default if n is None else n
    if n < 1:
        raise RuntimeError(f"{operation}(): the number of data points must be 1 or more (n={n})")
    return n


def _one(input: Tensor, dim: int, operation: str) -> int:
    if not input.ndim:
        raise RuntimeError(f"{operation}(): expects a tensor of one dim or more (input.shape=())")
    return normalized_dim(dim, input.ndim, operation)


def _several(
    input: Tensor, s: Sequence[int] | int | None, dim: Sequence[int] | int | None, operation: str, half: bool = False
) -> tuple[tuple[int, ...], list[int]]:
    """Return the dims of a transform and how long each is to be; `half`: the last one is stored halved."""
    s = [s] if isinstance(s, int) else s
    dim = [dim] if isinstance(dim, int) else dim
    if dim is None:
        count = input.ndim if s is None else len(s)
        if count > input.ndim:
            raise RuntimeError(f"{operation}(): s has more entries than the input has dims (s={tuple(s or ())}, "
                               f"input.shape={tuple(input.shape)})")
        dims = tuple(range(input.ndim - count, input.ndim))
    else:
        dims = tuple(normalized_dim(d, input.ndim, operation) for d in dim)
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"{operation}(): dims must be unique (dim={dim})")
    if s is not None and len(s) != len(dims):
        raise RuntimeError(f"{operation}(): dim and s must have the same length (dim={dim}, s={tuple(s)})")
    whole = [input.array.shape[d] for d in dims]
    if half and dims:
        whole[-1] = 2 * (whole[-1] - 1)
    given = [-1] * len(dims) if s is None else s
    return dims, [_length(None if n == -1 else n, m, operation) for n, m in zip(given, whole)]


# ------------------------------------------------------------------------------------ along one dim


def _c2c(input: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dim = _one(input, dim, operation)
    n = _length(n, input.array.shape[dim], operation)
    x = _resized(_complex(input, operation), {dim: n})
    return _transform(x, dims=(dim,), inverse=inverse, scale=_scale(norm, n, inverse, operation))


def _r2c(input: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dim = _one(input, dim, operation)
    n = _length(n, input.array.shape[dim], operation)
    x = _resized(_floating(input, operation, real=True), {dim: n})
    return _to_half(x, dim=dim, scale=_scale(norm, n, inverse, operation))


def _c2r(input: Tensor, n: int | None, dim: int, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dim = _one(input, dim, operation)
    n = _length(n, 2 * (input.array.shape[dim] - 1), operation)
    x = _resized(_complex(input, operation), {dim: n // 2 + 1})
    return _from_half(x, dim=dim, n=n, scale=_scale(norm, n, inverse, operation))


def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the discrete Fourier transform along a dim, ``sum over j of x[j] exp(-2 pi i j k / n)``.

    Parameters
    ----------
    input : Tensor
        Real or complex; integers are taken as float32.
    n : int, optional
        How many elements: more are cut off, missing ones are 0. By default all.
    dim : int
    norm : {'backward', 'ortho', 'forward'}, optional
        Divide by nothing (as for None), by ``sqrt(n)``, or by n. The inverse transform divides by the rest.

    Returns
    -------
    Tensor of complex64 or complex128
        The gradient is the unscaled inverse transform of the gradient, scaled alike.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.fft(ag.tensor([1.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j), (1+0j)]
    """
    return _c2c(input, n, dim, norm, False, "fft")


def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `fft` along a dim; parameters as there, and the default divides by n.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ifft(ag.tensor([3.0, 0.0, 0.0])).real.tolist()
    [1.0, 1.0, 1.0]
    """
    return _c2c(input, n, dim, norm, True, "ifft")


def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the first ``n // 2 + 1`` coefficients of `fft` of real numbers; the others are their conjugates.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.rfft(ag.tensor([1.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j)]
    """
    return _r2c(input, n, dim, norm, False, "rfft")


def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `rfft`: n real numbers (by default an even n, ``2 * (size - 1)``).

    Imaginary parts that cannot be, of the first coefficient and of the middle one, are ignored. The gradient of an
    inner coefficient is doubled, since it stands for its mirror image too.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.irfft(ag.fft.rfft(ag.tensor([1.0, 2.0, 3.0])), n=3).tolist()
    [1.0, 2.0, 3.0]
    """
    return _c2r(input, n, dim, norm, True, "irfft")


def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return `fft` of numbers of which the second half are the conjugates of the first, and not given: n real numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.hfft(ag.tensor([1.0, 0.0])).tolist()
    [1.0, 1.0]
    """
    return _c2r(conj(input), n, dim, norm, False, "hfft")


def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Return the inverse of `hfft`: the first ``n // 2 + 1`` numbers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ihfft(ag.tensor([1.0, 1.0])).tolist()
    [(1-0j), -0j]
    """
    return conj(_r2c(input, n, dim, norm, True, "ihfft"))


# ------------------------------------------------------------------------------------ along several dims


def _c2c_n(input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dims, sizes = _several(input, s, dim, operation)
    x = _resized(_complex(input, operation), dict(zip(dims, sizes)))
    scale = _scale(norm, math.prod(sizes), inverse, operation)
    return _transform(x, dims=dims, inverse=inverse, scale=scale) if dims else clone(x)


def _r2c_n(input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dims, sizes = _several(input, s, dim, operation)
    if not dims:
        raise RuntimeError(f"{operation}(): must transform along at least one dim (dim={dim})")
    x = _resized(_floating(input, operation, real=True), dict(zip(dims, sizes)))
    out = _to_half(x, dim=dims[-1], scale=_scale(norm, math.prod(sizes), inverse, operation))
    return _transform(out, dims=dims[:-1], inverse=False, scale=1.0) if len(dims) > 1 else out


def _c2r_n(input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool, operation: str) -> Tensor:
    dims, sizes = _several(input, s, dim, operation, half=True)
    if not dims:
        raise RuntimeError(f"{operation}(): must transform along at least one dim (dim={dim})")
    stored = {**dict(zip(dims, sizes)), dims[-1]: sizes[-1] // 2 + 1}
    x = _resized(_complex(input, operation), stored)
    if len(dims) > 1:
        x = _transform(x, dims=dims[:-1], inverse=True, scale=1.0)
    return _from_half(x, dim=dims[-1], n=sizes[-1], scale=_scale(norm, math.prod(sizes), inverse, operation))


def fftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return `fft` along several dims.

    Parameters
    ----------
    input : Tensor
    s : sequence of int, optional
        How many elements along each dim (-1: all), as `n` of `fft`; without `dim`, of the last dims.
    dim : sequence of int, optional
        By default all dims, or as many of the last ones as `s` has entries.
    norm : {'backward', 'ortho', 'forward'}, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.fftn(ag.ones(2, 2)).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _c2c_n(input, s, dim, norm, False, "fftn")


def ifftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return the inverse of `fftn`; parameters as there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ifftn(ag.ones(2, 2)).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return _c2c_n(input, s, dim, norm, True, "ifftn")


def rfftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return `fftn` of real numbers, of the last dim the first half; parameters as there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.rfftn(ag.ones(2, 4)).shape == (2, 3)
    True
    """
    return _r2c_n(input, s, dim, norm, False, "rfftn")


def irfftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return the inverse of `rfftn`; the last entry of `s` says how many numbers the last dim has.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.irfftn(ag.fft.rfftn(ag.ones(2, 3)), s=(2, 3)).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    return _c2r_n(input, s, dim, norm, True, "irfftn")


def hfftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return `hfft` along the last of several dims, after `fft` along the others.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.hfftn(ag.ones(2, 2)).tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _c2r_n(conj(input), s, dim, norm, False, "hfftn")


def ihfftn(
    input: Tensor, s: Sequence[int] | int | None = None, dim: Sequence[int] | int | None = None,
    norm: str | None = None,
) -> Tensor:  # fmt: skip
    """Return the inverse of `hfftn`, of the last dim the first half.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ihfftn(ag.ones(2, 2)).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return conj(_r2c_n(input, s, dim, norm, True, "ihfftn"))


_LAST_TWO = (-2, -1)


def fft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `fftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.fft2(ag.ones(2, 2)).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _c2c_n(input, s, dim, norm, False, "fft2")


def ifft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `ifftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ifft2(ag.ones(2, 2)).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return _c2c_n(input, s, dim, norm, True, "ifft2")


def rfft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `rfftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.rfft2(ag.ones(2, 2)).real.tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _r2c_n(input, s, dim, norm, False, "rfft2")


def irfft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `irfftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.irfft2(ag.fft.rfft2(ag.ones(2, 2))).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _c2r_n(input, s, dim, norm, True, "irfft2")


def hfft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `hfftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.hfft2(ag.ones(2, 2)).tolist()
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _c2r_n(conj(input), s, dim, norm, False, "hfft2")


def ihfft2(
    input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = _LAST_TWO, norm: str | None = None
) -> Tensor:
    """Return `ihfftn` along two dims, by default the last ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ihfft2(ag.ones(2, 2)).real.tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return conj(_r2c_n(input, s, dim, norm, True, "ihfft2"))


# ------------------------------------------------------------------------------------ frequencies, order


def fftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return the frequencies of the coefficients of `fft` of n numbers that are `d` apart.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    n = _length(n, 1, "fftfreq")
    return _made(np.fft.fftfreq(n, d).astype(dtype or get_default_dtype()), device, requires_grad, "fftfreq")


def rfftfreq(
    n: int, d: float = 1.0, *, dtype: DTypeLike | None = None, device: DeviceLike = None, requires_grad: bool = False
) -> Tensor:
    """Return the frequencies of the coefficients of `rfft` of n numbers that are `d` apart.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]
    """
    n = _length(n, 1, "rfftfreq")
    return _made(np.fft.rfftfreq(n, d).astype(dtype or get_default_dtype()), device, requires_grad, "rfftfreq")


def _shifted(input: Tensor, dim: Sequence[int] | int | None, back: bool) -> Tensor:
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return roll(input, [(input.array.shape[d] + back) // 2 for d in dims], list(dims))


def fftshift(input: Tensor, dim: Sequence[int] | int | None = None) -> Tensor:
    """Return coefficients in the order of their frequencies, that of 0 in the middle, along some dims (all for None).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.fftshift(ag.fft.fftfreq(4)).tolist()
    [-0.5, -0.25, 0.0, 0.25]
    """
    return _shifted(input, dim, False)


def ifftshift(input: Tensor, dim: Sequence[int] | int | None = None) -> Tensor:
    """Return the inverse of `fftshift`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.fft.ifftshift(ag.tensor([-0.5, -0.25, 0.0, 0.25])).tolist()
    [0.0, 0.25, -0.5, -0.25]
    """
    return _shifted(input, dim, True)


# ------------------------------------------------------------------------------------ short-time transform


def _frame_settings(
    n_fft: int, hop_length: int | None, win_length: int | None, window: Tensor | None, dtype: Any, operation: str
) -> tuple[int, Tensor]:
    """Return the distance of frames, and the window of `n_fft` elements."""
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if hop < 1 or not 0 < length <= n_fft:
        raise RuntimeError(f"{operation}(): hop_length must be positive and win_length from 1 to n_fft "
                           f"(n_fft={n_fft}, hop_length={hop}, win_length={length})")
    window = wrap(np.ones(length, dtype)) if window is None else window
    if window.ndim != 1 or window.array.shape[0] != length:
        raise RuntimeError(f"{operation}(): window must be of shape ({length},) (window.shape={tuple(window.shape)})")
    left = (n_fft - length) // 2
    return hop, pad(window, (left, n_fft - length - left))


def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect", normalized: bool = False,
    onesided: bool | None = None, return_complex: bool | None = None, align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """Return the short-time Fourier transform: `fft` of windows along a signal.

    Parameters
    ----------
    input : Tensor of shape (T,) or (batch, T)
    n_fft : int
        The size of a window's transform.
    hop_length : int, optional
        How far apart windows begin, by default ``n_fft // 4``.
    win_length : int, optional
        Elements of the window, by default `n_fft`; it is put into the middle of the frame.
    window : Tensor of shape (win_length,), optional
        By default ones.
    center : bool
        Pad the signal so that frame t is centred at ``t * hop_length``; `pad_mode` says how.
    pad_mode : str
        As `mode` of `nn.functional.pad`.
    normalized : bool
        Divide by ``sqrt(n_fft)``.
    onesided : bool, optional
        Only the first ``n_fft // 2 + 1`` coefficients; by default where signal and window are real.
    return_complex : bool
        Has to be given for real signals, as in PyTorch; False returns real and imaginary parts in a last dim of 2.
    align_to_window : bool, optional
        Not supported; leave it out.

    Returns
    -------
    Tensor of shape (batch, coefficients, frames), without batch for a signal without

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.stft(ag.ones(8), 4, window=ag.ones(4), return_complex=True).shape == (3, 9)
    True
    """
    if align_to_window:
        raise NotImplementedError("stft(): align_to_window=True is not supported; leave it out")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft(): input must be of shape (T,) or (batch, T) (input.shape={tuple(input.shape)})")
    input = _floating(input, "stft")
    is_complex = input.dtype.kind == "c" or (window is not None and window.dtype.kind == "c")
    if return_complex is None:
        if not is_complex:
            raise RuntimeError("stft(): return_complex must be given for real signals; use return_complex=True")
        return_complex = True
    onesided = not is_complex if onesided is None else onesided
    if onesided and is_complex:
        raise RuntimeError("stft(): onesided must be False where signal or window is complex (onesided=True)")
    hop, window = _frame_settings(n_fft, hop_length, win_length, window, input.dtype, "stft")
    x = input if input.ndim == 2 else reshape(input, (1, -1))
    if center:
        x = pad(x, (n_fft // 2, n_fft // 2), pad_mode)
    if not 0 < n_fft <= x.array.shape[1]:
        raise RuntimeError(f"stft(): n_fft must be from 1 to the length of the signal (n_fft={n_fft}, "
                           f"length={x.shape[1]})")
    count = 1 + (x.array.shape[1] - n_fft) // hop
    frames = mul(reshape(index_select(x, 1, wrap(_places(count, hop, n_fft))), (len(x), count, n_fft)), window)
    norm = "ortho" if normalized else None
    out = transpose(rfft(frames, norm=norm) if onesided else fft(frames, norm=norm), 1, 2)
    out = out if input.ndim == 2 else reshape(out, out.array.shape[1:])
    return out if return_complex else view_as_real(out)


def _places(count: int, hop: int, n_fft: int) -> Array:
    """Return which element of the signal each element of each frame is, flat."""
    return (np.arange(count)[:, None] * hop + np.arange(n_fft)).reshape(-1)


def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False, onesided: bool | None = None,
    length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """Return the signal whose short-time transform is closest to the one given, the inverse of `stft`.

    Frames are transformed back, multiplied by the window, added where they overlap, and divided by the sum of the
    squared windows (D. Griffin and J. Lim, 1984).

    Parameters
    ----------
    input : Tensor of shape (batch, coefficients, frames) or (coefficients, frames)
        Complex.
    n_fft, hop_length, win_length, window, center, normalized, onesided
        As they were given to `stft`.
    length : int, optional
        Of the signal: cut off or filled with zeros.
    return_complex : bool
        Whether the signal is complex; needs ``onesided=False``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([1.0, 2.0, 3.0, 4.0])
    >>> spectrum = ag.stft(x, 2, 1, window=ag.ones(2), return_complex=True)
    >>> ag.istft(spectrum, 2, 1, window=ag.ones(2)).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if input.dtype.kind != "c" or input.ndim not in (2, 3):
        raise RuntimeError("istft(): input must be complex, of shape (batch, coefficients, frames) or (coefficients, "
                           f"frames) (input: {input.dtype} {tuple(input.shape)})")
    onesided = input.array.shape[-2] != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if input.array.shape[-2] != wanted or (onesided and return_complex):
        raise RuntimeError(f"istft(): expects {wanted} coefficients for n_fft={n_fft}, onesided={onesided}, and "
                           f"onesided=False for a complex signal (input.shape={tuple(input.shape)}, "
                           f"return_complex={return_complex})")
    real_dtype = np.float64 if input.dtype == np.complex128 else np.float32
    hop, window = _frame_settings(n_fft, hop_length, win_length, window, real_dtype, "istft")
    x = transpose(input if input.ndim == 3 else reshape(input, (1, *input.array.shape)), 1, 2)
    norm = "ortho" if normalized else None
    frames = ifft(x, norm=norm) if return_complex else irfft(x, n_fft, norm=norm)
    frames = mul(frames, window)
    count = frames.array.shape[1]
    total = n_fft + hop * (count - 1)
    signal = _overlapped(frames, hop, total)
    weight = _overlapped(expand(reshape(mul(window, window), (1, 1, n_fft)), (1, count, n_fft)), hop, total)
    start = n_fft // 2 if center else 0
    stop = total - start if center else total
    if length is not None:
        stop = min(start + length, total)
    signal, weight = (_narrow(part, dim=1, start=start, stop=stop) for part in (signal, weight))
    if stop > start and float(np.abs(weight.array).min()) < 1e-11:
        raise RuntimeError("istft(): the windows leave a gap: their squares must not add up to 0 anywhere "
                           f"(n_fft={n_fft}, hop_length={hop})")
    out = div(signal, weight)
    if length is not None and out.array.shape[1] < length:
        out = pad(out, (0, length - out.array.shape[1]))
    return out if input.ndim == 3 else reshape(out, (-1,))


def _overlapped(frames: Tensor, hop: int, total: int) -> Tensor:
    """Return frames, `hop` apart, added up to a signal of `total` elements."""
    flat = reshape(frames, (frames.array.shape[0], -1))
    return _index_put(flat, _places(frames.array.shape[1], hop, frames.array.shape[2]), dim=1, size=total)
