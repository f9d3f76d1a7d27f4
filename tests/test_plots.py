"""Pictures, tested by what they hold: titles, labels, data; and that no text is cut."""

import io
import math

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import models, nn, plots
from autograd_nn.training import History

matplotlib = pytest.importorskip("matplotlib")
pyplot = pytest.importorskip("matplotlib.pyplot")
F = nn.functional


@pytest.fixture
def history():
    history = History()
    history.epochs += [
        {"loss": 2.0, "accuracy": 0.3, "validation_loss": 1.5, "validation_accuracy": 0.5, "seconds": 1.0},
        {"loss": 1.0, "accuracy": 0.6, "validation_loss": 1.25, "validation_accuracy": 0.75, "seconds": 1.0},
    ]
    return history


@pytest.fixture
def net():
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(96, 3)
    )


def images(n=5, seed=0):
    return np.random.default_rng(seed).random((n, 1, 20, 20), np.float32)


def panels(figure):
    """Return the axes of a figure that have a title, with the title."""
    return {ax.get_title(): ax for ax in figure.get_axes() if ax.get_title()}


def pixels(ax):
    return np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)


def text_outside(figure):
    """Return the texts that reach out of the picture."""
    figure = figure.figure if not isinstance(figure, plots.Picture) else figure
    figure.savefig(io.BytesIO(), format="png", dpi=figure.dpi)
    frame = figure.bbox
    outside = []
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            if box.x0 < frame.x0 - 1 or box.y0 < frame.y0 - 1 or box.x1 > frame.x1 + 1 or box.y1 > frame.y1 + 1:
                outside.append(text.get_text())
    # tick labels beyond the limits of their axes are never drawn
    hidden = {label.get_text() for ax in figure.get_axes() for axis, (low, high) in
              ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim())))
              for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
              for label in (tick.label1, tick.label2)}
    return [text for text in outside if text not in hidden]


# ------------------------------------------------------------------------------------ training


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
    assert plots.plot_history({"loss": [3, 2], "val_loss": [4, math.nan], "val_auc": [1]}, ax=ax) is ax
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


# ------------------------------------------------------------------------------------ weights


def test_histograms_hold_all_weights(net):
    figure = plots.plot_weight_histograms(net)
    assert [title.partition("\n")[0] for title in panels(figure)] == ["0.weight", "2.weight", "6.weight"]
    for ax, size in zip(panels(figure).values(), (36, 216, 288)):
        assert sum(bar.get_height() for bar in ax.patches) == size and ax.get_xlabel() == "weight"
    net[0].weight.data[0, 0, 0, 0] = np.nan
    ax = next(iter(panels(plots.plot_weight_histograms(net)).values()))
    assert ax.get_xlabel() == "weight (1 not finite)"
    assert not text_outside(figure)


def test_filters_of_one_channel_are_tiles_on_a_scale_around_zero():
    layer = nn.Conv2d(1, 6, 3)
    layer.weight.data[:] = np.arange(6).reshape(6, 1, 1, 1) - 2
    figure = plots.plot_filters(layer, "first")
    ax = panels(figure)["first: 6 filters of 3 × 3"]
    image = pixels(ax)
    assert image.shape == (7, 11) and image[0, 0] == -2 and image[0, 4] == -1 and image[4, 8] == 3
    assert np.isnan(image[3]).all() and np.isnan(image[:, 3]).all()
    assert ax.get_images()[0].get_clim() == (-3, 3)
    assert not text_outside(figure)


def test_filters_of_several_channels_are_a_table_and_those_of_three_in_colour():
    layer = nn.Conv2d(2, 5, 3)
    figure = plots.plot_filters(layer)
    (title,) = panels(figure)
    assert title == "5 filters of 3 × 3\n(one column each) by 2 input channels"
    image = pixels(panels(figure)[title])
    assert image.shape == (7, 19)
    np.testing.assert_array_equal(image[4:7, 8:11], layer.weight.data[2, 1])
    assert not text_outside(figure)
    colour = plots.plot_filters(nn.Conv2d(3, 4, 5)).get_axes()[0]
    assert pixels(colour).shape[2] == 3 and colour.get_title() == "4 filters of 5 × 5 in three channels"
    assert plots.plot_filters(nn.Conv2d(1, 100, 3), most=9).get_axes()[0].get_title() == "9 of 100 filters of 3 × 3"


