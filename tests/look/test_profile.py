"""`profile`: every operation is counted once, in its layer and phase; nothing of the model changes."""

import json

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.look.profile import measured_peak, profile


@pytest.fixture
def net():
    ag.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 3), nn.Tanh()))


def step(net, optimizer, x, y):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()


def profiled(net):
    x, y = ag.randn(5, 6), ag.tensor([0, 1, 2, 0, 1])
    optimizer = ag.optim.SGD(net.parameters(), lr=0.1)
    step(net, optimizer, x, y)
    with profile(net) as p:
        step(net, optimizer, x, y)
    return p


def test_operations_have_their_layer_and_phase(net):
    found = {(e.operation, e.phase, e.layer) for e in profiled(net).events}
    assert {("linear_relu", "forward", "0"), ("linear", "forward", "2.0"), ("tanh", "forward", "2.1")} <= found
    assert {("matmul_transposed", "backward", "0"), ("matmul_transposed", "backward", "2.0"),
            ("tanh_input", "backward", "2.1")} <= found  # fmt: skip
    assert ("sgd_steps", "update", "") in found  # one pass over the parameters of all layers
    assert ("cross_entropy_rows", "forward", "") in found


def test_sums_flops_and_bytes(net):
    p = profiled(net)
    rows = {(row.name, row.phase): row for row in p.by_operation()}
    assert rows["linear", "forward"].flops == 2 * 5 * 4 * 3
    assert rows["linear_relu", "forward"].flops == 2 * 5 * 6 * 4
    assert rows["matmul_transposed", "backward"].flops == 2 * 5 * (4 * 3 + 6 * 4)
    assert rows["linear", "forward"].nbytes == 4 * (5 * 4 + 3 * 4 + 3 + 5 * 3)
    assert rows["sgd_steps", "update"].calls == 1
    for found in (p.by_operation(), p.by_layer()):
        assert sum(row.calls for row in found) == len(p.events)
        assert sum(row.seconds for row in found) == pytest.approx(sum(e.seconds for e in p.events))
        assert [row.seconds for row in found] == sorted((row.seconds for row in found), reverse=True)
    assert 0 < sum(e.seconds for e in p.events) <= p.seconds


def test_convolutions_backward_count_their_products():
    ag.manual_seed(0)
    layer, x = nn.Conv2d(2, 3, 3), ag.randn(4, 2, 6, 6, requires_grad=True)
    with profile(layer) as p:
        layer(x).sum().backward()
    flops = {row.name: row.flops for row in p.by_operation() if row.flops}
    assert flops == dict.fromkeys(["conv2d", "conv2d_weight", "conv2d_input"], 2 * 4 * 3 * 4 * 4 * 2 * 9)


def test_nothing_changes_but_what_is_seen(net):
    x = ag.randn(3, 6)
    expected = net(x).detach().numpy()
    with profile(net) as p:
        found = net(x).detach().numpy()
    assert np.array_equal(expected, found) and not any(module._hooks for module in net.modules())
    count = len(p.events)
    net(x)
    assert len(p.events) == count
    with p:
        net(x)
    assert len(p.events) > count  # it goes on counting


def test_without_a_model_and_after_an_error(net):
    with pytest.raises(RuntimeError), profile() as p:
        net(ag.randn(3, 5))
    net(ag.randn(3, 6))
    assert len(p.events) == 0
    with profile() as p:
        net(ag.randn(3, 6))
    assert {e.trail for e in p.events} == {()}


def test_tables(net):
    p = profiled(net)
    text = str(p)
    assert text.count("(between operations)") == 2 and "linear_relu" in text and "\n2.0 " in text
    assert p.table("layer", most=1).count("\n") == 5
    with pytest.raises(ValueError, match="by must be 'operation' or 'layer'"):
        p.table("time")
    assert repr(p).startswith(f"<profile of {len(p.events)} operations in")
    assert p._repr_html_().count("<table>") == 2
    assert measured_peak() > 1e6


def test_the_trace_nests_operations_in_layers(net, tmp_path):
    p = profiled(net)
    p.save_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert all(event["ph"] == "X" and event["dur"] >= 0 for event in events)
    operations = [event for event in events if "args" in event]
    assert len(operations) == len(p.events)
    spans = [event for event in events if "args" not in event]
    inner = next(event for event in operations if event["name"] == "tanh")
    around = {s["name"] for s in spans if s["ts"] <= inner["ts"] and inner["ts"] + inner["dur"] <= s["ts"] + s["dur"]}
    assert {"forward", "(model)", "2", "2.1"} <= around
    assert inner["args"]["layer"] == "2.1" and inner["cat"] == "forward"
