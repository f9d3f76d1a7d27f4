"""ONNX under PyTorch's name: what `saving.onnx` has, imported when it is first asked for."""

from .saving.onnx import export as export

__all__ = ["export"]
