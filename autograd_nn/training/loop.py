"""`fit`, the loop that everybody writes by hand; `evaluate` and `predict`, what comes after it."""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..data import DataLoader
from ..data.collate import map_nested
from ..engine import mark_changed, no_grad, observers
from ..ops.terms import counted_terms
from ..optim.clip import clip_grad_norm_
from ..optim.lbfgs import LBFGS
from ..tensor import Tensor
from .batches import (
    TARGETS,
    ArraySet,
    as_arrays,
    as_loader,
    described,
    floating_dtype,
    is_array,
    is_nest_of_arrays,
    length_of,
    model_call,
    no_batch,
    split_batch,
    targets_of,
)
from .callbacks import EMA, Callback, Run, Schedule, TerminateOnNaN
from .compiling import Steps, is_worth, joined_loss, measuring_step, training_step, ways_of
from .history import History
from .losses import checked_loss, prepared_targets, with_class_weight
from .measures import Measures, as_metrics, weight_of
from .modes import evaluation_mode, put_back, training_mode
from .progress import ProgressBar
from .sharded import Shards, group_for, in_parts, is_first, measured_in_shards

__all__ = ["evaluate", "fit", "predict"]

_CALLBACK_MOMENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))

# ------------------------------------------------------------------------------------ what is given


def check_model(model: Any, function: str) -> None:
    """Raise TypeError for what is no model."""
    wanted = ("modules", "parameters", "train", "eval")
    if isinstance(model, type) or not callable(model) or not all(hasattr(model, name) for name in wanted):
        hint = f": make it first, {model.__name__}(...)" if isinstance(model, type) else (
            "; the order is (model, loader, optimizer, loss)" if hasattr(model, "__iter__") else "")
        raise TypeError(f"{function}(): model must be a Module, got {described(model)}{hint}")


def check_optimizer(optimizer: Any, function: str) -> None:
    """Raise TypeError for what is no optimizer."""
    if isinstance(optimizer, type) or not all(hasattr(optimizer, n) for n in ("step", "zero_grad", "param_groups")):
        name = (optimizer.__name__ if isinstance(optimizer, type) else
                optimizer.capitalize() if isinstance(optimizer, str) and optimizer.isalpha() else "Adam")
        name = {"Sgd": "SGD", "Adamw": "AdamW", "Rmsprop": "RMSprop", "Lbfgs": "LBFGS"}.get(name, name)
        raise TypeError(f"{function}(): optimizer must be an Optimizer, got {described(optimizer)}; write "
                        f"optim.{name}(model.parameters(), lr=...)")


def whole_number(value: Any, what: str, least: int) -> int:
    """Return a whole number of at least `least`, or raise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what} must be a whole number, got {described(value)}")
    if value < least:
        raise ValueError(f"{what} must be at least {least} (got {value})")
    return int(value)


def checked_flag(value: Any, what: str) -> bool:
    """Return True or False, or raise."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{what} must be True or False, got {described(value)}")
    return bool(value)


