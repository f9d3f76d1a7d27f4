"""ROC curves and calibration: against scikit-learn, and by hand."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.look import plots
from autograd_nn.look.plots.probabilities import calibration, roc_curve

pytest.importorskip("matplotlib")


def lines(figure):
    return {line.get_label(): line for line in figure.get_axes()[0].get_lines()}


def test_a_curve_by_hand():
    scores, positive = np.array([0.9, 0.8, 0.8, 0.3, 0.1]), np.array([1, 1, 0, 1, 0], bool)
    x, y = roc_curve(scores, positive)
    assert x.tolist() == [0, 0, 0.5, 0.5, 1] and np.allclose(y, [0, 1 / 3, 2 / 3, 1, 1])
    figure = plots.plot_roc(scores, positive)
    assert "area 0.750" in lines(figure)  # 5 pairs in order, 1 tie of half: (4.5 / 6)


def test_curves_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    target = generator.integers(0, 3, 200)
    scores = np.round(generator.normal(size=(200, 3)) + 1.5 * np.eye(3)[target], 1)
    names = lines(plots.plot_roc(ag.tensor(scores), target, ["a", "b", "c"]))
    for c, name in enumerate("abc"):
        area = metrics.roc_auc_score(target == c, scores[:, c])
        assert f"{name}: area {area:.3f}" in names


def test_calibration_by_hand():
    probabilities, positive = np.array([0.1, 0.15, 0.5, 0.9, 1.0]), np.array([0, 1, 0, 1, 1], bool)
    mean, share, count = calibration(probabilities, positive, 5)
    assert np.allclose(mean, [0.125, 0.5, 0.95]) and share.tolist() == [0.5, 0, 1] and count.tolist() == [2, 1, 2]
    figure = plots.plot_calibration(probabilities, positive, bins=5)
    error = (2 * 0.375 + 0.5 + 2 * 0.05) / 5
    assert f"mean distance {error:.3f}" in lines(figure)


def test_two_classes_have_one_curve():
    p = np.array([[0.2, 0.8], [0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    figure = plots.plot_roc(p, [1, 0, 0, 1], ["no", "yes"])
    assert "yes: area 1.000" in lines(figure) and len(lines(figure)) == 2
    assert len(lines(plots.plot_calibration(p, [1, 0, 0, 1]))) == 2
    assert len(lines(plots.plot_roc(p[:, 1:], np.array([[1], [0], [0], [1]])))) == 2


@pytest.mark.parametrize(
    ("function", "scores", "target", "words"),
    [
        ("plot_roc", np.zeros((3, 2, 2)), [0, 1, 0], "expects scores of shape"),
        ("plot_roc", np.zeros(3), [0, 1], "expects scores of shape"),
        ("plot_roc", np.zeros(3), [0, 1, 2], "from 0 to 1"),
        ("plot_roc", np.zeros(3), [0, 1, -1], "from 0 to 1"),
        ("plot_roc", np.zeros(3), [0, 0.5, 1], "must hold classes"),
        ("plot_roc", np.array([0, np.nan, 1]), [0, 1, 0], "1 scores are not finite"),
        ("plot_calibration", np.array([0.5, 2.0]), [0, 1], "from 0 to 1; use softmax"),
    ],
)
def test_errors(function, scores, target, words):
    with pytest.raises(ValueError, match=words):
        getattr(plots, function)(scores, target)
    with pytest.raises(ValueError, match="as many names"):
        plots.plot_roc(np.zeros((2, 3)), [0, 1], ["a"])
    with pytest.raises(ValueError, match="bins must be"):
        plots.plot_calibration([0.5, 0.5], [0, 1], bins=0)
