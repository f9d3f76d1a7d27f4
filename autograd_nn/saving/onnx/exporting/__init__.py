"""From a model to an ONNX file: trace it, translate each operation by a table, write the file."""

from .writing import export

__all__ = ["export"]