def positive(value: Any, what: str) -> float:
    """Return a positive number, or raise."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{what} must be a number, got {described(value)}")
    if not value > 0:
        raise ValueError(f"{what} must be positive (got {value})")
    return float(value)


def checked_callbacks(callbacks: Any, schedule: Any, ema: Any, optimizer: Any) -> list[Any]:
    """Return the callbacks of a run, moving averages first."""
    if callbacks is None:
        callbacks = [ProgressBar(), TerminateOnNaN()]
    elif isinstance(callbacks, Callback):
        callbacks = [callbacks]
    elif isinstance(callbacks, str | Mapping | type) or not isinstance(callbacks, Iterable):
        raise TypeError(f"fit(): callbacks must be a list of Callback objects, got {described(callbacks)}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if isinstance(callback, type) or not any(hasattr(callback, moment) for moment in _CALLBACK_MOMENTS):
            hint = f": make it first, {callback.__name__}(...)" if isinstance(callback, type) else ""
            raise TypeError(f"fit(): callbacks must be Callback objects, got {described(callback)}{hint}")
    if schedule is not None:
        made = schedule if isinstance(schedule, Schedule) else Schedule(schedule)
        if getattr(made.scheduler, "optimizer", optimizer) is not optimizer:
            raise ValueError("fit(): schedule belongs to another optimizer than the one given")
        callbacks.insert(0, made)
    if ema is not None:
        callbacks.insert(0, ema if isinstance(ema, EMA) else EMA(ema))
    return sorted(callbacks, key=lambda callback: not isinstance(callback, EMA))


def _validation_loader(validation: Any, loader: Any, batch_size: int, **settings: Any) -> tuple[Any, Any]:
    """Return the data to train on and the loader to validate with; a fraction cuts off the last samples of arrays."""
    if isinstance(validation, bool) or not isinstance(validation, float):
        if validation is not None:
            validation = as_loader(validation, "fit", argument="validation", batch_size=batch_size, **settings)
        return loader, validation
    if not 0 < validation < 1:
        raise ValueError(f"fit(): validation must be data, or a fraction between 0 and 1 (validation={validation})")
    if not (isinstance(loader, tuple) and len(loader) >= 2 and is_array(loader[-1])):
        raise ValueError(f"fit(): validation={validation} needs arrays (X, y) to cut a share off; for a loader, split "
                         "the dataset: data.random_split(dataset, [0.8, 0.2])")
    dataset = as_arrays(loader, "fit", floating_dtype(settings["model"]), "loader")
    held = round(len(dataset) * validation)
    if not 0 < held < len(dataset):
        raise ValueError(f"fit(): validation={validation} of {len(dataset)} samples leaves a part without samples")
    train, held_out = (map_nested(lambda a, part=part: a[part], dataset.nest)
                       for part in (slice(None, -held), slice(-held, None)))
    return train, as_loader(held_out, "fit", argument="validation", batch_size=batch_size, **settings)


# ------------------------------------------------------------------------------------ evaluate


def _checked_value(value: Any, function: str) -> Tensor:
    """Return what a loss returned, if it is one number."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{function}(): loss must return a tensor, got {described(value)}")
    if value.array.size != 1:
        raise ValueError(f"{function}(): loss must return one number, got a tensor of shape {value.shape} "
                         "(reduction='none'? use 'mean')")
    return value


@no_grad()
def _measured(model: Any, loader: Iterable[Any], loss: Callable[..., Tensor], measures: Measures, call: Any, *,
              target_key: str | None, no_batches: Callable[[], ValueError], step: Callable[..., Any],
              function: str = "evaluate", group: Any = None) -> dict[str, Any]:
    """Return the loss and metrics over a loader's batches, in evaluation mode; `step` measures one of them."""
    measures.reset()
    if group is not None:
        with evaluation_mode(model):
            measured_in_shards(group, loader, call, lambda *pair: _checked_value(loss(*pair), function), measures,
                               target_key, function)
        if not measures.batches:
            raise no_batches()
        return measures.compute()
    with evaluation_mode(model):
        for batch in loader:
            inputs, target = split_batch(batch, function, target_key)
            with counted_terms() as terms:
                value, output = step(target, *inputs)
            measures.update(value.item(), weight_of(terms, target), output, target)
    if not measures.batches:
        raise no_batches()
    return measures.compute()


