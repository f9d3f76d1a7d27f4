"""Solutions of 12, how the kernels get fast."""

from checks import kernels as check

# 1
check.exercise_1((8 + 2) / (8 * 2))

# 2
check.exercise_2(36 * 9 / 64)


# 3
def correlate(d, g):
    m1 = (d[0] - d[2]) * g[0]
    m2 = (d[1] + d[2]) * ((g[0] + g[1] + g[2]) / 2)
    m3 = (d[2] - d[1]) * ((g[0] - g[1] + g[2]) / 2)
    m4 = (d[1] - d[3]) * g[2]
    return m1 + m2 + m3, m2 - m3 - m4


check.exercise_3(correlate)
