"""Checks of 03, the MLP on digits."""

import math

import autograd_nn as ag
from course import exercise


@exercise
def exercise_1(count):
    count = int(count)
    if count == 784 * 100 + 100 * 10:
        return "And the biases: one for each output of a layer."
    if count != 785 * 100 + 101 * 10:
        return "A layer with n inputs and m outputs has n x m weights and m biases."


@exercise
def exercise_2(loss):
    loss = float(loss)
    if abs(loss - 2) < 1e-9:
        return "That is in bits: the loss takes the natural logarithm."
    if abs(loss + math.log(4)) < 1e-3:
        return "The sign: a loss is positive."
    if abs(loss - math.log(4)) > 5e-3:
        return "It is -log of the probability of the true class; of the others nothing is asked."


@exercise
def exercise_3(top_3):
    rows = "9870000000", "0123456789", "5040302010"
    scores = ag.tensor([[float(digit) for digit in row] for row in rows])
    for labels, share in (([2, 9, 6], 2 / 3), ([3, 0, 1], 0.0), ([0, 7, 4], 1.0)):
        found = top_3(scores, ag.tensor(labels))
        if found is ...:
            return ...
        found = float(found)
        if abs(found - share) > 1e-6:
            return f"For the labels {labels} it should be {share:.2f}, not {found:.2f}. Try scores.topk(3)[1]."
