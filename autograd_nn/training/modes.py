"""Training and evaluation mode of each module, set for a while and put back one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["evaluation_mode", "put_back", "training_mode"]

Modes = list[tuple[Any, bool]]


def put_back(modes: Modes) -> None:
    """Give each module the mode that it had."""
    for module, training in modes:
        module.training = training


@contextlib.contextmanager
def evaluation_mode(model: Any) -> Iterator[None]:
    """Run a block with the model in evaluation mode; afterwards each module has the mode that it had."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        put_back(modes)


def training_mode(model: Any) -> Modes:
    """Set a model to training, and return the mode of each module.

    A module that was put into evaluation mode inside a model in training mode (a frozen `BatchNorm2d`) stays there;
    a model that is in evaluation mode as a whole is woken as a whole.
    """
    frozen = [module for module in model.modules() if not module.training] if model.training else []
    model.train()
    for module in frozen:
        module.training = False
    return [(module, module.training) for module in model.modules()]
