"""Faults that public bug reports, PyTorch's sample inputs and newcomers found: each gives the right value now."""

import asyncio
import copy
import math
import pickle

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, tensor
from autograd_nn.nn import functional as F
from autograd_nn.utils.checkpoint import checkpoint

INF, NAN = math.inf, math.nan


def gradient(function, *values):
    """Return the gradient of the sum of a function in its first argument."""
    x = tensor(values, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (lambda: ag.logcumsumexp(tensor([0.0, 1.0, 120.0]), 0), [0, 1.313262, 120]),
        (lambda: ag.logcumsumexp(tensor([0.0, INF, NAN]), 0), [0, INF, NAN]),
        (lambda: F.cosine_similarity(tensor([[1.0, 2.0]]), tensor([[1.0, 2.0], [3.0, 5.0]]), 0), [0.894427, 0.919145]),
        (lambda: F.cosine_similarity(ag.full((1, 3), 1e20), ag.full((1, 3), 1e20)), [1]),
        (lambda: ag.div(tensor([100000001, -7]), tensor([1, 2]), rounding_mode="trunc"), [100000001, -3]),
        (lambda: tensor([255], dtype=ag.uint8) == -1, [False]),
        (lambda: F.hardshrink(tensor([NAN])), [NAN]),
        (lambda: F.softshrink(tensor([NAN])), [NAN]),
        (lambda: F.threshold(tensor([NAN]), 0.1, 20.0), [NAN]),
        (lambda: F.cross_entropy(tensor([[2.0, 1.0, -INF]]), tensor([[1.0, 0.0, 0.0]])), 0.313262),
        (lambda: ag.full((2**20,), 0.1).cumsum(0)[-1], 104857.6),
        (lambda: ag.full((2**20,), 1 + 2**-20).cumprod(0)[-1], 2.718281),
        (lambda: (tensor([1.0, -1.0]) * 1e20).std(), 1.4142135e20),
        (lambda: ag.norm(tensor([3.0, 4.0]) * 1e20), 5e20),
        (lambda: ag.norm(tensor([3.0, 4.0]) * 1e-30), 5e-30),
        (lambda: F.normalize(tensor([[3.0, 4.0]]) * 1e20), [[0.6, 0.8]]),
        (lambda: F.layer_norm(tensor([[1.0, -1.0]]) * 1e20, (2,)), [[1, -1]]),
        (lambda: F.group_norm(tensor([[[1.0, -1.0]]]) * 1e20, 1), [[[1, -1]]]),
        (lambda: F.rms_norm(tensor([[1.0, -1.0]]) * 1e20, (2,)), [[1, -1]]),
        (lambda: F.rms_norm(tensor([[1.0, -1.0]]) * 1e-30, (2,), eps=0.0), [[1, -1]]),
        (lambda: F.local_response_norm(ag.full((1, 1, 1), 1e20), 1, 1.0, 0.5, 1.0), [[[1]]]),
        (lambda: ag.clamp(tensor([1.0, 1.0]), tensor([NAN, 0.0])), [NAN, 1]),
        (lambda: ag.clamp(tensor([1.0, 1.0]), max=tensor([NAN, 0.0])), [NAN, 0]),
        (lambda: ag.quantile(tensor([1.0, NAN, 3.0]), 0.5), NAN),
        (lambda: ag.quantile(tensor([1.0, 2.0, 5.0, 9.0]), 0.5, interpolation="lower"), 2),
        (lambda: F.hinge_embedding_loss(tensor([2.0]), tensor([0.0])), 2),
        (lambda: F.interpolate(tensor([[[[0, 255], [255, 0]]]], dtype=ag.uint8), (3, 3), mode="bilinear")[0, 0],
         [[0, 128, 255], [128, 128, 128], [255, 128, 0]]),
        (lambda: ag.searchsorted(tensor([[1.0, 3.0], [2.0, 4.0]]), tensor([[3.0], [3.0]]), side="right"), [[2], [1]]),
        (lambda: ag.cov(tensor([[1.0, 3.0], [2.0, 8.0]]), fweights=tensor([1, 3])), [[1, 3], [3, 9]]),
        (lambda: ag.diff(tensor([1.0, 4.0]), prepend=tensor([0.0])), [1, 3]),
        (lambda: ag.cat([tensor([]), tensor([[1.0]])]), [[1]]),
        (lambda: tensor(5.0).gather(0, tensor([0, 0])), [5, 5]),
        (lambda: F.batch_norm(tensor([[1.0], [-1.0]]) * 1e20, None, None, training=True), [[1], [-1]]),
        (lambda: ag.cummax(tensor([1.0, 3.0, 2.0, 3.0]), 0)[1], [0, 1, 1, 3]),
        (lambda: ag.cummin(tensor([3.0, NAN, 2.0]), 0)[0], [3, NAN, NAN]),
        (lambda: ag.repeat_interleave(tensor([1, 2]), tensor([1, 2])), [1, 2, 2]),
        (lambda: ag.corrcoef(tensor([[1.0, 2.0], [2.0, 1.0]])), [[1, -1], [-1, 1]]),
        (lambda: tensor([1.0, 2.0]).quantile(0.5), 1.5),
        (lambda: ag.digamma(tensor([-1e-30, 1e-30, -1e-8, -0.5])), [1e30, -1e30, 1e8, 0.03648998]),
        (lambda: ag.polygamma(1, tensor([-1e-8], dtype=ag.float64)), [1e16]),
        (lambda: ag.gradient(tensor([0.0, INF, 4.0, 6.0]))[0], [INF, 2, -INF, 2]),
        (lambda: F.smooth_l1_loss(tensor([0.1, 0.2, 3.0]), ag.zeros(3), beta=np.float16(0.3)), 0.97776512),
        (lambda: F.cross_entropy(tensor([[2.0, 0.0]]), tensor([0]), label_smoothing=np.float16(0.1)), 0.2269036),
        (lambda: ag.lerp(tensor([1e20, 0.0, INF]), tensor([1.0, 10.0, 1.0]), 1.0), [1, 10, NAN]),
        (lambda: ag.lerp(tensor([1.0, 1.0]), tensor([1e20, 3.0]), tensor([0.0, 0.75])), [1, 2.5]),
        (lambda: ag.lerp(tensor([1e20]), tensor([1.0]), np.float64(1)), [1]),
        (lambda: ag.clamp(tensor([1.0, 5.0]), NAN), [NAN, NAN]),
        (lambda: ag.clamp(tensor([1, 5]), 0, np.float32(NAN)), [NAN, NAN]),
        (lambda: F.rrelu(tensor([-1.0]), np.float16(0.1), np.float16(0.3)), [-0.20001220]),
        (lambda: ag.var(tensor([1.0, 2.0]), correction=2), INF),
        (lambda: ag.std(tensor([1.0, 2.0]), correction=3), INF),
        (lambda: ag.var(tensor([2.0, 2.0]), correction=2), NAN),
        (lambda: [ag.std(ag.full((n,), 0.7, dtype=dtype)) for n in (3, 7, 49) for dtype in ("f4", "f8")], 0),
        (lambda: ag.var(tensor([[0.1, 0.7], [0.1, 0.2], [0.1, 0.3]]), 0), [0, 0.07]),
        *[(lambda norm=norm: norm(tensor([[NAN, 1.0], [1e20, -1e20]]))[1], [1, -1]) for norm in (
            lambda x: F.layer_norm(x, (2,)), lambda x: F.group_norm(x, 1), lambda x: F.batch_norm(
            x.T, None, None, training=True).T)],
        (lambda: ag.nanmedian(ag.zeros(0)), NAN),
        (lambda: ag.nanmedian(ag.zeros(0, 3), 1).values, np.zeros(0)),
        (lambda: ag.lcm(tensor([2**62 + 2]), tensor([3])), [2**62 + 2]),
        (lambda: ag.index_add(MASK, 0, tensor([1]), tensor([True]), alpha=2), [True, True]),
        (lambda: ag.logsumexp(tensor([0, 0]), 0), math.log(2)),
    ],
)  # fmt: skip
def test_values(found, right):
    np.testing.assert_allclose(np.asarray(found()), right, rtol=2e-6)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (lambda: gradient(lambda x: ag.norm(x, 0.5), 0.0, 1.0), [0, 1]),
        (lambda: gradient(lambda x: ag.logaddexp(x, tensor([0.0])), INF), [1]),
        (lambda: gradient(ag.logit, 0.0, 1.0, 2.0), [INF, INF, NAN]),
        (lambda: gradient(lambda x: ag.div(x, 0, rounding_mode="trunc"), 1.0), [0]),
        (lambda: gradient(lambda q: ag.quantile(tensor([1.0, 2.0, 5.0]), q), 0.3), [2]),
        (lambda: gradient(lambda x: ag.full((4,), 1.0).scatter(0, tensor([0, 0, 1]), x), 1.0, 2.0, 3.0), [0, 1, 1]),
        (lambda: gradient(lambda x: ag.zeros(2).index_put((tensor([0, 0, 1]),), x), 1.0, 2.0, 3.0), [0, 1, 1]),
        (lambda: gradient(lambda x: ag.zeros(2).index_copy(0, tensor([0, 0, 1]), x), 1.0, 2.0, 3.0), [0, 1, 1]),
        (lambda: gradient(lambda x: ag.cummax(x, 0)[0], 1.0, 3.0, 2.0), [1, 2, 0]),
        (lambda: gradient(lambda x: ag.logcumsumexp(x, 0), 0.0, 0.0), [1.5, 0.5]),
        (lambda: gradient(lambda x: ag.norm(x, 0), 0.0, 1.0), [0, 0]),
        (lambda: gradient(ag.acosh, 1e20), [1e-20]),
        (lambda: gradient(lambda x: ag.softmax(x[0], 0), 2.0), [0]),
        (lambda: gradient(lambda x: ag.index_fill(ag.zeros(2), 0, tensor([0]), x[0]), 2.0), [1]),
        (lambda: gradient(lambda x: ag.std(x.double()), *[0.1] * 3), [0, 0, 0]),
        (lambda: gradient(ag.asinh, 1e30, -1e20, 0.0, 0.75, -INF, NAN), [1e-30, 1e-20, 1, 0.8, 0, NAN]),
        (lambda: gradient(lambda x: ag.nextafter(x, tensor([INF, 2.0])), 1.0, 2.0), [1, 0]),
        (lambda: gradient(lambda x: ag.lerp(x, tensor([3.0, 3.0]), 0.75), 1.0, 2.0), [0.25, 0.25]),
        (lambda: gradient(lambda x: F.rms_norm(x * 1e20, (2,))[0], 3.0, 4.0), [0.18101934, -0.1357645]),
    ],
)
def test_gradients(found, right):
    np.testing.assert_allclose(found(), right, rtol=1e-6)


