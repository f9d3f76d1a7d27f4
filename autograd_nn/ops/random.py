"""Random numbers from one seedable generator, random tensors, dropout."""

from __future__ import annotations

import functools
import math
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from .. import devices
from ..devices.place import check_cpu
from ..engine import Variable, effect, get_default_dtype, note_read, primitive, real_of, state, wrap
from ..kernels import elementwise as kernels
from ..typing import Array, DeviceLike, DTypeLike, Shape, ShapeLike, Tensor, TensorLike
from .creation import _made

__all__ = [
    "Generator", "bernoulli", "default_generator", "dropout", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "seed", "set_rng_state",
]  # fmt: skip


_LARGEST_RATE = 2.0**63 - 2.0**36  # that NumPy draws from; the result is an int64

FloatType: TypeAlias = type[np.float32] | type[np.float64]


class Generator:
    """A source of random numbers: NumPy's PCG64 behind a lock.

    Parameters
    ----------
    seed : int, optional
        Drawn from the operating system where it is not given.
    device : optional
        Only the CPU.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> g = ag.Generator().manual_seed(7)
    >>> bool((ag.rand(3, generator=g) == ag.rand(3, generator=ag.Generator().manual_seed(7))).all())
    True
    """

    def __init__(self, seed: int | str | devices.device | None = None, device: DeviceLike = "cpu"):
        if isinstance(seed, str | devices.device):
            seed, device = None, seed
        check_cpu(device, "Generator")
        self.device = devices.device(device)
        self._lock = threading.Lock()
        self.manual_seed(secrets.randbits(64) if seed is None else seed)

    def seed(self) -> int:
        """Start again from a seed that the operating system draws; return that seed."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`; return the generator."""
        self._seed = int(seed)
        self._source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed % 2**64)))
        return self

    def initial_seed(self) -> int:
        """Return the seed that the generator last started from."""
        return self._seed

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    def get_state(self) -> dict[str, Any]:
        """Return the state as a dict of plain values, for `set_state`."""
        return {"seed": self._seed, **self._source.bit_generator.state}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `get_state` returned."""
        self._seed = state["seed"]
        self._source.bit_generator.state = {key: value for key, value in state.items() if key != "seed"}

    def swap_source(self, source: Any) -> Any:
        """Draw from another NumPy generator from now on; return the one before."""
        with self._lock:
            source, self._source = self._source, source
        return source

    @effect
    def random(self, shape: ShapeLike, dtype: FloatType = np.float32) -> Array:
        """Return uniform numbers in [0, 1)."""
        with self._lock:
            return np.asarray(self._source.random(shape, dtype))

    @effect
    def normal(self, shape: ShapeLike, dtype: FloatType = np.float32) -> Array:
        """Return numbers of mean 0 and standard deviation 1."""
        with self._lock:
            return np.asarray(self._source.standard_normal(shape, dtype))

    @effect
    def integers(self, low: int, high: int, shape: ShapeLike) -> Array:
        """Return integers (int64) from `low` to `high` - 1."""
        with self._lock:
            return np.asarray(self._source.integers(low, high, shape))

    @effect
    def permutation(self, n: int) -> Array:
        """Return the integers from 0 to `n` - 1 in random order."""
        with self._lock:
            return np.asarray(self._source.permutation(n))

    def draw(self, distribution: str, *parameters: Any) -> Array:
        """Return numbers from a distribution that NumPy's generator has a method for, such as 'poisson'."""
        with self._lock:
            return np.asarray(getattr(self._source, distribution)(*parameters))



default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that initialisation, dropout and random tensors draw from; return it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> _ = ag.manual_seed(0)
    >>> x = ag.rand(2)
    >>> _ = ag.manual_seed(0)
    >>> bool((ag.rand(2) == x).all())
    True
    """
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """Return the seed of the default generator.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> generator = ag.manual_seed(7)
    >>> ag.initial_seed()
    7
    """
    return default_generator.initial_seed()


def seed() -> int:
    """Seed the default generator from the operating system; return the seed.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> isinstance(ag.seed(), int)
    True
    """
    return default_generator.seed()


def get_rng_state() -> dict[str, Any]:
    """Return the state of the default generator (a dict of plain values), for `set_rng_state`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> state = ag.get_rng_state()
    >>> x = ag.rand(2)
    >>> ag.set_rng_state(state)
    >>> bool((ag.rand(2) == x).all())
    True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Mapping[str, Any]) -> None:
    """Continue the default generator from a state that `get_rng_state` returned.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> state = ag.get_rng_state()
    >>> first = ag.rand(2)
    >>> ag.set_rng_state(state)
    >>> ag.equal(ag.rand(2), first)
    True
    """
    default_generator.set_state(new_state)


_Draw = TypeVar("_Draw", bound=Callable[..., Any])


def sampled(draw: _Draw) -> _Draw:
    """Let a function that draws random numbers be called for each sample inside `vmap`."""

    @functools.wraps(draw)
    def drawn(*args: Any, **settings: Any) -> Any:
        return draw(*args, **settings) if state.sampler is None else state.sampler(draw, args, settings)

    return cast(_Draw, drawn)


