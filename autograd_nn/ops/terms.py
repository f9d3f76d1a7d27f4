"""How many terms the mean of a loss was taken over, for whoever joins the losses of several batches to one."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import Any

from ..engine import Variable, effect

__all__ = ["counted_terms", "counting", "note_terms", "noted"]


class _Notes(threading.local):
    terms: list[float] | None = None


_notes = _Notes()


class counted_terms:
    """Collect what the losses of this thread are divided by: ``with counted_terms() as terms:``.

    Each mean adds one number to the list: its number of terms, or the sum of their weights; each sum adds infinity.
    """

    def __enter__(self) -> list[float]:
        self.before = _notes.terms
        terms: list[float] = []
        _notes.terms = terms
        return terms

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        _notes.terms = self.before


def note_terms(reduction: str, terms: Any) -> None:
    """Note that a loss reduced so many terms, by 'mean' or 'sum'."""
    if _notes.terms is not None and reduction in ("mean", "sum"):
        _note(reduction, terms)


@effect
def _note(reduction: str, terms: Any) -> None:
    if _notes.terms is not None:
        terms = terms.array if isinstance(terms, Variable) else terms
        _notes.terms.append(float(terms) if reduction == "mean" else math.inf)


def counting() -> bool:
    """Return whether this thread collects the numbers of terms."""
    return _notes.terms is not None


def noted() -> list[float]:
    """Return the list that this thread collects the numbers of terms in; an empty one if it does not."""
    return [] if _notes.terms is None else _notes.terms
