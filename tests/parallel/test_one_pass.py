"""All shards of a rank in one pass: the bits are those of shards that run one by one, or they do run one by one."""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim, parallel
from autograd_nn.data import ArrayDataset, DataLoader
from autograd_nn.kernels import conv, gemm
from autograd_nn.ops import joined_norm, loss, normalization, pool, reduce
from autograd_nn.parallel.one_pass import Apart, OnePass
from autograd_nn.parallel.parts import cut, read_in_parts
from autograd_nn.parallel.step import digest
from autograd_nn.training import fit
from autograd_nn.utils.data.distributed import DistributedSampler
from tests.parallel.runs import IMAGES, LABELS, Odd

F = nn.functional


class Handwritten(nn.Module):
    """Products by hand, broadcasting over samples, weights that are used twice, an embedding of the labels."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(4, 6)
        self.matrix = nn.Parameter(ag.randn(36, 6) * 0.2)
        self.scale, self.shift = nn.Parameter(ag.ones(6)), nn.Parameter(ag.zeros(1))
        self.norm = nn.LayerNorm(6)
        self.last = nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = x.flatten(1)
        kind = (x[:, 0:4] * 1).abs().amax(1, keepdim=True).clamp(max=3).long()
        h = F.gelu(x @ self.matrix) * self.scale + self.shift
        h = self.norm(h + self.table(kind).reshape(-1, 6))
        h = self.last(F.silu(self.last(h)))
        return self.head(ag.cat([h[:, :3], h[:, 3:]], 1).softmax(1))


def deep():
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.LeakyReLU(), nn.AvgPool2d(2),
                         nn.Conv2d(4, 5, 2, stride=2), nn.GroupNorm(1, 5), nn.Flatten(), nn.Dropout(0.4),
                         nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 4))


class Attending(nn.Module):
    """A layer of a transformer over the rows of each image."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.1, batch_first=True)
        self.head = nn.Sequential(nn.PReLU(), nn.Linear(6, 4))

    def forward(self, x):
        few = self.layer(x[:, 0])
        return self.head(self.layer(ag.cat([few, few * 0.5], 1)).mean(1))  # enough for the kernels of attention


class Recurrent(nn.Module):
    """Recurrent layers over the rows of each image, in two directions and layers, and one that sees time first."""

    def __init__(self, kind=nn.LSTM, **settings):
        super().__init__()
        self.first = kind(6, 5, num_layers=2, batch_first=True, bidirectional=True, dropout=0.2, **settings)
        self.second = kind(10, 4)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        out, _ = self.first(x[:, 0])
        seen = F.gelu(out.transpose(0, 1))
        out, last = self.second(seen)
        last = last[0] if isinstance(last, tuple) else last
        return self.head(ag.cat([out.mean(0), last[-1]], 1))


class Spelling(nn.Module):
    """Predicts at each step of a sequence of indices, and takes the mean over the steps."""

    def __init__(self):
        super().__init__()
        self.table, self.cell, self.head = nn.Embedding(7, 5), nn.GRU(5, 6), nn.Linear(6, 4)

    def forward(self, x):
        letters = (x[:, 0, :, 0] * 3).clamp(-3, 3).long() + 3
        h, _ = self.cell(self.table(letters.t()))
        return self.head(h)[2:].mean(0)


MODELS = {
    "attending": Attending,
    "lstm": Recurrent,
    "gru": lambda: Recurrent(nn.GRU, bias=False),
    "elman": lambda: Recurrent(nn.RNN, nonlinearity="relu"),
    "spelling": Spelling,
    "deep": deep,
    "handwritten": Handwritten,
    "wide": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 600), nn.ReLU(), nn.Linear(600, 4)),
    "noisy": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), Noise(), nn.Linear(8, 4)),
}
LOSSES = {
    "mean": F.cross_entropy,
    "sum": lambda out, y: F.cross_entropy(out, y, reduction="sum"),
    "weights": lambda out, y: F.cross_entropy(out, y, weight=ag.tensor([1.0, 2.0, 0.5, 3.0]), ignore_index=2),
    "mse": lambda out, y: F.mse_loss(out, F.one_hot(y, 4).float()),
    "own": lambda out, y: ((out - F.one_hot(y, 4).float()) ** 2).mean(),
    "smooth": lambda out, y: F.cross_entropy(out, y, label_smoothing=0.1),
}


