"""Probability distributions by PyTorch's names: samples with gradients, log_prob, entropy, transforms."""

from . import constraints, kl, transforms
from .composed import *
from .continuous import *
from .discrete import *
from .distribution import *
from .kl import kl_divergence, register_kl
from .transforms import *

__all__ = [
    "AbsTransform", "AffineTransform", "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2",
    "ComposeTransform", "Dirichlet", "Distribution", "ExpTransform", "Exponential", "ExponentialFamily", "Gamma",
    "Geometric", "Gumbel", "HalfNormal", "Independent", "IndependentTransform", "Laplace", "LogNormal",
    "MixtureSameFamily", "MultivariateNormal", "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough",
    "Poisson", "PowerTransform", "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform",
    "StickBreakingTransform", "StudentT", "TanhTransform", "Transform", "TransformedDistribution", "Uniform",
    "constraints", "identity_transform", "kl", "kl_divergence", "register_kl", "transforms",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise AttributeError(f"distributions.{name}: is not in autograd_nn; its distributions are {', '.join(__all__)}",
                         name=name)
