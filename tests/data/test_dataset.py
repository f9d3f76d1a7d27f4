"""Datasets and how they are cut, joined and split."""

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import (
    ArrayDataset,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    StackDataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)
from autograd_nn.data.collate import map_nested
from autograd_nn.data.dataset import cut_batch
from autograd_nn.tensor import Tensor


class Squares(Dataset):
    """A dataset without `batch`: (i, i squared)."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return np.float32(index), index**2


def arrays(length=10, start=0):
    """Return a dataset of rows that hold their number, and that number."""
    numbers = np.arange(start, start + length)
    return ArrayDataset(np.repeat(numbers[:, None], 3, 1).astype(np.float32), numbers)


def test_array_dataset():
    data = arrays()
    assert len(data) == 10
    x, y = data[4]
    np.testing.assert_array_equal(x, [4, 4, 4])
    assert y == 4
    x, y = data.batch(np.array([7, 0, -1]))
    np.testing.assert_array_equal(y, [7, 0, 9])
    np.testing.assert_array_equal(x[:, 0], y)
    with pytest.raises(IndexError, match=r"indices must be in \[-10, 10\), got 3 to 10"):
        data.batch(np.array([3, 10]))


def test_array_dataset_transforms_single_samples():
    data = ArrayDataset(np.ones((4, 2), np.float32), np.arange(4), transform=lambda x: x * 2,
                        target_transform=lambda y: y + 1)
    assert data[1][1] == 2
    x, y = cut_batch(data, np.array([0, 3]))
    np.testing.assert_array_equal(x.array, np.full((2, 2), 2))
    np.testing.assert_array_equal(y.array, [1, 4])


def test_array_dataset_refuses():
    with pytest.raises(ValueError, match="at least one array"):
        ArrayDataset()
    with pytest.raises(ValueError, match="array 0 has 3 samples, array 1 has 4"):
        ArrayDataset(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="0-dimensional"):
        ArrayDataset(np.float32(3))
    with pytest.raises(TypeError, match="dtype object"):
        ArrayDataset(np.array([None, 1]))
    with pytest.raises(ValueError, match="second array"):
        ArrayDataset(np.zeros(3), target_transform=abs)


def test_foreign_byte_order_is_taken():
    x, = next(iter(DataLoader(ArrayDataset(np.arange(3, dtype=">i4")), 3)))
    assert x.dtype.isnative
    np.testing.assert_array_equal(x.array, [0, 1, 2])


def test_read_only_and_strided_arrays_are_taken():
    base = np.arange(24, dtype=np.float32).reshape(6, 4)
    base.flags.writeable = False
    x, = next(iter(DataLoader(ArrayDataset(base[::-1, ::2]), 2)))
    np.testing.assert_array_equal(x.array, [[20, 22], [16, 18]])
    x.array[0] = 0
    assert base[5, 0] == 20


def test_tensor_dataset():
    data = TensorDataset(Tensor(np.eye(4, dtype=np.float32)), Tensor([3, 2, 1, 0]))
    x, y = data[2]
    assert isinstance(x, Tensor)
    assert y.item() == 1
    np.testing.assert_array_equal(x.array, [0, 0, 1, 0])
    assert [t.shape for t in data.tensors] == [(4, 4), (4,)]
    x, y = next(iter(DataLoader(data, batch_size=3)))
    assert x.shape == (3, 4)
    assert y.dtype == np.int64


def test_subset():
    part = Subset(arrays(), [8, -1, 2])
    assert len(part) == 3
    assert [part[i][1] for i in range(3)] == [8, 9, 2]
    np.testing.assert_array_equal(part.batch(np.array([1, 0]))[1], [9, 8])
    nested = Subset(part, [2, 0])
    np.testing.assert_array_equal(nested.batch(np.array([0, 1]))[1], [2, 8])
    assert Subset(Squares(5), range(3, 5))[1][1] == 16
    assert len(Subset(arrays(), [])) == 0
    with pytest.raises(IndexError, match=r"\[-10, 10\) for a dataset of 10 samples, got 0 to 10"):
        Subset(arrays(), [0, 10])
    with pytest.raises(TypeError, match="sequence of integers"):
        Subset(arrays(), [0.5])


def test_concat():
    joined = arrays(4) + arrays(3, 100) + arrays(2, 200)
    expected = [0, 1, 2, 3, 100, 101, 102, 200, 201]
    assert len(joined) == 9
    assert [joined[i][1] for i in range(9)] == expected
    assert joined[-1][1] == 201
    order = np.array([8, 0, 5, 1, 7, 4])
    x, y = joined.batch(order)
    np.testing.assert_array_equal(y, np.array(expected)[order])
    np.testing.assert_array_equal(x[:, 2], y)
    np.testing.assert_array_equal(joined.batch(np.array([5, 4]))[1], [101, 100])
    with pytest.raises(IndexError, match="index 9 is outside"):
        joined[9]
    with pytest.raises(ValueError, match="at least one dataset"):
        ConcatDataset([])


def test_concat_of_mixed_kinds():
    joined = ConcatDataset([Squares(3), Squares(2)])
    x, y = next(iter(DataLoader(joined, batch_size=5)))
    np.testing.assert_array_equal(y.array, [0, 1, 4, 0, 1])
    np.testing.assert_array_equal(x.array, [0, 1, 2, 0, 1])
    named = ConcatDataset([[{"a": 1, "b": "x"}], [{"a": 2, "b": "y"}]])
    batch = next(iter(DataLoader(named, batch_size=2)))
    assert batch["b"] == ["x", "y"]
    np.testing.assert_array_equal(batch["a"].array, [1, 2])
    with pytest.raises(ValueError, match="samples of one shape"):
        (ArrayDataset(np.zeros((2, 3))) + ArrayDataset(np.zeros((2, 4)))).batch(np.arange(4))


def test_random_split():
    parts = random_split(arrays(), [7, 3], generator=5)
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(10))
    again = random_split(arrays(), [7, 3], generator=5)
    np.testing.assert_array_equal(parts[0].indices, again[0].indices)
    assert [len(part) for part in random_split(arrays(), [0.33, 0.33, 0.34])] == [4, 3, 3]
    assert [len(part) for part in random_split(arrays(), [1.0])] == [10]
    autograd_nn.manual_seed(3)
    first = random_split(arrays(), [5, 5])[0].indices
    autograd_nn.manual_seed(3)
    np.testing.assert_array_equal(first, random_split(arrays(), [5, 5])[0].indices)
    with pytest.raises(ValueError, match="sum to the 10 samples of the dataset, got 9"):
        random_split(arrays(), [5, 4])
    with pytest.raises(ValueError, match="fractions must sum to 1"):
        random_split(arrays(), [0.5, 0.4])
    with pytest.raises(ValueError, match="must not be negative"):
        random_split(arrays(), [11, -1])


def test_collate():
    samples = [(np.zeros(2, np.float32), 1, 0.5, "a", [True]), (np.ones(2, np.float32), 2, 1.5, "b", [False])]
    batch = default_collate(samples)
    assert isinstance(batch, tuple)
    assert batch[0].shape == (2, 2)
    assert [batch[i].dtype for i in (1, 2)] == [np.int64, np.float32]
    assert batch[3] == ["a", "b"]
    assert batch[4][0].dtype == bool
    stacked = default_collate([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])
    np.testing.assert_array_equal(stacked.array, [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"sample 0 has \(2,\), sample 1 has \(3,\)"):
        default_collate([np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match="sample 0 has 2 parts, sample 1 has 1"):
        default_collate([(1, 2), (1,)])
    with pytest.raises(ValueError, match="same keys"):
        default_collate([{"a": 1}, {"b": 1}])
    with pytest.raises(TypeError, match="got NoneType"):
        default_collate([None])
    with pytest.raises(ValueError, match="at least one sample"):
        default_collate([])


def test_base_class():
    with pytest.raises(NotImplementedError, match="must define __getitem__"):
        Dataset()[0]


# ------------------------------------------------------------------------------ kinds of containers

Pair = namedtuple("Pair", "x y")


class Record(dict):
    """A dict with something besides."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.source = "here"


