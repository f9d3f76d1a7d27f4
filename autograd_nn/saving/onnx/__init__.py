"""ONNX, the exchange format of networks (extra `onnx`): `export` writes a model."""

from .exporting import export

__all__ = ["export"]
