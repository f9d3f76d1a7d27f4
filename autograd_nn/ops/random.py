"""Random numbers from one seedable generator, random tensors, dropout."""

import threading

import numpy as np

from ..engine import DEFAULT_DTYPE, primitive, wrap

__all__ = ["Generator", "default_generator", "dropout", "initial_seed", "manual_seed"]


class Generator:
    """A source of random numbers: NumPy's PCG64 behind a lock.

    Parameters
    ----------
    seed : int, optional
        Drawn from the operating system where it is not given.
    """

    def __init__(self, seed=None):
        self._lock = threading.Lock()
        self.manual_seed(np.random.SeedSequence().entropy % 2**64 if seed is None else seed)

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


@primitive
def _mask(x, mask, *, scale):
    return np.multiply(x, mask) * x.dtype.type(scale)


_mask.defvjp(lambda g, out, x, mask, scale: _mask(g, mask, scale=scale), None)


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
    source = generator or default_generator
    keep = source.random(x.shape) >= p
    return _mask(x, keep, scale=0.0 if p == 1 else 1 / (1 - p))


def _drawn(array, requires_grad):
    out = wrap(array)
    if requires_grad:
        out.requires_grad = True
    return out


def _shape(size):
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], tuple | list) else size


def rand(*size, generator=None, dtype=DEFAULT_DTYPE, requires_grad=False):
    """Return a tensor of uniform numbers in [0, 1)."""
    return _drawn((generator or default_generator).random(_shape(size), np.dtype(dtype).type), requires_grad)


def randn(*size, generator=None, dtype=DEFAULT_DTYPE, requires_grad=False):
    """Return a tensor of normal numbers of mean 0 and standard deviation 1."""
    return _drawn((generator or default_generator).normal(_shape(size), np.dtype(dtype).type), requires_grad)


def randint(low, high=None, size=None, *, generator=None, dtype=np.int64):
    """Return a tensor of integers from `low` (0 where only two arguments are given) to `high` - 1."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise RuntimeError(f"randint(): high must be greater than low (low={low}, high={high})")
    return wrap((generator or default_generator).integers(low, high, tuple(size)).astype(dtype))


def randperm(n, *, generator=None):
    """Return the integers from 0 to `n` - 1 (int64) in random order."""
    return wrap((generator or default_generator).permutation(n))
