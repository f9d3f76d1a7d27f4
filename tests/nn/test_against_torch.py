"""Every layer against PyTorch: names and shapes of weights, results, gradients, running statistics, representation."""

import re

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn

torch = pytest.importorskip("torch")

source = np.random.default_rng


def normal(*shape):
    return source(sum(shape) + len(shape)).standard_normal(shape)


def integers(high, *shape):
    return source(high).integers(0, high, shape)


def probabilities(*shape):
    e = np.exp(normal(*shape))
    return e / e.sum(1, keepdims=True)


signs = np.where(integers(2, 6) > 0, 1.0, -1.0)

image, sequence, table = normal(3, 4, 7, 6), normal(3, 4, 9), normal(6, 5)

LAYERS = [
    ("Identity", (), {}, [table]),
    ("Linear", (5, 3), {}, [table]),
    ("Linear", (5, 3), {"bias": False}, [normal(2, 3, 5)]),
    ("Bilinear", (5, 4, 3), {}, [normal(2, 6, 5), normal(2, 6, 4)]),
    ("Flatten", (), {}, [image]),
    ("Flatten", (0, 1), {}, [image]),
    ("Unflatten", (1, (2, 2)), {}, [image]),
    *[
        (name, (), {}, [np.concatenate([table.ravel(), [0.0, 3.0, -3.0, 6.0, 1.0, -1.0, 0.5, -0.5, 30.0, -30.0]])])
        for name in (
            "ReLU", "ReLU6", "Tanh", "Sigmoid", "LogSigmoid", "Softsign", "Tanhshrink", "SELU", "SiLU", "Mish",
            "Hardswish", "Hardsigmoid", "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh", "Hardshrink",
            "Softshrink", "PReLU",
        )
    ],
    ("LeakyReLU", (0.2, True), {}, [table]),
    ("ELU", (), {"alpha": 0.5}, [table]),
    ("GELU", (), {"approximate": "tanh"}, [table]),
    ("Softplus", (2, 3), {}, [table]),
    ("Hardtanh", (-0.5, 2.0), {}, [table]),
    ("Threshold", (0.1, 20.0), {}, [table]),
    ("PReLU", (4,), {}, [image]),
    ("GLU", (1,), {}, [image]),
    ("Softmax", (1,), {}, [image]),
    ("Softmin", (-1,), {}, [image]),
    ("LogSoftmax", (), {"dim": 0}, [image]),
    ("Softmax2d", (), {}, [image]),
    ("Conv1d", (4, 6, 3), {}, [sequence]),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}, [sequence]),
    ("Conv1d", (4, 6, 4), {"padding": "same"}, [sequence]),
    ("Conv1d", (4, 6, 3), {"padding": 2, "padding_mode": "circular"}, [sequence]),
    ("Conv2d", (4, 6, 3), {}, [image]),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}, [image]),
    ("Conv2d", (4, 4, 3), {"padding": "same", "groups": 4, "bias": False}, [image]),
    ("Conv2d", (4, 6, (4, 3)), {"padding": "same", "padding_mode": "reflect"}, [image]),
    ("Conv2d", (4, 6, 3), {"padding": (1, 2), "padding_mode": "replicate"}, [image]),
    ("Conv2d", (4, 6, 3), {}, [image[0]]),
    ("ConvTranspose1d", (4, 6, 3), {}, [sequence]),
    ("ConvTranspose1d", (4, 6, 4), {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2}, [sequence]),
    ("ConvTranspose2d", (4, 6, 3), {}, [image]),
    ("ConvTranspose2d", (4, 6, 4, 2, 1), {"bias": False}, [image]),
    ("ConvTranspose2d", (4, 6, (3, 2)), {"stride": (2, 3), "output_padding": (1, 2), "dilation": 2}, [image]),
    ("MaxPool1d", (2,), {}, [sequence]),
    ("MaxPool1d", (3, 2), {"padding": 1, "dilation": 2, "ceil_mode": True}, [sequence]),
    ("MaxPool2d", (2,), {}, [image]),
    ("MaxPool2d", ((3, 2), 2), {"padding": 1, "ceil_mode": True}, [image]),
    ("AvgPool1d", (3, 2), {"padding": 1, "count_include_pad": False}, [sequence]),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [image]),
    ("AvgPool2d", (2,), {"divisor_override": 3}, [image]),
    ("AdaptiveAvgPool1d", (4,), {}, [sequence]),
    ("AdaptiveAvgPool2d", ((3, None),), {}, [image]),
    ("AdaptiveAvgPool2d", (1,), {}, [image]),
    ("AdaptiveMaxPool1d", (4,), {}, [sequence]),
    ("AdaptiveMaxPool2d", ((3, 4),), {}, [image]),
    ("AdaptiveMaxPool2d", (3,), {"return_indices": True}, [image]),
    ("MaxPool2d", (3, 2), {"return_indices": True, "padding": 1}, [image]),
    ("LPPool2d", (2, 3), {}, [image]),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": 2}, [image]),
    ("Fold", ((4, 5), (2, 2)), {}, [normal(2, 12, 12)]),
    ("BatchNorm1d", (5,), {}, [table]),
    ("BatchNorm1d", (4,), {"momentum": None}, [sequence]),
    ("BatchNorm2d", (4,), {"affine": False, "momentum": 0.3}, [image]),
    ("BatchNorm2d", (4,), {"track_running_stats": False, "bias": False}, [image]),
    ("LayerNorm", (6,), {}, [image]),
    ("LayerNorm", ((7, 6),), {"bias": False, "eps": 0.1}, [image]),
    ("LayerNorm", (6,), {"elementwise_affine": False}, [image]),
    ("RMSNorm", (6,), {}, [image]),
    ("GroupNorm", (2, 4), {}, [image]),
    ("InstanceNorm1d", (4,), {"affine": True}, [sequence]),
    ("InstanceNorm2d", (4,), {"track_running_stats": True}, [image]),
    ("InstanceNorm2d", (4,), {}, [image[0]]),
    ("LocalResponseNorm", (3,), {}, [image]),
    ("Dropout", (0.0,), {}, [table]),
    ("Embedding", (7, 3), {}, [integers(7, 4, 5)]),
    ("Embedding", (7, 3), {"padding_idx": 2}, [integers(7, 4, 5)]),
    ("RNN", (4, 5), {"num_layers": 2, "nonlinearity": "relu"}, [normal(6, 3, 4)]),
    ("LSTM", (4, 5), {"bidirectional": True, "num_layers": 2}, [normal(6, 3, 4)]),
    ("LSTM", (4, 5), {"batch_first": True, "bias": False}, [normal(3, 6, 4)]),
    ("GRU", (4, 5), {"bidirectional": True, "batch_first": True}, [normal(3, 6, 4), normal(2, 3, 5)]),
    ("GRU", (4, 5), {}, [normal(6, 4)]),
    ("RNNCell", (4, 5), {}, [normal(3, 4)]),
    ("LSTMCell", (4, 5), {}, [normal(3, 4)]),
    ("GRUCell", (4, 5), {"bias": False}, [normal(3, 4), normal(3, 5)]),
    ("MultiheadAttention", (8, 2), {}, [normal(5, 3, 8), normal(6, 3, 8), normal(6, 3, 8)]),
    ("MultiheadAttention", (8, 2), {"batch_first": True, "kdim": 5, "vdim": 7, "bias": False},
     [normal(3, 5, 8), normal(3, 6, 5), normal(3, 6, 7)]),
    ("TransformerEncoderLayer", (8, 2, 16), {"dropout": 0.0}, [normal(5, 3, 8)]),
    ("TransformerEncoderLayer", (8, 2, 16),
     {"dropout": 0.0, "norm_first": True, "activation": "gelu", "batch_first": True}, [normal(3, 5, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16), {"dropout": 0.0}, [normal(5, 3, 8), normal(6, 3, 8)]),
    ("TransformerDecoderLayer", (8, 2, 16), {"dropout": 0.0, "norm_first": True, "bias": False, "batch_first": True},
     [normal(3, 5, 8), normal(3, 6, 8)]),
    ("Transformer", (8, 2, 1, 2, 16), {"dropout": 0.0, "batch_first": True}, [normal(3, 5, 8), normal(3, 6, 8)]),
    ("Upsample", (), {"scale_factor": 2}, [image]),
    ("Upsample", (), {"size": (9, 5), "mode": "bilinear"}, [image]),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}, [image]),
    ("Upsample", (), {"scale_factor": 2, "mode": "linear"}, [sequence]),
    ("UpsamplingBilinear2d", (), {"scale_factor": 2}, [image]),
    ("PixelShuffle", (2,), {}, [image]),
    ("PixelUnshuffle", (2,), {}, [normal(1, 2, 4, 6)]),
    ("ConstantPad1d", ((1, 2), 3.0), {}, [sequence]),
    ("ZeroPad2d", (2,), {}, [image]),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, [image]),
    ("ReplicationPad1d", (2,), {}, [sequence]),
    ("CircularPad2d", ((1, 2, 3, 0),), {}, [image]),
    ("CosineSimilarity", (), {}, [table, normal(6, 5) ** 2]),
    ("PairwiseDistance", (1.0,), {"keepdim": True}, [table, normal(6, 5) ** 2]),
    ("MSELoss", (), {}, [table, normal(6, 5) + 1]),
    ("L1Loss", (), {"reduction": "sum"}, [table, np.ones((6, 5))]),
    ("SmoothL1Loss", (), {"beta": 0.5}, [table, np.ones((6, 5))]),
    ("HuberLoss", (), {"delta": 0.7, "reduction": "none"}, [table, np.ones((6, 5))]),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 2}, [table, integers(5, 6)]),
    ("CrossEntropyLoss", (), {}, [table, probabilities(6, 5)]),
    ("NLLLoss", (), {"reduction": "sum"}, [table, integers(5, 6)]),
    ("BCELoss", (), {}, [probabilities(6, 5), probabilities(6, 5)[::-1].copy()]),
    ("BCEWithLogitsLoss", (), {}, [table, probabilities(6, 5)]),
    ("KLDivLoss", (), {"reduction": "batchmean"}, [table, probabilities(6, 5)]),
    ("GaussianNLLLoss", (), {"full": True}, [table, np.ones((6, 5)), probabilities(6, 5)]),
    ("PoissonNLLLoss", (), {}, [table, probabilities(6, 5)]),
    ("HingeEmbeddingLoss", (), {}, [normal(6), signs]),
    ("MarginRankingLoss", (0.2,), {}, [normal(6), normal(6) * 2, signs]),
    ("CosineEmbeddingLoss", (0.1,), {}, [table, normal(6, 5) ** 2, signs]),
    ("TripletMarginLoss", (), {}, [table, normal(6, 5) ** 2, np.cos(table)]),
    ("SoftMarginLoss", (), {}, [normal(6), signs.astype(int)]),
    ("MultiLabelSoftMarginLoss", (), {}, [table, (table > 0) * 1.0]),
    ("MultiMarginLoss", (), {"p": 2}, [table, integers(5, 6)]),
]


