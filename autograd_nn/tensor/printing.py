"""How arrays and modules show themselves: short text, and HTML for notebooks.

What is shown is bounded, so that printing takes no longer for a tensor of a gigabyte than for one of a kilobyte. The
HTML sets no colours and is read on dark and light pages alike.
"""

from __future__ import annotations

import html
import sys
from typing import Any

import numpy as np

from ..engine import Call, Node, get_default_dtype

__all__ = ["format_bytes", "html_table", "module_html", "set_printoptions", "tensor_html", "tensor_text"]

_WHOLE = 200  # arrays of up to so many elements are printed whole
_chosen: dict[str, Any] = {"precision": 4}  # what `set_printoptions` set, as numpy.array2string names it
_EDGES = (3, 3, 3, 2, 1, 1, 1)  # by number of dims: how many elements of a large array are printed at each end
_CELLS = 3  # rows and columns at each end of a preview in HTML
_MEASURED = 2**18  # smallest, largest and mean are given for arrays of up to so many elements

_DEFAULTS = (np.dtype(np.int64), np.dtype(bool))


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors print; what is None stays as it is.

    Parameters
    ----------
    precision : int
        Digits after the point, 4 at the start.
    threshold : int
        The number of elements beyond which only those at the edges are shown, 200 at the start.
    edgeitems : int
        How many are shown at each edge.
    linewidth : int
        Characters in a line.
    profile : {'default', 'short', 'full'}
        Set all of them first: as at the start, with 2 digits, with all elements.
    sci_mode : bool
        True is not supported: the elements decide.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> ag.set_printoptions(precision=2)
    >>> ag.tensor([1 / 3])
    tensor([0.33])
    >>> ag.set_printoptions(profile="default")
    >>> ag.tensor([1 / 3])
    tensor([0.3333])
    """
    profiles: dict[str | None, dict[str, Any]] = {
        None: _chosen, "default": {"precision": 4}, "short": {"precision": 2, "edgeitems": 2, "threshold": 1000},
        "full": {"precision": 4, "threshold": sys.maxsize},
    }  # fmt: skip
    if profile not in profiles:
        raise ValueError(f"set_printoptions(): profile must be 'default', 'short' or 'full' (profile={profile!r})")
    if sci_mode:
        raise ValueError("set_printoptions(): sci_mode=True is not supported; the elements decide")
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "max_line_width": linewidth}
    chosen = {**profiles[profile], **{name: value for name, value in given.items() if value is not None}}
    _chosen.clear()
    _chosen.update(chosen)


def tensor_text(array: np.ndarray, node: Node | None) -> str:
    """Return what ``repr`` of a tensor shows: its elements, of a large one those at the edges, and what is special."""
    whole = _chosen.get("threshold", _WHOLE)
    if array.size <= whole or array.ndim < len(_EDGES):
        settings: dict[str, Any] = {"threshold": whole, **_chosen}
        if array.size > whole:
            settings.setdefault("edgeitems", _EDGES[array.ndim])
        parts = [np.array2string(array, separator=", ", prefix="tensor(", **settings)]
    else:
        parts = ["..."]
    if array.size > whole or array.size == 0:
        parts.append(f"shape={array.shape}")
    if array.dtype not in (get_default_dtype(), *_DEFAULTS):
        parts.append(f"dtype={array.dtype}")
    if isinstance(node, Call):
        parts.append(f"origin={node.primitive.name}")
    elif node is not None:
        parts.append("requires_grad=True")
    return f"tensor({', '.join(parts)})"


# ------------------------------------------------------------------------------------ HTML


def html_table(rows: list[list[str]], head: list[str] | None = None, left: int = 1, foot: int = 0) -> str:
    """Return a table of cells, which are escaped; the first `left` columns are text, the last `foot` rows totals."""

    def row(cells: list[str], tag: str, bold: bool = False) -> str:
        style = "white-space:pre;" + ("font-weight:bold;" if bold else "")
        aligned = [(cell, "left" if i < left else "right") for i, cell in enumerate(cells)]
        return "<tr>" + "".join(
            f'<{tag} style="{style}text-align:{side}">{html.escape(cell)}</{tag}>' for cell, side in aligned
        ) + "</tr>"

    header = f"<thead>{row(head, 'th')}</thead>" if head else ""
    body = "".join(row(cells, "td", i >= len(rows) - foot) for i, cells in enumerate(rows))
    return f"<table>{header}<tbody>{body}</tbody></table>"


def format_bytes(count: int) -> str:
    """Return a number of bytes with a binary unit, such as ``91.7 KiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def tensor_html(name: str, array: np.ndarray, node: Node | None) -> str:
    """Return a table of what a tensor is, and of the elements at the edges of its last two dims.

    Parameters
    ----------
    name : str
        Of the class.
    array : ndarray
    node : Node or None
        Its place in the graph.
    """
    facts = [["shape", str(array.shape)], ["dtype", f"{array.dtype}, {format_bytes(array.nbytes)}"]]
    if isinstance(node, Call):
        facts.append(["origin", node.primitive.name])
    elif node is not None:
        facts.append(["requires grad", "yes, no gradient yet" if node.grad is None else "yes, has a gradient"])
    if 1 < array.size <= _MEASURED and array.dtype.kind in "fiu":
        low, high, mean = array.min(), array.max(), array.mean(dtype=np.float64)
        facts.append(["elements", f"from {low:.4g} to {high:.4g}, mean {mean:.4g}"])
    preview = _preview(array) if array.size else ""
    return f"<div><strong>{html.escape(name)}</strong>{html_table(facts, left=2)}{preview}</div>"


def _preview(array: np.ndarray) -> str:
    """Return the elements at the edges of an array's first matrix as a table."""
    leading = array.ndim - 2
    caption = f"<div>[{'0, ' * leading}:, :]</div>" if leading > 0 else ""
    matrix = np.atleast_2d(array[(0,) * leading] if leading > 0 else array)
    rows, columns = (_edges(n) for n in matrix.shape)
    cells = [["⋮" if i is None else "…" if j is None else _number(matrix[i, j]) for j in columns] for i in rows]
    return caption + html_table(cells, left=0)


def _edges(n: int) -> list[int | None]:
    """Return the positions to show of `n`; None stands for those left out."""
    return list(range(n)) if n <= 2 * _CELLS + 1 else [*range(_CELLS), None, *range(n - _CELLS, n)]


def _number(value: Any) -> str:
    return f"{value:.4g}" if value.dtype.kind == "f" else str(value)


def module_html(module: Any) -> str:
    """Return a module as a tree that opens and closes, with the number of parameters of each branch."""
    return f'<div style="font-family:monospace">{_branch("", module, 0)}</div>'


def _branch(name: str, module: Any, depth: int) -> str:
    count = sum(parameter.numel() for parameter in module.parameters())
    label = f"({name}) " if name else ""
    children = list(module.named_children())
    settings = "" if children else module.extra_repr()
    line = html.escape(f"{label}{module._get_name()}({settings})")
    if count:
        line += f" <small>{count:,} parameters</small>"
    if not children:
        return f'<div style="margin-left:1.2em">{line}</div>'
    inner = "".join(_branch(child_name, child, depth + 1) for child_name, child in children)
    start = '<details style="margin-left:1.2em"' if depth else "<details"
    return f"{start}{' open' if depth < 2 else ''}><summary>{line}</summary>{inner}</details>"
