"""Sequences of different lengths in one batch: padded, or packed without padding.

A packed batch holds the first elements of all sequences, then the second elements of those that have one, and so on,
longest sequence first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ...ops.index import index_put
from ...ops.shape import stack, transpose
from ...tensor import Tensor
from ...typing import Array

__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """Sequences of different lengths without padding; made by `pack_padded_sequence` and `pack_sequence`.

    Attributes
    ----------
    data : Tensor of shape (sum of lengths, ...)
    batch_sizes : Tensor of shape (T,), int64
        How many sequences have an element at each step.
    sorted_indices, unsorted_indices : Tensor of shape (N,), int64, or None
        The order by length, and back; None where the sequences came in that order.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> packed = nn.utils.rnn.pack_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def lengths(self) -> Array:
        """Return the length of each sequence, longest first, as an array."""
        sizes = self.batch_sizes.array
        lengths: Array = (sizes[:, None] > np.arange(sizes[0])).sum(0)
        return lengths

    def places(self) -> tuple[Array, Array]:
        """Return the step and the (sorted) sequence that each row of `data` belongs to, as arrays."""
        sizes = self.batch_sizes.array
        step, sequence = np.nonzero(np.arange(sizes[0]) < sizes[:, None])
        return step, sequence


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: Literal["right", "left"] = "right",
) -> Tensor:
    """Join sequences (L, ...) of different lengths, filled up to the longest.

    Returns
    -------
    Tensor of shape (T, N, ...), or (N, T, ...) with `batch_first`

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.utils.rnn.pad_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    sequences = list(sequences)
    if not sequences:
        raise ValueError("pad_sequence(): expects at least one sequence")
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence(): padding_side must be 'left' or 'right' (padding_side={padding_side!r})")
    rest = sequences[0].array.shape[1:]
    for i, x in enumerate(sequences):
        if x.ndim == 0 or x.array.shape[1:] != rest:
            raise RuntimeError(f"pad_sequence(): sequences must agree in all dims but the first (sequence 0: "
                               f"{sequences[0].shape}, sequence {i}: {x.shape})")
    longest = max(x.array.shape[0] for x in sequences)
    filled = []
    for x in sequences:
        place = slice(longest - x.array.shape[0], None) if padding_side == "left" else slice(x.shape[0])
        blank = Tensor(np.full((longest, *rest), padding_value, x.dtype))
        filled.append(index_put(blank, (place,), x) if x.array.shape[0] < longest else x)
    return stack(filled, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Array | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """Return the sequences of a padded batch as a list; the inverse of `pad_sequence`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> padded = ag.tensor([[1, 2, 3], [4, 0, 0]])
    >>> [x.tolist() for x in nn.utils.rnn.unpad_sequence(padded, ag.tensor([3, 1]), batch_first=True)]
    [[1, 2, 3], [4]]
    """
    batch = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    return [x[: int(n)] for x, n in zip(batch, np.asarray(lengths))]


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Array | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch of sequences.

    Parameters
    ----------
    input : Tensor of shape (T, N, ...), or (N, T, ...) with `batch_first`
    lengths : Tensor or sequence of N int, from 1 to T
    batch_first : bool
    enforce_sorted : bool
        Demand that the longest sequence comes first; otherwise they are sorted here.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> rows = ag.zeros(2, 5, 3)
    >>> packed = nn.utils.rnn.pack_padded_sequence(rows, [5, 2], batch_first=True)
    >>> outputs, last = nn.GRU(3, 4, batch_first=True)(packed)
    >>> last.shape
    (1, 2, 4)
    """
    if not isinstance(input, Tensor):
        raise TypeError(f"pack_padded_sequence(): expects a tensor, got {type(input).__name__}")
    sizes = np.asarray(lengths)
    if input.ndim < 2 or sizes.shape != (input.array.shape[0 if batch_first else 1],):
        raise RuntimeError(f"pack_padded_sequence(): needs one length per sequence (input.shape={input.shape}, "
                           f"lengths.shape={sizes.shape}, batch_first={batch_first})")
    steps = input.array.shape[1 if batch_first else 0]
    if sizes.min() < 1 or sizes.max() > steps:
        raise RuntimeError(f"pack_padded_sequence(): lengths must be from 1 to {steps} (smallest {sizes.min()}, "
                           f"largest {sizes.max()})")
    order = np.argsort(-sizes, kind="stable")
    if enforce_sorted and (np.diff(sizes) > 0).any():
        raise RuntimeError("pack_padded_sequence(): lengths must be in decreasing order, or enforce_sorted=False "
                           f"(lengths={sizes.tolist()})")
    batch_sizes = (np.arange(sizes.max())[:, None] < sizes).sum(1)
    step, sequence = np.nonzero(np.arange(len(sizes)) < batch_sizes[:, None])
    places = (order[sequence], step) if batch_first else (step, order[sequence])
    indices = (None, None) if enforce_sorted else (Tensor(order), Tensor(np.argsort(order)))
    return PackedSequence(input[places], Tensor(batch_sizes), *indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return a packed batch as a padded one, and its lengths: the inverse of `pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool
    padding_value : float
    total_length : int, optional
        T of the result; that of the longest sequence by default.

    Returns
    -------
    padded : Tensor of shape (T, N, ...), or (N, T, ...) with `batch_first`
    lengths : Tensor of shape (N,), int64

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> packed = nn.utils.rnn.pack_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])])
    >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 0, 0]]), tensor([3, 1]))
    """
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"pad_packed_sequence(): expects a PackedSequence, got {type(sequence).__name__}")
    lengths = sequence.lengths()
    steps = len(sequence.batch_sizes) if total_length is None else total_length
    if steps < len(sequence.batch_sizes):
        raise ValueError(f"pad_packed_sequence(): total_length must not be less than the longest sequence "
                         f"(total_length={total_length}, longest {len(sequence.batch_sizes)})")
    step, place = sequence.places()
    if sequence.sorted_indices is not None and sequence.unsorted_indices is not None:
        place = sequence.sorted_indices.array[place]
        lengths = lengths[sequence.unsorted_indices.array]
    data = sequence.data
    size = (len(lengths), steps) if batch_first else (steps, len(lengths))
    blank = Tensor(np.full((*size, *data.array.shape[1:]), padding_value, data.dtype))
    return index_put(blank, (place, step) if batch_first else (step, place), data), Tensor(lengths)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L, ...) of different lengths.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> packed = nn.utils.rnn.pack_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    lengths = [x.array.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences of a packed batch as a list; the inverse of `pack_sequence`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> packed = nn.utils.rnn.pack_sequence([ag.tensor([1, 2, 3]), ag.tensor([4])])
    >>> nn.utils.rnn.unpack_sequence(packed)
    [tensor([1, 2, 3]), tensor([4])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
