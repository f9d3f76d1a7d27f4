"""The signatures of optimizers and schedules against PyTorch's, where that is installed."""

import inspect

import pytest

from autograd_nn import optim
from autograd_nn.optim import lr_scheduler

IMPLEMENTATION = {"foreach", "fused", "capturable", "differentiable"}  # taken by `Optimizer` for all
OWN = {"Lion", "Optimizer"}  # Lion is not PyTorch's; the base class takes what `IMPLEMENTATION` names


@pytest.mark.parametrize("name", [n for n in optim.__all__ if inspect.isclass(getattr(optim, n)) and n not in OWN])
def test_optimizers_take_what_pytorchs_take(name):
    torch = pytest.importorskip("torch")
    ours = inspect.signature(getattr(optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    facts = [{key: (p.default, p.kind) for key, p in parameters.items() if key not in IMPLEMENTATION}
             for parameters in (ours, theirs)]
    facts[0].pop("implementation", None)
    assert list(facts[0].items()) == list(facts[1].items())
    assert "implementation" in ours or theirs.keys().isdisjoint(IMPLEMENTATION - ours.keys())


@pytest.mark.parametrize("name", lr_scheduler.__all__)
def test_schedules_take_what_pytorchs_take(name):
    torch = pytest.importorskip("torch")
    if not hasattr(torch.optim.lr_scheduler, name):
        pytest.skip("not PyTorch's")
    ours, theirs = (inspect.signature(getattr(module, name)).parameters
                    for module in (lr_scheduler, torch.optim.lr_scheduler))
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()]
