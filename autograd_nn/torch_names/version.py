"""PyTorch's `version`: what is not there is None."""

import sys
from typing import Any

_package: Any = sys.modules[__name__.partition(".")[0]]

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]

__version__: str = _package.__version__
cuda = hip = xpu = git_version = None
debug = False
