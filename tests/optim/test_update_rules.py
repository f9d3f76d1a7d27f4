import copy

import numpy as np
import pytest

from autograd_nn import Tensor, optim

from .cases import OPTIMIZERS, make

# p after three steps on f(p) = p**2 from p = 1; computed by PyTorch 2.13 in float64, Lion by hand
TRAJECTORIES = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [0.8, 0.46, 0.062]),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}, [0.8, 0.476, 0.09872]),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, [0.62, 0.2224, -0.108352]),
    ("Adam", {"lr": 0.1}, [0.9000000005, 0.8004122287, 0.7015862729]),
    ("AdamW", {"lr": 0.1}, [0.8990000005, 0.7985190272, 0.6989111832]),
    ("NAdam", {"lr": 0.1}, [0.8943548, 0.8199731, 0.7527292]),
    ("RAdam", {"lr": 0.1}, [0.8, 0.6210526316, 0.4623033599]),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.9}, [-0.0050377648, -0.9044836831, -1.0394789856]),
    ("Adagrad", {"lr": 0.1}, [0.9, 0.8331035268, 0.7804561814]),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5},
     [0.9057190958, 0.8466847816, 0.8034413661]),
    ("Adadelta", {"lr": 1.0}, [0.9968377263, 0.9935981741, 0.9903090457]),
    ("Adamax", {"lr": 0.1}, [0.9000000005, 0.8051683272, 0.7154994734]),
    ("ASGD", {"lr": 0.1, "lambd": 0.01}, [0.799, 0.6385213, 0.5103707]),
    ("Rprop", {"lr": 0.1}, [0.9, 0.78, 0.636]),
    ("Lion", {"lr": 0.1, "weight_decay": 0.1}, [0.89, 0.7811, 0.673289]),
]
NAMES = [f"{name}-{i}" for i, (name, _) in enumerate(OPTIMIZERS)]


@pytest.mark.parametrize(("name", "settings", "expected"), TRAJECTORIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("maximize", [False, True])
def test_the_trajectory_on_a_parabola_is_pytorchs(name, settings, expected, dtype, maximize):
    p = Tensor(1.0, requires_grad=True, dtype=dtype)
    optimizer = make(name, [p], {**settings, "maximize": maximize})
    array, found = p.array, []
    for _ in expected:
        optimizer.zero_grad()
        (-p * p if maximize else p * p).backward()
        optimizer.step()
        found.append(p.item())
    np.testing.assert_allclose(found, expected, atol=2e-7 if dtype is np.float64 else 3e-6)
    assert p.array is array and p.dtype == dtype and p.shape == ()


def steps(name, settings, p0, gradients):
    p = Tensor(p0, requires_grad=True)
    optimizer = make(name, [p], settings)
    for g in gradients:
        p.grad = Tensor(np.zeros_like(p0))
        p.grad.array = g
        optimizer.step()
    return p, optimizer


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=NAMES)
def test_dtypes_stay_and_the_gradient_may_have_any_strides(name, settings):
    rng = np.random.default_rng(0)
    p0 = rng.normal(size=(4, 6)).astype(np.float32)
    wide = rng.normal(size=(3, 6, 8)).astype(np.float32)
    strided = [*(g[:, ::2].T for g in wide), np.broadcast_to(wide[0, 0, :1], p0.shape)]
    before = copy.deepcopy(strided)
    p, optimizer = steps(name, settings, p0, strided)
    plain, _ = steps(name, settings, p0, [np.ascontiguousarray(g) for g in strided])
    assert p.dtype == np.float32 and np.array_equal(p.array, plain.array)
    assert all(np.array_equal(a, b) for a, b in zip(strided, before))
    for value in optimizer.state[p].values():
        assert not isinstance(value, Tensor) or (value.dtype == np.float32 and value.shape == p.shape)

    double, _ = steps(name, settings, p0.astype(np.float64), [g.astype(np.float64) for g in strided])
    assert double.dtype == np.float64
    np.testing.assert_allclose(p.array, double.array, atol=3e-5)


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=NAMES)
def test_a_parameter_in_another_memory_order_gets_the_same_update(name, settings):
    rng = np.random.default_rng(1)
    p0, gradients = rng.normal(size=(4, 6)).astype(np.float32), rng.normal(size=(4, 4, 6)).astype(np.float32)
    plain, _ = steps(name, settings, p0, gradients)
    p = Tensor(0.0, requires_grad=True)
    p.data = np.asfortranarray(p0)
    optimizer = make(name, [p], settings)
    for g in gradients:
        p.grad = Tensor(g)
        optimizer.step()
    assert np.array_equal(p.array, plain.array)


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=NAMES)
def test_empty_parameters_and_zero_gradients_are_taken(name, settings):
    p = Tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    q = Tensor(np.zeros(3, np.float32), requires_grad=True)
    optimizer = make(name, [p, q], settings)
    for _ in range(3):
        p.grad, q.grad = Tensor(np.zeros((0, 3), np.float32)), Tensor(np.zeros(3, np.float32))
        optimizer.step()
    assert not q.array.any()


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS, ids=NAMES)
def test_a_loaded_state_continues_to_the_bit(name, settings):
    rng = np.random.default_rng(2)
    shapes = [(5, 3), (7,), ()]
    params = [Tensor(rng.normal(size=s).astype(np.float32), requires_grad=True) for s in shapes]
    gradients = [[rng.normal(size=s).astype(np.float32) for s in shapes] for _ in range(12)]

    def run(optimizer, params, gradients):
        for step in gradients:
            for i, (p, g) in enumerate(zip(params, step)):
                p.grad = None if i == 1 and step is gradients[0] else Tensor(g)
            optimizer.step()

    optimizer = make(name, params, settings)
    run(optimizer, params, gradients[:6])
    optimizer.param_groups[0]["lr"] *= 0.5
    state, kept = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(params)
    other = make(name, kept, {"lr": 0.5})
    other.load_state_dict(state)
    for part, own in ((optimizer, params), (other, kept)):
        run(part, own, gradients[6:])
    for p, q in zip(params, kept):
        assert p.array.tobytes() == q.array.tobytes()
    mine, theirs = optimizer.state_dict(), other.state_dict()
    assert mine["param_groups"] == theirs["param_groups"]
    for i, entries in mine["state"].items():
        assert entries.keys() == theirs["state"][i].keys()
        for key, value in entries.items():
            assert np.asarray(value).tobytes() == np.asarray(theirs["state"][i][key]).tobytes(), key


