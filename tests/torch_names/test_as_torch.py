"""The package in PyTorch's place: scripts run by name, modules and attributes, and PyTorch comes back."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.as_torch import in_place_of_torch

SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.backends.cudnn as cudnn
from torch import optim
from torch.autograd import Variable
from torch.distributions import Normal
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, transforms
import torchvision.transforms as T
import torchvision

torch.cuda.manual_seed_all(0)
cudnn.benchmark = True
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).to(device)
assert isinstance(model[1], _BatchNorm) and isinstance(Variable(torch.ones(2)), torch.Tensor)
assert T.ToTensor is transforms.ToTensor is torchvision.transforms.ToTensor and datasets.MNIST
optimizer = optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(TensorDataset(torch.randn(8, 2), torch.randn(8, 1)), batch_size=4):
    optimizer.zero_grad()
    F.mse_loss(model(x), y).backward()
    optimizer.step()
assert __name__ == "__main__"
print("ran", sys.argv[1:], torch.__name__)
"""


def test_a_script_runs_with_its_arguments(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    command = [sys.executable, "-m", "autograd_nn.as_torch", str(path), "--epochs", "3"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "ran ['--epochs', '3'] autograd_nn", done.stderr


def test_without_a_script_the_usage_is_said():
    with pytest.raises(SystemExit, match="usage"):
        importlib.import_module("autograd_nn.as_torch").main([])


def test_pytorch_comes_back():
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torch"}
    spec, path = ag.nn.functional.__spec__, ag.nn.__path__
    with in_place_of_torch():
        module = importlib.import_module("torch.nn.functional")
        assert module is ag.nn.functional and importlib.import_module("torch").randn is ag.randn
        with pytest.raises(ModuleNotFoundError, match=r"torch\.nothing is not in autograd_nn"):
            importlib.import_module("torch.nothing")
        with pytest.raises(AttributeError, match=r"torchvision\.io"):
            importlib.import_module("torchvision").io  # noqa: B018
    after = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torch"}
    assert before == after and ag.nn.functional.__spec__ is spec and ag.nn.__path__ is path


def test_it_is_not_put_over_pytorch():
    pytest.importorskip("torch")
    with pytest.raises(RuntimeError, match="already"):
        importlib.import_module("autograd_nn.as_torch").install()


def test_tensors_made_by_the_class_are_floats_as_in_pytorch():
    with in_place_of_torch():
        import torch

        x = torch.Tensor([0, 1])
        x[0] = 0.5
        assert x.tolist() == [0.5, 1.0] and x.dtype == torch.float32
        assert torch.Tensor(np.zeros(2)).dtype == torch.float32
        assert torch.Tensor(3).shape == (3,) and torch.Tensor(2, 3).shape == (2, 3)
        assert isinstance(torch.arange(2), torch.Tensor) and not isinstance(2, torch.Tensor)
        assert type(x) == torch.Tensor and issubclass(torch.nn.Parameter, torch.Tensor)  # noqa: E721
        assert torch.Tensor.add(x, 1).tolist() == [1.5, 2.0]
        assert {torch.Tensor: 1}[type(x)] == 1
    assert ag.Tensor([0, 1]).dtype == np.int64
