"""Watching a model run: which module makes which call, and what each module returns.

Nothing of the model is changed for it: hooks tell where in the tree of modules a forward pass is, a listener at the
engine's one door tells what is computed there.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine import Call, HookHandle, Primitive, listen, mark_changed, no_grad, results_of
from ..nn import Module
from ..ops.random import default_generator

__all__ = ["ModuleCall", "preserved", "watch_modules"]


class ModuleCall(NamedTuple):
    """One call of one module: its name in the model ('' is the model itself) and a number that counts all calls."""

    name: str
    number: int


class watch_modules:
    """Note in which module each operation is computed: ``with watch_modules(model) as watch:``.

    Parameters
    ----------
    model : Module
    on_operation : callable, optional
        ``on_operation(trail, primitive, inputs, out)`` after each operation of this thread; `trail` is the tuple of
        `ModuleCall` around it, outermost first, empty outside of the model.
    on_module : callable, optional
        ``on_module(trail, module, args, output)`` after each call of a module; `trail` ends with that call.

    Attributes
    ----------
    model : Module
    trails : mapping of Call to tuple of ModuleCall
        For the recorded calls that are still alive.

    Examples
    --------
    >>> from autograd_nn import nn, rand
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with watch_modules(model) as watch:
    ...     y = model(rand(1, 2))
    >>> [module.name for module in watch.trails[y.origin]]
    ['', '1']
    """

    def __init__(
        self,
        model: Module,
        on_operation: Callable[[tuple[ModuleCall, ...], Primitive[Any], tuple[Any, ...], Any], None] | None = None,
        on_module: Callable[[tuple[ModuleCall, ...], Module, tuple[Any, ...], Any], None] | None = None,
    ):
        self.model, self.on_operation, self.on_module = model, on_operation, on_module
        self.trails: weakref.WeakKeyDictionary[Call, tuple[ModuleCall, ...]] = weakref.WeakKeyDictionary()
        self._names = {id(module): name for name, module in model.named_modules()}
        self._trail: tuple[ModuleCall, ...] = ()
        self._count = 0
        self._handles: list[HookHandle] = []
        self._listen = listen(self._operation)

    def __enter__(self) -> watch_modules:
        for module in self.model.modules():
            self._handles.append(module.register_forward_pre_hook(self._enter_module))
            self._handles.append(module.register_forward_hook(self._leave_module, always_call=True))
        self._listen.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listen.__exit__(*exception)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._trail = ()

    def _enter_module(self, module: Module, args: tuple[Any, ...]) -> None:
        self._count += 1
        self._trail = (*self._trail, ModuleCall(self._names[id(module)], self._count))

    def _leave_module(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        if output is not None and self.on_module is not None:
            self.on_module(self._trail, module, args, output)
        if self._trail and self._trail[-1].name == self._names[id(module)]:
            self._trail = self._trail[:-1]

    def _operation(self, proceed: Callable[..., Any], primitive: Primitive[Any], inputs: Any, params: Any) -> Any:
        out = proceed(*inputs, **params)
        for result in results_of(out):
            if isinstance(result.node, Call):
                self.trails[result.node] = self._trail
        if self.on_operation is not None and results_of(out):
            self.on_operation(self._trail, primitive, inputs, results_of(out)[0])
        return out


@contextlib.contextmanager
def preserved(model: Module) -> Iterator[None]:
    """Run a block with the model in evaluation mode and without recording, and leave no trace of it.

    Afterwards the training flag of each module, its buffers, and the default random generator are what they were.
    """
    flags = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.array.copy())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    state = default_generator.get_state()
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training
        for module, name, buffer, array in buffers:
            setattr(module, name, buffer)
            if buffer.array.tobytes() != array.tobytes():
                np.copyto(buffer.array, array)
                mark_changed(buffer.array)
        default_generator.set_state(state)
