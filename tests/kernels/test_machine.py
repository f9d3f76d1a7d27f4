"""Records pass each kind of argument as Python does, by shared adapters and by exact ones."""

import ctypes
import itertools

import numpy as np
import pytest

from autograd_nn.kernels import machine
from autograd_nn.kernels.compile import JIT_DISABLED, chunked
from autograd_nn.kernels.machine import C, Call, Half, Machine, Pointer, Slot

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="of compiled kernels only")


@pytest.fixture(params=["shared adapters", "exact adapters"])
def adapters(request, monkeypatch):
    if request.param == "exact adapters":
        monkeypatch.setattr(machine, "_passes_words", lambda: False)
    elif not machine._passes_words():
        pytest.skip("arguments are passed by their places here")


@chunked
def write_down(thread, threads, numbers, ints, flag, small, a, floats, b, out):
    out[0], out[1], out[2] = ints[0], ints[1], threads
    out[3], out[4] = 1.0 if flag else 0.0, small
    out[5], out[6] = a, b
    for i in range(len(floats)):
        out[7 + i] = floats[i]
    out[7 + len(floats)] = numbers[-1, 1]


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 12])  # floats besides two: more than 8 of them take an exact adapter
def test_arguments_arrive_as_python_passes_them(adapters, count):
    numbers, floats = np.arange(12.0).reshape(3, 4), tuple(1.5 * i - 3 for i in range(count))
    out, expected = np.zeros(9 + count), np.zeros(9 + count)
    arguments = (1, numbers, (-5, 2**40), True, np.int32(-7), np.float32(0.1), floats or (0.5,), -2.25)
    write_down(*arguments, expected)
    program = Machine([Call(write_down, (*arguments, out))])
    assert program.run() == -1
    np.testing.assert_array_equal(out, expected)
    assert expected[5] == np.float32(0.1) and expected[0] == -5


def test_slots_and_halves_are_read_at_each_run(adapters):
    outs, rate, seed = [np.zeros(8), np.zeros(8)], Slot(1.0), np.array(2**40 + 3)
    program = Machine([
        Call(write_down, (1, np.ones((2, 2)), (Half(seed, 0), Half(seed, 1)), False, np.int32(1), np.float32(0),
                          (rate,), rate, out))
        for out in outs
    ])  # fmt: skip
    for value, number in [(1.0, 2**40 + 3), (0.25, 2**33 - 1), (-3.0, 7)]:
        rate.view[0], seed[...] = value, number
        assert program.run() == -1
        for out in outs:
            assert [out[0], out[1]] == [number & 0xFFFFFFFF, number >> 32]
            assert out[6] == out[7] == value


@chunked
def fails_on_negative(thread, threads, x, rate, out):
    if x[0] < 0:
        raise ValueError("negative")
    out[0] = x[0] * rate


def test_the_call_that_failed_is_told_and_the_rest_can_be_run(adapters):
    xs, outs, rate = [np.full(1, i + 1.0) for i in range(4)], [np.zeros(1) for _ in range(4)], Slot(2.0)
    program = Machine([Call(fails_on_negative, (1, x, rate, out)) for x, out in zip(xs, outs)])
    for bad in itertools.chain([None], range(4)):
        for i, (x, out) in enumerate(zip(xs, outs)):
            x[0], out[0] = -1 if i == bad else i + 1, 0
        assert program.run() == (-1 if bad is None else bad)
        done = len(outs) if bad is None else bad
        assert [out[0] for out in outs] == [2.0 * (i + 1) if i < done else 0 for i in range(4)]
        if bad is not None and bad < 3:
            assert program.run(bad + 1) == -1
            assert [out[0] for out in outs] == [2.0 * (i + 1) if i != bad else 0 for i in range(4)]


def test_functions_of_c(adapters):
    seen = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_float, ctypes.c_void_p, ctypes.c_int64, ctypes.c_double)
    function = kind(lambda *arguments: seen.append(arguments))
    address, x = ctypes.cast(function, ctypes.c_void_p).value, np.zeros(2)
    program = Machine([Call(C("function", address), (np.int32(-3), np.float32(0.5), Pointer(x), 2**40, 0.1))])
    assert program.run() == -1
    assert seen == [(-3, 0.5, x.ctypes.data, 2**40, 0.1)]