def test_rmsprop_counts_a_variance_below_zero_as_zero():
    p = Tensor(np.ones(1000, np.float32), requires_grad=True)
    optimizer = optim.RMSprop([p], lr=1e-4, alpha=0.5, eps=1e-3, centered=True)
    for _ in range(60):
        p.grad = Tensor(np.linspace(0.1, 3, 1000, dtype=np.float32))
        optimizer.step()
    assert np.isfinite(p.array).all()


def test_asgd_keeps_the_mean_of_the_parameters():
    p = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.ASGD([p], lr=1.0, lambd=0.0, alpha=0.0, t0=1)
    values = []
    for _ in range(6):
        p.grad = Tensor(-np.ones(1))
        optimizer.step()
        values.append(p.item())
    assert values == [1, 2, 3, 4, 5, 6]
    assert optimizer.state[p]["ax"].item() == pytest.approx(np.mean(values[2:]))


def test_lion_turns_only_when_the_average_does():
    p = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.Lion([p], lr=1.0)
    found = []
    for g in (1.0, -0.05, -0.5):  # 0.1, then 0.9 * 0.01 - 0.005, then 0.9 * 0.0094 - 0.05
        p.grad = Tensor(np.array([g]))
        optimizer.step()
        found.append(p.item())
    assert found == [-1, -2, -1]


@pytest.mark.parametrize(("name", "settings"), [c for c in OPTIMIZERS if c[0] != "Lion"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_twenty_steps_are_pytorchs(name, settings, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    p0, gradients = rng.normal(size=(3, 5)).astype(dtype), rng.normal(size=(20, 3, 5)).astype(dtype)
    p, _ = steps(name, settings, p0, gradients)
    theirs = torch.tensor(p0, requires_grad=True)
    reference = getattr(torch.optim, name)([theirs], **settings)
    for g in gradients:
        theirs.grad = torch.tensor(g)
        reference.step()
    # PyTorch keeps the scalars of NAdam and ASGD in float32
    exact = dtype is np.float64 and name not in ("NAdam", "ASGD")
    np.testing.assert_allclose(p.array, theirs.detach().numpy(), rtol=0, atol=1e-14 if exact else 2e-6)
