"""Call public operations with arguments drawn at random, odd ones among them.

``python -m tests.robustness.operations --calls 100000`` ends with an error where a call does not return in seconds,
takes more memory than its arguments explain, raises something else than an error of the usual kinds, or gives a result
that depends on how its arrays lie in memory: the same call with plain copies must give the same numbers, whatever the
strides, byte order and alignment, and read-only or not. As many calls of `exactness` follow, compared with float64. A
crash of the interpreter ends the command itself. With ``AUTOGRAD_NN_BOUNDSCHECK=1`` the kernels check each index.
"""

import argparse
import collections
import inspect
import random
import re
import resource
import signal
import sys
import traceback
import warnings

import numpy as np

import autograd_nn as ag

from . import exactness

SECONDS = 60  # a first call compiles its kernel
MEMORY = 6 * 2**30
ERRORS = (
    ValueError,
    TypeError,
    RuntimeError,
    IndexError,
    NotImplementedError,
    KeyError,
    ZeroDivisionError,
    OverflowError,
)
FOREIGN = re.compile(r"\b(x|y|input|weight|bias): >[fi]\d")  # an error that names a dtype of foreign byte order
BOUNDS = "index is out of bounds"  # what a kernel compiled with AUTOGRAD_NN_BOUNDSCHECK=1 says


class Foreign(Exception):
    """Stands for an error whose cause is the byte order of a plain array."""


SHAPES = [
    (),
    (0,),
    (1,),
    (3,),
    (4,),
    (2, 3),
    (3, 2),
    (3, 3),
    (0, 3),
    (3, 0),
    (1, 3),
    (2, 3, 4),
    (2, 0, 4),
    (2, 3, 5, 5),
    (4, 3, 3, 3),
    (3, 1, 2, 2),
    (2, 3, 1, 1),
    (1, 0, 4, 4),
    (0, 3, 5, 5),
    (2, 3, 2, 2, 2),
    (1,) * 9,
]
DTYPES = (
    ["f4"] * 8 + ["f8"] * 3 + ["i8"] * 3 + ["f2", "i4", "u1", "?", "i2", ">f4", ">f8", ">i8", "O", "c8", "U1", "m8[s]"]
)
SETTINGS = [
    -3,
    -2,
    -1,
    0,
    1,
    2,
    3,
    5,
    0.5,
    -0.5,
    1e-5,
    float("nan"),
    float("inf"),
    True,
    False,
    None,
    "mean",
    "sum",
    "none",
    "x",
    (),
    (1,),
    (0, 1),
    (2, 2),
    (-1, 0),
    (1, 1, 1, 1),
    [3],
    "same",
    "constant",
    np.dtype("f8"),
    "ij,jk->ik",
]
LEFT_OUT = {
    "backward",
    "empty",
    "empty_like",
    "from_dlpack",
    "from_numpy",
    "grad",
    "elementwise",
    "is_grad_enabled",
    "load",
    "manual_seed",
    "primitive",
    "save",
    "set_grad_enabled",
    "set_num_threads",
    "Generator",
    "Tensor",
    "no_grad",
    "enable_grad",
    "inference_mode",
    "device",
    "initial_seed",
    "get_num_threads",
    "is_tensor",
}


def operations():
    """Return the public functions by name."""
    found = {}
    for module, prefix in ((ag, ""), (ag.nn.functional, "nn.functional.")):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type) and name not in LEFT_OUT:
                found[prefix + name] = value
    return found


def drawn_array(chance, shape):
    """Return an array of odd type, values and memory."""
    dtype = np.dtype(chance.choice(DTYPES))
    generator = np.random.default_rng(chance.getrandbits(32))
    if dtype.kind in "iu":
        array = generator.integers(0, 4, shape).astype(dtype)
    elif dtype.kind in "Om":
        array = np.zeros(shape, dtype)
    else:
        array = np.asarray(generator.standard_normal(shape) * chance.choice([1, 1, 1, 0, 1e3, 1e35])).astype(dtype)
    if dtype.kind == "f" and array.size and chance.random() < 0.2:
        array[np.unravel_index(chance.randrange(array.size), shape)] = chance.choice([np.nan, np.inf, -np.inf])
    kind = chance.randrange(8)
    if kind == 0:
        array.flags.writeable = False
    elif kind == 1:
        array = np.asfortranarray(array)
    elif kind == 2 and array.ndim:
        array = np.repeat(array, 2, 0)[::2]
    elif kind == 3 and array.ndim:
        array = array[::-1]
    elif kind == 4 and array.ndim:
        array = np.broadcast_to(array[:1], array.shape) if len(array) else array
    elif kind == 5 and dtype.kind in "fi":
        unaligned = np.frombuffer(bytearray(array.nbytes + 1), np.uint8)[1:].view(dtype).reshape(shape)
        unaligned[...] = array
        array = unaligned
    return array


