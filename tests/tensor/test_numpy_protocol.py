"""NumPy's functions and operators on tensors, DLPack, devices."""

import re

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, tensor
from autograd_nn.tensor import numpy_protocol as interop

rng = np.random.default_rng(3)


def leaf(*shape):
    return Tensor(rng.uniform(0.2, 0.8, shape), requires_grad=True)


def test_a_ufunc_is_recorded():
    x = tensor([0.0, 1.0], requires_grad=True)
    out = np.exp(x)
    assert isinstance(out, Tensor) and out.origin.primitive.name == "exp"
    out.sum().backward()
    assert np.allclose(x.grad.array, np.exp([0, 1]))


@pytest.mark.parametrize("ufunc", sorted(interop.UFUNCS, key=lambda f: f.__name__), ids=lambda f: f.__name__)
def test_every_ufunc_computes_what_numpy_does(ufunc):
    logical = ufunc.__name__.startswith(("bitwise", "invert", "gcd", "lcm"))
    shape = (3, 3)
    arrays = [rng.integers(1, 9, shape) if logical else rng.uniform(0.2, 0.8, shape) for _ in range(ufunc.nin)]
    if ufunc is np.arccosh:
        arrays = [array + 1 for array in arrays]
    if ufunc is np.ldexp:
        arrays[1] = rng.integers(-3, 3, shape)
    several = ufunc.nout > 1
    found, expected = ufunc(*map(Tensor, arrays)), ufunc(*arrays)
    for out, values in zip(found if several else [found], expected if several else [expected], strict=True):
        assert isinstance(out, Tensor) and np.allclose(out.array, values)


A, B = rng.uniform(0.2, 0.8, (3, 4)), rng.uniform(0.2, 0.8, (3, 4))
CALLS = [
    lambda x, y: np.sum(x),
    lambda x, y: np.sum(x, axis=0, keepdims=True),
    lambda x, y: np.mean(x, 1),
    lambda x, y: np.var(x),
    lambda x, y: np.var(x, axis=1, ddof=1),
    lambda x, y: np.std(x, 0),
    lambda x, y: np.prod(x, axis=1),
    lambda x, y: np.max(x),
    lambda x, y: np.min(x, axis=-1),
    lambda x, y: np.amax(x, 0),
    lambda x, y: np.argmax(x, 1),
    lambda x, y: np.argmin(x),
    lambda x, y: np.any(x > 0.5, axis=0),
    lambda x, y: np.all(x > 0.5),
    lambda x, y: np.cumsum(x),
    lambda x, y: np.cumsum(x, axis=1),
    lambda x, y: np.cumprod(x, 0),
    lambda x, y: np.sort(x),
    lambda x, y: np.sort(x, axis=None),
    lambda x, y: np.argsort(x, 0),
    lambda x, y: np.concatenate([x, y], axis=1),
    lambda x, y: np.concatenate([x, y], None),
    lambda x, y: np.stack([x, y], 1),
    lambda x, y: np.split(x, 2, axis=1)[1],
    lambda x, y: np.split(x, [1, 2])[2],
    lambda x, y: np.reshape(x, (4, 3)),
    lambda x, y: np.ravel(x),
    lambda x, y: np.transpose(x),
    lambda x, y: np.transpose(x, (1, 0)),
    lambda x, y: np.swapaxes(x, 0, 1),
    lambda x, y: np.moveaxis(x, 0, 1),
    lambda x, y: np.squeeze(np.expand_dims(x, 0)),
    lambda x, y: np.expand_dims(x, (0, -1)),
    lambda x, y: np.broadcast_to(x, (2, 3, 4)),
    lambda x, y: np.flip(x),
    lambda x, y: np.flip(x, 1),
    lambda x, y: np.roll(x, 2),
    lambda x, y: np.roll(x, 1, 0),
    lambda x, y: np.tile(x, 2),
    lambda x, y: np.tile(x, (2, 1)),
    lambda x, y: np.repeat(x, 2, axis=1),
    lambda x, y: np.repeat(x, 2),
    lambda x, y: np.where(x > y, x, y),
    lambda x, y: np.clip(x, 0.3, 0.6),
    lambda x, y: np.clip(x, None, 0.6),
    lambda x, y: np.dot(x, y.T),
    lambda x, y: np.outer(x, y),
    lambda x, y: np.tensordot(x, y, 2),
    lambda x, y: np.einsum("ij,kj->ik", x, y),
    lambda x, y: np.trace(x),
    lambda x, y: np.diagonal(x, 1),
    lambda x, y: np.diag(x),
    lambda x, y: np.tril(x),
    lambda x, y: np.triu(x, 1),
    lambda x, y: np.take(x, [1, 5]),
    lambda x, y: np.take(x, [1, 0], axis=1),
    lambda x, y: np.take_along_axis(x, np.argsort(x, 1), 1),
    lambda x, y: np.linalg.norm(x),
    lambda x, y: np.linalg.norm(x, axis=1),
    lambda x, y: np.linalg.norm(x, 1, axis=0),
    lambda x, y: np.zeros_like(x),
    lambda x, y: np.full_like(x, 2.0),
    lambda x, y: np.round(x, 1),
    lambda x, y: np.copy(x),
    lambda x, y: np.nan_to_num(x),
    lambda x, y: np.exp(x) @ y.T,
    lambda x, y: np.float64(2) * x - 1,
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_functions_compute_what_numpy_does(call):
    out, expected = call(Tensor(A), Tensor(B)), call(A, B)
    assert isinstance(out, Tensor) and out.shape == np.shape(expected)
    assert np.allclose(out.array, expected) and out.dtype == np.asarray(expected).dtype


def test_functions_are_recorded():
    x, y = leaf(2, 3), leaf(2, 3)
    (np.sum(np.concatenate([x, np.where(x.array > 0.5, x, y)]), axis=0) ** 2).sum().backward()
    assert x.grad.shape == (2, 3) and y.grad.shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: np.linalg.eig(x), "np.linalg.eig"),
        (lambda x: np.fft.fft(x), "fft"),
        (lambda x: np.cbrt(x), "np.cbrt"),
        (lambda x: np.add.outer(x, x), "np.add.outer"),
        (lambda x: np.add(x, 1, where=x.array > 0), "np.add"),
        (lambda x: np.add(np.ones((2, 2)), x, out=np.ones((2, 2))), "np.add"),
        (lambda x: np.sum(x, where=x.array > 0), "np.sum"),
    ],
)
def test_what_is_not_recorded_is_refused(call, name):
    with pytest.raises(TypeError, match=re.escape(name)):
        call(leaf(2, 2))


