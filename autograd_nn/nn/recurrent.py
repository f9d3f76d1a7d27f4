"""Recurrent layers and cells, with PyTorch's names and layout of weights."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from ..engine.errors import warn
from ..ops import recurrent as ops
from ..ops.shape import cat, stack
from ..tensor import Tensor
from ..typing import Array, DeviceLike, DTypeLike, Shape
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter, empty_parameter
from .utils.rnn import PackedSequence, pad_packed_sequence

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

Sequences = TypeVar("Sequences", Tensor, PackedSequence)
States: TypeAlias = tuple[Tensor, ...]  # h, or h and c


class _Recurrent(Module):
    """What the recurrent layers share: a stack of layers, each in one direction or both.

    The weights of layer k are ``weight_ih_l{k}``, ``weight_hh_l{k}``, ``bias_ih_l{k}``, ``bias_hh_l{k}``, those of the
    reverse direction with ``_reverse`` after it.
    """

    _gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        name = self._get_name()
        if hidden_size < 1 or num_layers < 1:
            raise ValueError(f"{name}: hidden_size and num_layers must be at least 1 (hidden_size={hidden_size}, "
                             f"num_layers={num_layers})")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be from 0 to 1 (dropout={dropout})")
        if dropout and num_layers == 1:
            warn(f"{name}: dropout acts between layers, and there is only one (dropout={dropout})")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        rows = self._gates * hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            for suffix in self._suffixes(layer):
                self.register_parameter(f"weight_ih_{suffix}", empty_parameter((rows, features), dtype, device))
                self.register_parameter(f"weight_hh_{suffix}", empty_parameter((rows, hidden_size), dtype, device))
                if bias:
                    self.register_parameter(f"bias_ih_{suffix}", empty_parameter((rows,), dtype, device))
                    self.register_parameter(f"bias_hh_{suffix}", empty_parameter((rows,), dtype, device))
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"] if self.bidirectional else [f"l{layer}"]

    def _weights(self, suffix: str) -> tuple[Parameter, ...]:
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.bias else ("weight_ih", "weight_hh")
        return tuple(getattr(self, f"{kind}_{suffix}") for kind in kinds)

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-b, b), ``b = 1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _run(self, x: Tensor, states: States, weights: tuple[Parameter, ...]) -> States:
        """Return the states after each step, of one layer in one direction, given the first."""
        raise NotImplementedError

    def _unpack(self, hx: Any) -> States:
        return (hx,)

    def _pack(self, states: States) -> Tensor | States:
        return states[0]

    def forward(self, input: Sequences, hx: Tensor | States | None = None) -> tuple[Sequences, Tensor | States]:
        """Run over sequences.

        Parameters
        ----------
        input : Tensor of shape (T, N, input_size), (N, T, input_size) with `batch_first`, or (T, input_size)
            Or a `PackedSequence` of sequences of different lengths; the output is packed then too.
        hx : Tensor of shape (layers * directions, N, hidden_size), or a pair of them for LSTM, optional
            The first states; 0 by default. Without N for an input without.

        Returns
        -------
        output : Tensor of shape (T, N, directions * hidden_size)
            The states of the last layer after each step, laid out as the input is.
        hx : like the argument
            The states of all layers after the last step.
        """
        name = self._get_name()
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: expects a tensor or a PackedSequence, got {type(input).__name__}")
        if input.ndim not in (2, 3) or input.array.shape[-1] != self.input_size:
            raise RuntimeError(f"{name}: expects 2 or 3 dims, the last of input_size={self.input_size} "
                               f"(input.shape={input.shape})")
        batched = input.ndim == 3
        x = input.transpose(0, 1) if batched and self.batch_first else input
        x = x if batched else x.unsqueeze(1)
        first = self._first_states(hx, x, batched, input.array.shape)
        x, final = self._layers(x, first, None)
        if not batched:
            return x.squeeze(1), self._pack(tuple(state.squeeze(1) for state in final))
        return x.transpose(0, 1) if self.batch_first else x, self._pack(final)

    def _forward_packed(
        self, input: PackedSequence, hx: Tensor | States | None
    ) -> tuple[PackedSequence, Tensor | States]:
        """Run over a packed batch: over its padded form, each sequence from its first to its last step."""
        if input.data.ndim != 2 or input.data.array.shape[1] != self.input_size:
            raise RuntimeError(f"{self._get_name()}: expects packed steps of input_size={self.input_size} "
                               f"(data.shape={input.data.shape})")
        x, _ = pad_packed_sequence(input._replace(sorted_indices=None, unsorted_indices=None))
        first = self._first_states(hx, x, True, x.array.shape)
        if hx is not None and input.sorted_indices is not None:
            first = tuple(state[:, input.sorted_indices] for state in first)
        out, final = self._layers(x, first, input.lengths())
        if input.unsorted_indices is not None:
            final = tuple(state[:, input.unsorted_indices] for state in final)
        return input._replace(data=out[input.places()]), self._pack(final)

    def _first_states(self, hx: Tensor | States | None, x: Tensor, batched: bool, given: Shape) -> States:
        """Return the first states, 0 where there are none, having checked their shape for x (T, N, features)."""
        shape = (self.num_layers * (1 + self.bidirectional), x.array.shape[1], self.hidden_size)
        if hx is None:
            return tuple(Tensor(np.zeros(shape, x.dtype)) for _ in range(self._states))
        first = self._unpack(hx)
        expected = shape if batched else (shape[0], shape[2])
        for state in first:
            if state.array.shape != expected:
                raise RuntimeError(f"{self._get_name()}: the first states must have shape {expected} "
                                   f"(got {state.shape}, input.shape={given})")
        return tuple(state if batched else state.unsqueeze(1) for state in first)

    def _layers(self, x: Tensor, first: States, lengths: Array | None) -> tuple[Tensor, States]:
        """Run all layers over x (T, N, features); return the outputs and the last states.

        `lengths` of the N sequences says where each ends; steps after that count for nothing. None: all at T.
        """
        directions = 1 + self.bidirectional
        backward: slice | tuple[Array, Array] = slice(None, None, -1)
        end: int | tuple[Array, Array] = -1
        if lengths is not None:
            steps, batch = np.arange(len(x))[:, None], np.arange(len(lengths))
            backward = np.where(steps < lengths, lengths - 1 - steps, steps), batch
            end = lengths - 1, batch
        last = []
        for layer in range(self.num_layers):
            outputs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                states = tuple(state[layer * directions + direction] for state in first)
                states = self._run(x[backward] if direction else x, states, self._weights(suffix))
                outputs.append(states[0][backward] if direction else states[0])
                last.append(tuple(state[end] for state in states))
            x = cat(outputs, 2) if self.bidirectional else outputs[0]
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, tuple(stack([states[k] for states in last]) for k in range(self._states))

    _states = 1

    def extra_repr(self) -> str:
        """Return the settings that are not the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for setting, default in (("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0),
                                 ("bidirectional", False)):
            if getattr(self, setting) != default:
                parts.append(f"{setting}={getattr(self, setting)}")
        return ", ".join(parts)


class RNN(_Recurrent):
    """Elman's recurrent layer, ``h[t] = tanh(w_ih x[t] + b_ih + w_hh h[t-1] + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    nonlinearity : {'tanh', 'relu'}
    bias : bool
    batch_first : bool
        Input and output are (N, T, ...) instead of (T, N, ...).
    dropout : float
        Probability of 0 between layers, in training.
    bidirectional : bool
        Also run from the end, and join the outputs.
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> outputs, last = nn.RNN(3, 5, batch_first=True)(ag.zeros(2, 7, 3))
    >>> outputs.shape, last.shape
    ((2, 7, 5), (1, 2, 5))
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu' (nonlinearity={nonlinearity!r})")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype)
        self.nonlinearity = nonlinearity

    def _run(self, x: Tensor, states: States, weights: tuple[Parameter, ...]) -> States:
        (h0,) = states
        w_ih, w_hh, *biases = weights
        b_ih, b_hh = biases or (None, None)
        return (ops.rnn(x, h0, w_ih, w_hh, b_ih, b_hh, self.nonlinearity),)


class LSTM(_Recurrent):
    """Long short-term memory; the rows of the weights are the gates i, f, g, o. See `ops.recurrent.lstm`.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias : bool
    batch_first : bool
        Input and output are (N, T, ...) instead of (T, N, ...).
    dropout : float
        Probability of 0 between layers, in training.
    bidirectional : bool
        Also run from the end, and join the outputs.
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> outputs, (h, c) = nn.LSTM(3, 5, num_layers=2, batch_first=True)(ag.zeros(2, 7, 3))
    >>> outputs.shape, h.shape, c.shape
    ((2, 7, 5), (2, 2, 5), (2, 2, 5))
    """

    _gates = 4
    _states = 2

    def _unpack(self, hx: Any) -> States:
        if not isinstance(hx, tuple | list) or len(hx) != 2:
            raise RuntimeError(f"LSTM: the first states must be a pair (h_0, c_0), got {type(hx).__name__}")
        return tuple(hx)

    def _pack(self, states: States) -> Tensor | States:
        return states

    def _run(self, x: Tensor, states: States, weights: tuple[Parameter, ...]) -> States:
        h0, c0 = states
        return ops.lstm(x, h0, c0, *weights)


class GRU(_Recurrent):
    """Gated recurrent unit; the rows of the weights are the gates r, z, n. See `ops.recurrent.gru`.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias : bool
    batch_first : bool
        Input and output are (N, T, ...) instead of (T, N, ...).
    dropout : float
        Probability of 0 between layers, in training.
    bidirectional : bool
        Also run from the end, and join the outputs.
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> outputs, last = nn.GRU(3, 5, batch_first=True, bidirectional=True)(ag.zeros(2, 7, 3))
    >>> outputs.shape, last.shape
    ((2, 7, 10), (2, 2, 5))
    """

    _gates = 3

    def _run(self, x: Tensor, states: States, weights: tuple[Parameter, ...]) -> States:
        (h0,) = states
        return (ops.gru(x, h0, *weights),)


class _Cell(Module):
    """What the cells share: one step, with weights ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``."""

    _gates: int
    _states = 1
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = self._gates * hidden_size
        self.weight_ih = empty_parameter((rows, input_size), dtype, device)
        self.weight_hh = empty_parameter((rows, hidden_size), dtype, device)
        self.register_parameter("bias_ih", empty_parameter((rows,), dtype, device) if bias else None)
        self.register_parameter("bias_hh", empty_parameter((rows,), dtype, device) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-b, b), ``b = 1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, x: Tensor, states: States) -> States:
        raise NotImplementedError

    def _stepped(self, input: Tensor, states: States | None) -> States:
        name = self._get_name()
        if input.ndim not in (1, 2) or input.array.shape[-1] != self.input_size:
            raise RuntimeError(f"{name}: expects 1 or 2 dims, the last of input_size={self.input_size} "
                               f"(input.shape={input.shape})")
        expected = (*input.array.shape[:-1], self.hidden_size)
        if states is None:
            states = tuple(Tensor(np.zeros(expected, input.dtype)) for _ in range(self._states))
        for state in states:
            if state.array.shape != expected:
                raise RuntimeError(f"{name}: the states must have shape {expected} (got {state.shape}, "
                                   f"input.shape={input.shape})")
        batched = input.ndim == 2
        x = input.unsqueeze(0) if batched else input.reshape(1, 1, self.input_size)
        after = self._step(x, tuple(state if batched else state.unsqueeze(0) for state in states))
        return tuple(state.reshape(expected) for state in after)

    def extra_repr(self) -> str:
        """Return the settings that are not the defaults."""
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class RNNCell(_Cell):
    """One step of `RNN`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    nonlinearity : {'tanh', 'relu'}
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.RNNCell(3, 5)(ag.zeros(2, 3)).shape
    (2, 5)
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu' (nonlinearity={nonlinearity!r})")
        self.nonlinearity = nonlinearity

    def _step(self, x: Tensor, states: States) -> States:
        (h,) = states
        return (ops.rnn(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.nonlinearity),)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the state after (N, input_size) or (input_size,), given the one before (0 by default)."""
        return self._stepped(input, None if hx is None else (hx,))[0]


class LSTMCell(_Cell):
    """One step of `LSTM`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> h, c = nn.LSTMCell(3, 5)(ag.zeros(2, 3))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    _gates = 4
    _states = 2

    def _step(self, x: Tensor, states: States) -> States:
        h, c = states
        return ops.lstm(x, h, c, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return the states (h, c) after (N, input_size) or (input_size,), given those before (0 by default)."""
        h, c = self._stepped(input, None if hx is None else tuple(hx))
        return h, c


class GRUCell(_Cell):
    """One step of `GRU`.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    device, dtype : optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> nn.GRUCell(3, 5)(ag.zeros(2, 3), ag.zeros(2, 5)).shape
    (2, 5)
    """

    _gates = 3

    def _step(self, x: Tensor, states: States) -> States:
        (h,) = states
        return (ops.gru(x, h, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh),)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the state after (N, input_size) or (input_size,), given the one before (0 by default)."""
        return self._stepped(input, None if hx is None else (hx,))[0]
