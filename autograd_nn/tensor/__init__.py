"""The Tensor: syntax over the operations, NumPy's functions on tensors, and how tensors are printed."""

from ..engine.arguments import explain
from .conversion import TYPE_NAMES as TYPE_NAMES
from .tensor import Tensor, as_tensor, asarray, from_dlpack, from_numpy, is_tensor, tensor
from .tensor import _rebuilt as _rebuilt  # which pickled tensors name

__all__ = ["Tensor", "as_tensor", "asarray", "from_dlpack", "from_numpy", "is_tensor", "tensor"]

explain(globals(), __all__)
