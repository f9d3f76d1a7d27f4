"""Networks as functions of their parameters: `functional_call`, `stack_module_state`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..nn import Module
from ..ops.shape import stack

__all__ = ["functional_call", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers than its own, and leave it as it was.

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : dict of str to Tensor, or sequence of such
        By the names of `named_parameters` and `named_buffers`; what is not named stays the module's own.
    args : tuple, or one argument
    kwargs : dict, optional
    tie_weights : bool
        A tensor that the module has under several names is replaced under all of them.
    strict : bool
        Raise unless all parameters and buffers are named, and nothing else is.

    Returns
    -------
    What the module returns.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn.func import functional_call, grad
    >>> layer = nn.Linear(3, 1)
    >>> parameters = {name: p.detach() for name, p in layer.named_parameters()}
    >>> x = ag.ones(2, 3)
    >>> gradients = grad(lambda p: functional_call(layer, p, (x,)).sum())(parameters)
    >>> gradients["weight"].tolist()
    [[2.0, 2.0, 2.0]]
    """
    if isinstance(parameter_and_buffer_dicts, Mapping):
        given = dict(parameter_and_buffer_dicts)
    else:
        given = {}
        for each in parameter_and_buffer_dicts:
            twice = given.keys() & each.keys()
            if twice:
                raise ValueError(f"functional_call(): a name is in several dicts ({', '.join(sorted(twice))})")
            given.update(each)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with _swapped(module, given, tie_weights, strict):
        return module(*arguments, **(kwargs or {}))


def _places(module: Module) -> dict[str, tuple[dict[str, Any], str, Any]]:
    """Return by each name of a parameter or buffer the attributes that hold it, its name there, and itself."""
    places = {}
    for path, each in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, _ in each.named_parameters(recurse=False, remove_duplicate=False):
            places[prefix + name] = vars(each), name, vars(each)[name]
        for name, _ in each.named_buffers(recurse=False):
            places[prefix + name] = vars(each), name, vars(each)[name]
    return places


@contextmanager
def _swapped(module: Module, given: Mapping[str, Any], tie_weights: bool, strict: bool) -> Iterator[None]:
    """Put tensors in the places of a module's own until the end of the block."""
    places = _places(module)
    unknown = [name for name in given if name not in places]
    chosen = {name: value for name, value in given.items() if name in places}
    if tie_weights:
        by_identity = {id(places[name][2]): value for name, value in chosen.items()}
        for name, (_, _, own) in places.items():
            if id(own) in by_identity:
                chosen.setdefault(name, by_identity[id(own)])
    missing = [name for name in places if name not in chosen]
    if strict and (unknown or missing):
        raise RuntimeError("functional_call(): names do not fit the module (unexpected: "
                           f"{', '.join(unknown) or 'none'}; missing: {', '.join(missing) or 'none'})")
    try:
        for name, value in chosen.items():
            attributes, key, _ = places[name]
            attributes[key] = value
        yield
    finally:
        for name in chosen:
            attributes, key, own = places[name]
            attributes[key] = own


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules of one kind, each stacked along a new first dim.

    With `functional_call` and `vmap` they train, or answer, as an ensemble at once.

    Parameters
    ----------
    models : sequence of Module
        Of one class, with parameters of the same shapes, all training or all not.

    Returns
    -------
    parameters : dict of str to Tensor
        Leaves of their own; they require gradients as those of the modules do.
    buffers : dict of str to Tensor

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn.func import functional_call, stack_module_state, vmap
    >>> models = [nn.Linear(3, 2) for _ in range(4)]
    >>> parameters, buffers = stack_module_state(models)
    >>> def one(parameters, buffers, x):
    ...     return functional_call(models[0], (parameters, buffers), (x,))
    >>> vmap(one, in_dims=(0, 0, None))(parameters, buffers, ag.ones(5, 3)).shape
    (4, 5, 2)
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state(): expects at least one model")
    if any(type(model) is not type(models[0]) for model in models):
        kinds = sorted({type(model).__name__ for model in models})
        raise RuntimeError(f"stack_module_state(): all models must be of one class (got {', '.join(kinds)})")
    if any(model.training != models[0].training for model in models):
        raise RuntimeError("stack_module_state(): all models must be in one mode; call train() or eval() on each")
    parameters = _stacked(models, lambda model: dict(model.named_parameters()), "parameter")
    buffers = _stacked(models, lambda model: dict(model.named_buffers()), "buffer")
    return parameters, buffers


def _stacked(models: Sequence[Module], own: Callable[[Module], dict[str, Any]], kind: str) -> dict[str, Any]:
    states = [own(model) for model in models]
    stacked = {}
    for name, first in states[0].items():
        values: list[Any] = [state.get(name) for state in states]
        for value in values:
            if value is None or value.shape != first.shape or value.requires_grad != first.requires_grad:
                raise RuntimeError(f"stack_module_state(): {kind} {name!r} must be alike in all models (shape and "
                                   "requires_grad)")
        out = stack([value.detach() for value in values])
        stacked[name] = out.requires_grad_(first.requires_grad)
    return stacked
