"""Checks of 12, how the kernels get fast."""

import numpy as np

from course import close, exercise


@exercise
def exercise_1(loads):
    if abs(float(loads) - 10 / 16) > 1e-3:
        return "One round loads F weights and V vectors, and does F x V multiply-adds."


@exercise
def exercise_2(factor):
    if abs(float(factor) - 64 / 324) < 1e-3:
        return "The other way round: direct products divided by Winograd's."
    if abs(float(factor) - 324 / 64) > 0.01:
        return "The direct method takes 9 products for each of the 36 outputs."


@exercise
def exercise_3(correlate):
    products = []

    class Counted(float):
        """A number that counts its multiplications by another such number."""

        def __mul__(self, other):
            if isinstance(other, Counted):
                products.append(1)
            return Counted(float(self) * float(other))

        __rmul__ = __mul__

        def __add__(self, other):
            return Counted(float(self) + float(other))

        __radd__ = __add__

        def __sub__(self, other):
            return Counted(float(self) - float(other))

        def __truediv__(self, other):
            return Counted(float(self) / float(other))

    d, g = (np.random.default_rng(0).standard_normal(n) for n in (4, 3))
    found = correlate([Counted(value) for value in d], [Counted(value) for value in g])
    if found is ...:
        return ...
    if not close(found, [d[:3] @ g, d[1:] @ g]):
        return "The outputs are d[0] g[0] + d[1] g[1] + d[2] g[2], and the same one place further."
    if len(products) != 4:
        return f"Right, but by {len(products)} products; Winograd's way takes four (halves do not count)."
