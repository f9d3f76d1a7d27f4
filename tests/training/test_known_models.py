"""Well-known networks: weight names and results of torchvision, and Transformer layers against `nn`'s own."""

import numpy as np
import pytest

from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.saving.checkpoints import load, save
from autograd_nn.training import fit, models, predict


def fill(model):
    """Give a network weights that any other library can be given too."""
    state = {}
    for n, (name, value) in enumerate(model.state_dict().items()):
        wave = np.cos(np.arange(value.array.size) * 0.7 + n)
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("running_var"):
            array = 1 + 0.5 * wave
        elif name.endswith(("running_mean", "bias")):
            array = 0.1 * wave
        elif value.ndim < 2:
            array = 1 + 0.2 * wave
        else:
            array = wave * np.sqrt(3 / np.prod(value.shape[1:]))
        state[name] = Tensor(array.astype(np.float32).reshape(value.shape))
    model.load_state_dict(state, strict=False)
    return model


# torchvision 0.29, weights by `fill`: parameters with 1000 classes, the 41st weight's name, logits of the second image
TORCHVISION = {
    "resnet18": (11689512, 122, "layer2.0.bn2.running_var", [193891e3, 426519e3, 630818e3, 793218e3, 902934e3]),
    "resnet34": (21797672, 218, "layer1.2.bn2.running_var",
                 [8.4324e15, 1.89398e16, 2.81892e16, 3.55663e16, 4.05811e16]),
    "resnet50": (25557032, 320, "layer1.1.bn2.running_var",
                 [4.59445e21, 1.34509e22, 9.16855e21, -4.06966e21, -1.33326e22]),
    "mobilenet_v2": (3504872, 314, "features.3.conv.0.1.running_var", [5.84554, -13.2381, 15.5743, -11.3287, 2.70052]),
    "efficientnet_b0": (5288548, 360, "features.2.0.block.3.1.bias", [3.84046, -8.79076, 10.2012, -7.69785, 1.78392]),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name):
    parameters, count, key, logits = TORCHVISION[name]
    model = getattr(models, name)(5)
    last = list(model.parameters())[-2:]
    assert sum(p.numel() for p in model.parameters()) + 995 * sum(p.numel() for p in last) // 5 == parameters
    assert len(model.state_dict()) == count and list(model.state_dict())[40] == key
    x = np.sin(np.arange(2 * 3 * 64 * 64) * 0.37).astype(np.float32).reshape(2, 3, 64, 64)
    np.testing.assert_allclose(predict(fill(model), x).array[1], logits, rtol=1e-3, atol=1e-3 * max(map(abs, logits)))


@pytest.mark.slow
@pytest.mark.parametrize("name, parameters", [("vgg11", 132863336), ("vgg13", 133047848), ("vgg16", 138357544),
                                              ("vgg19", 143667240)])
def test_vgg(name, parameters):
    model = getattr(models, name)(10)
    assert sum(p.numel() for p in model.parameters()) + 990 * 4097 == parameters
    assert list(model.state_dict())[-1] == "classifier.6.bias"
    assert predict(model, np.zeros((1, 3, 32, 32))).shape == (1, 10)


@pytest.mark.parametrize("make, parameters", [(models.vit_tiny, 5717416), (models.vit_small, 22050664)])
def test_vision_transformers_have_the_parameters_of_timm(make, parameters):
    model = make()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert {"cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.11.attn.qkv.bias", "blocks.0.mlp.fc2.weight",
            "norm.weight", "head.bias"} <= set(model.state_dict())


def layer_like(width, heads, hidden, norm_first, eps, parts):
    """Return one of nn's own Transformer layers with the weights of a block."""
    layer = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", layer_norm_eps=eps, batch_first=True,
                                       norm_first=norm_first)
    names = ("self_attn.in_proj", "self_attn.out_proj", "linear1", "linear2", "norm1", "norm2")
    state = {}
    for name, part in zip(names, parts):
        joint = "_" if name.endswith("in_proj") else "."
        state |= {f"{name}{joint}weight": part[0], f"{name}{joint}bias": part[1]}
    layer.load_state_dict(state)
    return layer.eval()


def both(module):
    return module.weight, module.bias