def flat(outputs, kind):
    """Return the tensors of nested tuples."""
    if isinstance(outputs, kind):
        return [outputs]
    return [x for part in outputs or () for x in flat(part, kind)]


def pair(name, arguments, settings):
    ours, theirs = getattr(nn, name)(*arguments, **settings), getattr(torch.nn, name)(*arguments, **settings).double()
    ours.double()
    state = theirs.state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == [
        (key, value.shape) for key, value in ours.state_dict().items()
    ]
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    ours.load_state_dict(state)
    return ours, theirs


def compare(ours, theirs, inputs):
    """Compare results and gradients of a fixed weighting of them."""
    floating = [array.dtype.kind == "f" for array in inputs]
    mine = [Tensor(array, requires_grad=f) for array, f in zip(inputs, floating)]
    others = [torch.tensor(array, requires_grad=f) for array, f in zip(inputs, floating)]
    inplace = getattr(ours, "inplace", False)
    results = flat(ours(*[x * 1 if inplace else x for x in mine]), Tensor)
    expected = flat(theirs(*[x * 1 if inplace else x for x in others]), torch.Tensor)
    assert len(results) == len(expected)
    loss, other_loss = 0, 0
    for x, y in zip(results, expected):
        if y.dtype == torch.int64:
            np.testing.assert_array_equal(x.array, y.numpy())
            continue
        assert x.dtype == np.float64
        np.testing.assert_allclose(x.array, y.detach().numpy(), rtol=1e-9, atol=1e-10)
        weighting = np.cos(np.arange(x.numel())).reshape(x.shape)
        loss, other_loss = loss + (x * weighting).sum(), other_loss + (y * torch.tensor(weighting)).sum()
    if not loss.requires_grad:
        return
    loss.backward()
    other_loss.backward()
    for x, y in zip([*mine, *ours.parameters()], [*others, *theirs.parameters()]):
        assert (x.grad is None) == (y.grad is None)
        if x.grad is not None:
            np.testing.assert_allclose(x.grad.array, y.grad.numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "arguments", "settings", "inputs"),
    LAYERS,
    ids=[f"{name}{arguments}{settings}" for name, arguments, settings, _ in LAYERS],
)
def test_layer(name, arguments, settings, inputs):
    ours, theirs = pair(name, arguments, settings)
    compare(ours, theirs, inputs)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].array, value.numpy(), rtol=1e-9, atol=1e-12)
    ours.eval()
    theirs.eval()
    ours.zero_grad()
    theirs.zero_grad()
    if "Transformer" not in name:
        compare(ours, theirs, inputs)


