"""Overhead: microseconds per recorded operation on tensors so small that arithmetic costs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_nn as ag

from .measure import Effort, compare
from .report import OURS, Row, Table
from .rivals import rival

LENGTH = 20  # operations in a chain


class Value:
    """A scalar that records its operations, after the manner of teaching engines: one closure per operation."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents
        self.push = lambda: None

    def __mul__(self, other):
        out = Value(self.data * other.data, (self, other))

        def push():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.push = push
        return out

    def tanh(self):
        out = Value(math.tanh(self.data), (self,))

        def push():
            self.grad += (1 - out.data**2) * out.grad

        out.push = push
        return out

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent in node.parents)
        self.grad = 1.0
        for node in reversed(order):
            node.push()


def _chain(x, y):
    for _ in range(LENGTH):
        x = x * y
    return x


def _scalars(x, y, tanh):
    for _ in range(LENGTH // 2):
        x = tanh(x * y)
    return x


def _check(x, y, s, t):
    """Compare the gradients of both kinds of chain with their values in float64."""
    _chain(x, y).backward(np.ones(8, np.float32))
    a, b = 0.5, 0.9
    slopes, value = (1.0, 0.0), a
    for _ in range(LENGTH // 2):
        slopes, value = (slopes[0] * b, slopes[1] * b + value), math.tanh(value * b)
        slopes = tuple(slope * (1 - value**2) for slope in slopes)
    _scalars(s, t, ag.tanh).backward()
    for found, expected in (
        (x.grad.numpy(), 1),
        (y.grad.numpy(), LENGTH),
        (s.grad.item(), slopes[0]),
        (t.grad.item(), slopes[1]),
    ):
        if not np.allclose(found, expected, rtol=1e-5):
            raise ArithmeticError(f"the gradient {found} differs from its value in float64, {expected}")


def run(effort: Effort) -> list[Table]:
    """Time products and chains of products of vectors of 8 elements, and scalar graphs."""
    absent: list[str] = []
    torch: Any
    mygrad: Any
    hips: Any
    torch, mygrad, hips = (rival(name, absent) for name in ("torch", "mygrad", "autograd"))
    product: dict[str, Callable[[], object]] = {}
    chain: dict[str, Callable[[], object]] = {}
    shared: dict[str, Callable[[], object]] = {}
    scalar: dict[str, Callable[[], object]] = {}
    inference: dict[str, Callable[[], object]] = {}
    layer: dict[str, Callable[[], object]] = {}

    ones = np.ones(8, np.float32)
    x, y = ag.Tensor(ones, requires_grad=True), ag.Tensor(ones, requires_grad=True)
    constant = ag.Tensor(ones)
    s, t = ag.tensor(0.5, requires_grad=True), ag.tensor(0.9, requires_grad=True)

    def unrecorded():
        with ag.no_grad():
            return _chain(x, y)

    product[OURS] = lambda: x * y
    chain[OURS] = lambda: _chain(x, constant).backward(ones)
    shared[OURS] = lambda: _chain(x, y).backward(ones)
    scalar[OURS] = lambda: _scalars(s, t, ag.tanh).backward()
    inference[OURS] = unrecorded
    convolution = ag.nn.Conv2d(1, 8, 3)
    image = ag.Tensor(np.ones((1, 1, 8, 8), np.float32))
    layer[OURS] = lambda: convolution(image)
    if torch:
        tx, ty, tc = torch.ones(8, requires_grad=True), torch.ones(8, requires_grad=True), torch.ones(8)
        ts, tt = torch.tensor(0.5, requires_grad=True), torch.tensor(0.9, requires_grad=True)

        def torch_unrecorded():
            with torch.no_grad():
                return _chain(tx, ty)

        product["torch"] = lambda: tx * ty
        chain["torch"] = lambda: _chain(tx, tc).backward(tc)
        shared["torch"] = lambda: _chain(tx, ty).backward(tc)
        scalar["torch"] = lambda: _scalars(ts, tt, torch.tanh).backward()
        inference["torch"] = torch_unrecorded
        torch_convolution, torch_image = torch.nn.Conv2d(1, 8, 3), torch.ones(1, 1, 8, 8)
        layer["torch"] = lambda: torch_convolution(torch_image)
    if mygrad:
        mx, my = mygrad.tensor(ones), mygrad.tensor(ones)
        ms, mt = mygrad.tensor(0.5), mygrad.tensor(0.9)
        product["mygrad"] = lambda: mx * my
        shared["mygrad"] = lambda: _chain(mx, my).backward(ones)
        scalar["mygrad"] = lambda: _scalars(ms, mt, mygrad.tanh).backward()
    if hips:
        hips_numpy: Any = rival("autograd.numpy", absent)
        gradient = hips.grad(lambda p: hips_numpy.sum(_chain(p[0], p[1])))
        shared["autograd"] = lambda: gradient((ones, ones))
        scalar_gradient = hips.grad(lambda p: _scalars(p[0], p[1], hips_numpy.tanh))
        scalar["autograd"] = lambda: scalar_gradient((0.5, 0.9))
    scalar["micrograd style"] = lambda: _scalars(Value(0.5), Value(0.9), Value.tanh).backward()

    _check(x, y, s, t)
    rows = []
    for case, candidates, operations in (
        ("product of two 8-vectors, recorded", product, 1),
        ("the same under no_grad", inference, LENGTH),
        ("forward + backward, one factor needs a gradient", chain, LENGTH),
        ("forward + backward, both factors do", shared, LENGTH),
        ("scalars, x = tanh(x y), forward + backward", scalar, LENGTH),
        ("Conv2d(1, 8, 3) on an image of 8 x 8, recorded", layer, 1),
    ):
        timings = compare(candidates, effort.seconds)
        rows.append(Row(case, {name: timing.scaled(1 / operations) for name, timing in timings.items()}))
    return [Table("Overhead", f"Time per operation (chains of {LENGTH}), median (quartiles).", rows, absent)]
