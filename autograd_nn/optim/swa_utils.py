"""Averages of a model's weights over its training: exponential moving averages and stochastic weight averaging.

P. Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018. The names are those
of PyTorch's ``torch.optim.swa_utils``.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..engine import effect, no_grad, update
from ..engine import state as recording
from ..ops.index import copy_into
from ..tensor import Tensor
from ..typing import Array
from .arguments import function, number
from .lr_scheduler import SWALR

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Return the exponential moving average ``decay * average + (1 - decay) * current``, as `avg_fn`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.optim.swa_utils import get_ema_avg_fn
    >>> get_ema_avg_fn(0.9)(ag.tensor(1.0), ag.tensor(2.0), 5)
    tensor(1.1)
    """
    return partial(_exponential, decay=number("get_ema_avg_fn()", "decay", decay, low=0, high=1))


def _exponential(average: Tensor, current: Tensor, n: Any, decay: float) -> Tensor:
    return decay * average + (1 - decay) * current


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """Return the equal average ``average + (current - average) / (n + 1)``, as `avg_fn`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.optim.swa_utils import get_swa_avg_fn
    >>> get_swa_avg_fn()(ag.tensor(1.0), ag.tensor(4.0), 2)
    tensor(2.)
    """
    return _equal


def _equal(average: Tensor, current: Tensor, n: Any) -> Tensor:
    equal: Tensor = average + (current - average) / (n + 1)
    return equal


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """Return the exponential moving average in place, as `multi_avg_fn`.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> averaged = AveragedModel(nn.Linear(3, 2), multi_avg_fn=get_ema_multi_avg_fn(0.99))
    """
    return partial(_exponential_all, decay=number("get_ema_multi_avg_fn()", "decay", decay, low=0, high=1))


def _exponential_all(averages: Sequence[Tensor], currents: Sequence[Tensor], n: Any, decay: float) -> None:
    _approach(averages, currents, 1 - decay)


def get_swa_multi_avg_fn() -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """Return the equal average in place, as `multi_avg_fn`.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn.optim.swa_utils import AveragedModel, get_swa_multi_avg_fn
    >>> averaged = AveragedModel(nn.Linear(3, 2), multi_avg_fn=get_swa_multi_avg_fn())
    """
    return _equal_all


def _equal_all(averages: Sequence[Tensor], currents: Sequence[Tensor], n: Any) -> None:
    _approach(averages, currents, 1 / (n + 1))


def _approach(averages: Sequence[Tensor], currents: Sequence[Tensor], weight: float) -> None:
    """Add to each average `weight` times its distance to the current value."""
    with no_grad():
        for average, current in zip(averages, currents):
            approach(average, current, weight)


@update(writes="average")
def approach(average: Array, current: Array, weight: float) -> None:
    """Add to an average `weight` times its distance to the current value."""
    if average.dtype.kind == "f":
        change = current - average
        change *= weight
        np.add(average, change, out=average)
    else:
        average[...] = (1 - weight) * average + weight * current


