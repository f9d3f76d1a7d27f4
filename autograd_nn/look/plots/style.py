"""The look of a picture and the places in it: colours, the `Picture`, grids of axes."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, TypeAlias

try:
    import matplotlib.style
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.ticker import MaxNLocator
except ImportError:
    matplotlib = None  # type: ignore[assignment]
    Figure = object  # type: ignore[assignment, misc]

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import FigureBase

Place: TypeAlias = "Axes | FigureBase | SubplotSpec"  # where axes can be made
Drawn: TypeAlias = Any  # the new Picture, or the axes or the figure that were given

BLUE, VERMILLION, ORANGE, PURPLE = "#0072b2", "#d55e00", "#e69f00", "#cc79a7"
INK = "#1a1a1a"  # also on light shades, in every theme
_STYLE = {
    "figure.facecolor": "white", "figure.dpi": 100, "savefig.dpi": 150, "savefig.facecolor": "white",
    "axes.facecolor": "white", "axes.edgecolor": "#666666", "axes.linewidth": 0.8, "axes.labelcolor": INK,
    "axes.titlesize": 9, "axes.labelsize": 9, "axes.spines.top": False, "axes.spines.right": False,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "grid.color": "#dddddd", "grid.linewidth": 0.7, "legend.fontsize": 8, "font.size": 9,
    "figure.titlesize": 10,
}  # fmt: skip
_DARK = {
    "figure.facecolor": "#111111", "savefig.facecolor": "#111111", "axes.facecolor": "#111111",
    "axes.edgecolor": "#999999", "axes.labelcolor": "#e6e6e6", "text.color": "#e6e6e6", "xtick.color": "#e6e6e6",
    "ytick.color": "#e6e6e6", "grid.color": "#3a3a3a", "legend.facecolor": "#1c1c1c", "legend.edgecolor": "#444444",
}  # fmt: skip
_GREY = "#7b7b7b"  # as far from white as from the pages of dark themes
_BOTH = {
    "figure.facecolor": "none", "savefig.facecolor": "none", "axes.facecolor": "none", "axes.edgecolor": _GREY,
    "axes.labelcolor": _GREY, "text.color": _GREY, "xtick.color": _GREY, "ytick.color": _GREY,
    "grid.color": "#8080804d", "legend.facecolor": "none", "legend.edgecolor": "#80808066",
}  # fmt: skip
_themes = {"both": {**_STYLE, **_BOTH}, "light": _STYLE, "dark": {**_STYLE, **_DARK}}
_theme = "both"


def set_theme(theme: str) -> str:
    """Choose the look of the Pictures that are made from now on; return the one before.

    Parameters
    ----------
    theme : {'both', 'light', 'dark'}
        'both', the first choice, has no background, and grey text that can be read on light and on dark pages. 'light'
        is black on white, for print; 'dark' is the reverse. What is drawn into given axes has the colours of
        Matplotlib's style in use, whatever is chosen here.

    Examples
    --------
    >>> set_theme("light")
    'both'
    >>> set_theme("both")
    'light'
    """
    global _theme
    if theme not in _themes:
        raise ValueError(f"set_theme(): theme must be 'both', 'light' or 'dark' (theme={theme!r})")
    before, _theme = _theme, theme
    return before


def available() -> bool:
    """Return whether matplotlib is installed.

    Examples
    --------
    >>> from autograd_nn import plots
    >>> plots.available()
    True
    """
    return matplotlib is not None


def require(operation: str) -> None:
    """Raise ImportError on behalf of an operation where matplotlib is not installed."""
    if not available():
        raise ImportError(f"{operation}(): matplotlib is not installed (pip install 'autograd_nn[plots]')")


class Picture(Figure):
    """A figure that notebooks show by itself and that pyplot does not hold on to.

    Examples
    --------
    >>> from autograd_nn import plots
    >>> picture = plots.plot_history({"loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    >>> picture.savefig("curves.png")
    >>> type(picture).__name__
    'Picture'
    """

    def savefig(self, fname: str | os.PathLike[str] | IO[bytes], **settings: Any) -> None:
        """Write the picture to a file; the background is the picture's own, whatever the style in use says."""
        self.draw_without_rendering()  # a bar beside an image finds its place in the second layout only
        super().savefig(fname, **{"facecolor": self.get_facecolor(), "dpi": 150, **settings})

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=100)
        return content.getvalue()


@contextlib.contextmanager
def styled(function: str, *given: Axes | FigureBase | None) -> Iterator[None]:
    """Run a block in the style of a Picture, or in the style in use where axes or a figure are given."""
    require(function)
    with contextlib.nullcontext() if any(given) else matplotlib.style.context(["default", _themes[_theme]]):
        yield


def ink() -> str:
    """Return the colour of text in the style in use."""
    colour: str = matplotlib.rcParams["text.color"]
    return colour


def place_for(given: Axes | FigureBase | None, width: float, height: float) -> Axes | FigureBase:
    """Return what is given, or a new Picture of that size in inches."""
    return given or Picture(figsize=(width, height), layout="constrained")


def grid(place: Place, count: int, columns: int = 1) -> list[Axes]:
    """Return `count` axes in rows of `columns` at a place: a figure, a cell of a grid, or axes, which give way."""
    if isinstance(place, Axes) and count == 1:
        return [place]
    rows = -(-count // columns)
    cells: list[Any] = split(place, rows, columns)
    return [_own(cell.get_gridspec().figure.add_subplot(cell)) for cell in cells[:count]]


def split(place: Place, rows: int, columns: int, *, widths: Sequence[float] | None = None,
          heights: Sequence[float] | None = None) -> list[SubplotSpec]:
    """Return the cells of a grid at a place, row by row."""
    settings: dict[str, Any] = {"width_ratios": widths, "height_ratios": heights}
    if isinstance(place, Axes):
        place.set_axis_off()
        if place.figure.get_layout_engine() is None:
            settings |= {"wspace": 0.4, "hspace": 0.7}
        cell = place.get_subplotspec()
        if cell is None:
            box = place.get_position()
            settings |= {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
        place = cell or place.figure
    divide: Any = place.subgridspec if isinstance(place, SubplotSpec) else place.add_gridspec
    cells = divide(rows, columns, **settings)
    return [cells[row, column] for row in range(rows) for column in range(columns)]


def _own(ax: Axes) -> Axes:
    """Fix the colours of ticks, which are otherwise looked up when the picture is drawn."""
    ax.tick_params(which="both", color=matplotlib.rcParams["axes.edgecolor"], labelcolor=ink())
    return ax


def headline(place: Axes | FigureBase, text: str) -> None:
    """Put a line of text above all panels."""
    if isinstance(place, Axes):
        place.set_title(text, pad=30)
    else:
        place.suptitle(text, color=ink())


def few_ticks(axis: Axis, most: int, **settings: Any) -> None:
    """Place at most so many ticks and one, at round numbers."""
    axis.set_major_locator(MaxNLocator(most, **settings))


def even_columns(count: int, most: int) -> int:
    """Return how many columns fill the rows of at most `most` evenly."""
    return -(-count // -(-count // most))
