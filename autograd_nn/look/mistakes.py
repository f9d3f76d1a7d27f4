"""Warnings of mistakes that raise no error: training runs, and learns worse or nothing, or takes ever more memory.

Each kind warns once in a process and is a category of its own, so that Python's filters switch it off::

    warnings.filterwarnings("ignore", category=autograd_nn.mistakes.MissingGradient)

`MistakeWarning` stands for all of them. Looking costs nothing per operation: a backward pass notes its root, an
optimizer looks at its first step and after `Module.train` or `Module.eval` was called, a loss at the one node that its
input came from.
"""

from __future__ import annotations

import collections
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..engine import Call, Observer, Variable, observe, structure
from ..engine.graph import Computed

__all__ = [
    "EvaluationMode",
    "ForgottenZeroGrad",
    "GrowingGraph",
    "LayersInAList",
    "MissingGradient",
    "MistakeWarning",
    "NotLogProbabilities",
    "SigmoidBeforeLogitsLoss",
    "SoftmaxBeforeCrossEntropy",
    "TrainingMode",
    "UnexpectedFloat64",
    "forget",
]

HELD = 32  # losses of as many training steps that are still there are no accident
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


class MistakeWarning(UserWarning):
    """Something that is allowed and almost never meant.

    Examples
    --------
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> warnings.simplefilter("ignore", mistakes.MistakeWarning)  # says nothing of any of them
    >>> warnings.simplefilter("default", mistakes.MistakeWarning)
    >>> issubclass(mistakes.GrowingGraph, mistakes.MistakeWarning)
    True
    """


class SoftmaxBeforeCrossEntropy(MistakeWarning):
    """The input of a cross-entropy is the result of a softmax, which the loss applies itself.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> p = F.softmax(ag.randn(4, 3, requires_grad=True), 1)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     loss = F.cross_entropy(p, ag.tensor([0, 1, 2, 0]))
    >>> seen[0].category.__name__
    'SoftmaxBeforeCrossEntropy'
    """


class SigmoidBeforeLogitsLoss(MistakeWarning):
    """The input of a loss of logits is the result of a sigmoid, which the loss applies itself.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> p = ag.randn(4, requires_grad=True).sigmoid()
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     loss = F.binary_cross_entropy_with_logits(p, ag.ones(4))
    >>> seen[0].category.__name__
    'SigmoidBeforeLogitsLoss'
    """


class NotLogProbabilities(MistakeWarning):
    """The input of `nll_loss` has numbers above 0: logits or probabilities, and no logarithms of probabilities.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import autograd_nn.nn.functional as F
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     loss = F.nll_loss(ag.tensor([[2.0, 1.0]], requires_grad=True), ag.tensor([0]))
    >>> seen[0].category.__name__
    'NotLogProbabilities'
    """


class LayersInAList(MistakeWarning):
    """A module keeps layers in a plain list, tuple or dict, so that its parameters lack theirs.

    Examples
    --------
    >>> from autograd_nn import nn
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = [nn.Linear(2, 2), nn.Linear(2, 2)]  # nn.ModuleList([...]) is right
    ...         self.out = nn.Linear(2, 1)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     parameters = list(Net().parameters())
    >>> seen[0].category.__name__
    'LayersInAList'
    """


class TrainingMode(MistakeWarning):
    """Dropout or batch normalization computes in training mode while nothing is recorded, and no training is near.

    A generator that makes fakes for the discriminator, or a policy that is asked for an action, is in training mode
    under ``no_grad()`` on purpose. So a layer may compute once between two backward passes; what computes twice is
    evaluated. In a program that asked for no parameters, so trains nothing, once is enough for the warning.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     with ag.no_grad():
    ...         y = model(ag.ones(3, 2))  # model.eval() should stand before
    >>> seen[0].category.__name__
    'TrainingMode'
    """


