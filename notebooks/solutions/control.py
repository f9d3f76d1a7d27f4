"""Solutions of 06, Keras as control."""

import math

from checks import control as check

# 1
check.exercise_1((3, 3, 1, 10))


# 2
def to_keras_order(rows):
    return rows.reshape(-1, 2, 3, 3).transpose(0, 2, 3, 1).reshape(-1, 18)


check.exercise_2(to_keras_order)

# 3
check.exercise_3(1e-7 / math.sqrt(1 - 0.999))