MASK = tensor([True, False])
WHOLE, BYTES = tensor([1, 2]), tensor([1, 2], dtype=ag.uint8)
ONE, HALF = np.float64(1.0), np.float64(0.5)


@pytest.mark.parametrize(
    ("compute", "dtype"),
    [
        (lambda: ag.where(MASK, 1.0, 0.0), "float32"),
        (lambda: ag.where(MASK, ONE, 0.0), "float32"),
        (lambda: ag.cat([tensor([1.0]), tensor([1])]), "float32"),
        (lambda: ag.stack([tensor([1.0]), tensor([1])]), "float32"),
        (lambda: ag.bincount(tensor([1, 2]), tensor([1.0, 2.0])), "float32"),
        (lambda: MASK.masked_fill(MASK, 0), "bool"),
        (lambda: tensor([1, 2]).masked_fill(MASK, 7.0), "int64"),
        (lambda: ag.sum(ag.ones(2, dtype=ag.int32), 0, dtype=ag.int32), "int32"),
        (lambda: ag.prod(ag.ones(2, dtype=ag.int32), dtype=ag.int32), "int32"),
        (lambda: ag.cumsum(ag.ones(2, dtype=ag.int32), 0, dtype=ag.int32), "int32"),
        (lambda: ag.cumprod(ag.ones(2, dtype=ag.int32), 0, dtype=ag.int32), "int32"),
        (lambda: ag.ones(2).clamp(-ONE, ONE), "float32"),
        (lambda: F.hardtanh(ag.ones(2), -ONE, ONE), "float32"),
        (lambda: ag.ones(3).sum() * np.sqrt(2.0), "float32"),
        (lambda: ag.ones(3).sum() + ONE, "float32"),
        (lambda: ag.ones(3).sum() / ONE, "float32"),
        (lambda: ag.ones(3).sum() ** ONE, "float32"),
        (lambda: F.normalize(ag.ones(2, 2), eps=np.float64(1e-8)), "float32"),
        (lambda: F.cosine_similarity(ag.ones(2, 2), ag.ones(2, 2), eps=np.float64(1e-8)), "float32"),
        (lambda: F.cross_entropy(ag.ones(2, 2), tensor([0, 1]), label_smoothing=HALF), "float32"),
        (lambda: ag.logit(ag.full((2,), 0.5), eps=np.float64(0.1)), "float32"),
        (lambda: ag.full((2,), np.sqrt(2.0)), "float32"),
        (lambda: ag.full((2,), np.float16(2)), "float32"),
        (lambda: tensor([tensor(1.0), 2.5]), "float32"),
        (lambda: tensor([tensor(1), tensor(2.0)]), "float32"),
        (lambda: tensor([tensor(1.0, dtype=ag.float16), tensor(2)]), "float16"),
        (lambda: tensor([tensor(1.0, dtype=ag.float64), 2]), "float64"),
        (lambda: tensor((tensor(True), 2)), "int64"),
        (lambda: ag.add(MASK, MASK, alpha=2), "bool"),
        (lambda: ag.index_add(MASK, 0, tensor([0]), tensor([True]), alpha=2), "bool"),
    ],
)  # fmt: skip
def test_dtypes(compute, dtype):
    assert compute().dtype == np.dtype(dtype)


