"""Solutions of 01, autograd from the inside."""

import numpy as np

from autograd_nn.engine import elementwise
from checks import gradients as check

# 1: 2 u v, and u² + 1
check.exercise_1((12, 10))


# 2
class Value:  # as in the notebook
    def __init__(self, number, parents=()):
        self.number, self.parents, self.grad = number, parents, 0.0

    def __add__(self, other):
        return Value(self.number + other.number, [(self, 1.0), (other, 1.0)])

    def backward(self):
        order = []

        def visit(value):
            if value not in order:
                for parent, _ in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            for parent, factor in value.parents:
                parent.grad += factor * value.grad


def square(value):
    return Value(value.number**2, [(value, 2 * value.number)])


check.exercise_2(square, Value)


# 3
@elementwise
def swish(x):
    return x / (1 + np.exp(-x))


def rule(g, x):
    s = x.sigmoid()
    return g * (s + x * s * (1 - s))


swish.defvjp(x=rule)
check.exercise_3(swish)
