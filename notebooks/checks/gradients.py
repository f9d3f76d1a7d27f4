"""Checks of 01, autograd from the inside."""

import numpy as np

import autograd_nn as ag
from autograd_nn.testing import gradcheck, gradgradcheck
from course import close, exercise


@exercise
def exercise_1(gradients):
    du, dv = (float(value) for value in gradients)
    if (du, dv) == (10.0, 12.0):
        return "The other way round: first the derivative by u."
    if du != 12:
        return "By u: v is a constant, so 2 u v."
    if dv != 10:
        return "By v: v is used twice, in u² v and alone. Add both shares."


@exercise
def exercise_2(square, value_class):
    value = value_class(3.0)
    found = square(value)
    if found is ...:
        return ...
    if not isinstance(found, value_class):
        return "Return a Value, so that it can be used further."
    if found.number != 9:
        return f"The number should be 9, and is {found.number}."
    (found + found).backward()
    if value.grad != 12:
        return f"The gradient of twice the square at 3 is 12, not {value.grad}. The local factor is 2 * value.number."


@exercise
def exercise_3(swish):
    points = ag.tensor(np.array([-2.0, -0.5, 0.3, 1.7]), requires_grad=True)
    total = swish(points).sum()
    try:
        (found,) = ag.grad(total, points)
        found = found.numpy()
    except Exception:  # the rule is still ...
        return ...
    x = points.detach().numpy()
    s = 1 / (1 + np.exp(-x))
    if close(found, s):
        return "The second part is missing: x s (1 - s), since x also moves the sigmoid."
    if not close(found, s + x * s * (1 - s)):
        return "g times (s + x s (1 - s)), with s = x.sigmoid()."
    gradcheck(swish, points)
    gradgradcheck(swish, points)
