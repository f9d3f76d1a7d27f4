"""The array API standard (2024.12), function by function, against NumPy, which follows it.

Each row calls a function with arrays of one or more kinds; the result must have NumPy's values, shape and dtype (of
floats, the dtype of the standard: Python floats alone make this package's default, float32). What is left out stands in
`SKIPPED`, with the reason.
"""

import inspect
import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import array_api as xp
from autograd_nn import grad

SKIPPED = {
    "complex numbers": ("conj", "imag", "real"),  # until tensors of complex numbers have them
    "extensions, which are optional": ("linalg", "fft"),  # autograd_nn.linalg and autograd_nn.fft have PyTorch's names
}
FLOATS = (np.float32, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
NUMBERS = FLOATS + INTEGERS
BOOL = (np.bool_,)

NAMES = """
arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril triu zeros
zeros_like astype broadcast_arrays broadcast_to can_cast finfo iinfo isdtype result_type abs acos acosh add asin asinh
atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert bitwise_or bitwise_right_shift bitwise_xor ceil clip conj
copysign cos cosh divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan less
less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply
negative nextafter not_equal positive pow real reciprocal remainder round sign signbit sin sinh square sqrt subtract tan
tanh trunc take take_along_axis matmul matrix_transpose tensordot vecdot concat expand_dims flip moveaxis permute_dims
repeat reshape roll squeeze stack tile unstack argmax argmin count_nonzero nonzero searchsorted where unique_all
unique_counts unique_inverse unique_values argsort sort cumulative_prod cumulative_sum max mean min prod std sum var all
any diff linalg fft
"""
STANDARD = NAMES.split()


def drawn(dtype, *shape, seed=0):
    """Return numbers of a dtype: floats around 0 with NaN and infinities left out, small integers, booleans."""
    generator = np.random.default_rng([seed, *shape])
    kind = np.dtype(dtype).kind
    if kind == "b":
        return generator.random(shape) < 0.5
    if kind == "f":
        return (generator.standard_normal(shape) * 2).astype(dtype)
    return generator.integers(0 if kind == "u" else -9, 10, shape).astype(dtype)


def plain(value):
    """Return nested results with tensors as arrays."""
    if isinstance(value, ag.Tensor):
        return value.detach().numpy()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def same(found, expected, tolerance=None):
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for x, y in zip(found, expected):
            same(x, y)
        return
    if isinstance(expected, np.ndarray | np.generic):
        assert isinstance(found, np.ndarray) and found.shape == expected.shape
        assert found.dtype == expected.dtype
        if expected.dtype.kind == "f":
            wide = 1e-5 if expected.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(found, expected, rtol=wide, atol=wide)
        else:
            np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


UNARY = {
    "abs": NUMBERS, "acos": FLOATS, "acosh": FLOATS, "asin": FLOATS, "asinh": FLOATS, "atan": FLOATS, "atanh": FLOATS,
    "bitwise_invert": INTEGERS + BOOL, "ceil": NUMBERS, "cos": FLOATS, "cosh": FLOATS, "exp": FLOATS, "expm1": FLOATS,
    "floor": NUMBERS, "isfinite": NUMBERS, "isinf": NUMBERS, "isnan": NUMBERS, "log": FLOATS, "log1p": FLOATS,
    "log2": FLOATS, "log10": FLOATS, "logical_not": BOOL, "negative": NUMBERS, "positive": NUMBERS,
    "reciprocal": FLOATS, "round": NUMBERS, "sign": NUMBERS, "signbit": FLOATS, "sin": FLOATS, "sinh": FLOATS,
    "sqrt": FLOATS, "square": NUMBERS, "tan": FLOATS, "tanh": FLOATS, "trunc": NUMBERS,
}  # fmt: skip
BINARY = {
    "add": NUMBERS, "atan2": FLOATS, "bitwise_and": INTEGERS + BOOL, "bitwise_or": INTEGERS + BOOL,
    "bitwise_xor": INTEGERS + BOOL, "bitwise_left_shift": INTEGERS, "bitwise_right_shift": INTEGERS,
    "copysign": FLOATS, "divide": FLOATS, "equal": NUMBERS + BOOL, "floor_divide": NUMBERS, "greater": NUMBERS,
    "greater_equal": NUMBERS, "hypot": FLOATS, "less": NUMBERS, "less_equal": NUMBERS, "logaddexp": FLOATS,
    "logical_and": BOOL, "logical_or": BOOL, "logical_xor": BOOL, "maximum": NUMBERS, "minimum": NUMBERS,
    "multiply": NUMBERS, "nextafter": FLOATS, "not_equal": NUMBERS + BOOL, "pow": NUMBERS, "remainder": NUMBERS,
    "subtract": NUMBERS,
}  # fmt: skip
POSITIVE_SECOND = {"bitwise_left_shift", "bitwise_right_shift", "floor_divide", "pow", "remainder"}

pytestmark = pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")


def kinds(table):
    return [pytest.param(name, dtype, id=f"{name}-{np.dtype(dtype)}") for name, dtypes in table.items()
            for dtype in dtypes]


@pytest.mark.parametrize(("name", "dtype"), kinds(UNARY))
def test_functions_of_one_array(name, dtype):
    for shape in ((3, 4), (), (0, 2)):
        x = drawn(dtype, *shape)
        same(plain(getattr(xp, name)(ag.Tensor(x))), np.asarray(getattr(np, name)(x)))


@pytest.mark.parametrize(("name", "dtype"), kinds(BINARY))
def test_functions_of_two_arrays_and_of_an_array_and_a_number(name, dtype):
    function, expected = getattr(xp, name), getattr(np, name)
    for left, right in (((3, 4), (3, 4)), ((2, 1, 3), (4, 1)), ((), (2,)), ((), ()), ((0, 3), (3,))):
        x, y = drawn(dtype, *left), drawn(dtype, *right, seed=1)
        if name in POSITIVE_SECOND:
            y = (np.abs(y) % 4 + 1).astype(dtype)
            x = np.abs(x) if name == "pow" else x
        same(plain(function(ag.Tensor(x), ag.Tensor(y))), np.asarray(expected(x, y)))
    number = {"f": 1.5, "b": True}.get(np.dtype(dtype).kind, 2)
    x = np.abs(drawn(dtype, 5)) + (0 if np.dtype(dtype).kind == "b" else np.asarray(1, dtype))
    same(plain(function(ag.Tensor(x), number)), expected(x, number))
    same(plain(function(number, ag.Tensor(x))), expected(number, x))


def pairs_of_one_kind():
    """Return the pairs of dtypes of which the standard says what they make together: no float with an integer, and
    no uint64 with a signed integer.
    """
    pairs = [(first, second) for first in map(np.dtype, NUMBERS) for second in map(np.dtype, NUMBERS)]
    return [pair for pair in pairs if np.result_type(*pair).kind in {dtype.kind for dtype in pair}
            and (np.result_type(*pair).kind == "f") == all(dtype.kind == "f" for dtype in pair)]


@pytest.mark.parametrize(("first", "second"), pairs_of_one_kind(), ids=str)
def test_types_are_promoted_within_their_kind(first, second):
    x, y = drawn(first, 3), drawn(second, 3)
    expected = np.result_type(x, y)
    assert xp.result_type(ag.Tensor(x), ag.Tensor(y)) == expected
    for function in (xp.add, xp.multiply, xp.maximum, lambda x, y: xp.concat([x, y]),
                     lambda x, y: xp.where(x > 0, x, y)):
        assert function(ag.Tensor(x), ag.Tensor(y)).dtype == expected


# ------------------------------------------------------------------------------------ everything else, row by row

def rows(xp, t, dtype):
    """Yield (name, result) of calls with the functions of one namespace; `t` makes its arrays."""
    a, b, v = t(drawn(dtype, 3, 4)), t(drawn(dtype, 2, 3, 4, seed=2)), t(drawn(dtype, 5, seed=3))
    i = t(np.array([2, 0, 2]))
    is_float = np.dtype(dtype).kind == "f"
    yield "astype", [xp.astype(a, xp.float64), xp.astype(a, xp.int32), xp.astype(a, xp.bool)]
    yield "broadcast_arrays", xp.broadcast_arrays(a, b)
    yield "broadcast_to", xp.broadcast_to(a, (2, 3, 4))
    yield "concat", [xp.concat([a, a]), xp.concat([a, a], axis=-1), xp.concat([a, b], axis=None)]
    yield "expand_dims", [xp.expand_dims(a, axis=k) for k in (0, 1, -1, (0, 2))]
    yield "flip", [xp.flip(a), xp.flip(a, axis=0), xp.flip(b, axis=(0, -1))]
    yield "moveaxis", [xp.moveaxis(b, 0, -1), xp.moveaxis(b, (0, 1), (1, 0))]
    yield "permute_dims", xp.permute_dims(b, (2, 0, 1))
    yield "repeat", [xp.repeat(a, 2), xp.repeat(a, 3, axis=1), xp.repeat(a, t(np.array([1, 0, 2])), axis=0)]
    yield "reshape", [xp.reshape(a, (4, 3)), xp.reshape(a, (-1,)), xp.reshape(a, (2, 6), copy=True)]
    yield "roll", [xp.roll(a, 2), xp.roll(a, -1, axis=1), xp.roll(b, (1, 2), axis=(0, 2))]
    yield "squeeze", [xp.squeeze(xp.expand_dims(a, axis=1), 1), xp.squeeze(t(drawn(dtype, 1, 3, 1)), (0, -1))]
    yield "stack", [xp.stack([a, a]), xp.stack([a, a], axis=-1)]
    yield "tile", [xp.tile(a, (2,)), xp.tile(a, (2, 1)), xp.tile(a, (2, 1, 2))]
    yield "unstack", [*xp.unstack(a), *xp.unstack(b, axis=-1)]
    yield "tril", [xp.tril(a), xp.tril(b, k=1)]
    yield "triu", [xp.triu(a), xp.triu(b, k=-1)]
    yield "meshgrid", [*xp.meshgrid(v, v), *xp.meshgrid(v, a[0, ...], indexing="ij")]
    yield "empty_like", [xp.empty_like(a).shape, xp.empty_like(a, dtype=xp.int8).dtype]
    yield "full_like", [xp.full_like(a, 3), xp.full_like(a, 1, dtype=xp.float64)]
    yield "ones_like", [xp.ones_like(a), xp.ones_like(a, dtype=xp.float32)]
    yield "zeros_like", [xp.zeros_like(b), xp.zeros_like(b, dtype=xp.bool)]
    yield "take", [xp.take(a, i, axis=0), xp.take(v, i), xp.take(a, t(np.array([-1, 0])), axis=-1)]
    yield "take_along_axis", [xp.take_along_axis(a, t(np.array([[0, -1], [1, 1], [2, 0]]))),
                              xp.take_along_axis(a, t(np.array([[0, 1, 2, -1]])), axis=0)]  # fmt: skip
    yield "matmul", [xp.matmul(a, xp.matrix_transpose(a)), xp.matmul(b, a[0, ...]), xp.matmul(v, v)]
    yield "matrix_transpose", xp.matrix_transpose(b)
    yield "tensordot", [xp.tensordot(a, b, axes=((0, 1), (1, 2))), xp.tensordot(v, v, axes=0),
                        xp.tensordot(a, a, axes=2)]  # fmt: skip
    yield "vecdot", [xp.vecdot(a, a), xp.vecdot(a, b), xp.vecdot(a, a, axis=-2)]
    for name in ("argmax", "argmin"):
        function = getattr(xp, name)
        yield name, [function(a), function(a, axis=0), function(b, axis=-1, keepdims=True), function(a, keepdims=True)]
    yield "count_nonzero", [xp.count_nonzero(a), xp.count_nonzero(b, axis=(0, 1)),
                            xp.count_nonzero(a, axis=0, keepdims=True)]  # fmt: skip
    yield "nonzero", xp.nonzero(a > 0)
    yield "searchsorted", [xp.searchsorted(xp.sort(v), a), xp.searchsorted(xp.sort(v), v, side="right"),
                           xp.searchsorted(v, v, sorter=xp.argsort(v))]  # fmt: skip
    yield "where", [xp.where(a > 0, a, b), xp.where(a > 0, a, 1), xp.where(a > 0, 1, a)]
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        yield name, list(getattr(xp, name)(a))
    yield "unique_values", xp.sort(xp.unique_values(a))
    yield "argsort", [xp.argsort(a), xp.argsort(a, axis=0)]
    yield "sort", [xp.sort(a), xp.sort(b, axis=0)]
    for name in ("max", "min"):
        function = getattr(xp, name)
        yield name, [function(a), function(a, axis=0), function(b, axis=(0, -1)), function(a, axis=1, keepdims=True)]
    for name in ("sum", "prod"):
        function = getattr(xp, name)
        yield name, [function(a), function(a, axis=0), function(b, axis=(0, -1)), function(a, axis=1, keepdims=True),
                     function(a, dtype=xp.float64), function(a, axis=())]  # fmt: skip
    for name in ("cumulative_sum", "cumulative_prod"):
        function = getattr(xp, name)
        yield name, [function(v), function(a, axis=0), function(a, axis=-1, include_initial=True),
                     function(v, dtype=xp.float64)]  # fmt: skip
    if is_float:
        yield "mean", [xp.mean(a), xp.mean(a, axis=0), xp.mean(b, axis=(0, 2), keepdims=True)]
        for name in ("std", "var"):
            function = getattr(xp, name)
            yield name, [function(a), function(a, axis=0, correction=1), function(b, axis=(0, 2), keepdims=True)]
    yield "all", [xp.all(a), xp.all(a > 0, axis=0), xp.all(a, axis=(0, 1), keepdims=True)]
    yield "any", [xp.any(a), xp.any(a > 0, axis=0), xp.any(a, axis=(0, 1), keepdims=True)]
    yield "diff", [xp.diff(v), xp.diff(a, axis=0, n=2), xp.diff(v, prepend=v[:1], append=v[:2])]
    yield "clip", [xp.clip(a, 1, 3), xp.clip(a, min=2), xp.clip(a, max=2), xp.clip(a, a[0, ...], None), xp.clip(a)]


class Expected:
    """NumPy's functions under the standard's signatures, where NumPy's own differ."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def clip(x, min=None, max=None):  # NumPy wants one bound at least
        return x.copy() if min is None and max is None else np.clip(x, min, max)

    @staticmethod
    def argsort(x, axis=-1):  # NumPy's default is not stable
        return np.argsort(x, axis, stable=True)

    @staticmethod
    def tensordot(x, y, axes=2):
        return np.asarray(np.tensordot(x, y, axes))


def made():
    """Yield (name, result, expected) of what makes arrays of numbers alone."""
    f32 = np.float32
    yield "arange", [xp.arange(5), xp.arange(2, 8, 3), xp.arange(1.0), xp.arange(5, dtype=xp.float64)], [
        np.arange(5), np.arange(2, 8, 3), np.arange(1.0, dtype=f32), np.arange(5.0)]
    yield "asarray", [xp.asarray(3), xp.asarray([1.5, 2]), xp.asarray([[True]]), xp.asarray([1, 2], dtype=xp.uint8),
                      xp.asarray(np.ones(2)), xp.asarray([ag.tensor(1.0), 2.0])], [
        np.asarray(3), np.asarray([1.5, 2], f32), np.asarray([[True]]), np.asarray([1, 2], np.uint8), np.ones(2),
        np.asarray([1, 2], f32)]  # fmt: skip
    yield "empty", [xp.empty((2, 3)).shape, xp.empty(3, dtype=xp.int16).dtype], [(2, 3), np.dtype(np.int16)]
    yield "eye", [xp.eye(2), xp.eye(2, 3, k=1, dtype=xp.int64)], [np.eye(2, dtype=f32), np.eye(2, 3, 1, np.int64)]
    yield "full", [xp.full((2,), 1.5), xp.full(2, True), xp.full((2, 1), 7), xp.full(2, 1, dtype=xp.float64)], [
        np.full(2, 1.5, f32), np.full(2, True), np.full((2, 1), 7), np.full(2, 1.0)]
    yield "linspace", [xp.linspace(0, 1, 5), xp.linspace(0, 1, 4, endpoint=False, dtype=xp.float64)], [
        np.linspace(0, 1, 5, dtype=f32), np.linspace(0, 1, 4, endpoint=False)]
    yield "ones", [xp.ones(2), xp.ones((1, 2), dtype=xp.uint64)], [np.ones(2, f32), np.ones((1, 2), np.uint64)]
    yield "zeros", [xp.zeros((2, 0)), xp.zeros((), dtype=xp.bool)], [np.zeros((2, 0), f32), np.zeros((), bool)]
    yield "can_cast", [xp.can_cast(xp.int8, xp.int32), xp.can_cast(ag.tensor(1.0), xp.int32)], [True, False]
    yield "finfo", [float(xp.finfo(xp.float32).eps), xp.finfo(ag.tensor(1.0)).bits], [2.0**-23, 32]
    yield "iinfo", [xp.iinfo(xp.int16).max, xp.iinfo(ag.tensor(1)).min], [2**15 - 1, -(2**63)]
    yield "isdtype", [xp.isdtype(xp.float32, "real floating"), xp.isdtype(xp.int8, ("unsigned integer", xp.int8)),
                      xp.isdtype(xp.bool, "numeric")], [True, True, False]  # fmt: skip
    yield "result_type", [xp.result_type(xp.int8, xp.uint8), xp.result_type(ag.tensor([1.0]), 2.5)], [
        np.dtype(np.int16), np.dtype(f32)]
    yield "from_dlpack", xp.from_dlpack(np.arange(3)), np.arange(3)


@pytest.mark.parametrize("dtype", [*NUMBERS, np.bool_], ids=lambda dtype: str(np.dtype(dtype)))
def test_the_other_functions(dtype):
    if dtype is np.bool_:
        x = drawn(np.bool_, 3, 4)
        for name in ("all", "any", "flip", "concat", "stack", "nonzero", "sum", "sort", "unique_values"):
            arguments = ([x, x],) if name in ("concat", "stack") else (x,)
            ours = [[ag.Tensor(x), ag.Tensor(x)]] if name in ("concat", "stack") else [ag.Tensor(x)]
            same(plain(getattr(xp, name)(*ours)), plain(getattr(np, name)(*arguments)))
        return
    found = dict(rows(xp, ag.Tensor, dtype))
    for name, expected in rows(Expected(), np.asarray, dtype):
        try:
            same(plain(found[name]), expected if isinstance(expected, list | tuple) else np.asarray(expected))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize(("name", "found", "expected"), list(made()), ids=[row[0] for row in made()])
def test_what_makes_arrays_and_what_is_asked_of_dtypes(name, found, expected):
    same(plain(found), expected)


def test_every_function_of_the_standard_is_there_and_tested():
    left_out = {name for names in SKIPPED.values() for name in names}
    assert not [name for name in STANDARD if not hasattr(xp, name) and name not in left_out]
    assert not [name for name in left_out if hasattr(xp, name)]
    tested = {*UNARY, *BINARY, *(name for name, _ in rows(xp, ag.Tensor, np.float64)), *(row[0] for row in made())}
    assert not set(STANDARD) - left_out - tested
    for name in ("e", "inf", "nan", "newaxis", "pi", "__array_api_version__", "__array_namespace_info__"):
        assert name in xp.__all__
    assert xp.pi == math.pi and xp.e == math.e and xp.newaxis is None and math.isnan(xp.nan) and xp.inf == math.inf


def test_signatures_are_those_of_the_standard():
    strict = pytest.importorskip("array_api_strict")
    for name in STANDARD:
        if not hasattr(xp, name) or not inspect.isfunction(getattr(xp, name)):
            continue
        ours = {p.name: p.kind for p in inspect.signature(getattr(xp, name)).parameters.values()}
        theirs = {p.name: p.kind for p in inspect.signature(getattr(strict, name)).parameters.values()}
        keywords = [n for n, kind in theirs.items() if kind is inspect.Parameter.KEYWORD_ONLY]
        assert set(keywords) <= set(ours), f"{name}: {keywords}"


def test_strict_arrays_agree_on_the_figures():
    strict = pytest.importorskip("array_api_strict")
    for dtype in (np.float64, np.int32):
        found = dict(rows(xp, ag.Tensor, dtype))
        for name, expected in rows(strict, strict.asarray, dtype):
            same(plain(found[name]), _of_strict(expected))


def _of_strict(value):
    if isinstance(value, tuple | list) and not all(isinstance(n, int) for n in value):
        return [_of_strict(item) for item in value]
    if hasattr(value, "__array_namespace__"):
        return np.asarray(value)
    return getattr(value, "_np_dtype", value)


# ------------------------------------------------------------------------------------ the array object


def test_the_namespace_of_a_tensor():
    x = ag.tensor([1.0, 2.0])
    assert x.__array_namespace__() is xp and x.__array_namespace__(api_version="2022.12") is xp
    with pytest.raises(ValueError, match="newest version"):
        x.__array_namespace__(api_version="2099.12")
    info = xp.__array_namespace_info__()
    assert info.default_dtypes()["real floating"] == np.float32 and info.default_device() == ag.device("cpu")
    assert set(info.dtypes(kind="signed integer")) == {"int8", "int16", "int32", "int64"}
    assert info.devices() == [ag.device("cpu")] and info.capabilities()["boolean indexing"]


def test_attributes_and_operators_of_the_standard():
    x, y = ag.tensor([[1, 2, 3], [4, 5, 6]]), ag.tensor([[1, 1, 2], [2, 3, 3]])
    a, b = x.numpy(), y.numpy()
    operators = ("add sub mul floordiv mod pow and or xor lshift rshift lt le gt ge eq ne radd rsub rmul rfloordiv "
                 "rmod rpow rand ror rxor rlshift rrshift")
    for name in (f"__{word}__" for word in operators.split()):
        same(plain(getattr(x, name)(y)), getattr(a, name)(b))
        same(plain(getattr(x, name)(2)), getattr(a, name)(2))
    for name in ("__abs__", "__invert__", "__neg__", "__pos__"):
        same(plain(getattr(x, name)()), getattr(a, name)())
    same(plain(x.float() @ y.float().mT), (a @ b.T).astype(np.float32))
    x <<= 1
    assert x.tolist() == (a << 1).tolist()
    assert x.T.shape == x.mT.shape == (3, 2) and x.ndim == 2 and x.shape == (2, 3) and x.dtype == np.int64
    assert x.to_device("cpu") is x and x.device == ag.device("cpu")
    assert (bool(x[0, 0]), int(x[0, 1]), float(x[0, 2]), complex(x[0, 0])) == (True, 4, 6.0, 2 + 0j)
    assert [10, 20, 30][ag.tensor(1)] == 20
    with pytest.raises(RuntimeError, match="CPU"):
        x.to_device("cuda")


def test_functions_have_gradients():
    x = ag.tensor([[0.5, -1.5], [2.0, 0.25]], dtype=np.float64).requires_grad_()
    calls = [
        (lambda x: xp.sum(xp.exp(x), axis=0), np.exp(x.detach().numpy())),
        (lambda x: xp.concat([x, xp.flip(x)], axis=1), np.full((2, 2), 2.0)),
        (lambda x: xp.hypot(x, 2.0), x.detach().numpy() / np.hypot(x.detach().numpy(), 2)),
        (lambda x: xp.copysign(x, -1.0), -np.sign(x.detach().numpy())),
        (lambda x: xp.max(x, axis=1), np.array([[1.0, 0], [1, 0]])),
        (lambda x: xp.cumulative_sum(x, axis=0, include_initial=True), np.array([[2.0, 2], [1, 1]])),
        (lambda x: xp.take(x, ag.tensor([0, 0]), axis=0), np.array([[2.0, 2], [0, 0]])),
        (lambda x: xp.clip(x, -1, 1), np.array([[1.0, 0], [0, 1]])),
    ]
    for function, expected in calls:
        (g,) = grad(function(x).sum(), x)
        np.testing.assert_allclose(g.numpy(), expected)
    for name in ("nextafter", "signbit"):
        with pytest.raises(TypeError, match="has no gradient"):
            getattr(xp, name)(*([x, x] if name == "nextafter" else [x]))
    assert xp.hypot(ag.tensor(1e30), ag.tensor(1e30)).item() == pytest.approx(math.sqrt(2) * 1e30)
    assert xp.hypot(ag.tensor(0.0), ag.tensor(0.0)).item() == 0 and math.isinf(xp.hypot(ag.tensor(math.inf), 1.0))


@pytest.mark.parametrize(("call", "kind"), [
    (lambda x: xp.asarray(x, dtype=xp.float64, copy=False), ValueError),
    (lambda x: xp.asarray("text"), TypeError),
    (lambda x: xp.squeeze(x, 0), ValueError),
    (lambda x: xp.take(x, ag.tensor([0])), ValueError),
    (lambda x: xp.cumulative_sum(x), ValueError),
    (lambda x: xp.expand_dims(x, axis=5), IndexError),
    (lambda x: xp.matrix_transpose(x[0]), ValueError),
    (lambda x: xp.vecdot(x, x[:, :1]), ValueError),
    (lambda x: xp.searchsorted(x[0], x, side="middle"), ValueError),
    (lambda x: xp.nonzero(x[0, 0]), ValueError),
    (lambda x: xp.zeros(3, device="cuda"), RuntimeError),
])  # fmt: skip
def test_errors(call, kind):
    with pytest.raises(kind):
        call(ag.tensor([[1.0, 2.0], [3.0, 4.0]]))


# ------------------------------------------------------------------------------------ DLPack


def test_dlpack_shares_memory_both_ways():
    for dtype in (*NUMBERS, np.bool_):
        x = ag.Tensor(drawn(dtype, 2, 3))
        array = np.from_dlpack(x)
        assert array.dtype == x.dtype and np.shares_memory(array, x.numpy())
        back = xp.from_dlpack(array)
        assert isinstance(back, ag.Tensor) and np.shares_memory(back.numpy(), x.numpy())
        assert not np.shares_memory(xp.from_dlpack(array, copy=True).numpy(), x.numpy())
    strided = ag.Tensor(np.arange(12.0).reshape(3, 4))[::2, 1:]
    np.testing.assert_array_equal(np.from_dlpack(strided), strided.numpy())
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="requires a gradient"):
        np.from_dlpack(ag.ones(2).requires_grad_())


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    x = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    theirs = torch.from_dlpack(x)
    theirs[0, 0] = 9
    assert x[0, 0].item() == 9
    ours = xp.from_dlpack(torch.arange(4))
    assert ours.tolist() == [0, 1, 2, 3] and ours.dtype == np.int64
