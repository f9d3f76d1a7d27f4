"""Metrics against counts made by hand, and what they refuse."""

import math

import numpy as np
import pytest

from autograd_nn.tensor import Tensor
from autograd_nn.training.metrics import accuracy, confusion_matrix, precision_recall_f1

LOGITS = [[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 5.0, 2.0], [9.0, 0.0, 1.0]]  # classes 0, 2, 1, 0
TARGET = [0, 2, 2, 1]


@pytest.mark.parametrize("wrap", [list, np.array, Tensor])
def test_accuracy_takes_all_forms(wrap):
    one_hot = np.eye(3, dtype=np.float32)[TARGET].tolist()
    soft = (0.8 * np.eye(3)[TARGET] + 0.2 / 3).tolist()
    for prediction in (LOGITS, [0, 2, 1, 0], np.eye(3)[[0, 2, 1, 0]].tolist()):
        for target in (TARGET, one_hot, soft):
            result = accuracy(wrap(prediction), wrap(target))
            assert type(result) is float
            assert result == 0.5
    assert accuracy(np.array(LOGITS) > 1.5, wrap(TARGET)) == 0.5


def test_top_k():
    assert accuracy(LOGITS, TARGET, top_k=2) == 0.75
    assert accuracy(LOGITS, TARGET, top_k=3) == 1.0
    generator = np.random.default_rng(0)
    scores = generator.integers(0, 4, (200, 6)).astype(np.float32)
    target = generator.integers(0, 6, 200)
    for k in range(1, 7):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        assert accuracy(scores, target, top_k=k) == np.mean((order == target[:, None]).any(axis=1))


def test_ties_go_to_the_first():
    assert accuracy([[1.0, 1.0]], [0]) == 1.0
    assert accuracy([[1.0, 1.0]], [1]) == 0.0


def test_nan_counts_as_wrong_and_infinity_as_large():
    nan, inf = math.nan, math.inf
    assert accuracy([[nan, 1.0], [1.0, nan], [inf, 0.0], [-inf, 0.0]], [0, 0, 0, 1]) == 0.5
    assert accuracy([[nan, 1.0, 0.0]], [1], top_k=3) == 0.0


def test_ignore_index():
    assert accuracy(LOGITS, [0, -100, -100, 1], ignore_index=-100) == 0.5
    assert accuracy([0, 2, 1, 0], [0, 2, 2, 2], ignore_index=2) == 1.0
    assert math.isnan(accuracy(LOGITS, [7] * 4, ignore_index=7))
    assert math.isnan(accuracy(np.zeros((0, 3)), np.zeros(0, np.int64)))
    assert confusion_matrix([0, 2, 1, 0], [0, -1, 2, -1], ignore_index=-1).sum() == 2


@pytest.mark.parametrize(("prediction", "target", "settings", "match"), [
    (LOGITS, [0, 1, 2], {}, r"4 samples but target has 3 \(prediction.shape=\(4, 3\), target.shape=\(3,\)\)"),
    (LOGITS, [[0], [2], [2], [1]], {}, "target of one column is ambiguous"),
    ([[0.1], [0.9]], [0, 1], {}, "prediction of one column is ambiguous"),
    ([0.1, 0.9], [0, 1], {}, "prediction of one axis must be class indices of an integer type, got float64"),
    ([0, 1], [0.0, 1.0], {}, "target of one axis must be class indices"),
    (LOGITS, np.eye(4), {}, "expected 3 classes but target has 4 columns"),
    (LOGITS, [0, 2, 2, 3], {}, r"class indices must be in \[0, 3\), target has 0 to 3"),
    (LOGITS, [0, 2, 2, -1], {}, r"target has -1 to 2"),
    ([0, 1, 2, 3], np.eye(3)[TARGET], {}, "prediction has 0 to 3"),
    ([0, -1], [0, 1], {}, "class indices must be from 0, prediction has -1 to 0"),
    (LOGITS, np.ones((4, 3)), {}, "one-hot or probabilities: not negative, with sum 1"),
    (LOGITS, [[2, -1, 0]] * 4, {}, "one-hot or probabilities"),
    (LOGITS, np.full((4, 3), np.nan), {}, "one-hot or probabilities"),
    (np.zeros((2, 3, 4)), [0, 1], {}, r"prediction must be class indices \(N,\) or one row per sample"),
    (np.zeros((2, 0)), [0, 1], {}, "prediction must be class indices"),
    (3, 3, {}, "prediction must be class indices"),
    (LOGITS, TARGET, {"top_k": 4}, "top_k=4 exceeds the 3 classes"),
    (LOGITS, TARGET, {"top_k": 0}, "top_k must be a positive integer"),
    (LOGITS, TARGET, {"top_k": 1.0}, "top_k must be a positive integer"),
    ([0, 1], [0, 1], {"top_k": 2}, r"top_k=2 needs scores \(N, C\)"),
])
def test_accuracy_refuses(prediction, target, settings, match):
    with pytest.raises(ValueError, match=match):
        accuracy(prediction, target, **settings)


