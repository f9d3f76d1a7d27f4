"""From an ONNX file to a Module: read it with care, run each operator by a table of functions of tensors."""

from .module import OnnxModule, load

__all__ = ["OnnxModule", "load"]
