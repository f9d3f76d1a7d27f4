import pytest

from autograd_nn.kernels import compile as compiling


@pytest.fixture
def threads(monkeypatch):
    """Return a function that sets the number of threads and lets arrays of any size use them."""
    before = compiling.get_num_threads()
    monkeypatch.setattr(compiling, "SERIAL_BELOW", 1)
    yield compiling.set_num_threads
    compiling.set_num_threads(before)
