"""Solutions of 14, several machines."""

from checks import machines as check

# 1
check.exercise_1((1.0, 1e8, -1e8))


# 2
def joined(g0, g1):
    return (30 * g0 + 10 * g1) / 40


check.exercise_2(joined)