def evaluate(model: Any, loader: Any, loss: Any, metrics: Any = None, *, batch_size: int = 256,
             target: str | None = None, shards: int | None = None, compile: bool = True) -> dict[str, Any]:
    """Return the loss and metrics of a model over a whole set, in evaluation mode and without recording.

    Parameters
    ----------
    model : Module
        Afterwards each of its modules has the mode that it had.
    loader, loss, metrics, target, shards, compile
        As for `fit`.
    batch_size : int
        Of arrays.

    Returns
    -------
    dict
        'loss', as if the set were one batch, and the metrics by name.

    Raises
    ------
    ValueError
        A loader that yields nothing; whatever `fit` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> from autograd_nn.training import evaluate
    >>> x = np.eye(3, dtype=np.float32)
    >>> found = evaluate(nn.Identity(), (x, np.array([0, 1, 1])), "cross_entropy", {"accuracy": "accuracy"})
    >>> round(found["accuracy"], 3)
    0.667
    """
    check_model(model, "evaluate")
    loss = checked_loss(loss, "evaluate")
    measures = Measures(as_metrics(metrics, "evaluate", loss))
    batch_size = whole_number(batch_size, "evaluate(): batch_size", 1)
    loader = as_loader(loader, "evaluate", model=model, batch_size=batch_size,
                       target=prepared_targets(loss, floating_dtype(model)))
    group = group_for(shards, "evaluate")
    call = model_call(model, "evaluate")
    step = measuring_step(call, _checking(loss, "evaluate"), bool(measures.metrics))
    if checked_flag(compile, "evaluate(): compile") and group is None:
        step = steps = Steps(step, "evaluate", lambda: _left(loader, steps), lambda: False)
    with in_parts(group, loader):
        return _measured(model, loader, loss, measures, call, target_key=target, step=step,
                         no_batches=lambda: no_batch("evaluate", loader), group=group)


def _left(loader: Any, steps: Steps) -> int | None:
    """Return how many batches of a loader are to come."""
    length = length_of(loader)
    return None if length is None else length - steps.calls


def _checking(loss: Callable[..., Any], function: str) -> Callable[[Any, Any], Tensor]:
    """Return a loss that is checked to be one number."""
    return lambda output, target: _checked_value(loss(output, target), function)


# ------------------------------------------------------------------------------------ predict


@no_grad()
def predict(model: Any, data: Any, *, batch_size: int = 256, target: str | None = None, compile: bool = True) -> Any:
    """Return the outputs of a model for all samples, in evaluation mode and without recording.

    Parameters
    ----------
    model : Module
        Afterwards each of its modules has the mode that it had.
    data : array, tuple or dict of arrays, Dataset, or iterable of batches
        An array, Tensor or DataFrame is the input; a tuple or dict of arrays are several inputs, also ``(X, y)`` if
        `forward` does not take the last one. Of the batches of a loader, and the samples of a Dataset, the target is
        left out as in `fit`; a batch that is an array alone, or a tuple of one, is input.
    batch_size : int
        Of arrays and datasets.
    target : str, optional
        Which key of a dict is the target.
    compile : bool
        As for `fit`.

    Returns
    -------
    Tensor, or a tuple, list or dict of Tensors
        What the model returns, all batches joined along the first axis.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn
    >>> predict(nn.Linear(3, 2), np.zeros((1000, 3))).shape
    (1000, 2)
    """
    check_model(model, "predict")
    call = model_call(model, "predict")
    whole_number(batch_size, "predict(): batch_size", 1)
    outputs: list[Any] = []

    def step(*inputs: Any) -> Any:
        return call(inputs)

    steps: Any = step
    if checked_flag(compile, "predict(): compile"):
        loader: Any = data if isinstance(data, DataLoader) else None  # of all else, as many are expected as there were
        if is_array(data):
            loader = range(0, len(data), batch_size)
        steps = Steps(step, "predict", lambda: _left(loader, steps), lambda: False)
    with evaluation_mode(model):
        for inputs in _input_batches(model, data, batch_size, target):
            outputs.append(steps(*inputs))
    if not outputs:
        raise no_batch("predict", data)
    return map_nested(_joined, *outputs)


def _joined(*parts: Any) -> Any:
    arrays = [part.array if isinstance(part, Tensor) else np.asarray(part) for part in parts]
    if arrays[0].ndim == 0 or len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError("predict(): outputs of different shapes cannot be joined: "
                         f"{', '.join(str(array.shape) for array in arrays[:4])}; predict batch by batch")
    return Tensor(np.concatenate(arrays))


