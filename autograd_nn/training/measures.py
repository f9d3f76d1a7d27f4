"""Metrics over a whole set of examples: what is kept from batch to batch, and what comes out in the end.

A metric that is a mean of examples could be averaged over batches; F1, AUC, R2 and perplexity could not. A `Metric`
keeps counts or sums, `Whole` keeps all outputs and targets for a plain function, and `Measures` holds the loss and the
metrics of one pass over the data.
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..data.collate import map_nested
from ..engine import no_grad
from ..tensor import Tensor
from .batches import described, leaves

__all__ = [
    "AUC",
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "Accuracy",
    "AveragePrecision",
    "Confusion",
    "MeanOverBatches",
    "Measures",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "TopK",
    "Whole",
    "as_metrics",
    "average_precision_score",
    "metric_names",
    "roc_auc_score",
]

RESERVED = ("loss", "seconds", "lr", "epoch")
MOST_CLASSES = 2**14


def _numpy(value: Any) -> np.ndarray:
    return value.array if isinstance(value, Tensor) else np.asarray(value)


class Metric:
    """A quantity of a whole set of examples, gathered batch by batch.

    A subclass keeps what it needs in attributes that `save` takes (numbers, arrays, lists, dicts, None), named in
    `state`, and defines three methods: `reset`, `update` and `compute`.

    Attributes
    ----------
    name : str
        The metric's name in the history, where none is given.
    largest : bool
        Whether larger is better.

    Examples
    --------
    >>> class Largest(Metric):
    ...     state = ("value",)
    ...     def reset(self):
    ...         self.value = float("-inf")
    ...     def update(self, output, target):
    ...         self.value = max(self.value, output.max().item())
    ...     def compute(self):
    ...         return self.value
    """

    name = ""
    state: tuple[str, ...] = ()
    largest = True

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all examples."""
        raise NotImplementedError(f"{type(self).__name__} must define reset()")

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch: what the model returned, and the target."""
        raise NotImplementedError(f"{type(self).__name__} must define update(output, target)")

    def compute(self) -> Any:
        """Return the metric of all examples since `reset`: a number, or an array."""
        raise NotImplementedError(f"{type(self).__name__} must define compute()")

    def state_dict(self) -> dict[str, Any]:
        """Return what `state` names."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        for name in self.state:
            setattr(self, name, state[name])

    def suit(self, loss: Any) -> None:
        """Adapt to the loss of the run, where its settings tell how outputs are to be read."""


# ------------------------------------------------------------------------------------ classification


