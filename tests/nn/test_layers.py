"""What layers do at their edges, without PyTorch: values from its documentation and semantics, errors, seeds."""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, nn

F = nn.functional


def randn(*shape, **options):
    return ag.randn(*shape, generator=ag.Generator(sum(shape)), **options)


# ------------------------------------------------------------------------------------ inplace


def test_inplace_makes_the_input_the_result():
    x = ag.tensor([-1.0, 2.0], requires_grad=True)
    y = x * 3
    out = F.relu(y, inplace=True)
    assert out is y and y.tolist() == [0, 6]
    (y * y).sum().backward()
    assert x.grad.tolist() == [0, 36]
    with pytest.raises(RuntimeError, match=r"relu\(\): a leaf that requires a gradient"):
        F.relu_(x)
    with ag.no_grad():
        parameter = nn.Parameter(ag.tensor([-1.0, 1.0]))
        assert F.relu(parameter, True) is parameter and parameter.tolist() == [0, 1] and parameter.requires_grad
    assert nn.ReLU()(y) is not y


def test_inplace_after_layers_that_need_their_result():
    x = ag.tensor([[0.5, -0.5]], requires_grad=True)
    plain = nn.Sequential(nn.Tanh(), nn.LeakyReLU(0.1))
    inplace = nn.Sequential(nn.Tanh(), nn.LeakyReLU(0.1, inplace=True))
    (expected,) = ag.grad(plain(x).sum(), x)
    (found,) = ag.grad(inplace(x).sum(), x)
    np.testing.assert_array_equal(found.array, expected.array)


# ------------------------------------------------------------------------------------ dropout


def test_dropout_follows_mode_and_seed():
    layer, x = nn.Dropout(0.25), Tensor(np.ones((200, 50), np.float32), requires_grad=True)
    ag.manual_seed(1)
    out = layer(x)
    assert set(np.unique(out.array)) == {0, np.float32(1 / 0.75)}
    np.testing.assert_allclose(out.array.mean(), 1, atol=0.02)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.array, out.array)
    ag.manual_seed(1)
    np.testing.assert_array_equal(layer(x).array, out.array)
    assert layer.eval()(x) is x
    assert nn.Dropout(1.0)(x).abs().sum().item() == 0
    with pytest.raises(ValueError, match=r"Dropout: p must be from 0 to 1 \(p=1.5\)"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Dropout1d, (30, 20, 3)), (nn.Dropout2d, (30, 20, 3, 2)), (nn.Dropout2d, (600, 3, 2)),
    (nn.Dropout3d, (30, 20, 2, 2, 2)),
])  # fmt: skip
def test_channel_dropout_drops_whole_channels(layer, shape):
    ag.manual_seed(2)
    out = layer(0.5)(Tensor(np.ones(shape, np.float32))).array
    spatial = {nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3}[layer]
    channels = out.reshape(int(np.prod(shape[: len(shape) - spatial])), -1)
    assert (channels == channels[:, :1]).all() and set(np.unique(channels)) == {0, 2}
    assert 0.4 < (channels[:, 0] == 0).mean() < 0.6
    with pytest.raises(RuntimeError, match="dims"):
        layer()(randn(2))


def test_alpha_dropout_keeps_mean_and_variance():
    ag.manual_seed(3)
    out = nn.AlphaDropout(0.3)(ag.randn(400, 300)).array
    np.testing.assert_allclose([out.mean(), out.std()], [0, 1], atol=0.01)


def test_rrelu():
    ag.manual_seed(4)
    layer, x = nn.RReLU(0.1, 0.3), Tensor(-np.ones(1000, np.float32))
    out = layer(x).array
    assert -0.3 <= out.min() < -0.29 and -0.11 < out.max() <= -0.1
    np.testing.assert_allclose(layer.eval()(x).array, -0.2, rtol=1e-6)


def test_gumbel_softmax():
    ag.manual_seed(5)
    logits = Tensor(np.log(np.tile([0.1, 0.2, 0.7], (4000, 1))), requires_grad=True)
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    np.testing.assert_allclose(np.sort(hard.array, 1), np.tile([0, 0, 1], (4000, 1)), atol=1e-12)
    np.testing.assert_allclose(hard.array.mean(0), [0.1, 0.2, 0.7], atol=0.03)
    hard[:, 0].sum().backward()
    assert abs(logits.grad.array).max() > 0.1


# ------------------------------------------------------------------------------------ normalization


