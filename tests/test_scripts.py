"""Scripts in PyTorch's terms run here, and learn what they learn under PyTorch.

Some have their imports changed, as a user would do by hand (`exchanged`); others run as they are, with this package in
PyTorch's place. Both libraries start from the same weights, take the same data and noise.
"""

import functools
import importlib.util
import pathlib
import re
import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn.as_torch import in_place_of_torch
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

# the same of scripts that run unmodified
UNMODIFIED = {
    "gan_variable": (0.692466, 0.702121, 0.698475, 0.653001),
    "dqn": (0.354536, 0.228642, 0.165931, 0.245767),
    "ppo": (0.52089, 0.494131, 0.248963, 0.237477),
    "pinn": (1.504872, 1.253216, 0.211851, 0.211668),
    "flow": (2.529809, 2.41564, 1.033985, 1.030176),
    "diffusion": (0.421125, 0.391347, 0.152888, 0.108424),
    "gcn": (1.177382, 1.143761, 0.124942, 0.114523),
    "kan": (7.735127, 4.450958, 0.80715, 0.475866),
    "neural_ode": (1.820701, 2.111571, 0.175439, 0.116373),
    "vit_einops": (1.115286, 1.084192, 0.038502, 0.03995),
    "seq2seq_lazy": (2.502115, 2.304663, 1.336668, 1.379934),
    "tcn": (1.48507, 1.027652, 0.146576, 0.1523),
    "ctc_speech": (2.784709, 2.832165, 1.259064, 1.279717),
    "unet": (1.353381, 1.198894, 0.14628, 0.226189),
    "siamese": (4.548257, 4.566381, 0.343134, 0.242543),
    "super_resolution": (0.153548, 0.144981, 0.032136, 0.035619),
    "gpt_amp": (2.837118, 2.840875, 1.335639, 1.298528),
    "ensemble": (0.1744, 0.111906, 0.107719, 0.086582),
    "per_sample_clipping": (1.027379, 0.952055, 0.013354, 0.022848),
    "vae_distributions": (11.510246, 11.393188, 7.408537, 6.821545),
    "wgan_gp": (9.67823, -0.516271, 5.7359, -0.2487),
    "vqvae": (1.10686, 1.044455, 0.668722, 0.697919),
    "maml": (0.122254, 0.065636, 0.053663, 0.01589),
    "translation": (3.331433, 3.131435, 1.619214, 0.0725),
    "sac": (33.034778, -0.860509, 2.015677, -1.643409),
    "seq2seq_attention": (2.482597, 2.322617, 0.562014, 0.77436),
    "lora_distillation": (0.76244, 0.740959, 0.483232, 0.268402),
    "tabular": (0.409137, 0.335042, 0.058654, 0.8375),
    "byol": (5.116109, 3.504531, 1.873353, 0.51),
    "mixture_density": (1.002167, 0.934159, 0.486002, 3.663849),
}
NEEDS = {"vit_einops": "einops"}
SLOW = "translation", "seq2seq_attention"
unmodified = pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
                                              for name in UNMODIFIED])


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


@functools.cache
def in_place(name):
    """Return the weights that a script starts from, and its losses, with this package in PyTorch's place."""
    with in_place_of_torch(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = loaded(FOLDER / f"{name}.py", f"{name}_in_place")
        model = script.build()
        weights = {key: value.numpy().copy() for key, value in model.state_dict().items()}
        return weights, script.train(model, STEPS)


@unmodified
def test_unmodified_script_learns(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    curve = in_place(name)[1]
    np.testing.assert_allclose([*curve[:2], *curve[-2:]], UNMODIFIED[name], rtol=0, atol=1e-4)


@unmodified
def test_loss_curve_of_an_unmodified_script_is_that_of_pytorch(name):
    torch = pytest.importorskip("torch")
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    weights, curve = in_place(name)
    original = loaded(FOLDER / f"{name}.py", f"{name}_there")
    reference = original.build()
    assert list(weights) == list(reference.state_dict())
    reference.load_state_dict({key: torch.tensor(value) for key, value in weights.items()})
    expected = original.train(reference, STEPS)
    assert len(curve) == len(expected) >= STEPS
    assert np.abs(np.subtract(curve, expected)).max() < 1e-4


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
