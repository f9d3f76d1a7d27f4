"""Parameters as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...engine import mark_changed
from ...ops.shape import cat, reshape
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return the elements of all parameters as one vector, recorded.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    flat = [reshape(parameter, (-1,)) for parameter in parameters]
    if not flat:
        raise ValueError("parameters_to_vector(): expects at least one parameter")
    return cat(flat)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the elements of a vector into parameters in turn, in place and unrecorded.

    Parameters
    ----------
    vec : Tensor of shape (total,)
        With as many elements as the parameters have together.
    parameters : iterable of Parameter

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> layer = nn.Linear(1, 1)
    >>> nn.utils.vector_to_parameters(ag.tensor([2.0, 5.0]), layer.parameters())
    >>> layer.weight.item(), layer.bias.item()
    (2.0, 5.0)
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters(): expects a tensor, got {type(vec).__name__}")
    parameters = list(parameters)
    sizes = [math.prod(parameter.array.shape) for parameter in parameters]
    if vec.array.shape != (sum(sizes),):
        raise RuntimeError(f"vector_to_parameters(): the vector must have the {sum(sizes)} elements of the parameters "
                           f"(vec.shape={vec.shape})")
    start = 0
    for parameter, size in zip(parameters, sizes):
        parameter.array[...] = vec.array[start : start + size].reshape(parameter.array.shape)
        mark_changed(parameter.array)
        start += size
