"""A profile as a flame: how much time each layer, and each operation in it, takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..profile import PHASES, profile
from .style import INK, Drawn, grid, place_for, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADES = dict(zip(PHASES, ("#9ecae9", "#f4b183", "#b7dcae")))  # light, so that names on them can be read
_LETTER = 0.0072  # width of a character, as a share of the picture


@dataclass
class _Span:
    """Time of a phase, layer or operation, with what is inside."""

    seconds: float = 0.0
    inside: dict[str, _Span] = field(default_factory=dict)


def plot_flame(profiled: profile, *, ax: Axes | None = None) -> Drawn:
    """Draw a profile: from below, phases, layers, the layers in them, operations, each as wide as its time.

    Parameters
    ----------
    profiled : profile
    ax : Axes, optional

    Examples
    --------
    >>> from autograd_nn import plots
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn.look.profile import profile
    >>> model = nn.Linear(4, 2)
    >>> with profile(model) as profiled:
    ...     model(ag.ones(3, 4)).sum().backward()
    >>> picture = plots.plot_flame(profiled)
    >>> len(profiled.events) > 0
    True
    """
    if not isinstance(profiled, profile):
        raise TypeError(f"plot_flame(): needs a profile, got {type(profiled).__name__}")
    if not profiled.events:
        raise ValueError("plot_flame(): the profile has no operations")
    root = _Span()
    for event in profiled.events:
        names = [name for name in event.trail if name]
        path = [event.phase, *names, f"{event.operation}()"]
        root.seconds += event.seconds
        span = root
        for name in path:
            span = span.inside.setdefault(name, _Span())
            span.seconds += event.seconds
    with styled("plot_flame", ax):
        depth = _depth(root)
        place = place_for(ax, 10, 0.32 * depth + 0.9)
        (panel,) = grid(place, 1)
        start = 0.0
        for phase in PHASES:
            if phase in root.inside:
                _draw(panel, phase, root.inside[phase], start, 0, phase, root.seconds)
                start += root.inside[phase].seconds
        panel.set_xlim(0, 1e3 * root.seconds)
        panel.set_ylim(-0.05, depth - 0.95)
        panel.set_yticks([])
        panel.spines["left"].set_visible(False)
        panel.set_xlabel(f"time in operations, in milliseconds ({len(profiled.events):,} operations)")
        return place


def _depth(span: _Span) -> int:
    return 1 + max(map(_depth, span.inside.values()), default=0)


def _draw(panel: Axes, name: str, span: _Span, start: float, level: int, phase: str, total: float) -> None:
    room = int(span.seconds / total / _LETTER)
    panel.barh(level + 0.45, 1e3 * span.seconds, height=0.9, left=1e3 * start, color=_SHADES[phase],
               edgecolor="white", linewidth=0.6 if room else 0.0)
    if room >= 3:
        text = name if len(name) <= room else name.rpartition(".")[2]
        text = text if len(text) <= room else text[: room - 1] + "…"
        panel.text(1e3 * (start + span.seconds / 2), level + 0.45, text, ha="center", va="center", fontsize=7,
                   color=INK, clip_on=True)
    for inner_name, inner in sorted(span.inside.items(), key=lambda item: -item[1].seconds):
        _draw(panel, inner_name, inner, start, level + 1, phase, total)
        start += inner.seconds
