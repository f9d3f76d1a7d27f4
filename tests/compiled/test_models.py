"""Compiled models: predictions, and forward and backward passes inside a loop written as usual."""

import copy
import gc

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim

F = nn.functional


def network():
    ag.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 3))


def loop(model, call, steps=12):
    """Train as usual with ``call(x)`` for the model; return all that came out."""
    ag.manual_seed(0)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    out = []
    for _ in range(steps):
        x, y = ag.randn(6, 4), ag.randint(0, 3, (6,))
        optimizer.zero_grad()
        loss = F.cross_entropy(call(x), y)
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    model.eval()
    with ag.no_grad():
        out += [call(ag.ones(2, 4) * i).sum().item() for i in range(6)]
    state = [x.detach().numpy().tobytes() for x in (*model.parameters(), *model.buffers())]
    return out, state, ag.get_rng_state()


def test_a_loop_as_usual_gives_the_same_bits():
    eager = network()
    model = network()
    compiled = ag.compile(model)
    assert loop(model, compiled) == loop(eager, eager)
    assert sum(known.is_trusted for known in compiled.signatures.values()) == 2, compiled.explain()


def test_module_compile():
    eager, model = network(), network()
    model.compile()
    assert loop(model, model) == loop(eager, eager)
    assert any(known.is_trusted for known in model.forward.signatures.values()), model.forward.explain()
    assert list(model.state_dict()) == list(eager.state_dict())
    again = copy.deepcopy(model)
    assert again(ag.ones(1, 4)).tolist() == model(ag.ones(1, 4)).tolist()


def test_a_compiled_model_has_what_the_model_has():
    model = network()
    compiled = ag.compile(model, mode="reduce-overhead", dynamic=False, backend="inductor")
    assert list(compiled.parameters()) == list(model.parameters())
    compiled.eval()
    assert not model.training


def ready(function, *arguments, calls=4):
    for _ in range(calls):
        out = function(*arguments)
    assert any(known.is_trusted for known in function.signatures.values()), function.explain()
    return out


def test_two_forward_passes_before_a_backward_pass():
    """The second call finds the memory in use, and runs eagerly."""
    model = nn.Linear(4, 3)
    compiled = ag.compile(model)
    ready(compiled, ag.ones(2, 4))
    gc.collect()
    x, z = ag.randn(2, 4), ag.randn(2, 4)
    model.zero_grad()
    (compiled(x) * compiled(z)).sum().backward()
    got = model.weight.grad.numpy().copy()
    model.zero_grad()
    (model(x) * model(z)).sum().backward()
    np.testing.assert_array_equal(got, model.weight.grad.numpy())


def test_the_gradient_of_an_input():
    layer, top = nn.Linear(4, 4), nn.Linear(4, 1)
    compiled = ag.compile(top)

    def gradients(call, seed):
        ag.manual_seed(seed)
        layer.zero_grad()
        top.zero_grad()
        call(layer(ag.randn(5, 4)).tanh()).square().sum().backward()
        return layer.weight.grad.numpy().tobytes(), top.weight.grad.numpy().tobytes()

    for seed in range(5):
        assert gradients(compiled, seed) == gradients(top, seed)
    assert any(known.is_trusted for known in compiled.signatures.values()), compiled.explain()


def test_a_second_derivative_or_a_second_pass_is_refused():
    compiled = ag.compile(nn.Linear(4, 1))
    ready(compiled, ag.ones(2, 4))
    loss = compiled(ag.ones(2, 4)).sum()
    with pytest.raises(RuntimeError, match="cannot be differentiated twice"):
        loss.backward(create_graph=True)
    del loss  # it could still be differentiated, and a second forward pass would run eagerly
    loss = compiled(ag.ones(2, 4)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="once per call"):
        loss.backward()


def test_a_weight_changed_in_between_is_seen():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1))
    compiled = ag.compile(model)
    ready(compiled, ag.ones(2, 4))
    loss = compiled(ag.ones(2, 4)).sum()
    with ag.no_grad():
        model[1].weight.mul_(2)
    with pytest.raises(RuntimeError, match="was changed in place"):
        loss.backward()


def test_results_are_not_overwritten():
    compiled = ag.compile(nn.Linear(3, 2))
    with ag.no_grad():
        ready(compiled, ag.ones(1, 3))
        first = compiled(ag.ones(1, 3))
        held = first.numpy().copy()
        compiled(ag.zeros(1, 3))
    np.testing.assert_array_equal(first.numpy(), held)


def test_a_class_out_of_range_raises_as_the_eager_step_does_and_changes_nothing():
    model = nn.Linear(4, 3)
    optimizer = optim.Adam(model.parameters())

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    ready(step, ag.ones(2, 4), ag.tensor([0, 2]))
    before = model.weight.numpy(force=True).copy(), optimizer.state[model.weight]["step"]
    with pytest.raises(IndexError, match="target 7 is out of range for 3 classes"):
        step(ag.ones(2, 4), ag.tensor([0, 7]))
    np.testing.assert_array_equal(model.weight.numpy(force=True), before[0])
    assert optimizer.state[model.weight]["step"] == before[1]
    step(ag.ones(2, 4), ag.tensor([0, 1]))
    assert optimizer.state[model.weight]["step"] == before[1] + 1


def test_methods_and_keywords():
    class Trainer:
        def __init__(self):
            self.model = nn.Linear(2, 1)
            self.optimizer = optim.SGD(self.model.parameters(), lr=0.1)

        @ag.compile(plans=2)
        def step(self, x, *, scale=1.0):
            self.optimizer.zero_grad()
            loss = (self.model(x) * scale).square().mean()
            loss.backward()
            self.optimizer.step()
            return {"loss": loss, "scale": scale}

    trainer = Trainer()
    for _ in range(5):
        out = trainer.step(ag.ones(3, 2), scale=2.0)
    assert out["scale"] == 2.0 and out["loss"].shape == ()
    assert any(known.is_trusted for known in trainer.step.signatures.values())
    trainer.step(ag.ones(3, 2), scale=3.0)
    trainer.step(ag.ones(3, 2), scale=4.0)
    assert len(trainer.step.signatures) == 2  # the one used longest ago was dropped


def test_disabled():
    step = ag.compile(lambda x: x * 2, disable=True)
    assert step(ag.ones(2)).tolist() == [2.0, 2.0] and not step.signatures
