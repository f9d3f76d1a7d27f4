"""Checks of what optimizers, schedules and clipping are given: errors name function, argument, value and rule."""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import Variable

__all__ = [
    "MEANT_IN_GROUPS", "KeywordsChecked", "choice", "flag", "function", "is_array", "is_finite", "listed", "number",
    "plain", "refuse_module", "require",
]  # fmt: skip

_MEANT = {"learning_rate": "lr", "rate": "lr", "max_learning_rate": "max_lr", "min_learning_rate": "min_lr",
          "wd": "weight_decay", "decay": "weight_decay", "l2": "weight_decay", "epsilon": "eps",
          "beta": "betas", "beta1": "betas", "beta2": "betas", "beta_1": "betas", "beta_2": "betas",
          "parameters": "params", "model": "params", "opt": "optimizer", "step": "step_size", "decay_rate": "gamma",
          "warmup": "total_iters", "epochs": "total_iters", "steps": "total_steps", "clip": "max_norm"}  # fmt: skip


MEANT_IN_GROUPS = {name: _MEANT[name] for name in (
    "learning_rate", "wd", "l2", "epsilon", "beta1", "beta2", "beta_1", "beta_2")}  # nobody keeps these for himself


def is_array(value: Any) -> bool:
    """Return whether a value is a tensor, an array or a NumPy number."""
    return isinstance(value, Variable | np.ndarray | np.generic)


def plain(value: Any) -> Any:
    """Return a tensor, an array or a NumPy number of one element as a Python number, anything else as it is."""
    if is_array(value):
        array = np.asarray(value.array if isinstance(value, Variable) else value)
        return array.item() if array.size == 1 else value
    return value


def require(holds: bool, where: str, rule: str, **values: Any) -> None:
    """Raise ValueError ``where: rule (name=value, ...)`` unless `holds`."""
    if not holds:
        found = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ValueError(f"{where}: {rule} ({found})")


def number(
    where: str,
    name: str,
    value: Any,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
    infinite: bool = False,
) -> Any:
    """Return the number that was given for an argument, as a Python number.

    Parameters
    ----------
    where : str
        The function, as in ``"SGD()"``.
    name : str
        The argument.
    value : number, or tensor or array of one number
    low, high : float, optional
        Bounds that are allowed themselves.
    above, below : float, optional
        Bounds that are not.
    whole : bool
        Ask for an integer.
    infinite : bool
        Allow infinity.

    Raises
    ------
    TypeError
        Something else than a number.
    ValueError
        A number out of bounds, NaN or infinite.
    """
    if low is not None and high is not None:
        bounds = f"between {low:g} and {high:g}"
    else:
        limits = [(low, "at least"), (above, "above"), (high, "at most"), (below, "below")]
        bounds = " and ".join(f"{words} {limit:g}" for limit, words in limits if limit is not None)
    kind = "an integer" if whole else "a number" if infinite else "a finite number"
    rule = f"{kind} {'of ' if bounds.startswith('at') else ''}{bounds}".rstrip()
    x: Any = plain(value)
    if isinstance(x, bool) or not isinstance(x, numbers.Real):
        raise TypeError(f"{where}: {name} must be {rule}, not {type(value).__name__} ({name}={_shown(value)})")
    x = int(x) if isinstance(x, numbers.Integral) else float(x)
    holds = (low is None or x >= low) and (high is None or x <= high)
    holds = holds and (above is None or x > above) and (below is None or x < below)
    finite = is_finite(x)
    holds = holds and (finite or (infinite and isinstance(x, float)))
    if not holds or (whole and not isinstance(x, int)):
        rule = bounds if bounds and finite and not whole else rule
        raise ValueError(f"{where}: {name} must be {rule} ({name}={_shown(value)})")
    return x


def is_finite(x: Any) -> bool:
    """Return whether a number is one of those that a float holds, infinities and NaN left out."""
    try:
        return math.isfinite(x)
    except OverflowError:
        return False


def flag(where: str, name: str, value: Any) -> bool:
    """Return what was given for an argument that is True or False."""
    x = plain(value)
    if not isinstance(x, bool) and not (isinstance(x, int) and x in (0, 1)):
        raise TypeError(f"{where}: {name} must be True or False, not {type(value).__name__} ({name}={_shown(value)})")
    return bool(x)


def choice(where: str, name: str, value: Any, accepted: Sequence[str]) -> str:
    """Return what was given for an argument that is one of some words."""
    rule = f"{', '.join(map(repr, accepted[:-1]))} or {accepted[-1]!r}"
    if not isinstance(value, str):
        raise TypeError(f"{where}: {name} must be {rule}, not {type(value).__name__} ({name}={_shown(value)})")
    if value not in accepted:
        raise ValueError(f"{where}: {name} must be {rule} ({name}={value!r})")
    return value


def function(where: str, name: str, value: Any, of: str) -> Callable[..., Any]:
    """Return what was given for an argument that is a function."""
    if not callable(value):
        raise TypeError(f"{where}: {name} must be a function of {of}, not {type(value).__name__} "
                        f"({name}={_shown(value)})")
    return value  # type: ignore[no-any-return]


def listed(where: str, name: str, value: Any, of: str) -> list[Any]:
    """Return as a list what was given for an argument that is several of something."""
    try:
        if isinstance(value, str | bytes | Mapping):
            raise TypeError
        return list(value)
    except TypeError:
        raise TypeError(f"{where}: {name} must be a list of {of}, not {type(value).__name__} "
                        f"({name}={_shown(value)})") from None


def refuse_module(where: str, name: str, value: Any) -> None:
    """Raise TypeError for a module that was given where its parameters belong."""
    if (callable(getattr(value, "parameters", None)) and callable(value)
            and not (isinstance(value, Iterable) and all(isinstance(item, Variable) for item in value))):
        raise TypeError(f"{where}: {name} must be an iterable of tensors, not {type(value).__name__}; "
                        "pass model.parameters()")


class KeywordsChecked:
    """Base of classes whose constructors answer an unknown keyword with the one that may be meant."""

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        accepted = dict(inspect.signature(cls.__init__).parameters) if keywords else {}
        rest = [name for name, p in accepted.items() if p.kind is p.VAR_KEYWORD]
        if rest == ["implementation"]:
            accepted.update(inspect.signature(_implementation).parameters)
        elif rest:
            keywords = {}  # a subclass that hands on what it does not know
        names = [name for name, p in accepted.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][1:]
        for name in keywords.keys() - set(names):
            near = difflib.get_close_matches(name, names, 1, cutoff=0.7)
            meant = _MEANT[name] if _MEANT.get(name) in names else near[0] if near else None
            advice = f"did you mean {meant}?" if meant else f"it takes {', '.join(names)}"
            raise TypeError(f"{cls.__name__}() got an unexpected keyword argument {name!r}; {advice}")
        return super().__new__(cls)


def _implementation(*, foreach: Any, fused: Any, capturable: Any, differentiable: Any) -> None:
    """Take what every optimizer takes by ``**implementation``."""


def _shown(value: Any) -> str:
    if is_array(value) and np.ndim(value):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
