"""Optimizers with shapes of their own: Adafactor keeps sums over rows and columns, Muon takes matrices."""

import copy

import numpy as np
import pytest

from autograd_nn import Tensor, optim
from autograd_nn.engine import listen
from autograd_nn.optim.muon import orthogonal

from .test_door import Record, held

CASES = [
    ("Adafactor", {}), ("Adafactor", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adafactor", {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-6, 0.01), "d": 2.0, "maximize": True}),
    ("Muon", {"lr": 0.1}), ("Muon", {"lr": 0.1, "nesterov": False, "weight_decay": 0.0, "momentum": 0.5}),
    ("Muon", {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}),
]  # fmt: skip
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(CASES)]


def shapes(name):
    return [(4, 6), (6, 4), (1, 3), (3, 1)] if name == "Muon" else [(4, 6), (6, 4), (5,), (), (2, 3, 4), (1, 1)]


def run(name, settings, dtype=np.float32, steps=12, order="C", state_after=None):
    rng = np.random.default_rng(0)
    params = [Tensor(0.0, requires_grad=True) for _ in shapes(name)]
    for p, shape in zip(params, shapes(name)):
        p.data = np.array(rng.normal(size=shape), dtype, order=order)
    optimizer = getattr(optim, name)(params, **settings)
    for step in range(steps):
        if step == state_after:
            params = copy.deepcopy(params)
            state, optimizer = optimizer.state_dict(), getattr(optim, name)(params)
            optimizer.load_state_dict(state)
        for p in params:
            p.grad = Tensor(rng.normal(size=p.shape).astype(dtype))
        optimizer.step()
    return [p.array for p in params], optimizer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_twelve_steps_are_pytorchs(name, settings, dtype):
    torch = pytest.importorskip("torch")
    found, _ = run(name, settings, dtype)
    rng = np.random.default_rng(0)
    params = [torch.tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in shapes(name)]
    reference = getattr(torch.optim, name)(params, **settings)
    for _ in range(12):
        for p in params:
            p.grad = torch.tensor(rng.normal(size=tuple(p.shape)).astype(dtype))
        reference.step()
    # PyTorch runs Muon's iterations in bfloat16, of 8 bits
    tolerance = 0.1 if name == "Muon" else 1e-5 if dtype is np.float32 else 1e-12
    for mine, theirs in zip(found, params):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=tolerance)


def test_muons_steps_by_the_formula():
    rng = np.random.default_rng(1)
    p0, gradients = rng.normal(size=(5, 3)), rng.normal(size=(3, 5, 3))
    p = Tensor(p0, requires_grad=True)
    optimizer = optim.Muon([p], lr=0.1, momentum=0.9, weight_decay=0.2)
    expected, buf = p0.copy(), np.zeros((5, 3))
    for g in gradients:
        p.grad = Tensor(g)
        optimizer.step()
        buf = 0.9 * buf + 0.1 * g
        d = 0.1 * g + 0.9 * buf
        u, s, v = np.linalg.svd(d, full_matrices=False)
        s = s / np.linalg.norm(s)
        for _ in range(5):  # the iteration acts on each singular value
            s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
        expected = expected * (1 - 0.1 * 0.2) - 0.1 * np.sqrt(5 / 3) * (u * s) @ v
    np.testing.assert_allclose(p.array, expected, atol=1e-12)


def test_singular_values_come_near_one():
    rng = np.random.default_rng(2)
    for shape in ((8, 8), (20, 5), (5, 20)):
        x = orthogonal(rng.normal(size=shape), (3.4445, -4.775, 2.0315), 8, 1e-7)
        s = np.linalg.svd(x, compute_uv=False)
        assert x.shape == shape and s.max() < 1.3 and s.min() > 0.5


def test_adafactor_keeps_rows_and_columns():
    _, optimizer = run("Adafactor", {}, steps=1)
    kept = [{name: value.shape for name, value in state.items() if name != "step"}
            for state in optimizer.state.values()]
    assert kept == [{"row_var": (4, 1), "col_var": (1, 6)}, {"row_var": (6, 1), "col_var": (1, 4)}, {"variance": (5,)},
                    {"variance": ()}, {"row_var": (2, 3, 1), "col_var": (2, 1, 4)},
                    {"row_var": (1, 1), "col_var": (1, 1)}]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_memory_order_makes_no_difference_and_a_loaded_state_goes_on_to_the_bit(name, settings):
    plain, optimizer = run(name, settings)
    for a, b in zip(plain, run(name, settings, order="F")[0]):
        np.testing.assert_allclose(a, b, atol=2e-6)
    resumed, other = run(name, settings, state_after=5)
    for a, b in zip(plain, resumed):
        assert a.tobytes() == b.tobytes()
    assert other.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_a_step_is_seen_whole(name, settings):
    rng = np.random.default_rng(0)
    params = [Tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True) for shape in shapes(name)]
    optimizer, record = getattr(optim, name)(params, **settings), Record()
    for p in params:
        p.grad = Tensor(rng.normal(size=p.shape).astype(np.float32))
    sources = [(x.array, x.array.copy()) for p in params for x in (p, p.grad)]
    with listen(record):
        optimizer.step()
    places = record.replay(sources)
    for array in (*(p.array for p in params), *held(optimizer).values()):
        assert places[id(array)].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_empty_parameters_and_zero_gradients(name):
    params = [Tensor(np.zeros(shape, np.float32), requires_grad=True) for shape in ((0, 3), (3, 0), (2, 2))]
    optimizer = getattr(optim, name)(params)
    for _ in range(3):
        for p in params:
            p.grad = Tensor(np.zeros(p.shape, np.float32))
        optimizer.step()
    assert not params[2].array.any()


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda p: optim.Muon([p.sum(0).detach()]), ValueError, r"Muon\(\): parameter 0 must be a matrix \(shape=\(3,\)\)"),
    (lambda p: optim.Muon([p], ns_steps=100), ValueError, "ns_steps must be an integer between 0 and 99"),
    (lambda p: optim.Muon([p], ns_coefficients=(1, 2)), ValueError, "ns_coefficients must be three numbers"),
    (lambda p: optim.Muon([p], ns_coefficients=3.0), TypeError, "ns_coefficients must be a list of three numbers"),
    (lambda p: optim.Muon([p], adjust_lr_fn="x"), ValueError, "adjust_lr_fn must be 'original' or 'match_rms_adamw'"),
    (lambda p: optim.Muon([p], momentum=-1), ValueError, r"Muon\(\): momentum must be at least 0"),
    (lambda p: optim.Adafactor([p], beta2_decay=0.1), ValueError, "beta2_decay must be at most 0"),
    (lambda p: optim.Adafactor([p], d=0.5), ValueError, r"Adafactor\(\): d must be at least 1 \(d=0.5\)"),
    (lambda p: optim.Adafactor([p], eps=(None, -1)), ValueError, "each of eps must be at least 0"),
    (lambda p: optim.Adafactor([p], eps=(1e-3,)), ValueError, "eps must be two numbers"),
    (lambda p: optim.Adafactor([p], eps=1e-3), TypeError, "eps must be a list of two numbers"),
    (lambda p: optim.Adafactor([p], learning_rate=1), TypeError, r"did you mean lr\?"),
])  # fmt: skip
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(Tensor(np.ones((2, 3), np.float32), requires_grad=True))
