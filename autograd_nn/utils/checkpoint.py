"""Recomputing instead of keeping, under PyTorch's name (see `autograd.checkpoint`)."""

from ..autograd import checkpoint
from ..autograd.checkpoint import checkpoint_sequential

__all__ = ["checkpoint", "checkpoint_sequential"]
