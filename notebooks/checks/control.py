"""Checks of 06, Keras as control."""

import math

import numpy as np

from course import close, exercise


@exercise
def exercise_1(shape):
    if tuple(shape) != (3, 3, 1, 10):
        return "(out, in, height, width) here; (height, width, in, out) in Keras."


@exercise
def exercise_2(to_keras_order):
    rows = np.arange(36.0).reshape(2, 18)
    found = to_keras_order(rows)
    if found is ...:
        return ...
    if tuple(found.shape) != (2, 18):
        return f"The shape should stay (2, 18), and is {tuple(found.shape)}."
    if not close(found, rows.reshape(2, 2, 3, 3).transpose(0, 2, 3, 1).reshape(2, 18)):
        return "Three steps: reshape to (N, 2, 3, 3), move the channels to the end, flatten again."


@exercise
def exercise_3(epsilon):
    wanted = 1e-7 / math.sqrt(1 - 0.999)
    if abs(float(epsilon) / wanted - 1) > 1e-3:
        return "Keras's epsilon divided by the root of 1 - beta2**t, with t = 1."
