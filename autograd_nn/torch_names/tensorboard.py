"""PyTorch's `utils.tensorboard`: the SummaryWriter of tensorboardX, given tensors as arrays."""

from __future__ import annotations

import importlib
from typing import Any

from ..tensor import Tensor

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Write scalars, histograms, pictures and texts for TensorBoard.

    All methods are those of tensorboardX's ``SummaryWriter``, which may be given tensors of this package.

    Parameters
    ----------
    log_dir : path, optional
    *args, **kwargs
        As for tensorboardX.

    Raises
    ------
    ImportError
        tensorboardX is not installed.
    """

    def __init__(self, log_dir: Any = None, *args: Any, **kwargs: Any):
        try:
            tensorboard = importlib.import_module("tensorboardX")
        except ImportError:
            raise ImportError("SummaryWriter(): needs tensorboardX; pip install 'autograd_nn[data]'") from None
        self._writer = tensorboard.SummaryWriter(log_dir, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_writer":
            raise AttributeError(name)
        attribute = getattr(self._writer, name)
        if not callable(attribute):
            return attribute

        def method(*args: Any, **kwargs: Any) -> Any:
            return attribute(*map(_array, args), **{key: _array(value) for key, value in kwargs.items()})

        return method

    def add_graph(self, *args: Any, **kwargs: Any) -> None:
        """Raise: TensorBoard draws PyTorch's graphs only; `look.draw_graph` draws ours."""
        raise NotImplementedError("SummaryWriter.add_graph(): TensorBoard draws graphs of PyTorch only; look.drawing "
                                  "draws those of autograd_nn")

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.close()


def _array(value: Any) -> Any:
    """Return a tensor, or tensors in lists, tuples and dicts, as arrays."""
    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, dict):
        return {key: _array(item) for key, item in value.items()}
    return type(value)(map(_array, value)) if type(value) in (list, tuple) else value
