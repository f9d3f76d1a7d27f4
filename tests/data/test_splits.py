"""Folds, stratified splits, samplers and weights of classes."""

import numpy as np
import pytest

from autograd_nn import nn
from autograd_nn.data import (
    ArrayDataset,
    ConcatDataset,
    DataLoader,
    StratifiedSampler,
    Subset,
    TensorDataset,
    balanced_sampler,
    class_weights,
    k_fold,
    labels_of,
    stratified_split,
)
from autograd_nn.tensor import Tensor

LABELS = np.array([0] * 60 + [1] * 30 + [2] * 10)
DATA = TensorDataset(np.arange(100, dtype=np.float32)[:, None], LABELS)


def test_labels_of():
    np.testing.assert_array_equal(labels_of(DATA), LABELS)
    np.testing.assert_array_equal(labels_of(Subset(DATA, [0, 99, 70])), [0, 2, 1])
    np.testing.assert_array_equal(labels_of(ConcatDataset([DATA, Subset(DATA, [99])])), [*LABELS, 2])
    np.testing.assert_array_equal(labels_of([("a", 1), ("b", 0)]), [1, 0])
    np.testing.assert_array_equal(labels_of([(None, Tensor(3)), (None, Tensor(4))]), [3, 4])
    np.testing.assert_array_equal(labels_of(Tensor([1, 2])), [1, 2])
    np.testing.assert_array_equal(labels_of(["a", "b"]), ["a", "b"])
    with pytest.raises(TypeError, match=r"got float32 \(3,\)"):
        labels_of(TensorDataset(np.zeros(3), np.zeros(3, np.float32)))
    with pytest.raises(TypeError, match="takes a dataset or the labels, got int"):
        labels_of(3)


def test_class_weights():
    weights = class_weights(DATA)
    np.testing.assert_allclose(weights.data, [100 / 180, 100 / 90, 100 / 30], rtol=1e-6)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.data[LABELS].mean(), 1, rtol=1e-6)
    assert class_weights([0, 2], num_classes=4).data.tolist() == [1, 0, 1, 0]
    nn.CrossEntropyLoss(weight=weights)(Tensor(np.zeros((2, 3), np.float32)), Tensor([0, 2]))
    for labels, match in ((np.zeros(0, int), "at least one"), ([-1, 0], "smallest -1"), (["a"], "class numbers")):
        with pytest.raises((ValueError, TypeError), match=match):
            class_weights(labels)
    with pytest.raises(ValueError, match="below num_classes=2, got 2"):
        class_weights(LABELS, 2)


def test_class_weights_are_scikit_learns():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    expected = utils.compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=LABELS)
    np.testing.assert_allclose(class_weights(LABELS).data, expected, rtol=1e-6)


def test_balanced_sampler():
    drawn = LABELS[list(balanced_sampler(DATA, 6000, generator=0))]
    np.testing.assert_allclose(np.bincount(drawn) / 6000, 1 / 3, atol=0.03)
    assert len(balanced_sampler(LABELS)) == 100


def test_stratified_batches():
    sampler = StratifiedSampler(DATA, generator=0)
    orders = [list(sampler) for _ in range(2)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == list(range(100))
    for _, y in DataLoader(DATA, 20, sampler=StratifiedSampler(DATA), seed=3):
        counts = np.bincount(y.data, minlength=3)
        assert (abs(counts - [12, 6, 2]) <= 1).all()


def test_stratified_split():
    parts = stratified_split(DATA, [0.7, 0.2, 0.1], generator=1)
    assert [len(part) for part in parts] == [70, 20, 10]
    for part, share in zip(parts, (0.7, 0.2, 0.1), strict=True):
        counts = np.bincount(labels_of(part), minlength=3)
        assert (abs(counts - np.array([60, 30, 10]) * share) <= 1).all()
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(100))
    assert [len(part) for part in stratified_split(DATA, [90, 10])] == [90, 10]
    again = stratified_split(DATA, [0.7, 0.2, 0.1], generator=1)
    np.testing.assert_array_equal(parts[1].indices, again[1].indices)
    for lengths, match in (([0.5, 0.4], "sum to 1 or to the 100 samples"), ([1.0, 0.0], "above 0"), ([], "above 0")):
        with pytest.raises(ValueError, match=match):
            stratified_split(DATA, lengths)
    with pytest.raises(ValueError, match=r"class .*2.* has 1 samples, fewer than the 2 subsets"):
        stratified_split(ArrayDataset(np.zeros(5), np.array([0, 0, 1, 1, 2])), [0.5, 0.5])
    with pytest.raises(ValueError, match="one label per sample"):
        stratified_split(DATA, [0.5, 0.5], labels=[1, 2])


@pytest.mark.parametrize("settings", [{}, {"stratify": True}, {"shuffle": False}, {"stratify": True, "shuffle": False}])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_k_fold(settings, k):
    folds = k_fold(DATA, k, generator=0, **settings)
    assert len(folds) == k
    for train, valid in folds:
        assert sorted([*train.indices, *valid.indices]) == list(range(100))
        assert len(valid) in (100 // k, 100 // k + 1)
        if settings.get("stratify"):
            counts = np.bincount(labels_of(valid), minlength=3)
            assert (abs(counts - np.array([60, 30, 10]) / k) < 1.001).all()
    assert sorted(np.concatenate([valid.indices for _, valid in folds])) == list(range(100))
    if settings == {"shuffle": False}:
        np.testing.assert_array_equal(folds[0][1].indices, np.arange(len(folds[0][1])))


def test_k_fold_by_groups():
    groups = np.repeat(np.arange(20), 5)
    folds = k_fold(DATA, 4, groups=groups, generator=0)
    for train, valid in folds:
        assert not set(groups[train.indices]) & set(groups[valid.indices])
        assert len(valid) == 25
    with pytest.raises(ValueError, match="3 groups, k=4"):
        k_fold(DATA, 4, groups=np.arange(100) % 3)


def test_k_fold_refuses():
    with pytest.raises(ValueError, match=r"k=101 is more than the 100 samples"):
        k_fold(DATA, 101)
    with pytest.raises(ValueError, match="k must be an integer from 2"):
        k_fold(DATA, 1)
    with pytest.raises(ValueError, match=r"class .*2.* has 10 samples, fewer than k=11"):
        k_fold(DATA, 11, stratify=True)
