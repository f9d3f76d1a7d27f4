"""Results kept while an array stays the same: never stale, bounded, forgotten with the array."""

import threading

import numpy as np
import pytest

from autograd_nn.kernels.conv import choice as conv
from autograd_nn.kernels.conv import kept
from autograd_nn.kernels.conv.kept import Kept
from autograd_nn.kernels.conv.winograd import passes as winograd


def total(array):
    return float(array.sum()), 8


@pytest.fixture
def calls():
    """A `Kept` of sums that counts how often a sum is computed."""

    class Counted(Kept):
        count = 0

        def counted(self, array):
            self.count += 1
            return total(array)

    counted = Counted(None, 10_000_000)
    counted.function = counted.counted
    return counted


def test_a_result_is_kept_from_the_second_call_on(calls):
    array = np.arange(10_000.0)
    assert [calls(array) for _ in range(4)] == [None, 49_995_000.0, 49_995_000.0, 49_995_000.0]
    assert calls.count == 1
    assert calls.bytes == array.nbytes + 8


@pytest.mark.parametrize("place", [0, 1, 4097, 63_999, 99_999])
def test_one_changed_element_is_seen(calls, place):
    array = np.ones(100_000, np.float32)
    calls(array), calls(array)
    array[place] = 3.0
    assert calls(array) is None
    assert [calls(array), calls(array)] == [100_002.0, 100_002.0]


def test_nan_is_the_same_and_a_sign_of_zero_is_not(calls):
    array = np.zeros(5000, np.float32)
    array[7] = np.nan
    calls(array), calls(array), calls(array)
    assert calls.count == 1
    array[9] = -0.0
    assert calls(array) is None


def test_an_array_that_changes_between_calls_costs_no_result(calls):
    array = np.ones(5000)
    for _ in range(5):
        array += 1
        assert calls(array) is None
    assert calls.count == calls.bytes == 0


def test_an_array_that_dies_is_forgotten(calls):
    array = np.ones(5000)
    calls(array), calls(array)
    assert calls.bytes
    del array
    assert calls.bytes == 0
    assert not calls._entries


def test_what_was_used_longest_ago_is_dropped_first(calls):
    calls.most_bytes = 100_000
    first, second, third = (np.full(5000, i, float) for i in range(3))
    for array in (first, second):
        calls(array), calls(array)
    calls(first)
    calls(third), calls(third)
    assert calls.bytes <= calls.most_bytes
    assert calls(first) == 0.0
    assert calls(second) is None
    calls.clear()
    assert calls.bytes == 0


def test_threads_that_share_an_array(calls):
    arrays = [np.full(50_000, i, np.float32) for i in range(3)]
    wrong = []

    def work():
        for turn in range(60):
            array = arrays[turn % 3]
            found = calls(array)
            if found not in (None, float(array.sum())):
                wrong.append(found)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_same_bits_of_any_number_of_threads(monkeypatch):
    a = np.random.default_rng(0).standard_normal(70_000)
    b = a.copy()
    b[-1] = np.nextafter(b[-1], 9)
    for threads in (1, 2, 5):
        monkeypatch.setattr(kept, "threads_for", lambda work, threads=threads: threads)
        assert kept.same_bits(a, a.copy())
        assert not kept.same_bits(a, b)


def test_a_deep_convolution_keeps_its_transform_and_follows_its_weight():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 176, 8, 8)).astype(np.float32)
    w = rng.standard_normal((176, 176, 3, 3)).astype(np.float32)
    winograd.kept_transforms.clear()

    def convolved():
        return conv.conv2d(x, w, padding=((1, 1), (1, 1)))

    first = convolved()
    assert winograd.kept_transforms.bytes == 0
    np.testing.assert_array_equal(convolved(), first)
    assert winograd.kept_transforms.bytes > 4 * w.nbytes
    np.testing.assert_array_equal(convolved(), first)
    w[100, 3] *= 2
    changed = convolved()
    np.testing.assert_array_equal(np.delete(changed, 100, 1), np.delete(first, 100, 1))
    assert not np.array_equal(changed[:, 100], first[:, 100])
    conv.forget_weights()
    assert winograd.kept_transforms.bytes == 0
