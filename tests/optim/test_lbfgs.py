"""L-BFGS: PyTorch's trajectory on Rosenbrock's valley, its line search, its state."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import optim


def valley(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def descend(library, steps, optimizer=None, p=None, **settings):
    """Return the loss before each step, how often it was computed, the parameters, and the optimizer."""
    if p is None:
        p = library.tensor(np.array([-1.2, 1.0]), requires_grad=True)
        optimizer = library.optim.LBFGS([p], **settings)
    count = 0

    def closure():
        nonlocal count
        count += 1
        optimizer.zero_grad()
        loss = valley(p)
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)], count, p, optimizer


@pytest.mark.parametrize(("settings", "losses", "count", "end"), [
    ({"max_iter": 4, "line_search_fn": "strong_wolfe"},
     [24.199999999999996, 4.121126775765638, 3.9091442795206377, 2.456257721580502], 20,
     [-0.2560895768966468, 0.03726198161622369]),
    ({"max_iter": 5, "lr": 0.5, "history_size": 2, "line_search_fn": "strong_wolfe"},
     [24.199999999999996, 4.149337544962249, 4.087545115320266, 2.833305657389016], 24,
     [-0.3371638310588857, 0.07365909660026379]),
    ({"max_iter": 4, "max_eval": 3, "line_search_fn": "strong_wolfe"},
     [24.199999999999996, 4.146927102567213, 4.121126775765638, 4.084955376327375], 12,
     [-0.9431278012083242, 0.8529662725410918]),
    ({"max_iter": 3, "lr": 0.1},
     [24.199999999999996, 9.499260654115307, 7.762415367488737, 6.577326822685235], 12,
     [-1.082144084118606, 1.0511161385666528]),
])  # fmt: skip
def test_the_trajectory_is_pytorchs(settings, losses, count, end):
    found, evaluations, p, optimizer = descend(ag, 4, **settings)
    np.testing.assert_allclose(found, losses, rtol=1e-8)
    np.testing.assert_allclose(p.array, end, rtol=1e-8)
    assert evaluations == count == optimizer.state_dict()["state"][0]["func_evals"]


@pytest.mark.parametrize("settings", [
    {}, {"lr": 0.01}, {"line_search_fn": "strong_wolfe"}, {"max_iter": 1, "lr": 0.1}, {"max_eval": 1, "lr": 0.1},
    {"history_size": 1, "line_search_fn": "strong_wolfe"}, {"tolerance_change": 0.1, "line_search_fn": "strong_wolfe"},
])  # fmt: skip
def test_it_does_what_pytorch_does(settings):
    torch = pytest.importorskip("torch")
    theirs, ours = descend(torch, 3, **settings), descend(ag, 3, **settings)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=1e-12)
    assert ours[1] == theirs[1]
    np.testing.assert_allclose(ours[2].tolist(), theirs[2].tolist(), rtol=1e-5)


def test_it_reaches_the_minimum():
    _, _, p, _ = descend(ag, 4, line_search_fn="strong_wolfe")
    np.testing.assert_allclose(p.array, [1, 1], atol=1e-4)


def test_a_loaded_state_continues_to_the_bit():
    settings = {"max_iter": 3, "line_search_fn": "strong_wolfe"}
    _, _, p, optimizer = descend(ag, 2, **settings)
    copied = ag.tensor(p.array, requires_grad=True)
    other = optim.LBFGS([copied], **settings)
    other.load_state_dict(optimizer.state_dict())
    descend(ag, 2, optimizer, p)
    descend(ag, 2, other, copied)
    assert p.tolist() == copied.tolist()


def test_parameters_without_gradient_and_of_float32_are_taken():
    p, unused = ag.ones(3, requires_grad=True), ag.ones(2, requires_grad=True)
    optimizer = optim.LBFGS([p, unused])

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.array, 0, atol=1e-6)
    assert unused.tolist() == [1.0, 1.0]
    assert optimizer.step(closure).item() < 1e-10


def test_errors():
    p = ag.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"LBFGS\(\): line_search_fn must be None or 'strong_wolfe' .*'armijo'"):
        optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(ValueError, match=r"LBFGS\(\): all parameters must be in one group"):
        optim.LBFGS([{"params": [p]}, {"params": [ag.ones(2, requires_grad=True)]}])
    with pytest.raises(TypeError, match=r"LBFGS.step\(\): needs a closure"):
        optim.LBFGS([p]).step()
