"""A small run to try things on: a line that is fitted."""

import numpy as np

from autograd_nn import manual_seed, nn, optim
from autograd_nn.data import DataLoader, TensorDataset


def line(n=64, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, 1)).astype(np.float32)
    return TensorDataset(x, 3 * x - 1)


def regression(lr=0.1, seed=0):
    manual_seed(seed)
    model = nn.Linear(1, 1)
    return model, optim.SGD(model.parameters(), lr=lr), DataLoader(line(), batch_size=16, shuffle=True, seed=seed)