def test_rows_of_a_dense_layer_are_images_largest_first():
    layer = nn.Linear(16, 30)
    layer.weight.data[:] = 0
    layer.weight.data[7] = np.arange(16)
    ax = plots.plot_weight_rows(layer, "0").get_axes()[0]
    assert ax.get_title() == "0: weights of 25 of 30 units, largest first"
    np.testing.assert_array_equal(pixels(ax)[:4, :4], np.arange(16).reshape(4, 4))
    assert pixels(plots.plot_weight_rows(layer, image_shape=(2, 8)).get_axes()[0])[1, 7] == 15
    with pytest.raises(ValueError, match="15 inputs are no image of 3 × 3; give image_shape"):
        plots.plot_weight_rows(nn.Linear(15, 2))


def test_weights_are_histograms_and_what_can_be_seen(net):
    figure = plots.plot_weights(net)
    titles = list(panels(figure))
    assert titles[3:] == ["0 (Conv2d): 4 filters of 3 × 3",
                          "2 (Conv2d): 6 filters of 3 × 3\n(one column each) by 4 input channels"]
    assert not text_outside(figure)
    dense = panels(plots.plot_weights(models.mlp(hidden=(20,))))
    assert "1 (Linear): weights of 20 units, largest first" in dense
    assert len(panels(plots.plot_weights(nn.Linear(3, 2)))) == 1
    with pytest.raises(ValueError, match="no weights"):
        plots.plot_weights(nn.ReLU())


# ------------------------------------------------------------------------------------ activations, gradients


def test_activations_are_those_of_the_layers_and_nothing_is_left_behind(net):
    x = images()
    figure = plots.plot_activations(net, x)
    shown = panels(figure)
    assert list(shown) == [
        "input\n1 × 20 × 20", "0: Conv2d\n4 × 18 × 18", "1: ReLU\n4 × 18 × 18", "2: Conv2d\n6 × 16 × 16",
        "3: ReLU\n6 × 16 × 16", "4: MaxPool2d\n6 × 4 × 4", "6: Linear\n3 units, 0% are 0",
    ]
    with ag.no_grad():
        expected = net[0](ag.Tensor(x[:1])).data[0]
        logits = net(ag.Tensor(x[:1])).data[0]
    np.testing.assert_allclose(pixels(shown["0: Conv2d\n4 × 18 × 18"])[:18, :18], expected[0], rtol=1e-6)
    bars = [bar.get_height() for bar in shown["6: Linear\n3 units, 0% are 0"].patches]
    np.testing.assert_allclose(bars, logits, rtol=1e-4, atol=1e-6)
    assert not any(module._hooks for module in net.modules()) and net.training
    assert not text_outside(figure)


def test_activations_of_chosen_layers_and_after_an_error(net):
    assert [title.partition("\n")[0] for title in panels(plots.plot_activations(net, images(), layers=["2"]))] == [
        "input", "2: Conv2d"
    ]
    with pytest.raises(ValueError, match="the model has no module 'nine'; it has 0, 1, 2"):
        plots.plot_activations(net, images(), layers=["nine"])
    with pytest.raises(RuntimeError):
        plots.plot_activations(net, np.zeros((1, 2, 20, 20), np.float32))
    assert not any(module._hooks for module in net.modules()) and net.training


