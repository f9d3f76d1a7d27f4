"""What was proven once holds for every call of the same form: lowerings are kept, by forms, without their arrays.

The form of a call is the primitive, its settings, and of each array shape, strides, dtype and place in its memory. The
kernels that were proven to do it are kept on *ghosts*, arrays of the same shape without memory, and put onto the arrays
of the next call. Numbers in arrays are no part of a form: a rehearsal of the whole step on data of its own follows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..kernels.compile import get_num_threads
from ..kernels.machine import Call
from .reach import owner
from .trace import Computation

__all__ = ["Lowered", "known_or_proven"]

MOST_KEPT = 4096  # forms
LARGEST_CONSTANT = 1 << 16  # bytes of the tables of one form


class Lowered(NamedTuple):
    """Kernels that do what a call of a primitive does, and the memory that they use on the way."""

    calls: list[Call]
    scratch: list[np.ndarray]


class _Proof(NamedTuple):
    """Calls on ghosts; of each ghost, by its id, which memory it is in and where; the sizes of what is on the way."""

    calls: list[Call]
    places: dict[int, tuple[int, int]]
    ghosts: list[np.ndarray]
    sizes: list[int]


_proofs: OrderedDict[Any, _Proof] = OrderedDict()


def known_or_proven(record: Computation, rule: Any, prove: Callable[[], Lowered | None]) -> Lowered | None:
    """Return the kernels that do what a call does: those of another call of its form, or what `prove` finds.

    Parameters
    ----------
    record : Computation
    rule : callable or None
        The rule that `prove` tries.
    prove : callable
    """
    form, roots = _form_of(record)
    form = (rule, record.primitive.forward, *form)
    try:
        known = _proofs.get(form)
    except TypeError:  # a setting that cannot be hashed
        return prove()
    if known is not None:
        _proofs.move_to_end(form)
        return _put(known, roots)
    found = prove()
    if found is not None:
        proof = _without_arrays(found, roots)
        if proof is not None:
            _proofs[form] = proof
            if len(_proofs) > MOST_KEPT:
                _proofs.popitem(last=False)
    return found


def _form_of(record: Computation) -> tuple[Any, list[np.ndarray]]:
    """Return all that kernels of a call are chosen by, and the owners of its memory in the order of their use."""
    roots: list[np.ndarray] = []
    numbers: dict[int, int] = {}
    form: list[Any] = []
    for x in (*record.inputs, "results", *record.outs):
        if not isinstance(x, np.ndarray):
            form.append((type(x), repr(x)))
            continue
        root = owner(x)
        if id(root) not in numbers:
            numbers[id(root)] = len(roots)
            roots.append(root)
            form.append((root.nbytes, root.flags.c_contiguous))
        form.append((numbers[id(root)], _offset(x, root), x.shape, x.strides, x.dtype.str, x.flags.writeable,
                     any(x is written for written in record.writes)))
    settings = tuple(record.params.items())
    return (record.primitive, record.promotes, settings, repr(settings), get_num_threads(), *form), roots


def _offset(array: np.ndarray, root: np.ndarray) -> int:
    return array.ctypes.data - root.ctypes.data


def _without_arrays(found: Lowered, roots: list[np.ndarray]) -> _Proof | None:
    """Return calls on ghosts; None where they hold much memory that is none of the call's."""
    numbers = {id(root): i for i, root in enumerate([*roots, *found.scratch])}
    places: dict[int, tuple[int, int]] = {}
    ghosts: list[np.ndarray] = []
    constants: dict[int, int] = {}

    def ghost_of(array: np.ndarray) -> np.ndarray:
        root = owner(array)
        number = numbers.get(id(root))
        if number is None:
            constants[id(root)] = root.nbytes
            return array
        ghost = as_strided(np.empty(1, array.dtype), array.shape, array.strides)
        places[id(ghost)] = number, _offset(array, root)
        ghosts.append(ghost)
        return ghost

    calls = [call.moved(ghost_of) for call in found.calls]
    if sum(constants.values()) > LARGEST_CONSTANT:
        return None
    return _Proof(calls, places, ghosts, [root.nbytes for root in found.scratch])


def _put(proof: _Proof, roots: list[np.ndarray]) -> Lowered:
    """Return the calls of a proof on the memory of another call."""
    scratch = [np.empty(size, np.uint8) for size in proof.sizes]
    memory = [*(root.ravel("K").view(np.uint8) for root in roots), *scratch]

    def real(ghost: np.ndarray) -> np.ndarray:
        place = proof.places.get(id(ghost))
        if place is None:
            return ghost  # a constant
        number, at = place
        return np.ndarray(ghost.shape, ghost.dtype, memory[number], at, ghost.strides)

    return Lowered([call.moved(real) for call in proof.calls], scratch)
