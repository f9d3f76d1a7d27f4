"""Checks of 09, a transformer that writes."""

import numpy as np

import autograd_nn as ag
from course import close, exercise

LOGITS = [2.0, 1.0, 0.0, -1.0, 0.5]


@exercise
def exercise_1(heated):
    for temperature in (1.0, 0.5, 2.0):
        p = heated(ag.tensor(LOGITS), temperature)
        if p is ...:
            return ...
        wanted = np.exp(np.array(LOGITS) / temperature)
        if not close(p, wanted / wanted.sum()):
            times = np.exp(np.array(LOGITS) * temperature)
            if close(p, times / times.sum()):
                return "Divide the logits by the temperature; a high one makes them alike."
            return f"At temperature {temperature} it should be softmax(logits / temperature)."


@exercise
def exercise_2(top_k):
    for k in (1, 2, 5):
        p = top_k(ag.tensor(LOGITS), k)
        if p is ...:
            return ...
        p = np.asarray(p, dtype=float)
        if (p > 0).sum() != k:
            return (f"With k={k}, {(p > 0).sum()} probabilities are above 0. Set the other logits to "
                    "-inf before the softmax.")
        wanted = np.where(np.argsort(np.argsort(-np.array(LOGITS))) < k, np.exp(LOGITS), 0)
        if not close(p, wanted / wanted.sum()):
            return "The right ones are kept, but they should add up to 1: softmax after the others are -inf."


@exercise
def exercise_3(loss, text):
    loss = float(loss)
    letters, codes = np.unique(list(text), return_inverse=True)
    counts = np.zeros((len(letters), len(letters)))
    np.add.at(counts, (codes[:-1], codes[1:]), 1)
    p = counts / counts.sum(1, keepdims=True)
    wanted = -np.log(p[codes[:-1], codes[1:]]).mean()
    if abs(loss - wanted / np.log(2)) < 1e-2:
        return "In bits; the loss of the model is in natural logarithms."
    if abs(loss - wanted) > 1e-2:
        return ("counts[this, next] += 1 along the text; divide each row by its sum; take the "
                "mean of -log of what happened.")
