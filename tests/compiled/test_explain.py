"""What `explain` says is true, and saying it changes nothing."""

import re

import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.kernels.machine import is_available
from autograd_nn.nn import functional as F

pytestmark = pytest.mark.skipif(not is_available(), reason="no native programs here")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Linear(4 * 3 * 3, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.out(self.drop(self.norm(x).flatten(1)))


def trained(kind, explains):
    ag.manual_seed(3)
    model = Net()
    optimizer = getattr(ag.optim, kind)(model.parameters(), lr=0.05)
    schedule = ag.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    losses = []
    texts = []
    for i in range(9):
        x, y = ag.randn(5, 1, 8, 8), ag.randint(0, 3, (5,))
        losses.append(step(x, y).item())
        if i % 3 == 2:
            schedule.step()
        if explains and i in (1, 4, 6):
            texts.append(step.explain())
    numbers = [ag.rand(1).item()] + [p.grad.sum().item() for p in model.parameters()]
    state = {name: x.tolist() for name, x in model.state_dict().items()}
    return losses, numbers, state, str(optimizer.state_dict()), texts


@pytest.mark.parametrize("kind", ["SGD", "AdamW", "RMSprop"])
def test_measuring_leaves_all_state_as_it_is(kind):
    *want, _ = trained(kind, False)
    *got, texts = trained(kind, True)
    assert got == want
    assert "about to be" in texts[0] or "to be rehearsed" in texts[0]
    assert "us a run, of which" in texts[1] and "relu + max_pool2d, both ways" in texts[1]
    if kind == "AdamW":
        assert "AdamW of 6 parameters in one pass" in texts[1]
    times = [float(found) for found in re.findall(r"^ +([\d.]+) us ", texts[1], re.M)]
    names = re.findall(r"^ +[\d.]+ us +[\d.]+%  (.*)$", texts[1], re.M)
    whole = float(re.search(r"([\d.]+) us a run", texts[1])[1])
    assert abs(sum(times) - whole) < 0.01 * len(times) and "conv2d" in names and "conv2d_weight" in names


def test_the_calls_of_a_long_plan_are_told_by_their_names():
    model = nn.Sequential(*[nn.Linear(3, 3) for _ in range(60)])
    predict = ag.compile(lambda x: model(x).detach())
    with ag.no_grad():
        for _ in range(4):
            predict(ag.ones(2, 3))
    text = predict.explain()
    assert "60 calls" in text and "100.0%  linear  60 calls" in text
    short = predict.explain(times=False)
    assert "us a run" not in short and text.split("\n")[:3] == short.split("\n")[:3]


def test_a_pass_that_may_still_come_is_not_disturbed():
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    compiled = ag.compile(model)
    xs = [ag.randn(6, 3) for _ in range(6)]
    for x in xs[:5]:
        compiled(x).sum().backward()
    model.zero_grad()
    loss = compiled(xs[5]).square().sum()
    assert "may still come" in compiled.explain()
    loss.backward()
    got = [p.grad.tolist() for p in model.parameters()]
    assert "us a run" in compiled.explain()
    assert [p.grad.tolist() for p in model.parameters()] == got
    model.zero_grad()
    model(xs[5]).square().sum().backward()
    assert [p.grad.tolist() for p in model.parameters()] == got


def test_a_step_that_stays_eager_says_why_and_runs_nothing():
    calls = []

    def step(x):
        calls.append(1)
        return x * 2

    compiled = ag.compile(step)
    assert compiled.explain() == "step() has not been called"
    with pytest.warns(UserWarning, match="stays eager"):
        for _ in range(4):
            compiled(ag.ones(2))
    assert "stays eager" in compiled.explain() and len(calls) == 4