def test_an_integer_tensor_does_not_take_a_fraction():
    with pytest.raises(RuntimeError, match=r"masked_fill\(\): value 0.5 cannot be held .*\.float\(\)"):
        tensor([1, 2]).masked_fill(MASK, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ag.rot90(ag.ones(2, 2), 1, (0, 0)), "dims must be two different dims"),
        (lambda: ag.diff(ag.ones(3), n=-1), "n must not be negative"),
        *[(call, "integers cannot be divided by 0") for call in (
            lambda: tensor([7]) // 0, lambda: 7 // tensor([1, 0]), lambda: tensor([7]) % tensor(0),
            lambda: MASK // MASK, lambda: ag.fmod(tensor([7]), 0), lambda: ag.div(WHOLE, 0, rounding_mode="trunc"),
            lambda: tensor([7]).floor_divide_(0), lambda: ag.remainder(5, tensor([0])))],
        *[(call, r"(nan|inf|300|-1|1e\+30) cannot be held by u?int") for call in (
            lambda: WHOLE.clone().__setitem__(0, NAN), lambda: BYTES.clone().__setitem__(0, 300),
            lambda: WHOLE.clone().__setitem__(slice(None), np.float64(INF)), lambda: WHOLE.clone().__setitem__(0, 1e30),
            lambda: WHOLE.masked_fill(MASK, NAN), lambda: BYTES.masked_fill(MASK, -1), lambda: ag.full((2,), NAN,
            dtype=ag.int64), lambda: ag.full_like(BYTES, 300), lambda: WHOLE.new_full((1,), INF),
            lambda: ag.index_fill(WHOLE, 0, tensor([0]), NAN), lambda: ag.scatter(BYTES, 0, tensor([0]), 300),
            lambda: F.pad(WHOLE, (1, 0), value=NAN))],
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_a_norm_without_statistics_says_so():
    with pytest.raises(ValueError, match="track_running_stats=False"):
        nn.BatchNorm1d(3, track_running_stats=False).eval()(ag.ones(1, 3))


