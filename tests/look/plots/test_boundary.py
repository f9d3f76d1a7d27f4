"""Points in a plane: the regions of a network, and principal components."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look import plots
from autograd_nn.look.plots.boundary import principal_plane
from autograd_nn.look.profile import profile

matplotlib = pytest.importorskip("matplotlib")


class Above(nn.Module):
    """Says 1 above the diagonal."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def forward(self, x):
        score = x[:, 1] - x[:, 0]
        return score if self.columns == 0 else ag.stack([-score, score][2 - self.columns :], 1)


@pytest.mark.parametrize("columns", [0, 1, 2])
def test_regions_are_those_of_the_network(columns):
    points = np.array([[0, 1], [1, 0], [0, 0.5], [1, 0.5]], np.float32)
    figure = plots.plot_decision_boundary(Above(columns), points, [1, 0, 1, 0], ["low", "high"], steps=21)
    ax = figure.get_axes()[0]
    image = ax.images[0].get_array()
    assert (image[20, 0] == image[15, 5]).all() and (image[0, 20] == image[5, 15]).all()
    assert not (image[20, 0] == image[0, 20]).all()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["low", "high"]


def test_principal_components_are_those_of_the_covariance():
    values = np.random.default_rng(0).normal(size=(50, 6)) * [1, 5, 1, 3, 1, 1]
    points, shares = principal_plane(values)
    eigenvalues = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    assert np.allclose(points.var(0, ddof=1), eigenvalues[:2]) and np.allclose(np.cov(points.T)[0, 1], 0)
    assert np.allclose(shares, eigenvalues[:2] / eigenvalues.sum())


def test_embeddings():
    values = np.random.default_rng(0).normal(size=(12, 5))
    texts = [str(i) for i in range(12)]
    figure = plots.plot_embedding(ag.tensor(values), np.arange(12) % 3, ["a", "b", "c"], texts=texts)
    ax = figure.get_axes()[0]
    assert len(ax.collections) == 3 and "% of the variance" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts] == texts
    flat = plots.plot_embedding(values[:, :2])
    assert np.allclose(flat.get_axes()[0].collections[0].get_offsets(), values[:, :2])
    assert len(plots.plot_embedding(values[:1]).get_axes()[0].collections) == 1
    for wrong in (values[0], values[:, :1], values[:0], np.where(values > 1, np.nan, values)):
        with pytest.raises(ValueError, match=r"plot_embedding\(\)"):
            plots.plot_embedding(wrong)
    with pytest.raises(ValueError, match="one label"):
        plots.plot_embedding(values, [0, 1])
    with pytest.raises(ValueError, match="points of shape"):
        plots.plot_decision_boundary(Above(1), values, np.zeros(12))


def test_flames_are_as_wide_as_time():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    with profile(net) as p:
        net(ag.ones(2, 3)).sum().backward()
    figure = plots.plot_flame(p)
    bars = figure.get_axes()[0].patches
    total = 1e3 * sum(event.seconds for event in p.events)
    bottom = [bar for bar in bars if abs(bar.get_y()) < 0.1]
    assert len(bottom) == 2 and sum(bar.get_width() for bar in bottom) == pytest.approx(total)
    assert len(bars) >= 2 + 3
    with pytest.raises(ValueError, match="no operations"):
        plots.plot_flame(profile())
    with pytest.raises(TypeError, match="needs a profile"):
        plots.plot_flame(net)


def test_themes():
    before = plots.set_theme("dark")
    try:
        figure = plots.plot_embedding(np.eye(3))
        assert sum(matplotlib.colors.to_rgb(figure.get_facecolor())) < 0.5
        assert sum(matplotlib.colors.to_rgb(figure.get_axes()[0].xaxis.label.get_color())) > 2
        assert plots.set_theme("light") == "dark" and before == "both"
        assert sum(matplotlib.colors.to_rgb(plots.plot_embedding(np.eye(3)).get_facecolor())) == 3
        assert plots.set_theme("both") == "light"
        assert matplotlib.colors.to_rgba(plots.plot_embedding(np.eye(3)).get_facecolor())[3] == 0
        with pytest.raises(ValueError, match="theme must be"):
            plots.set_theme("blue")
    finally:
        plots.set_theme(before)


def test_signed_images_have_a_map_of_two_colours():
    ax = plots.plot_filters(nn.Conv2d(1, 2, 3)).get_axes()[0]
    assert ax.images[0].get_cmap().name == "PuOr_r"
