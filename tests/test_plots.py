"""Pictures hold what they are to show."""

import numpy as np
import pytest

from autograd_nn import plots
from autograd_nn.training import History

pytest.importorskip("matplotlib")


@pytest.fixture
def history():
    history = History()
    history.epochs += [
        {"loss": 1.0, "accuracy": 0.5, "validation_loss": 1.2, "validation_accuracy": 0.4},
        {"loss": 0.5, "accuracy": 0.8, "validation_loss": 0.9, "validation_accuracy": 0.7},
    ]
    return history


def test_history_shows_training_and_validation(history):
    ax = plots.plot_history(history, "accuracy")
    curves = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert curves == {"training": [[1, 0.5], [2, 0.8]], "validation": [[1, 0.4], [2, 0.7]]}
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("epoch", "accuracy", "accuracy by epoch")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]


def test_filters_are_laid_out_in_rows_on_a_symmetric_scale():
    weight = np.zeros((10, 1, 3, 3), np.float32)
    weight[9] = -2
    ax = plots.plot_filters(weight, columns=4)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (13, 17) and ax.images[0].get_clim() == (-2, 2)
    assert (sheet[9:12, 5:8] == -2).all() and ax.get_title() == "10 filters of 3 x 3"
    with pytest.raises(ValueError, match=r"weight must have 4 dims \(weight.shape=\(2, 2\)\)"):
        plots.plot_filters(np.zeros((2, 2)))


def test_confusion_shows_counts_and_shares():
    ax = plots.plot_confusion(np.array([[8, 2], [0, 5]]), ["cat", "dog"])
    assert [text.get_text() for text in ax.texts] == ["8", "2", "5"]
    assert np.allclose(ax.images[0].get_array(), [[0.8, 0.2], [0, 1]])
    assert ax.get_title() == "13 of 15 right" and ax.get_ylabel() == "true class"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize("filters", [None, np.ones((2, 1, 3, 3))])
def test_report_writes_a_picture(history, filters, tmp_path):
    plots.report(tmp_path / "run.png", history, filters, np.eye(3, dtype=int))
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(plots, "Figure", None)
    assert not plots.available()
    with pytest.raises(ImportError, match=r"pip install 'autograd_nn\[plots\]'"):
        plots.plot_confusion(np.eye(2))
