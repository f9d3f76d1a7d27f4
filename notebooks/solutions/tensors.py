"""Solutions of 00, tensors and shapes."""

import autograd_nn as ag
from autograd_nn.data import MNIST
from checks import tensors as check

# 1: from the right, 5 and 1, 1 and 3, 8 and nothing
check.exercise_1((8, 3, 5))

# 2
table = ag.tensor([[1.0, 200.0], [2.0, 400.0], [3.0, 900.0]])
check.exercise_2((table - table.mean(0)) / table.std(0, correction=0))

# 3
labels = ag.tensor([2, 0, 1, 2])
check.exercise_3((labels[:, None] == ag.arange(3)).float())

# 4
digits, others = MNIST(), MNIST(train=False)
flat, y = ag.tensor(digits.inputs).flatten(1), ag.tensor(digits.labels)
means = ag.stack([flat[y == digit].mean(0) for digit in range(10)])
guess = (ag.tensor(others.inputs).flatten(1) @ means.T - (means**2).sum(1) / 2).argmax(1)
counts = ag.zeros(10, 10)
for true, guessed in zip(others.labels.tolist(), guess.tolist()):
    if true != guessed:
        counts[true, guessed] += 1
pair = divmod(int(counts.argmax()), 10)
check.exercise_4(pair)
