"""The frameworks that we are measured against, as far as they are installed."""

from __future__ import annotations

import importlib
from types import ModuleType

EXTRA = {"torch": "bench", "keras": "bench", "mygrad": "bench", "autograd": "bench", "tinygrad": "bench"}


def rival(name: str, absent: list[str]) -> ModuleType | None:
    """Return a rival's module, or None with a note of what installs it added to `absent`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        absent.append(f"{name} (pip install 'autograd_nn[{EXTRA[name.split('.')[0]]}]')")
        return None
