"""How kernels are compiled: the environment's settings and the compiler's options."""

from __future__ import annotations

import os
from typing import Any

import numba

__all__ = ["BOUNDSCHECK", "JIT_DISABLED", "OPTIONS", "VERBOSE", "config"]

config: Any = numba.config
JIT_DISABLED = bool(config.DISABLE_JIT)
BOUNDSCHECK = os.environ.get("AUTOGRAD_NN_BOUNDSCHECK", "0") not in ("", "0")
VERBOSE = os.environ.get("AUTOGRAD_NN_VERBOSE", "0") not in ("", "0")

# `contract` lets LLVM fuse a*b+c; `nnan` and `ninf` are never set: NaN and infinity must travel.
OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True, "boundscheck": BOUNDSCHECK}
