"""ONNX, the exchange format of networks (extra `onnx`): `export` writes a model, `load` reads one and trains it on."""

from .exporting import export
from .importing import OnnxModule, load

__all__ = ["OnnxModule", "export", "load"]
