"""Kernels that check each index: steps of many geometries stay within their arrays, losses are the same."""

import os
import pathlib
import subprocess
import sys

import pytest

PROGRAM = """
import itertools
import numpy as np
from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.nn import functional as F

rng = np.random.default_rng(0)
losses = []
SETTINGS = itertools.product((0, 1, 3), (7, 8), (1, 2, 3, 5), (1, 2), (0, 1), (1, 2))
for n, size, kernel, stride, padding, dilation in SETTINGS:
    if size + 2 * padding < dilation * (kernel - 1) + 3:
        continue
    manual_seed(0)
    conv = nn.Conv2d(4, 4, kernel, stride, padding, dilation, groups=1 + (kernel == 3))
    model = nn.Sequential(conv, nn.BatchNorm2d(4) if n else nn.ReLU(), nn.ReLU(),
                          nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                          nn.Linear(16, 5))
    x = Tensor(rng.standard_normal((n, 4, size, size), dtype=np.float32)).requires_grad_()
    loss = F.cross_entropy(model(x), Tensor(rng.integers(0, 5, n)), reduction="sum")
    loss.backward()
    optim.Adam(model.parameters()).step()
    losses.append(loss.item() + float(np.abs(x.grad.array).sum()))
print(len(losses), sum(losses))
"""


def run(bounds):
    environment = {**os.environ, "AUTOGRAD_NN_BOUNDSCHECK": bounds}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=pathlib.Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    count, total = found.stdout.split()
    return int(count), float(total)


@pytest.mark.slow
def test_training_steps_with_bounds_checked():
    count, total = run("1")
    expected_count, expected = run("0")
    assert count == expected_count > 100
    assert abs(total - expected) < 1e-3 * abs(expected)
