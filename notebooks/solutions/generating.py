"""Solutions of 11, generating."""

import numpy as np

from checks import generating as check

# 1
mean, log_variance = 2.0, 0.0
check.exercise_1(0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance))

# 2: cos² is 1/2 at π / 4, half of the way
check.exercise_2(50 / 2)


# 3
def step_back(x, clean, a, b):
    noise = (x - np.sqrt(a) * clean) / np.sqrt(1 - a)
    return np.sqrt(b) * clean + np.sqrt(1 - b) * noise


check.exercise_3(step_back)
