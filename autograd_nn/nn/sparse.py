"""Tables of vectors."""

from __future__ import annotations

from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by integers.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table, V.
    embedding_dim : int
        D.
    padding_idx : int, optional
        A row that is first 0 and gets no gradient.
    max_norm, norm_type, scale_grad_by_freq, sparse
        Not available; must keep their defaults.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (V, D)
        Drawn from N(0, 1).
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        if max_norm is not None or scale_grad_by_freq or sparse:
            raise NotImplementedError("Embedding: max_norm, scale_grad_by_freq and sparse are not available")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx must be within num_embeddings (padding_idx={padding_idx}, "
                             f"num_embeddings={num_embeddings})")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % num_embeddings
        if _weight is None:
            self.weight = empty_parameter((num_embeddings, embedding_dim), dtype, device)
            self.reset_parameters()
        else:
            if _weight.shape != (num_embeddings, embedding_dim):
                raise ValueError(f"Embedding: the weight must have shape {(num_embeddings, embedding_dim)} "
                                 f"(got {_weight.shape})")
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """Return a layer around a table that exists, not trained unless `freeze` is False."""
        if embeddings.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained(): expects a matrix (embeddings.shape={embeddings.shape})")
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.array[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        """Look up integers of any shape; the result has D as an additional last dim."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the settings."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
