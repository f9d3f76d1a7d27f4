"""PyTorch's names of what lives elsewhere here: `utils.data` is `data`, `utils.checkpoint` `autograd.checkpoint`."""

import importlib
from typing import TYPE_CHECKING, Any

from ..moved import by_other_name
from . import checkpoint

if TYPE_CHECKING:
    from . import data

__all__ = ["checkpoint", "data"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "data":  # brings the libraries that download, which would take a fifth of the time of the import
            return importlib.import_module(".data", __name__)
        if (module := by_other_name(__name__, name)) is not None:
            return module
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
