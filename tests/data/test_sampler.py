"""Samplers: which indices come, how often, and from whose random numbers."""

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

DATA = range(10)


def test_sequential():
    assert list(SequentialSampler(DATA)) == list(range(10))
    assert len(SequentialSampler(DATA)) == 10


def test_random():
    sampler = RandomSampler(DATA, generator=3)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert list(RandomSampler(DATA, generator=3)) == first
    long = list(RandomSampler(DATA, num_samples=25, generator=3))
    assert len(long) == 25
    assert sorted(long[:10]) == sorted(long[10:20]) == list(range(10))
    drawn = list(RandomSampler(DATA, replacement=True, num_samples=1000, generator=0))
    assert np.bincount(drawn, minlength=10).min() > 60
    assert list(RandomSampler([])) == []
    with pytest.raises(ValueError, match="empty dataset"):
        list(RandomSampler([], num_samples=3))
    with pytest.raises(ValueError, match=r"num_samples must be an integer from 1 \(got 0\)"):
        RandomSampler(DATA, num_samples=0)
    with pytest.raises(TypeError, match="generator must be a Generator"):
        RandomSampler(DATA, generator="x")


def test_default_generator_is_that_of_manual_seed():
    autograd_nn.manual_seed(1)
    first = list(RandomSampler(DATA))
    autograd_nn.manual_seed(1)
    assert list(RandomSampler(DATA)) == first


@pytest.mark.parametrize("make", [lambda: np.random.default_rng(4), lambda: autograd_nn.Generator(4), lambda: 4])
def test_state_of_own_generator(make):
    sampler = RandomSampler(DATA, generator=make())
    list(sampler)
    state = sampler.state_dict()
    following = [list(sampler) for _ in range(3)]
    other = RandomSampler(DATA, generator=make())
    other.load_state_dict(state)
    assert [list(other) for _ in range(3)] == following
    with pytest.raises(ValueError, match="the state has a generator, the sampler has no generator"):
        RandomSampler(DATA).load_state_dict(state)


def test_subset():
    sampler = SubsetRandomSampler([3, 5, 9], generator=0)
    assert sorted(sampler) == [3, 5, 9]
    assert len(sampler) == 3


def test_weighted():
    counts = np.bincount(list(WeightedRandomSampler([0, 1, 3], 4000, generator=0)), minlength=3)
    assert counts[0] == 0
    assert abs(counts[2] / counts[1] - 3) < 0.4
    assert sorted(WeightedRandomSampler([0, 1, 3], 2, replacement=False, generator=0)) == [1, 2]
    for weights, match in (([-1.0, 2], "not negative"), ([0.0, 0], "not all 0"), ([np.nan, 1], "finite"),
                           ([[1.0]], "one axis")):
        with pytest.raises(ValueError, match=match):
            WeightedRandomSampler(weights, 1)
    with pytest.raises(ValueError, match="cannot draw 3 samples without replacement from 2"):
        WeightedRandomSampler([0, 1, 1], 3, replacement=False)


def test_batches():
    assert list(BatchSampler(SequentialSampler(DATA), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(BatchSampler(range(10), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    for size, last in ((4, False), (4, True), (5, False), (11, True)):
        sampler = BatchSampler(SequentialSampler(DATA), size, last)
        assert len(sampler) == len(list(sampler))
    rest = list(BatchSampler(SequentialSampler(DATA), 4).batches(np.random.default_rng(0), start=1))
    assert [batch.tolist() for batch in rest] == [[4, 5, 6, 7], [8, 9]]
    with pytest.raises(ValueError, match=r"batch_size must be an integer from 1 \(got 0\)"):
        BatchSampler(DATA, 0)
    with pytest.raises(TypeError, match="must yield integers"):
        list(BatchSampler([0.5, 1.5], 2))


def test_base_class():
    with pytest.raises(NotImplementedError, match="must define __len__"):
        len(Sampler())
    with pytest.raises(NotImplementedError, match="must define indices"):
        next(iter(Sampler()))
