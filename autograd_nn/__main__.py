"""The command line: train a network on handwritten digits.

``python -m autograd_nn`` trains the ConvNet on the digits that come with the package; ``mpiexec -n 4 python -m
autograd_nn`` does so on 4 processes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import nn, optim, parallel
from .data import MNIST, DataLoader, TensorDataset
from .engine import no_grad
from .kernels.compile import get_num_threads
from .look import plots
from .ops.random import manual_seed
from .saving.checkpoints import load, save_tensors
from .training import History, ProgressBar, TerminateOnNaN, fit, models
from .training.metrics import accuracy, confusion_matrix
from .training.resume import Checkpoint

MODELS: dict[str, Callable[[argparse.Namespace], nn.Module]] = {
    "convnet": lambda options: models.convnet(options.filters, options.filter_size, options.stride),
    "lenet": lambda options: models.lenet(),
    "mlp": lambda options: models.mlp(),
}
DEFAULT_FILE = pathlib.Path("runs/digits.safetensors")
OPTIMIZERS: dict[str, Callable[..., Any]] = {"adam": optim.Adam, "sgd": optim.SGD}


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not value > 0 or value == float("inf"):
            name = "integer" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"expects a positive {name}, got {text!r}")
        return value

    return parse


def _folder(text: str) -> pathlib.Path:
    if not pathlib.Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"expects a folder with the four MNIST files (plain or .gz), got {text!r}")
    return pathlib.Path(text)


def _file(text: str) -> pathlib.Path:
    if not pathlib.Path(text).absolute().parent.is_dir() and pathlib.Path(text) != DEFAULT_FILE:
        raise argparse.ArgumentTypeError(f"expects a file in a folder that exists, got {text!r}")
    return pathlib.Path(text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="autograd_nn", description="Train a network on handwritten digits.",
                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="convnet", help="the network")
    for name, default, of in (("filters", 16, "the number"), ("filter-size", 5, "the size"), ("stride", 1, "the step")):
        parser.add_argument(f"--{name}", type=_positive(int), default=default, help=f"{of} of the ConvNet's filters")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="the optimizer")
    parser.add_argument("--epochs", type=_positive(int), default=10, help="passes over the training images")
    parser.add_argument("--batch-size", type=_positive(int), default=100, help="images per step (1: image by image)")
    parser.add_argument("--lr", type=_positive(float), default=0.003, help="the learning rate")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the order of the images")
    parser.add_argument("--data", type=_folder, metavar="DIR",
                        help="a folder with the four MNIST files; without it the digits that come with the package: "
                             "8,000 images to train and 2,000 others to test, both from MNIST's training set")
    parser.add_argument("--limit", type=_positive(int), metavar="N", help="train on N images and test on at most N")
    parser.add_argument("--save", type=_file, metavar="FILE", default=DEFAULT_FILE,
                        help="where the weights go; the picture goes beside them")
    parser.add_argument("--resume", metavar="FILE",
                        help="continue a run from its checkpoint (it is beside the weights, WEIGHTS.checkpoint) with "
                             "the settings that it was started with, where none are given anew")
    parser.add_argument("--checkpoint-every", type=_positive(int), default=500, metavar="N",
                        help="steps between checkpoints; there is one after each epoch in any case")
    parser.add_argument("--shards", type=_positive(int), metavar="N",
                        help="compute the gradients of each batch in N parts, a power of two: the bits of a job of any "
                             "number of processes (under mpiexec it is 8 by default)")
    parser.add_argument("--no-compile", dest="compile", action="store_false",
                        help="make every step eagerly; the bits are the same")
    return parser


def _options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; those that are not given are taken from the checkpoint that is resumed."""
    options = parser.parse_args(arguments)
    if options.resume:
        try:
            content = load(options.resume)
            saved = content["extra"]["settings"]
            parser.set_defaults(**{name: str(value) for name, value in saved.items() if value is not None})
        except (OSError, ValueError) as error:
            parser.error(str(error))
        except (KeyError, TypeError, AttributeError):
            parser.error(f"argument --resume: {options.resume} is not a checkpoint of a run (weights, perhaps?)")
        options = parser.parse_args(arguments)
    return options


def _loader(dataset: MNIST, limit: int | None, batch_size: int, shuffle: bool, seed: int) -> DataLoader:
    count = min(limit or len(dataset), len(dataset))
    images, labels = dataset.inputs[:count], dataset.labels[:count].astype(np.int64)
    return DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=shuffle, seed=seed)


@no_grad()
def _picture(file: pathlib.Path, history: History, model: nn.Module, loader: DataLoader) -> str:
    """Draw the run beside its weights; return the line that says where, or why not."""
    if not plots.available():
        return "picture: not drawn, matplotlib is not installed (pip install 'autograd_nn[plots]')"
    if not history.epochs:
        return "picture: not drawn, no epoch was finished"
    model.eval()
    matrix = sum(confusion_matrix(model(images), labels, 10) for images, labels in loader)
    plots.save_report(file.with_suffix(".png"), model, history, matrix)
    return f"picture: {file.with_suffix('.png')}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    options = _options(parser, arguments)
    if options.shards is not None or parallel.current() is not None:
        try:
            parallel.init(options.shards or 8)
        except ValueError as error:
            parser.error(str(error))
    try:
        with contextlib.ExitStack() as stack:
            if parallel.rank():
                stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
            return _train(parser, options)
    finally:
        if parallel.size() == 1 and parallel.current() is not None:
            parallel.finalize()


def _train(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Train, save and draw; return the exit code."""
    save = options.save
    save.parent.mkdir(exist_ok=True)
    checkpoint = pathlib.Path(options.resume or f"{save}.checkpoint")
    settings = {name: value if isinstance(value, int | float | None) else str(value)
                for name, value in vars(options).items() if name not in ("resume", "compile")}
    try:
        train_set, test_set = (MNIST(options.data, train=train) for train in (True, False))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    manual_seed(options.seed)
    try:
        model = MODELS[options.model](options)
    except ValueError as error:
        parser.error(str(error))
    optimizer = OPTIMIZERS[options.optimizer](model.parameters(), lr=options.lr)
    loader = _loader(train_set, options.limit, options.batch_size, True, options.seed)
    test_loader = _loader(test_set, options.limit, 500, False, options.seed)
    print(f"{options.model}: {sum(p.numel() for p in model.parameters()):,} parameters, "
          f"{len(loader.dataset):,} images to train and {len(test_loader.dataset):,} to test, "
          f"batches of {options.batch_size}, {options.optimizer} at {options.lr:g}, {get_num_threads()} threads")
    if options.data is None:
        print("(all images are from MNIST's training set: the test accuracy is not MNIST's test accuracy)")
    started = time.perf_counter()
    keeper = Checkpoint(checkpoint, options.checkpoint_every, resume=options.resume is not None, settings=settings)
    try:
        history = fit(model, loader, optimizer, nn.functional.cross_entropy, options.epochs, test_loader,
                      [ProgressBar(), TerminateOnNaN(), keeper], {"accuracy": accuracy}, compile=options.compile)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if history.epochs:
        print(f"accuracy {history['validation_accuracy'][-1]:.2%} on the {len(test_loader.dataset):,} test images "
              f"after {len(history)} epochs in {time.perf_counter() - started:.1f} s")
    if parallel.rank() == 0:
        save_tensors(save, model.state_dict(), {"model": options.model})
        print(f"weights: {save}")
        print(_picture(save, history, model, test_loader))
    if history.interrupted and checkpoint.exists():
        print(f"continue with: python -m autograd_nn --resume {checkpoint}")
    return 130 if history.interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
