"""Tensor methods: in-place forms and what the graph makes of them, conversions, new tensors."""

import copy
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, no_grad, tensor

IN_PLACE = [
    ("add", 2.0),
    ("sub", 2.0),
    ("mul", 2.0),
    ("div", 2.0),
    ("pow", 2),
    ("remainder", 0.4),
    ("neg",),
    ("abs",),
    ("exp",),
    ("log",),
    ("sqrt",),
    ("rsqrt",),
    ("square",),
    ("reciprocal",),
    ("tanh",),
    ("sigmoid",),
    ("relu",),
    ("sin",),
    ("cos",),
    ("floor",),
    ("ceil",),
    ("round",),
    ("trunc",),
    ("sign",),
    ("clamp", 0.3, 0.6),
    ("clamp_min", 0.5),
    ("clamp_max", 0.5),
    ("masked_fill", np.eye(3, dtype=bool), 9.0),
    ("index_fill", 0, Tensor([1]), 2.0),
    ("tril",),
    ("triu",),
    ("addcmul", Tensor([2.0]), Tensor([3.0])),
    ("addcdiv", Tensor([2.0]), Tensor([3.0])),
    ("lerp", Tensor([2.0]), 0.3),
    ("scatter", 0, Tensor([[0, 1, 2]]), 5.0),
    ("scatter_add", 0, Tensor([[0, 1, 1]]), Tensor([[1.0, 2.0, 3.0]])),
    ("index_add", 1, Tensor([0]), Tensor([[1.0], [2.0], [3.0]])),
    ("index_copy", 0, Tensor([0]), Tensor([[1.0, 2.0, 3.0]])),
    ("addmm", Tensor(np.eye(3, dtype=np.float32)), Tensor(np.ones((3, 3), np.float32))),
]
VALUES = np.random.default_rng(0).uniform(0.2, 0.9, (3, 3)).astype(np.float32)


@pytest.mark.parametrize("row", IN_PLACE, ids=[row[0] for row in IN_PLACE])
def test_in_place_forms(row):
    name, *arguments = row
    x = Tensor(VALUES)
    memory = x.array
    expected = getattr(Tensor(VALUES), name)(*arguments)
    assert getattr(x, name + "_")(*arguments) is x
    assert x.array is memory and np.allclose(memory, expected.array) and x.dtype == np.float32


@pytest.mark.parametrize("row", IN_PLACE, ids=[row[0] for row in IN_PLACE])
def test_in_place_forms_are_recorded(row):
    name, *arguments = row
    x, y = (Tensor(VALUES, requires_grad=True) for _ in range(2))
    (getattr(x * 1, name)(*arguments) ** 2).sum().backward()
    z = y * 1
    getattr(z, name + "_")(*arguments)
    try:
        (z**2).sum().backward()
    except RuntimeError as error:
        assert "changed in place" in str(error)
        return
    assert np.allclose(x.grad.array, y.grad.array)


def test_a_leaf_is_changed_in_place_under_no_grad_only():
    x = tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: x.add_(1), lambda: x.__iadd__(1), lambda: x.__setitem__(0, 3.0), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    with no_grad():
        memory = x.array
        x -= 1
        x *= 2
    assert x.requires_grad and x.array is memory and x.tolist() == [0, 2]


def test_augmented_assignment_changes_memory_that_is_shared():
    x = ag.zeros(3)
    y = x[1:]
    y += 1
    assert x.tolist() == [0, 1, 1]


def test_augmented_assignment_of_a_recorded_view_makes_a_new_tensor():
    x = tensor([1.0, 2.0], requires_grad=True)
    h = (x * 2).reshape(2, 1)
    h += 1
    (h * h).sum().backward()
    assert h.tolist() == [[3], [5]] and x.grad.tolist() == [12, 20]


def test_augmented_assignment_keeps_the_dtype():
    x = ag.ones(2)
    x += np.float64(1)
    x /= Tensor(np.ones(2))
    assert x.dtype == np.float32
    i = Tensor([1, 2])
    with pytest.raises(TypeError):
        i += 0.5


def test_random_in_place_forms():
    ag.manual_seed(0)
    x = ag.empty(1000)
    assert abs(x.normal_(2.0, 0.1).mean().item() - 2) < 0.02
    assert 0.9 < x.uniform_(-1, 1).max().item() < 1
    assert set(x.bernoulli_(0.5).tolist()) == {0, 1}
    assert x.exponential_().min().item() >= 0


def test_new_tensors_take_the_dtype():
    x = Tensor(np.ones(2))
    for made in (x.new_zeros(2, 3), x.new_ones((2, 3)), x.new_full((2, 3), 7), x.new_empty(2, 3)):
        assert made.dtype == np.float64 and made.shape == (2, 3)
    assert x.new_tensor([1, 2]).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("long", "int64"),
        ("int", "int32"),
        ("short", "int16"),
        ("byte", "uint8"),
        ("bool", "bool"),
    ],
)
def test_conversions(name, dtype):
    assert getattr(tensor([1.0, 0.0]), name)().dtype == np.dtype(dtype)
    assert tensor([1.0]).to(getattr(ag, "uint8" if name == "byte" else name)).dtype == np.dtype(dtype)


def test_descriptions():
    x = ag.zeros(2, 3)
    assert x.stride() == (3, 1) and x.stride(0) == 3 and x.nbytes == 24 and x.itemsize == x.element_size() == 4
    assert x.nelement() == 6 and x.ndimension() == 2 and x.is_floating_point() and not x.is_cuda
    assert ag.is_tensor(x) and not ag.is_tensor(x.array)
    assert len(repr(ag.zeros(1000, 1000))) < 2000


def test_sizes_as_arguments_or_tuple():
    x = ag.arange(6)
    assert x.view(2, 3).shape == x.reshape((2, 3)).shape == (2, 3)
    x = x.view(1, 2, 3)
    assert x.permute(2, 0, 1).shape == x.permute((2, 0, 1)).shape == (3, 1, 2)
    assert x.expand(4, -1, 3).shape == (4, 2, 3) and x.repeat(2, 1, 1).shape == x.tile((2, 1, 1)).shape == (2, 2, 3)
    assert x.flip(0, 2).tolist() == x.flip((0, 2)).tolist()


def test_add_scaled_and_rounded_division():
    x = tensor([5.0, -5.0])
    assert x.add(x, alpha=2).tolist() == [15, -15] and x.sub(1, alpha=2).tolist() == [3, -7]
    assert x.div(2, rounding_mode="floor").tolist() == [2, -3] and x.div(2, rounding_mode="trunc").tolist() == [2, -2]
    with pytest.raises(RuntimeError, match="rounding_mode"):
        x.div(2, rounding_mode="up")


def test_truth():
    for x in (ag.zeros(0), ag.ones(2)):
        with pytest.raises(RuntimeError, match="ambiguous"):
            bool(x)
    assert ag.ones(1) and not ag.zeros(()) and ag.ones(2).all() and not ag.zeros(2).any()


def test_equality_is_elementwise_and_hash_is_identity():
    x, y = tensor([1.0]), tensor([1.0])
    assert (x == y).tolist() == [True] and hash(x) != hash(y) and len({x, y, x}) == 2
    assert x.__eq__(None) is NotImplemented and x.equal(y) and x.allclose(y)


def test_copies():
    x = tensor([1.0], requires_grad=True)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.requires_grad and other.tolist() == [1] and other.array is not x.array
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(x * 1)


def test_the_public_names_are_there():
    assert len(set(ag.__all__)) == len(ag.__all__)
    assert all(hasattr(ag, name) for name in ag.__all__)
