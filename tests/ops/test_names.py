"""Functions composed of operations, and the names of PyTorch that are not operations; values are PyTorch's."""

import copy
import operator
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import tensor
from autograd_nn.testing import gradcheck

x = tensor([[1.0, 5.0], [4.0, 2.0]])
ORDER = [[5.0, 2.0], [1.0, 4.0]]


@pytest.mark.parametrize(("call", "expected"), [
    (lambda: ag.rot90(x), ORDER),
    (lambda: ag.rot90(x, 3), [[4.0, 1.0], [2.0, 5.0]]),
    (lambda: ag.rot90(x, 2), [[2.0, 4.0], [5.0, 1.0]]),
    (lambda: ag.rot90(x, 0), [[1.0, 5.0], [4.0, 2.0]]),
    (lambda: ag.fliplr(x), [[5.0, 1.0], [2.0, 4.0]]),
    (lambda: ag.flipud(x), [[4.0, 2.0], [1.0, 5.0]]),
    (lambda: ag.t(x), [[1.0, 4.0], [5.0, 2.0]]),
    (lambda: ag.ravel(x), [1.0, 5.0, 4.0, 2.0]),
    (lambda: ag.quantile(x, tensor([0.25, 0.6])), [1.75, 3.6]),
    (lambda: ag.quantile(x, 0.25, 1, True), [[2.0], [2.5]]),
    (lambda: ag.quantile(x, 0.5, keepdim=True), [[3.0]]),
    (lambda: ag.diff(x), [[4.0], [-2.0]]),
    (lambda: ag.diff(tensor([1, 4, 9]), 2), [2]),
    (lambda: ag.kron(x, tensor([1.0, 2.0])), [[1.0, 2.0, 5.0, 10.0], [4.0, 8.0, 2.0, 4.0]]),
    (lambda: ag.inner(x, x), [[26.0, 14.0], [14.0, 20.0]]),
    (lambda: ag.dist(x, x.T), 2**0.5),
    (lambda: ag.nanmean(tensor([1.0, np.nan, 3.0])), 2.0),
    (lambda: ag.nansum(tensor([[1.0, np.nan], [3.0, 4.0]]), 0), [4.0, 4.0]),
    (lambda: ag.logaddexp(tensor([100.0, -1000.0]), tensor([100.0, -1000.0])), [100.6931, -999.3068]),
    (lambda: ag.isin(tensor([1, 2, 3]), tensor([2, 3])), [False, True, True]),
    (lambda: ag.isin(tensor([1, 2, 3]), 2, invert=True), [True, False, True]),
    (lambda: ag.searchsorted(tensor([1.0, 2.0, 2.0, 3.0]), tensor([2.0, 4.0])), [1, 4]),
    (lambda: ag.bucketize(tensor([2.0, 4.0]), tensor([1.0, 2.0, 2.0, 3.0]), right=True), [3, 4]),
    (lambda: ag.cartesian_prod(tensor([1, 2]), tensor([3, 4])), [[1, 3], [1, 4], [2, 3], [2, 4]]),
    (lambda: ag.column_stack([ag.ones(2), ag.zeros(2, 2)]), [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]),
    (lambda: ag.hstack([ag.ones(2), ag.zeros(1)]), [1.0, 1.0, 0.0]),
    (lambda: ag.vstack([ag.ones(2), ag.zeros(1, 2)]), [[1.0, 1.0], [0.0, 0.0]]),
    (lambda: ag.argwhere(tensor([[0, 1], [0, 0]])), [[0, 1]]),
    (lambda: ag.aminmax(x, dim=0)[1], [4.0, 5.0]),
    (lambda: ag.clamp_min(x, 3.0), [[3.0, 5.0], [4.0, 3.0]]),
    (lambda: ag.clamp_max(x, 3.0), [[1.0, 3.0], [3.0, 2.0]]),
    (lambda: ag.scalar_tensor(3), 3.0),
    (lambda: ag.arange(7.0).unfold(0, 3, 2), [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [4.0, 5.0, 6.0]]),
    (lambda: ag.exp2(tensor([3.0, -1.0])), [8.0, 0.5]),
    (lambda: ag.logit(tensor([0.5, 0.0]), 1e-3), [0.0, -6.906755]),
    (lambda: ag.rad2deg(ag.deg2rad(tensor([90.0]))), [90.0]),
    (lambda: ag.add(x, x, alpha=2), [[3.0, 15.0], [12.0, 6.0]]),
    (lambda: ag.sub(10, x, alpha=2), [[8.0, 0.0], [2.0, 6.0]]),
    (lambda: ag.div(x, -2, rounding_mode="floor"), [[-1.0, -3.0], [-2.0, -1.0]]),
    (lambda: ag.div(x, -2, rounding_mode="trunc"), [[0.0, -2.0], [-2.0, -1.0]]),
    (lambda: ag.positive(x), [[1.0, 5.0], [4.0, 2.0]]),
    (lambda: ag.cross(tensor([1.0, 2.0, 3.0]), tensor([4.0, 5.0, 7.0])), [-1.0, 5.0, -3.0]),
    (lambda: ag.cross(ag.eye(3), ag.ones(3, 1), dim=0), [[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]]),
    (lambda: ag.index_put(x, (tensor([0]),), tensor([7.0, 7.0])), [[7.0, 7.0], [4.0, 2.0]]),
])  # fmt: skip
def test_values(call, expected):
    np.testing.assert_allclose(call().tolist(), expected, rtol=1e-5)


