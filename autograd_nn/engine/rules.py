"""Vector-Jacobian products: what a rule reads, by the names of its parameters, and what a call keeps for it.

The parameters of a rule name what it reads, and a call keeps nothing else:

- ``g``, the gradient of the first result (``h`` where an input is called ``g``); ``g_rstd`` that of the result
  ``rstd``, None where that result took no part;
- an input by its name, or ``x_like`` where only its shape and dtype are read;
- a result by its name (``out`` where there is one result);
- a setting by its name;
- ``needs`` in a joint rule: which inputs need a gradient;
- ``**settings``: all settings that the rule does not name.

A name with a star in the signature (``*arrays``) stands for a tuple, in rules too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property
from operator import itemgetter
from types import FunctionType
from typing import Any, NamedTuple

GRADIENT, INPUT, INPUTS, LIKE, LIKES, RESULT, RESULTS, SETTING, NEEDS, ALL_SETTINGS = range(10)
Source = tuple[int, Any]  # one of these, and the position or name of what is read


class Parameter(NamedTuple):
    """A parameter of a function, as `inspect` has it; `default` is set for those that are keyword-only."""

    name: str
    kind: Any
    default: Any = inspect.Parameter.empty


def parameters_of(function: Callable[..., Any]) -> Iterable[Parameter | inspect.Parameter]:
    """Return the parameters of a function; of a plain one, of which there are many at import, from its code."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return inspect.signature(function).parameters.values()
    code, kind = function.__code__, inspect.Parameter
    names, count = code.co_varnames, code.co_argcount
    defaults = function.__kwdefaults__ or {}
    found = [Parameter(name, kind.POSITIONAL_OR_KEYWORD) for name in names[:count]]
    stars = count + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        found.append(Parameter(names[stars], kind.VAR_POSITIONAL))
    found += [Parameter(name, kind.KEYWORD_ONLY, defaults.get(name, kind.empty)) for name in names[count:stars]]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found.append(Parameter(names[stars + bool(code.co_flags & inspect.CO_VARARGS)], kind.VAR_KEYWORD))
    return found


class Signature:
    """The names that an array function gives its inputs, settings and results."""

    def __init__(self, forward: Callable[..., Any], results: str):
        self.inputs: list[str] = []
        self.rest: str | None = None  # the name of ``*arrays``
        self.settings: dict[str, Any] = {}
        self.any_setting = False
        for p in parameters_of(forward):
            if p.kind is inspect.Parameter.VAR_POSITIONAL:
                self.rest = p.name
            elif p.kind is inspect.Parameter.VAR_KEYWORD:
                self.any_setting = True
            elif p.kind is inspect.Parameter.KEYWORD_ONLY:
                self.settings[p.name] = p.default
            else:
                self.inputs.append(p.name)
        self.many = results.startswith("*")  # results="*outputs": as many as the function returns
        self.results = [results[1:]] if self.many else results.split()
        taken = {*self.inputs, self.rest, *self.settings}
        self.gradient = "g" if "g" not in taken else "h"

    @cached_property
    def readable(self) -> dict[str, Source]:
        """What a rule can read, by the name that a parameter has for it."""
        known: dict[str, Source] = {name: (SETTING, name) for name in self.settings}
        known |= {f"{name}_like": (LIKE, i) for i, name in enumerate(self.inputs)}
        known |= {name: (INPUT, i) for i, name in enumerate(self.inputs)}
        known[self.gradient] = GRADIENT, 0
        known["needs"] = NEEDS, 0
        if self.rest is not None:
            known |= {self.rest: (INPUTS, len(self.inputs)), f"{self.rest}_like": (LIKES, len(self.inputs))}
        for i, name in enumerate(self.results):
            known[f"{self.gradient}_{name}"] = (GRADIENT, None) if self.many else (GRADIENT, i)
            known.setdefault(name, (RESULTS, 0) if self.many else (RESULT, i))
        return known


