"""Solutions of 13, the compiled step."""

import autograd_nn as ag
from checks import compiled as check

# 1: 8,000 is 250 times 32: all batches have one shape
check.exercise_1(1)


# 2
def clamped(total):
    return ag.where(total > 0, total * 2, total)


check.exercise_2(clamped)

# 3: as measured once; the largest batch is always the safest answer
check.exercise_3(1024, {1: (0.5, 0.1), 64: (0.9, 0.5), 1024: (6.0, 5.6)})
