"""Tensors and training runs on disk."""