def test_batch_norm_running_statistics():
    layer = nn.BatchNorm1d(1)
    layer(Tensor(np.array([[1.0], [3.0]], np.float32)))
    np.testing.assert_allclose(layer.running_mean.array, [0.2], rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.array, [1.1], rtol=1e-6)
    assert layer.num_batches_tracked.item() == 1 and layer.num_batches_tracked.dtype == np.int64
    np.testing.assert_allclose(layer.eval()(Tensor([[1.3]])).array, (1.3 - 0.2) / np.sqrt(1.1 + 1e-5), rtol=1e-5)
    assert layer.num_batches_tracked.item() == 1
    layer.reset_running_stats()
    assert layer.running_var.item() == 1 and layer.num_batches_tracked.item() == 0


def test_batch_norm_of_one_value_and_of_none():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(randn(1, 3))
    assert layer.eval()(randn(1, 3)).shape == (1, 3)
    layer = nn.BatchNorm2d(3)
    assert layer(Tensor(np.empty((0, 3, 2, 2), np.float32))).shape == (0, 3, 2, 2)
    assert layer.num_batches_tracked.item() == 1 and layer.running_mean.tolist() == [0, 0, 0]


def test_norm_errors():
    with pytest.raises(ValueError, match=r"BatchNorm2d: expects 4 dims \(input.shape=\(2, 3\)\)"):
        nn.BatchNorm2d(3)(randn(2, 3))
    with pytest.raises(RuntimeError, match=r"BatchNorm2d: input has 5 channels but num_features is 3"):
        nn.BatchNorm2d(3)(randn(2, 5, 2, 2))
    with pytest.raises(RuntimeError, match=r"layer_norm\(\).*\(2, 4\).*\(3,\)"):
        nn.LayerNorm(3)(randn(2, 4))
    with pytest.raises(ValueError, match="num_groups must divide num_channels"):
        nn.GroupNorm(2, 3)


# ------------------------------------------------------------------------------------ convolution, linear


def test_construction_errors():
    for make, message in (
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups must divide in_channels and out_channels"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "kernel_size must be an int or 2 of them"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "padding must be 'same', 'valid' or numbers"),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), "padding='same' is defined for stride 1 only"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode must be one of zeros, reflect"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), "padding must be numbers"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), "padding_mode must be one of zeros"),
        (lambda: nn.Hardtanh(1.0, 0.0), "min_val must be less than max_val"),
        (lambda: nn.MSELoss(reduction="max"), "MSELoss: reduction must be 'mean', 'sum' or 'none'"),
        (lambda: nn.MultiheadAttention(5, 2), "num_heads must divide embed_dim"),
        (lambda: nn.RNN(2, 3, nonlinearity="gelu"), "nonlinearity must be 'tanh' or 'relu'"),
        (lambda: nn.LSTM(2, 0), "hidden_size and num_layers must be at least 1"),
        (lambda: nn.ReflectionPad2d((1, 2)), "padding must be an int or 4 of them"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), "padding_idx must be within num_embeddings"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    for make in (lambda: nn.Embedding(3, 2, max_norm=1.0), lambda: nn.EmbeddingBag(3, 2, max_norm=1.0)):
        with pytest.raises(NotImplementedError, match="not available"):
            make()


@pytest.mark.parametrize(
    ("layer", "shape", "parts"),
    [
        (nn.Linear(4, 2), (3, 5), ["(3, 5)", "(2, 4)", "linear()"]),
        (nn.Conv2d(3, 4, 3), (2, 5, 8, 8), ["(2, 5, 8, 8)", "(4, 3, 3, 3)", "conv2d()"]),
        (nn.Conv1d(3, 4, 3), (2, 5, 8), ["3 channels", "5 channels"]),
        (nn.LSTM(3, 4), (2, 5, 8), ["(2, 5, 8)", "input_size=3"]),
        (nn.GRUCell(3, 4), (2, 5), ["(2, 5)", "input_size=3"]),
        (nn.MaxPool2d(9), (2, 3, 4, 4), ["(2, 3, 4, 4)", "(9, 9)"]),
    ],
)
def test_errors_name_operation_and_both_sides(layer, shape, parts):
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.Identity(), layer)(randn(*shape))
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert caught.value.__notes__ == [f"in layer 1 of Sequential: {layer!r}"]


