"""PyTorch's import paths lead to what they name, and what cannot be is an error that says what to do."""

import importlib
import subprocess
import sys
import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.moved import TORCH

NAMES = {  # what scripts import by each path
    "accelerator": "current_accelerator is_available device_count",
    "amp": "autocast GradScaler custom_fwd custom_bwd",
    "amp.autocast_mode": "autocast",
    "amp.grad_scaler": "GradScaler",
    "autograd": "Variable Function grad no_grad backward",
    "autograd.variable": "Variable",
    "autograd.function": "Function",
    "autograd.gradcheck": "gradcheck gradgradcheck",
    "backends.cuda": "matmul is_built",
    "backends.cuda.matmul": "allow_tf32",
    "backends.cudnn": "benchmark deterministic enabled is_available",
    "backends.mps": "is_available is_built",
    "cuda": "is_available device_count empty_cache manual_seed_all",
    "cuda.amp": "autocast GradScaler custom_fwd custom_bwd",
    "hub": "load load_state_dict_from_url",
    "jit": "script trace ignore ScriptModule export Final",
    "multiprocessing": "Process Queue Pool spawn set_start_method cpu_count",
    "nn.modules": "Module Linear Conv2d BatchNorm2d",
    "nn.modules.activation": "ReLU MultiheadAttention GELU",
    "nn.modules.batchnorm": "BatchNorm2d _BatchNorm",
    "nn.modules.container": "Sequential ModuleList",
    "nn.modules.conv": "Conv2d _ConvNd ConvTranspose2d",
    "nn.modules.distance": "CosineSimilarity",
    "nn.modules.dropout": "Dropout",
    "nn.modules.flatten": "Flatten Unflatten",
    "nn.modules.fold": "Fold Unfold",
    "nn.modules.instancenorm": "InstanceNorm2d _InstanceNorm",
    "nn.modules.lazy": "LazyModuleMixin",
    "nn.modules.linear": "Linear Bilinear Identity",
    "nn.modules.loss": "_Loss _WeightedLoss CrossEntropyLoss",
    "nn.modules.module": "Module",
    "nn.modules.normalization": "LayerNorm GroupNorm",
    "nn.modules.padding": "ZeroPad2d ReflectionPad2d",
    "nn.modules.pixelshuffle": "PixelShuffle",
    "nn.modules.pooling": "MaxPool2d AdaptiveAvgPool2d",
    "nn.modules.rnn": "LSTM GRU GRUCell",
    "nn.modules.sparse": "Embedding",
    "nn.modules.transformer": "TransformerEncoderLayer",
    "nn.modules.upsampling": "Upsample",
    "nn.modules.utils": "_single _pair _triple _quadruple _ntuple",
    "nn.parameter": "Parameter UninitializedParameter UninitializedBuffer",
    "nn.utils.clip_grad": "clip_grad_norm_",
    "nn.utils.rnn": "pack_padded_sequence pad_sequence",
    "optim.lr_scheduler": "LRScheduler StepLR _LRScheduler",
    "optim.optimizer": "Optimizer",
    "random": "fork_rng manual_seed",
    "serialization": "save load",
    "utils.checkpoint": "checkpoint",
    "utils.data": "DataLoader Dataset",
    "utils.data._utils.collate": "default_collate",
    "utils.data.dataloader": "DataLoader default_collate",
    "utils.data.dataset": "Dataset IterableDataset TensorDataset random_split",
    "utils.data.sampler": "Sampler BatchSampler SubsetRandomSampler",
    "utils.dlpack": "from_dlpack to_dlpack",
    "utils.model_zoo": "load_url",
    "utils.tensorboard": "SummaryWriter",
    "utils.tensorboard.writer": "SummaryWriter",
    "version": "cuda __version__",
}


@pytest.mark.parametrize("path", NAMES)
def test_a_path_has_its_names(path):
    module = importlib.import_module(f"autograd_nn.{path}")
    missing = [name for name in NAMES[path].split() if not hasattr(module, name)]
    assert not missing
    by_attribute = ag  # without a statement of import, as scripts reach them
    for name in path.split("."):
        by_attribute = getattr(by_attribute, name)
    assert callable(by_attribute) or by_attribute is module or path == "nn.modules"


def test_every_row_leads_somewhere():
    for path in TORCH:
        importlib.import_module(f"autograd_nn.{path}")


@pytest.mark.parametrize("path", NAMES)
def test_the_same_names_are_pytorchs(path):
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module(f"torch.{path}")
        except ModuleNotFoundError:  # tensorboard is no part of PyTorch
            pytest.skip("not installed")
    assert not [name for name in NAMES[path].split() if not hasattr(module, name)]


