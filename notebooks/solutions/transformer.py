"""Solutions of 09, a transformer that writes."""

import numpy as np

import autograd_nn as ag
from autograd_nn import nn
from checks import transformer as check

F = nn.functional


# 1
def heated(logits, temperature):
    return F.softmax(logits / temperature, dim=-1)


check.exercise_1(heated)


# 2
def top_k(logits, k):
    smallest = logits.topk(k)[0][-1]
    return F.softmax(ag.where(logits >= smallest, logits, -np.inf), dim=-1)


check.exercise_2(top_k)

# 3: on any text; the notebook's is longer
text = "the fox sees the moon. two crows hear an old song. the king likes the last train. "
letters = sorted(set(text))
codes = np.array([letters.index(letter) for letter in text])
counts = np.zeros((len(letters), len(letters)))
np.add.at(counts, (codes[:-1], codes[1:]), 1)
p = counts / counts.sum(1, keepdims=True)
check.exercise_3(-np.log(p[codes[:-1], codes[1:]]).mean(), text)
