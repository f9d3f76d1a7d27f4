"""Trading time for memory: recompute a part of the forward pass in the backward pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import (
    Update,
    Variable,
    enable_grad,
    grad,
    is_grad_enabled,
    last_change,
    listen,
    no_grad,
    primitive,
    versions,
)
from ..engine.backward import outside as shown
from ..ops.random import default_generator
from ..ops.shape import identity
from ..tensor import Tensor
from ..typing import Array

__all__ = ["checkpoint", "checkpoint_sequential"]

SAMPLED = 64  # elements of each result by which the second run is compared with the first


class _Region:
    """What a function reads and writes, as a listener at the door sees it.

    Attributes
    ----------
    read : dict
        The tensors from outside that require a gradient: arguments, parameters, what a lambda closes over.
    written : dict
        The tensors from outside that were written to: running statistics, which must not move twice.
    used : dict
        The memory of all tensors from outside, which must not change until the second run.
    samples : list
        Shape, dtype and some elements of each result, which the second run must give too.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: dict[str, Any],
                 preserve_random: bool, is_compared: bool):
        self.function, self.arguments, self.keywords = function, arguments, keywords
        self.state = default_generator.get_state() if preserve_random else None
        self.is_compared = is_compared
        self.used: dict[int, weakref.ref[Array]] = {}
        self.samples: list[Any] = []
        self.time = 0
        self.read: dict[int, Tensor] = {}
        self.written: dict[int, Any] = {}
        self.made: set[int] = set()
        self.results: list[Any] = []  # keeps what was made alive, so that no id comes twice
        self.structure: Callable[[Sequence[Tensor]], Any] = tuple

    def _watch(self, proceed: Callable[..., Any], primitive: Any, inputs: Any, params: Any) -> Any:
        for x in inputs:
            if isinstance(x, Variable) and id(x) not in self.made:
                memory = _memory(x)
                if memory is not None:
                    self.used[id(x)] = weakref.ref(memory)
                if x.requires_grad:
                    self.read[id(x)] = x  # type: ignore[assignment]
        if isinstance(primitive, Update):
            self.written |= {id(x): x for x in primitive.written(inputs) if id(x) not in self.made}
        out = proceed(*inputs, **params)
        for result in out if isinstance(out, tuple) else (out,):
            if id(result) not in self.written:
                self.made.add(id(result))
                self.results.append(result)
        return out

    def _unmoved(self, proceed: Callable[..., Any], primitive: Any, inputs: Any, params: Any) -> Any:
        if isinstance(primitive, Update):
            targets = primitive.written(inputs)
            if targets and all(id(x) in self.written for x in targets):
                return targets[0]
        return proceed(*inputs, **params)

    def first(self) -> list[Tensor]:
        """Run the function, recording nothing, and return its tensors."""
        with no_grad(), listen(self._watch):
            result = self.function(*self.arguments, **self.keywords)
        self.made, self.results = set(), []
        tensors: list[Tensor] = []
        self.structure = _structure(result, tensors)
        self.samples = [self._sample(x) for x in tensors] if self.is_compared else []
        self.time = versions.clock
        return tensors

    def _sample(self, x: Tensor) -> tuple[Any, ...]:
        """Return shape, dtype and, unless other random numbers are drawn the second time, some elements."""
        memory = _memory(x)
        if memory is None or self.state is None:
            return tuple(x.shape), x.dtype, None
        return memory.shape, memory.dtype, memory.flat[:: max(1, memory.size // SAMPLED)]

    def check_used(self) -> None:
        """Raise if something from outside has changed: the second run would differentiate another function."""
        for name, reference in self.used.items():
            memory = reference()
            time, operation = (0, "") if memory is None or name in self.written else last_change(memory)
            if memory is not None and time > self.time:
                by = f"{operation}()" if operation else "an in-place method, item assignment or an optimizer step"
                raise RuntimeError(f"checkpoint(): a tensor of shape {memory.shape} that the function reads was "
                                   f"changed in place before the backward pass, by {by}; work on a .clone(), or "
                                   "compute the forward pass again")

    def check_results(self, tensors: list[Tensor]) -> None:
        """Raise if the second run gave something else than the first."""
        if not self.is_compared:
            return
        again = [self._sample(x) for x in tensors]
        if len(again) == len(self.samples) and all(map(_alike, self.samples, again)):
            return
        raise RuntimeError("checkpoint(): the function gave other results when it was run again, in the backward "
                           "pass, so that its gradient would be wrong; something that it depends on has changed: a "
                           "mode (train(), eval()), an attribute, or random numbers that are not this package's "
                           "(determinism_check='none' accepts it)")

    def again(self) -> list[Tensor]:
        """Run the function once more, recorded and from the generator's state of the first time."""
        later = default_generator.get_state()
        if self.state is not None:
            default_generator.set_state(self.state)
        try:
            with enable_grad(), listen(self._unmoved):
                result = self.function(*self.arguments, **self.keywords)
        finally:
            if self.state is not None:
                default_generator.set_state(later)
        tensors: list[Tensor] = []
        _structure(result, tensors)
        self.check_results(tensors)
        return tensors


def _memory(x: Any) -> Array | None:
    """Return the array of a tensor; None for one inside `vmap`, which stands for many samples."""
    array = x.array
    return array if isinstance(array, np.ndarray) else None


def _alike(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Return whether two samples agree up to rounding: what is recorded may be computed by other kernels."""
    if a[:2] != b[:2] or (a[2] is None) or (b[2] is None):
        return a[:2] == b[:2]
    if a[1].kind not in "fc":
        return bool(np.array_equal(a[2], b[2]))
    finite = np.abs(a[2][np.isfinite(a[2])]).max(initial=0)
    tolerance = 1e-2 if a[1] == np.float16 else 1e-3
    return bool(np.allclose(a[2], b[2], tolerance, tolerance * float(finite), equal_nan=True))


def _structure(value: Any, tensors: list[Tensor]) -> Callable[[Sequence[Tensor]], Any]:
    """Append the tensors of a structure to a list; return a function that makes the structure of others."""
    if isinstance(value, Tensor):
        place = len(tensors)
        tensors.append(value)
        return lambda found: found[place]
    if isinstance(value, dict):
        parts = {key: _structure(item, tensors) for key, item in value.items()}
        return lambda found: type(value)((key, part(found)) for key, part in parts.items())
    if isinstance(value, tuple | list):
        items = [_structure(item, tensors) for item in value]
        made = (lambda things: type(value)(*things)) if hasattr(value, "_fields") else type(value)
        return lambda found: made([item(found) for item in items])
    return lambda found: value


@primitive(results="*outputs", complex=True)
def _checkpointed(*arrays: Array, region: _Region, count: int) -> tuple[Array, ...]:
    """Return what the region computed, having recorded nothing of it."""
    return arrays[count:]


@_checkpointed.defvjps
def _recompute(g_outputs: Sequence[Tensor | None], region: _Region, needs: Sequence[bool]) -> list[Tensor | None]:
    """Run the function again, recorded, and differentiate it.

    While it runs, each tensor from outside stands for a call of its own behind its place in the graph, so that the
    gradients found there are those of this region alone.
    """
    region.check_used()
    outside = list(region.read.values())
    nodes = [x.node for x in outside]
    with enable_grad():
        stand_ins = [identity(x) for x in outside]
    try:
        for x, stand_in in zip(outside, stand_ins):
            x.node = stand_in.node
        again = region.again()
    finally:
        for x, node in zip(outside, nodes):
            x.node = node
    pairs = [(y, g) for y, g in zip(again, g_outputs) if g is not None and y.requires_grad]
    wanted = [x for x, need in zip(stand_ins, needs) if need]
    found = iter(
        grad([y for y, _ in pairs], wanted, [shown(g) for _, g in pairs], create_graph=is_grad_enabled(),
             allow_unused=True)
        if pairs else [None] * len(wanted)
    )
    return [shown(next(found)) if need else None for need in needs[: len(outside)]]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)``, keeping only what it reads from outside for the backward pass.

    What the function computes on the way is computed again when its gradient is needed. Parameters that it uses get
    their gradients however it reaches them: it may be a module, a bound method, a lambda or a partial. Running
    statistics of normalization layers move once.

    Parameters
    ----------
    function : callable
        Returns a tensor, or a tuple, list or dict with tensors.
    *args, **kwargs
        Tensors and other values.
    use_reentrant : bool, optional
        Accepted as PyTorch does; both ways are one here.
    preserve_rng_state : bool
        Draw the same random numbers (dropout) from the default generator the second time.
    determinism_check : {'default', 'none'}
        Whether an error is raised if the second run gives other results than the first.
    context_fn, debug
        Accepted as PyTorch does, without effect.

    Raises
    ------
    RuntimeError
        In the backward pass, if a tensor that the function reads was changed in place after the forward pass, or if the
        function gives other results when it is run again.

    References
    ----------
    T. Chen et al., "Training deep nets with sublinear memory cost", 2016, arXiv:1604.06174.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> from autograd_nn.autograd import checkpoint
    >>> block = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> x = ag.ones(2, 3, requires_grad=True)
    >>> checkpoint(block, x).sum().backward()
    >>> x.grad.shape
    (2, 3)
    """
    if not callable(function):
        raise TypeError(f"checkpoint(): function must be callable, got {type(function).__name__}")
    if not is_grad_enabled():
        return function(*args, **kwargs)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint(): determinism_check must be 'default' or 'none' ({determinism_check!r})")
    region = _Region(function, args, kwargs, preserve_rng_state, determinism_check == "default")
    tensors = region.first()
    outside = list(region.read.values())
    if not outside:
        return region.structure(tensors)
    outputs = _checkpointed(*outside, *tensors, region=region, count=len(outside))
    return region.structure(outputs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **settings: Any
) -> Any:
    """Run a `Sequential`, or a list of functions, in `segments` parts, all but the last one checkpointed.

    Parameters
    ----------
    functions : Sequential or list of callable
    segments : int
        From 1 to the number of functions.
    input : Tensor
    use_reentrant, settings
        As for `checkpoint`.
    """
    functions = list(functions)
    if not 1 <= segments <= max(1, len(functions)):
        raise ValueError(f"checkpoint_sequential(): segments must be from 1 to {len(functions)} (segments={segments})")
    size = len(functions) // segments

    def part(start: int, stop: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for function in functions[start:stop]:
                x = function(x)
            return x

        return run

    start = 0
    for _ in range(segments - 1):
        input = checkpoint(part(start, start + size), input, use_reentrant=use_reentrant, **settings)
        start += size
    return part(start, len(functions))(input)
