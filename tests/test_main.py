"""The command line."""

import numpy as np
import pytest

from autograd_nn.__main__ import main
from autograd_nn.saving.checkpoints import load_tensors
from autograd_nn.training import models


def test_a_short_run_prints_what_it_does_and_saves_weights(tmp_path, capsys):
    file = tmp_path / "weights.safetensors"
    assert main(["--epochs", "2", "--limit", "500", "--save", str(file), "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "convnet: 23,466 parameters, 500 images to train and 500 to test" in out
    assert "not MNIST's test accuracy" in out and "accuracy" in out and str(file) in out
    lines = [line.split() for line in out.splitlines()]
    assert ["epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "seconds"] in lines
    model = models.convnet(16, 5)
    model.load_state_dict(load_tensors(file))


def test_the_same_seed_saves_the_same_weights(tmp_path, capsys):
    saved = []
    for name in ("a", "b"):
        main(["--epochs", "1", "--limit", "300", "--model", "lenet", "--save", str(tmp_path / name)])
        saved.append((tmp_path / name).read_bytes())
    assert saved[0] == saved[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "argument --epochs: expects a positive integer, got '0'"),
        (["--batch-size", "x"], "argument --batch-size: expects a positive integer, got 'x'"),
        (["--lr", "inf"], "argument --lr: expects a positive number, got 'inf'"),
        (["--lr", "nan"], "argument --lr: expects a positive number, got 'nan'"),
        (["--model", "vgg"], "argument --model: invalid choice: 'vgg'"),
        (["--data", "/nowhere"], "argument --data: expects a folder with the four MNIST files"),
        (["--save", "/nowhere/x"], "argument --save: expects a file in a folder that exists"),
        (["--filter-size", "40"], "convnet(): nothing is left to pool (size=28, kernel_size=40, stride=1)"),
        (["--seed", "1.5"], "argument --seed: invalid int value: '1.5'"),
    ],
)
def test_a_bad_value_gets_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and message in err and err.count("\n") == 1


def test_a_folder_without_the_files(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path)])
    err = capsys.readouterr().err
    assert "train-images" in err and err.count("\n") <= 2


def test_weights_are_float32(tmp_path, capsys):
    main(["--epochs", "1", "--limit", "100", "--save", str(tmp_path / "w")])
    assert {tensor.dtype for tensor in load_tensors(tmp_path / "w").values()} == {np.dtype(np.float32)}