def test_layers_accept_a_dtype_and_the_cpu():
    layer = nn.Conv2d(1, 2, 3, dtype=np.float64, device="cpu")
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert nn.BatchNorm1d(2, dtype=np.float64).running_mean.dtype == np.float64
    with pytest.raises(RuntimeError, match="CPU only"):
        nn.Linear(2, 2, device="cuda")


# ------------------------------------------------------------------------------------ embedding


def test_embedding():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4 and layer.weight.array[4].tolist() == [0, 0, 0]
    layer(ag.tensor([1, 1, 4])).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.array[:, 0], [0, 2, 0, 0, 0])
    table = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    pretrained = nn.Embedding.from_pretrained(table)
    assert pretrained(ag.tensor([[1]])).tolist() == [[[3.0, 4.0]]] and not pretrained.weight.requires_grad
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
    with pytest.raises(IndexError):
        layer(ag.tensor([5]))
    big = nn.Embedding(200, 100)
    np.testing.assert_allclose([big.weight.array.mean(), big.weight.array.std()], [0, 1], atol=0.02)


# ------------------------------------------------------------------------------------ recurrent


def naive_lstm(x, h, c, w_ih, w_hh, b_ih, b_hh):
    outputs = []
    for step in x:
        a = step @ w_ih.T + b_ih + h @ w_hh.T + b_hh
        i, f, n, o = np.split(a, 4, axis=1)
        sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), h, c


def test_lstm_is_its_formula():
    layer = nn.LSTM(3, 4).double()
    assert [tuple(p.shape) for p in layer.parameters()] == [(16, 3), (16, 4), (16,), (16,)]
    assert all(abs(p.array).max() <= 0.5 for p in layer.parameters())
    x, h, c = (randn(*shape, dtype=np.float64) for shape in ((5, 2, 3), (1, 2, 4), (1, 2, 4)))
    out, (h_n, c_n) = layer(x, (h, c))
    expected = naive_lstm(x.array, h.array[0], c.array[0], *(p.array for p in layer.parameters()))
    for found, value in zip((out.array, h_n.array[0], c_n.array[0]), expected):
        np.testing.assert_allclose(found, value, rtol=1e-12)


def test_cells_step_like_layers():
    for kind in ("RNN", "LSTM", "GRU"):
        layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
        cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
        x = randn(5, 2, 3)
        state = None
        for t in range(5):
            state = cell(x[t], state)
        last = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(layer(x)[0].array[-1], last.array, rtol=1e-5, atol=1e-6)
        assert cell(x[0, 0]) is not None


def test_recurrent_settings():
    layer = nn.GRU(3, 4, num_layers=3, bidirectional=True, batch_first=True, dropout=0.5)
    x = randn(2, 6, 3)
    ag.manual_seed(0)
    out, h = layer(x)
    assert out.shape == (2, 6, 8) and h.shape == (6, 2, 4)
    ag.manual_seed(0)
    np.testing.assert_array_equal(layer(x)[0].array, out.array)
    assert (layer(x)[0].array != out.array).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].array, layer(x)[0].array)
    assert "weight_ih_l2_reverse" in layer.state_dict()
    with pytest.warns(UserWarning, match="dropout acts between layers"):
        nn.GRU(3, 4, dropout=0.5)
    with pytest.raises(RuntimeError, match=r"first states must have shape \(6, 2, 4\)"):
        layer(x, randn(1, 2, 4))
    with pytest.raises(RuntimeError, match="must be a pair"):
        nn.LSTM(3, 4)(randn(5, 2, 3), randn(1, 2, 4))


def test_recurrent_gradient_of_frozen_weights():
    layer = nn.LSTM(3, 4)
    layer.weight_hh_l0.requires_grad_(False)
    layer(randn(5, 2, 3))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None and layer.weight_ih_l0.grad is not None


def test_truncated_backpropagation():
    layer = nn.LSTM(3, 4)
    x, state = randn(4, 2, 3), None
    for _ in range(2):
        out, state = layer(x, state)
        out.sum().backward()
        state = tuple(s.detach() for s in state)
    assert layer.weight_hh_l0.grad is not None


# ------------------------------------------------------------------------------------ attention