def sources_of(rule: Callable[..., Any], signature: Signature, operation: str) -> tuple[Source, ...]:
    """Return what each parameter of a rule reads; raise TypeError where one names nothing that is there."""
    inputs, known = signature.inputs, signature.readable
    sources = []
    for parameter in parameters_of(rule):
        name = parameter.name
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            sources.append((ALL_SETTINGS, 0))
            continue
        if name not in known and not signature.any_setting:
            first = inputs[0] if inputs else signature.rest
            raise TypeError(
                f"{operation}: a rule has the parameter {name!r}, which names no gradient, input, result or setting. "
                f"The parameters of a rule name what it reads, and a keyword names the input: {operation}.defvjp("
                f"{first}=lambda {', '.join([signature.gradient, *inputs])}: ...); {first}_like reads only its shape "
                f"and dtype (known names: {', '.join(known)})"
            )
        sources.append(known.get(name, (SETTING, name)))
    return tuple(sources)


class Plan:
    """What a call keeps for backward and how its rules are called, given which of its inputs need a gradient.

    Attributes
    ----------
    kept : list of int
        The positions of the inputs whose arrays are kept; `everything` says that it is all of them.
    stand_ins : list of int
        The positions of the inputs without a node of which a rule reads only the shape.
    outputs : list of int
        The numbers of the results that are kept (-1: all).
    keeps : bool
        Whether anything is kept that `backward` frees.
    values : list of (int, Any)
        What the rules read, each once, gradients first.
    rules : list of (int, callable, itemgetter)
        For each input that needs a gradient its position, its rule and what it picks of the values; a joint rule
        stands alone, with position -1.
    """

    __slots__ = ("everything", "keeps", "kept", "outputs", "plain", "rules", "simple", "stand_ins", "values")

    def __init__(self, primitive: Any, needs: int, count: int):
        if primitive.joint is not None:
            chosen = [(-1, *primitive.joint)]
        else:
            chosen = [(i, *primitive.rules[i]) for i in range(count) if needs >> i & 1]
        self.values: list[Source] = sorted({source for _, _, sources in chosen for source in sources}, key=_order)
        kept: set[int] = set()
        likes: set[int] = set()
        self.outputs = []
        for kind, at in self.values:
            if kind in (INPUT, INPUTS):
                kept.update(range(at, min(at + 1, count) if kind == INPUT else count))
            elif kind in (LIKE, LIKES):
                likes.update(range(at, min(at + 1, count) if kind == LIKE else count))
            elif kind in (RESULT, RESULTS):
                self.outputs.append(at if kind == RESULT else -1)
        self.kept = sorted(kept)
        self.stand_ins = [i for i in sorted(likes - kept) if not needs >> i & 1]
        self.everything = len(kept) == count
        self.keeps = bool(self.outputs or kept)
        self.plain = self.values == [(GRADIENT, 0), *((INPUT, i) for i in self.kept)]
        self.simple = self.everything and not self.outputs and needs == (1 << count) - 1
        places = {source: i for i, source in enumerate(self.values)}
        self.rules = [(i, _passing_settings(rule, sources) if (ALL_SETTINGS, 0) in sources else rule,
                       _picker([places[source] for source in sources])) for i, rule, sources in chosen]


def _passing_settings(rule: Callable[..., Any], sources: tuple[Source, ...]) -> Callable[..., Any]:
    """Return a function that takes all settings as its last argument and passes on what the rule does not name."""
    taken = {at for kind, at in sources if kind == SETTING}

    def passing(*values: Any) -> Any:
        return rule(*values[:-1], **{name: value for name, value in values[-1].items() if name not in taken})

    return passing


def _order(source: Source) -> tuple[int, str]:
    return source[0], str(source[1])


def _picker(places: list[int]) -> Callable[[list[Any]], Any]:
    """Return a function that picks the elements at `places` of a list, as a sequence."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0, 0))