class MissingGradient(MistakeWarning):
    """An optimizer stepped while parameters of it had no gradient: they stay as they are.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> w, unused = ag.ones(2, requires_grad=True), ag.ones(2, requires_grad=True)
    >>> optimizer = optim.SGD([w, unused], lr=0.1)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     optimizer.step()
    >>> seen[0].category.__name__
    'MissingGradient'
    """


class ForgottenZeroGrad(MistakeWarning):
    """An optimizer used gradients again, after a backward pass had added to them.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import optim
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> w = ag.ones(2, requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     for _ in range(3):
    ...         (w**2).sum().backward()  # optimizer.zero_grad() should stand before this line
    ...         optimizer.step()
    >>> seen[0].category.__name__
    'ForgottenZeroGrad'
    """


class EvaluationMode(MistakeWarning):
    """A part of the model is in evaluation mode while it is trained.

    Examples
    --------
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> warnings.simplefilter("error", mistakes.EvaluationMode)  # an error instead of a warning
    >>> warnings.simplefilter("default", mistakes.EvaluationMode)
    """


class GrowingGraph(MistakeWarning):
    """Losses of past steps are held with their graphs, as by ``total += loss``: ``loss.item()`` is the number alone.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> w = ag.ones(2, requires_grad=True)
    >>> total = 0.0
    >>> for _ in range(3):
    ...     total += (w**2).sum().item()  # without item(), total keeps the graphs of all steps
    >>> total
    6.0
    """


class UnexpectedFloat64(MistakeWarning):
    """The loss is of float64 although no parameter is: some input is, and all that follows takes twice the time.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn import optim
    >>> import warnings
    >>> from autograd_nn import mistakes
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     mistakes.forget()
    ...     (model(ag.ones(3, 2)) * ag.ones(3, 1).double()).sum().backward()
    ...     optimizer.step()
    >>> seen[0].category.__name__
    'UnexpectedFloat64'
    """


_told: set[type[MistakeWarning]] = set()
_used: Callable[[], Any] = object  # a weak reference to a gradient that an optimizer used
grown: Callable[[], Any] | None = None  # a weak reference to what became of it when a backward pass added to it
_roots: collections.deque[Callable[[], Any]] = collections.deque(maxlen=HELD)  # of the last steps' backward passes
_latest: Any = None  # dtype of the last root
_time = -1  # when the last root was computed, on the clock that an optimizer's step advances
_SHAPING = ("reshape", "squeeze", "unsqueeze", "transpose", "permute", "getitem")  # what changes no element
_looked_at: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # modules, as of so many changes
_asleep: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()  # modules in evaluation mode
_modes_seen: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # by optimizers, at their last steps
_trains = False  # whether parameters were asked for, say for an optimizer
_passes = 0  # backward passes
_unrecorded: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # layers, as of so many passes
modes = 0  # how often a module was told its mode


def forget() -> None:
    """Let every kind warn once more.

    Examples
    --------
    >>> from autograd_nn import mistakes
    >>> mistakes.forget()
    """
    global _trains
    _trains = False
    _unrecorded.clear()
    _told.clear()
    _roots.clear()
    _looked_at.clear()


def warn_once(category: type[MistakeWarning], message: str) -> None:
    """Warn of a mistake, at the line outside this package that led to it, unless its kind was warned of before."""
    if category not in _told:
        _told.add(category)
        frame, level = sys._getframe(), 1
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame, level = frame.f_back, level + 1
        warnings.warn(f"{message} (to silence: warnings.filterwarnings('ignore', category=autograd_nn.mistakes."
                      f"{category.__name__}))", category, stacklevel=level)


# ---------------------------------------------------------------------------------------------- backward passes


def note_sum(gradient: Any, total: Any) -> None:
    """Remember the sum where a backward pass added to a gradient that was used already and is not 0."""
    global grown
    if (gradient is _used() and gradient.array.any()) or (grown is not None and gradient is grown()):
        grown = weakref.ref(total)


