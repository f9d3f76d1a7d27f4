"""Metrics of classification: accuracy, confusion matrix, precision, recall and F1.

All take Tensors or arrays. A prediction is class indices (N,) of an integer type, or scores (N, C): logits or
probabilities, the largest of a row wins and of equal ones the first. A target is class indices (N,) of an
integer type, or one row per sample (N, C): one-hot or probabilities. Whatever could be read in two ways is
refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..tensor import Tensor

__all__ = ["PrecisionRecallF1", "accuracy", "confusion_matrix", "precision_recall_f1"]

ROW_SUM_TOLERANCE = 1e-3
MOST_CLASSES = 2**14  # a confusion matrix of 2 GB


def _array(name: str, what: str, value: Any) -> np.ndarray:
    """Return a prediction or target as an array of 1 or 2 axes, or raise."""
    array: np.ndarray = value.array if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}(): {what} must hold numbers, got {array.dtype}")
    if array.ndim == 2 and array.shape[1] == 1:
        raise ValueError(f"{name}(): {what} of one column is ambiguous: scores of one class, or class "
                         f"indices? ({what}.shape={array.shape}; for indices give .reshape(-1))")
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise ValueError(f"{name}(): {what} must be class indices (N,) or one row per sample (N, C) "
                         f"({what}.shape={array.shape})")
    if array.ndim == 1 and array.dtype.kind == "f":
        raise ValueError(f"{name}(): {what} of one axis must be class indices of an integer type, got "
                         f"{array.dtype} ({what}.shape={array.shape}; scores need one column per class)")
    return array


def _target_indices(name: str, target: np.ndarray) -> np.ndarray:
    """Return the class of each sample from indices, one-hot rows or probabilities."""
    if target.ndim == 1:
        return target.astype(np.int64)
    sums = target.sum(axis=1, dtype=np.float64)
    if not (np.all(target >= 0) and np.all(np.abs(sums - 1) <= ROW_SUM_TOLERANCE)):
        raise ValueError(f"{name}(): each row of target must be one-hot or probabilities: not negative, "
                         f"with sum 1 (target.shape={target.shape}, sums from {sums.min()} to {sums.max()})")
    return np.asarray(target.argmax(axis=1))


def _inputs(name: str, prediction: Any, target: Any, ignore_index: int | None,
            classes: int | None = None) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Check both; return the prediction, the class of each sample and, if known, the number of classes.

    Samples whose target is `ignore_index` are left out.
    """
    prediction = _array(name, "prediction", prediction)
    target = _array(name, "target", target)
    if len(prediction) != len(target):
        raise ValueError(f"{name}(): prediction has {len(prediction)} samples but target has {len(target)} "
                         f"(prediction.shape={prediction.shape}, target.shape={target.shape})")
    for what, array in (("prediction", prediction), ("target", target)):
        if array.ndim == 2:
            if classes is not None and array.shape[1] != classes:
                raise ValueError(f"{name}(): expected {classes} classes but {what} has {array.shape[1]} "
                                 f"columns (prediction.shape={prediction.shape}, "
                                 f"target.shape={target.shape})")
            classes = array.shape[1]
    indices = _target_indices(name, target)
    if prediction.ndim == 1:
        prediction = prediction.astype(np.int64)
    if ignore_index is not None:
        kept = indices != ignore_index
        prediction, indices = prediction[kept], indices[kept]
    for what, values in (("target", indices), ("prediction", prediction)):
        if values.ndim == 2 or not values.size:
            continue
        if values.min() < 0 or (classes is not None and values.max() >= classes):
            bound = "from 0" if classes is None else f"in [0, {classes})"
            raise ValueError(f"{name}(): class indices must be {bound}, {what} has {values.min()} to "
                             f"{values.max()} (ignore_index={ignore_index})")
    return prediction, indices, classes


def _need_positive(name: str, what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name}(): {what} must be a positive integer ({what}={value!r})")


def accuracy(prediction: Any, target: Any, *, top_k: int = 1, ignore_index: int | None = None) -> float:
    """Return the fraction of samples whose class is predicted right.

    Parameters
    ----------
    prediction : Tensor or array_like
        Scores (logits or probabilities) (N, C), or class indices (N,) of an integer type.
    target : Tensor or array_like
        Class indices (N,) of an integer type, or one-hot rows or probabilities (N, C).
    top_k : int
        A prediction counts as right where the class is among the k largest scores; of equal scores those of
        lower index come first.
    ignore_index : int, optional
        Samples of this target are left out.

    Returns
    -------
    float
        In [0, 1]; nan where no sample is left. A row of scores with a NaN in it counts as wrong.

    Raises
    ------
    ValueError
        If shapes do not fit or can be read in two ways, rows of a target do not sum to 1, a class index is
        out of range, or `top_k` is not in [1, C].
    TypeError
        If one of them does not hold numbers.

    Examples
    --------
    >>> accuracy([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]], [0, 1])
    0.5
    >>> accuracy([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]], [[1, 0, 0], [0, 1, 0]], top_k=2)
    1.0
    """
    scores, indices, classes = _inputs("accuracy", prediction, target, ignore_index)
    _need_positive("accuracy", "top_k", top_k)
    if scores.ndim == 1 and top_k > 1:
        raise ValueError(f"accuracy(): top_k={top_k} needs scores (N, C), got class indices "
                         f"(prediction.shape={scores.shape})")
    if scores.ndim == 2 and top_k > scores.shape[1]:
        raise ValueError(f"accuracy(): top_k={top_k} exceeds the {classes} classes "
                         f"(prediction.shape={scores.shape})")
    if len(indices) == 0:
        return float("nan")
    if scores.ndim == 1:
        return float(np.mean(scores == indices))
    own = np.take_along_axis(scores, indices[:, None], axis=1)
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < indices[:, None]))
    right = before.sum(axis=1) < top_k
    if scores.dtype.kind == "f":
        right &= ~np.isnan(scores).any(axis=1)
    return float(np.mean(right))