@pytest.mark.parametrize(
    ("name", "arguments", "settings"), [row[:3] for row in LAYERS], ids=[f"{r[0]}{r[1]}{r[2]}" for r in LAYERS]
)
def test_repr(name, arguments, settings):
    if name == "MultiheadAttention" or "Transformer" in name:
        pytest.skip("PyTorch shows the class of an inner layer of its own")
    text = repr(getattr(torch.nn, name)(*arguments, **settings))
    ours = repr(getattr(nn, name)(*arguments, **settings))
    assert re.sub(r"\.0\b", "", ours).replace("'", "") == re.sub(r"\.0\b", "", text).replace("'", "")


def test_weighted_losses():
    weight = np.array([0.5, 1.0, 2.0, 0.1, 1.5])
    for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"):
        ours, theirs = getattr(nn, name)(weight=Tensor(weight)), getattr(torch.nn, name)(weight=torch.tensor(weight))
        compare(ours, theirs, [table, integers(5, 6)])
    ours = nn.BCEWithLogitsLoss(Tensor(weight), pos_weight=Tensor(weight[::-1].copy()))
    theirs = torch.nn.BCEWithLogitsLoss(torch.tensor(weight), pos_weight=torch.tensor(weight[::-1].copy()))
    compare(ours, theirs, [table, probabilities(6, 5)])


