"""Layers, networks, losses, initialisation: PyTorch's `nn` on Tensors."""

from . import functional, init
from .activation import LogSoftmax, ReLU, Sigmoid, Softmax, Softmax2d, Softmin, Tanh
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .convolution import Conv2d
from .dropout import Dropout
from .linear import Bilinear, Flatten, Identity, Linear, Unflatten
from .loss import CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .module import Module, register_module_forward_hook, register_module_forward_pre_hook
from .parameter import Parameter
from .pooling import AvgPool2d, MaxPool2d
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AvgPool2d",
    "Bilinear",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GRUCell",
    "Identity",
    "L1Loss",
    "LSTMCell",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RNNCell",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
]