class Noise(nn.Module):
    def forward(self, x):
        return x + ag.randn(*x.shape) * 0.1


def run(model, loss, sizes, shards=8, **settings):
    """Return the hash that some steps end with, and the object that made them."""
    ag.manual_seed(3)
    model = MODELS[model]() if isinstance(model, str) else model()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    step = parallel.Sharded(model, optimizer, parallel.Group(shards), **settings)
    losses = []
    for batch in sizes:
        x, y = ag.tensor(IMAGES), ag.tensor(LABELS)
        batches = [(x[:n], y[:n]) for n in (batch if isinstance(batch, tuple) else (batch,))]
        optimizer.zero_grad()
        losses.append(step.backward(lambda x, y: loss(model(x), y), *batches).item())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert np.isfinite(losses).all()
    return (digest([model], [optimizer]), losses), step


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("model", ["deep", "handwritten"])
def test_one_pass_has_the_bits_of_shards_one_by_one(model, kind):
    sizes = [40, 40, 37, 40, (16, 24), 37]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together, step = run(model, LOSSES[kind], sizes)
    assert step._one_pass
    assert together == run(model, LOSSES[kind], sizes, one_pass=False)[0]


@pytest.mark.parametrize("model", ["lstm", "gru", "elman", "spelling"])
def test_recurrent_layers_have_the_same_bits(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together, step = run(model, F.cross_entropy, [24, 24, 19, 19, (16, 9)])
    assert step._one_pass
    assert together == run(model, F.cross_entropy, [24, 24, 19, 19, (16, 9)], one_pass=False)[0]


@pytest.mark.parametrize("sizes", [[40, 40, 37, 37], [(24, 16), (24, 16), (30, 37), 40]])
def test_statistics_of_each_shard_have_the_same_bits(sizes):
    def run_once(**settings):
        ag.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 6),
                              nn.BatchNorm1d(6, momentum=None), nn.Linear(6, 4))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        step = parallel.Sharded(model, optimizer, parallel.Group(8, batch_norm="shard"), **settings)
        for batch in sizes:
            parts = batch if isinstance(batch, tuple) else (batch,)
            step.backward(lambda x, y: F.cross_entropy(model(x), y),
                          *[(ag.tensor(IMAGES[:n]), ag.tensor(LABELS[:n])) for n in parts])
            optimizer.step()
            optimizer.zero_grad()
        return digest([model]), model, step

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together, model, step = run_once()
    assert step._one_pass and step._tried
    apart, other, _ = run_once(one_pass=False)
    np.testing.assert_array_equal(model[1].running_var.numpy(), other[1].running_var.numpy())
    assert together == apart


