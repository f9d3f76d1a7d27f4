"""Metrics over a whole set: against values written down, and against scikit-learn."""

import math
from functools import partial

import numpy as np
import pytest

from autograd_nn import Tensor, nn
from autograd_nn.nn import functional as F
from autograd_nn.training import (
    AUC,
    F1,
    Accuracy,
    AveragePrecision,
    Confusion,
    MeanOverBatches,
    Metric,
    Perplexity,
    TopK,
    Whole,
    evaluate,
)
from autograd_nn.training.measures import Measures, as_metrics

CE, BCE = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss()


def measured(metric, output, target, cuts=(3, 4, 9), loss=CE):
    """Return a metric of a set that comes in unequal batches, interrupted by being saved and taken up again."""
    outputs, targets = np.split(np.asarray(output), cuts), np.split(np.asarray(target), cuts)
    measures = Measures(as_metrics({"m": metric}, "test", loss))
    for x, t in zip(outputs, targets):
        measures.update(0.0, 1.0, Tensor(x), Tensor(t))
        fresh = Measures(as_metrics({"m": metric}, "test", loss))
        fresh.load_state_dict(measures.state_dict())
        measures = fresh
    return measures.compute()["m"]


def test_values_written_down():
    binary, labels = [2.0, -1.0, 0.5, -3.0], [1.0, 1.0, 0.0, 0.0]
    assert measured("accuracy", binary, labels, loss=BCE, cuts=(1,)) == 0.5
    assert measured("precision", binary, labels, loss=BCE, cuts=(1,)) == 0.5
    assert measured("recall", binary, labels, loss=BCE, cuts=(1,)) == 0.5
    assert measured("auc", binary, labels, loss=BCE, cuts=(1,)) == 0.75
    assert measured("average_precision", binary, labels, loss=BCE, cuts=(1,)) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert measured("confusion", binary, labels, loss=BCE, cuts=(1,)).tolist() == [[1, 1], [1, 1]]
    assert measured("accuracy", [0.9, 0.3], [1.0, 1.0], loss=nn.BCELoss(), cuts=(1,)) == 0.5, "probabilities: 0.5"
    assert measured("mae", [1.0, 2.0], [2.0, 4.0], cuts=(1,)) == 1.5
    assert measured("mse", [[1.0], [2.0]], [2.0, 4.0], cuts=(1,)) == 2.5
    assert measured("rmse", [1.0, 2.0], [2.0, 4.0], cuts=(1,)) == math.sqrt(2.5)
    assert measured("r2", [1.0, 2.0, 3.0], [1.0, 2.0, 6.0], cuts=(1,)) == pytest.approx(1 - 9 / 14)
    scores = [[3.0, 2.0, 1.0], [1.0, 2.0, 2.0], [0.0, 0.0, 0.0]]
    assert measured("top2", scores, [1, 2, 2], cuts=(1,)) == pytest.approx(2 / 3)
    assert measured("accuracy", scores, [0, 1, 0], cuts=(1,)) == 1
    assert measured("perplexity", np.zeros((5, 4)), [0, 1, 2, 3, 0], cuts=(1,)) == pytest.approx(4)
    assert measured("accuracy", [0, 1, 2], [0, 2, 2], cuts=(1,)) == pytest.approx(2 / 3), "classes as predictions"


def test_sequences_of_classes():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((12, 5, 7)).astype(np.float32), rng.integers(0, 5, (12, 7))
    t[:, 4:] = -100
    kept = t != -100
    expected = (x.argmax(1) == t)[kept].mean()
    assert measured("accuracy", x, t) == pytest.approx(expected)
    assert measured("accuracy", x.transpose(0, 2, 1).copy(), t) == pytest.approx(expected), "(N, T, C)"
    assert measured("perplexity", x, t) == pytest.approx(math.exp(CE(Tensor(x), Tensor(t)).item()), rel=1e-5)
    logp = F.log_softmax(Tensor(x), 1)
    assert measured("perplexity", logp.array, t, loss=nn.NLLLoss()) == pytest.approx(measured("perplexity", x, t), 1e-5)
    t[t == -100] = 0
    for loss in (nn.CrossEntropyLoss(ignore_index=0), partial(F.cross_entropy, ignore_index=0)):
        assert measured("accuracy", x, t, loss=loss) == pytest.approx((x.argmax(1) == t)[t != 0].mean())


