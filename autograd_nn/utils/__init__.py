"""PyTorch's names of what lives elsewhere here: `utils.data` is `data`, `utils.checkpoint` `autograd.checkpoint`."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