def test_the_paths_are_there_by_attribute_in_a_new_process():
    code = """
import autograd_nn as torch
assert torch.nn.modules.batchnorm._BatchNorm is torch.nn.modules.BatchNorm2d.__mro__[1]
assert torch.utils.data.dataset.Dataset is torch.utils.data.Dataset
assert isinstance(torch.nn.Conv2d(1, 1, 1), torch.nn.modules.conv._ConvNd)
assert isinstance(torch.nn.ConvTranspose1d(1, 1, 1), torch.nn.modules.conv._ConvNd)
torch.backends.cudnn.benchmark = True
import autograd_nn.backends.cudnn as cudnn
assert cudnn.benchmark
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bases_of_layers_by_their_paths():
    assert issubclass(nn.BatchNorm1d, nn.modules.batchnorm._BatchNorm)
    assert issubclass(nn.InstanceNorm3d, nn.modules.instancenorm._InstanceNorm)
    assert issubclass(nn.BCELoss, nn.modules.loss._WeightedLoss)
    assert issubclass(optim.lr_scheduler.StepLR, optim.lr_scheduler._LRScheduler)
    assert nn.modules.utils._pair(3) == (3, 3) and nn.modules.utils._triple((1, 2, 3)) == (1, 2, 3)
    assert nn.modules.utils._reverse_repeat_tuple((1, 2), 2) == (2, 2, 1, 1)


# -------------------------------------------------------------------------------------------- devices


def test_devices_are_names_that_compare():
    assert ag.device("cuda") == ag.device("cuda") != ag.device("cuda", 0) == ag.device("cuda:0")
    assert (ag.device("cuda:1").type, ag.device("cuda:1").index, ag.device("cpu").index) == ("cuda", 1, None)
    assert repr(ag.device("cuda", 1)) == "device(type='cuda', index=1)" and str(ag.device("cuda", 1)) == "cuda:1"
    assert len({ag.device("cpu"), ag.device(ag.device("cpu")), ag.device("mps")}) == 2
    assert ag.ones(2).to(ag.device("cpu:0")).device.type == "cpu"
    with ag.device("cpu"):
        assert ag.ones(2).device != ag.device("cuda")
    with pytest.raises(AttributeError, match="cannot be set"):
        ag.device("cpu").type = "cuda"


def test_devices_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for arguments in (("cuda",), ("cuda", 1), ("cpu", 0), ("mps:3",), ("meta",), ("xpu:1",)):
        assert repr(ag.device(*arguments)) == repr(torch.device(*arguments))
        assert str(ag.device(*arguments)) == str(torch.device(*arguments))
        assert ag.device(*arguments).index == torch.device(*arguments).index
    for arguments in (("gpu",), ("cuda:0", 1), ("cuda:x",), (0,)):
        for device in (ag.device, torch.device):
            with pytest.raises(RuntimeError):
                device(*arguments)


def test_what_pytorch_accepts_without_a_gpu():
    ag.cuda.manual_seed(0)
    ag.cuda.manual_seed_all(0)
    ag.cuda.empty_cache()
    assert (ag.cuda.device_count(), ag.cuda.memory_allocated(), ag.cuda.is_bf16_supported()) == (0, 0, False)
    assert ag.accelerator.current_accelerator() is None
    assert ag.version.cuda is None and ag.version.__version__ == ag.__version__
    ag.set_float32_matmul_precision("high")
    assert ag.get_float32_matmul_precision() == "high"
    ag.set_float32_matmul_precision("highest")
    with ag.backends.cudnn.flags(enabled=True):
        assert ag.backends.cudnn.enabled
    assert not ag.backends.cudnn.enabled
    with pytest.raises(AttributeError, match=r"backends.cuda.matmul.speed: .*allow_tf32"):
        ag.backends.cuda.matmul.speed = 1
    with pytest.raises(AttributeError, match="CPU only"):
        ag.accelerator.synchronize()


def test_a_dtype_that_numpy_lacks_is_a_name():
    assert repr(ag.bfloat16) == "torch.bfloat16" and ag.float32 != ag.bfloat16
    for call in (lambda: ag.ones(2).to(ag.bfloat16), lambda: ag.ones(2, dtype=ag.bfloat16),
                 lambda: nn.Linear(2, 2).to(ag.bfloat16)):
        with pytest.raises(TypeError, match="use float32"):
            call()
    assert isinstance(ag.ones(2).dtype, ag.dtype) and isinstance(ag.int64, ag.dtype)


# -------------------------------------------------------------------------------------------- names


def test_variable_is_a_tensor_outside_the_graph():
    x = ag.ones(2, requires_grad=True)
    y = x * 2
    out = ag.autograd.Variable(y)
    assert not out.requires_grad and isinstance(y, ag.autograd.Variable) and type(out) is ag.Tensor
    assert np.shares_memory(out.array, y.array)
    assert ag.autograd.Variable(y, requires_grad=True).requires_grad
    with pytest.warns(UserWarning, match="no_grad"):
        ag.autograd.Variable(y, volatile=True)
    with pytest.raises(TypeError, match="list"):
        ag.autograd.Variable([1.0])


def test_variable_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    for library in (ag, torch):
        x = library.ones(2, requires_grad=True)
        out = library.autograd.Variable(x * 2, requires_grad=True)
        (out**2).sum().backward()
        assert x.grad is None and out.grad.tolist() == [4.0, 4.0]


def test_jit_returns_what_it_is_given():
    @ag.jit.script
    def double(x):
        return x * 2

    @ag.jit.ignore
    def one():
        return 1

    @ag.jit.ignore(drop=True)
    def two():
        return 2

    layer = nn.Linear(2, 2)
    assert double(3) == 6 and one() + two() == 3 and ag.jit.trace(layer, ag.ones(1, 2)) is layer
    with pytest.raises(NotImplementedError, match="state_dict"):
        ag.jit.save(layer, "f")


def test_hub_says_what_to_do():
    with pytest.raises(NotImplementedError, match=r"hub.load\(\): .*training.models"):
        ag.hub.load("pytorch/vision", "resnet18")
    with pytest.raises(NotImplementedError, match="safetensors"):
        ag.hub.load_state_dict_from_url("somewhere")


def test_the_state_of_the_generator_comes_back_after_a_fork():
    ag.manual_seed(0)
    with ag.random.fork_rng():
        first = ag.randn(2)
    assert ag.randn(2).equal(first)
    with ag.random.fork_rng(enabled=False):
        assert not ag.randn(2).equal(first)


def test_summary_writer_takes_tensors(tmp_path):
    pytest.importorskip("tensorboardX")
    with ag.utils.tensorboard.SummaryWriter(str(tmp_path)) as writer:
        writer.add_scalar("loss", ag.tensor(0.5), 1)
        writer.add_histogram("weights", ag.ones(3), 1)
    assert list(tmp_path.iterdir())


def spawned(i, folder):
    (folder / str(i)).write_text("here")
    assert i < 2


def test_spawn_runs_processes_and_reports_failures(tmp_path):
    ag.multiprocessing.spawn(spawned, (tmp_path,), nprocs=2, start_method="fork")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1"]
    with pytest.raises(RuntimeError, match="process 2 ended with exit code 1"):
        ag.multiprocessing.spawn(spawned, (tmp_path,), nprocs=3, start_method="fork")
    ag.multiprocessing.set_sharing_strategy("file_system")
    with pytest.raises(ValueError, match="file_system"):
        ag.multiprocessing.set_sharing_strategy("memory")


# -------------------------------------------------------------------------------------------- mixed precision


def test_autocast_says_that_it_changes_nothing():
    with pytest.warns(UserWarning, match="more exact"), ag.autocast("cpu", dtype=ag.bfloat16):
        assert (ag.ones(2, 2) @ ag.ones(2, 2)).dtype == ag.float32
    with pytest.warns(UserWarning, match="'cuda' is not available"), ag.autocast("cuda"):
        pass
    with pytest.warns(UserWarning, match="not available"):

        @ag.cuda.amp.autocast()
        def function(x):
            return x + 1

    assert function(1) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ag.autocast("cuda", enabled=False):
            assert not ag.is_autocast_enabled()


def test_custom_functions_are_not_cast():
    class Double(ag.autograd.Function):
        @staticmethod
        @ag.amp.custom_fwd(device_type="cpu")
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @ag.cuda.amp.custom_bwd
        def backward(ctx, g):
            return g * 2

    x = ag.ones(2, requires_grad=True)
    Double.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def scaled_run(library, **settings):
    """Return weights and scales of steps, one of them with a gradient that is too large."""
    weight = library.nn.Parameter(library.tensor([1.0, 2.0]))
    optimizer = library.optim.SGD([weight], lr=0.1)
    scaler = library.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2, **settings)
    out = []
    for factor in (1.0, 2.0, float("inf"), 1.0, 1.0, 1.0):
        optimizer.zero_grad()
        scaler.scale((weight * weight).sum() * factor).backward()
        scaler.unscale_(optimizer)
        library.nn.utils.clip_grad_norm_([weight], 1.0)
        scaler.step(optimizer)
        scaler.update()
        out.append([*weight.tolist(), scaler.get_scale()])
    return out, scaler.state_dict()


@pytest.mark.parametrize("enabled", [True, False])
def test_grad_scaler_is_that_of_pytorch(enabled):
    torch = pytest.importorskip("torch")
    (ours, state), (theirs, expected) = scaled_run(ag, enabled=enabled), scaled_run(torch, enabled=enabled)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert state == expected


def test_grad_scaler_leaves_bad_steps_out():
    out, state = scaled_run(ag)
    scales = [row[2] for row in out]
    assert scales == [8.0, 16.0, 8.0, 8.0, 16.0, 16.0]
    assert out[2][:2] == out[1][:2]
    again = ag.amp.GradScaler("cpu")
    again.load_state_dict(state)
    assert again.state_dict() == state


def test_mistakes_with_a_grad_scaler():
    weight = nn.Parameter(ag.ones(2))
    optimizer = optim.SGD([weight], lr=0.1)
    scaler = ag.GradScaler("cpu")
    with pytest.raises(RuntimeError, match="no gradient was unscaled"):
        scaler.update()
    scaler.scale(weight.sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="called already"):
        scaler.step(optimizer)
    with pytest.raises(ValueError, match=r"growth_factor=0\.5"):
        ag.GradScaler("cpu", growth_factor=0.5)
    with pytest.warns(UserWarning, match="it is disabled"):
        assert not ag.cuda.amp.GradScaler().is_enabled()
