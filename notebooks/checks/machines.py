"""Checks of 14, several machines."""

import numpy as np

from course import close, exercise


@exercise
def exercise_1(three):
    a, b, c = (np.float32(value) for value in three)
    if not np.isfinite([a, b, c]).all():
        return "Finite numbers, please."
    if (a + b) + c == a + (b + c):
        return "These agree. Take one so large that a small one beside it is rounded away, and its negative."


@exercise
def exercise_2(joined):
    g0, g1 = np.array([1.0, 2.0]), np.array([5.0, -2.0])
    found = joined(g0, g1)
    if found is ...:
        return ...
    if close(found, (g0 + g1) / 2):
        return "The plain mean counts an image of rank 1 three times as much. Weigh by the numbers of images."
    if not close(found, (30 * g0 + 10 * g1) / 40):
        return "Each mean times its number of images gives a sum; add the sums, divide by 40."
