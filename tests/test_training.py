"""fit, evaluate, callbacks, and the networks of the notebook trained by them."""

import io
import math

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.data import MNIST, DataLoader, TensorDataset
from autograd_nn.kernels.compile import get_num_threads, set_num_threads
from autograd_nn.metrics import accuracy
from autograd_nn.models import convnet, lenet, mlp, weight_decay_groups
from autograd_nn.training import Callback, EarlyStopping, History, ProgressBar, Schedule, StopOnNaN, evaluate, fit


def line(n=64, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 1)).astype(np.float32)
    return TensorDataset(x, 3 * x - 1 + noise * rng.standard_normal((n, 1)).astype(np.float32))


def regression(lr=0.1, seed=0):
    manual_seed(seed)
    model = nn.Linear(1, 1)
    return model, optim.SGD(model.parameters(), lr=lr), DataLoader(line(), batch_size=16, shuffle=True, seed=seed)


def test_fit_finds_the_line_and_returns_what_it_measured():
    model, optimizer, loader = regression()
    history = fit(model, loader, optimizer, nn.MSELoss(), epochs=30, validation=loader, callbacks=[])
    assert model.weight.item() == pytest.approx(3, abs=1e-3) and model.bias.item() == pytest.approx(-1, abs=1e-3)
    assert history.names == ["loss", "validation_loss", "seconds"] and len(history) == 30
    assert history["loss"][0] > 1 and history["validation_loss"][-1] < 1e-5


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples():
    model = nn.Linear(1, 1)
    x = np.array([[0.0], [0.0], [0.0]], np.float32)
    loader = DataLoader(TensorDataset(x, np.array([[1.0], [1.0], [4.0]], np.float32)), batch_size=2)
    model.weight.data[:] = 0
    model.bias.data[:] = 0
    assert evaluate(model, loader, nn.MSELoss())["loss"] == pytest.approx((1 + 1 + 16) / 3)


def test_evaluate_restores_the_mode_and_records_nothing():
    seen = []

    class Probe(nn.Module):
        def forward(self, x):
            seen.append((self.training, x.requires_grad))
            return x

    model = Probe()
    evaluate(model, [(Tensor(np.ones((2, 1), np.float32)), Tensor(np.ones((2, 1), np.float32)))], nn.MSELoss())
    assert seen == [(False, False)] and model.training


def test_a_run_continued_is_a_run_uninterrupted():
    whole = regression()
    fit(whole[0], whole[2], whole[1], nn.MSELoss(), epochs=4, callbacks=[])
    parts = regression()
    history = fit(parts[0], parts[2], parts[1], nn.MSELoss(), epochs=2, callbacks=[])
    fit(parts[0], parts[2], parts[1], nn.MSELoss(), epochs=2, callbacks=[], history=history)
    assert len(history) == 4
    assert whole[0].weight.data.tobytes() == parts[0].weight.data.tobytes()


def test_early_stopping_waits_for_its_patience(capsys):
    model, optimizer, loader = regression(lr=1e-9)
    history = fit(model, loader, optimizer, nn.MSELoss(), 50, loader, [EarlyStopping(patience=2, monitor="loss")])
    assert len(history) < 50
    best = history["loss"].index(min(history["loss"]))
    assert len(history) - 1 - best == 2
    assert "has not improved" in capsys.readouterr().err


def test_a_diverging_run_stops(capsys):
    model, optimizer, loader = regression(lr=1e20)
    with np.errstate(all="ignore"):
        history = fit(model, loader, optimizer, nn.MSELoss(), epochs=50, callbacks=[StopOnNaN()])
    assert len(history) < 50 and not math.isfinite(history["loss"][-1])
    assert "try a smaller learning rate" in capsys.readouterr().err


def test_schedule_steps_per_epoch_or_per_step():
    for every, expected in (("epoch", 2), ("step", 8)):
        model, optimizer, loader = regression()
        scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        fit(model, loader, optimizer, nn.MSELoss(), epochs=2, callbacks=[Schedule(scheduler, every)])
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**expected)
    with pytest.raises(ValueError, match="every must be 'epoch' or 'step'"):
        Schedule(None, "batch")


def test_an_interrupt_leaves_model_and_history():
    class Interrupt(Callback):
        def on_step_end(self, run):
            if run.epoch == 2 and run.step == 3:
                raise KeyboardInterrupt

    model, optimizer, loader = regression()
    history = fit(model, loader, optimizer, nn.MSELoss(), epochs=5, callbacks=[Interrupt()])
    assert history.interrupted and len(history) == 1
    assert np.isfinite(model.weight.data).all()


def test_progress_in_a_file_is_one_line_per_epoch():
    out = io.StringIO()
    model, optimizer, loader = regression()
    fit(model, loader, optimizer, nn.MSELoss(), epochs=2, callbacks=[ProgressBar(file=out)])
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and lines[0].split() == ["epoch", "loss", "seconds"] and lines[2].split()[0] == "2"