def test_generators_record_nothing_under_no_grad():
    @ag.no_grad()
    def predict(model, batches):
        for x in batches:
            yield model(x)

    layer = nn.Linear(2, 1)
    assert [y.requires_grad for y in predict(layer, [ag.ones(1, 2)] * 2)] == [False, False]
    pieces = predict(layer, [ag.ones(1, 2)] * 2)
    next(pieces)
    assert layer(ag.ones(1, 2)).requires_grad  # between the pieces, operations are recorded


def test_a_generator_is_copied_and_pickled():
    generator = ag.Generator(3)
    generator.random((5,))
    copies = copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))
    expected = generator.random((4,)).tolist()
    assert all(other.random((4,)).tolist() == expected for other in copies)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1)

    def body(self, x, scale=1.0):
        return F.dropout(self.norm(self.first(x)).relu(), 0.5) * scale

    def forward(self, x, kept):
        if kept:
            return self.last(self.body(x, scale=2.0))
        return self.last(checkpoint(self.body, x, use_reentrant=False, scale=2.0))


def test_a_checkpointed_method_gives_the_gradients_of_the_plain_one():
    results = []
    for kept in (True, False):
        ag.manual_seed(0)
        net = Net()
        x = ag.randn(6, 2).requires_grad_()
        net(x, kept).sum().backward()
        results.append([x.grad.tolist(), *(p.grad.tolist() for p in net.parameters()), net.norm.running_mean.tolist(),
                        int(net.norm.num_batches_tracked), ag.rand(1).tolist()])  # fmt: skip
    assert results[0] == results[1]


