"""What layers are made of runs natively; what a kernel leaves to Python for some numbers, Python does in between."""

from collections import OrderedDict

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.compiled import lowering, proofs
from autograd_nn.compiled.trace import Computation
from autograd_nn.kernels.machine import Machine, is_available
from autograd_nn.ops import linalg

F = nn.functional


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts, self.norm = nn.Linear(32, 96), nn.LayerNorm(32)

    def forward(self, x):
        q, k, v = (part.reshape(3, 24, 4, 8).transpose(1, 2) for part in self.parts(self.norm(x)).chunk(3, dim=2))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(3, 24, 32)


class Last(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][-1]


CASES = {
    "attention": (Attention, (3, 24, 32), F.mse_loss),
    "batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Flatten()),
                   (4, 3, 8, 8), F.l1_loss),
    "winograd": (lambda: nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 4, 1)), (2, 32, 16, 16),
                 F.huber_loss),
    "lstm": (lambda: Last(nn.LSTM(5, 6)), (7, 3, 5), F.mse_loss),
    "gru": (lambda: Last(nn.GRU(5, 6)), (7, 3, 5), F.mse_loss),
    "columns": (lambda: nn.Sequential(nn.Linear(6, 1), nn.Sigmoid()), (40, 6), F.binary_cross_entropy),
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_runs_natively(name):
    make, shape, loss_of = CASES[name]
    model = make()
    optimizer = ag.optim.Adam(model.parameters())
    y = ag.rand(*model(ag.randn(*shape)).shape)

    def step(x):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = ag.compile(step)
    for _ in range(4):
        compiled(ag.randn(*shape))
    (known,) = compiled.signatures.values()
    assert known.is_trusted, compiled.explain()
    plan = known.plan
    assert not [name for i, name in enumerate(plan.names) if i not in plan._known]


@pytest.mark.parametrize("make", [lambda: nn.LayerNorm(6), lambda: nn.BatchNorm1d(6)], ids=["layer", "batch"])
def test_a_variance_beyond_float32_is_left_to_python(make):
    layer = make()
    compiled = ag.compile(lambda x: (layer(x) * 2).detach())
    for _ in range(4):
        compiled(ag.randn(5, 6))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    for scale in (1e25, 1.0):
        x = ag.randn(5, 6) * scale
        got = compiled(x)
        after = [value.numpy().tobytes() for value in layer.state_dict().values()]
        layer.load_state_dict(before)
        assert got.numpy().tobytes() == (layer(x) * 2).detach().numpy().tobytes()
        assert np.isfinite(got.numpy()).all()
        assert after == [value.numpy().tobytes() for value in layer.state_dict().values()]
        layer.load_state_dict(before)
    assert all(known.is_trusted for known in compiled.signatures.values()), compiled.explain()


# ------------------------------------------------------------------------------------ what was proven once


def lowered_linear(shape, seed, **changes):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(n).astype(np.float32) for n in (shape, (5, shape[1]), (5,)))
    record = Computation(linalg._linear, [x, w, b], {}, False)
    record.outs = [linalg._linear.forward(x, w, b)]
    return record, lowering.lowered(record, linalg._linear.forward)


@pytest.mark.skipif(not is_available(), reason="runs no native programs")
def test_a_form_is_proven_once_and_its_kernels_are_put_onto_other_arrays(monkeypatch):
    monkeypatch.setattr(proofs, "_proofs", OrderedDict())
    proven = []
    prove = lowering._proven
    monkeypatch.setattr(lowering, "_proven", lambda *arguments: proven.append(1) or prove(*arguments))
    lowered_linear((300, 70), 0)
    count = len(proven)
    record, found = lowered_linear((300, 70), 1)  # the form is known
    assert count and len(proven) == count
    wanted = record.outs[0].copy()
    record.outs[0].fill(np.nan)
    assert Machine(found.calls).run() < 0
    assert record.outs[0].tobytes() == wanted.tobytes()
    held = list(record.inputs) + record.outs + found.scratch
    for call in found.calls:  # nothing of the first call's arrays is left
        for array in call.arrays:
            assert array.nbytes < 4096 or any(np.shares_memory(array, x) for x in held)
    lowered_linear((301, 70), 2)  # another form
    assert len(proven) > count


CHECKS = {
    "range": (lambda: nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 1)),
              ag.tensor([[0, 3, 8], [1, 2, 5]]), lambda out: F.mse_loss(out, ag.full((2, 1), 0.3)),
              [9, -1, 2**40], IndexError),
    "probabilities": (lambda: nn.Linear(3, 3), ag.tensor([[0.1, 0.2, 0.9], [0.0, 1.0, 0.5]]),
                      lambda out: F.binary_cross_entropy(out, ag.full((2, 3), 0.3)), [1.5, -1e-9, float("nan")],
                      RuntimeError),
}


@pytest.mark.parametrize("check", CHECKS)
def test_numbers_that_are_refused_change_nothing_and_raise_the_eager_error(check):
    make, good, loss_of, wrong, kind = CHECKS[check]
    model = make()
    if check == "probabilities":  # what is checked is what the step is given
        with ag.no_grad():
            model.weight.copy_(ag.eye(3))
            model.bias.zero_()
    optimizer = ag.optim.SGD(model.parameters(), lr=0.0 if check == "probabilities" else 0.1)

    def step(x):
        optimizer.zero_grad()
        loss = loss_of(model(x))
        loss.backward()
        optimizer.step()
        return loss

    compiled = ag.compile(step)
    for _ in range(4):
        compiled(good)
    (known,) = compiled.signatures.values()
    assert known.is_trusted and "in Python: none" in compiled.explain(times=False)
    before = [p.tolist() for p in model.parameters()]
    for number in wrong:
        x = good.clone()
        x[1, 2] = number
        with pytest.raises(kind) as eager:
            step(x)
        with pytest.raises(kind) as replayed:
            compiled(x)
        assert str(replayed.value) == str(eager.value)
        assert [p.tolist() for p in model.parameters()] == before
    assert compiled(good).item() == step(good).item() or check == "range"
