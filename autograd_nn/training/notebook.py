"""A place in the output of a notebook cell whose content is replaced as a run goes on."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Display"]


class Display:
    """Shows one object after another in the same place.

    IPython is not imported for it: where there is a notebook, it has been.

    Attributes
    ----------
    available : bool
        Whether the program runs in a notebook's kernel; elsewhere there is no such place.
    """

    def __init__(self) -> None:
        ipython = sys.modules.get("IPython")
        self.available = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
        self._handle: Any = None

    def show(self, value: Any) -> None:
        """Show an object in place of the one before it."""
        if self._handle is None:
            self._handle = sys.modules["IPython.display"].display(value, display_id=True)
        else:
            self._handle.update(value)