def test_shapes():
    assert ag.ones(2, 4, 6).unfold(1, 2, 2).shape == (2, 2, 6, 2)
    assert [f(ag.ones(2)).shape for f in (ag.atleast_1d, ag.atleast_2d, ag.atleast_3d)] == [(2,), (1, 2), (1, 2, 1)]
    assert ag.atleast_1d(tensor(1.0)).shape == (1,)
    assert ag.atleast_3d(ag.ones(2, 3)).shape == (2, 3, 1)
    assert ag.dstack([ag.ones(2, 3)] * 2).shape == (2, 3, 2)
    assert [y.shape for y in ag.broadcast_tensors(ag.ones(2, 1), ag.ones(3))] == [(2, 3)] * 2


@pytest.mark.parametrize("function", [
    lambda y: ag.rot90(y), lambda y: ag.quantile(y, tensor([0.3, 0.8]), 1), lambda y: ag.diff(y),
    lambda y: ag.kron(y, y),
    lambda y: ag.inner(y, y), lambda y: ag.logaddexp(y, 2 * y), lambda y: y.unfold(1, 2, 1), lambda y: ag.nanmean(y, 0),
    lambda y: ag.dist(y, 2 * y), lambda y: ag.column_stack([y, y]), lambda y: ag.fliplr(y),
])  # fmt: skip
def test_gradients(function):
    gradcheck(function, (tensor(np.array([[1.0, 5.0, 3.0], [4.0, 2.5, 0.5]]), requires_grad=True),))


@pytest.mark.parametrize(("where", "parts"), [
    (3, [[0, 1, 2], [3, 4], [5, 6]]), ([2, 5], [[0, 1], [2, 3, 4], [5, 6]]), ([4, -1], [[0, 1, 2, 3], [4, 5], [6]]),
    ([5, 2], [[0, 1, 2, 3, 4], [], [2, 3, 4, 5, 6]]),
])  # fmt: skip
def test_splitting(where, parts):
    assert [part.tolist() for part in ag.tensor_split(ag.arange(7), where)] == parts
    assert [part.tolist() for part in ag.hsplit(ag.arange(7), where)] == parts
    assert [part.tolist() for part in ag.vsplit(ag.arange(7), where)] == parts
    assert [part.shape for part in ag.hsplit(ag.ones(2, 4), 2)] == [(2, 2), (2, 2)]


def test_dtypes():
    assert ag.result_type(tensor([1]), 2.0) == ag.float32
    assert ag.promote_types(ag.int32, ag.float16) == ag.float16
    casts = [(ag.int64, ag.uint8), (ag.int64, ag.bool), (ag.float64, ag.float32), (ag.bool, ag.int8),
             (ag.float32, ag.int64)]
    assert [ag.can_cast(*pair) for pair in casts] == [True, False, True, True, False]
    assert ag.is_floating_point(x)
    assert not ag.is_complex(x)
    assert ag.is_nonzero(tensor(2))
    assert ag.finfo(ag.float32).eps == np.float32(1.1920929e-07)
    assert ag.iinfo(ag.int32).max == 2147483647