def _input_batches(model: Any, data: Any, batch_size: int, key: str | None) -> Iterator[tuple[Any, ...]]:
    """Yield the inputs of each batch."""
    if is_array(data):
        data = (data,)
    elif isinstance(data, Mapping) and data and all(is_array(value) for value in data.values()):
        names = [name for name in ((key,) if key else TARGETS) if name in data]
        data = ({name: value for name, value in data.items() if name not in names},)
    if isinstance(data, tuple) and is_nest_of_arrays(data):
        named = any(isinstance(part, Mapping) for part in data)
        if len(data) > 1 and (named or (not _takes(model, len(data)) and _takes(model, len(data) - 1))):
            data = data[:-1]
        arrays = as_arrays(data, "predict", floating_dtype(model))
        for batch in DataLoader(ArraySet(arrays.nest), batch_size=batch_size):
            yield tuple(batch)
        return
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not hasattr(data, "__iter__"):
        data = DataLoader(data, batch_size=batch_size)
    elif isinstance(data, str | bytes | type | Mapping) or not (isinstance(data, Iterable)
                                                                 or hasattr(data, "__getitem__")):
        raise TypeError("predict(): data must be an array, a tuple of arrays, a dataset or a loader, got "
                        f"{described(data)}")
    for batch in data:
        if is_array(batch):
            yield (batch,)
        elif isinstance(batch, tuple | list) and len(batch) == 1:
            yield tuple(batch)
        elif isinstance(batch, Mapping) and not any(name in batch for name in ((key,) if key else TARGETS)):
            yield (batch,)
        else:
            yield split_batch(batch, "predict", key)[0]


def _takes(model: Any, count: int) -> bool:
    """Return whether the model's forward takes so many inputs."""
    try:
        inspect.signature(getattr(model, "forward", model)).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


# ------------------------------------------------------------------------------------ fit


