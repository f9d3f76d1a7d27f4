"""Data that are not what they should be: each case is an error that says what is wrong, or has a documented result."""

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.data import DataLoader, ImageFolder, TableDataset, TensorDataset, read_csv, stratified_split
from autograd_nn.training import evaluate, fit

TABLE = "size,kind,good\n1.5,ale,yes\n2.5,bock,no\n3.5,ale,yes\n0.5,pils,no\n"


def written(folder, text, name="table.csv"):
    path = folder / name
    path.write_text(text)
    return path


def trained(x, y, classes=2):
    model = nn.Linear(x.shape[1], classes)
    return fit(model, (x, y), optim.SGD(model.parameters(), lr=0.1), "cross_entropy", 1, shuffle=False)


def test_text_in_a_column_of_numbers(tmp_path):
    path = written(tmp_path, TABLE.replace("3.5", "big"))
    with pytest.raises(ValueError, match=r"(?s)size.*'big'"):
        TableDataset.from_csv(path, target="good", numeric=["size"])


def test_a_broken_picture(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    (tmp_path / "cats").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "cats" / "0.jpg")
    whole = (tmp_path / "cats" / "0.jpg").read_bytes()
    (tmp_path / "cats" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"1\.jpg"):
        list(ImageFolder(tmp_path))
    skipping = ImageFolder(tmp_path, ag.data.transforms.ToTensor(), corrupt="skip")
    assert sum(len(x) for x, _ in DataLoader(skipping, 2)) == 1


@pytest.mark.parametrize("label", [2, -1])
def test_labels_out_of_range(label):
    x = np.ones((4, 3), np.float32)
    with pytest.raises(IndexError, match=rf"target {label} is out of range for 2 classes \(at flat index 2\)"):
        trained(x, np.array([0, 1, label, 0]))


def test_unseen_categories_and_another_order_of_columns(tmp_path):
    train = TableDataset.from_csv(written(tmp_path, TABLE), target="good")
    with pytest.raises(ValueError, match=r"(?s)kind.*'stout'"):
        train.encoder.transform(read_csv(written(tmp_path, "size,kind\n1.0,stout\n", "new.csv")))
    straight = train.encoder.transform(read_csv(written(tmp_path, "size,kind\n1.0,ale\n", "a.csv")))
    turned = train.encoder.transform(read_csv(written(tmp_path, "kind,more,size\nale,9,1.0\n", "b.csv")))
    assert np.array_equal(np.asarray(straight), np.asarray(turned))
    with pytest.raises((KeyError, ValueError), match="kind"):
        train.encoder.transform(read_csv(written(tmp_path, "size\n1.0\n", "c.csv")))


def test_empty_splits():
    data = TensorDataset(np.ones((4, 2), np.float32), np.array([0, 0, 0, 1]))
    with pytest.raises(ValueError, match=r"stratified_split\(\)"):
        stratified_split(data, [0.5, 0.5], generator=0)
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"(?i)no (batch|sample)|empty"):
        fit(model, (np.ones((0, 2), np.float32), np.ones(0, int)), optim.SGD(model.parameters(), lr=0.1),
            "cross_entropy")
    with pytest.raises(ValueError, match=r"(?i)no (batch|sample)|empty"):
        evaluate(model, [], nn.CrossEntropyLoss())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite(value, capsys):
    x = np.ones((4, 3), np.float32)
    x[2, 1] = value
    history = trained(x, np.array([0, 1, 1, 0]))
    said = capsys.readouterr()
    assert not history.epochs or not np.isfinite(history.epochs[-1]["loss"])
    assert "input" in said.out + said.err and "(2, 1)" in said.out + said.err
