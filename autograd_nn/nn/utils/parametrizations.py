"""Ready-made parametrizations: weight norm, spectral norm, orthogonal matrices."""

from __future__ import annotations

from typing import Any

from ...engine import no_grad
from ...ops.creation import eye
from ...ops.decompositions import qr
from ...ops.elementwise import where
from ...ops.matrices import matrix_exp
from ...ops.random import randn
from ...ops.solving import solve
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """Return the 2-norm over all dims but one, which is kept with size 1 elsewhere; over all for None."""
    if dim is None or dim == -1:
        return v.norm()
    dims = tuple(i for i in range(v.ndim) if i != dim % v.ndim)
    return v.norm(dim=dims, keepdim=True) if dims else v.abs()


class _WeightNorm(Module):
    """``g * v / norm(v)``."""

    def __init__(self, dim: int | None = 0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return length and direction of a weight."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Train a weight as its length and its direction (T. Salimans and D. P. Kingma, 2016, arXiv:1602.07868).

    ``w = g v / |v|``, with one length per index of `dim`.

    Parameters
    ----------
    module : Module
    name : str
    dim : int or None
        None is one length for the whole weight.

    Returns
    -------
    Module
        The same; its parameters are ``parametrizations.weight.original0`` (g) and ``original1`` (v).

    Examples
    --------
    >>> from autograd_nn import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 3))
    >>> [(name, tuple(p.shape)) for name, p in layer.named_parameters()][1]
    ('parametrizations.weight.original0', (3, 1))
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Return a weight as a matrix with a row for each index along `dim`."""
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.array.shape[0], -1)


class SpectralNorm(Module):
    """``w / sigma(w)``, with the largest singular value from power iteration, one round at each call in training."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12,
                 first_rounds: int = 15):
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError("spectral_norm(): n_power_iterations must be at least 1 (n_power_iterations="
                             f"{n_power_iterations})")
        self.dim = dim if dim >= 0 else dim + weight.ndim
        self.eps, self.n_power_iterations = eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            h, w = matrix.array.shape
            self.register_buffer("_u", F.normalize(randn(h, dtype=weight.dtype), dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(randn(w, dtype=weight.dtype), dim=0, eps=eps))
            self._iterate(matrix, first_rounds)

    def _iterate(self, matrix: Tensor, rounds: int) -> None:
        with no_grad():
            for _ in range(rounds):
                self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
                self._v.copy_(F.normalize(matrix.T @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with a largest singular value of about 1."""
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # they change before the backward pass of another call
        out: Tensor = weight / (u * (matrix @ v)).sum()
        return out

    def right_inverse(self, value: Tensor) -> Tensor:
        """Return the value itself."""
        return value


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:
    """Divide a weight by its largest singular value (T. Miyato et al., 2018, arXiv:1802.05957).

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        Rounds of power iteration at each call in training.
    eps : float
    dim : int, optional
        The dim of outputs; 0, and 1 for transposed convolutions.

    Returns
    -------
    Module
        The same; its parameter is ``parametrizations.weight.original``.
    """
    weight = getattr(module, name)
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, SpectralNorm(weight, n_power_iterations, dim, eps))


class _Orthogonal(Module):
    """``exp(A)`` or the Cayley transform of a skew-symmetric A, times a fixed orthogonal base."""

    def __init__(self, weight: Tensor, orthogonal_map: str):
        super().__init__()
        self.map = orthogonal_map
        self.base: Any
        self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        n, k = x.array.shape[-2:]
        wide = n < k
        if wide:
            x, n, k = x.mT, k, n
        a = x.tril()
        if n != k:
            a = F.pad(a, (0, n - k))
        a = a - a.mT
        if self.map == "matrix_exp":
            q = matrix_exp(a)
        else:
            one = eye(n, dtype=x.dtype)
            q = solve(one - a / 2, one + a / 2)
        q = q[..., :k]
        if self.base is not None:
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, q: Tensor) -> Tensor:
        """Take the orthogonal matrix that is nearest in its span as the base, and return the parameters of exp(0)."""
        wide = q.array.shape[-2] < q.shape[-1]
        columns = q.mT if wide else q
        base, r = qr(columns, mode="complete")
        signs = where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q.dtype)  # which keep columns close to those of q
        signs = F.pad(signs, (0, base.array.shape[-1] - signs.shape[-1]), value=1.0)
        self.base = base * signs.unsqueeze(-2)
        start = -eye(*columns.array.shape[-2:], dtype=q.dtype).expand(columns.shape).clone()
        return start.mT if wide else start


def orthogonal(module: Module, name: str = "weight", orthogonal_map: str | None = None, *,
               use_trivialization: bool = True) -> Module:
    """Keep a weight orthogonal, or with orthonormal rows or columns, while it is trained.

    Parameters
    ----------
    module : Module
    name : str
        Of a parameter of 2 dims or more.
    orthogonal_map : 'matrix_exp' or 'cayley', optional
        How a skew-symmetric matrix becomes an orthogonal one; 'matrix_exp' by default for square matrices.
    use_trivialization : bool
        Only True: the weight starts as the orthogonal matrix next to it (M. Lezcano-Casado, 2019, arXiv:1909.09501).

    Raises
    ------
    ValueError
        Another map ('householder' is not there), or a weight of less than 2 dims.
    """
    weight = getattr(module, name)
    if weight.ndim < 2:
        raise ValueError(f"orthogonal(): expects a weight of 2 dims or more (shape={tuple(weight.shape)})")
    if orthogonal_map is None and weight.shape[-2] == weight.shape[-1]:
        orthogonal_map = "matrix_exp"
    if orthogonal_map not in ("matrix_exp", "cayley") or not use_trivialization:
        raise ValueError("orthogonal(): 'householder', PyTorch's default for matrices that are not square, is not "
                         "there; orthogonal_map must be 'matrix_exp' or 'cayley', with use_trivialization=True "
                         f"(orthogonal_map={orthogonal_map!r}, use_trivialization={use_trivialization})")
    return register_parametrization(module, name, _Orthogonal(weight, orthogonal_map), unsafe=True)