def test_what_is_not_recorded_takes_the_arrays_of_tensors_without_gradient():
    x = Tensor(A)
    assert np.allclose(np.linalg.svd(x)[1], np.linalg.svd(A)[1])
    assert np.allclose(np.cbrt(x), np.cbrt(A))
    with ag.no_grad():
        assert np.allclose(np.cbrt(leaf(2, 2)), np.cbrt(leaf(2, 2).array), atol=1)


def test_questions_about_tensors_with_gradient_are_answered():
    x = leaf(2, 3)
    assert np.shape(x) == (2, 3) and np.ndim(x) == 2 and np.size(x) == 6
    assert np.allclose(x, x.array) and np.array_equal(x, x) and np.count_nonzero(x) == 6


@pytest.mark.parametrize("operator", ["__add__", "__sub__", "__mul__", "__truediv__", "__pow__", "__lt__", "__eq__"])
def test_an_array_on_the_left(operator):
    x = Tensor(B.astype(np.float32), requires_grad=True)
    array = A.astype(np.float32)
    out = getattr(array, operator)(x)
    assert isinstance(out, Tensor) and out.dtype == getattr(array, operator)(x.array).dtype
    assert np.allclose(out.array, getattr(array, operator)(x.array))


def test_an_array_is_changed_in_place_by_tensors_without_gradient_only():
    array = np.ones(2)
    array += Tensor(np.ones(2))
    assert array.tolist() == [2, 2]
    with pytest.raises(TypeError, match=r"np\.add"):
        array += leaf(2)


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.float64(2), np.int64(2), True])
def test_numbers_do_not_change_the_dtype(number):
    x = tensor([1.0, 2.0])
    for out in (
        x + number,
        number + x,
        x * number,
        number * x,
        x - number,
        number - x,
        x / number,
        number / x,
        x**number,
    ):
        assert isinstance(out, Tensor) and out.dtype == np.float32
    assert (x == number).dtype == bool and (number >= x).tolist() == [True, bool(number >= 2)]


def test_dlpack():
    array = np.arange(6.0).reshape(2, 3)
    x = ag.from_dlpack(array)
    array[0, 0] = 7
    assert x[0, 0].item() == 7
    assert np.shares_memory(np.from_dlpack(x), array)
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(leaf(2))


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(4.0)
    ours = ag.from_dlpack(theirs)
    theirs[0] = 9
    assert ours.tolist() == [9, 1, 2, 3]
    back = torch.from_dlpack(ag.tensor([1.0, 2.0]))
    assert back.tolist() == [1, 2]


def test_devices():
    assert str(ag.device("cpu")) == "cpu" and ag.device("cpu") == ag.tensor(1.0).device
    assert not ag.cuda.is_available() and not ag.mps.is_available() and not ag.accelerator.is_available()
    assert ag.ones(2, device=ag.device("cpu")).to("cpu").cpu().tolist() == [1, 1]
    for use in (
        lambda: ag.ones(2, device="cuda"),
        lambda: ag.ones(2).to("cuda:0"),
        lambda: ag.ones(2).cuda(),
    ):
        with pytest.raises(RuntimeError, match="CPU"):
            use()
    with pytest.raises(AttributeError, match=r"cuda\.synchronize: cuda is not available"):
        ag.cuda.synchronize()