@pytest.mark.parametrize("model", ["attending", "wide", "noisy"])
def test_large_gradients_and_noise_have_the_same_bits(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together, step = run(model, F.cross_entropy, [64, 64, 64, 30, 30, 3, 3, 1], shards=4)
    assert together == run(model, F.cross_entropy, [64, 64, 64, 30, 30, 3, 3, 1], shards=4, one_pass=False)[0]
    assert len(step._tried) == 3, "of three kinds of batches, more than one shard has samples"


def test_the_second_step_runs_the_model_once():
    calls = []

    class Counting(nn.Linear):
        def forward(self, x):
            calls.append(len(x))
            return super().forward(x.flatten(1))

    run(lambda: Counting(36, 4), F.cross_entropy, [32, 32])
    assert calls == [32, *[4] * 8, 32], "in the first, together and one by one, to compare"


def reads(x):
    return x * (2 if x.sum().item() > 0 else 3)


def counts(x):
    return x * (1 + 1 / len(x))


def picks(x):
    return x - x[0]


def blends(x):
    return x + x.flip(0)


def beside(x):
    return x + ag.ones(len(x), 36)


@pytest.mark.parametrize(("function", "why"), [
    (reads, "reads values of some samples"),
    (counts, "the gradients have other bits"),
    (picks, "some samples are picked out of a batch"),
    (blends, r"flip\(\) has no form for several shards"),
    (beside, "meets samples with an array of another layout"),
])
def test_what_tells_shards_apart_runs_them_one_by_one_and_says_so_once(function, why):
    class Model(nn.Linear):
        def forward(self, x):
            return super().forward(function(x.flatten(1)))

    with pytest.warns(UserWarning, match=why) as caught:
        together, step = run(lambda: Model(36, 4), F.cross_entropy, [40, 40])
    assert len(caught) == 1
    assert not step._one_pass
    assert together == run(lambda: Model(36, 4), F.cross_entropy, [40, 40], one_pass=False)[0]


def test_statistics_that_samples_move_are_the_mean_of_the_shards():
    with pytest.warns(UserWarning, match=r"move_instance_statistics\(\) has no form for several shards"):
        together, _ = run(Odd, F.cross_entropy, [40, 40])
    assert together == run(Odd, F.cross_entropy, [40, 40], one_pass=False)[0]


def test_an_error_of_the_model_is_raised_as_it_is():
    class Wrong(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(36, 4)

        def forward(self, x):
            raise KeyError("mine")

    with pytest.warns(UserWarning, match="together they raise KeyError"), pytest.raises(KeyError, match="mine"):
        run(Wrong, F.cross_entropy, [40])


def test_shards_without_targets_count_nothing():
    x, y = ag.randn(8, 3), ag.tensor([0, 1, -100, -100, 1, 1, 0, -100])

    def gradient(normed, one_pass):
        ag.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 2), *([nn.BatchNorm1d(2)] if normed else []))
        step = parallel.Sharded(model, group=parallel.Group(4), one_pass=one_pass)
        for _ in range(2):
            model.zero_grad()
            value = step.backward(lambda x, y: F.cross_entropy(model(x), y), (x, y))
        assert step._one_pass == one_pass
        return value.item(), model[0].weight.grad.numpy(), model

    value, found, model = gradient(False, True)
    model.zero_grad()
    whole = F.cross_entropy(model(x), y)
    whole.backward()
    assert value == pytest.approx(whole.item())
    np.testing.assert_allclose(found, model[0].weight.grad.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(found, gradient(False, False)[1])
    np.testing.assert_array_equal(gradient(True, True)[1], gradient(True, False)[1])


def test_metrics_see_each_shard():
    def trained(**settings):
        ag.manual_seed(1)
        model = MODELS["deep"]()
        history = fit(model, (IMAGES, LABELS), optim.Adam(model.parameters()), "cross_entropy", 2, batch_size=25,
                      metrics=["accuracy", "f1"], callbacks=[], **settings)
        numbers = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history.epochs]
        return digest([model]), numbers

    found = trained(shards=8)
    before = parallel.Sharded.__init__.__kwdefaults__, parallel.Sharded.__init__.__defaults__
    assert before[1][-1] is True
    parallel.Sharded.__init__.__defaults__ = (*before[1][:-1], False)
    try:
        assert found == trained(shards=8)
    finally:
        parallel.Sharded.__init__.__defaults__ = before[1]


def test_parts_are_joined_as_they_were_cut():
    batch = {"x": ag.tensor(IMAGES[:20]), "names": [str(i) for i in range(20)], "both": (LABELS[:20], ag.tensor(3.0))}
    parts = cut(batch, parallel.Group(8).tree, 0)
    assert parts.sizes == {i: len(part["names"]) for i, part in parts.shards.items()}
    again = parts.joined()
    parts.part = None
    for joined in (again, parts.joined()):
        np.testing.assert_array_equal(joined["x"].numpy(), IMAGES[:20])
        np.testing.assert_array_equal(joined["both"][0], LABELS[:20])
        assert joined["names"] == batch["names"] and joined["both"][1].item() == 3


def test_a_sampler_that_divides_the_samples_is_refused():
    data = ArrayDataset(IMAGES, LABELS)
    group = parallel.Group(8)
    loader = DataLoader(data, 10, sampler=DistributedSampler(data, 2, 0))
    with pytest.raises(ValueError, match=r"divided twice: .*leave the sampler out \(shuffle=True"), read_in_parts(
            loader, group):
        pass
    with pytest.raises(ValueError, match="divided twice"):
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
        fit(model, loader, optim.SGD(model.parameters(), lr=0.1), "cross_entropy", callbacks=[], shards=8)
    whole = DataLoader(data, 10, sampler=DistributedSampler(data, 1, 0))
    with read_in_parts(whole, group):
        assert sum(parts.size for parts in whole) == len(IMAGES)


