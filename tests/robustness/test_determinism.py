"""The same bits from run to run: in fresh processes, with any number of threads of Numba's and of NumPy's."""

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.data import ArrayDataset, DataLoader, transforms
from autograd_nn.kernels import compile as compiling
from autograd_nn.kernels import elementwise, gated
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.training import fit
from tests.robustness.threads import LAYERS, environment, is_available


def net():
    """Return a net that takes most kernels, large enough for several threads."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 5, stride=2), nn.GELU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(600, 300),
        nn.LayerNorm(300), nn.SiLU(), nn.Linear(300, 10),
    )  # fmt: skip


def trained(make_optimizer, batch, epochs):
    """Train with shuffling, random transforms in the prefetching thread and dropout; return losses and weights."""
    manual_seed(7)
    rng = np.random.default_rng(7)
    images, labels = rng.standard_normal((192, 1, 28, 28), np.float32), rng.integers(0, 10, 192)
    data = ArrayDataset(images, labels, transform=transforms.RandomCrop(28, padding=2))
    model = net()
    loader = DataLoader(data, batch_size=batch, shuffle=True, prefetch=2)
    history = fit(model, loader, make_optimizer(model.parameters()), nn.CrossEntropyLoss(), epochs, callbacks=[])
    return history["loss"], b"".join(value.array.tobytes() for value in model.state_dict().values())


def second_order():
    """Return the weights after steps of L-BFGS, which takes products of long vectors."""
    manual_seed(8)
    model = nn.Sequential(nn.Linear(200, 300), nn.Tanh(), nn.Linear(300, 1))
    x = Tensor(np.random.default_rng(8).standard_normal((64, 200), np.float32))
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return b"".join(p.array.tobytes() for p in model.parameters())


def fingerprint():
    """Return a hash of everything."""
    digest = hashlib.sha256()
    for make_optimizer, batch, epochs in ((optim.Adam, 64, 2), (lambda p: optim.SGD(p, 0.05, 0.9), 24, 1)):
        losses, weights = trained(make_optimizer, batch, epochs)
        digest.update(repr(losses).encode() + weights)
    digest.update(second_order())
    return digest.hexdigest()


def in_a_process(**variables):
    """Return the fingerprint of a fresh process, and how many threads its kernels had."""
    command = [sys.executable, "-m", "tests.robustness.test_determinism"]
    found = subprocess.run(command, cwd=pathlib.Path(__file__).parents[2], env=os.environ | variables, text=True,
                           capture_output=True, timeout=300)
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout.split()


@pytest.fixture(scope="module")
def expected():
    return in_a_process(NUMBA_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONHASHSEED="0")[0]


def test_a_second_run_in_one_process():
    assert fingerprint() == fingerprint()


@pytest.mark.parametrize(("numbas", "numpys"), [
    ("1", "2"), pytest.param("2", "1", marks=pytest.mark.slow), ("3", "4"),
    pytest.param("7", "3", marks=pytest.mark.slow),
])
def test_fresh_processes_with_other_numbers_of_threads(expected, numbas, numpys):
    variables = {"NUMBA_NUM_THREADS": numbas, "OPENBLAS_NUM_THREADS": numpys, "PYTHONHASHSEED": numpys}
    assert in_a_process(**variables) == [expected, numbas]


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_every_threading_layer(expected, layer):
    if not is_available(layer):
        pytest.skip(f"there is no threading layer {layer} here")
    assert in_a_process(NUMBA_NUM_THREADS="2", **environment(layer))[0] == expected


def dropped(x, g):
    return elementwise.dropout(x, p=0.3, seed=5)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [
    *(lambda x, g, name=name: getattr(elementwise, name)(x) for name in ("relu", "sigmoid", "erf")),
    *(lambda x, g, name=name: getattr(gated, name)(x) for name in ("gelu", "silu")),
    elementwise.relu_input, elementwise.add_relu, gated.gelu_input, gated.silu_input, dropped,
])  # fmt: skip
def test_an_element_has_the_same_bits_wherever_a_chunk_of_it_begins(kernel, dtype, monkeypatch):
    """Vector loops and the loops over what they leave may be compiled to other instructions."""
    monkeypatch.setattr(compiling.count, "SERIAL_BELOW", 1)
    monkeypatch.setattr(elementwise, "SMALL", 0)
    before = get_num_threads()
    try:
        for size in (257, 1001, 31999):
            x, g = np.random.default_rng(size).standard_normal((2, size)).astype(dtype)
            found = set()
            for count in (1, 2, 3, 5, 7, 11, 16):
                set_num_threads(count)
                found.add(kernel(x, g).tobytes())
            assert len(found) == 1
    finally:
        set_num_threads(before)


if __name__ == "__main__":
    print(fingerprint(), get_num_threads())
