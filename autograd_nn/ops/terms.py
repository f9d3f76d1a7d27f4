"""How many terms the mean of a loss was taken over, for whoever joins the losses of several batches to one."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import Any

from ..engine import Variable, effect
from ..typing import Tensor
from .elementwise import eq, where

__all__ = ["counted_terms", "counting", "divisor", "note_terms", "noted"]


class _Notes(threading.local):
    terms: list[float] | None = None
    of_part = False


_notes = _Notes()


class counted_terms:
    """Collect what the losses of this thread are divided by: ``with counted_terms() as terms:``.

    Each mean adds one number to the list: its number of terms, or the sum of their weights; each sum adds infinity.

    Parameters
    ----------
    of_part : bool
        Whether the losses are those of parts of a batch, which are joined to one: then a mean over no terms is 0, as
        are its gradients, and not NaN.
    """

    def __init__(self, of_part: bool = False):
        self.of_part = of_part

    def __enter__(self) -> list[float]:
        self.before = _notes.terms, _notes.of_part
        terms: list[float] = []
        _notes.terms, _notes.of_part = terms, self.of_part
        return terms

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        _notes.terms, _notes.of_part = self.before


def note_terms(reduction: str, terms: Any) -> None:
    """Note that a loss reduced so many terms, by 'mean' or 'sum'."""
    if _notes.terms is not None and reduction in ("mean", "sum"):
        _note(reduction, terms)


def divisor(total: Tensor) -> Tensor:
    """Return what a mean is divided by, and note it: the weights of its terms, or 1 for no terms of a part."""
    note_terms("mean", total)
    return where(eq(total, 0), 1.0, total) if _notes.of_part else total


@effect
def _note(reduction: str, terms: Any) -> None:
    if _notes.terms is not None:
        terms = terms.array if isinstance(terms, Variable) else terms
        _notes.terms.append(float(terms) if reduction == "mean" else math.inf)


def counting() -> tuple[bool, bool]:
    """Return whether this thread collects the numbers of terms, and whether they are those of parts of a batch."""
    return _notes.terms is not None, _notes.of_part


def noted() -> list[float]:
    """Return the list that this thread collects the numbers of terms in; an empty one if it does not."""
    return [] if _notes.terms is None else _notes.terms