def test_accuracy_refuses_what_is_no_number():
    with pytest.raises(TypeError, match="prediction must hold numbers"):
        accuracy(["a"], [0])
    with pytest.raises(TypeError, match="target must hold numbers, got object"):
        accuracy([0], np.array([None]))


def test_confusion_matrix():
    counts = confusion_matrix(LOGITS, TARGET)
    np.testing.assert_array_equal(counts, [[1, 0, 0], [1, 0, 0], [0, 1, 1]])
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(confusion_matrix([0, 2, 1, 0], np.eye(3)[TARGET]), counts)
    assert confusion_matrix([0, 1], [1, 1], classes=5).shape == (5, 5)
    generator = np.random.default_rng(0)
    prediction, target = generator.integers(0, 7, (2, 500)).astype(np.uint8)
    expected = np.zeros((7, 7), np.int64)
    for row, column in zip(target, prediction, strict=True):
        expected[row, column] += 1
    np.testing.assert_array_equal(confusion_matrix(prediction, target), expected)
    assert np.trace(expected) / 500 == accuracy(prediction, target)


def test_confusion_matrix_refuses():
    with pytest.raises(ValueError, match="prediction has NaN in 1 of 2 rows"):
        confusion_matrix([[math.nan, 1.0], [0.0, 1.0]], [0, 1])
    with pytest.raises(ValueError, match="the largest class index is 1000000"):
        confusion_matrix([0], [1_000_000])
    with pytest.raises(ValueError, match="classes must be a positive integer"):
        confusion_matrix([0], [0], classes=0)
    with pytest.raises(ValueError, match="expected 5 classes but prediction has 3 columns"):
        confusion_matrix(LOGITS, TARGET, classes=5)
    with pytest.raises(ValueError, match=r"confusion_matrix\(\): class indices must be in \[0, 2\)"):
        confusion_matrix([0, 2], [0, 1], classes=2)


def test_precision_recall_f1():
    # Counts [[1, 0, 0], [1, 0, 0], [0, 1, 1]] by hand; class 1 is never right.
    result = precision_recall_f1(LOGITS, TARGET)
    np.testing.assert_allclose(result.precision, [1 / 2, 0, 1])
    np.testing.assert_allclose(result.recall, [1, 0, 1 / 2])
    np.testing.assert_allclose(result.f1, [2 / 3, 0, 2 / 3])
    np.testing.assert_array_equal(result.support, [1, 1, 2])
    macro = precision_recall_f1(LOGITS, TARGET, average="macro")
    np.testing.assert_allclose(macro[:3], [1 / 2, 1 / 2, 4 / 9])
    weighted = precision_recall_f1(LOGITS, TARGET, average="weighted")
    np.testing.assert_allclose(weighted[:3], [5 / 8, 1 / 2, 1 / 2])
    micro = precision_recall_f1(LOGITS, TARGET, average="micro")
    np.testing.assert_allclose(micro[:3], [0.5, 0.5, 0.5])
    absent = precision_recall_f1([0, 0], [0, 0], classes=3)
    np.testing.assert_array_equal(absent.f1, [1, 0, 0])
    empty = precision_recall_f1(np.zeros((0, 2)), np.zeros(0, np.int64), average="weighted")
    assert empty[:3] == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="average must be None"):
        precision_recall_f1(LOGITS, TARGET, average="mean")
