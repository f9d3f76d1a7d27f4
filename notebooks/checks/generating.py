"""Checks of 11, generating."""

import numpy as np

from course import close, exercise


@exercise
def exercise_1(divergence):
    if float(divergence) == 4:
        return "There is a 0.5 in front."
    if abs(float(divergence) - 2) > 1e-6:
        return "0.5 (mean² + exp(log-variance) - 1 - log-variance), with mean 2 and log-variance 0."


@exercise
def exercise_2(t):
    if abs(float(t) - 25) > 1e-6:
        return "cos² is a half at the angle π / 4: which t gives it?"


@exercise
def exercise_3(step_back):
    rng = np.random.default_rng(0)
    clean, noise = rng.standard_normal((2, 3, 4))
    for a, b in ((0.3, 0.5), (0.5, 1.0)):
        found = step_back(np.sqrt(a) * clean + np.sqrt(1 - a) * noise, clean, a, b)
        if found is ...:
            return ...
        if not close(found, np.sqrt(b) * clean + np.sqrt(1 - b) * noise):
            return "Solve x = √a clean + √(1 - a) noise for the noise, then mix anew with √b and √(1 - b)."