def test_gradients_have_their_sizes_ratios_and_dead_units(net):
    net[0].bias.data[:] = [-100, 0, 0, 0]
    F.cross_entropy(net(ag.Tensor(images())), ag.tensor([0, 1, 2, 0, 1])).backward()
    before = net[0].weight.grad.data.copy()
    figure = plots.plot_gradients(net, images())
    sizes, ratios, dead = panels(figure).values()
    names = [name for name, _ in net.named_parameters()]
    assert [label.get_text() for label in sizes.get_yticklabels()] == names
    ends = [bar.get_x() + bar.get_width() for bar in sizes.patches]
    np.testing.assert_allclose(ends, [np.abs(p.grad.data).mean() for p in net.parameters()], rtol=1e-5)
    expected = [np.abs(p.grad.data).mean() / np.abs(p.data).mean() for p in net.parameters()]
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in ratios.patches], expected, rtol=1e-5)
    assert sizes.get_xscale() == "log" and sizes.get_xlabel() == "mean |gradient|"
    assert [label.get_text() for label in dead.get_yticklabels()] == ["1: ReLU", "3: ReLU"]
    assert dead.patches[0].get_width() == 0.25 and dead.texts[0].get_text() == "1 of 4"
    np.testing.assert_array_equal(net[0].weight.grad.data, before)
    assert not text_outside(figure)


def test_gradients_that_are_absent_or_zero_are_said(net):
    with pytest.raises(RuntimeError, match="no parameter has a gradient; call it after backward"):
        plots.plot_gradients(net)
    net[0].weight.grad = ag.zeros(4, 1, 3, 3)
    sizes, _ = panels(plots.plot_gradients(net)).values()
    assert [text.get_text().strip() for text in sizes.texts] == ["0", "none", "none", "none", "none", "none"]


# ------------------------------------------------------------------------------------ predictions, saliency


class Table(nn.Module):
    """Scores that are known: the pixels of the first row."""

    def forward(self, x):
        return x[:, 0, 0, :3] * 1.0


def test_predictions_show_the_worst_errors_first():
    x = np.zeros((4, 1, 4, 4), np.float32)
    x[:, 0, 0, :3] = [[5, 0, 0], [0, 9, 0], [0, 1, 0], [0, 0, 3]]
    figure = plots.plot_predictions(Table(), x, np.array([0, 2, 2, 2]), classes=["a", "b", "c"], most=3)
    titles = list(panels(figure))
    assert titles[0] == "true c\nsaid b (100%) ✗" and titles[1] == "true c\nsaid b (58%) ✗"
    assert titles[2] == "true c\nsaid c (91%) ✓"
    np.testing.assert_array_equal(pixels(panels(figure)[titles[0]]), x[1, 0])
    assert figure.get_suptitle() == "2 of 4 wrong (50.0%); worst first"
    assert not text_outside(figure)


def test_images_of_other_shapes(net):
    flat = models.mlp(features=16, hidden=(4,), classes=3)
    figure = plots.plot_predictions(flat, np.zeros((2, 16), np.float32), [0, 1])
    assert all(pixels(ax).shape == (4, 4) for ax in panels(figure).values())
    model = models.mlp(features=48, hidden=(4,), classes=3)
    colour = plots.plot_predictions(model, np.ones((1, 3, 4, 4), np.float32), [0])
    assert pixels(colour.get_axes()[0]).shape == (4, 4, 3)
    with pytest.raises(ValueError, match="an image must be"):
        plots.plot_predictions(models.mlp(features=15, hidden=(4,)), np.zeros((1, 15), np.float32), [0])
    with pytest.raises(ValueError, match="images and targets must be as many"):
        plots.plot_predictions(net, images(2), [0])


def test_saliency_is_the_gradient_of_the_score():
    w = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Dropout(0.5))
    model[1].weight.data[:] = w
    x = images(2)[:, :, :4, :4]
    np.testing.assert_allclose(plots.saliency(model, x, 1).reshape(2, 16), np.abs(w[[1, 1]]), rtol=1e-6)
    np.testing.assert_allclose(plots.saliency(model, x, [2, 0]).reshape(2, 16), np.abs(w[[2, 0]]), rtol=1e-6)
    with ag.no_grad():
        said = model.eval()(ag.Tensor(x)).data.argmax(1)
    model.train()
    np.testing.assert_allclose(plots.saliency(model, ag.Tensor(x)).reshape(2, 16), np.abs(w[said]), rtol=1e-6)
    assert model.training and model[1].weight.grad is None