def confusion_matrix(prediction: Any, target: Any, classes: int | None = None, *,
                     ignore_index: int | None = None) -> np.ndarray:
    """Count how often each class was taken for each.

    Parameters
    ----------
    prediction, target : Tensor or array_like
        See `accuracy`.
    classes : int, optional
        How many there are; by default the number of columns of a prediction or target (N, C), else one more
        than the largest index.
    ignore_index : int, optional
        Samples of this target are left out.

    Returns
    -------
    ndarray of int64, (classes, classes)
        Rows are the true classes, columns the predicted ones.

    Raises
    ------
    ValueError, TypeError
        As `accuracy`; also where a row of scores has a NaN in it.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """
    return _count("confusion_matrix", prediction, target, classes, ignore_index)


def _count(name: str, prediction: Any, target: Any, classes: int | None,
           ignore_index: int | None) -> np.ndarray:
    """Return the confusion matrix on behalf of the function `name`."""
    if classes is not None:
        _need_positive(name, "classes", classes)
    scores, indices, found = _inputs(name, prediction, target, ignore_index, classes)
    if scores.ndim == 2:
        if scores.dtype.kind == "f" and np.isnan(scores).any():
            raise ValueError(f"{name}(): prediction has NaN in {int(np.isnan(scores).any(axis=1).sum())} of "
                             f"{len(scores)} rows, which predict no class")
        scores = scores.argmax(axis=1)
    size = int(max(scores.max(initial=-1), indices.max(initial=-1)) + 1 if found is None else found)
    if size > MOST_CLASSES:
        raise ValueError(f"{name}(): the largest class index is {size - 1}, a matrix of more than {MOST_CLASSES} "
                         "classes is not made")
    return np.bincount(indices * size + scores, minlength=size * size).reshape(size, size)


class PrecisionRecallF1(NamedTuple):
    """The result of `precision_recall_f1`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.metrics import precision_recall_f1
    >>> found = precision_recall_f1(ag.tensor([1, 1, 0, 0]), ag.tensor([1, 0, 0, 0]))
    >>> found.precision, found.recall
    (array([1. , 0.5]), array([0.66666667, 1.        ]))
    """

    precision: Any
    recall: Any
    f1: Any
    support: np.ndarray


def precision_recall_f1(prediction: Any, target: Any, classes: int | None = None, *,
                        average: str | None = None,
                        ignore_index: int | None = None) -> PrecisionRecallF1:
    """Return precision, recall and F1 of each class, or their average.

    With TP, FP and FN the true positives, false positives and false negatives of a class, precision is TP /
    (TP + FP), recall TP / (TP + FN), and F1 their harmonic mean, 2 TP / (2 TP + FP + FN); 0 / 0 counts as 0.

    Parameters
    ----------
    prediction, target, classes, ignore_index
        See `confusion_matrix`.
    average : {None, "macro", "micro", "weighted"}
        None returns one number per class; "macro" their mean, "weighted" their mean weighted by how often
        each class occurs; "micro" counts all classes together first.

    Returns
    -------
    PrecisionRecallF1
        A named tuple: precision, recall, f1 (float64 arrays (classes,), or floats where averaged) and
        support, how often each class occurs in the target.

    Raises
    ------
    ValueError, TypeError
        As `confusion_matrix`; also for another `average`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.metrics import precision_recall_f1
    >>> found = precision_recall_f1(ag.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), ag.tensor([0, 1, 1]))
    >>> found.precision.tolist(), found.recall.tolist(), found.support.tolist()
    ([0.5, 1.0], [1.0, 0.5], [1, 2])
    """
    if average not in (None, "macro", "micro", "weighted"):
        raise ValueError(f"precision_recall_f1(): average must be None, 'macro', 'micro' or 'weighted' "
                         f"(average={average!r})")
    counts = _count("precision_recall_f1", prediction, target, classes, ignore_index)
    true_positives, predicted, support = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    if average == "micro":
        true_positives, predicted, present = (values.sum(keepdims=True)
                                              for values in (true_positives, predicted, support))
    else:
        present = support
    precision = _ratio(true_positives, predicted)
    recall = _ratio(true_positives, present)
    f1 = _ratio(2 * true_positives, predicted + present)
    if average is None:
        return PrecisionRecallF1(precision, recall, f1, support)
    weights = support if average == "weighted" else np.ones(len(precision))
    share = _ratio(weights, np.broadcast_to(weights.sum(), weights.shape))
    return PrecisionRecallF1(float(precision @ share), float(recall @ share), float(f1 @ share), support)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return numerator / denominator, 0 where the denominator is 0."""
    ratio = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratio, where=denominator != 0)
    return ratio