def test_history_shows_itself():
    history = History()
    assert "no epochs" in repr(history)
    history.epochs += [{"loss": 1.0}, {"loss": 0.5, "accuracy": 0.9}]
    assert history["accuracy"] == [0.9]
    assert "0.9" in history._repr_html_() and "<th>accuracy</th>" in history._repr_html_()
    with pytest.raises(KeyError, match="history has no 'los'; it has loss, accuracy"):
        history["los"]


# ------------------------------------------------------------------------------------ the notebook's systems


def digits(count, train=True, mean=0.1307, deviation=0.3081):
    """Return images with the mean and deviation of MNIST's pixels taken out."""
    dataset = MNIST(train=train)
    return TensorDataset((dataset.inputs[:count] - np.float32(mean)) / np.float32(deviation), dataset.labels[:count])


def test_the_mlp_has_the_notebooks_shape_and_initial_weights():
    manual_seed(0)
    model = mlp()
    assert [p.shape for p in model.parameters()] == [(1000, 784), (1000,), (1000, 1000), (1000,), (10, 1000), (10,)]
    first = model[1].weight.data
    assert first.std() == pytest.approx(math.sqrt(2 / 784), rel=0.01) and not model[1].bias.data.any()


@pytest.mark.parametrize("loss", ["cross-entropy", "l2"])
def test_the_mlp_learns_with_either_loss_and_weight_decay(loss):
    manual_seed(1)
    model = mlp(hidden=(300, 300))
    optimizer = optim.Adam(weight_decay_groups(model, 1e-3), lr=1e-3)
    train = digits(2000, mean=0, deviation=1)

    def l2(output, target):
        return nn.functional.mse_loss(output, Tensor(np.eye(10, dtype=np.float32)[target.data]))

    chosen = l2 if loss == "l2" else nn.functional.cross_entropy
    fit(model, DataLoader(train, batch_size=100, shuffle=True, seed=1), optimizer, chosen, epochs=5, callbacks=[])
    others = digits(2000, train=False, mean=0, deviation=1)
    test = evaluate(model, DataLoader(others, batch_size=500), chosen, {"accuracy": accuracy})
    assert test["accuracy"] > 0.88


def test_weight_decay_groups_spare_vectors():
    model = convnet()
    decayed, spared = weight_decay_groups(model, 0.1)
    assert [p.ndim for p in decayed["params"]] == [4, 2] and [p.ndim for p in spared["params"]] == [1, 1]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_notebooks_setting(optimizer):
    """2,000 images, 5 epochs, 2,000 others to test: one seed of the five that the README reports."""
    manual_seed(0)
    model = convnet()
    batch = 1 if optimizer == "sgd" else 100
    make = optim.SGD if optimizer == "sgd" else optim.Adam
    loader = DataLoader(digits(2000), batch_size=batch, shuffle=True, seed=0)
    fit(model, loader, make(model.parameters(), lr=0.005), nn.functional.cross_entropy, epochs=5, callbacks=[])
    test = DataLoader(digits(2000, train=False), batch_size=500)
    assert evaluate(model, test, nn.functional.cross_entropy, {"accuracy": accuracy})["accuracy"] >= 0.9


def test_convnet_with_other_filters_and_too_small_an_image():
    model = convnet(filters=4, kernel_size=5, stride=2, size=28)
    assert model(Tensor(np.zeros((2, 1, 28, 28), np.float32))).shape == (2, 10)
    with pytest.raises(ValueError, match="nothing is left to pool"):
        convnet(size=3)


def test_lenet_and_the_output_of_an_inner_layer():
    model = lenet()
    seen = []
    handle = model[3].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    model(Tensor(np.zeros((3, 1, 28, 28), np.float32)))
    handle.remove()
    model(Tensor(np.zeros((3, 1, 28, 28), np.float32)))
    assert seen == [(3, 16, 10, 10)]


def weights_after(steps, threads_model):
    manual_seed(3)
    model = threads_model()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loader = DataLoader(digits(100 * steps), batch_size=100, shuffle=True, seed=3)
    history = fit(model, loader, optimizer, nn.functional.cross_entropy, epochs=1, callbacks=[])
    return history["loss"], b"".join(p.data.tobytes() for p in model.parameters())


@pytest.mark.parametrize("model", [convnet, lenet, mlp])
def test_the_same_seed_gives_the_same_bits_with_any_number_of_threads(model):
    before = get_num_threads()
    results = []
    try:
        for threads in (1, 2, 2, 5):
            set_num_threads(threads)
            results.append(weights_after(4, model))
    finally:
        set_num_threads(before)
    assert all(result == results[0] for result in results)