def test_asarray_shares_memory_unless_it_is_to_copy():
    array = np.ones(3, np.float32)
    assert np.shares_memory(ag.asarray(array).array, array)
    assert not np.shares_memory(ag.asarray(array, copy=True).array, array)
    assert ag.asarray([1.0], requires_grad=True).requires_grad


def test_size_is_a_tuple_that_counts():
    size = ag.zeros(2, 3).size()
    assert size == (2, 3)
    assert size.numel() == 6
    assert isinstance(size, ag.Size)
    assert repr(size) == "(2, 3)"
    for part, numbers in ((size[1:], [3]), (operator.add(size, (4,)), [2, 3, 4]), (size * 2, [2, 3, 2, 3]),
                          (operator.add((4,), size), [4, 2, 3]), (copy.deepcopy(size), [2, 3]),
                          (pickle.loads(pickle.dumps(size)), [2, 3])):
        assert type(part) is ag.Size
        assert list(part) == numbers
    assert size[-1] == 3 and size[:-1].numel() == 2 and hash(size) == hash((2, 3))
    with pytest.raises(TypeError, match="can only concatenate tuple"):
        operator.add(size, [4])
    assert ag.zeros(2, 3).size(1) == 3
    assert ag.zeros(size).shape == (2, 3)
    assert type(ag.zeros(2, 3).shape) is ag.Size and ag.zeros(2, 3, 4).shape[1:].numel() == 12
    assert type(ag.func.vmap(lambda x: x.new_zeros(x.shape[1:].numel()))(ag.zeros(2, 3, 4)).shape) is ag.Size


def test_tensor_takes_sizes():
    assert ag.Tensor(2, 3).shape == (2, 3) and ag.Tensor(2, 3, 4, 5).shape == (2, 3, 4, 5)
    assert ag.Tensor(2, 0, 1).dtype == ag.float32 and not ag.Tensor(2, 3).requires_grad
    assert ag.Tensor().shape == (0,) and ag.Tensor([2, 3]).tolist() == [2, 3] and ag.Tensor(3).shape == ()
    with pytest.raises(TypeError, match="7 arguments"):
        ag.Tensor([1.0], False, None, 1, 2, 3, 4)


def test_old_names_of_tensors_by_dtype():
    assert ag.FloatTensor([1, 2]).dtype == ag.float32
    assert ag.LongTensor([1.0]).tolist() == [1]
    assert ag.LongTensor(2, 3).shape == (2, 3)
    assert ag.DoubleTensor().shape == (0,)
    assert isinstance(ag.ones(2), ag.FloatTensor)
    assert not isinstance(ag.ones(2), ag.DoubleTensor)
    assert x.type() == "torch.FloatTensor"
    assert x.type(ag.LongTensor).dtype == x.type("torch.LongTensor").dtype == x.type(ag.int64).dtype == ag.int64


def test_the_state_of_the_generator_comes_back():
    state = ag.get_rng_state()
    first = ag.randn(3)
    ag.set_rng_state(state)
    assert ag.randn(3).equal(first)
    seed = ag.seed()
    assert ag.initial_seed() == seed
    generator = ag.Generator(device="cpu").manual_seed(3)
    assert ag.randn(3, generator=generator).equal(ag.randn(3, generator=ag.Generator(3)))
    ag.manual_seed(0)
    with pytest.raises(RuntimeError, match="'cuda'"):
        ag.Generator("cuda")


def test_switches_of_absent_backends_can_be_set():
    ag.backends.cudnn.deterministic = True
    ag.backends.cudnn.benchmark = False
    assert not ag.backends.cudnn.is_available()
    assert ag.backends.cudnn.version() is None
    with pytest.raises(AttributeError, match=r"backends.cudnn.determinstic: this switch is not there"):
        ag.backends.cudnn.determinstic = True


def test_what_is_absent_says_so():
    with pytest.raises(AttributeError, match=r"autograd_nn.layer_norm: .* use nn.functional.layer_norm\(\)"):
        _ = ag.layer_norm
    with pytest.raises(AttributeError, match="did you mean zeros"):
        _ = ag.zeroes
    with pytest.raises(ImportError):
        from autograd_nn import no_such_name  # noqa: F401
    assert not hasattr(x, "no_such_name")
    assert not hasattr(x, "storage")