# ------------------------------------------------------------------------------------ rows

COUNTS = [*range(1, 33), 47, 64, 100, 128, 129, 255, 300]


def check_rows(function, counts, *shapes):
    """Check that rows have the same bits for any number of rows."""
    rng = np.random.default_rng(0)
    most = max(counts)
    arrays = [rng.standard_normal((most, *shape)).astype(np.float32) for shape in shapes]
    whole = function(*arrays)
    for n in counts:
        part = function(*(array[:n] for array in arrays))
        for found, expected in zip(part if isinstance(part, tuple) else (part,),
                                   whole if isinstance(whole, tuple) else (whole,), strict=True):
            np.testing.assert_array_equal(found, expected[:n], err_msg=f"{n} rows of {most}")


@pytest.mark.parametrize(("K", "N"), [(3, 4), (36, 36), (784, 128), (1000, 10), (1690, 10), (128, 10), (5000, 3)])
def test_rows_of_products_have_the_same_bits(K, N):
    rng = np.random.default_rng(1)
    w, b = rng.standard_normal((N, K)).astype("f4"), rng.standard_normal(N).astype("f4")
    assert gemm.rows_are_alike(w.dtype)
    check_rows(lambda x: gemm.linear(x, w, b), COUNTS, (K,))
    check_rows(lambda x: gemm.linear(x, w, b, relu=True), COUNTS, (K,))
    check_rows(lambda x: gemm.matmul(x, np.ascontiguousarray(w.T)), COUNTS, (K,))


@pytest.mark.parametrize(("inner", "outer", "size", "kernel", "stride", "pad"), [
    (1, 10, 12, 3, 1, 0), (16, 32, 8, 3, 1, 1), (32, 32, 8, 3, 2, 1), (3, 8, 9, 5, 2, 2), (16, 16, 6, 1, 1, 0)])
def test_rows_of_convolutions_have_the_same_bits(inner, outer, size, kernel, stride, pad):
    rng = np.random.default_rng(1)
    w, b = rng.standard_normal((outer, inner, kernel, kernel)).astype("f4"), rng.standard_normal(outer).astype("f4")
    settings = {"stride": (stride, stride), "padding": ((pad, pad), (pad, pad))}
    after = (size + 2 * pad - kernel) // stride + 1
    counts = [1, 2, 3, 5, 8, 16, 17, 31, 64]
    check_rows(lambda x: conv.conv2d(x, w, b, **settings), counts, (inner, size, size))
    check_rows(lambda g: conv.conv2d_input(g, w, size=(size, size), **settings), counts, (outer, after, after))


@pytest.mark.parametrize("d", [1, 3, 10, 33, 1000])
def test_rows_of_norms_and_softmaxes_have_the_same_bits(d):
    w, b = np.random.default_rng(1).standard_normal((2, d)).astype("f4")
    check_rows(lambda x: normalization._layer_norm.forward(x, w, b, eps=1e-5), COUNTS, (d,))
    check_rows(lambda g, x, m, r: normalization._layer_norm_input.forward(g, x, w, m, r, eps=1e-5)[0], COUNTS, (d,),
               (d,), (), ())
    for forward, backward in ((reduce._softmax, reduce._softmax_input),
                              (reduce._log_softmax, reduce._log_softmax_input)):
        check_rows(lambda x, f=forward: f.forward(x, dim=1), COUNTS, (d,))
        check_rows(lambda g, x, f=backward: f.forward(g, x, dim=1), COUNTS, (d,), (d,))
    check_rows(lambda x: reduce._sum.forward(x, dims=(1,), keepdim=False), COUNTS, (d,))
    check_rows(lambda x: loss._cross_entropy_rows.forward(x, np.arange(len(x)) % d), COUNTS, (d,))
    check_rows(lambda x: F.scaled_dot_product_attention(*(ag.tensor(x),) * 3).numpy(), COUNTS[::5], (1, 3, d))
    check_rows(lambda x: pool._max_pool2d.forward(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1),
                                                  ceil_mode=False), COUNTS[::3], (2, 4, d + 1))