def attention_masks():
    causal = np.triu(np.ones((5, 5), bool), 1)
    padding = np.zeros((3, 5), bool)
    padding[1, 3:] = True
    scores = normal(6, 5, 5)
    return [
        {"attn_mask": causal},
        {"key_padding_mask": padding},
        {"attn_mask": causal, "key_padding_mask": padding, "average_attn_weights": False},
        {"attn_mask": scores},
        {"attn_mask": scores, "need_weights": False},
        {"key_padding_mask": np.where(padding, -np.inf, 0.0), "need_weights": False},
    ]


@pytest.mark.parametrize("masks", attention_masks(), ids=lambda masks: " ".join(masks))
def test_attention_masks(masks):
    ours, theirs = pair("MultiheadAttention", (8, 2), {})
    mine = {key: Tensor(value) if isinstance(value, np.ndarray) else value for key, value in masks.items()}
    other = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in masks.items()}
    x = normal(5, 3, 8)
    compare_with = lambda module, given: lambda x: module(x, x, x, **given)  # noqa: E731
    out = flat(compare_with(ours, mine)(Tensor(x)), Tensor)
    expected = flat(compare_with(theirs, other)(torch.tensor(x)), torch.Tensor)
    for a, b in zip(out, expected):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_unbatched_attention():
    ours, theirs = pair("MultiheadAttention", (8, 2), {})
    compare(ours, theirs, [normal(5, 8), normal(6, 8), normal(6, 8)])