def test_square_outputs_are_not_guessed():
    x, t = np.eye(5, dtype=np.float32)[None].repeat(4, 0), np.zeros((4, 5), np.int64)
    with pytest.raises(ValueError, match="classes could be in dim 1 or in the last dim"):
        measured(Accuracy(), x, t, cuts=(2,), loss=lambda o, t: 0)
    assert measured(Accuracy(class_dim=-1), x, t, cuts=(2,), loss=lambda o, t: 0) == pytest.approx(0.2)


def test_shapes_that_do_not_fit():
    for metric, output, target, message in (
        ("accuracy", np.zeros((4, 3)), np.zeros((4, 2), int), "shapes of output and target do not fit"),
        ("accuracy", np.zeros((4, 3)), np.zeros(4), "classes must be integers, target is float64"),
        ("accuracy", np.zeros((4, 3)), np.full(4, 3), r"targets must be classes in \[0, 3\), got 3 to 3"),
        ("mse", np.zeros((4, 3)), np.zeros(4), r"must have one shape, got \(4, 3\) and \(4,\)"),
        ("top5", np.zeros((4, 3)), np.zeros(4, int), "at least 5 classes"),
        ("perplexity", np.zeros(4), np.zeros(4), "one score for each class"),
    ):
        with pytest.raises(ValueError, match=message):
            measured(metric, output, target, cuts=())
    for make in (lambda: TopK(0), lambda: F1("mean"), lambda: Accuracy(class_dim=2)):
        with pytest.raises(ValueError, match="must be"):
            make()


def test_no_positive_example():
    assert math.isnan(measured("auc", [1.0, 2.0], [0.0, 0.0], loss=BCE, cuts=(1,)))
    assert measured("f1", [1.0, -2.0], [0.0, 0.0], loss=BCE, cuts=(1,)) == 0
    assert math.isnan(measured("accuracy", np.zeros((2, 3)), [-100, -100], cuts=(1,)))
    assert measured("r2", [1.0, 1.0], [1.0, 1.0], cuts=(1,)) == 1
    assert measured("r2", [1.0, 2.0], [1.0, 1.0], cuts=()) == 0


@pytest.mark.sklearn
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("ties", [False, True])
def test_classification_agrees_with_scikit_learn(classes, ties):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(classes)
    t = rng.integers(0, classes, 200)
    x = rng.standard_normal((200, classes)) + 1.5 * np.eye(classes)[t]
    if ties:
        x = np.round(x)
    predicted = x.argmax(1)
    average = "binary" if classes == 2 else "macro"
    for name in ("precision", "recall", "f1"):
        score = getattr(metrics, f"{name}_score")
        assert measured(name, x, t) == pytest.approx(score(t, predicted, average=average))
        for kind in ("macro", "micro", "weighted"):
            assert measured(f"{name}_{kind}", x, t) == pytest.approx(score(t, predicted, average=kind))
    assert measured("confusion", x, t).tolist() == metrics.confusion_matrix(t, predicted).tolist()
    assert measured("accuracy", x, t) == pytest.approx(metrics.accuracy_score(t, predicted))
    if not ties:  # scikit-learn breaks them the other way
        expected = 1 if classes == 2 else metrics.top_k_accuracy_score(t, x, k=2)
        assert measured("top2", x, t) == pytest.approx(expected)
    if classes == 2:
        score = x[:, 1] - x[:, 0]
        assert measured("auc", x, t) == pytest.approx(metrics.roc_auc_score(t, score))
        assert measured("average_precision", x, t) == pytest.approx(metrics.average_precision_score(t, score))
        assert measured("auc", score[:, None], t, loss=BCE) == pytest.approx(metrics.roc_auc_score(t, score))
    else:
        p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        assert measured("auc", p, t) == pytest.approx(metrics.roc_auc_score(t, p, multi_class="ovr"))
        one_hot = np.eye(classes)[t]
        assert measured("average_precision", p, t) == pytest.approx(metrics.average_precision_score(one_hot, p))
        assert measured("accuracy", x, one_hot) == pytest.approx(metrics.accuracy_score(t, predicted)), "one-hot"


