"""``python -m benchmarks.seeds``: the accuracy of the notebook's setting over five seeds, and the time of a run."""

from __future__ import annotations

import statistics
import time

import numpy as np

import autograd_nn
from autograd_nn import nn, optim
from autograd_nn.data import MNIST, DataLoader, TensorDataset
from autograd_nn.training import evaluate, fit, models
from autograd_nn.training.metrics import accuracy

MEAN, DEVIATION = 0.1307, 0.3081  # of the pixels of MNIST's training set: inputs are standardised, as is usual
IMAGES, EPOCHS, RATE, SEEDS = 2000, 5, 0.005, range(5)


def _standardised(images: np.ndarray) -> np.ndarray:
    return (images - np.float32(MEAN)) / np.float32(DEVIATION)


def trained(seed: int, batch_size: int, kind: type) -> tuple[float, float]:
    """Train the ConvNet on the first images; return its accuracy on the test images and the seconds it took."""
    train, test = MNIST(), MNIST(train=False)
    autograd_nn.manual_seed(seed)
    model = models.convnet()
    images = TensorDataset(_standardised(train.inputs[:IMAGES]), train.labels[:IMAGES])
    loader = DataLoader(images, batch_size, shuffle=True, seed=seed)
    started = time.perf_counter()
    fit(model, loader, kind(model.parameters(), lr=RATE), nn.functional.cross_entropy, EPOCHS, callbacks=[])
    seconds = time.perf_counter() - started
    others = DataLoader(TensorDataset(_standardised(test.inputs), test.labels), 500)
    measured = evaluate(model, others, nn.functional.cross_entropy, {"accuracy": accuracy})
    return measured["accuracy"], seconds


def main() -> None:
    """Print one line of a Markdown table per way of training."""
    print("| training | accuracy, mean | lowest .. highest | seconds a run, median |\n|---|---|---|---|")
    for name, batch_size, kind in (("SGD, image by image", 1, optim.SGD), ("Adam, batches of 100", 100, optim.Adam)):
        trained(0, batch_size, kind)  # compiles
        accuracies, seconds = zip(*(trained(seed, batch_size, kind) for seed in SEEDS))
        spread = f"{min(accuracies):.2%} .. {max(accuracies):.2%}"
        print(
            f"| {name}, rate {RATE} | {statistics.mean(accuracies):.2%} | {spread} "
            f"| {statistics.median(seconds):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
