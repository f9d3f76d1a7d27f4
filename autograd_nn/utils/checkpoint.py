"""Recomputing instead of keeping, under PyTorch's name (see `autograd.checkpoint`)."""

from ..autograd import checkpoint

__all__ = ["checkpoint"]