@primitive(results="out mask")
def _dropout(x: Array, seed: Array, *, p: float) -> tuple[Array, Array]:
    """Return `x` with some elements 0 and the others scaled, and which they are, as `seed` says."""
    return kernels.dropout(x, p=p, seed=int(seed))


@primitive
def _dropout_apply(g: Array, mask: Array, *, p: float) -> Array:
    return kernels.dropout_apply(g, mask, p=p)


_dropout.defvjp(x=lambda g, mask, p: _dropout_apply(g, mask, p=p))
_dropout_apply.defvjp(g=lambda h, mask, p: _dropout_apply(h, mask, p=p))


def dropout(x: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None) -> Tensor:
    """Set each element to 0 with probability `p` and divide the others by ``1 - p``; without `training` return `x`.

    Parameters
    ----------
    x : Tensor
    p : float
        From 0 to 1.
    training : bool
    generator : Generator, optional
        The default generator where it is not given.

    References
    ----------
    N. Srivastava et al., "Dropout", JMLR 15 (2014) 1929-1958.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.dropout(ag.ones(3), p=0.5, training=False)
    tensor([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout(): p must be from 0 to 1 (p={p})")
    if not training or p == 0:
        return x
    if x.dtype.kind != "f":
        raise RuntimeError(f"dropout(): expects a floating-point tensor (dtype={x.dtype})")
    out, _ = _dropout(x, (generator or default_generator).integers(0, 2**63 - 1, ()), p=p)
    return out


def _shape(size: tuple[Any, ...], operation: str) -> Shape:
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{operation}(): sizes must not be negative (size={shape})")
    return shape


@sampled
def rand(
    *size: ShapeLike,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of uniform numbers in [0, 1), float32 by default; both parts of complex ones.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.rand(2, 3)
    >>> x.shape, bool(((x >= 0) & (x < 1)).all())
    ((2, 3), True)
    """
    chosen: np.dtype[Any] = np.dtype(dtype or get_default_dtype())
    source, shape = generator or default_generator, _shape(size, "rand")
    if chosen.kind == "c":
        values = source.random((*shape, 2), real_of(chosen).type).view(chosen)[..., 0]
        return _made(values, device, requires_grad, "rand")
    return _made(source.random(shape, chosen.type), device, requires_grad, "rand")


