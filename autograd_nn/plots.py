"""Pictures of networks and of their training, drawn with matplotlib.

``pip install 'autograd_nn[plots]'`` brings matplotlib. Functions of one panel take ``ax=``, those of several take
``figure=`` (a Figure or SubFigure); without it they make a `Picture`, which a notebook shows as it is and ``savefig``
writes to a file. They return the `Picture`, or what they were given.

Colours are those of Okabe and Ito (2008) and the maps cividis and Blues, which the colour-blind and grey prints can
tell apart; lines differ in style and bars in place too. A Picture is light, on dark pages as well.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .engine import enable_grad, grad
from .nn import Conv2d, Dropout, Embedding, Flatten, Identity, Linear, Module
from .tensor import Tensor
from .training import History
from .watching import preserved, watch_modules

try:
    import matplotlib.style
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullFormatter
except ImportError:
    matplotlib = None  # type: ignore[assignment]
    Figure = object  # type: ignore[assignment, misc]

__all__ = [
    "Picture",
    "available",
    "plot_activations",
    "plot_confusion",
    "plot_filters",
    "plot_gradients",
    "plot_history",
    "plot_predictions",
    "plot_saliency",
    "plot_weight_histograms",
    "plot_weight_rows",
    "plot_weights",
    "saliency",
    "save_report",
]

BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
_INK, _RIGHT, _WRONG = "#1a1a1a", "#00664b", "#a84300"
_STYLE = {
    "figure.facecolor": "white", "figure.dpi": 100, "savefig.dpi": 150, "savefig.facecolor": "white",
    "axes.facecolor": "white", "axes.edgecolor": "#666666", "axes.linewidth": 0.8, "axes.labelcolor": _INK,
    "axes.titlesize": 9, "axes.labelsize": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": _INK, "xtick.color": _INK, "ytick.color": _INK, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "grid.color": "#dddddd", "grid.linewidth": 0.7, "legend.fontsize": 8, "font.size": 9,
    "figure.titlesize": 10,
}  # fmt: skip


def available() -> bool:
    """Return whether matplotlib is installed."""
    return matplotlib is not None


class Picture(Figure):
    """A figure that notebooks show by itself and that pyplot does not hold on to."""

    def savefig(self, fname: Any, **settings: Any) -> None:  # type: ignore[override]
        """Write the picture to a file; the background is the picture's own, whatever the style in use says."""
        super().savefig(fname, **{"facecolor": self.get_facecolor(), "dpi": 150, **settings})

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()


# ------------------------------------------------------------------------------------ axes and images


@contextlib.contextmanager
def _styled(function: str) -> Iterator[None]:
    if not available():
        raise ImportError(f"{function}(): matplotlib is not installed (pip install 'autograd_nn[plots]')")
    with matplotlib.style.context(["default", _STYLE]):
        yield


def _figure(figure: Any, width: float, height: float) -> Any:
    return Picture(figsize=(width, height), layout="constrained") if figure is None else figure


def _axes(ax: Any, width: float, height: float) -> Any:
    """Return the axes given, or new ones in a Picture of that size in inches."""
    return _own(Picture(figsize=(width, height), layout="constrained").add_subplot()) if ax is None else ax


def _own(ax: Any) -> Any:
    """Fix the colours of ticks, which are otherwise looked up when the picture is drawn."""
    ax.tick_params(which="both", color="#666666", labelcolor=_INK)
    return ax


