"""Array kernels: arrays in, arrays out; NumPy and Numba only.

Those that operations call are loaded by the first call: Numba takes longer to import than all the rest.
"""

import sys

from .later import load_later

load_later(sys.modules[__name__], (
    "attention", "by_numpy", "conv", "copies", "ctc", "elementwise", "gemm", "loss", "norm", "operations", "optim",
    "pool", "recurrent", "reduce", "resize", "sample", "scatter", "softmax", "special",
))  # fmt: skip
