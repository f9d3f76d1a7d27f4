"""autograd_nn: a small deep-learning framework for the CPU on NumPy and Numba."""

from . import autograd
from .engine import backward, elementwise, enable_grad, grad, is_grad_enabled, no_grad, primitive, set_grad_enabled
from .ops.conv import conv2d
from .ops.elementwise import exp, log, maximum, minimum, relu, sigmoid, sqrt, tanh, where
from .ops.linalg import matmul
from .ops.pool import avg_pool2d, max_pool2d
from .ops.random import Generator, initial_seed, manual_seed, rand, randint, randn, randperm
from .ops.shape import cat, stack
from .tensor import Tensor, as_tensor, from_numpy, tensor