def drawn_arguments(chance, function):
    """Return positional and keyword arguments that fit the signature in number, and often in kind."""
    shape = chance.choice(SHAPES)
    positional, keywords = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [drawn_value(chance, shape, 0.5) for _ in range(chance.randrange(3))]
        elif parameter.default is parameter.empty:
            value = drawn_value(chance, shape, 0.95)
            if parameter.kind is parameter.KEYWORD_ONLY:
                keywords[name] = value
            else:
                positional.append(value)
        elif chance.random() < 0.3:
            keywords[name] = drawn_value(chance, shape, 0.25)
    return positional, keywords


def drawn_value(chance, shape, arrays):
    """Return an array, a list of arrays or a setting."""
    if chance.random() > arrays:
        return chance.choice(SETTINGS)
    if chance.random() < 0.4:
        shape = chance.choice(SHAPES)
    if chance.random() < 0.1:
        return [drawn_array(chance, shape) for _ in range(chance.randrange(3))]
    return drawn_array(chance, shape)


def tensors(value, plain):
    """Return arguments with arrays made tensors, of contiguous native copies where `plain` says so.

    Arrays that cannot be written stay arrays, which operations take as well.
    """
    if isinstance(value, list):
        return [tensors(item, plain) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    stays = not value.flags.writeable
    if plain:
        value = np.array(value, value.dtype.newbyteorder("="), order="C")
    if stays:
        return value
    x = ag.Tensor(value)
    return x.requires_grad_() if x.dtype.kind == "f" else x


def result(function, positional, keywords, plain):
    """Call a function and, where it can be, the backward pass; return the arrays of both, or the error."""
    ag.manual_seed(0)
    try:
        given = [tensors(value, plain) for value in positional]
        out = function(*given, **{name: tensors(value, plain) for name, value in keywords.items()})
        arrays = [x.array for x in flat(out)]
        total = [x.sum() for x in flat(out) if x.requires_grad]
        if total:
            sum(total[1:], total[0]).backward()
            arrays += [x.grad.array for x in flat(given) if x.is_leaf and x.grad is not None]
    except ERRORS as error:
        if not str(error) or str(error) == BOUNDS:
            raise
        return Foreign if FOREIGN.search(str(error)) else type(error)
    except AttributeError as error:
        if "object has no attribute" not in str(error):
            raise
        return AttributeError  # something of another kind where a tensor or a generator belongs
    return arrays


def flat(value):
    """Return the tensors in nested lists and tuples."""
    if isinstance(value, ag.Tensor):
        return [value]
    return [x for item in value for x in flat(item)] if isinstance(value, list | tuple) else []


def agree(a, b):
    """Return whether two results are the same, up to rounding (another layout may be summed in another order)."""
    if isinstance(a, type) or isinstance(b, type):
        return a is Foreign or (isinstance(a, type) and isinstance(b, type))
    return len(a) == len(b) and all(
        x.shape == y.shape and x.dtype == y.dtype and np.allclose(x, y, 1e-2, 1e-3, equal_nan=True)
        for x, y in zip(a, b)
    )


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--compared", type=int, help="how many calls are compared with float64; by default as many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="a part of the names of the operations to call")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    chosen = {name: f for name, f in operations().items() if not options.only or options.only in name}
    chance = random.Random(options.seed)
    counts, found = collections.Counter(), collections.Counter()
    for i in range(options.calls):
        name = chance.choice(list(chosen))
        seed = chance.getrandbits(40)
        positional, keywords = drawn_arguments(random.Random(seed), chosen[name])
        signal.alarm(SECONDS)
        try:
            odd, plain = (result(chosen[name], positional, keywords, plain) for plain in (False, True))
            counts[odd.__name__ if isinstance(odd, type) else "results"] += 1
            problem = "" if agree(odd, plain) else f"depends on the memory of its arrays: {odd} and {plain}"
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        signal.alarm(0)
        if problem:
            found[name] += 1
            if found[name] == 1:
                print(
                    f"call {i}: {name}: {problem[:400]}\n    {described(positional)} {described(keywords)}", flush=True
                )
    print(
        f"{options.calls} calls of {len(chosen)} operations: {counts.pop('results', 0)} results, {dict(counts)}, "
        f"{sum(found.values())} problems in {len(found)} operations"
    )
    silent = compared_calls(options)
    return 1 if found or silent else 0


def compared_calls(options):
    """Compare calls with float64; return how many differ silently."""
    count = options.calls if options.compared is None else options.compared
    chance = random.Random(options.seed)
    counts, silent = collections.Counter(), 0
    for _ in range(count):
        given, problem = exactness.compared(random.Random(chance.getrandbits(40)), options.only or "")
        if problem and not exactness.known(given, problem):
            silent += 1
            print(f"{exactness.described(given)}\n    {problem}", flush=True)
        counts["ended in an error" if problem is None else "meant" if problem else "agree"] += 1
    if count:
        print(f"{count} calls of {len(exactness.EXPRESSIONS)} expressions compared with float64"
              f"{' and PyTorch' if exactness.torch else ''}: {dict(counts)}, {silent} silent differences")
    return silent


def described(value):
    """Return arguments with arrays shown by dtype, shape and strides."""
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(described, value))
    return f"<{value.dtype} {value.shape} {value.strides}>" if isinstance(value, np.ndarray) else value


if __name__ == "__main__":
    sys.exit(main())