@pytest.mark.parametrize("shape", [(5, 256), (3, 5), (6, 4, 4, 4), (1, 7), (4, 3, 100), (2, 1, 5, 5)])
def test_sums_of_batch_norms_have_the_bits_of_each_place(shape):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 8 * shape[0], *shape[1:])).astype("f4")
    parts = list(zip(np.split(g, 8), np.split(x, 8)))
    np.testing.assert_array_equal(joined_norm.own_statistics(x, 8),
                                  np.concatenate([joined_norm.own_statistics(part) for _, part in parts]))
    np.testing.assert_array_equal(joined_norm.own_sums(g, x, 8),
                                  np.concatenate([joined_norm.own_sums(*pair) for pair in parts]))
    for dims in {(0,), (0, *range(2, x.ndim))}:
        whole = reduce._sum.forward(x.reshape(8, *shape), dims=tuple(d + 1 for d in dims), keepdim=False)
        for place, (_, part) in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(place, reduce._sum.forward(part, dims=dims, keepdim=False))


def test_values_of_shards_are_seen_as_that_of_the_first():
    with OnePass({0: 1, 1: 3}, [None, None]) as one:
        x = ag.tensor([1.0, 2.0, 3.0, 6.0])
        one.rows(x.array)
        mean = x.mean()
        assert one.stack(mean.array).tolist() == [1, np.float32(11 / 3)]
        shifted = x - mean
        assert one.kind(shifted.array) == "rows"
        np.testing.assert_allclose(shifted.array, [0, 2 - 11 / 3, 3 - 11 / 3, 6 - 11 / 3], rtol=1e-5)
        assert one.share([x, mean], 1)[0].tolist() == [2, 3, 6]
        with pytest.raises(Apart, match=r"item\(\) reads"):
            mean.item()
        with pytest.raises(Apart, match=r"cumsum\(\) has no form"):
            x.cumsum(0)


WITHOUT_TARGETS = {
    "ignored": (lambda out, y: F.cross_entropy(out, y), -100),
    "ignored, smooth": (lambda out, y: F.cross_entropy(out, y, label_smoothing=0.1), -100),
    "a class without weight": (lambda out, y: F.cross_entropy(out, y, weight=ag.tensor([0.0, 2.0, 1.0, 3.0]).double()),
                               0),
    "nll": (lambda out, y: F.nll_loss(F.log_softmax(out, 1), y, ignore_index=3), 3),
}


@pytest.mark.parametrize("one_pass", [True, False])
@pytest.mark.parametrize("kind", WITHOUT_TARGETS)
def test_a_shard_without_targets_has_its_gradient_through_batch_norm(kind, one_pass):
    loss, ignored = WITHOUT_TARGETS[kind]
    x = ag.tensor(IMAGES[:16].astype(np.float64))
    labels = np.asarray(LABELS[:16]).copy()
    labels[:] = np.arange(16) % 3 + (1 if ignored == 0 else 0)
    labels[4:8] = ignored
    y = ag.tensor(labels)
    model = deep().double()
    model[7].p = 0.0
    alone = loss(model(x), y)
    alone.backward()
    gradients = [p.grad.numpy().copy() for p in model.parameters()]
    step = parallel.Sharded(model, group=parallel.Group(4), one_pass=one_pass)
    for _ in range(2):  # at the first, both ways are tried
        model.zero_grad()
        joined = step.backward(lambda x, y: loss(model(x), y), (x, y))
    assert step._one_pass is one_pass
    assert joined.item() == pytest.approx(alone.item(), rel=1e-12)
    for p, g in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g, rtol=0, atol=1e-12)


def test_no_target_that_counts_leaves_no_gradient():
    ag.manual_seed(0)
    model = deep()
    step = parallel.Sharded(model, group=parallel.Group(4))
    y = ag.tensor(np.full(16, -100))
    for _ in range(2):
        assert np.isnan(step.backward(lambda x, y: F.cross_entropy(model(x), y), (ag.tensor(IMAGES[:16]), y)).item())
        assert all(p.grad is None for p in model.parameters())
