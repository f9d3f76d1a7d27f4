"""Checks of 08, sequences."""

import numpy as np

import autograd_nn as ag
from course import close, exercise


@exercise
def exercise_1(count):
    count = int(count)
    if count == 4 * 24 * 25:
        return "Weights only: add two biases of 24 for each gate."
    if count != 4 * 24 * (1 + 24 + 2):
        return "For each of the four gates: 24 x 1 from the input, 24 x 24 from the state, and two biases of 24."


@exercise
def exercise_2(attention):
    ag.manual_seed(0)
    q, k, v = ag.randn(2, 1, 8), ag.randn(2, 5, 8), ag.randn(2, 5, 8)
    found = attention(q, k, v)
    if found is ...:
        return ...
    scores = q.numpy() @ k.numpy().transpose(0, 2, 1)
    if tuple(found.shape) != (2, 1, 8):
        return f"The shape should be (2, 1, 8), and is {tuple(found.shape)}: shares (N, 1, T) @ values (N, T, d)."
    for scale, hint in ((8**-0.5, None), (1.0, "Divide the products by the root of d, q.shape[-1] ** 0.5.")):
        shares = np.exp(scores * scale)
        if close(found.detach(), shares / shares.sum(-1, keepdims=True) @ v.numpy()):
            return hint
    return "softmax along the last axis, dim=-1, of q @ k.transpose(1, 2) / d ** 0.5; then @ v."


@exercise
def exercise_3(mask):
    if tuple(mask.shape) != (4, 4):
        return f"The shape should be (4, 4), and is {tuple(mask.shape)}."
    found, future = np.asarray(mask, dtype=float), np.triu(np.ones((4, 4), bool), 1)
    if np.isnan(found).any():
        return "0 times infinity is no number: build it by ag.full((4, 4), -np.inf) and triu, or by ag.where."
    if np.isneginf(found).T[future].any():
        return "It hides the past: take the other triangle."
    if np.isneginf(np.diag(found)).any():
        return "A token may look at itself: the diagonal is 0."
    if not (np.isneginf(found[future]).all() and (found[~future] == 0).all()):
        return "-inf above the diagonal, 0 elsewhere."
