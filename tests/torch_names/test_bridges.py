"""Libraries that dispatch by type take our tensors: einops, safetensors, DLPack."""

import subprocess
import sys

import numpy as np
import pytest

import autograd_nn as ag

X = np.random.default_rng(0).standard_normal((2, 4, 6))


def test_einops_rearranges_reduces_and_repeats_with_gradients():
    einops = pytest.importorskip("einops")
    x = ag.tensor(X, requires_grad=True)
    for call in (
        lambda y: einops.rearrange(y, "b (h p) c -> b h (p c)", p=2), lambda y: einops.rearrange(y, "b h w -> w b h"),
        lambda y: einops.reduce(y, "b h w -> b w", "mean"), lambda y: einops.reduce(y, "b h w -> b", "max"),
        lambda y: einops.reduce(y, "b (h p) w -> b h w", "sum", p=2), lambda y: einops.reduce(y, "b h w -> b", "prod"),
        lambda y: einops.repeat(y, "b h w -> b (h r) w n", r=2, n=3), lambda y: einops.reduce(y, "b h w -> ", "min"),
        lambda y: einops.einsum(y, y, "b h w, b k w -> b h k"),
        lambda y: einops.rearrange([y, y], "n b h w -> b h w n"),
        lambda y: einops.pack([y, y], "b * w")[0],
    ):  # fmt: skip
        out = call(x)
        assert isinstance(out, ag.Tensor) and out.requires_grad
        np.testing.assert_allclose(out.detach().numpy(), call(X), rtol=1e-6)
    out = einops.reduce(x, "b h w -> b", "sum")
    out.sum().backward()
    assert x.grad.equal(ag.ones_like(x))


@pytest.mark.parametrize("order", ["import autograd_nn, einops", "import einops, autograd_nn"])
def test_einops_is_found_in_either_order(order):
    pytest.importorskip("einops")
    code = f"{order}\nassert einops.rearrange(autograd_nn.ones(2, 3), 'a b -> b a').shape == (3, 2)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opt_einsum_contracts_our_tensors():
    opt_einsum = pytest.importorskip("opt_einsum")
    a, b, c = (ag.tensor(X[0], requires_grad=True) for _ in range(3))
    out = opt_einsum.contract("ij,kj,kl->il", a, b, c)
    np.testing.assert_allclose(np.asarray(out.detach()), np.einsum("ij,kj,kl->il", X[0], X[0], X[0]))


def test_safetensors_reads_what_is_saved(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    layer = ag.nn.Linear(2, 3)
    ag.save(layer.state_dict(), tmp_path / "layer.safetensors")
    arrays = safetensors.load_file(tmp_path / "layer.safetensors")
    np.testing.assert_array_equal(arrays["weight"], layer.weight.detach().numpy())
    safetensors.save_file({"weight": np.ones((3, 2), np.float32), "bias": np.ones(3, np.float32)}, tmp_path / "b")
    layer.load_state_dict(ag.load(tmp_path / "b"))
    assert layer.bias.tolist() == [1.0, 1.0, 1.0]


def test_dlpack_shares_memory():
    x = ag.ones(3)
    array = np.from_dlpack(x)
    x.mul_(2)
    assert array.tolist() == [2.0, 2.0, 2.0]
    y = ag.utils.dlpack.from_dlpack(np.arange(3.0))
    assert y.tolist() == [0.0, 1.0, 2.0]
    torch = pytest.importorskip("torch")
    z = torch.from_dlpack(x)
    z[0] = 5
    assert x[0].item() == 5.0
    assert torch.utils.dlpack.from_dlpack(ag.utils.dlpack.to_dlpack(x)).tolist() == [5.0, 2.0, 2.0]