def note_root(root: Any) -> None:
    """Look at a node that a backward pass starts from, and whether those of the steps before are still there."""
    global _latest, _time
    _latest = root.dtype
    if isinstance(root, Call) and root.time != _time:
        _time = root.time
        if len(_roots) == HELD and all(held() is not None for held in _roots):
            warn_once(GrowingGraph, f"backward(): the losses of the last {HELD} steps are still held, and with them "
                                    "their graphs, which takes ever more memory; add up or keep loss.item() instead")
        _roots.append(weakref.ref(root))


class _Listening(Observer):
    def backward_begins(self, roots: list[Any]) -> None:
        global _passes
        _passes += 1
        for root in roots:
            note_root(root)

    def gradient_final(self, leaf: Any, before: Any, total: Any) -> None:
        if before is not None:
            note_sum(before, total)

    def step_begins(self, optimizer: Any) -> None:
        operation = f"{type(optimizer).__name__}.step()"
        if not optimizer.stepped:
            named = optimizer.named_parameters()
            check_gradients(operation, named)
            note_used([p.grad for _, p in named if p.is_leaf and p.grad is not None])
        if _modes_seen.get(optimizer) != modes:
            _modes_seen[optimizer] = modes
            check_modes(operation, [p for _, p in optimizer.named_parameters()])
        if grown is not None:
            check_grown(p.node.grad for _, p in optimizer.named_parameters() if p.node is not None)

    def mode_changed(self, module: Any, training: bool) -> None:
        note_mode(module, training)

    def loss_of(self, operation: str, input: Any) -> None:
        if isinstance(input, Variable):
            check_loss(operation, input)

    def parameters_listed(self, module: Any) -> None:
        global _trains
        _trains = True
        if _looked_at.get(module) != structure.changes:
            check_lists(module)

    def trains_unrecorded(self, module: Any) -> None:
        again = _unrecorded.get(module) == _passes
        _unrecorded[module] = _passes
        if getattr(module, "p", 1) and (again or not _trains):  # a dropout of nothing is the same in both modes
            effect = "drops elements at random" if hasattr(module, "p") else "normalizes by the batch at hand"
            warn_once(TrainingMode, f"{type(module).__name__}: {effect}, as in training, while nothing is recorded "
                                    "(no_grad()); to evaluate, call model.eval() first")

    def training_begins(self, model: Any) -> None:
        check_first_step(model)


observe(_Listening())

# ---------------------------------------------------------------------------------------------- losses


def check_loss(operation: str, input: Any) -> None:
    """Warn of a loss whose input is not what it takes for logits or logarithms of probabilities."""
    source = _source(input)
    if operation == "nll_loss":
        if NotLogProbabilities not in _told and source != "log_softmax" and (input.array > 1e-3).any():
            warn_once(NotLogProbabilities, "nll_loss(): the input has numbers above 0, but logarithms of probabilities "
                                           "are expected: use log_softmax() before it, or cross_entropy() of logits")
    elif operation == "cross_entropy" and source == "softmax":
        warn_once(SoftmaxBeforeCrossEntropy, f"{operation}(): the input is the result of softmax(), but logits are "
                                             "expected: the softmax is part of the loss")
    elif operation != "cross_entropy" and source == "sigmoid":
        warn_once(SigmoidBeforeLogitsLoss, f"{operation}(): the input is the result of sigmoid(), but logits are "
                                           "expected: the sigmoid is part of the loss")


def _source(x: Any) -> str:
    """Return the name of the operation that computed a variable, looking through views."""
    x.origin  # noqa: B018  # a view renews its node
    node = x.node
    while isinstance(node, Computed) and node.primitive.name in _SHAPING:
        node = node.parents[0]
    return node.primitive.name if isinstance(node, Computed) else ""


# ---------------------------------------------------------------------------------------------- layers


