"""Write the reference pages of the documentation: every public name, with its whole docstring.

All of it is read from the package. A page holds the names of one module, or of one family of a large module: the
names that the same file defines. `conf.py` calls `write` before Sphinx reads its sources.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import types
from dataclasses import dataclass, field
from typing import Any

from autograd_nn.engine import Primitive

MODULES = {
    "autograd_nn": "Tensors and operations. The same operations are methods of `Tensor`.",
    "autograd_nn.Tensor": "Methods and attributes of `Tensor`. Those with a trailing underscore work in place.",
    "autograd_nn.nn": "Layers, losses and containers.",
    "autograd_nn.nn.functional": "Functions of networks, usually imported as `F`.",
    "autograd_nn.nn.init": "Initial values.",
    "autograd_nn.nn.utils": "Tools for parameters.",
    "autograd_nn.nn.utils.rnn": "Sequences of different lengths.",
    "autograd_nn.optim": "Optimizers.",
    "autograd_nn.optim.lr_scheduler": "Learning-rate schedules.",
    "autograd_nn.optim.swa_utils": "Averaged weights.",
    "autograd_nn.autograd": "Beyond `backward`.",
    "autograd_nn.autograd.functional": "Products with Jacobians and Hessians.",
    "autograd_nn.fft": "Discrete Fourier transforms.",
    "autograd_nn.linalg": "Linear algebra.",
    "autograd_nn.special": "Special functions.",
    "autograd_nn.masked": "Reductions that leave elements out.",
    "autograd_nn.distributions": "Probability distributions.",
    "autograd_nn.sparse": "Sparse matrices.",
    "autograd_nn.parallel": "Training on several processes.",
    "autograd_nn.distributed": "PyTorch's names for training on several processes.",
    "autograd_nn.onnx": "Networks as ONNX files.",
    "autograd_nn.compiled": "Compiled steps.",
    "autograd_nn.func": "Derivatives of functions, and `vmap`.",
    "autograd_nn.array_api": "The array API standard: what `x.__array_namespace__()` returns.",
    "autograd_nn.engine": "The graph, and how operations are defined.",
    "autograd_nn.data": "Data sets and loaders.",
    "autograd_nn.data.transforms": "Transforms of images.",
    "autograd_nn.metrics": "Figures of merit.",
    "autograd_nn.training": "The training loop.",
    "autograd_nn.models": "Ready-made networks.",
    "autograd_nn.sklearn": "Networks as scikit-learn estimators, with the extra `sklearn`.",
    "autograd_nn.plots": "Pictures, with the extra `plots`.",
    "autograd_nn.summary": "A network as a table.",
    "autograd_nn.graph_drawing": "A graph as a picture.",
    "autograd_nn.checkpoints": "Tensors on disk.",
    "autograd_nn.testing": "Checks of gradients.",
    "autograd_nn.mistakes": "Warnings of mistakes that raise no error.",
    "autograd_nn.backends": "Switches of implementations that are not here.",
}
LARGE = 40  # a module with more names is divided into families

RULE = re.compile(r"gradient|derivative|differentia|subgradient|\btie", re.IGNORECASE)
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def plain(value: Any) -> Any:
    """Return the function or class that stands behind a public name, which has the docstring."""
    if isinstance(value, Primitive):
        return value.forward
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    return value.fget if isinstance(value, property) else value


def members(name: str) -> list[tuple[str, Any]]:
    """Return the public names of a module, or of the class Tensor, with their values; modules are left out."""
    if name == "autograd_nn.Tensor":
        tensor = importlib.import_module("autograd_nn").Tensor
        names = [n for n in sorted(dir(tensor)) if not n.startswith("_") and hasattr(tensor, n)]
        values = [(n, inspect.getattr_static(tensor, n)) for n in names]
        return [(n, value) for n, value in values if not isinstance(value, types.MemberDescriptorType)]
    module = importlib.import_module(name)
    values = [(n, getattr(module, n)) for n in sorted(module.__all__)]
    return [(n, value) for n, value in values if not isinstance(value, types.ModuleType)]


def signature(value: Any) -> str:
    """Return the parameters of a function or class as they are given, without annotations."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "()" if callable(value) else ""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return ADDRESS.sub("", str(inspect.Signature(parameters)))


