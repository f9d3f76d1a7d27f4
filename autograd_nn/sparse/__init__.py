"""Sparse matrices by coordinates (COO): their products with dense ones, with gradients of both.

A sparse tensor has no graph of its own: its values are a tensor that has one. What is not here is an error that says to
use ``to_dense()``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..devices import device as Device
from ..engine import Variable, note_read, primitive, wrap
from ..ops.index import index_add, index_select
from ..ops.shape import cat, to_dtype
from ..tensor import Tensor, as_tensor
from ..tensor.size import Size
from ..typing import Array, DeviceLike, DTypeLike, ShapeLike

__all__ = ["FloatTensor", "SparseTensor", "addmm", "mm", "softmax", "sparse_coo_tensor", "spmm", "sum", "to_sparse"]


@primitive
def _product(values: Array, dense: Array, rows: Array, columns: Array, *, height: int) -> Array:
    """Return the product of a sparse matrix of so many rows and a dense one."""
    out = np.zeros((height, dense.shape[1]), np.result_type(values, dense))
    if not len(values):
        return out
    order = np.argsort(rows, kind="stable")
    at = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], at[1:] != at[:-1]]))
    terms = values[order, None] * dense[columns[order]]
    out[at[starts]] = np.add.reduceat(terms, starts, axis=0)
    return out


_product.defvjp(
    values=lambda g, dense, rows, columns: (index_select(g, 0, rows) * index_select(dense, 0, columns)).sum(1),
    dense=lambda g, values, dense_like, rows, columns: _product(values, g, columns, rows, height=dense_like.shape[0]),
)


class SparseTensor:
    """A sparse tensor: the indices of elements, and a tensor of their values; all others are 0.

    Made by `sparse_coo_tensor` and `Tensor.to_sparse`.

    Attributes
    ----------
    shape : Size
    dtype : NumPy dtype

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.eye(2).to_sparse()
    >>> x.indices(), x.values()
    (tensor([[0, 1],
            [0, 1]]), tensor([1., 1.]))
    >>> x.to_dense()
    tensor([[1., 0.],
            [0., 1.]])
    """

    is_sparse = True
    layout = "torch.sparse_coo"

    def __init__(self, indices: Array, values: Tensor, shape: ShapeLike, coalesced: bool):
        self._places, self._elements, self.shape, self._coalesced = indices, values, Size(shape), coalesced  # type: ignore[arg-type]

    # -------------------------------------------------------------------------------- description

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self._elements.dtype

    @property
    def device(self) -> Device:
        """The CPU."""
        return self._elements.device

    @property
    def requires_grad(self) -> bool:
        """Whether the values have a gradient."""
        return self._elements.requires_grad

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def dim(self) -> int:
        """Return the number of dims."""
        return len(self.shape)

    sparse_dim = dim

    def dense_dim(self) -> int:
        """Return 0: all dims are sparse."""
        return 0

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """Return the number of elements, zeros included."""
        return self.shape.numel()

    def _nnz(self) -> int:
        return int(self._places.shape[1])

    def is_coalesced(self) -> bool:
        """Return whether no index is there twice, and they are in order."""
        return self._coalesced

    def _indices(self) -> Tensor:
        return wrap(self._places)

    def _values(self) -> Tensor:
        return self._elements

    def indices(self) -> Tensor:
        """Return the indices, of shape (ndim, number of values)."""
        self._need_coalesced("indices")
        return wrap(self._places)

    def values(self) -> Tensor:
        """Return the values."""
        self._need_coalesced("values")
        return self._elements

    def _need_coalesced(self, operation: str) -> None:
        if not self._coalesced:
            raise RuntimeError(f"{operation}(): an index may be there twice; call .coalesce() first")

    def __repr__(self) -> str:
        return (f"tensor(indices={self._places.tolist()},\n       values={self._elements.tolist()},\n       "
                f"size={tuple(self.shape)}, nnz={self._nnz()}, layout=torch.sparse_coo)")

    def __getattr__(self, name: str) -> Any:
        known = hasattr(Tensor, name) and not name.startswith("__")
        advice = "use .to_dense() for the operations of tensors" if known else "it is no attribute of tensors either"
        raise AttributeError(f"SparseTensor.{name}: is not there; {advice}", name=name)

    # -------------------------------------------------------------------------------- other forms

    def coalesce(self) -> SparseTensor:
        """Return the tensor with its indices in order, and the values of equal ones added up."""
        if self._coalesced:
            return self
        flat = np.ravel_multi_index(tuple(self._places), self.shape) if self._nnz() else np.zeros(0, np.int64)
        kept, inverse = np.unique(flat, return_inverse=True)
        places = np.array(np.unravel_index(kept, self.shape)).reshape(self.ndim, -1).astype(np.int64)
        values = index_add(self._elements.new_zeros(len(kept)), 0, wrap(inverse.astype(np.int64)), self._elements)
        return SparseTensor(places, values, self.shape, True)

    def to_dense(self) -> Tensor:
        """Return the tensor with its zeros."""
        flat = np.ravel_multi_index(tuple(self._places), self.shape).reshape(-1).astype(np.int64)
        out = index_add(self._elements.new_zeros(self.numel()), 0, wrap(flat), self._elements)
        return out.reshape(self.shape)

    def to_sparse(self) -> SparseTensor:
        """Return the tensor itself."""
        return self

    def t(self) -> SparseTensor:
        """Return the transpose of a matrix."""
        return self.transpose(0, 1)

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        """Return the tensor with two dims exchanged."""
        order = list(range(self.ndim))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        return SparseTensor(self._places[order], self._elements, [self.shape[i] for i in order], self._nnz() < 2)

    @property
    def T(self) -> SparseTensor:
        """The transpose of a matrix."""
        return self.t()

    def detach(self) -> SparseTensor:
        """Return the tensor with values outside the graph."""
        return self._with(self._elements.detach())

    def clone(self) -> SparseTensor:
        """Return a copy."""
        return SparseTensor(self._places.copy(), self._elements.clone(), self.shape, self._coalesced)

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Say whether the values have a gradient."""
        self._elements.requires_grad_(requires_grad)
        return self

    def to(self, *targets: Any, **settings: Any) -> SparseTensor:
        """Return the tensor in another dtype."""
        return self._with(self._elements.to(*targets, **settings))

    def float(self) -> SparseTensor:
        """Return the tensor as float32."""
        return self._with(self._elements.float())

    def double(self) -> SparseTensor:
        """Return the tensor as float64."""
        return self._with(self._elements.double())

    def cpu(self) -> SparseTensor:
        """Return the tensor itself."""
        return self

    def cuda(self, device: DeviceLike = None) -> SparseTensor:
        """Raise: there is no other device than the CPU."""
        raise RuntimeError("cuda(): autograd_nn computes on the CPU only")

    def _with(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._places, values, self.shape, self._coalesced)

    # -------------------------------------------------------------------------------- arithmetic

    def __matmul__(self, other: Any) -> Any:
        return mm(self, other) if getattr(other, "ndim", 2) != 1 else mm(self, other.unsqueeze(1)).squeeze(1)

    def __rmatmul__(self, other: Tensor) -> Tensor:
        return mm(self.t(), other.unsqueeze(1) if other.ndim == 1 else other.T).T.reshape(  # type: ignore[no-any-return]
            *other.shape[:-1], self.shape[1])

    def mm(self, mat2: Tensor) -> Tensor:
        """Return the product with a dense matrix."""
        return mm(self, mat2)  # type: ignore[no-any-return]

    matmul = spmm = mm

    def mv(self, vec: Tensor) -> Tensor:
        """Return the product with a dense vector."""
        return self @ vec  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> SparseTensor:
        if isinstance(other, SparseTensor) or getattr(other, "ndim", 0):  # type: ignore[arg-type]
            raise TypeError("mul(): a sparse tensor is multiplied by numbers only; use .to_dense()")
        return self._with(self._elements * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        return self * (1 / other)  # type: ignore[no-any-return]

    def __neg__(self) -> SparseTensor:
        return self * -1

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, SparseTensor):
            return self.to_dense() + other
        if self.shape != other.shape:
            raise RuntimeError(f"add(): sparse tensors must have the same shape ({tuple(self.shape)}, "
                               f"{tuple(other.shape)})")
        dtype = np.promote_types(self.dtype, other.dtype)
        first, second = to_dtype(self._elements, dtype), to_dtype(other._elements, dtype)
        values = cat([first, second])
        return SparseTensor(np.concatenate([self._places, other._places], 1), values, self.shape, False).coalesce()

    __radd__ = __add__

    def sum(self, dim: Any = None) -> Tensor:
        """Return the sum of all elements, or over a dim, as a dense tensor."""
        return self._elements.sum() if dim is None else self.to_dense().sum(dim)