def check_lists(module: Any) -> None:
    """Warn of layers in plain lists, tuples and dicts whose parameters are trained and not among a module's."""
    _looked_at[module] = structure.changes
    known = {id(part) for part in module.modules()}
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            inside = value.values() if type(value) is dict else value if type(value) in (list, tuple) else ()
            lost = [item for item in inside if hasattr(item, "named_modules") and id(item) not in known
                    and any(p.requires_grad for p in item.parameters())]
            if lost and not name.startswith("_"):
                where = ".".join(filter(None, (type(module).__name__, path, name)))
                holder = "ModuleDict" if type(value) is dict else "ModuleList"
                kinds = ", ".join(dict.fromkeys(type(item).__name__ for item in lost))
                warn_once(LayersInAList, f"{where}: a plain {type(value).__name__} of layers ({kinds}), whose "
                                         f"parameters are not among those of {type(module).__name__} and will not be "
                                         f"trained; use nn.{holder}")


# ---------------------------------------------------------------------------------------------- optimizer steps


def check_gradients(operation: str, named: Sequence[tuple[str, Any]]) -> None:
    """Warn where some of the parameters, given with their names, have no gradient, or the loss is of float64."""
    wanted = [(name, p) for name, p in named if p.requires_grad]
    missing = [f"{name} {p.shape}" for name, p in wanted if p.node.grad is None]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        cause = ("was backward() called?" if len(missing) == len(wanted) else
                 "are they used in forward(), and nothing on the way detached?")
        warn_once(MissingGradient, f"{operation}: {len(missing)} of {len(wanted)} parameters have no gradient and stay "
                                   f"as they are: {shown}; {cause}")
    if _latest == "float64" and len(missing) < len(wanted) and all(p.dtype != "float64" for _, p in named):
        warn_once(UnexpectedFloat64, f"{operation}: the loss is of float64 but no parameter is: an input or a constant "
                                     "is of float64; convert it with .float()")


def note_used(gradients: Sequence[Any]) -> None:
    """Remember a gradient that an optimizer used in its first step."""
    global _used
    if gradients:
        _used = weakref.ref(gradients[0])


def check_grown(gradients: Iterable[Any]) -> None:
    """Warn where an optimizer is about to use such a sum."""
    global grown
    total, grown = grown() if grown is not None else None, None
    if total is not None and any(gradient is total for gradient in gradients):
        warn_once(ForgottenZeroGrad, "optimizer.step(): a backward pass added to gradients that had been used already; "
                                     "call optimizer.zero_grad() before each backward()")


# ---------------------------------------------------------------------------------------------- modes


def note_mode(module: Any, training: bool) -> None:
    """Remember which modules are in evaluation mode."""
    global modes
    modes += 1
    if training:
        _asleep.pop(id(module), None)
    else:
        _asleep[id(module)] = module


def check_modes(operation: str, parameters: Iterable[Any]) -> None:
    """Warn where all parameters that an optimizer is about to change belong to layers in evaluation mode."""
    changing = {id(p) for p in parameters if p.node is not None and p.node.grad is not None}
    asleep = [(id(value), type(module).__name__)
              for module in list(_asleep.values()) if not module.training for value in vars(module).values()]
    if changing and changing <= {value for value, _ in asleep}:
        layers = ", ".join(dict.fromkeys(layer for value, layer in asleep if value in changing))
        warn_once(EvaluationMode, f"{operation}: all layers whose parameters are trained ({layers}) are in "
                                  "evaluation mode (eval()); call model.train() before training goes on")


def check_first_step(model: Any) -> None:
    """Warn of what can be seen after the first backward pass of a training loop."""
    if hasattr(model, "named_parameters"):
        check_gradients("fit()", list(model.named_parameters()))
    if hasattr(model, "named_modules"):
        sleeping = [name or type(module).__name__ for name, module in model.named_modules()
                    if not module.training and not _frozen(module)]
        if sleeping:
            warn_once(EvaluationMode, f"fit(): {', '.join(sleeping[:5])} {'is' if len(sleeping) == 1 else 'are'} in "
                                      "evaluation mode (eval()) while the model is trained; call model.train()")


def _frozen(module: Any) -> bool:
    """Return whether a module has parameters of its own and none of them is trained: its mode is meant."""
    own = list(module.parameters(recurse=False))
    return bool(own) and not any(p.requires_grad for p in own)
