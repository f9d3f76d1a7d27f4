import copy

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn
from autograd_nn.optim.swa_utils import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


class Line:
    """An object that only has parameters."""

    def __init__(self, value):
        self.slope = Tensor(np.array(value, np.float32), requires_grad=True)

    def parameters(self):
        return iter([self.slope])


def averages(values, **settings):
    line = Line(values[0])
    averaged = AveragedModel(line, **settings)
    found = []
    for value in values:
        line.slope.array[...] = value
        averaged.update_parameters(line)
        found.append(averaged.module.slope.item())
    assert line.slope.item() == values[-1] and averaged.n_averaged == len(values)
    return found


@pytest.mark.parametrize("settings", [
    {"avg_fn": get_ema_avg_fn(0.75)}, {"multi_avg_fn": get_ema_multi_avg_fn(0.75)},
    {"avg_fn": lambda average, current, n: 0.75 * average + 0.25 * current},
])
def test_exponential_average(settings):
    assert averages([0.0, 4.0, 4.0, 8.0], **settings) == [0.0, 1.0, 1.75, 3.3125]


@pytest.mark.parametrize("settings", [{}, {"avg_fn": get_swa_avg_fn()}, {"multi_avg_fn": get_swa_multi_avg_fn()}])
def test_equal_average(settings):
    np.testing.assert_allclose(averages([0.0, 4.0, 5.0, -1.0], **settings), [0, 2, 3, 2], rtol=1e-6)


def test_decay_and_functions_are_checked():
    for make in (get_ema_avg_fn, get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"decay must be between 0 and 1 \(decay=1.5\)"):
            make(1.5)
    with pytest.raises(ValueError, match="give avg_fn or multi_avg_fn, not both"):
        AveragedModel(Line(1.0), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())
    with pytest.raises(ValueError, match="the model has 1 parameters and buffers"):
        AveragedModel(Line(1.0)).update_parameters(Line([1.0, 2.0]))


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def test_an_averaged_module_stands_in_for_the_module():
    manual_seed(0)
    model = net()
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    model(x).sum().backward()
    averaged.update_parameters(model)
    assert all(p.grad is None and p.requires_grad for p in averaged.parameters())
    averaged.eval()
    model.eval()
    assert not averaged.module.training
    np.testing.assert_array_equal(averaged(x).array, model(x).array)  # the buffers came with the update
    assert averaged.module[1].num_batches_tracked.item() == 1
    assert "Linear" in repr(averaged)
    with pytest.raises(AttributeError, match="no attribute 'weights'"):
        averaged.weights  # noqa: B018
    assert copy.deepcopy(averaged).n_averaged == 1


def test_buffers_are_averaged_on_demand():
    model = net()
    averaged = AveragedModel(model, use_buffers=True)
    for mean in (0.0, 4.0):
        model[1].running_mean.array[...] = mean
        model[1].num_batches_tracked.array[...] = mean
        averaged.update_parameters(model)
    assert averaged.module[1].running_mean.array.tolist() == [2.0] * 4
    assert averaged.module[1].num_batches_tracked.item() == 2
    assert averaged.module[1].num_batches_tracked.dtype == np.int64


def test_the_state_is_saved_and_loaded():
    manual_seed(0)
    model = net()
    averaged = AveragedModel(model)
    averaged.update_parameters(model)
    state = copy.deepcopy(averaged.state_dict())
    assert list(state)[:2] == ["n_averaged", "module.0.weight"] and state["n_averaged"].item() == 1
    other = AveragedModel(net())
    other.load_state_dict(state)
    for part in (averaged, other):
        for p in model.parameters():
            p.array[...] = 1.0
        part.update_parameters(model)
    for a, b in zip(averaged.parameters(), other.parameters()):
        assert a.array.tobytes() == b.array.tobytes()
    with pytest.raises(ValueError, match="has no n_averaged"):
        other.load_state_dict(model.state_dict())


def test_statistics_of_batch_normalization_are_computed_anew():
    model = net()
    model[1].running_mean.array[...] = 100.0
    rng = np.random.default_rng(0)
    batches = [Tensor(rng.normal(size=(6, 3)).astype(np.float32)) for _ in range(3)]
    model.eval()
    update_bn([(x, None) for x in batches], model)
    hidden = [model[0](x).array for x in batches]
    np.testing.assert_allclose(model[1].running_mean.array, np.mean([h.mean(0) for h in hidden], 0), atol=1e-6)
    np.testing.assert_allclose(model[1].running_var.array, np.mean([h.var(0, ddof=1) for h in hidden], 0), rtol=1e-5)
    assert not model.training and model[1].momentum == 0.1
    plain = nn.Linear(3, 2)
    update_bn(iter(()), plain)
    averaged = AveragedModel(model)
    update_bn(batches, averaged)
    np.testing.assert_allclose(averaged.module[1].running_mean.array, model[1].running_mean.array, atol=1e-6)


def test_averages_are_pytorchs():
    torch = pytest.importorskip("torch")
    swa_utils = torch.optim.swa_utils
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 2, 3)).astype(np.float32)
    for mine, theirs in ((get_ema_multi_avg_fn(0.9), swa_utils.get_ema_multi_avg_fn(0.9)), (None, None)):
        layer, reference = nn.Linear(3, 2, bias=False), torch.nn.Linear(3, 2, bias=False)
        ours = AveragedModel(layer, multi_avg_fn=mine)
        expected = swa_utils.AveragedModel(reference, multi_avg_fn=theirs)
        for w in weights:
            layer.weight.array[...] = w
            with torch.no_grad():
                reference.weight.copy_(torch.tensor(w))
            ours.update_parameters(layer)
            expected.update_parameters(reference)
        np.testing.assert_allclose(ours.module.weight.array, expected.module.weight.detach().numpy(), atol=1e-6)
