"""One piece of memory for many arrays: those that are not needed at the same time share a place."""

from __future__ import annotations

__all__ = ["arrange"]

LINE = 64  # bytes: places begin on lines of the cache


def arrange(spans: dict[int, tuple[int, int, int]]) -> tuple[dict[int, int], int]:
    """Give arrays places such that those that are in use at the same time do not overlap.

    The largest first, each at the lowest place that is free while it is in use (Y. Pisarchyk and J. Lee, "Efficient
    memory management for deep neural net inference", 2020, arXiv:2001.03288).

    Parameters
    ----------
    spans : dict of int to (int, int, int)
        Of each array the first and the last time of its use, and its bytes.

    Returns
    -------
    places : dict of int to int
        Where each begins.
    size : int
        Of all memory, in bytes.
    """
    places: dict[int, int] = {}
    ends: dict[int, int] = {}
    for key in sorted(spans, key=lambda key: -spans[key][2]):
        first, last, size = spans[key]
        size = -(-size // LINE) * LINE + LINE  # a line apart: vectors are read beyond the end
        taken = sorted((places[other], ends[other]) for other in places
                       if spans[other][0] <= last and first <= spans[other][1])
        at = 0
        for begin, end in taken:
            if begin - at >= size:
                break
            at = max(at, end)
        places[key], ends[key] = at, at + size
    return places, max(ends.values(), default=0)
