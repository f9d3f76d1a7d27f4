"""Layers, networks, losses, initialisation: PyTorch's `nn` on Tensors. Each name is in the `__all__` of its module."""

import importlib as _importlib
import typing as _typing
from types import ModuleType as _Module

from ..engine.arguments import explain as _explain
from ..missing import absent_from_nn as _absent
from ..moved import by_other_name as _by_other_name
from . import functional as functional
from . import init as init
from . import utils as utils
from .activation import *
from .attention import *
from .container import *
from .convolution import *
from .distance import *
from .dropout import *
from .lazy import *
from .linear import *
from .loss import *
from .module import *
from .normalization import *
from .parameter import *
from .pooling import *
from .recurrent import *
from .sparse import *
from .transformer import *
from .vision import *

if not _typing.TYPE_CHECKING:  # a checker reads the imports above, and no list that is computed
    __all__ = sorted(
        name
        for name, value in globals().items()
        if not name.startswith("_") and (not isinstance(value, _Module) or name in ("functional", "init", "utils"))
    )

    _explain(globals(), __all__)

    def __getattr__(name: str) -> _typing.Any:
        if name == "SyncBatchNorm":  # what runs on several processes is imported when it is first asked for
            return _importlib.import_module("..parallel.norm", __name__).SyncBatchNorm
        if (module := _by_other_name(__name__, name)) is not None:
            return module
        raise _absent("nn", name)