def fit(
    model: Any,
    loader: Any,
    optimizer: Any,
    loss: Any,
    epochs: int = 1,
    validation: Any = None,
    callbacks: Sequence[Callback] | None = None,
    metrics: Any = None,
    history: History | None = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    clip: float | None = None,
    accumulate: int = 1,
    schedule: Any = None,
    ema: Any = None,
    validate_every: int | None = None,
    class_weight: Any = None,
    target: str | None = None,
    shards: int | None = None,
    compile: bool = True,
) -> History:
    """Train a model.

    Under mpiexec all ranks train together (see `parallel`): each reads its part of every batch, and rank 0 prints,
    draws and saves.

    Parameters
    ----------
    model : Module
        Set to training; modules that were put into evaluation mode inside it (frozen normalisation) stay there.
    loader : iterable of batches, or tuple of arrays
        A DataLoader or any other iterable of ``(input, target)``, of ``(input, input, ..., target)`` for models of
        several inputs, or of dicts. Of a dict, the key `target` (or 'target', 'label', 'labels', 'y') is the target;
        the rest is passed by keyword if ``model.forward`` has these names, else as a dict. Arrays, Tensors, DataFrames
        and Series are given as a tuple, ``(X, y)`` or ``(X1, X2, y)``.
    optimizer : Optimizer
    loss : callable or str
        ``loss(output, target)`` -> 0-d tensor; or 'cross_entropy', 'bce_with_logits', 'mse', ...: then integers become
        floating-point numbers, and targets (N,) become (N, 1), as the loss needs them.
    epochs : int
    validation : as `loader`, or float, optional
        Evaluated after each epoch; its quantities are named ``validation_...``. Of arrays, a fraction cuts off the
        last samples.
    callbacks : sequence of Callback, optional
        `ProgressBar` and `TerminateOnNaN` by default; `plots.LivePlot` draws the curves in a notebook.
    metrics : list or dict, optional
        Names ('accuracy', 'top5', 'f1', 'auc', 'r2', 'perplexity', ...), functions ``metric(output, target) -> float``
        and `Metric` objects. All are computed over the whole set: a function gets all outputs and targets of an epoch,
        which are kept for it; `MeanOverBatches(function)` keeps none.
    history : History, optional
        Continued where it is given.
    batch_size, shuffle : int, bool
        Of arrays.
    clip : float, optional
        The largest norm of the gradients, all together.
    accumulate : int
        Batches for each step of the optimizer; their gradients are averaged as if they were one batch.
    schedule : LRScheduler or Schedule, optional
        An LRScheduler is stepped after each epoch, OneCycleLR and CyclicLR after each step; ``Schedule(scheduler,
        'step')`` says so.
    ema : float or EMA, optional
        The decay of a moving average of the weights, which is validated, and is the model's in the end.
    validate_every : int, optional
        Evaluate the validation data also after so many steps; the results are in ``history.validations``.
    class_weight : 'balanced', dict or sequence, optional
        Weights of the classes, for cross-entropies.
    target : str, optional
        The target's key, for batches that are dicts.
    shards : int, optional
        Compute the gradients of each batch in so many parts, a power of two: the run then has the same bits as one of
        any number of ranks with as many shards. Under mpiexec it is that of `parallel.init`, 8 by default.
    compile : bool
        Compile the steps (see `autograd_nn.compile`) if enough of one kind are to come that it pays. They have the same
        bits as without. Why steps stay eager is printed, once.

    Returns
    -------
    History
        Interrupting a run (Ctrl-C, or the notebook's stop) ends it in the same way, with ``history.interrupted`` true:
        model, optimizer and history are what they were at that moment and can be used and trained on. The history has
        the epochs that were finished; where the interrupt came in the middle of an optimizer's step, some parameters
        have made that step and others not.

    Raises
    ------
    TypeError, ValueError
        An argument of another kind, with what was given and what is accepted; a loader that yields nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn import nn, optim
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> model = nn.Linear(4, 2)
    >>> history = fit(model, (X, X[:, 0] > 0), optim.Adam(model.parameters()), "cross_entropy", epochs=2,
    ...               metrics=["accuracy"], validation=0.2, callbacks=[])
    >>> history.names
    ['loss', 'accuracy', 'validation_loss', 'validation_accuracy', 'seconds']
    """
    check_model(model, "fit")
    check_optimizer(optimizer, "fit")
    loss = checked_loss(loss, "fit")
    epochs = whole_number(epochs, "fit(): epochs", 0)
    accumulate = whole_number(accumulate, "fit(): accumulate", 1)
    batch_size = whole_number(batch_size, "fit(): batch_size", 1)
    if validate_every is not None:
        validate_every = whole_number(validate_every, "fit(): validate_every", 1)
    if clip is not None:
        clip = positive(clip, "fit(): clip")
    if not isinstance(history, History | None):
        raise TypeError(f"fit(): history must be a History, got {described(history)}")
    group = group_for(shards, "fit")
    settings = {"model": model, "target": prepared_targets(loss, floating_dtype(model))}
    loader, validation = _validation_loader(validation, loader, max(batch_size, 256), **settings)
    loader = as_loader(loader, "fit", batch_size=batch_size, shuffle=shuffle, **settings)
    if validation is loader and hasattr(loader, "state_dict"):
        validation = copy.copy(loader)  # with a place of its own
    if class_weight is not None:
        loss = with_class_weight(loss, class_weight, lambda: targets_of(loader), "fit", floating_dtype(model))
    compile = checked_flag(compile, "fit(): compile")
    history = History() if history is None else history
    history.interrupted = False
    callbacks = checked_callbacks(callbacks, schedule, ema, optimizer)
    run = Run(model, optimizer, loader, len(history) + epochs, history, callbacks,
              Measures(as_metrics(metrics, "fit", loss)), accumulate=accumulate, validation=validation)
    run.shards = None if group is None else group.shards
    held_out = Measures(as_metrics(metrics, "fit", loss))
    call = model_call(model)
    step = Step(run, loss, call, clip, target, group)
    measure = measuring_step(call, _checking(loss, "fit"), bool(held_out.metrics))
    if compile and group is None and validation is not None:
        length = length_of(validation)
        measure = Steps(measure, "fit", lambda: None if length is None else length * (run.epochs - len(history)),
                        lambda: run.quiet)

    def validate() -> None:
        """Measure the validation data, unless that was done after this very step."""
        if run.validated != history.steps or not run.measured:
            _tell(callbacks, "on_validation_begin", run)
            try:
                measured = _measured(model, validation, loss, held_out, call, target_key=target, function="fit",
                                     step=measure, group=group,
                                     no_batches=lambda: no_batch("fit", validation, run.epoch, "validation"))
            finally:
                _tell(callbacks, "on_validation_end", run)
            run.measured = {f"validation_{name}": number for name, number in measured.items()}
            run.validated = history.steps

    modes = training_mode(model)
    together = contextlib.ExitStack()
    try:
        together.enter_context(in_parts(group, loader, validation))
        if group is not None:
            together.enter_context(group.interrupts_together())
        _tell(callbacks, "on_train_begin", run)
        if compile:
            step.compile()
        while len(history) < run.epochs and not run.stopping:
            started, run.epoch = time.perf_counter(), len(history) + 1
            step.batches = 0
            _tell(callbacks, "on_epoch_begin", run)
            for batches in _grouped(loader, accumulate):
                if not step(batches):
                    continue
                run.step += 1
                if validate_every and validation is not None and history.steps % validate_every == 0:
                    validate()
                    history.validations.append({"epoch": run.epoch, "step": history.steps, **run.measured})
                run.interrupting = step.interrupted
                _tell(callbacks, "on_step_end", run)
                if run.interrupting:
                    raise KeyboardInterrupt
                if run.stopping:
                    break
            if not run.measures.batches:
                raise no_batch("fit", loader, run.epoch) if not step.batches else ValueError(
                    f"fit(): epoch {run.epoch}: none of the targets counts, all are ignored")
            epoch = run.measures.compute()
            if validation is not None:
                validate()
                epoch |= run.measured
            history.epochs.append(epoch | {"seconds": time.perf_counter() - started})
            _tell(callbacks, "on_epoch_end", run)
            run.step, run.sums = 0, {}
        if run.stopping and not run.quiet and is_first():
            print(f"stopped: {run.stopping}", file=sys.stderr)
    except KeyboardInterrupt:
        history.interrupted = True
        if is_first():
            print(f"interrupted in epoch {run.epoch} after step {run.step}", file=sys.stderr)
    finally:
        together.close()
        put_back(modes)
        run.inputs, run.target = (), None
        _tell(callbacks, "on_train_end", run)
    return history