def _grid(figure: Any, count: int, columns: int) -> list[Any]:
    """Return `count` axes in rows of `columns`."""
    rows = -(-count // columns)
    return [_own(figure.add_subplot(rows, columns, i + 1)) for i in range(count)]


def _result(ax: Any, given: Any) -> Any:
    return ax.figure if given is None else given


def _bare(ax: Any) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def _show(ax: Any, image: np.ndarray, limits: tuple[float, float], label: str, cmap: str = "cividis") -> None:
    """Draw an image without ticks and, where it is not in colour, what its shades mean; NaN is left white."""
    shown = ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    _bare(ax)
    if image.ndim == 2:
        bar = _colour_bar(ax, shown, label, 0.04 * max(1.0, image.shape[0] / image.shape[1]))
        bar.locator = MaxNLocator(4)
        bar.update_ticks()


def _colour_bar(ax: Any, shown: Any, label: str, width: float = 0.04) -> Any:
    """Add a bar beside an image, as high as the image."""
    bar = ax.figure.colorbar(shown, cax=ax.inset_axes([1.02, 0.0, width, 1.0]))
    ink = ax.title.get_color()
    bar.ax.tick_params(which="both", color=ink, labelcolor=ink)
    bar.outline.set_visible(False)
    bar.set_label(label, color=ink)
    return bar


def _columns(count: int, most: int) -> int:
    """Return how many columns fill the rows of at most `most` evenly."""
    return -(-count // -(-count // most))


def _tile_columns(count: int) -> int:
    """Return how many columns leave few places empty in a mosaic that is somewhat wider than high."""
    wanted = math.sqrt(1.4 * count)
    candidates = range(max(1, math.isqrt(count)), math.ceil(2 * math.sqrt(count)) + 1)
    return min(candidates, key=lambda columns: (-count % columns, abs(columns - wanted)))


def _mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Return tiles (n, H, W) or (n, H, W, 3) as one image with a line of white between them."""
    n, height, width = tiles.shape[:3]
    rows, gap = -(-n // columns), max(1, round(min(height, width) / 14))
    blank = 1.0 if tiles.ndim == 4 else np.nan
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    image = np.full((*size, *tiles.shape[3:]), blank, np.float64)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        image[top : top + height, left : left + width] = tile
    return image


def _symmetric(values: np.ndarray) -> tuple[float, float]:
    """Return limits around 0, so that 0 has the middle shade."""
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return -most, most


def _picture_of(function: str, image: np.ndarray) -> np.ndarray:
    """Return one input of a network as an image (H, W) or (H, W, 3)."""
    if image.ndim == 3 and image.shape[0] in (1, 3):
        return image[0] if image.shape[0] == 1 else np.clip(np.moveaxis(image, 0, 2), 0, 1)
    if image.ndim == 2:
        return image
    side = math.isqrt(image.size)
    if image.ndim == 1 and side * side == image.size:
        return image.reshape(side, side)
    raise ValueError(f"{function}(): an image must be (H, W), (1, H, W), (3, H, W) or a square in one dim "
                     f"(shape={image.shape})")


def _array(values: Any) -> np.ndarray:
    return values.data if isinstance(values, Tensor) else np.asarray(values)


def _count(shown: int, total: int, what: str) -> str:
    return f"{total:,} {what}" if shown == total else f"{shown:,} of {total:,} {what}"


# ------------------------------------------------------------------------------------ training


def plot_history(history: History | Mapping[str, Sequence[float]], *, quantities: Sequence[str] | None = None,
                 ax: Any = None, figure: Any = None) -> Any:
    """Plot what each epoch measured, training and validation in one panel per quantity.

    Parameters
    ----------
    history : History or mapping of str to sequence of float
        Names that begin with ``validation_`` or ``val_`` are those of the validation.
    quantities : sequence of str, optional
        Without the prefix; all but the seconds by default.
    ax : Axes, optional
        Draw the first quantity only, into these.
    figure : Figure or SubFigure, optional
    """
    series = _series(history)
    names = [name for name in dict.fromkeys(name.removeprefix("validation_").removeprefix("val_") for name in series)
             if name != "seconds"]
    if quantities is not None:
        unknown = [name for name in quantities if name not in names]
        if unknown:
            raise ValueError(f"plot_history(): the history has no {', '.join(map(repr, unknown))}; "
                             f"it has {', '.join(names)}")
        names = list(quantities)
    if not names or not any(series.values()):
        raise ValueError("plot_history(): the history has no epochs")
    with _styled("plot_history"):
        if ax is not None:
            _plot_quantity(ax, names[0], series)
            return ax
        columns = min(len(names), 3)
        rows = -(-len(names) // columns)
        figure = _figure(figure, 4.4 * columns, 3.2 * rows)
        for name, panel in zip(names, _grid(figure, len(names), columns)):
            _plot_quantity(panel, name, series)
        return figure


def _series(history: History | Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    if isinstance(history, History):
        return {name: [epoch.get(name, math.nan) for epoch in history.epochs] for name in history.names}
    return {name: [float(value) for value in values] for name, values in history.items()}


def _plot_quantity(ax: Any, name: str, series: Mapping[str, list[float]]) -> None:
    looks = (("training", name, BLUE, "-", "o"), ("validation", f"validation_{name}", VERMILLION, "--", "s"),
             ("validation", f"val_{name}", VERMILLION, "--", "s"))
    for label, key, colour, line, marker in looks:
        values = series.get(key)
        if values:
            last = next((value for value in reversed(values) if math.isfinite(value)), math.nan)
            ax.plot(range(1, len(values) + 1), values, line, color=colour, marker=marker, markersize=3.5,
                    markevery=max(1, len(values) // 12), linewidth=1.5, label=f"{label}, last {last:.4g}")
    ax.set_xlabel("epoch")
    ax.set_ylabel(name.replace("_", " "))
    ax.set_title(name.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(True)
    ax.legend()


def plot_confusion(matrix: Any, classes: Sequence[Any] | None = None, *, ax: Any = None) -> Any:
    """Draw a confusion matrix: shades for the share of each true class, numbers for the counts.

    Parameters
    ----------
    matrix : array (C, C)
        Rows are the true classes, columns the predicted ones (`metrics.confusion_matrix`).
    classes : sequence, optional
        Their names; the indices by default.
    ax : Axes, optional
    """
    counts = _array(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"plot_confusion(): the matrix must be square (matrix.shape={counts.shape})")
    n = len(counts)
    names = [str(name) for name in (range(n) if classes is None else classes)]
    if len(names) != n:
        raise ValueError(f"plot_confusion(): the matrix has {n} classes but classes has {len(names)} names "
                         f"(matrix.shape={counts.shape})")
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals != 0)
    with _styled("plot_confusion"):
        size = min(max(3.6, 0.42 * n + 1.4), 9)
        given, ax = ax, _axes(ax, size + 1, size)
        # the square root of the share: otherwise errors of a percent could not be seen
        shown = ax.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
        bar = _colour_bar(ax, shown, "share of the true class")
        marks = [0, 0.01, 0.05, 0.2, 0.5, 1]
        bar.set_ticks(np.sqrt(marks), labels=[f"{mark:.0%}" for mark in marks])
        if n <= 30:
            font = max(4.0, min(9.0, 100 / n))
            for i in range(n):
                for j in range(n):
                    if counts[i, j]:
                        ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=font,
                                color="white" if share[i, j] >= 0.5 else _INK)
        step = -(-n // 30)
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
        ax.set_xticks(range(0, n, step), names[::step], **turned)
        ax.set_yticks(range(0, n, step), names[::step])
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("predicted class")
        ax.set_ylabel("true class")
        total = int(counts.sum())
        right = int(np.trace(counts))
        accuracy = f"{right / total:.1%} right" if total else "no samples"
        ax.set_title(f"{accuracy}, {total - right:,} errors in {total:,}")
        return _result(ax, given)


# ------------------------------------------------------------------------------------ weights


def _weights(model: Module) -> list[tuple[str, np.ndarray]]:
    """Return name and array of each parameter of two and more dims."""
    return [(name, parameter.data) for name, parameter in model.named_parameters() if parameter.ndim > 1]


def plot_weight_histograms(model: Module, *, figure: Any = None) -> Any:
    """Plot a histogram of the weights of each layer (parameters of two and more dims).

    Parameters
    ----------
    model : Module
    figure : Figure or SubFigure, optional
    """
    weights = _weights(model)
    if not weights:
        raise ValueError("plot_weight_histograms(): the model has no weights of two or more dims")
    with _styled("plot_weight_histograms"):
        columns = _columns(len(weights), 4)
        rows = -(-len(weights) // columns)
        figure = _figure(figure, max(2.6 * columns, 4), 2.1 * rows + 0.3)
        for ax, (name, values) in zip(_grid(figure, len(weights), columns), weights):
            finite = values[np.isfinite(values)]
            ax.hist(finite.ravel(), bins=min(60, max(10, math.isqrt(finite.size))), color=BLUE)
            ax.axvline(0, color=_INK, linewidth=0.8, linestyle=":")
            lost = values.size - finite.size
            ax.set_title(f"{name}\nmean {finite.mean():.2g}, deviation {finite.std():.2g}" if finite.size else name)
            ax.set_xlabel("weight" if not lost else f"weight ({lost:,} not finite)")
            ax.set_ylabel("count" if ax.get_subplotspec().is_first_col() else "")
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        return figure


def plot_filters(layer: Conv2d, name: str = "", *, most: int = 64, ax: Any = None) -> Any:
    """Draw the filters of a convolution as images.

    Parameters
    ----------
    layer : Conv2d
    name : str
        Put before the title.
    most : int
        Filters of one input channel are drawn one after the other, the first so many; those of three channels in
        colour. Of others the longer side is that of the larger number: filters, or input channels; the first
        ``2 sqrt(most)`` of both are drawn.
    ax : Axes, optional
    """
    weights = layer.weight.data
    total, channels = weights.shape[:2]
    size = f"{weights.shape[2]} × {weights.shape[3]}"
    if channels in (1, 3):
        tiles = np.moveaxis(weights[:most], 1, 3) if channels == 3 else weights[:most, 0]
        columns = _tile_columns(len(tiles))
        title = f"{_count(len(tiles), total, 'filters')} of {size}" + (" in three channels" if channels == 3 else "")
    else:
        side = 2 * max(1, math.isqrt(most))
        block = weights[:side, :side]
        parts = [_count(len(block), total, "filters"), _count(block.shape[1], channels, "input channels")]
        wide = block.shape[0] > block.shape[1]
        tiles = (block.swapaxes(0, 1) if wide else block).reshape(-1, *weights.shape[2:])
        columns = max(block.shape[:2])
        title = f"{parts[0]} of {size}\n(one {'column' if wide else 'row'} each) by {parts[1]}"
    limits = _symmetric(tiles)
    if channels == 3:
        tiles = 0.5 + tiles / (2 * limits[1])
    with _styled("plot_filters"):
        image = _mosaic(tiles, columns)
        given, ax = ax, _axes(ax, 5, min(8.0, max(2.2, 4.2 * image.shape[0] / image.shape[1] + 0.5)))
        _show(ax, image, limits, "weight")
        ax.set_title(f"{name}: {title}" if name else title)
        return _result(ax, given)


def plot_weight_rows(layer: Linear, name: str = "", *, image_shape: tuple[int, int] | None = None, most: int = 25,
                     ax: Any = None) -> Any:
    """Draw the weights of a dense layer's units as images of its input.

    Parameters
    ----------
    layer : Linear
        Whose input is an image of one channel, flattened.
    name : str
        Put before the title.
    image_shape : (int, int), optional
        Height and width; a square by default.
    most : int
        Units that are drawn, those with the largest weights (Euclidean norm) first.
    ax : Axes, optional
    """
    weights = layer.weight.data
    side = math.isqrt(weights.shape[1])
    height, width = image_shape or (side, side)
    if height * width != weights.shape[1]:
        raise ValueError(f"plot_weight_rows(): {weights.shape[1]} inputs are no image of {height} × {width}; give "
                         f"image_shape=(H, W) (weight.shape={weights.shape})")
    order = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:most]
    tiles = weights[order].reshape(-1, height, width)
    with _styled("plot_weight_rows"):
        image = _mosaic(tiles, _tile_columns(len(tiles)))
        given, ax = ax, _axes(ax, 5, min(8.0, max(2.2, 4.2 * image.shape[0] / image.shape[1] + 0.5)))
        _show(ax, image, _symmetric(tiles), "weight")
        title = f"weights of {_count(len(tiles), len(weights), 'units')}, largest first"
        ax.set_title(f"{name}: {title}" if name else title)
        return _result(ax, given)


def _pictured_layers(model: Module) -> list[tuple[str, Module]]:
    """Return the convolutions, and the first layer with weights where it is dense and its input a square."""
    weighted = Conv2d | Linear | Embedding
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, weighted)]
    return [(name, layer) for i, (name, layer) in enumerate(layers) if _is_pictured(layer, i == 0)]


def _is_pictured(layer: Module, first: bool) -> bool:
    if isinstance(layer, Conv2d):
        return min(layer.kernel_size) > 1
    if not first or not isinstance(layer, Linear):
        return False
    return layer.in_features >= 16 and math.isqrt(layer.in_features) ** 2 == layer.in_features


def _plot_layer(name: str, layer: Module, ax: Any) -> None:
    if isinstance(layer, Conv2d):
        plot_filters(layer, f"{name} ({layer._get_name()})", ax=ax)
    elif isinstance(layer, Linear):
        plot_weight_rows(layer, f"{name} ({layer._get_name()})", ax=ax)


def plot_weights(model: Module, *, most_layers: int = 6, figure: Any = None) -> Any:
    """Plot the weights of a network: histograms of each layer, and as images what can be seen as such.

    Images are made of the filters of convolutions larger than 1 × 1, and of the rows of the first layer where it is a
    dense one whose input is a square (784 inputs are an image of 28 × 28).

    Parameters
    ----------
    model : Module
    most_layers : int
        Layers that are drawn as images.
    figure : Figure or SubFigure, optional
    """
    with _styled("plot_weights"):
        pictured = _pictured_layers(model)[:most_layers]
        count = len(_weights(model))
        rows = -(-count // 4)
        image_rows = -(-len(pictured) // 2)
        heights = [2.1 * rows + 0.3, 3.4 * image_rows]
        figure = _figure(figure, 10, sum(heights))
        if not pictured:
            return plot_weight_histograms(model, figure=figure)
        upper, lower = figure.subfigures(2, 1, height_ratios=heights)
        plot_weight_histograms(model, figure=upper)
        for (name, layer), ax in zip(pictured, _grid(lower, len(pictured), min(len(pictured), 2))):
            _plot_layer(name, layer, ax)
        return figure


# ------------------------------------------------------------------------------------ activations, gradients


def plot_activations(model: Module, x: Any, *, layers: Sequence[str] | None = None, most: int = 16,
                     figure: Any = None) -> Any:
    """Draw what each layer makes of one input: feature maps as images, vectors as bars.

    The model runs in evaluation mode and is left as it was; the hooks that look on are removed, after an error too.

    Parameters
    ----------
    model : Module
    x : Tensor or array
        A batch; its first input is shown.
    layers : sequence of str, optional
        Names of modules; by default all without modules inside them, but for those that only reshape (Flatten) or do
        nothing in evaluation (Dropout).
    most : int
        Feature maps that are drawn of a layer.
    figure : Figure or SubFigure, optional
    """
    x = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
    modules = dict(model.named_modules())
    if layers is not None:
        unknown = [name for name in layers if name not in modules]
        if unknown:
            raise ValueError(f"plot_activations(): the model has no module {', '.join(map(repr, unknown))}; "
                             f"it has {', '.join(name for name in modules if name)}")
    seen: list[tuple[str, np.ndarray]] = []

    def on_module(trail: Any, module: Module, args: Any, output: Any) -> None:
        name = trail[-1].name
        output = output[0] if isinstance(output, tuple) else output
        chosen = name in layers if layers is not None else (
            next(module.children(), None) is None and not isinstance(module, Flatten | Dropout | Identity))
        if chosen and isinstance(output, Tensor) and output.ndim > 1:
            label = f"{name}: {module._get_name()}" if name else module._get_name()
            seen.append((label, output.data[0].copy()))

    with preserved(model), watch_modules(model, on_module=on_module):
        model(x[:1])
    panels = [("input", x.data[0]), *seen]
    with _styled("plot_activations"):
        columns = min(len(panels), 3)
        figure = _figure(figure, 3.5 * columns, 2.6 * -(-len(panels) // columns))
        for ax, (label, values) in zip(_grid(figure, len(panels), columns), panels):
            _plot_activation(ax, label, values, most, "value" if label == "input" else "activation")
        return figure


def _plot_activation(ax: Any, label: str, values: np.ndarray, most: int, quantity: str) -> None:
    if values.ndim == 3:
        tiles = values[:most]
        limits = _symmetric(tiles) if tiles.min() < 0 else (0.0, float(tiles.max()) or 1.0)
        _show(ax, _mosaic(tiles, _tile_columns(len(tiles))), limits, quantity)
        some = "" if len(tiles) == len(values) else f", {len(tiles)} maps shown"
        ax.set_title(f"{label}\n{' × '.join(map(str, values.shape))}{some}")
    elif values.ndim == 2:
        _show(ax, values, _symmetric(values) if values.min() < 0 else (0.0, float(values.max()) or 1.0), quantity)
        ax.set_aspect("auto")
        ax.set_title(f"{label}\n{' × '.join(map(str, values.shape))}")
    else:
        values = values.ravel()
        ax.bar(range(len(values)), values, width=0.8 if len(values) <= 40 else 1.0, color=BLUE)
        ax.axhline(0, color=_INK, linewidth=0.8)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlabel("unit")
        ax.set_ylabel(quantity)
        ax.set_title(f"{label}\n{len(values):,} units, {np.mean(values == 0):.0%} are 0")


def _dead_units(model: Module, x: Any) -> dict[str, tuple[int, int]]:
    """Return for each module that applies ReLU how many of its units are 0 for all inputs, and how many there are."""
    found: dict[str, tuple[int, int]] = {}
    times: dict[str, int] = {}
    modules = dict(model.named_modules())

    def on_operation(trail: Any, primitive: Any, inputs: Any, out: Tensor) -> None:
        if primitive.name in ("relu", "conv2d_relu", "linear_relu") and out.ndim > 1:
            units = 1 if out.ndim != 3 else 2
            dead = np.all(out.data <= 0, axis=tuple(i for i in range(out.ndim) if i != units)).ravel()
            module = modules[trail[-1].name if trail else ""]
            label = f"{trail[-1].name}: {module._get_name()}" if trail and trail[-1].name else module._get_name()
            times[label] = times.get(label, 0) + 1
            found[f"{label} ({times[label]})" if times[label] > 1 else label] = int(dead.sum()), len(dead)

    with preserved(model), watch_modules(model, on_operation):
        model(x if isinstance(x, Tensor) else Tensor(np.asarray(x)))
    return found


def plot_gradients(model: Module, x: Any = None, *, figure: Any = None) -> Any:
    """Plot how gradients flow: their mean size in each parameter, and that size relative to the parameter's.

    Gradients that shrink from layer to layer towards the input vanish, those that grow explode; where a gradient is
    small beside the parameter, the layer learns slowly.

    Parameters
    ----------
    model : Module
        After ``backward``.
    x : Tensor or array, optional
        A batch: adds a panel with the share of dead units, those that ReLU makes 0 for every input (and, of feature
        maps, everywhere). The model runs in evaluation mode and is left as it was.
    figure : Figure or SubFigure, optional

    Raises
    ------
    RuntimeError
        No parameter has a gradient.
    """
    parameters = list(model.named_parameters())
    if all(parameter.grad is None for _, parameter in parameters):
        raise RuntimeError("plot_gradients(): no parameter has a gradient; call it after backward() and before "
                           "zero_grad()")
    dead = {} if x is None else _dead_units(model, x)
    names = [name for name, _ in parameters]
    sizes = [None if p.grad is None else float(np.abs(p.grad.data).mean()) for _, p in parameters]
    weights = [float(np.abs(p.data).mean()) for _, p in parameters]
    ratios = [None if g is None or not w else g / w for g, w in zip(sizes, weights)]
    with _styled("plot_gradients"):
        panels = 3 if dead else 2
        figure = _figure(figure, 4.2 * panels, max(2.4, 0.24 * len(names) + 1.2))
        axes = _grid(figure, panels, panels)
        _bars(axes[0], names, sizes, BLUE, "mean |gradient|", "size of the gradient")
        _bars(axes[1], names, ratios, ORANGE, "mean |gradient| / mean |parameter|", "relative to the parameter")
        if dead:
            shares = [count / total for count, total in dead.values()]
            axes[2].barh(range(len(dead)), shares, color=PURPLE, height=0.7)
            axes[2].set_yticks(range(len(dead)), list(dead))
            axes[2].invert_yaxis()
            axes[2].set_xlim(0, 1)
            axes[2].xaxis.set_major_formatter(lambda value, position: f"{value:.0%}")
            for i, (count, total) in enumerate(dead.values()):
                share = count / total
                axes[2].text(share + 0.02 if share < 0.6 else share - 0.02, i, f"{count:,} of {total:,}", va="center",
                             ha="left" if share < 0.6 else "right", fontsize=8, color=_INK)
            axes[2].set_xlabel("share of units that are 0 for all inputs")
            axes[2].set_title("dead units")
        return figure


def _bars(ax: Any, names: list[str], values: list[float | None], colour: str, label: str, title: str) -> None:
    """Draw bars on a logarithmic axis, and in words what it cannot show."""
    finite = [value for value in values if value and math.isfinite(value)]
    least = min(finite, default=1.0)
    floor = 10.0 ** math.floor(math.log10(least) - 0.3)
    ceiling = 10.0 ** math.ceil(math.log10(max(finite, default=1.0)) + 0.1)
    for i, value in enumerate(values):
        if value and math.isfinite(value):
            ax.barh(i, value - floor, left=floor, color=colour, height=0.7)
        else:
            ax.text(floor * 1.1, i, " none" if value is None else f" {value:g}", va="center", fontsize=8, color=_INK)
    ax.set_xscale("log")
    ax.set_xlim(floor, ceiling)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(True, axis="x")
    ax.set_axisbelow(True)
    ax.set_xlabel(label)
    ax.set_title(title)


# ------------------------------------------------------------------------------------ predictions, saliency


def _scores(model: Module, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Return what the model says of images, in evaluation mode."""
    with preserved(model):
        parts = [model(Tensor(images[i : i + batch_size])).data for i in range(0, len(images), batch_size)]
    return np.concatenate(parts).astype(np.float64)


def plot_predictions(model: Module, images: Any, targets: Any, *, classes: Sequence[Any] | None = None, most: int = 20,
                     figure: Any = None) -> Any:
    """Show images with what a classifier says of them, the worst errors first.

    The order is that of the cross-entropy of each image: confident errors come first, then close ones, then what was
    right by a small margin.

    Parameters
    ----------
    model : Module
        Its output (N, C) are logits.
    images : Tensor or array (N, ...)
        As the model takes them; they are shown as (H, W), (1, H, W), (3, H, W), or a square in one dim.
    targets : Tensor or array of int (N,)
    classes : sequence, optional
        Names of the classes.
    most : int
        Images that are shown.
    figure : Figure or SubFigure, optional
    """
    images, targets = _array(images), _array(targets).astype(np.int64)
    if len(images) != len(targets) or targets.ndim != 1 or not len(images):
        raise ValueError("plot_predictions(): images and targets must be as many, and some "
                         f"(images.shape={images.shape}, targets.shape={targets.shape})")
    scores = _scores(model, images)
    log_probability = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    order = np.argsort(log_probability[np.arange(len(targets)), targets], kind="stable")[:most]
    said = scores.argmax(axis=1)
    wrong = int((said != targets).sum())
    names = range(scores.shape[1]) if classes is None else classes
    with _styled("plot_predictions"):
        columns = min(len(order), 5)
        figure = _figure(figure, max(1.75 * columns, 4), 2.0 * -(-len(order) // columns) + 0.4)
        for ax, i in zip(_grid(figure, len(order), columns), order):
            ax.imshow(_picture_of("plot_predictions", images[i]), cmap="gray_r", interpolation="nearest")
            _bare(ax)
            right = said[i] == targets[i]
            confidence = math.exp(log_probability[i, said[i]])
            ax.set_title(f"true {names[targets[i]]}\nsaid {names[said[i]]} ({confidence:.0%}) {'✓' if right else '✗'}",
                         color=_RIGHT if right else _WRONG, fontweight="normal" if right else "bold")
        figure.suptitle(f"{wrong:,} of {len(targets):,} wrong ({wrong / len(targets):.1%}); worst first", color=_INK)
        return figure


def saliency(model: Module, x: Any, target: Any = None) -> np.ndarray:
    """Return how much each element of the input bears on the score of a class: ``abs(d score[target] / d x)``.

    The model runs in evaluation mode and is left as it was; gradients of its parameters are not touched.

    Parameters
    ----------
    model : Module
        Its output (N, C) are scores.
    x : Tensor or array (N, ...)
    target : int or sequence of int (N,), optional
        The classes; by default those with the highest scores.

    Returns
    -------
    ndarray
        Of the shape of `x`.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks: visualising image classification models
    and saliency maps", 2013, arXiv:1312.6034.
    """
    leaf = Tensor(_array(x), requires_grad=True)
    with preserved(model), enable_grad():
        scores = model(leaf)
        if scores.ndim != 2:
            raise ValueError(f"saliency(): the model must return scores (N, C) (output.shape={scores.shape})")
        chosen = scores.data.argmax(axis=1) if target is None else np.broadcast_to(_array(target), len(scores.data))
        (g,) = grad(scores[np.arange(len(chosen)), chosen].sum(), [leaf])
    return np.abs(g.data)


def plot_saliency(model: Module, x: Any, target: Any = None, *, classes: Sequence[Any] | None = None, most: int = 6,
                  figure: Any = None) -> Any:
    """Show images, and below each which pixels bear on its class (`saliency`).

    Parameters
    ----------
    model, x, target
        See `saliency`.
    classes : sequence, optional
        Names of the classes.
    most : int
        Images that are shown.
    figure : Figure or SubFigure, optional
    """
    images = _array(x)[:most]
    if target is None:
        target = _scores(model, images).argmax(axis=1)
    targets = np.broadcast_to(_array(target)[:most] if np.ndim(_array(target)) else _array(target), len(images))
    maps = saliency(model, images, targets)
    with _styled("plot_saliency"):
        n = len(images)
        figure = _figure(figure, max(1.7 * n + 0.8, 4), 3.8)
        axes = _grid(figure, 2 * n, n)
        for i in range(n):
            axes[i].imshow(_picture_of("plot_saliency", images[i]), cmap="gray_r", interpolation="nearest")
            axes[i].set_title(f"class {targets[i] if classes is None else classes[targets[i]]}")
            strength = maps[i].max(axis=0) if maps[i].ndim == 3 else _picture_of("plot_saliency", maps[i])
            shown = axes[n + i].imshow(strength / (strength.max() or 1), cmap="cividis", vmin=0, vmax=1,
                                       interpolation="nearest")
            _bare(axes[i])
            _bare(axes[n + i])
        bar = figure.colorbar(shown, ax=axes[n:], shrink=0.9, aspect=14, pad=0.02)
        _own(bar.ax)
        bar.outline.set_visible(False)
        bar.set_label("|d score / d pixel|,\nrelative to its maximum")
        return figure


# ------------------------------------------------------------------------------------ report


def save_report(path: str | os.PathLike[str], model: Module, history: Any = None, matrix: Any = None,
                classes: Sequence[Any] | None = None) -> None:
    """Write one picture of a training run: the curves, the first layer's weights, the confusion matrix.

    Parameters
    ----------
    path : path
        Its suffix says how: ``.png``, ``.pdf``, ``.svg``.
    model : Module
    history : History or mapping, optional
        See `plot_history`; left out where it has no epochs.
    matrix : array, optional
        See `plot_confusion`.
    classes : sequence, optional
        Names of the classes.
    """
    with _styled("save_report"):
        series = _series(history) if history is not None else {}
        curves = [name for name in ("loss", "accuracy") if series.get(name)] if any(series.values()) else []
        widths = [3.8] * bool(curves) + [4.6] + [5.4] * (matrix is not None)
        figure = Picture(figsize=(sum(widths), 5.0), layout="constrained")
        parts = figure.subfigures(1, len(widths), width_ratios=widths, squeeze=False)[0]
        if curves:
            for name, ax in zip(curves, _grid(parts[0], len(curves), 1)):
                _plot_quantity(ax, name, series)
        middle = parts[1 if curves else 0]
        pictured = _pictured_layers(model)
        if pictured:
            _plot_layer(*pictured[0], _grid(middle, 1, 1)[0])
        elif _weights(model):
            plot_weight_histograms(model, figure=middle)
        if matrix is not None:
            plot_confusion(matrix, classes, ax=_grid(parts[-1], 1, 1)[0])
        figure.savefig(path)
