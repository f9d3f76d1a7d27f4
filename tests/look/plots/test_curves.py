"""The curves of a run."""

import math

import pytest

from autograd_nn.look import plots
from autograd_nn.training import History

from .pictures import panels, text_outside

pyplot = pytest.importorskip("matplotlib.pyplot")


def test_history_has_a_panel_per_quantity_with_both_curves(history):
    figure = plots.plot_history(history)
    assert list(panels(figure)) == ["loss", "accuracy"]
    ax = panels(figure)["accuracy"]
    training, validation = ax.get_lines()
    assert list(training.get_xdata()) == [1, 2] and list(training.get_ydata()) == [0.3, 0.6]
    assert list(validation.get_ydata()) == [0.5, 0.75]
    assert training.get_linestyle() != validation.get_linestyle(), "told apart in print"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training, last 0.6", "validation, last 0.75"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy")
    assert not text_outside(figure)


def test_history_of_keras_into_given_axes():
    ax = pyplot.figure().add_subplot()
    keras = {"loss": [3, 2], "val_loss": [4, math.nan], "val_auc": [1]}
    assert plots.plot_history(keras, quantities=["loss"], ax=ax) is ax
    assert ax.get_title() == "loss" and [len(line.get_xdata()) for line in ax.get_lines()] == [2, 2]
    assert ax.get_legend().get_texts()[1].get_text() == "validation, last 4"
    pyplot.close("all")


def test_chosen_quantities_and_what_is_wrong_with_them(history):
    assert list(panels(plots.plot_history(history, quantities=["accuracy"]))) == ["accuracy"]
    with pytest.raises(ValueError, match="the history has no 'auc'; it has loss, accuracy"):
        plots.plot_history(history, quantities=["auc"])
    for empty in (History(), {}, {"loss": []}):
        with pytest.raises(ValueError, match="the history has no epochs"):
            plots.plot_history(empty)
