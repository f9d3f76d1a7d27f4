import os
import signal

import pytest

from autograd_nn.kernels import compile as compiling

PATIENCE = 0.2  # seconds for a test of kernels that run as plain Python (NUMBA_DISABLE_JIT=1, to measure coverage)


def give_up(number, frame):
    """Skip the rest of a test, unless coverage.py is at work, which may hold its lock: then a little later."""
    if f"{os.sep}coverage{os.sep}" in frame.f_code.co_filename:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        pytest.skip(f"takes more than {PATIENCE} s in plain Python")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """In plain Python, skip the rest of a test that is too large for it, and those that import PyTorch."""
    if not compiling.JIT_DISABLED:
        return (yield)
    if "torch" in item.name:
        pytest.skip("the import must not be interrupted")
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def threads(monkeypatch):
    """Return a function that sets the number of threads and lets arrays of any size use them."""
    before = compiling.get_num_threads()
    monkeypatch.setattr(compiling.count, "SERIAL_BELOW", 1)
    yield compiling.set_num_threads
    compiling.set_num_threads(before)