def sentences(text: str) -> list[str]:
    """Return the sentences of the prose of a docstring: of all that stands before its first section."""
    prose = re.split(r"\n(?:\S[^\n]*)\n-{3,}\n", inspect.cleandoc(text))[0]
    paragraphs = [" ".join(p.split()) for p in prose.split("\n\n") if not p.startswith((" ", ">>>"))]
    return [s for p in paragraphs for s in re.split(r"(?<=\.) (?=[A-Z`0])", p)]


def without_gradient(value: Any) -> bool:
    """Return whether a value is an operation that has no gradient and whose docstring does not say so."""
    return isinstance(value, Primitive) and not value.differentiable and not RULE.search(value.forward.__doc__ or "")


def indented(text: str, by: int = 3) -> list[str]:
    """Return the lines of a text moved to the right."""
    return [" " * by + line if line.strip() else "" for line in text.splitlines()]


def escaped(line: str) -> str:
    """Return a line in which a star before a name (``*shape``) is a star, not the begin of emphasis."""
    if line.lstrip().startswith((">>>", "...")):
        return line
    parts = re.split(r"(``.*?``|`.*?`)", line)
    parts[::2] = [
        re.sub(r"(?<![\w*\\])(\*{1,2})(?=[a-z_][\w.]*(?![\w.]*\*))", lambda m: m[1].replace("*", "\\*"), part)
        for part in parts[::2]
    ]
    return "".join(parts)


def docstring(target: Any) -> str:
    """Return a docstring without its indentation, its stars escaped."""
    return "\n".join(map(escaped, inspect.cleandoc(getattr(target, "__doc__", None) or "").splitlines()))


def ours(target: Any) -> bool:
    """Return whether a function or class is defined in the package."""
    return (getattr(target, "__module__", None) or "").startswith("autograd_nn")


def body(value: Any) -> str:
    """Return what an entry says: the whole docstring, and that there is no gradient where there is none."""
    text = docstring(plain(value))
    return f"{text}\n\n*No gradient.*" if without_gradient(value) else text


@dataclass
class Page:
    """A page of the reference: a title, what it is about, and entries in reStructuredText."""

    name: str
    title: str
    about: str
    entries: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the page's source."""
        head = [self.title, "=" * len(self.title), "", self.about, ""]
        return "\n".join(head + self.entries) + "\n"


class Writer:
    """Makes entries; an object that was described before is only named, with a link."""

    def __init__(self, render: Any):
        self.render = render  # from a numpydoc docstring to reStructuredText
        self.described: dict[int, str] = {}

    def entry(self, module: str, name: str, value: Any) -> list[str]:
        """Return the lines of one public name."""
        target = plain(value)
        full = f"{module}.{name}"
        kind = "class" if inspect.isclass(target) else "function" if callable(target) else "data"
        if kind == "class" and issubclass(target, BaseException):
            kind = "exception"
        lines = [f".. py:{kind}:: {name}{'' if kind == 'data' else signature(target)}", f"   :module: {module}", ""]
        if kind == "data":
            return [*lines, f"   ``{ADDRESS.sub('', repr(value))}``", ""]
        if not ours(target):
            return [*lines, f"   ``{target.__module__}.{target.__name__}``", ""]
        known = self.described.get(id(target))
        if known is not None:
            first = (sentences(target.__doc__ or "") or [""])[0]
            return [*lines, *indented(first), "", f"   The same as :py:obj:`{known}`.", ""]
        self.described[id(target)] = full
        lines += [*indented(self.render(body(value), full)), ""]
        if inspect.isclass(target):
            lines += self.methods(target)
        return lines

    def methods(self, owner: type) -> list[str]:
        """Return the public methods that a class defines itself and describes."""
        lines: list[str] = []
        for name, value in vars(owner).items():
            target = plain(value)
            text = docstring(target)
            shows = inspect.isfunction(target) or isinstance(value, property)
            if name.startswith("_") or not text or not shows or not ours(target):
                continue
            if owner.__name__ == "Tensor":
                continue  # has pages of its own
            kind = "property" if isinstance(value, property) else "method"
            shown = "" if kind == "property" else signature(target)
            text = self.render(text, f"{owner.__name__}.{name}")
            lines += [f"   .. py:{kind}:: {name}{shown}", "", *indented(text, 6), ""]
        return lines

    def tensor_entry(self, name: str, value: Any) -> list[str]:
        """Return the lines of a method or attribute of Tensor."""
        target = plain(value)
        lines = [
            f".. py:{'property' if isinstance(value, property) else 'method'}:: Tensor.{name}"
            f"{signature(target) if callable(target) and not isinstance(value, property) else ''}",
            "   :module: autograd_nn",
            "",
        ]
        known = self.described.get(id(target))
        text = getattr(target, "__doc__", None) or ""
        if known is not None or not text:
            first = (sentences(text) or [""])[0]
            return [*lines, *indented(first), "", f"   See :py:obj:`{known}`." if known else "", ""]
        return [*lines, *indented(self.render(body(value), f"Tensor.{name}")), ""]


