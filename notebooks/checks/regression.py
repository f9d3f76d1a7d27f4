"""Checks of 02, regression on a table."""

import numpy as np

from course import exercise


@exercise
def exercise_1(gradient):
    gradient = float(gradient)
    if abs(gradient - 10) < 1e-6:
        return "The sign: the prediction is below the targets, so a larger b makes the loss smaller."
    if abs(gradient + 30) < 1e-6:
        return "That is the gradient of the sum; the loss is a mean."
    if abs(gradient + 10) > 1e-6:
        return "The derivative of (b - y)² is 2 (b - y); put b = 0 and take the mean over 2, 4 and 9."


@exercise
def exercise_2(bicycles):
    bicycles = float(np.asarray(bicycles).reshape(()))
    if abs(bicycles) < 20:
        return "The model answers in hundreds."
    if abs(bicycles - (80 + 9 * 20 - 14 * 3 + 60)) > 15:
        return ("Standardise as the training data: (row - table.mean(0)) / table.std(0), in "
                "float32; then model(...) * 100.")


@exercise
def exercise_3(accuracy):
    accuracy = float(accuracy)
    if accuracy > 1:
        return "Give the share, between 0 and 1."
    if accuracy < 0.86:
        return ("nn.Linear(3, 1) on x[train], labels[train], 200 steps of SGD(lr=0.5); then "
                "(model(x[test]) > 0) == labels[test].")
    if accuracy == 1:
        return "Suspicious: chance is part of this shop. Was it measured on the test days?"