class Fixed(Mapping):
    """A mapping that cannot be changed."""

    def __init__(self, parts):
        self._parts = dict(parts)

    def __getitem__(self, key):
        return self._parts[key]

    def __iter__(self):
        return iter(self._parts)

    def __len__(self):
        return len(self._parts)


def containers(value):
    """Return samples of every kind that hold `value`."""
    return [Pair(value, 1), OrderedDict(b=value, a=1), defaultdict(list, x=value), Record(x=value), Fixed({"x": value}),
            MappingProxyType({"x": value}), [value], (value,), {"x": Pair(OrderedDict(deep=[value]), (value, "s"))}]


def leaves(batch):
    """Return the leaves of a nested batch."""
    found = []
    map_nested(found.append, batch)
    return found


@pytest.mark.parametrize("kind", range(9))
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_built_as_samples_are(kind, batch_size, workers):
    def sample(index):
        return containers(np.full(2, index, np.float32))[kind]

    first = sample(0)
    batch = next(iter(DataLoader([sample(0), sample(1)], batch_size=batch_size, num_workers=workers)))
    assert type(batch) is type(first)
    assert all(isinstance(leaf, Tensor) for leaf in leaves(batch) if not isinstance(leaf, (str, list, int)))
    shape = (2, 2) if batch_size else (2,)
    assert any(isinstance(leaf, Tensor) and leaf.shape == shape for leaf in leaves(batch))
    if isinstance(first, Mapping):
        assert list(batch) == list(first)
    if isinstance(first, Record):
        assert batch.source == "here"
    if kind == 8:
        assert type(batch["x"]) is Pair and type(batch["x"].x) is OrderedDict
    joined = ConcatDataset([[sample(0)], [sample(1)]])
    whole = next(iter(DataLoader(joined, batch_size=2)))
    assert type(whole) is type(first)