def test_the_picture_of_saliency_has_the_map_below_each_image(net):
    x = images(3)
    figure = plots.plot_saliency(net, x, [0, 1, 2], classes=["a", "b", "c"])
    assert list(panels(figure)) == ["class a", "class b", "class c"]
    below = figure.get_axes()[3]
    expected = plots.saliency(net, x, [0, 1, 2])[0, 0]
    np.testing.assert_allclose(pixels(below), expected / expected.max(), rtol=1e-5)
    assert not text_outside(figure)


# ------------------------------------------------------------------------------------ report, themes, matplotlib


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_report_is_one_picture(net, history, tmp_path, suffix):
    plots.save_report(tmp_path / f"run{suffix}", net, history, np.eye(3, dtype=int))
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"run{suffix}").read_bytes().startswith(start)


@pytest.mark.parametrize("made", ["all", "model", "mlp"])
def test_a_report_holds_what_there_is(net, history, tmp_path, monkeypatch, made):
    figures = []
    monkeypatch.setattr(plots.Picture, "savefig", lambda self, path: figures.append(self))
    if made == "all":
        plots.save_report("x.png", net, history, np.eye(3, dtype=int), ["a", "b", "c"])
        expected = ["loss", "accuracy", "0 (Conv2d): 4 filters of 3 × 3", "100.0% right, 0 errors in 3"]
    elif made == "model":
        plots.save_report("x.png", net, History())
        expected = ["0 (Conv2d): 4 filters of 3 × 3"]
    else:
        plots.save_report("x.png", models.mlp(features=784, hidden=(8,)), {"loss": [1.0]})
        expected = ["loss", "1 (Linear): weights of 8 units, largest first"]
    assert list(panels(figures[0])) == expected
    monkeypatch.undo()
    assert not text_outside(figures[0])


def test_a_picture_is_light_in_a_dark_theme_and_unknown_to_pyplot(history):
    count = len(pyplot.get_fignums())
    with pyplot.style.context("dark_background"):
        figure = plots.plot_history(history)
        png = figure._repr_png_()
        image = pyplot.imread(io.BytesIO(png))
        ax = figure.get_axes()[0]
        inks = [ax.title.get_color(), ax.xaxis.label.get_color(), ax.get_xticklabels()[0].get_color()]
    assert len(pyplot.get_fignums()) == count
    assert (image[0, 0, :3] == 1).all()
    assert all(sum(matplotlib.colors.to_rgb(ink)) < 0.5 for ink in inks)
    assert matplotlib.rcParams["text.color"] == "black"


def test_given_figures_and_axes_are_returned_and_keep_their_look():
    with pyplot.style.context("dark_background"):
        figure, axes = pyplot.subplots(1, 2)
        assert plots.plot_confusion(np.eye(2, dtype=int), ax=axes[0]) is axes[0]
        bar = axes[0].child_axes[0]
        assert bar.yaxis.label.get_color() == axes[0].title.get_color() == "white"
        other = pyplot.figure()
        assert plots.plot_weight_histograms(nn.Linear(3, 2), figure=other) is other
        assert plots.plot_filters(nn.Conv2d(1, 2, 3), ax=axes[1]) is axes[1]
        pyplot.close(figure)
        pyplot.close(other)


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, net, history):
    monkeypatch.setattr(plots, "matplotlib", None)
    assert not plots.available()
    for draw in (lambda: plots.plot_confusion(np.eye(2)), lambda: plots.plot_history(history),
                 lambda: plots.plot_weights(net), lambda: plots.plot_activations(net, images()),
                 lambda: plots.save_report("x.png", net)):
        with pytest.raises(ImportError, match=r"matplotlib is not installed \(pip install 'autograd_nn\[plots\]'\)"):
            draw()
    assert plots.saliency(net, images(1)).shape == (1, 1, 20, 20), "needs no matplotlib"