class Step:
    """One step of a run: gradients of some batches, and the optimizer's step with them."""

    def __init__(self, run: Run, loss: Callable[..., Tensor], call: Callable[..., Any], clip: float | None,
                 target: str | None, group: Any = None):
        self.run, self.loss, self.call, self.clip, self.target = run, loss, call, clip, target
        self.checked, self.batches = not is_first(), 0
        self.shards = None if group is None else Shards(
            run, group, call, lambda *pair: _checked_value(loss(*pair), "fit"), target)
        closure = inspect.signature(run.optimizer.step).parameters.get("closure")
        self.needs_closure = isinstance(run.optimizer, LBFGS) or (
            closure is not None and closure.default is inspect.Parameter.empty)
        self.steps: Steps | None = None
        self.updates = True

    def compile(self) -> None:
        """Compile the steps from now on."""
        run = self.run
        if self.shards is not None or self.needs_closure:
            if not run.quiet and is_first() and is_worth(self._left()):
                reason = "the gradients are computed in shards" if self.shards is not None else (
                    f"{type(run.optimizer).__name__} computes the loss several times in a step")
                print(f"fit(): steps are not compiled: {reason}", file=sys.stderr)
            return
        self.updates, stops, lends = ways_of(run.callbacks)
        step = training_step(self.call, _checking(self.loss, "fit"), run.optimizer, self.clip, updates=self.updates,
                             stops=stops, keeps=bool(run.measures.metrics))
        self.steps = Steps(step, "fit", self._left, lambda: run.quiet, lends)

    def _left(self) -> int | None:
        """Return how many steps are to come."""
        run = self.run
        return None if run.steps is None else run.steps * (run.epochs - len(run.history)) - run.step

    @property
    def interrupted(self) -> bool:
        """Whether all ranks are to stop after this step, as one of them was interrupted."""
        return self.shards is not None and self.shards.interrupted

    def __call__(self, batches: Sequence[Any]) -> bool:
        """Make the step; return False, without one, if none of the targets counts."""
        run = self.run
        if self.steps is not None and self.checked:
            counts, is_updated = self._compiled(batches)
        else:
            counts, is_updated = self._gradients(batches, measure=True) is not None, False
        if not counts:
            return False
        if not self.checked:
            self.checked = True
            for observer in observers:
                observer.training_begins(run.model)
        if not is_updated:
            _tell(run.callbacks, "on_gradients", run)
            if run.stopping:
                return True
            self._update(batches)
        run.history.steps += 1
        _tell(run.callbacks, "on_update", run)
        return True

    def _update(self, batches: Sequence[Any]) -> None:
        """Make the optimizer's step."""
        optimizer = self.run.optimizer
        if self.clip is not None:
            clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], self.clip)
        if self.needs_closure:
            optimizer.step(lambda: self._gradients(batches, measure=False))
        else:
            optimizer.step()

    def _compiled(self, batches: Sequence[Any]) -> tuple[bool, bool]:
        """Make the step, compiled; return whether a target counts, and whether the optimizer's step is made too."""
        run, steps = self.run, self.steps
        pairs = [split_batch(batch, "fit", self.target) for batch in batches]
        run.inputs, run.target = inputs, target = pairs[-1]
        self.batches += len(batches)
        with counted_terms() as terms:
            if len(pairs) == 1:
                found, goes_on = steps(target, *inputs)  # type: ignore[misc]
            else:
                found, goes_on = steps(pairs)  # type: ignore[misc]
        if not found:
            return False, False
        losses = [value.item() for value, *_ in found]
        weights = [weight_of(terms, target) if weight is None else weight.item() for *_, weight in found]
        for loss, weight, (_, output, number, _) in zip(losses, weights, found):
            run.measures.update(loss, weight, output, pairs[number][1])
        run.loss = losses[0] if len(batches) == 1 else joined_loss(losses, weights)
        return True, goes_on and self.updates

    def _gradients(self, batches: Sequence[Any], measure: bool) -> Tensor | None:
        """Compute the gradients of the loss of some batches; return it, None if no target counts."""
        run = self.run
        run.optimizer.zero_grad()
        self.batches += len(batches)
        if self.shards is not None:
            return self.shards(batches, measure)
        total, weights = 0.0, 0.0
        result: Tensor | None = None
        for batch in batches:
            run.inputs, run.target = split_batch(batch, "fit", self.target)
            output = self.call(run.inputs)
            with counted_terms() as terms:
                value = _checked_value(self.loss(output, run.target), "fit")
            weight = weight_of(terms, run.target)
            if weight == 0:  # the mean over no terms
                continue
            number = value.item()
            if len(batches) == 1 or math.isinf(weight):
                value.backward()
                total, weights = total + number, 1.0
            else:
                (value * weight).backward()
                total, weights = total + weight * number, weights + weight
            result = value.detach()
            if measure:
                run.measures.update(number, weight, output, run.target)
        if result is None:
            return None
        if len(batches) > 1 and weights != 1.0:
            for parameter in run.parameters():
                if parameter.grad is not None:
                    parameter.grad.array *= parameter.grad.array.dtype.type(1 / weights)
                    mark_changed(parameter.grad.array)
        run.loss = total / weights
        return result if len(batches) == 1 else Tensor(np.asarray(run.loss, result.array.dtype))


def _grouped(loader: Iterable[Any], count: int) -> Iterator[Sequence[Any]]:
    """Yield the batches of a loader in groups."""
    if count == 1:
        for batch in loader:
            yield (batch,)
        return
    batches = iter(loader)
    length = length_of(loader)
    left = sys.maxsize if length is None else length - getattr(loader, "position", 0)
    while left > 0 and (group := list(itertools.islice(batches, min(count, left)))):
        left -= len(group)  # not a look further: a loader that is at its end stands in the next epoch
        yield group
    for batch in batches:
        yield (batch,)


def _tell(callbacks: Sequence[Any], moment: str, run: Run) -> None:
    for callback in callbacks:
        method = getattr(callback, moment, None)
        if method is not None and (getattr(callback, "everywhere", True) or is_first()):
            method(run)
