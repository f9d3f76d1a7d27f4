"""Random numbers from one seedable generator, random tensors, dropout."""

import secrets
import threading

import numpy as np

from .. import devices
from ..engine import get_default_dtype, primitive, wrap
from ..kernels import elementwise as kernels
from .creation import _made

__all__ = [
    "Generator", "bernoulli", "default_generator", "dropout", "get_rng_state", "initial_seed", "manual_seed",
    "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "seed",
    "set_rng_state",
]  # fmt: skip


class Generator:
    """A source of random numbers: NumPy's PCG64 behind a lock.

    Parameters
    ----------
    seed : int, optional
        Drawn from the operating system where it is not given.
    device : optional
        Only the CPU.
    """

    def __init__(self, seed=None, device="cpu"):
        if isinstance(seed, str | devices.device):
            seed, device = None, seed
        self.device = devices.device(device)
        self._lock = threading.Lock()
        self.manual_seed(secrets.randbits(64) if seed is None else seed)

    def seed(self):
        """Start again from a seed that the operating system draws; return that seed."""
        return self.manual_seed(secrets.randbits(64)).initial_seed()

    def manual_seed(self, seed):
        """Start again from `seed`; return the generator."""
        self._seed = int(seed)
        self._source = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed % 2**64)))
        return self

    def initial_seed(self):
        """Return the seed that the generator last started from."""
        return self._seed

    def get_state(self):
        """Return the state as a dict of plain values, for `set_state`."""
        return {"seed": self._seed, **self._source.bit_generator.state}

    def set_state(self, state):
        """Continue from a state that `get_state` returned."""
        self._seed = state["seed"]
        self._source.bit_generator.state = {key: value for key, value in state.items() if key != "seed"}

    def random(self, shape, dtype=np.float32):
        """Return uniform numbers in [0, 1)."""
        with self._lock:
            return np.asarray(self._source.random(shape, dtype))

    def normal(self, shape, dtype=np.float32):
        """Return numbers of mean 0 and standard deviation 1."""
        with self._lock:
            return np.asarray(self._source.standard_normal(shape, dtype))

    def integers(self, low, high, shape):
        """Return integers (int64) from `low` to `high` - 1."""
        with self._lock:
            return np.asarray(self._source.integers(low, high, shape))

    def permutation(self, n):
        """Return the integers from 0 to `n` - 1 in random order."""
        with self._lock:
            return self._source.permutation(n)


default_generator = Generator()


def manual_seed(seed):
    """Seed the generator that initialisation, dropout and random tensors draw from; return it."""
    return default_generator.manual_seed(seed)


def initial_seed():
    """Return the seed of the default generator."""
    return default_generator.initial_seed()


def seed():
    """Seed the default generator from the operating system; return the seed."""
    return default_generator.seed()


def get_rng_state():
    """Return the state of the default generator (a dict of plain values), for `set_rng_state`."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continue the default generator from a state that `get_rng_state` returned."""
    default_generator.set_state(new_state)


@primitive(residuals=True)
def _dropout(x, *, p, seed):
    out, mask = kernels.dropout(x, p=p, seed=seed)
    return out, (mask,)


@primitive
def _dropout_apply(g, mask, *, p):
    return kernels.dropout_apply(g, mask, p=p)


_dropout.defvjp(lambda g, out, x, p, seed, residuals: _dropout_apply(g, residuals[0], p=p))
_dropout_apply.defvjp(lambda h, out, g, mask, p: _dropout_apply(h, mask, p=p), None)


def dropout(x, p=0.5, training=True, generator=None):
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
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout(): p must be from 0 to 1 (p={p})")
    if not training or p == 0:
        return x
    if x.dtype.kind != "f":
        raise RuntimeError(f"dropout(): expects a floating-point tensor (dtype={x.dtype})")
    return _dropout(x, p=p, seed=int((generator or default_generator).integers(0, 2**63 - 1, ())))


def _drawn(array, device, requires_grad):
    return _made(array, device, requires_grad, "random")


def _shape(size, operation):
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size
    if any(n < 0 for n in shape):
        raise RuntimeError(f"{operation}(): sizes must not be negative (size={shape})")
    return shape


def rand(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Return a tensor of uniform numbers in [0, 1), float32 by default."""
    dtype = np.dtype(dtype or get_default_dtype()).type
    return _drawn((generator or default_generator).random(_shape(size, "rand"), dtype), device, requires_grad)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Return a tensor of normal numbers of mean 0 and standard deviation 1, float32 by default."""
    dtype = np.dtype(dtype or get_default_dtype()).type
    return _drawn((generator or default_generator).normal(_shape(size, "randn"), dtype), device, requires_grad)


def randint(low, high=None, size=None, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Return a tensor of integers from `low` (0 where only two arguments are given) to `high` - 1, int64 by default."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise RuntimeError(f"randint(): high must be greater than low (low={low}, high={high})")
    values = (generator or default_generator).integers(low, high, tuple(size))
    return _drawn(values.astype(dtype or np.int64, copy=False), device, requires_grad)


def randperm(n, *, generator=None, dtype=None, device=None):
    """Return the integers from 0 to `n` - 1 in random order, int64 by default."""
    if n < 0:
        raise RuntimeError(f"randperm(): n must not be negative (n={n})")
    values = (generator or default_generator).permutation(n)
    return _drawn(values.astype(dtype or np.int64, copy=False), device, False)


def rand_like(input, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Return uniform numbers in [0, 1) in the shape and dtype of a tensor."""
    return rand(
        input.shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def randn_like(input, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Return normal numbers in the shape and dtype of a tensor."""
    return randn(
        input.shape, generator=generator, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def randint_like(input, low, high=None, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Return integers from `low` (0 where one bound is given) to `high` - 1 in the shape and dtype of a tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(
        low,
        high,
        input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


def normal(mean=0.0, std=1.0, size=None, *, generator=None):
    """Return normal numbers with the given means and standard deviations.

    Parameters
    ----------
    mean, std : number or Tensor
        Broadcast together.
    size : sequence of int, optional
        Where both are numbers.
    """
    mean, std = (getattr(x, "data", x) for x in (mean, std))
    if size is None:
        size = np.broadcast_shapes(np.shape(mean), np.shape(std))
    if np.any(np.less(std, 0)):
        raise RuntimeError(f"normal(): std must not be negative (std={std})")
    draws = (generator or default_generator).normal(tuple(size), get_default_dtype().type)
    return wrap(np.asarray(draws * std + mean, get_default_dtype()))


def bernoulli(input, p=None, *, generator=None):
    """Return 1 with the probability that each element says (or `p`) and 0 otherwise, in the dtype of `input`."""
    chance = input.data if p is None else p
    if np.size(chance) and not (np.min(chance) >= 0 and np.max(chance) <= 1):
        raise RuntimeError(
            f"bernoulli(): probabilities must be from 0 to 1 (smallest {np.min(chance)}, largest {np.max(chance)})"
        )
    draws = (generator or default_generator).random(input.shape, np.float64)
    return _made((draws < chance).astype(input.dtype), None, False, "bernoulli")


def multinomial(input, num_samples, replacement=False, *, generator=None):
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
    """
    weights = np.atleast_2d(input.data).astype(np.float64)
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
