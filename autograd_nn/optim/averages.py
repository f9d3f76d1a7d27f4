"""Running averages, updated in place."""

from __future__ import annotations

import numpy as np

__all__ = ["update_mean", "update_mean_square"]


def update_mean(mean: np.ndarray, g: np.ndarray, beta: float) -> None:
    """Set ``mean = beta * mean + (1 - beta) * g``, as ``mean += (1 - beta) * (g - mean)``."""
    change = g - mean
    change *= 1 - beta
    mean += change


def update_mean_square(mean: np.ndarray, g: np.ndarray, beta: float) -> None:
    """Set ``mean = beta * mean + (1 - beta) * g**2``."""
    square = g * g
    square *= 1 - beta
    mean *= beta
    mean += square