def test_collate_more_kinds():
    assert default_collate([0, 0.5]).dtype == np.float32
    assert default_collate([True, False]).dtype == bool
    with pytest.raises(TypeError, match="sample 0 holds 1, sample 1 holds NoneType"):
        default_collate([1, None])
    with pytest.raises(TypeError, match="dtype datetime64"):
        default_collate([np.datetime64("2020-01-01")])
    with pytest.raises(ValueError, match="sample 0 has 2 parts, sample 1 has int"):
        default_collate([(1, 2), 3])

    class Foreign:
        def __array__(self, dtype=None, copy=None):
            return np.ones(2, np.float32)

    assert default_collate([Foreign(), Foreign()]).shape == (2, 2)


def test_stack_and_chain():
    stacked = StackDataset(arrays(4), Squares(4))
    (x, y), (i, square) = next(iter(DataLoader(stacked, batch_size=3)))
    assert x.shape == (3, 3) and square.data.tolist() == [0, 1, 4] and i.shape == y.shape == (3,)
    named = StackDataset(x=arrays(4), y=[5, 6, 7, 8])
    assert named[2]["y"] == 7 and len(named) == 4
    assert next(iter(DataLoader(named, 4)))["y"].data.tolist() == [5, 6, 7, 8]
    for make, match in ((lambda: StackDataset(), "either by position or by name"),
                        (lambda: StackDataset(arrays(3), arrays(4)), r"same length, got \[3, 4\]")):
        with pytest.raises(ValueError, match=match):
            make()
    with pytest.raises(TypeError, match="dataset 0 must be an IterableDataset, got ArrayDataset"):
        list(ChainDataset([arrays(3)]))
    assert Subset(arrays(), Tensor(np.array([3, 1])))[0][1] == 3
