"""Warnings of mistakes that raise no error: training runs, and learns worse or nothing.

Each kind warns once in a process and is a category of its own, so that Python's filters switch it off::

    warnings.filterwarnings("ignore", category=autograd_nn.mistakes.MissingGradient)

`MistakeWarning` stands for all of them. Looking costs nothing per step: `fit` and an optimizer look at their first step
only, a loss at the one node that its input came from.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .engine import graph

__all__ = [
    "EvaluationMode",
    "ForgottenZeroGrad",
    "MissingGradient",
    "MistakeWarning",
    "SoftmaxBeforeCrossEntropy",
    "UnexpectedFloat64",
    "forget",
]


class MistakeWarning(UserWarning):
    """Something that is allowed and almost never meant."""


class SoftmaxBeforeCrossEntropy(MistakeWarning):
    """The input of a cross-entropy is the result of a softmax, which the loss applies itself."""


class MissingGradient(MistakeWarning):
    """An optimizer stepped while parameters of it had no gradient: they stay as they are."""


class ForgottenZeroGrad(MistakeWarning):
    """An optimizer used gradients again, after a backward pass had added to them."""


class EvaluationMode(MistakeWarning):
    """A part of the model is in evaluation mode while it is trained."""


class UnexpectedFloat64(MistakeWarning):
    """The loss is of float64 although no parameter is: some input is, and all that follows takes twice the time."""


_told: set[type[MistakeWarning]] = set()
_used: Callable[[], Any] = object  # a weak reference to a gradient that an optimizer used
grown: Callable[[], Any] | None = None  # a weak reference to what became of it when a backward pass added to it


def forget() -> None:
    """Let every kind warn once more."""
    _told.clear()


def warn_once(category: type[MistakeWarning], message: str, stacklevel: int = 3) -> None:
    """Warn of a mistake unless its kind was warned of before."""
    if category not in _told:
        _told.add(category)
        warnings.warn(f"{message} (to silence: warnings.filterwarnings('ignore', category=autograd_nn.mistakes."
                      f"{category.__name__}))", category, stacklevel=stacklevel + 1)


def check_gradients(operation: str, named: Sequence[tuple[str, Any]]) -> None:
    """Warn where some of the parameters, given with their names, have no gradient."""
    wanted = [(name, p) for name, p in named if p.requires_grad]
    missing = [f"{name} {p.shape}" for name, p in wanted if p.node.grad is None]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        cause = ("was backward() called?" if len(missing) == len(wanted) else
                 "are they used in forward(), and nothing on the way detached?")
        warn_once(MissingGradient, f"{operation}: {len(missing)} of {len(wanted)} parameters have no gradient and stay "
                                   f"as they are: {shown}; {cause}", 4)


def note_used(gradients: Sequence[Any]) -> None:
    """Remember a gradient that an optimizer used in its first step."""
    global _used
    if gradients:
        _used = weakref.ref(gradients[0])
        graph.accumulating = note_sum


def note_sum(gradient: Any, total: Any) -> None:
    """Remember the sum where a backward pass added to a gradient that was used already and is not 0."""
    global grown
    if (gradient is _used() and gradient.data.any()) or (grown is not None and gradient is grown()):
        grown = weakref.ref(total)


def check_grown(gradients: Iterable[Any]) -> None:
    """Warn where an optimizer is about to use such a sum."""
    global grown
    total, grown = grown() if grown is not None else None, None
    if total is not None and any(gradient is total for gradient in gradients):
        warn_once(ForgottenZeroGrad, "optimizer.step(): a backward pass added to gradients that had been used already; "
                                     "call optimizer.zero_grad() before each backward()", 4)


def check_first_step(model: Any, loss: Any) -> None:
    """Warn of what can be seen after the first backward pass of a training loop."""
    if hasattr(model, "named_parameters"):
        named = list(model.named_parameters())
        check_gradients("fit()", named)
        _check_dtype(loss, (p for _, p in named))
    if hasattr(model, "named_modules"):
        sleeping = [name or type(module).__name__ for name, module in model.named_modules() if not module.training]
        if sleeping:
            warn_once(EvaluationMode, f"fit(): {', '.join(sleeping[:5])} {'is' if len(sleeping) == 1 else 'are'} in "
                                      "evaluation mode (eval()) while the model is trained; call model.train()", 4)


def _check_dtype(loss: Any, parameters: Iterable[Any]) -> None:
    if loss.dtype == "float64" and all(p.dtype != "float64" for p in parameters):
        warn_once(UnexpectedFloat64, "fit(): the loss is of float64 but no parameter is: an input or a constant is of "
                                     "float64; convert it with .float()", 5)
