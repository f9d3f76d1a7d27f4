"""Solutions of 08, sequences."""

import numpy as np

import autograd_nn as ag
from autograd_nn import nn
from checks import sequences as check

F = nn.functional

# 1
check.exercise_1(sum(parameter.numel() for parameter in nn.LSTM(1, 24).parameters()))


# 2
def attention(q, k, v):
    shares = F.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, dim=-1)
    return shares @ v


check.exercise_2(attention)

# 3
check.exercise_3(ag.triu(ag.full((4, 4), -np.inf), 1))