def test_printing_as_chosen():
    y = tensor([1.23456, 2.0])
    try:
        ag.set_printoptions(precision=2)
        assert repr(y) == "tensor([1.23, 2.  ])"
        ag.set_printoptions(threshold=3, edgeitems=1)
        assert repr(ag.arange(9)) == "tensor([0, ..., 8], shape=(9,))"
        ag.set_printoptions(profile="full")
        assert "..." not in repr(ag.arange(1000))
    finally:
        ag.set_printoptions(profile="default")
    assert repr(y) == "tensor([1.2346, 2.    ])"


# ------------------------------------------------------------------------------------ methods


def test_views_in_place():
    y = ag.ones(1, 3)
    assert y.squeeze_() is y
    assert y.shape == (3,)
    assert y.unsqueeze_(1).shape == (3, 1)
    assert y.t_().shape == (1, 3)
    assert y.transpose_(0, 1).shape == (3, 1)
    w = ag.ones(3, requires_grad=True)
    z = w * 2
    z.unsqueeze_(0)
    (z * tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert w.grad.tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(RuntimeError, match=r"unsqueeze_\(\): a leaf"):
        w.unsqueeze_(0)
    with ag.no_grad():
        w.unsqueeze_(0)
    w.grad = None
    w.sum().backward()
    assert w.grad.shape == (1, 3)


def test_graph_attributes():
    w = ag.ones(2, requires_grad=True)
    z = w * 2
    assert w.grad_fn is None
    assert repr(z.grad_fn) == "<Call mul() -> (2,)>"
    assert not z.retains_grad
    z.retain_grad()
    assert z.retains_grad
    assert z.detach_() is z
    assert z.is_leaf
    assert not z.requires_grad


def test_elements_in_place():
    assert tensor([1.0, 2.0]).apply_(lambda v: v + 1).tolist() == [2.0, 3.0]
    mask = tensor([[True, False], [True, True]])
    assert ag.zeros(2, 2).masked_scatter_(mask, ag.arange(1.0, 5.0)).tolist() == [[1.0, 0.0], [2.0, 3.0]]
    drawn = ag.zeros(1000).random_(2, 5)
    assert set(drawn.tolist()) == {2.0, 3.0, 4.0}
    assert ag.zeros(100, dtype=ag.uint8).random_().max().item() > 100
    assert tensor([0.5]).log1p_().expm1_().tolist() == pytest.approx([0.5])
    assert tensor([7.0]).fmod_(4).floor_divide_(2).tolist() == [1.0]
    assert tensor([1.0, np.nan]).nan_to_num_(5.0).cumsum_(0).tolist() == [1.0, 6.0]
    assert tensor([1.0, 0.0]).logical_and_(1).logical_not_().tolist() == [0.0, 1.0]
    with pytest.raises(TypeError, match=r"apply_\(\): has no gradient"):
        ag.ones(2, requires_grad=True).apply_(abs)


def test_facts_of_a_tensor():
    assert x.is_cpu
    assert not x.is_cuda
    assert x.get_device() == -1
    assert x.is_signed()
    assert x.is_same_size(ag.zeros(2, 2))
    assert not x.is_pinned()
    assert copy.deepcopy(x).equal(x)


def test_cpu_is_the_default_device():
    ag.set_default_device("cpu")
    assert ag.get_default_device() == ag.device("cpu")


def test_what_can_change_no_result_is_accepted():
    ag.use_deterministic_algorithms(True, warn_only=True)
    ag.set_float32_matmul_precision("high")


@pytest.mark.parametrize(("ask", "words"), [
    (lambda: ag.vander, r"use x\[:, None\] \*\* arange"),
    (lambda: ag.geqrf, r"use linalg\.qr"),
    (lambda: ag.typename, r"use x\.type\(\)"),
    (lambda: ag.ones(1).layout, "all tensors are dense"),
    (lambda: ag.nn.functional.feature_alpha_dropout, "alpha_dropout for self-normalizing"),
], ids=["vander", "geqrf", "typename", "layout", "feature_alpha_dropout"])
def test_names_that_are_not_here_say_what_to_use(ask, words):
    with pytest.raises(AttributeError, match=words):
        ask()


def test_what_vander_is_without_vander():
    powers = ag.tensor([1.0, 2.0, 3.0])[:, None] ** ag.arange(2, -1, -1)
    assert powers.tolist() == [[1.0, 1.0, 1.0], [4.0, 2.0, 1.0], [9.0, 3.0, 1.0]]