class AveragedModel:
    """A copy of a model whose weights are an average over the training.

    Call `update_parameters` after steps of the optimizer; then use it in the place of the model. The first call copies
    the weights. What is not defined here (``eval``, ``parameters``, ...) is that of the copy, `module`.

    Parameters
    ----------
    model : Module, or any object with ``parameters()``
        Copied.
    device : optional
        Handed to ``module.to``.
    avg_fn : callable, optional
        ``avg_fn(average, current, n)`` returns the new average of one parameter, after `n` updates.
    multi_avg_fn : callable, optional
        ``multi_avg_fn(averages, currents, n)`` updates all averages in place. Without either function all updates
        count the same.
    use_buffers : bool
        Average buffers too; otherwise they are copied from the model.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> from autograd_nn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    >>> model = nn.Linear(3, 2)
    >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    >>> averaged.update_parameters(model)
    >>> averaged.n_averaged
    1
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[Sequence[Tensor], Sequence[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ):
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel(): give avg_fn or multi_avg_fn, not both")
        if not callable(getattr(model, "parameters", None)):
            raise TypeError("AveragedModel(): model must have parameters(), as a Module has, not "
                            f"{type(model).__name__}")
        for name, value in (("avg_fn", avg_fn), ("multi_avg_fn", multi_avg_fn)):
            if value is not None:
                function("AveragedModel()", name, value, "average, current value and number of updates")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        for parameter in self.module.parameters():
            parameter.grad = None
        self.n_averaged = 0
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "module" or name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.module, name)

    def __repr__(self) -> str:
        return f"AveragedModel(\n{self.module!r}\n)"

    @effect
    def update_parameters(self, model: Any) -> None:
        """Take the present weights of `model` into the average.

        Raises
        ------
        ValueError
            A model whose parameters are not those of the copy in number and shape.
        """
        if not callable(getattr(model, "parameters", None)):
            raise TypeError(f"AveragedModel.update_parameters(): model must be the model, not {type(model).__name__}")
        averages, currents = _detached(self.module.parameters()), _detached(model.parameters())
        buffers, theirs = (_detached(m.buffers() if hasattr(m, "buffers") else ()) for m in (self.module, model))
        shapes, given = ([t.array.shape for t in tensors] for tensors in (averages + buffers, currents + theirs))
        if shapes != given:
            raise ValueError(f"update_parameters(): the model has {len(given)} parameters and buffers of shapes "
                             f"{given}, the average {len(shapes)} of shapes {shapes}")
        if self.use_buffers:
            averages, currents = averages + buffers, currents + theirs
        else:
            _copy(buffers, theirs)
        if self.n_averaged == 0:
            _copy(averages, currents)
        elif self.avg_fn is not None:
            with no_grad():
                _copy(averages, [self.avg_fn(a, c, self.n_averaged) for a, c in zip(averages, currents)])
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, currents, self.n_averaged)
        else:
            _approach(averages, currents, 1 / (self.n_averaged + 1))
        self.n_averaged += 1

    def state_dict(self) -> dict[str, Any]:
        """Return `n_averaged` and, under ``module.*``, the state of the copy."""
        state = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        return {"n_averaged": Tensor(np.array(self.n_averaged)), **state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        if not isinstance(state_dict, dict):
            raise TypeError("AveragedModel.load_state_dict(): the state must be a dict, not "
                            f"{type(state_dict).__name__}")
        if "n_averaged" not in state_dict:
            raise ValueError("AveragedModel.load_state_dict(): the state has no n_averaged "
                             "(is it that of a plain model?)")
        own = {name.removeprefix("module."): v for name, v in state_dict.items() if name != "n_averaged"}
        self.module.load_state_dict(own)
        self.n_averaged = int(state_dict["n_averaged"])


def _detached(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]


def _copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    with no_grad():
        for target, source in zip(targets, sources):
            copy_into(target, source)


@no_grad()
def update_bn(loader: Iterable[Any], model: Any, device: Any = None) -> None:
    """Compute the running statistics of all batch normalizations anew, as plain averages over a loader's batches.

    Parameters
    ----------
    loader : iterable
        Of inputs, or of tuples or lists that begin with the input.
    model : Module or AveragedModel
    device : optional
        Handed to ``x.to``.

    Raises
    ------
    ValueError
        A loader without batches; the statistics stay as they are.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn.optim.swa_utils import update_bn
    >>> model = nn.BatchNorm1d(2)
    >>> update_bn([ag.tensor([[0.0, 2.0], [2.0, 4.0]])], model)
    >>> model.running_mean
    tensor([1., 3.])
    """
    if not callable(getattr(model, "modules", None)):
        raise TypeError(f"update_bn(): model must be a Module, not {type(model).__name__}")
    if not isinstance(loader, Iterable):
        raise TypeError(f"update_bn(): loader must be an iterable of batches, not {type(loader).__name__}")
    layers = [module for module in model.modules() if getattr(module, "running_mean", None) is not None]
    if not layers:
        return
    batches = iter(loader)
    first = next(batches, None)
    if first is None:
        raise ValueError("update_bn(): the loader gives no batch, so that there is nothing to average "
                         "(an iterator that was used up?)")
    momenta, modes = [layer.momentum for layer in layers], [(part, part.training) for part in model.modules()]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    model.train()
    before, recording.trains_on_purpose = recording.trains_on_purpose, True
    try:
        for x in itertools.chain([first], batches):
            x = x[0] if isinstance(x, list | tuple) else x
            model(x if device is None else x.to(device))
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
        recording.trains_on_purpose = before
        for part, training in modes:
            part.training = training
