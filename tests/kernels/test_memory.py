import sys

import numpy as np
import pytest

from autograd_nn.kernels import memory
from tests.kernels.test_compile import run

FAULTS = """
import resource
import numpy as np
from autograd_nn.kernels import memory

def step(size):
    arrays = [np.full(size, 1, np.uint8) for _ in range(6)]
    while arrays:
        arrays.pop()

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for size in (64 << 10, 2 << 20, 40 << 20):
    step(size), step(size)
    before = faults()
    step(size)
    print(faults() - before)
"""
GNU_ONLY = pytest.mark.skipif(memory._library is None, reason="the C library is not glibc")


def test_contiguous_copies_only_what_a_kernel_cannot_read_in_place():
    x = np.arange(6.0).reshape(2, 3)
    assert memory.contiguous(x) is x
    frozen = x.copy()
    frozen.flags.writeable = False
    misaligned = np.zeros(49, np.uint8)[1:].view(np.float64).reshape(2, 3)
    misaligned[...] = x
    for strange in (x.T, x[:, ::2], x[::-1], np.broadcast_to(x[0], (4, 3)), frozen, misaligned):
        y = memory.contiguous(strange)
        assert y.flags.carray
        np.testing.assert_array_equal(y, strange)


@GNU_ONLY
def test_new_arrays_reuse_warm_pages():
    out, _ = run(FAULTS)
    assert max(map(int, out.split())) < 20


@GNU_ONLY
@pytest.mark.parametrize("variable", [{"AUTOGRAD_NN_MALLOC": "0"}, {"MALLOC_TOP_PAD_": "131072"}])
def test_the_environment_can_leave_the_allocator_alone(variable):
    out, _ = run(FAULTS, **variable)
    assert max(map(int, out.split())) > 500


@GNU_ONLY
def test_release_memory_gives_it_back():
    program = """
import numpy as np
from autograd_nn.kernels import memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

x = np.ones(100 << 20, np.uint8)
y = np.ones(1 << 20, np.uint8)
del x
kept = resident()
memory.release_memory()
print(kept - resident())
"""
    out, _ = run(program)
    assert int(out) > 90 << 20


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_library", None)
    assert memory.keep_memory() is False
    memory.release_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory._gnu_library() is None