@sampled
def randn(
    *size: ShapeLike,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of normal numbers of mean 0 and standard deviation 1, float32 by default.

    Complex ones have parts of variance 1/2.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.randn(2, 3).shape
    (2, 3)
    """
    chosen: np.dtype[Any] = np.dtype(dtype or get_default_dtype())
    source, shape = generator or default_generator, _shape(size, "randn")
    if chosen.kind == "c":  # of variance 1, half of it in each part
        drawn = source.normal((*shape, 2), real_of(chosen).type) * real_of(chosen).type(math.sqrt(0.5))
        return _made(drawn.view(chosen)[..., 0], device, requires_grad, "randn")
    return _made(source.normal(shape, chosen.type), device, requires_grad, "randn")


@sampled
def randint(
    low: int,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of integers from `low` (0 where only two arguments are given) to `high` - 1, int64 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.randint(0, 10, (100,))
    >>> x.dtype, bool(((x >= 0) & (x < 10)).all())
    (dtype('int64'), True)
    """
    low, high, size = (0, low, high) if size is None else (low, high, size)
    if high <= low:
        raise RuntimeError(f"randint(): high must be greater than low (low={low}, high={high})")
    values = (generator or default_generator).integers(low, high, tuple(size))
    return _made(values.astype(dtype or np.int64, copy=False), device, requires_grad, "randint")


@sampled
def randperm(
    n: int, *, generator: Generator | None = None, dtype: DTypeLike | None = None, device: DeviceLike = None
) -> Tensor:
    """Return the integers from 0 to `n` - 1 in random order, int64 by default.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.randperm(5).sort()[0]
    tensor([0, 1, 2, 3, 4])
    """
    if n < 0:
        raise RuntimeError(f"randperm(): n must not be negative (n={n})")
    values = (generator or default_generator).permutation(n)
    return _made(values.astype(dtype or np.int64, copy=False), device, False, "randperm")


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return uniform numbers in [0, 1) in the shape and dtype of a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.rand_like(ag.zeros(2, 3)).shape
    (2, 3)
    """
    return rand(
        input.array.shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal numbers in the shape and dtype of a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.randn_like(ag.zeros(2, 3)).shape
    (2, 3)
    """
    return randn(
        input.array.shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return integers from `low` (0 where one bound is given) to `high` - 1 in the shape and dtype of a tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.randint_like(ag.zeros(3), 5).shape
    (3,)
    """
    low, high = (0, low) if high is None else (low, high)
    return randint(
        low,
        high,
        input.array.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


@sampled
def normal(
    mean: TensorLike = 0.0,
    std: TensorLike = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return normal numbers with the given means and standard deviations.

    Parameters
    ----------
    mean, std : number or Tensor
        Broadcast together; the result has their dtype.
    size : sequence of int, optional
        Where both are numbers.
    generator : Generator, optional
    dtype : NumPy dtype, optional
    device : str or device, optional
    requires_grad : bool

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.normal(0.0, 1.0, (2, 3)).shape
    (2, 3)
    """
    for given in (mean, std):
        note_read(given, "normal()")
    means, deviations = (x.array if isinstance(x, Variable) else np.asarray(x) for x in (mean, std))
    dtypes = [x.dtype for x, value in ((means, mean), (deviations, std)) if isinstance(value, Variable | np.ndarray)]
    if dtype is None:
        dtype = np.result_type(*dtypes) if dtypes else get_default_dtype()
    dtype = np.dtype(dtype)
    if dtype.kind != "f" or means.dtype.kind not in "fiub" or deviations.dtype.kind not in "fiub":
        raise TypeError(f"normal(): expects floating-point means and deviations (mean: {means.dtype}, "
                        f"std: {deviations.dtype}, dtype={dtype})")
    shape = np.broadcast_shapes(means.shape, deviations.shape) if size is None else _shape((size,), "normal")
    if np.any(np.less(deviations, 0)):
        raise RuntimeError(f"normal(): std must not be negative (std={deviations})")
    drawn: FloatType = np.float64 if dtype == np.float64 else np.float32
    draws = (generator or default_generator).normal(shape, drawn)
    return _made(np.asarray(draws * deviations + means, dtype), device, requires_grad, "normal")


@sampled
def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Return 1 with the probability that each element says (or `p`) and 0 otherwise, in the dtype of `input`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.bernoulli(ag.tensor([0.0, 1.0, 1.0]))
    tensor([0., 1., 1.])
    """
    note_read(input if p is None else p, "bernoulli()")
    chance = input.array if p is None else p
    if np.size(chance) and not (np.min(chance) >= 0 and np.max(chance) <= 1):
        raise RuntimeError(
            f"bernoulli(): probabilities must be from 0 to 1 (smallest {np.min(chance)}, largest {np.max(chance)})"
        )
    draws = (generator or default_generator).random(input.array.shape, np.float64)
    return _made((draws < chance).astype(input.dtype), None, False, "bernoulli")


@sampled
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return a draw from the Poisson distribution of each rate, in the dtype of `input`; not differentiable.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.poisson(ag.tensor([0.0, 1e6])).log10().round(decimals=1)
    tensor([-inf,   6.])
    """
    note_read(input, "poisson()")
    rates = input.array
    if rates.dtype.kind != "f" or (rates.size and not (np.min(rates) >= 0 and np.max(rates) <= _LARGEST_RATE)):
        smallest, largest = (np.min(rates), np.max(rates)) if rates.size else (0, 0)
        raise RuntimeError(f"poisson(): rates must be floats from 0 to {_LARGEST_RATE:.2g} (dtype={rates.dtype}, "
                           f"smallest {smallest}, largest {largest})")
    draws = (generator or default_generator).draw("poisson", rates)
    return _made(draws.astype(input.dtype), None, False, "poisson")


@sampled
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Return the indices of `num_samples` draws from each row of weights, which need not sum to 1.

    Parameters
    ----------
    input : Tensor of shape (C,) or (N, C)
    num_samples : int
    replacement : bool
        Whether an index can be drawn again.

    Returns
    -------
    Tensor of shape (num_samples,) or (N, num_samples), int64

    Notes
    -----
    Without replacement the largest keys ``log(u) / weight`` win (Efraimidis and Spirakis 2006).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.multinomial(ag.tensor([0.0, 1.0, 0.0]), 1)  # all weight is on place 1
    tensor([1])
    """
    note_read(input, "multinomial()")
    weights = np.atleast_2d(input.array).astype(np.float64)
    source = generator or default_generator
    if input.ndim not in (1, 2) or not np.isfinite(weights).all() or (weights < 0).any() or (weights.sum(1) <= 0).any():
        raise RuntimeError(
            f"multinomial(): each row needs finite weights >= 0 with a positive sum (input.shape={input.shape})"
        )
    if replacement:
        ends = weights.cumsum(1)
        draws = source.random((len(weights), num_samples), np.float64) * ends[:, -1:]
        indices = np.stack([np.searchsorted(row, u, side="right") for row, u in zip(ends, draws)])
    else:
        if num_samples > (weights > 0).sum(1).min():
            raise RuntimeError(
                "multinomial(): without replacement there must be as many weights above 0 as draws "
                f"(num_samples={num_samples}, input.shape={input.shape})"
            )
        draws = source.random(weights.shape, np.float64)
        with np.errstate(divide="ignore"):
            keys = np.log(draws) / weights
        indices = np.argsort(-keys, 1, kind="stable")[:, :num_samples]
    return wrap(indices[0] if input.ndim == 1 else indices)