def test_attention_ignores_padding_and_the_future():
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = randn(2, 4, 8)
    causal = nn.Transformer.generate_square_subsequent_mask(4)
    out, weights = layer(x, x, x, attn_mask=causal)
    assert np.triu(weights.array[0], 1).max() == 0
    np.testing.assert_allclose(weights.array.sum(-1), 1, rtol=1e-5)
    changed = Tensor(np.concatenate([x.array[:, :3], 9 * x.array[:, 3:]], 1))
    np.testing.assert_allclose(layer(changed, changed, changed, attn_mask=causal)[0].array[:, :3], out.array[:, :3],
                               rtol=1e-4, atol=1e-5)
    padding = ag.tensor([[False] * 3 + [True]] * 2)
    with_padding = layer(x, changed, changed, key_padding_mask=padding, need_weights=False)
    np.testing.assert_allclose(with_padding[0].array, layer(x, x[:, :3], x[:, :3])[0].array, rtol=1e-4, atol=1e-5)
    assert with_padding[1] is None
    with pytest.raises(RuntimeError, match=r"attn_mask must have shape \(4, 4\)"):
        layer(x, x, x, attn_mask=ag.tensor([[True]]))
    with pytest.raises(RuntimeError, match="is_causal=True needs attn_mask"):
        layer(x, x, x, is_causal=True)
    with pytest.raises(RuntimeError, match="last dim of key must be 8"):
        layer(x, x[..., :4], x)


def test_transformer_encoder_copies_its_layer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.TransformerEncoder(layer, 3)
    assert len(list(net.parameters())) == 3 * len(list(layer.parameters()))
    assert len({id(p) for p in net.parameters()} | {id(p) for p in layer.parameters()}) == 48
    out = net(randn(2, 5, 8))
    out.sum().backward()
    assert out.shape == (2, 5, 8) and all(p.grad is not None for p in net.parameters())
    with pytest.raises(RuntimeError, match="activation must be 'relu', 'gelu' or a callable"):
        nn.TransformerEncoderLayer(8, 2, activation="selu")
    assert nn.TransformerEncoderLayer(8, 2, activation=F.silu)(randn(5, 2, 8)).shape == (5, 2, 8)


# ------------------------------------------------------------------------------------ losses


def test_cross_entropy_warns_of_a_second_softmax():
    x, target = randn(3, 4), ag.tensor([0, 1, 2])
    with pytest.warns(UserWarning, match="logits are expected"):
        F.cross_entropy(F.softmax(x.requires_grad_(), 1), target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.CrossEntropyLoss()(x, target)
        F.nll_loss(F.log_softmax(x, dim=1), target)
    with pytest.warns(UserWarning, match="dim was not given; dim=1 is taken for 2 dims"):
        nn.Softmax()(x)


def test_losses_do_not_broadcast():
    for loss in (nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss()):
        with pytest.raises((RuntimeError, ValueError), match=r"\(4, 1\).*\(4,\)"):
            loss(randn(4, 1), randn(4))


def test_what_pytorch_dropped_is_no_argument():
    with pytest.raises(TypeError):
        F.mse_loss(randn(2), randn(2), False)
    with pytest.raises(TypeError):
        nn.CrossEntropyLoss(size_average=True)


def test_loss_weights_are_buffers():
    loss = nn.CrossEntropyLoss(weight=ag.tensor([1.0, 2.0]))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double()(randn(3, 2, dtype=np.float64), ag.tensor([0, 1, 1])).dtype == np.float64


# ------------------------------------------------------------------------------------ whole networks


def autoencoder():
    return nn.Sequential(
        nn.Conv2d(1, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip


def test_same_seed_same_network_same_step():
    results = []
    for _ in range(2):
        ag.manual_seed(11)
        net = autoencoder()
        x = ag.rand(3, 1, 8, 8)
        loss = F.binary_cross_entropy(net(x), x)
        loss.backward()
        results.append((loss.item(), [p.grad.array for p in net.parameters()]))
    assert results[0][0] == results[1][0]
    for a, b in zip(results[0][1], results[1][1]):
        np.testing.assert_array_equal(a, b)


def test_float32_all_the_way():
    net = autoencoder()
    out = net(ag.rand(2, 1, 8, 8))
    out.mean().backward()
    assert out.dtype == np.float32
    assert {p.grad.dtype for p in net.parameters()} == {np.dtype(np.float32)}


def test_empty_batch():
    net = autoencoder()
    out = net(Tensor(np.empty((0, 1, 8, 8), np.float32)))
    out.sum().backward()
    assert out.shape == (0, 1, 8, 8)
    assert all(p.grad is not None and not p.grad.array.any() for p in net.parameters())
