"""Import a library that only an extra of the package brings, or say which extra."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["need"]


def need(module: str, extra: str, what: str) -> Any:
    """Import and return `module`; without it raise ImportError that names the extra to install.

    Parameters
    ----------
    module : str
        As it is imported, ``"PIL.Image"`` for example.
    extra : str
        The extra of this package that brings it.
    what : str
        The class or function that needs it, for the message.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'{what} needs {module.split(".")[0]}, which is not installed: '
                          f'pip install "autograd_nn[{extra}]"') from error