def test_a_checkpointed_lambda_and_a_tuple():
    layer = nn.Linear(2, 2)
    a, (b, c) = checkpoint(lambda x: (layer(x), (x * 2, 3)), ag.ones(1, 2), use_reentrant=True)
    (a.sum() + b.sum()).backward()
    assert layer.weight.grad.tolist() == [[1, 1], [1, 1]] and c == 3


class Changing(nn.Module):
    """What a checkpoint runs; between the two runs something changes that it depends on."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.drop = nn.Linear(3, 3), nn.Linear(3, 3), nn.Dropout(0.5)
        self.scale = 1.0
        self.register_buffer("offset", ag.zeros(3))
        self.dice = np.random.default_rng(0)

    def forward(self, x):
        return self.b(self.drop(self.a(x).tanh())) * self.scale + self.offset

    def noisy(self, x):
        return self(x) * float(self.dice.random())


CHANGES = {
    "an input": (lambda m, x: x.mul_(2), "was changed in place"),
    "a parameter": (lambda m, x: ag.no_grad(m.b.weight.mul_)(2), "was changed in place"),
    "a parameter's data": (lambda m, x: m.b.weight.data.mul_(2), "gave other results"),  # written past the door
    "a buffer": (lambda m, x: m.offset.add_(1), "was changed in place"),
    "an optimizer's step": (lambda m, x: ag.optim.SGD([ag.nn.Parameter(ag.zeros(1)), *m.b.parameters()], lr=1.0).step(),
                            "was changed in place"),
    "the mode": (lambda m, x: m.eval(), "gave other results"),
    "an attribute": (lambda m, x: setattr(m, "scale", 2.0), "gave other results"),
    "a layer": (lambda m, x: setattr(m, "a", nn.Linear(3, 3)), "gave other results"),
    "a shape": (lambda m, x: setattr(m, "offset", ag.zeros(2, 1, 3)), "gave other results"),
    "nothing": (lambda m, x: m(x), None),  # random numbers that others draw are none of its
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("settings", [{}, {"use_reentrant": True}])
def test_what_changes_under_a_checkpoint(change, settings):
    act, message = CHANGES[change]
    m = Changing()
    for p in m.b.parameters():
        p.grad = ag.ones(*p.shape)
    x = ag.ones(40, 3, requires_grad=True) * 1
    out = checkpoint(m, x, **settings).sum()
    act(m, x)
    if message is None:
        out.backward()
    else:
        with pytest.raises(RuntimeError, match=rf"checkpoint\(\): .* {message}"):
            out.backward()


def test_a_checkpoint_of_what_differs_each_time():
    m, x = Changing(), ag.ones(40, 3)
    with pytest.raises(RuntimeError, match=r"gave other results .*determinism_check='none' accepts it"):
        checkpoint(m.noisy, x).sum().backward()
    checkpoint(m.noisy, x, determinism_check="none").sum().backward()
    checkpoint(m, x, preserve_rng_state=False).sum().backward()  # other elements are dropped, as asked
    with pytest.raises(ValueError, match="determinism_check must be 'default' or 'none'"):
        checkpoint(m, x, determinism_check="all")


def test_a_norm_whose_statistics_move_between_two_checkpoints():
    m, x = nn.BatchNorm1d(3), ag.randn(8, 3).requires_grad_()
    (checkpoint(m, x) + checkpoint(m, x * 2)).square().sum().backward()
    assert m.num_batches_tracked.item() == 2


def test_tied_weights_stay_tied_where_arrays_are_assigned():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    state = {name: value + 1 for name, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)
    assert model[1].weight is model[0].weight and model[0].weight.array is state["1.weight"].array


def test_a_function_of_ones_own_sees_which_inputs_need_a_gradient_and_raises_its_own_errors():
    class Product(ag.autograd.Function):
        @staticmethod
        def forward(ctx, w, x):
            assert w.requires_grad and not x.requires_grad
            ctx.save_for_backward(w, x)
            return w * x

        @staticmethod
        def backward(ctx, g):
            w, x = ctx.saved_tensors
            assert w.requires_grad
            return g * x, g * w

    w = nn.Parameter(ag.ones(2))
    (Product.apply(w, ag.full((2,), 3.0)) ** 2).sum().backward()
    assert w.grad.tolist() == [18, 18]

    class Broken(ag.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.reshape("three")

    with pytest.raises(TypeError):
        Broken.apply(w)


def test_convolutions_without_input_channels():
    w = nn.Parameter(ag.zeros(2, 0, 3, 3))
    F.conv2d(ag.zeros(1, 0, 5, 5), w).sum().backward()
    assert w.grad.shape == (2, 0, 3, 3)


def test_a_replaced_forward_is_honoured():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].forward = lambda x: x * 0 + 7
    assert model(ag.ones(1, 2)).tolist() == [[7, 7]]


def test_modules_are_found_by_name():
    assert ag.models.__name__.endswith("models") and ag.testing.gradcheck
    with pytest.raises(AttributeError):
        ag.no_such_module  # noqa: B018


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(1, 1, 3), (1, 1, 4, 4)),
        (nn.Conv1d(1, 1, 3), (1, 1, 4)),
        (nn.ConvTranspose2d(1, 1, 3), (1, 1, 4, 4)),
        (nn.MaxPool2d(2), (1, 1, 4, 4)),
        (nn.BatchNorm2d(1), (1, 1, 4, 4)),
        (nn.LSTM(4, 4), (1, 1, 4)),
        (nn.LayerNorm(4), (1, 4)),
    ],
)
def test_layers_compute_in_half_precision(layer, shape):
    x = ag.arange(float(np.prod(shape))).reshape(shape)

    def result(x):
        out = layer(x.requires_grad_())
        out = out[0] if isinstance(out, tuple) else out
        out.sum().backward()
        return out, x.grad

    single = result(x)
    layer.half()
    half = result(x.detach().half())
    for a, b in zip(half, single):
        assert a.dtype == np.float16
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-2, atol=1e-2)


# ------------------------------------------------------------------------------------ what records, decorated


class Modes:
    """What `no_grad` and its kin decorate, in all forms; each says whether it records."""

    def __init__(self, decorate):
        self.asked = {}
        ask = ag.is_grad_enabled

        @decorate
        def function():
            return ask()

        @decorate
        def generator():
            got = yield ask()
            assert got == "sent"
            try:
                yield ask()
            except KeyError:
                yield ask()

        @decorate
        async def coroutine():
            before = ask()
            await asyncio.sleep(0)
            return before, ask()

        @decorate
        async def stream():
            try:
                yield ask()
                await asyncio.sleep(0)
                yield ask()
            finally:
                self.asked["closing"] = ask()

        class Held:
            @decorate
            def method(self):
                return ask()

            @decorate
            @staticmethod
            def outside(x):
                return ask()

            @staticmethod
            @decorate
            def inside(x):
                return ask()

            @decorate
            @classmethod
            def of_class(cls):
                return ask()

            @decorate
            @property
            def held(self):
                return ask()

        @decorate
        class Made:
            def __init__(self):
                self.asked = ask()

        self.function, self.generator, self.coroutine, self.stream = function, generator, coroutine, stream
        self.Held, self.Made = Held, Made

    def run(self):
        """Return what all of them say."""
        pieces, held, between = self.generator(), self.Held(), []
        found = [self.function(), next(pieces), pieces.send("sent"), pieces.throw(KeyError), held.method(),
                 held.outside(1), held.inside(1), held.of_class(), held.held, self.Made().asked]

        async def others():
            found.extend(await self.coroutine())
            async for value in self.stream():
                found.append(value)
                between.append(ag.is_grad_enabled())
            stream = self.stream()
            found.append(await anext(stream))
            await stream.aclose()
            found.append(self.asked["closing"])
            # a task in between sees its own mode
            return await asyncio.gather(self.coroutine(), asyncio.sleep(0, ag.is_grad_enabled()))

        (before, after), outside = asyncio.run(others())
        return {*found, before, after}, {*between, outside, ag.is_grad_enabled()}


@pytest.mark.parametrize(("decorate", "records"), [
    (ag.no_grad(), False), (ag.no_grad, False), (ag.enable_grad(), True), (ag.enable_grad, True),
    (ag.inference_mode(), False), (ag.inference_mode, False), (ag.inference_mode(True), False),
    (lambda f: ag.set_grad_enabled(False)(f), False), (lambda f: ag.set_grad_enabled(True)(f), True)])  # fmt: skip
@pytest.mark.parametrize("outside", [True, False])
def test_whatever_is_decorated_records_or_does_not(decorate, records, outside):
    with ag.set_grad_enabled(outside):
        modes = Modes(decorate)
        assert ag.is_grad_enabled() is outside
        assert modes.run() == ({records}, {outside})


def test_recording_as_it_is():
    for outside in (True, False):
        with ag.set_grad_enabled(outside), ag.inference_mode(False):
            assert ag.inference_mode(False)(ag.is_grad_enabled)() is ag.is_grad_enabled() is outside


@pytest.mark.parametrize("call", [lambda: ag.no_grad()(5), lambda: ag.set_grad_enabled(print),
                                  lambda: ag.set_grad_enabled(None), lambda: ag.enable_grad("x")])
def test_what_decorates_nothing(call):
    with pytest.raises(TypeError, match=r"(no_grad|enable_grad|enabled)\(\): (decorates a function|mode must be)"):
        call()
    assert ag.is_grad_enabled()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kl_div_shows_nan_beside_a_probability_of_0(dtype):
    log_q = ag.tensor(np.array([np.nan, -np.inf, -1.0], dtype), requires_grad=True)
    losses = F.kl_div(log_q, ag.tensor(np.array([0.0, 0.0, 0.5], dtype)), reduction="none")
    assert np.isnan(losses[0].item()) and losses[1].item() == 0
    assert losses[2].item() == pytest.approx(0.5 * (np.log(0.5) + 1), rel=1e-6)
    losses.sum().backward()
    assert log_q.grad.tolist() == [0, 0, -0.5]
