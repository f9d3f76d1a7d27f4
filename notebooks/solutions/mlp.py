"""Solutions of 03, the MLP on digits."""

import math

from autograd_nn import nn
from checks import mlp as check

# 1
network = nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
check.exercise_1(sum(parameter.numel() for parameter in network.parameters()))

# 2
check.exercise_2(-math.log(0.25))


# 3
def top_3(scores, labels):
    return (scores.topk(3)[1] == labels[:, None]).any(1).float().mean().item()


check.exercise_3(top_3)