def family(value: Any) -> str:
    """Return the file that defines a value, without folders: `elementwise`."""
    module = getattr(plain(value), "__module__", None) or "constants"
    return module.rpartition(".")[2] if module.startswith("autograd_nn") else "constants"


def pages(render: Any) -> dict[str, list[Page]]:
    """Return the pages of each module."""
    writer = Writer(render)
    found: dict[str, list[Page]] = {}
    for module, about in MODULES.items():
        values = members(module)
        if module == "autograd_nn.Tensor":
            ends = [("A to L", "a", "m"), ("M to Z", "m", "{")]
            found[module] = []
            for title, low, high in ends:
                page = Page(f"{module}.{low}", f"Tensor, {title}", about)
                for name, value in values:
                    if low <= name[0].lower() < high:
                        page.entries += writer.tensor_entry(name, value)
                        page.names.append(name)
                found[module].append(page)
            continue
        groups: dict[str, list[tuple[str, Any]]] = {}
        for name, value in values:
            groups.setdefault(family(value) if len(values) > LARGE else "", []).append((name, value))
        if len(values) > LARGE:
            small = [key for key, group in groups.items() if len(group) < 4]
            more = [member for key in small for member in groups.pop(key)]
            groups = dict(sorted(groups.items()))
            if more:
                groups["more"] = sorted(more, key=lambda member: member[0])
        found[module] = []
        for key, group in groups.items():
            title = f"{module}: {key.replace('_', ' ').strip()}" if key else module
            page = Page(f"{module}-{key}" if key else module, title, about)
            for name, value in group:
                page.entries += writer.entry(module, name, value)
                page.names.append(name)
            found[module].append(page)
    return found


def write(folder: pathlib.Path, render: Any) -> int:
    """Write all pages into a folder, leave those alone that are up to date, and return the number of names."""
    folder.mkdir(parents=True, exist_ok=True)
    made, count = {}, 0
    rows = []
    for module, parts in pages(render).items():
        for page in parts:
            made[f"{page.name}.rst"] = page.text()
            count += len(page.names)
        if len(parts) == 1:
            rows.append(f"   {parts[0].name}")
        else:
            listing = [module, "=" * len(module), "", MODULES[module], ""]
            for page in parts:
                names = ", ".join(f":py:obj:`{name} <{module}.{name}>`" for name in page.names)
                listing += [f":doc:`{page.title} <{page.name}>`", *indented(names), ""]
            listing += [".. toctree::", "   :hidden:", "", *(f"   {page.name}" for page in parts), ""]
            made[f"{module}.index.rst"] = "\n".join(listing)
            rows.append(f"   {module}.index")
    made["index.rst"] = "\n".join(
        [
            "Reference",
            "=========",
            "",
            "Every public name, generated from the docstrings. ``help(name)`` shows the same text in Python.",
            "",
            ".. toctree::",
            "   :maxdepth: 1",
            "",
            *rows,
            "",
        ]
    )
    for name, text in made.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.glob("*.rst"):
        if path.name not in made:
            path.unlink()
    return count