def test_blocks_are_transformer_layers():
    manual_seed(0)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 5, 8)).astype(np.float32))
    vit = models.vit_tiny(4, 16, 8).blocks[0]
    wide = Tensor(np.random.default_rng(1).standard_normal((2, 5, 192)).astype(np.float32))
    layer = layer_like(192, 3, 768, True, 1e-6, [both(part) for part in (
        vit.attn.qkv, vit.attn.proj, vit.mlp.fc1, vit.mlp.fc2, vit.norm1, vit.norm2)])
    np.testing.assert_allclose(vit(wide).array, layer(wide).array, rtol=1e-4, atol=1e-5)

    block = models.gpt(11, 5, 1, 2, 8).eval().transformer["h"][0]
    layer = layer_like(8, 2, 32, True, 1e-5, [both(part) for part in (
        block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj, block.ln_1, block.ln_2)])
    causal = Tensor(np.triu(np.full((5, 5), -np.inf, np.float32), 1))
    np.testing.assert_allclose(block(x).array, layer(x, causal).array, rtol=1e-4, atol=1e-5)

    encoder = models.bert(11, 5, 1, 2, 8).eval()
    block = encoder.encoder.layer[0]
    inner = [getattr(block.attention.self, name) for name in ("query", "key", "value")]
    joined = [Tensor(np.concatenate([getattr(part, name).array for part in inner])) for name in ("weight", "bias")]
    layer = layer_like(8, 2, 32, False, 1e-12, [joined, *(both(part) for part in (
        block.attention.output.dense, block.intermediate.dense, block.output.dense, block.attention.output.LayerNorm,
        block.output.LayerNorm))])
    padded = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    mask = Tensor(padded.astype(bool)[:, None, None, :])
    expected = layer(x, src_key_padding_mask=Tensor(padded == 0)).array
    np.testing.assert_allclose(block(x, mask).array[padded == 1], expected[padded == 1], rtol=1e-4, atol=1e-5)


def test_bert_has_the_parameters_of_its_first_home():
    small = models.bert(vocabulary=30522, layers=6, width=384)
    assert sum(p.numel() for p in small.parameters()) == 22713216, "all-MiniLM-L6-v2"
    assert {"embeddings.word_embeddings.weight", "embeddings.LayerNorm.bias", "pooler.dense.weight",
            "encoder.layer.5.attention.self.query.weight", "encoder.layer.0.attention.output.LayerNorm.weight",
            "encoder.layer.0.intermediate.dense.bias"} <= set(small.state_dict())
    tiny = models.bert(11, 6, 2, 2, 8).eval()
    tokens, mask = np.array([[1, 2, 3, 0]]), np.array([[1, 1, 1, 0]])
    whole, pooled = tiny(Tensor(tokens), Tensor(mask))
    short, same = tiny(Tensor(tokens[:, :3]))
    np.testing.assert_allclose(whole.array[:, :3], short.array, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(pooled.array, same.array, rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="at most 6 tokens, got 7"):
        tiny(Tensor(np.zeros((1, 7), int)))


def test_gpt_sees_no_later_token_and_learns(tmp_path):
    manual_seed(0)
    model = models.gpt(9, 8, 2, 2, 16)
    assert model.lm_head.weight is model.transformer["wte"].weight
    a, b = np.array([[1, 2, 3, 4]]), np.array([[1, 2, 7, 7]])
    first, second = predict(model, a).array, predict(model, b).array
    assert np.allclose(first[:, :2], second[:, :2], atol=1e-6) and not np.allclose(first[:, 2], second[:, 2])
    tokens = (np.arange(64)[:, None] + np.arange(9)) % 8
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    history = fit(model, (tokens[:, :-1], tokens[:, 1:]), optimizer,
                  lambda o, t: nn.functional.cross_entropy(o.transpose(1, 2), t), 15, callbacks=[],
                  metrics=["accuracy", "perplexity"])
    assert history["accuracy"][-1] > 0.95 and history["perplexity"][-1] < 1.5
    save(model.state_dict(), tmp_path / "gpt.safetensors")
    again = models.gpt(9, 8, 2, 2, 16)
    again.load_state_dict(load(tmp_path / "gpt.safetensors"))
    assert np.array_equal(predict(again, a).array, predict(model, a).array)


def test_unet():
    model = models.unet(3, 2, 4, 2)
    assert predict(model, np.zeros((2, 3, 8, 12))).shape == (2, 2, 8, 12)
    with pytest.raises(ValueError, match="multiples of 4"):
        model(Tensor(np.zeros((1, 3, 10, 8), np.float32)))
    with pytest.raises(ValueError, match="width and depth"):
        models.unet(depth=0)
