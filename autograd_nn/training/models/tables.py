"""The network for tables: numbers beside an embedding for each column of categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import nn
from ...ops.shape import cat
from ...tensor import Tensor

__all__ = ["tabular"]


class _Tabular(nn.Module):
    """Embeds codes, and puts them beside the numbers."""

    def __init__(self, embedding_sizes: Sequence[tuple[int, int]], head: nn.Module):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(*size) for size in embedding_sizes)
        self.head = head

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        if codes.ndim != 2 or codes.shape[1] != len(self.embeddings):
            raise ValueError(f"tabular(): expects codes of shape (N, {len(self.embeddings)}) beside the numbers "
                             f"(codes.shape={codes.shape})")
        parts = [numbers, *(embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings))]
        out: Tensor = self.head(cat(parts, 1))
        return out


def tabular(encoder: Any, outputs: int, hidden: Sequence[int] = (64, 32), dropout: float = 0.0) -> nn.Module:
    """Return a multilayer perceptron for the rows of a table, with an embedding for each column of categories.

    Parameters
    ----------
    encoder : TableEncoder
        One that has learned from a table; ``categories="codes"`` embeds its categories, one-hot ones are numbers.
    outputs : int
        Classes, or numbers that are predicted.
    hidden : sequence of int
        Units of each hidden layer; each is followed by ReLU.
    dropout : float
        Share of the hidden units that are zeroed in training.

    Returns
    -------
    Module
        ``model(numbers, codes)`` with numbers (N, width) and codes (N, columns), int64; without columns of codes
        ``model(numbers)``.

    Raises
    ------
    TypeError
        Something else than an encoder.
    RuntimeError
        An encoder that has learned from no table.

    Notes
    -----
    A category of code c is the row c of a matrix that is learned, of a width of about 1.6 times the 0.56th power of
    the number of categories: the rule of thumb of fastai.

    References
    ----------
    C. Guo and F. Berkhahn, "Entity Embeddings of Categorical Variables", 2016, arXiv:1604.06737.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import models
    >>> from autograd_nn.data import TableDataset
    >>> table = {"age": [20.0, 30.0, 40.0], "town": ["Ulm", "Bonn", "Ulm"], "buys": ["no", "yes", "yes"]}
    >>> rows = TableDataset(table, target="buys", categories="codes")
    >>> model = models.tabular(rows.encoder, outputs=2)
    >>> (numbers, codes), target = rows.batch([0, 1, 2])
    >>> model(ag.tensor(numbers), ag.tensor(codes)).shape
    (3, 2)
    """
    for name in ("width", "embedding_sizes", "categories"):
        if not hasattr(encoder, name):
            raise TypeError(f"tabular(): encoder must be a TableEncoder, not {type(encoder).__name__}")
    for name, value in (("outputs", outputs), *(("hidden", units) for units in hidden)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"tabular(): {name} must be whole numbers of at least 1 ({name}={value!r})")
    if not encoder.feature_names and not encoder.categorical_names:
        raise RuntimeError("tabular(): the encoder has learned from no table; call fit(table) first")
    sizes = encoder.embedding_sizes if encoder.categories == "codes" else []
    features, layers = encoder.width + sum(size for _, size in sizes), []
    for units in hidden:
        layers += [nn.Linear(features, units), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
        features = units
    head = nn.Sequential(*layers, nn.Linear(features, outputs))
    return _Tabular(sizes, head) if sizes else head
