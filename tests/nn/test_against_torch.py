"""Every layer against PyTorch: names and shapes of weights, results, gradients, running statistics, representation."""

import re

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn

from .cases import LAYERS, image, integers, normal, probabilities, table

torch = pytest.importorskip("torch")


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