class _Classification(Metric):
    """What metrics of classes share: how outputs and targets are read.

    Parameters
    ----------
    threshold : float, optional
        Two classes and one score each: above it the class is 1. By default 0.5 with `BCELoss`, and 0, the middle of
        logits, with any other loss.
    ignore_index : int, optional
        Targets that do not count; by default that of the loss.
    class_dim : {1, -1}, optional
        Where the classes are in outputs of more than 2 dims. By default what the shape of the target says, and 1 where
        it says nothing and the loss is a cross-entropy.
    """

    def __init__(self, threshold: float | None = None, ignore_index: int | None = None, class_dim: int | None = None):
        if class_dim not in (None, 1, -1):
            raise ValueError(f"{type(self).__name__}(): class_dim must be 1 or -1 (class_dim={class_dim!r})")
        self.threshold, self.ignore_index, self.class_dim = threshold, ignore_index, class_dim
        self.elementwise = False
        super().__init__()

    def suit(self, loss: Any) -> None:
        kind = loss_kind(loss)
        if self.threshold is None:
            self.threshold = 0.5 if kind == "probability" else 0.0
        if self.ignore_index is None:
            self.ignore_index = _setting(loss, "ignore_index", -100) if kind == "class" else -100
        if self.class_dim is None and kind == "class":
            self.class_dim = 1
        self.elementwise = kind in ("probability", "logit")

    def _read(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return scores (M,) of class 1 or (M, C) of each class, and classes (M,); ignored targets are left out.

        Integer outputs of the target's shape are predicted classes, returned as they are.
        """
        name = self.name or type(self).__name__
        if isinstance(output, Mapping | tuple | list) or isinstance(target, Mapping | tuple | list):
            raise TypeError(f"metric {name!r}: output and target must be tensors, got {described(output)} and "
                            f"{described(target)}; give a function that picks what it measures")
        x, t = _numpy(output), _numpy(target)
        if x.dtype.kind not in "fiub" or t.dtype.kind not in "fiub":
            raise TypeError(f"metric {name!r}: output and target must hold numbers, got {x.dtype} and {t.dtype}")
        if x.shape == (*t.shape, 1):
            x = x[..., 0]
        elif t.shape == (*x.shape, 1):
            t = t[..., 0]
        scores: np.ndarray
        if x.shape == t.shape:
            if x.ndim >= 2 and t.dtype.kind == "f" and not self.elementwise and x.shape[1] > 1 and _are_rows(t):
                scores, classes = _classes_last(x, 1), _classes_last(t, 1).argmax(1)
            else:
                scores, classes = x.reshape(-1), t.reshape(-1)
                if t.dtype.kind == "f":
                    whole = classes.astype(np.int64)
                    if not np.array_equal(whole, classes) and not np.all((classes >= 0) & (classes <= 1)):
                        raise ValueError(f"metric {name!r}: targets must be classes, got {t.dtype} from "
                                         f"{classes.min()} to {classes.max()}")
                    classes = (classes > 0.5).astype(np.int64) if x.dtype.kind == "f" else whole
        else:
            scores, classes = _classes_last(x, self._class_dim(name, x, t)), t.reshape(-1)
            if classes.dtype.kind == "f":
                raise ValueError(f"metric {name!r}: classes must be integers, target is {t.dtype} of shape {t.shape} "
                                 f"(output.shape={x.shape}); use target.long()")
        classes = classes.astype(np.int64, copy=False)
        if self.ignore_index is not None:
            kept = classes != self.ignore_index
            if not kept.all():
                scores, classes = scores[kept], classes[kept]
        bound = scores.shape[1] if scores.ndim == 2 else 2 if scores.dtype.kind == "f" else None
        if classes.size and (classes.min() < 0 or (bound is not None and classes.max() >= bound)):
            raise ValueError(f"metric {name!r}: targets must be classes in [0, {bound}), got {classes.min()} to "
                             f"{classes.max()} (output.shape={x.shape}, target.shape={t.shape})")
        return scores, classes

    def _class_dim(self, name: str, x: np.ndarray, t: np.ndarray) -> int:
        fits = [dim for dim, shape in ((1, x.shape[:1] + x.shape[2:]), (-1, x.shape[:-1]))
                if x.ndim >= 2 and t.shape == shape]
        if self.class_dim is not None and self.class_dim in fits:
            return self.class_dim
        if not fits:
            raise ValueError(f"metric {name!r}: the shapes of output and target do not fit: {x.shape} and {t.shape}; "
                             "classes are wanted as (N, C) or (N, C, ...) or (N, ..., C) with targets (N, ...)")
        if len(fits) == 2 and x.ndim > 2:
            raise ValueError(f"metric {name!r}: classes could be in dim 1 or in the last dim of {x.shape}; say which "
                             f"with {type(self).__name__}(class_dim=1) or class_dim=-1")
        return fits[0]

    def _predicted(self, scores: np.ndarray) -> np.ndarray:
        """Return the predicted classes."""
        if scores.ndim == 2:
            return np.asarray(scores.argmax(axis=1))
        if scores.dtype.kind != "f":
            return scores.astype(np.int64)
        return (scores > (self.threshold or 0.0)).astype(np.int64)


def _classes_last(x: np.ndarray, dim: int) -> np.ndarray:
    """Return an array as rows (M, C) of the classes that are in one of its dims."""
    return np.moveaxis(x, dim, -1).reshape(-1, x.shape[dim])


def _are_rows(t: np.ndarray) -> bool:
    """Return whether a target holds distributions over dim 1."""
    return bool(np.all(t >= 0) and np.all(np.abs(t.sum(axis=1, dtype=np.float64) - 1) <= 1e-3))


class Accuracy(_Classification):
    """Fraction of targets that are predicted right: two classes, several, or a class for each place of a sequence.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Accuracy
    >>> metric = Accuracy()
    >>> metric.update(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> round(float(metric.compute()), 4)
    0.6667
    """

    name = "accuracy"
    state = ("right", "count")

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, output: Any, target: Any) -> None:
        scores, classes = self._read(output, target)
        right = self._predicted(scores) == classes
        if scores.dtype.kind == "f":
            right &= ~np.isnan(scores if scores.ndim == 1 else scores.sum(axis=1))
        self.right += int(right.sum())
        self.count += len(classes)

    def compute(self) -> float:
        return self.right / self.count if self.count else math.nan


class TopK(_Classification):
    """Fraction of targets among the k largest scores; of equal scores those of lower index come first.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import TopK
    >>> metric = TopK(2)
    >>> metric.update(ag.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), ag.tensor([1, 2]))
    >>> float(metric.compute())
    0.5
    """

    state = ("right", "count")

    def __init__(self, k: int = 5, **settings: Any):
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"TopK(): k must be a positive integer (k={k!r})")
        self.k, self.name = k, f"top{k}"
        super().__init__(**settings)

    def reset(self) -> None:
        self.right = self.count = 0

    def update(self, output: Any, target: Any) -> None:
        scores, classes = self._read(output, target)
        if scores.ndim != 2 or scores.shape[1] < self.k:
            raise ValueError(f"metric {self.name!r}: needs scores of at least {self.k} classes, got an output of shape "
                             f"{_numpy(output).shape}")
        own = np.take_along_axis(scores, classes[:, None], axis=1)
        ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < classes[:, None]))
        self.right += int(((ahead.sum(axis=1) < self.k) & ~np.isnan(scores).any(axis=1)).sum())
        self.count += len(classes)

    def compute(self) -> float:
        return self.right / self.count if self.count else math.nan


class Confusion(_Classification):
    """How often each class (row) was taken for each (column), as an array of int64.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Confusion
    >>> metric = Confusion()
    >>> metric.update(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> metric.compute().tolist()
    [[1, 0], [1, 1]]
    """

    name = "confusion"
    state = ("counts",)

    def reset(self) -> None:
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, output: Any, target: Any) -> None:
        scores, classes = self._read(output, target)
        predicted = self._predicted(scores)
        size = scores.shape[1] if scores.ndim == 2 else 2
        size = max(size, len(self.counts), int(predicted.max(initial=-1)) + 1, int(classes.max(initial=-1)) + 1)
        if size > MOST_CLASSES:
            raise ValueError(f"metric {self.name!r}: a matrix of more than {MOST_CLASSES} classes is not made")
        if predicted.min(initial=0) < 0:
            raise ValueError(f"metric {self.name!r}: predicted classes must not be negative, got {predicted.min()}")
        counts = np.bincount(classes * size + predicted, minlength=size * size).reshape(size, size)
        counts[: len(self.counts), : len(self.counts)] += self.counts
        self.counts = counts

    def compute(self) -> Any:
        return self.counts


class _FromCounts(Confusion):
    """Precision, recall and F1: of class 1 of two classes, else their average over the classes.

    Parameters
    ----------
    average : {'macro', 'micro', 'weighted'}, optional
        'macro' (the default of more than two classes) is the mean over the classes that occur in target or
        prediction, 'weighted' weighs them by their targets, 'micro' counts all classes together.
    **settings
        See `Accuracy`.
    """

    def __init__(self, average: str | None = None, **settings: Any):
        if average not in (None, "macro", "micro", "weighted"):
            raise ValueError(f"{type(self).__name__}(): average must be 'macro', 'micro' or 'weighted' "
                             f"(average={average!r})")
        self.average = average
        super().__init__(**settings)

    def compute(self) -> float:
        if not self.counts.sum():
            return math.nan
        right = np.diag(self.counts).astype(float)
        predicted, actual = self.counts.sum(axis=0), self.counts.sum(axis=1)
        if self.average is None and len(self.counts) == 2:
            return float(self._ratio(right, predicted, actual)[1])
        if self.average == "micro":
            return float(self._ratio(right.sum(keepdims=True), predicted.sum(keepdims=True),
                                     actual.sum(keepdims=True))[0])
        weights = actual if self.average == "weighted" else (predicted + actual > 0)
        return float(self._ratio(right, predicted, actual) @ weights / weights.sum())

    def _ratio(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def _divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator, 0 where the denominator is 0."""
    return np.asarray(np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator != 0))


class Precision(_FromCounts):
    """True positives among all that were predicted positive.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Precision
    >>> metric = Precision()
    >>> metric.update(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> round(float(metric.compute()), 4)
    1.0
    """

    name = "precision"

    def _ratio(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return _divided(right, predicted)


class Recall(_FromCounts):
    """True positives among all that are positive.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Recall
    >>> metric = Recall()
    >>> metric.update(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> round(float(metric.compute()), 4)
    0.5
    """

    name = "recall"

    def _ratio(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return _divided(right, actual)


class F1(_FromCounts):
    """The harmonic mean of precision and recall.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import F1
    >>> metric = F1()
    >>> metric.update(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> round(float(metric.compute()), 4)
    0.6667
    """

    name = "f1"

    def _ratio(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return _divided(2 * right, predicted + actual)


def _curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many positives and how many examples have at least each score, from the largest score down."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    return np.cumsum(positive, dtype=np.int64)[last], last + 1


def roc_auc_score(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the receiver's curve: how often a positive example has the larger score, ties by half.

    Parameters
    ----------
    scores : ndarray (M,)
    positive : ndarray of bool (M,)

    Returns
    -------
    float
        NaN if all examples are of one class, or a score is NaN.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives or np.isnan(scores).any():
        return math.nan
    true, all_ = _curve(scores, positive)
    true, false = np.append(0, true) / positives, np.append(0, all_ - true) / negatives
    return float(np.trapezoid(true, false))


def average_precision_score(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the mean of the precision over the positives, ``sum_n (R_n - R_{n-1}) P_n``; NaN without a positive."""
    positives = int(positive.sum())
    if not positives or np.isnan(scores).any():
        return math.nan
    true, all_ = _curve(scores, positive)
    return float(np.sum(np.diff(np.append(0, true)) / positives * (true / all_)))


class _Ranked(_Classification):
    """A metric of the order of scores, which needs all of them; several classes are each taken against the rest."""

    state = ("scores", "classes")

    def reset(self) -> None:
        self.scores: list[np.ndarray] = []
        self.classes: list[np.ndarray] = []

    def update(self, output: Any, target: Any) -> None:
        scores, classes = self._read(output, target)
        if scores.dtype.kind != "f":
            scores = scores.astype(np.float64)
        self.scores.append(scores.copy())
        self.classes.append(classes.copy())

    def compute(self) -> float:
        if not self.scores:
            return math.nan
        scores, classes = np.concatenate(self.scores), np.concatenate(self.classes)
        if scores.ndim == 2 and scores.shape[1] == 2:
            scores = scores[:, 1].astype(np.float64) - scores[:, 0]
        if scores.ndim == 1:
            return self._score(scores, classes == 1)
        return float(np.mean([self._score(scores[:, c], classes == c) for c in range(scores.shape[1])]))

    @staticmethod
    def _score(scores: np.ndarray, positive: np.ndarray) -> float:
        raise NotImplementedError


class AUC(_Ranked):
    """Area under the receiver's curve; of several classes the mean of each against the rest, by the scores given.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import AUC
    >>> metric = AUC()
    >>> metric.update(ag.tensor([0.1, 0.4, 0.35, 0.8]), ag.tensor([0, 0, 1, 1]))
    >>> float(metric.compute())
    0.75
    """

    name = "auc"
    _score = staticmethod(roc_auc_score)


class AveragePrecision(_Ranked):
    """Area under the steps of precision over recall; of several classes the mean of each against the rest.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import AveragePrecision
    >>> metric = AveragePrecision()
    >>> metric.update(ag.tensor([0.1, 0.4, 0.35, 0.8]), ag.tensor([0, 0, 1, 1]))
    >>> round(float(metric.compute()), 4)
    0.8333
    """

    name = "average_precision"
    _score = staticmethod(average_precision_score)


class Perplexity(_Classification):
    """``exp`` of the mean negative log-likelihood of the targets, from logits (with `NLLLoss`: log-probabilities).

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Perplexity
    >>> metric = Perplexity()
    >>> metric.update(ag.zeros(2, 8), ag.tensor([3, 5]))
    >>> round(float(metric.compute()), 4)
    8.0
    """

    name = "perplexity"
    state = ("total", "count")
    largest = False
    normalised = False

    def suit(self, loss: Any) -> None:
        super().suit(loss)
        self.normalised = _loss_name(loss) in ("NLLLoss", "nll_loss")

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        scores, classes = self._read(output, target)
        if scores.ndim != 2:
            raise ValueError(f"metric 'perplexity': needs one score for each class, got an output of shape "
                             f"{_numpy(output).shape}")
        scores = scores.astype(np.float64)
        own = scores[np.arange(len(classes)), classes]
        if not self.normalised:
            top = scores.max(axis=1, initial=-math.inf)
            own = own - top - np.log(np.exp(scores - top[:, None]).sum(axis=1))
        self.total -= float(own.sum())
        self.count += len(classes)

    def compute(self) -> float:
        if not self.count:
            return math.nan
        mean = self.total / self.count
        return math.exp(mean) if mean < 709 else math.nan if math.isnan(mean) else math.inf


# ------------------------------------------------------------------------------------ regression


class _Regression(Metric):
    largest = False

    def _read(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return prediction and target as float64 of one shape (M, columns)."""
        if isinstance(output, Mapping | tuple | list) or isinstance(target, Mapping | tuple | list):
            raise TypeError(f"metric {self.name!r}: output and target must be tensors, got {described(output)} and "
                            f"{described(target)}; give a function that picks what it measures")
        x, t = _numpy(output), _numpy(target)
        if x.shape == (*t.shape, 1) or t.shape == (*x.shape, 1):
            x = x.reshape(t.shape)
        if x.shape != t.shape:
            raise ValueError(f"metric {self.name!r}: output and target must have one shape, got {x.shape} and "
                             f"{t.shape}")
        rows = len(x) if x.ndim else 1
        return (x.astype(np.float64).reshape(rows, x.size // rows if rows else 1),
                t.astype(np.float64).reshape(rows, x.size // rows if rows else 1))


class MSE(_Regression):
    """Mean of the squared errors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import MSE
    >>> metric = MSE()
    >>> metric.update(ag.tensor([1.0, 2.0, 5.0]), ag.tensor([1.0, 3.0, 3.0]))
    >>> round(float(metric.compute()), 4)
    1.6667
    """

    name = "mse"
    state = ("total", "count")

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        x, t = self._read(output, target)
        self.total += float(self._errors(x - t).sum())
        self.count += x.size

    def compute(self) -> float:
        return self.total / self.count if self.count else math.nan

    @staticmethod
    def _errors(d: np.ndarray) -> np.ndarray:
        return np.asarray(np.square(d))


class RMSE(MSE):
    """Root of the mean of the squared errors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import RMSE
    >>> metric = RMSE()
    >>> metric.update(ag.tensor([1.0, 2.0, 5.0]), ag.tensor([1.0, 3.0, 3.0]))
    >>> round(float(metric.compute()), 4)
    1.291
    """

    name = "rmse"

    def compute(self) -> float:
        return math.sqrt(super().compute())


class MAE(MSE):
    """Mean of the absolute errors.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import MAE
    >>> metric = MAE()
    >>> metric.update(ag.tensor([1.0, 2.0, 5.0]), ag.tensor([1.0, 3.0, 3.0]))
    >>> round(float(metric.compute()), 4)
    1.0
    """

    name = "mae"

    @staticmethod
    def _errors(d: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(d))


class R2(_Regression):
    """Share of the targets' variance that is explained, ``1 - sum (t - x)**2 / sum (t - mean t)**2``.

    The mean over the columns, where there are several. A column of equal targets scores 1 if it is predicted exactly
    and 0 if not, as in scikit-learn.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import R2
    >>> metric = R2()
    >>> metric.update(ag.tensor([1.0, 2.0, 5.0]), ag.tensor([1.0, 3.0, 3.0]))
    >>> round(float(metric.compute()), 4)
    -0.875
    """

    name = "r2"
    state = ("count", "mean", "spread", "errors")
    largest = True

    def reset(self) -> None:
        self.count = 0
        self.mean = self.spread = self.errors = np.zeros(0)

    def update(self, output: Any, target: Any) -> None:
        x, t = self._read(output, target)
        if not len(t):
            return
        if not self.count:
            self.mean = self.spread = self.errors = np.zeros(t.shape[1])
        n, mean = len(t), t.mean(axis=0)
        away = mean - self.mean
        total = self.count + n
        self.spread = self.spread + np.square(t - mean).sum(axis=0) + away**2 * (self.count * n / total)
        self.mean = self.mean + away * (n / total)
        self.errors = self.errors + np.square(t - x).sum(axis=0)
        self.count = total

    def compute(self) -> float:
        if self.count < 2:
            return math.nan
        exact = np.where(self.errors == 0, 1.0, 0.0)
        return float(np.mean(1 - np.divide(self.errors, self.spread, out=1 - exact, where=self.spread != 0)))


# ------------------------------------------------------------------------------------ functions as metrics


class Whole(Metric):
    """A function of all outputs and all targets, which are kept until the end of the pass.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` returns a number or an array.
    name : str, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import Whole
    >>> largest = Whole(lambda output, target: (output - target).abs().max(), "largest error")
    >>> largest.update(ag.tensor([1.0, 3.0]), ag.tensor([0.0, 0.0]))
    >>> largest.update(ag.tensor([5.0]), ag.tensor([1.0]))
    >>> largest.compute()
    tensor(4.)
    """

    state = ("outputs", "targets")

    def __init__(self, function: Callable[[Any, Any], Any], name: str = ""):
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        super().__init__()

    def reset(self) -> None:
        self.outputs: list[Any] = []
        self.targets: list[Any] = []

    def update(self, output: Any, target: Any) -> None:
        for kept, new in ((self.outputs, output), (self.targets, target)):
            arrays = map_nested(self._copied, new)
            if kept:
                for first, now in zip(leaves(kept[0]), leaves(arrays)):
                    if now.ndim == 0 or first.shape[1:] != now.shape[1:]:
                        raise ValueError(
                            f"metric {self.name!r}: batches of shapes {first.shape} and {now.shape} cannot be joined "
                            "to one set; give a Metric with update() and compute(), or MeanOverBatches(function)")
            kept.append(arrays)

    def _copied(self, value: Any) -> np.ndarray:
        array = _numpy(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"metric {self.name!r}: outputs and targets must be tensors, got {described(value)}")
        return array.copy()

    def compute(self) -> Any:
        if not self.outputs:
            return math.nan
        output, target = (map_nested(lambda *arrays: Tensor(np.concatenate(arrays) if arrays[0].ndim else arrays[0]),
                                     *kept) for kept in (self.outputs, self.targets))
        return self.function(output, target)


class MeanOverBatches(Metric):
    """A function of a batch, averaged over the batches by their numbers of examples: for means, where memory is short.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` returns a number.
    name : str, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.training import MeanOverBatches
    >>> error = MeanOverBatches(lambda output, target: (output - target).abs().mean(), "error")
    >>> error.update(ag.tensor([1.0, 3.0]), ag.tensor([0.0, 0.0]))
    >>> error.update(ag.tensor([5.0]), ag.tensor([0.0]))
    >>> error.compute()
    3.0
    """

    state = ("total", "count")

    def __init__(self, function: Callable[[Any, Any], Any], name: str = ""):
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        super().__init__()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        n = examples_in(target)
        self.total += n * float(_result(self.name, self.function(output, target)))
        self.count += n

    def compute(self) -> float:
        return self.total / self.count if self.count else math.nan


_NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "auc": AUC,
    "average_precision": AveragePrecision,
    "confusion": Confusion,
    "mae": MAE,
    "mse": MSE,
    "rmse": RMSE,
    "r2": R2,
    "perplexity": Perplexity,
}
_ALSO = {"acc": "accuracy", "binary_accuracy": "accuracy", "roc_auc": "auc", "ap": "average_precision",
         "pr_auc": "average_precision", "confusion_matrix": "confusion", "mean_absolute_error": "mae",
         "mean_squared_error": "mse", "l1": "mae"}


def metric_names() -> list[str]:
    """Return the metrics that have a name; also 'top2', 'top5', ... and 'f1_macro', 'recall_micro', ..."""
    return list(_NAMED)


def named_metric(name: str) -> Metric:
    """Return the metric of a name."""
    key = _ALSO.get(name, name)
    if key in _NAMED:
        metric = _NAMED[key]()
    elif found := re.fullmatch(r"top_?([1-9]\d*)(_accuracy)?", name):
        metric = TopK(int(found[1]))
    elif found := re.fullmatch(r"(precision|recall|f1)_(macro|micro|weighted)", name):
        metric = {"precision": Precision, "recall": Recall, "f1": F1}[found[1]](average=found[2])
    else:
        close = difflib.get_close_matches(name, [*_NAMED, *_ALSO, "top5", "f1_macro"], 2)
        raise ValueError(f"metric {name!r} is not known{'; did you mean ' + ' or '.join(close) + '?' if close else ''} "
                         f"(known: {', '.join(_NAMED)}, top5, f1_macro, ...; or give a function)")
    metric.name = name
    return metric


def as_metrics(metrics: Any, function: str, loss: Any = None) -> dict[str, Metric]:
    """Return metrics by name, each a fresh copy.

    Parameters
    ----------
    metrics : mapping, sequence, str, callable, Metric or None
        Names, functions and `Metric` objects; a mapping gives them names of its own.
    function : str
        For messages.
    loss : callable, optional
        Whose settings named metrics follow.
    """
    rule = (f"{function}(): metrics must be names, functions or Metric objects, in a list or in a dict "
            "{name: function(output, target)}")
    if metrics is None:
        return {}
    if isinstance(metrics, str | Metric) or (callable(metrics) and not isinstance(metrics, Mapping)):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        pairs: list[tuple[Any, Any]] = list(metrics.items())
    elif isinstance(metrics, Iterable):
        pairs = [(None, metric) for metric in metrics]
    else:
        raise TypeError(f"{rule}; got {described(metrics)}")
    found: dict[str, Metric] = {}
    for name, given in pairs:
        if isinstance(given, str):
            metric = named_metric(given)
        elif isinstance(given, type):
            raise TypeError(f"{rule}; got {described(given)}: make it first, {given.__name__}()")
        elif all(hasattr(given, method) for method in ("update", "compute", "reset")):
            metric = copy.deepcopy(given)
            metric.reset()
        elif callable(given):
            if name is None and getattr(given, "__name__", "<lambda>") == "<lambda>":
                raise TypeError(f"{rule}; got a function without a name in a list: use a dict")
            metric = Whole(given, name or "")
        else:
            raise TypeError(f"{rule}; got {described(given)}")
        name = name or getattr(metric, "name", "") or type(metric).__name__.lower()
        if not isinstance(name, str):
            raise TypeError(f"{rule}; got the name {name!r}")
        if name in RESERVED or name.startswith(("validation_", "val_")):
            raise ValueError(f"{function}(): no metric can be named {name!r}, the history has a column of that name")
        if name in found:
            raise ValueError(f"{function}(): two metrics are named {name!r}; use a dict to name them")
        if hasattr(metric, "suit"):
            metric.suit(loss)
        found[name] = metric
    return found


# ------------------------------------------------------------------------------------ a pass over the data


def _loss_name(loss: Any) -> str:
    while hasattr(loss, "func"):  # functools.partial
        loss = loss.func
    return str(getattr(loss, "__name__", type(loss).__name__))


def _setting(loss: Any, name: str, default: Any) -> Any:
    """Return a setting of a loss: an attribute, or a keyword of functools.partial."""
    return getattr(loss, name, getattr(loss, "keywords", {}).get(name, default))


def loss_kind(loss: Any) -> str:
    """Return how a loss reads outputs: 'class', 'logit', 'probability', 'number', or '' for a function of the user."""
    return {
        "CrossEntropyLoss": "class", "cross_entropy": "class", "NLLLoss": "class", "nll_loss": "class",
        "MultiMarginLoss": "class", "multi_margin_loss": "class",
        "BCEWithLogitsLoss": "logit", "binary_cross_entropy_with_logits": "logit",
        "MultiLabelSoftMarginLoss": "logit", "multilabel_soft_margin_loss": "logit",
        "BCELoss": "probability", "binary_cross_entropy": "probability",
        "MSELoss": "number", "mse_loss": "number", "L1Loss": "number", "l1_loss": "number",
        "SmoothL1Loss": "number", "smooth_l1_loss": "number", "HuberLoss": "number", "huber_loss": "number",
        "PoissonNLLLoss": "number", "poisson_nll_loss": "number",
    }.get(_loss_name(getattr(loss, "loss", loss)), "")


def examples_in(target: Any) -> int:
    """Return the number of examples of a target: the length of its first array."""
    first: Any = next(leaves(target), None)
    shape = getattr(first, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 1
    return len(first) if hasattr(first, "__len__") else 1


def _result(name: str, value: Any) -> Any:
    """Return what a metric computed as a float, or as an array where it has several elements."""
    if isinstance(value, Tensor):
        value = value.array
    if isinstance(value, tuple | list | Mapping | str) or value is None:
        raise TypeError(f"metric {name!r}: must return a number or an array, got {described(value)}")
    try:
        array = np.asarray(value)
        return float(array.reshape(())) if array.size == 1 else array
    except (TypeError, ValueError):
        raise TypeError(f"metric {name!r}: must return a number or an array, got {described(value)}") from None


class Measures:
    """The loss and the metrics of one pass over the data.

    The loss is that of the whole set, as if it were one batch: means are weighted by what each was divided by (the
    targets that are not ignored, their weights), sums are added.
    """

    def __init__(self, metrics: Mapping[str, Metric]):
        self.metrics = metrics
        self.reset()

    def reset(self) -> None:
        """Forget all examples."""
        self.total, self.terms, self.batches = 0.0, 0.0, 0
        for metric in self.metrics.values():
            metric.reset()

    @no_grad()
    def update(self, loss: float, terms: float, output: Any, target: Any) -> None:
        """Take in a batch; see `weight_of` for `terms`."""
        self.batches += 1
        if math.isinf(terms):
            self.total += loss
            self.terms = math.inf
        elif terms > 0:
            self.total += terms * loss
            self.terms += terms
        if self.metrics:
            output, target = map_nested(_detached, output), map_nested(_detached, target)
            for metric in self.metrics.values():
                metric.update(output, target)

    def update_all(self, parts: Iterable[Any]) -> None:
        """Take in parts of batches: (batch, shard, loss, terms, output, target) of each."""
        for _, _, loss, terms, output, target in parts:
            self.update(loss, terms, output, target)

    @no_grad()
    def compute(self) -> dict[str, Any]:
        """Return the loss and the metrics of all examples."""
        mean = self.total if math.isinf(self.terms) else self.total / self.terms if self.terms else math.nan
        return {"loss": mean, **{name: _result(name, metric.compute()) for name, metric in self.metrics.items()}}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums so far; empty before the first batch."""
        if not self.batches:
            return {}
        return {"total": self.total, "terms": self.terms, "batches": self.batches,
                "metrics": {name: metric.state_dict() for name, metric in self.metrics.items()
                            if hasattr(metric, "state_dict")}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.reset()
        if not state:
            return
        own = {name for name, metric in self.metrics.items() if hasattr(metric, "state_dict")}
        if set(state) != {"total", "terms", "batches", "metrics"} or set(state["metrics"]) != own:
            raise ValueError("the sums of an epoch were saved with other metrics than "
                             f"{', '.join(sorted(own)) or 'none'}: "
                             f"{', '.join(sorted(state.get('metrics', state))) or 'none'}")
        self.total, self.terms, self.batches = state["total"], state["terms"], state["batches"]
        for name in own:
            self.metrics[name].load_state_dict(state["metrics"][name])


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def weight_of(terms: list[float], target: Any) -> float:
    """Return what the loss of a batch weighs: what it was divided by, if its loss says so, else its examples.

    Infinity stands for a sum.
    """
    if terms and all(number == terms[0] for number in terms):
        return terms[0]
    return float(examples_in(target))
