import signal

import pytest

from autograd_nn.kernels import compile as compiling

PATIENCE = 0.2  # seconds for a test of kernels that run as plain Python (NUMBA_DISABLE_JIT=1, to measure coverage)


@pytest.fixture(autouse=compiling.JIT_DISABLED)
def short(request):
    """Skip the rest of a test that is too large for plain Python, and those that import PyTorch."""
    if "torch" in request.node.name:
        pytest.skip("the import must not be interrupted")

    def give_up(*_):
        pytest.skip(f"takes more than {PATIENCE} s in plain Python")

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def threads(monkeypatch):
    """Return a function that sets the number of threads and lets arrays of any size use them."""
    before = compiling.get_num_threads()
    monkeypatch.setattr(compiling, "SERIAL_BELOW", 1)
    yield compiling.set_num_threads
    compiling.set_num_threads(before)
