"""Scripts in PyTorch's terms run here with their imports changed, and learn what they learn under PyTorch.

`exchanged` is what a user would do by hand. Both libraries start from the same weights, take the same data and noise.
"""

import importlib.util
import pathlib
import re

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.kernels.conv import choice as conv

FOLDER = pathlib.Path(__file__).parent / "scripts"
STEPS = 50

# the first two figures and the last two of each script, from PyTorch 2.13 with the weights of our seeds
FIGURES = {
    "mnist": (2.342604, 2.330597, 0.851015, 0.87),
    "vae": (0.692857, 0.691870, 0.546188, 0.555007),
    "dcgan": (1.340981, 0.691488, 1.138481, 0.608481),
    "time_series": (0.524994, 0.505288, 0.012673, 0.428207),
    "language_model": (3.552014, 3.490298, 1.770054, 1.729717),
}
scripts = pytest.mark.parametrize("name", FIGURES)


def exchanged(source):
    """Return a script with PyTorch's imports changed to this framework's."""
    source = re.sub(r"^import torch\.([\w.]+) as", r"import autograd_nn.\1 as", source, flags=re.M)
    source = re.sub(r"^from torch([\w.]*) import", r"from autograd_nn\1 import", source, flags=re.M)
    return re.sub(r"^import torch$", "import autograd_nn as torch", source, flags=re.M)


def loaded(path, name):
    """Return the module in a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ours(name, folder):
    path = folder / f"{name}.py"
    path.write_text(exchanged((FOLDER / f"{name}.py").read_text()))
    return loaded(path, f"{name}_here")


@scripts
def test_script_learns(name, tmp_path):
    script = ours(name, tmp_path)
    curve = script.train(script.build(), STEPS)
    np.testing.assert_allclose([*curve[:2], *curve[-2:]], FIGURES[name], rtol=0, atol=1e-4)


def largest_difference(script, original):
    """Train a script under both libraries from the same weights and compare the curves."""
    torch = pytest.importorskip("torch")
    model, reference = script.build(), original.build()
    assert list(model.state_dict()) == list(reference.state_dict())
    reference.load_state_dict({key: torch.tensor(value.numpy()) for key, value in model.state_dict().items()})
    curve, expected = script.train(model, STEPS), original.train(reference, STEPS)
    assert len(curve) == len(expected) >= STEPS
    return np.abs(np.subtract(curve, expected)).max()


@scripts
def test_loss_curve_is_that_of_pytorch(name, tmp_path):
    pytest.importorskip("torch")
    assert largest_difference(ours(name, tmp_path), loaded(FOLDER / f"{name}.py", f"{name}_there")) < 1e-4


def test_loss_curve_with_winograd(tmp_path):
    pytest.importorskip("torch")
    source = (FOLDER / "mnist.py").read_text()
    source = source.replace("(1, 8, 3", "(1, 32, 3").replace("(8, 12, 3", "(32, 32, 3").replace("(12 * 5", "(32 * 5")
    (tmp_path / "here.py").write_text(exchanged(source))
    (tmp_path / "there.py").write_text(source)
    assert set(conv.method((16, 32, 12, 12), (32, 32, 3, 3)).values()) == {"winograd"}
    assert largest_difference(loaded(tmp_path / "here.py", "here"), loaded(tmp_path / "there.py", "there")) < 1e-3


def test_imports_are_exchanged_and_nothing_else():
    source = "import torch\nimport torch.nn as nn\nfrom torch import optim\nfrom torch.utils.data import Dataset\n"
    assert exchanged(source + "x = torch.device\n") == (
        "import autograd_nn as torch\nimport autograd_nn.nn as nn\nfrom autograd_nn import optim\n"
        "from autograd_nn.utils.data import Dataset\nx = torch.device\n"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.tensor([1.0]).to(ag.device("cuda", 0)),
        lambda: ag.zeros(2, device=ag.device("mps")),
        lambda: ag.Generator(device="cuda"),
        lambda: ag.device("cuda").__enter__(),
        lambda: ag.tensor([1.0]).cuda(),
        lambda: ag.tensor([1.0]).to("cuda"),
        lambda: ag.tensor([1.0], device="cuda:0"),
        lambda: ag.zeros(2, device="cuda"),
        lambda: ag.randn(2, 3, device="cuda"),
        lambda: ag.nn.Linear(2, 2).cuda(),
        lambda: ag.nn.Linear(2, 2).to("cuda"),
        lambda: ag.nn.Linear(2, 2, device="cuda"),
        lambda: ag.cuda.synchronize(),
        lambda: ag.cuda.get_device_name(0),
    ],
)
def test_other_devices_are_refused(call):
    with pytest.raises((RuntimeError, AttributeError), match="CPU only"):
        call()


def test_availability():
    assert not ag.cuda.is_available()
    assert ag.cuda.device_count() == 0
    assert ag.tensor([1.0]).device == ag.device("cpu")
