"""PyTorch's older weight_norm and spectral_norm: hooks that compute a weight before each call of the module."""

from __future__ import annotations

from typing import Any

from ...engine import no_grad
from ...ops.random import randn
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .parametrizations import as_matrix, norm_except

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _WeightHook:
    """Compute a weight of a module from parameters, before each call.

    Attributes
    ----------
    name : str
    """

    def __init__(self, name: str):
        self.name = name
        self.handle: Any = None

    def compute(self, module: Module) -> Tensor:
        """Return the weight."""
        raise NotImplementedError

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def attach(self, module: Module) -> None:
        """Be called before each call of the module."""
        for _, hook, *_ in module._hooks.values():
            if isinstance(hook, type(self)) and hook.name == self.name:
                raise RuntimeError(f"{_called(self)}(): {self.name!r} has it already")
        self.handle = module.register_forward_pre_hook(self)

    def detach(self, module: Module, value: Tensor) -> None:
        """Be called no more, and leave a value as the parameter."""
        self.handle.remove()
        vars(module).pop(self.name, None)
        module.register_parameter(self.name, Parameter(value.detach()))


def _called(hook: _WeightHook) -> str:
    return "weight_norm" if isinstance(hook, _WeightNorm) else "spectral_norm"


def _taken(module: Module, name: str, operation: str) -> Parameter:
    """Take a parameter away from a module, and return it."""
    weight = vars(module).get(name)
    if not isinstance(weight, Parameter):
        raise ValueError(f"{operation}(): {type(module).__name__} has no parameter {name!r}")
    delattr(module, name)
    return weight


class _WeightNorm(_WeightHook):
    def __init__(self, name: str, dim: int | None):
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Tensor:
        v = getattr(module, f"{self.name}_v")
        out: Tensor = v * (getattr(module, f"{self.name}_g") / norm_except(v, self.dim))
        return out


class _SpectralNorm(_WeightHook):
    def __init__(self, name: str, rounds: int, eps: float, dim: int):
        super().__init__(name)
        self.rounds, self.eps, self.dim = rounds, eps, dim

    def compute(self, module: Module) -> Tensor:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = as_matrix(weight, self.dim)
        if module.training:
            with no_grad():
                for _ in range(self.rounds):
                    v.copy_(F.normalize(matrix.detach().T @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.detach() @ v, dim=0, eps=self.eps))
        u, v = u.clone(), v.clone()  # they change before the backward pass of another call
        out: Tensor = weight / (u * (matrix @ v)).sum()
        return out


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight as ``g v / |v|`` (T. Salimans and D. P. Kingma, 2016, arXiv:1602.07868).

    The parameter `name` is replaced by ``name_g`` and ``name_v``; the weight is computed before each call.
    `parametrizations.weight_norm` is PyTorch's newer form.

    Parameters
    ----------
    module : Module
    name : str
    dim : int or None
        The dim whose indices have a length each; None is one length for the whole weight.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> layer = nn.utils.weight_norm(nn.Linear(2, 3))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight_g', 'weight_v']
    """
    hook = _WeightNorm(name, dim)
    hook.attach(module)
    weight = _taken(module, name, "weight_norm")
    module.register_parameter(f"{name}_g", Parameter(norm_except(weight, dim).detach().clone()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, None)
    return module


def _removed(module: Module, name: str, kind: type[_WeightHook], parts: tuple[str, ...], operation: str) -> Module:
    for _, hook, *_ in list(module._hooks.values()):
        if isinstance(hook, kind) and hook.name == name:
            training = module.training
            module.training = False  # the weight as it is used, without another round
            value = hook.compute(module)
            module.training = training
            for part in parts:
                delattr(module, f"{name}_{part}")
            hook.detach(module, value)
            return module
    raise ValueError(f"{operation}(): {type(module).__name__} has none for {name!r}")


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `weight_norm` divided a plain parameter again, of the same value.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> layer = nn.utils.weight_norm(nn.Linear(3, 2))
    >>> sorted(name for name, _ in layer.named_parameters())
    ['bias', 'weight_g', 'weight_v']
    >>> sorted(name for name, _ in nn.utils.remove_weight_norm(layer).named_parameters())
    ['bias', 'weight']
    """
    return _removed(module, name, _WeightNorm, ("g", "v"), "remove_weight_norm")


def spectral_norm(module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
                  dim: int | None = None) -> Module:
    """Divide a weight by its largest singular value before each call (T. Miyato et al., 2018, arXiv:1802.05957).

    The parameter `name` is replaced by ``name_orig``, with buffers ``name_u`` and ``name_v``.
    `parametrizations.spectral_norm` is PyTorch's newer form.

    Parameters
    ----------
    module : Module
    name : str
    n_power_iterations : int
        Rounds of power iteration at each call in training.
    eps : float
    dim : int, optional
        The dim of outputs; 0, and 1 for transposed convolutions.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> layer = nn.utils.spectral_norm(nn.Linear(4, 4))
    >>> layer(ag.ones(1, 4)).shape
    (1, 4)
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm(): n_power_iterations must be at least 1 (n_power_iterations="
                         f"{n_power_iterations})")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    hook.attach(module)
    weight = _taken(module, name, "spectral_norm")
    h, w = as_matrix(weight.detach(), hook.dim).array.shape
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    for part, size in (("u", h), ("v", w)):
        module.register_buffer(f"{name}_{part}", F.normalize(randn(size, dtype=weight.dtype), dim=0, eps=eps))
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `spectral_norm` divided a plain parameter again, of the same value.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(3, 2)))
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'weight']
    """
    return _removed(module, name, _SpectralNorm, ("orig", "u", "v"), "remove_spectral_norm")
