"""Elementwise kernels where one pass over memory beats NumPy's."""

import numpy as np


def relu(x):
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def relu_input(g, out):
    """Return g where out > 0 (or NaN), else 0."""
    return np.where(out <= 0, 0, g).astype(g.dtype, copy=False)