@pytest.mark.sklearn
@pytest.mark.parametrize("columns", [1, 3])
def test_regression_agrees_with_scikit_learn(columns):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    t = rng.standard_normal((50, columns)) * 1e-3 + 1e3
    x = t + rng.standard_normal(t.shape) * 1e-3
    for name, score in (("r2", metrics.r2_score), ("mse", metrics.mean_squared_error),
                        ("mae", metrics.mean_absolute_error)):
        assert measured(name, x, t) == pytest.approx(score(t, x), rel=1e-9)


def test_multilabel_targets_are_taken_element_by_element():
    x, t = np.array([[1.0, -1.0], [2.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert measured("accuracy", x, t, loss=BCE, cuts=(1,)) == 0.75
    assert measured("accuracy", x, t, loss=CE, cuts=(1,)) == 1.0, "rows of a cross-entropy are distributions"


def test_metrics_of_ones_own():
    class Largest(Metric):
        name, state = "largest", ("value",)

        def reset(self):
            self.value = -math.inf

        def update(self, output, target):
            self.value = max(self.value, output.max().item())

        def compute(self):
            return self.value

    data = [(Tensor([[1.0], [5.0]]), Tensor([[0.0], [0.0]])), (Tensor([[2.0]]), Tensor([[0.0]]))]
    spread = Whole(lambda o, t: o.array.max() - o.array.min(), "spread")
    mean = MeanOverBatches(lambda o, t: o.max().item(), "mean of largest")
    found = evaluate(nn.Identity(), data, nn.MSELoss(), [Largest(), spread, mean, "mse"])
    assert found == {"loss": pytest.approx(10), "largest": 5, "spread": 4, "mean of largest": 4,
                     "mse": pytest.approx(10)}


def test_functions_of_the_whole_set_refuse_batches_that_do_not_join():
    data = [(Tensor(np.zeros((2, n, 3), np.float32)), Tensor(np.zeros((2, n, 3), np.float32))) for n in (1, 2)]
    with pytest.raises(ValueError, match="cannot be joined to one set; give a Metric"):
        evaluate(nn.Identity(), data, nn.MSELoss(), {"m": lambda o, t: 1.0})
    assert evaluate(nn.Identity(), data, nn.MSELoss(), {"m": MeanOverBatches(lambda o, t: 1.0)})["m"] == 1


def test_outputs_may_be_nested():
    class Two(nn.Module):
        def forward(self, x):
            return {"a": x, "b": (x * 2,)}

    data = [(Tensor(np.full((2, 1), i, np.float32)), Tensor(np.ones((2, 1), np.float32))) for i in range(3)]
    found = evaluate(Two(), data, lambda o, t: F.mse_loss(o["a"], t),
                     {"sum": lambda o, t: o["a"].sum() + o["b"][0].sum()})
    assert found["sum"] == 3 * 2 * 3
    with pytest.raises(TypeError, match="give a function that picks what it measures"):
        evaluate(Two(), data, lambda o, t: F.mse_loss(o["a"], t), ["mse"])


@pytest.mark.parametrize("metric", [AUC, AveragePrecision, Confusion, Perplexity])
def test_a_run_measures_with_a_copy_of_the_metric_given(metric):
    given, untouched = metric(), metric()
    measures = Measures(as_metrics([given], "test", CE))
    measures.update(0.0, 1.0, Tensor(np.eye(3)), Tensor(np.arange(3)))
    assert list(measures.metrics) == [given.name]
    assert repr(given.state_dict()) == repr(untouched.state_dict()) != repr(measures.metrics[given.name].state_dict())
