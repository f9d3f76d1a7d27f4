"""Draw the pictures of the guide to pictures: ``python docs/picture_plots.py`` writes docs/pictures/plots/*.png.

They have no background: the same file is read on light and on dark pages.
"""

import pathlib

import numpy as np
from PIL import Image

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import MNIST
from autograd_nn.look import plots
from autograd_nn.look.profile import profile
from autograd_nn.training import fit, models, predict

FOLDER = pathlib.Path(__file__).resolve().parent / "pictures" / "plots"


def keep(picture: plots.Picture, name: str) -> None:
    """Write a picture in few colours, with its transparency."""
    path = FOLDER / f"{name}.png"
    picture.savefig(path, dpi=110)
    Image.open(path).convert("RGBA").quantize(256, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    ag.manual_seed(0)
    digits, others = MNIST(), MNIST(train=False)
    x, y = digits.inputs[:1000], digits.labels[:1000]
    test, true = others.inputs[:1000], others.labels[:1000]
    model = models.convnet()
    fit(model, (x, y), optim.Adam(model.parameters(), lr=0.005), "cross_entropy", 3, callbacks=[])
    scores = predict(model, test)
    few = true < 3
    keep(plots.plot_roc(scores[few][:, :3], true[few]), "roc")
    keep(plots.plot_calibration(scores.softmax(1)[:, 8], true == 8), "calibration")
    keep(plots.plot_embedding(scores[:300], true[:300]), "embedding")
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for p in (None, profile(model)):  # the first step compiles
        with p or ag.enable_grad():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(ag.tensor(x[:100])), ag.tensor(y[:100])).backward()
            optimizer.step()
    keep(plots.plot_flame(p), "flame")
    points = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    inside = (points**2).sum(1) < 1
    small = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    fit(small, (points, inside.astype(int)), optim.Adam(small.parameters(), lr=0.03), "cross_entropy", 60, callbacks=[])
    keep(plots.plot_decision_boundary(small, points, inside.astype(int), ["outside", "inside"]), "boundary")


if __name__ == "__main__":
    main()
