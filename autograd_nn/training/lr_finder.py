"""A search for the learning rate: a trial run in which the rate grows, and the losses that it meets."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine import mark_changed
from ..ops.random import default_generator
from .batches import as_loader, floating_dtype, model_call, no_batch
from .callbacks import Run
from .history import History
from .loop import Step, check_model, check_optimizer, positive, whole_number
from .losses import checked_loss, prepared_targets
from .modes import put_back, training_mode

__all__ = ["LearningRates", "find_learning_rate"]


class LearningRates(NamedTuple):
    """The result of `find_learning_rate`; ``plots.plot_learning_rates`` draws it.

    Attributes
    ----------
    rates, losses : ndarray
        The rate of each step, and its loss, smoothed.
    suggestion : float
        The rate at which the loss falls fastest; NaN if it never falls.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.training import LearningRates
    >>> found = LearningRates(np.array([1e-3, 1e-2, 1e-1]), np.array([2.0, 1.0, 3.0]), 1e-2)
    >>> found.suggestion
    0.01
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


def find_learning_rate(
    model: Any,
    loader: Any,
    optimizer: Any,
    loss: Any,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    *,
    smoothing: float = 0.9,
    batch_size: int = 32,
    target: str | None = None,
) -> LearningRates:
    """Train with a rate that grows from step to step, until the loss diverges, and see where it falls fastest.

    Afterwards model, optimizer, loader and random numbers are what they were, to the bit.

    Parameters
    ----------
    model, loader, optimizer, loss, batch_size, target
        As for `fit`. The loader is gone through as often as needed.
    lowest, highest : float
        The first and the last rate; the rates in between grow by equal factors. With several parameter groups they
        are those of the first one, and the others keep their proportion to it.
    steps : int
        At most.
    smoothing : float
        Of the losses: how much of the average before each step stays.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017, arXiv:1506.01186.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import find_learning_rate
    >>> _ = ag.manual_seed(0)
    >>> x = np.linspace(-1, 1, 256, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> found = find_learning_rate(model, (x, 2 * x), optim.SGD(model.parameters(), lr=0.01), "mse")
    >>> 1e-5 < found.suggestion < 10
    True
    """
    check_model(model, "find_learning_rate")
    check_optimizer(optimizer, "find_learning_rate")
    loss = checked_loss(loss, "find_learning_rate")
    lowest, highest = (positive(rate, f"find_learning_rate(): {name}")
                       for rate, name in ((lowest, "lowest"), (highest, "highest")))
    if not lowest < highest:
        raise ValueError(f"find_learning_rate(): lowest must be below highest (lowest={lowest}, highest={highest})")
    if not 0 <= smoothing < 1:
        raise ValueError(f"find_learning_rate(): smoothing must be in [0, 1) (smoothing={smoothing})")
    steps = whole_number(steps, "find_learning_rate(): steps", 2)
    loader = as_loader(loader, "find_learning_rate", model=model, batch_size=batch_size, shuffle=True,
                       target=prepared_targets(loss, floating_dtype(model)))
    own = [group["lr"] for group in optimizer.param_groups]
    rates: list[float] = []
    losses: list[float] = []
    average, best = 0.0, math.inf
    with _as_it_was(model, optimizer, loader):
        run = Run(model, optimizer, loader, 1, History(), [])
        step = Step(run, loss, model_call(model), None, target)
        for rate, batch in zip(np.geomspace(lowest, highest, steps), _again_and_again(loader)):
            for group, before in zip(optimizer.param_groups, own):
                group["lr"] = float(rate) * (before / own[0] if own[0] else 1.0)
            with np.errstate(all="ignore"):
                if not step((batch,)):
                    continue
            average = smoothing * average + (1 - smoothing) * run.loss
            smoothed = average / (1 - smoothing ** (len(losses) + 1))
            if not math.isfinite(smoothed) or (len(losses) > steps // 10 and smoothed > 4 * best):
                break
            best = min(best, smoothed)
            rates.append(float(rate))
            losses.append(smoothed)
    return LearningRates(np.array(rates), np.array(losses), _steepest(np.array(rates), np.array(losses)))


def _steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return the rate at which the loss falls fastest, before its minimum; NaN if it does not fall."""
    last = int(np.argmin(losses)) + 1 if len(losses) else 0
    if last < 3:
        return math.nan
    slopes = np.gradient(losses[:last], np.log(rates[:last]))
    return float(rates[int(np.argmin(slopes))]) if slopes.min() < 0 else math.nan


def _again_and_again(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        batch = None
        for batch in loader:
            yield batch
        if batch is None:
            raise no_batch("find_learning_rate", loader)


@contextlib.contextmanager
def _as_it_was(model: Any, optimizer: Any, loader: Any) -> Iterator[None]:
    """Run a block, and bring model, optimizer, loader and random numbers back to where they were."""
    modes = [(module, module.training) for module in model.modules()]
    arrays = [(value.array, value.array.copy()) for value in model.state_dict().values()]
    gradients = [(p, p.grad) for p in model.parameters()]
    state, place = copy.deepcopy(optimizer.state_dict()), None
    if hasattr(loader, "state_dict"):
        place = copy.deepcopy(loader.state_dict())
    draws = default_generator.get_state()
    try:
        training_mode(model)
        yield
    finally:
        put_back(modes)
        for array, before in arrays:
            np.copyto(array, before)
            mark_changed(array)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        optimizer.load_state_dict(state)
        if place is not None:
            loader.load_state_dict(place)
        default_generator.set_state(draws)
