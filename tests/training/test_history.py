"""What the epochs measured, as lists and as a table."""

import math

import pytest

from autograd_nn.training import History


def history_of(*epochs):
    history = History()
    history.epochs += epochs
    return history


def test_history_shows_itself():
    assert "no epochs" in repr(History())
    history = history_of({"loss": 1.0}, {"loss": 0.5, "accuracy": 0.9})
    assert history["accuracy"] == [0.9] and history.names == ["loss", "accuracy"] and len(history) == 2
    assert repr(history).splitlines() == [
        "epoch        loss    accuracy",
        "    1      1.0000         nan",
        "    2      0.5000      0.9000",
    ]
    assert ">accuracy</th>" in history._repr_html_() and ">0.9000</td>" in history._repr_html_()
    with pytest.raises(KeyError, match="history has no 'los'; it has loss, accuracy"):
        history["los"]


def test_columns_are_as_wide_as_their_names_and_small_numbers_are_not_nothing():
    lines = repr(history_of({"validation_accuracy": 0.5, "loss": 0.0000123})).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["1", "0.5000", "1.23e-05"]


def test_a_long_history_shows_its_last_epochs():
    history = history_of(*({"loss": float(i)} for i in range(1000)))
    assert len(repr(history).splitlines()) == 21 and repr(history).splitlines()[-1].split() == ["1000", "999.0000"]
    assert history._repr_html_().count("<tr>") == 21


def test_the_best_epoch():
    history = history_of(*({"loss": loss, "accuracy": 1 - loss} for loss in (0.5, 0.25, 0.25, math.nan)))
    assert history.best("loss") == 2 and history.best("accuracy", largest=True) == 2
