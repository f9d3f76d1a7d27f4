"""Solutions of 04, over-fitting and regularisation."""

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import MNIST, DataLoader, TensorDataset
from autograd_nn.training import evaluate, fit
from checks import regularisation as check

F = nn.functional

# 1: the validation error is smallest there
check.exercise_1(5)

# 2
units = ag.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
mask = ag.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 0.0])
check.exercise_2((units * mask / (1 - 0.5)).tolist())

# 3: shifted digits and a little dropout
digits, others = MNIST(), MNIST(train=False)
few = np.concatenate([np.flatnonzero(digits.labels == digit)[:30] for digit in range(10)])
moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
x = np.concatenate([np.roll(digits.inputs[few], move, (2, 3)) for move in moves])
y = np.tile(digits.labels[few], len(moves))
ag.manual_seed(0)
model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10))
optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
fit(model, DataLoader(TensorDataset(x, y), 50, shuffle=True, seed=0), optimizer, F.cross_entropy, 12, callbacks=[])
test = DataLoader(TensorDataset(others.inputs[1000:], others.labels[1000:]), batch_size=500)
accuracy = evaluate(model, test, F.cross_entropy, ["accuracy"])["accuracy"]
check.exercise_3(accuracy)
