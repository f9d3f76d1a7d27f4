"""ONNX under PyTorch's name: what `saving.onnx` has, imported when it is first asked for."""

from .saving.onnx import OnnxModule as OnnxModule
from .saving.onnx import export as export
from .saving.onnx import load as load

__all__ = ["OnnxModule", "export", "load"]