def sparse_coo_tensor(
    indices: Any,
    values: Any = None,
    size: ShapeLike | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """Return a sparse tensor of values at indices; values of equal indices add up.

    Parameters
    ----------
    indices : Tensor or array of shape (ndim, n)
        Integers.
    values : Tensor or array of shape (n,)
    size : sequence of int, optional
        The shape; by default the smallest that has all indices.
    dtype, device : optional
    requires_grad : bool
    check_invariants : bool, optional
        Accepted: indices are always checked.
    is_coalesced : bool, optional
        Whether the indices are known to be in order, with none twice.

    Examples
    --------
    >>> from autograd_nn import ones, tensor
    >>> from autograd_nn.sparse import mm, sparse_coo_tensor
    >>> a = sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> mm(a, ones(3, 1))
    tensor([[3.],
            [9.]])
    """
    note_read(indices, "sparse_coo_tensor()")
    places = np.asarray(indices.array if isinstance(indices, Variable) else indices)
    if places.ndim != 2 or (places.dtype.kind not in "iu" and places.size):
        raise RuntimeError(f"sparse_coo_tensor(): indices must be integers of shape (ndim, n) (shape={places.shape}, "
                           f"dtype={places.dtype})")
    places = places.astype(np.int64)
    elements = as_tensor(values).to(dtype=dtype, device=device)
    if elements.ndim != 1 or elements.shape[0] != places.shape[1]:
        raise RuntimeError(f"sparse_coo_tensor(): values must be a vector, one for each index (values.shape="
                           f"{tuple(elements.shape)}, indices.shape={places.shape}); dims of values are not there")
    if requires_grad:
        elements = elements.detach().requires_grad_()
    shape = tuple(size) if size is not None else tuple(places.max(1) + 1)  # type: ignore[arg-type]
    if len(shape) != len(places) or (places.size and ((places < 0).any() or (places.max(1) >= shape).any())):
        raise RuntimeError(f"sparse_coo_tensor(): indices must lie within size (size={shape}, the largest: "
                           f"{places.max(1).tolist() if places.size else []})")
    return SparseTensor(places, elements, [int(n) for n in shape], bool(is_coalesced))


def to_sparse(x: Tensor) -> SparseTensor:
    """Return the elements of a tensor that are not 0, as a sparse tensor with their gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sparse.to_sparse(ag.tensor([0.0, 5.0]))
    tensor(indices=[[1]],
           values=[5.0],
           size=(2,), nnz=1, layout=torch.sparse_coo)
    """
    note_read(x, "to_sparse()")
    places = np.array(np.nonzero(x.array)).reshape(x.ndim, -1).astype(np.int64)
    flat = np.ravel_multi_index(tuple(places), x.shape) if x.ndim else np.zeros(1)
    flat = flat.reshape(-1).astype(np.int64)
    return SparseTensor(places, index_select(x.reshape(-1), 0, wrap(flat)), x.shape, True)


def mm(mat1: Any, mat2: Any) -> Any:
    """Return the product of a sparse matrix and a dense one, or of two sparse ones; gradients for values and matrix.

    Parameters
    ----------
    mat1 : SparseTensor of shape (n, k)
    mat2 : Tensor or SparseTensor of shape (k, m)

    Returns
    -------
    Tensor of shape (n, m), sparse where both are

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sparse.mm(ag.eye(2).to_sparse(), ag.tensor([[3.0], [4.0]]))
    tensor([[3.],
            [4.]])
    """
    if not isinstance(mat1, SparseTensor):
        if isinstance(mat2, SparseTensor):
            return mat2.__rmatmul__(mat1)
        raise TypeError(f"sparse.mm(): one of the matrices must be sparse, got {type(mat1).__name__}; use mm()")
    if mat1.ndim != 2 or mat2.ndim != 2 or mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(f"sparse.mm(): shapes must be (n, k) and (k, m) ({tuple(mat1.shape)}, {tuple(mat2.shape)})")
    if isinstance(mat2, SparseTensor):
        return to_sparse(mm(mat1, mat2.to_dense()))
    if mat1.dtype != mat2.dtype:
        raise RuntimeError(f"sparse.mm(): both must have one dtype ({mat1.dtype}, {mat2.dtype})")
    rows, columns = mat1._places
    return _product(mat1._elements, mat2, wrap(rows), wrap(columns), height=mat1.shape[0])


spmm = mm


def addmm(mat: Tensor, mat1: SparseTensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """Return ``beta * mat + alpha * (mat1 @ mat2)`` for a sparse `mat1`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sparse.addmm(ag.ones(2, 1), ag.eye(2).to_sparse(), ag.tensor([[3.0], [4.0]]))
    tensor([[4.],
            [5.]])
    """
    return beta * mat + alpha * mm(mat1, mat2)  # type: ignore[no-any-return]


def sum(input: SparseTensor, dim: Any = None, dtype: DTypeLike | None = None) -> Tensor:
    """Return the sum of all elements, or over a dim, as a dense tensor.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.sparse.sum(ag.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse(), 0)
    tensor([2., 1.])
    """
    out = input.sum(dim)
    return out if dtype is None else out.to(dtype)


def softmax(input: SparseTensor, dim: int, *, dtype: DTypeLike | None = None) -> SparseTensor:
    """Return the softmax along a dim over the elements that are there.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x = ag.tensor([[0.0, 1.0], [1.0, 1.0]]).to_sparse()
    >>> ag.sparse.softmax(x, 1).to_dense()
    tensor([[0. , 1. ],
            [0.5, 0.5]])
    """
    sparse = input.coalesce()
    values = sparse._elements if dtype is None else sparse._elements.to(dtype)
    others = [i for i in range(sparse.ndim) if i != dim % sparse.ndim]
    sizes = [sparse.shape[i] for i in others]
    group = np.ravel_multi_index(tuple(sparse._places[others]), sizes) if others else np.zeros(sparse._nnz(), np.int64)
    largest = np.full(math.prod(sizes), -np.inf, values.dtype)
    np.maximum.at(largest, group, values.array)
    place = wrap(group.astype(np.int64))
    scaled = (values - wrap(largest[group])).exp()
    total = index_add(values.new_zeros(len(largest)), 0, place, scaled)
    return SparseTensor(sparse._places, scaled / index_select(total, 0, place), sparse.shape, True)


FloatTensor = sparse_coo_tensor
