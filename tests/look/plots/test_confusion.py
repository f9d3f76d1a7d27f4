"""The confusion matrix as a picture."""

import numpy as np
import pytest

from autograd_nn.look import plots

from .pictures import panels, pixels, text_outside

matplotlib = pytest.importorskip("matplotlib")


def test_confusion_says_counts_shares_and_accuracy():
    figure = plots.plot_confusion(np.array([[8, 2], [0, 5]]), ["cat", "dog"])
    ax = panels(figure)["86.7% right, 2 errors in 15"]
    np.testing.assert_allclose(pixels(ax) ** 2, [[0.8, 0.2], [0, 1]])
    assert {text.get_position(): text.get_text() for text in ax.texts} == {(0, 0): "8", (1, 0): "2", (1, 1): "5"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert not text_outside(figure)


def test_numbers_are_legible_on_their_shades():
    shares = np.arange(1, 10)
    ax = plots.plot_confusion(np.diag(shares) + np.roll(np.diag(10 - shares), 1, axis=1)).get_axes()[0]
    for text in ax.texts:
        column, row = text.get_position()
        shade = matplotlib.colormaps["Blues"](pixels(ax)[row, column])[:3]
        ink = matplotlib.colors.to_rgb(text.get_color())
        low, high = sorted(0.05 + np.dot(np.power(rgb, 2.2), [0.2126, 0.7152, 0.0722]) for rgb in (shade, ink))
        assert high / low > 4.0


def test_many_classes_have_fewer_labels_and_no_numbers():
    figure = plots.plot_confusion(np.eye(40, dtype=int), [f"class {i}" for i in range(40)])
    ax = figure.get_axes()[0]
    assert not ax.texts and [label.get_text() for label in ax.get_yticklabels()][:2] == ["class 0", "class 2"]
    assert not text_outside(figure)


def test_a_matrix_that_is_none_and_an_empty_one():
    with pytest.raises(ValueError, match="the matrix must be square"):
        plots.plot_confusion(np.ones((2, 3)))
    with pytest.raises(ValueError, match="the matrix has 2 classes but classes has 1 names"):
        plots.plot_confusion(np.eye(2), ["a"])
    assert "no samples" in plots.plot_confusion(np.zeros((2, 2), int)).get_axes()[0].get_title()
