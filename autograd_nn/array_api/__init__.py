"""The array API standard: its functions, on tensors and with gradients where there are any.

``x.__array_namespace__()`` returns this module, so that libraries that know the standard take tensors. Version 2024.12,
without complex numbers and the standard's extensions ``linalg`` and ``fft``; ``x.size`` stays PyTorch's method.
"""

import math as _math
import typing as _typing
from types import ModuleType as _Module

from .creation import *
from .dtypes import *
from .elementwise import *
from .info import array_namespace_info as __array_namespace_info__
from .manipulation import *
from .searching import *
from .statistics import *

__array_api_version__ = "2024.12"
e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None

if not _typing.TYPE_CHECKING:  # a checker reads the imports above, and no list that is computed
    __all__ = [
        "__array_api_version__",
        "__array_namespace_info__",
        *sorted(
            name for name, value in globals().items() if not name.startswith("_") and not isinstance(value, _Module)
        ),
    ]
