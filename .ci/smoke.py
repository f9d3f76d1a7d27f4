"""What an installed wheel must do with nothing but its run-time needs: import, train, save, load, name the extras."""

import importlib.metadata
import pathlib
import sys
import tempfile

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import MNIST, DataLoader
from autograd_nn.training import fit
from autograd_nn.training.metrics import accuracy

NEEDS = {"autograd-nn", "llvmlite", "numba", "numpy", "pip", "setuptools", "tqdm"}

assert "site-packages" in ag.__file__, f"this is not the installed package: {ag.__file__}"
installed = {d.metadata["Name"].lower().replace("_", "-") for d in importlib.metadata.distributions()}
assert installed <= NEEDS, f"more than the run-time needs is installed: {sorted(installed - NEEDS)}"
assert ag.__version__ == importlib.metadata.version("autograd_nn")

ag.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10))
loader = DataLoader(MNIST(), batch_size=100, shuffle=True, seed=0)
test = DataLoader(MNIST(train=False), batch_size=500)
history = fit(
    model,
    loader,
    optim.Adam(model.parameters(), lr=0.005),
    nn.CrossEntropyLoss(),
    epochs=1,
    validation=test,
    metrics={"accuracy": accuracy},
)
assert history["validation_accuracy"][-1] > 0.85

with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "weights.safetensors")
    ag.save(model.state_dict(), file)
    model.load_state_dict({name: value.numpy() + 1 for name, value in model.state_dict().items()})
    before = model(next(iter(test))[0]).detach().numpy()
    model.load_state_dict(ag.load(file))
    assert not np.array_equal(before, model(next(iter(test))[0]).detach().numpy())

try:
    from autograd_nn import plots

    plots.plot_weights(model)
except ImportError as error:
    assert "autograd_nn[plots]" in str(error), f"the error does not say which extra: {error}"
else:
    raise AssertionError("plots work without Matplotlib")
print(f"autograd_nn {ag.__version__} on Python {sys.version.split()[0]}: trained, saved, loaded")
