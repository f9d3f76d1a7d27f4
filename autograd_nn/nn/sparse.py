"""Tables of vectors."""

from __future__ import annotations

from ..engine import no_grad
from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What layers around a table of vectors share: its settings, its weight, and the row that is 0."""

    weight: Parameter

    def _set_up(
        self, shape: tuple[int, int], padding_idx: int | None, absent: bool, weight: Tensor | None,
        dtype: DTypeLike | None, device: DeviceLike,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        if absent:
            raise NotImplementedError(f"{name}: max_norm, scale_grad_by_freq and sparse are not available")
        self.num_embeddings, self.embedding_dim = rows, _ = shape
        if padding_idx is not None and not -rows <= padding_idx < rows:
            raise ValueError(f"{name}: padding_idx must be within num_embeddings (padding_idx={padding_idx}, "
                             f"num_embeddings={rows})")
        self.padding_idx = padding_idx if padding_idx is None else padding_idx % rows
        if weight is None:
            self.weight = empty_parameter(shape, dtype, device)
            self.reset_parameters()
        elif weight.array.shape != shape:
            raise ValueError(f"{name}: the weight must have shape {shape} (got {weight.shape})")
        else:
            self.weight = Parameter(weight)

    @classmethod
    def _shape_of(cls, embeddings: Tensor) -> tuple[int, int]:
        if embeddings.ndim != 2:
            raise ValueError(f"{cls.__name__}.from_pretrained(): expects a matrix "
                             f"(embeddings.shape={embeddings.shape})")
        rows, columns = embeddings.array.shape
        return rows, columns

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0


class Embedding(_Table):
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> embed = nn.Embedding(num_embeddings=10, embedding_dim=4, padding_idx=0)
    >>> embed(ag.tensor([[1, 2, 0]])).shape, embed.weight[0].tolist()
    ((1, 3, 4), [0.0, 0.0, 0.0, 0.0])
    """

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
        absent = max_norm is not None or scale_grad_by_freq or sparse
        self._set_up((num_embeddings, embedding_dim), padding_idx, absent, _weight, dtype, device)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """Return a layer around a table that exists, not trained unless `freeze` is False."""
        rows, columns = cls._shape_of(embeddings)
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze)

    def forward(self, input: Tensor) -> Tensor:
        """Look up integers of any shape; the result has D as an additional last dim."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the settings."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class EmbeddingBag(_Table):
    """Sums, means or maxima of rows of a table, one for each bag of integers; see `functional.embedding_bag`.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table, V.
    embedding_dim : int
        D.
    max_norm, norm_type, scale_grad_by_freq, sparse
        Not available; must keep their defaults.
    mode : {'mean', 'sum', 'max'}
    include_last_offset : bool
        Whether the last offset is the end of the last bag.
    padding_idx : int, optional
        A row that is first 0, does not count, and gets no gradient.
    device, dtype : optional

    Attributes
    ----------
    weight : Parameter of shape (V, D)
        Drawn from N(0, 1).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.nn.EmbeddingBag(10, 3)(ag.tensor([[1, 2], [4, 5]])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        if mode not in ("mean", "sum", "max"):
            raise ValueError(f"EmbeddingBag: mode must be 'mean', 'sum' or 'max' (mode={mode!r})")
        self.mode, self.include_last_offset = mode, include_last_offset
        absent = max_norm is not None or scale_grad_by_freq or sparse
        self._set_up((num_embeddings, embedding_dim), padding_idx, absent, _weight, dtype, device)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False, include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:  # fmt: skip
        """Return a layer around a table that exists, not trained unless `freeze` is False."""
        rows, columns = cls._shape_of(embeddings)
        layer = cls(rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
                    include_last_offset, padding_idx)  # fmt: skip
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """Reduce bags of integers, (B, M), or (M,) with the places where bags start; the result is (B, D)."""
        return F.embedding_bag(input, self.weight, offsets, mode=self.mode, per_sample_weights=per_sample_weights,
                               include_last_offset=self.include_last_offset, padding_idx=self.padding_idx)

    def extra_repr(self) -> str:
        """Return the settings."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}{padding}"