def test_transformer_encoder_with_masks():
    settings = {"dropout": 0.0, "batch_first": True}
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, **settings), 2, nn.LayerNorm(8)).double()
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, **settings)
    theirs = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(8), enable_nested_tensor=False).double()
    ours.load_state_dict(theirs.state_dict())
    x = normal(3, 5, 8)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5).double()
    mine = nn.Transformer.generate_square_subsequent_mask(5)
    np.testing.assert_array_equal(mine.array, mask.numpy())
    padding = np.zeros((3, 5), bool)
    padding[2, 4:] = True
    out = ours(Tensor(x), mask=mine, src_key_padding_mask=Tensor(padding))
    expected = theirs(torch.tensor(x), mask=mask.bool(), src_key_padding_mask=torch.tensor(padding))
    np.testing.assert_allclose(out.array, expected.detach().numpy(), rtol=1e-9, atol=1e-10)


def test_output_size_of_a_transposed_convolution():
    ours, theirs = pair("ConvTranspose2d", (4, 6, 3), {"stride": 3, "padding": 1})
    for size in ((19, 16), (21, 18)):
        out = ours(Tensor(image), output_size=size)
        expected = theirs(torch.tensor(image), output_size=size).detach().numpy()
        np.testing.assert_allclose(out.array, expected, atol=1e-10)
    with pytest.raises(ValueError, match=r"output_size must be from \[19, 16\] to \[21, 18\]"):
        ours(Tensor(image), output_size=(22, 18))


def test_batch_norm_over_several_steps():
    ours, theirs = pair("BatchNorm2d", (4,), {"momentum": None})
    for step in range(3):
        x = normal(2, 4, 3, 3 + step)
        np.testing.assert_allclose(ours(Tensor(x)).array, theirs(torch.tensor(x)).detach().numpy(), atol=1e-10)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].array, value.numpy(), rtol=1e-9)


def test_initial_distributions():
    manual_seed(0)
    torch.manual_seed(0)
    for name, arguments in (("Linear", (300, 200)), ("Conv1d", (40, 50, 5)), ("Conv2d", (20, 40, 3)),
                            ("ConvTranspose2d", (20, 40, 3)), ("Bilinear", (30, 20, 10)), ("LSTM", (50, 64)),
                            ("GRUCell", (50, 64)), ("MultiheadAttention", (64, 4)), ("Embedding", (200, 50))):
        ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
        for (key, mine), other in zip(ours.named_parameters(), theirs.parameters()):
            other = other.detach().numpy()
            if name == "Embedding":
                np.testing.assert_allclose(mine.array.std(), other.std(), rtol=0.05)
                continue
            bound = abs(other).max()
            few = mine.numel() < 500
            np.testing.assert_allclose(abs(mine.array).max(), bound, rtol=0.1 if few else 0.02, err_msg=key)
            np.testing.assert_allclose(mine.array.std(), other.std(), rtol=0.2 if few else 0.05)
