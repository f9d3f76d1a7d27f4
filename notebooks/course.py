"""What the notebooks share: the look of pictures, sliders that also stand still, one of each class, exercises."""

import functools
import io

import matplotlib.pyplot as plt
import numpy as np

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
TEN = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, "#8c564b", "#7f7f7f", "#b5a900", "#8a63d2")
GREY = "#7b7b7b"  # text and axes: can be read on light and on dark pages

STYLE = {
    "figure.dpi": 100, "figure.constrained_layout.use": True, "figure.facecolor": "white", "axes.facecolor": "none",
    "savefig.facecolor": "none", "axes.edgecolor": GREY, "axes.linewidth": 0.8, "axes.titlesize": 10,
    "axes.labelsize": 9, "axes.labelcolor": GREY, "text.color": GREY, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "grid.color": "#8080804d", "legend.fontsize": 8, "legend.frameon": False, "font.size": 9,
    "axes.prop_cycle": plt.cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY]),
}  # fmt: skip


def style():
    """Draw as the package's own pictures do: in colours for light and dark pages, without a background."""
    plt.rcdefaults()
    plt.rcParams.update(STYLE)
    if "inline" in plt.get_backend():  # not in STYLE: JupyterLab puts white under figures that are transparent
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png", bbox_inches="tight", facecolor="none")


def one_of_each(labels):
    """Return the index of the first example of each class, in the order of the classes."""
    return np.unique(np.asarray(labels), return_index=True)[1]


def show_images(images, titles=None, columns=10, size=0.9, **settings):
    """Draw images (n, H, W) or (n, 1, H, W) in rows."""
    images = np.asarray(images)
    images = images.reshape(len(images), *images.shape[-2:])
    rows = -(-len(images) // columns)
    height = size * images.shape[-2] / images.shape[-1] + (0.2 if titles is not None else 0)
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, height * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (ax, image) in enumerate(zip(axes.flat, images)):
        ax.imshow(image, **{"cmap": "gray_r", **settings})
        if titles is not None:
            ax.set_title(str(titles[i]), fontsize=9)
    return figure


def slider(draw, name, values, still=None, size=(2.7, 2.6)):
    """Draw `draw(ax, value)` for some values side by side and, where notebooks run, once more under a slider.

    Parameters
    ----------
    draw : callable
        Takes axes and a value, and draws.
    name : str
        What stands at the slider.
    values : sequence
        What the slider runs over.
    still : sequence, optional
        The values of the standing picture; three of `values` if not given.
    """
    still = [values[0], values[len(values) // 2], values[-1]] if still is None else still
    _, axes = plt.subplots(1, len(still), figsize=(size[0] * len(still), size[1]), squeeze=False)
    for ax, value in zip(axes[0], still):
        draw(ax, value)
    plt.show()
    try:
        import ipywidgets
        from IPython.display import display
    except ImportError:
        return

    def drawn(value):
        figure, ax = plt.subplots(figsize=(1.6 * size[0], 1.5 * size[1]))
        draw(ax, value)
        file = io.BytesIO()
        figure.savefig(file, format="png")
        plt.close(figure)
        return file.getvalue()

    control = ipywidgets.SelectionSlider(options=list(values), value=still[len(still) // 2], description=name,
                                         continuous_update=False)  # fmt: skip
    # An Image, not an Output: for an Output the client answers the kernel, and may miss the end of the cell meanwhile.
    picture = ipywidgets.Image(value=drawn(control.value), layout=ipywidgets.Layout(align_self="flex-start"))
    control.observe(lambda change: setattr(picture, "value", drawn(change["new"])), names="value")
    display(ipywidgets.VBox([control, picture]))


def exercise(check):
    """Make a check of `check`, which returns a hint if the answer is wrong, None if right, and ... if there is none."""

    @functools.wraps(check)
    def checked(*answers):
        number = check.__name__.rpartition("_")[2]
        try:
            hint = ... if any(answer is ... for answer in answers) else check(*answers)
        except Exception as error:
            hint = f"it stopped with {type(error).__name__}: {error}"
        if hint is ...:
            print(f"Exercise {number}: put your answer in the place of ...")
        else:
            print(f"Exercise {number}: right!" if hint is None else f"Exercise {number}: not yet. {hint}")

    return checked


def close(found, wanted, tolerance=1e-4):
    """Return whether two results agree, in shape and in values."""
    found, wanted = np.asarray(found, dtype=float), np.asarray(wanted, dtype=float)
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=tolerance, atol=tolerance)
