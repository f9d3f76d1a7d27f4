"""Tokenizers, texts as datasets, padding."""

import copy
import itertools
import json
import time

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import (
    BytePairTokenizer,
    CharTokenizer,
    ColumnDataset,
    DataLoader,
    PadCollate,
    TextDataset,
    TokenizerBridge,
    transforms,
)
from autograd_nn.data.text import _learn, _split_long
from autograd_nn.tensor import Tensor

TEXT = ("The low lower lowest of the new newer newest; wide, wider, widest. "
        "Zoë ate 12 naïve cafés, didn't she?\n\n\tTwo   blanks.  日本語 🙂 ") * 4


def test_characters():
    tokenizer = CharTokenizer("hello", special_tokens=["<end>"])
    assert tokenizer.characters == ["e", "h", "l", "o"]
    assert tokenizer.encode("hole") == [1, 3, 2, 0]
    assert tokenizer.decode(Tensor([1, 3, 2, 0, 4])) == "hole<end>"
    assert tokenizer.vocab_size == len(tokenizer) == 5
    assert tokenizer("hh").data.tolist() == [1, 1]
    with pytest.raises(ValueError, match="the character 'x' at position 1 is unknown"):
        tokenizer.encode("hx")
    free = CharTokenizer("hello", unknown="?", special_tokens=["<end>"])
    assert free.encode("hx") == [1, 4] and free.decode([4]) == "?" and free.special_tokens == {"<end>": 5}
    for wrong, match in ((3, "text must be a string"), (None, "text must be a string")):
        with pytest.raises(TypeError, match=match):
            CharTokenizer(wrong)
    with pytest.raises(ValueError, match="must have a character"):
        CharTokenizer("")
    with pytest.raises(ValueError, match=r"tokens must be in \[0, 5\), got 0 to 5"):
        tokenizer.decode([0, 5])
    with pytest.raises(TypeError, match="takes token numbers"):
        tokenizer.decode([[0.5]])
    with pytest.raises(TypeError, match="takes a string, got list"):
        tokenizer.encode(["a"])
    assert tokenizer.decode([]) == ""


def naive_merges(words, number):
    """Learn pairs by counting all of them anew each time."""
    words = {tuple(word.encode()): count for word, count in words.items()}
    merges = []
    for _ in range(number):
        counts = {}
        for word, weight in words.items():
            for pair in itertools.pairwise(word):
                counts[pair] = counts.get(pair, 0) + weight
        counts = {pair: count for pair, count in counts.items() if count >= 2}
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        joined = {}
        for word, weight in words.items():
            parts, at = [], 0
            while at < len(word):
                if word[at:at + 2] == best:
                    parts.append(255 + len(merges))
                    at += 2
                else:
                    parts.append(word[at])
                    at += 1
            joined[tuple(parts)] = joined.get(tuple(parts), 0) + weight
        words = joined
    return merges


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_naive_count(seed):
    generator = np.random.default_rng(seed)
    words = {"".join(generator.choice(list("abc"), generator.integers(1, 12))): int(generator.integers(1, 9))
             for _ in range(40)}
    assert _learn(words, 30, 2) == naive_merges(words, 30)
    assert _learn({"aaaaaaa": 3, "aaa": 1}, 10, 2) == naive_merges({"aaaaaaa": 3, "aaa": 1}, 10)


def test_byte_pairs():
    tokenizer = BytePairTokenizer.train(TEXT, vocab_size=300, special_tokens=["<end>"])
    assert len(tokenizer) == 300 and tokenizer.special_tokens == {"<end>": 299}
    tokens = tokenizer.encode(TEXT)
    assert tokenizer.decode(tokens) == TEXT
    assert len(tokens) < 0.6 * len(TEXT.encode())
    for other in ("", "x", "日本 🙂 ñ", "\0\x01", "a" * 1000, " \n\t ", "<end>", "\ud800"):
        found = tokenizer.encode(other)
        assert 299 not in found  # a name in a text is text
        if other != "\ud800":
            assert tokenizer.decode(found) == other
    assert tokenizer.decode([299]) == "<end>"
    few = BytePairTokenizer.train(["ab"], vocab_size=1000)
    assert len(few) == 256
    with pytest.raises(ValueError, match="vocab_size must be an integer from 257"):
        BytePairTokenizer.train(TEXT, 256, special_tokens=["<end>"])
    with pytest.raises(TypeError, match="texts must be strings, got int"):
        BytePairTokenizer.train([1], 300)


def test_long_words_are_split_alike_and_in_time():
    tokenizer = BytePairTokenizer.train(TEXT, vocab_size=320)
    generator = np.random.default_rng(0)
    for _ in range(100):
        word = "".join(generator.choice(list("lowernstTh "), generator.integers(2, 60)))
        tokens = list(word.encode())
        assert _split_long(list(tokens), tokenizer._rank) == tokenizer._split(word)
    start = time.perf_counter()
    tokenizer.encode("lower" * 40_000)
    assert time.perf_counter() - start < 20


def test_training_is_quick():
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abcdefghij"), generator.integers(2, 10))) for _ in range(5000)]
    start = time.perf_counter()
    tokenizer = BytePairTokenizer.train(" ".join(words), vocab_size=1500)
    assert len(tokenizer) == 1500
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize("make", [lambda: CharTokenizer("hello ñ", "?", ["<a>"]),
                                  lambda: BytePairTokenizer.train(TEXT, 280, ["<a>"])])
def test_tokenizers_are_saved(make, tmp_path):
    tokenizer = make()
    kind = type(tokenizer)
    tokenizer.save(tmp_path / "t.json")
    autograd_nn.save(tokenizer.state_dict(), tmp_path / "t.safetensors")
    for other in (kind.load(tmp_path / "t.json"), kind.from_state_dict(autograd_nn.load(tmp_path / "t.safetensors")),
                  copy.deepcopy(tokenizer)):
        assert other.encode("hello") == tokenizer.encode("hello")
        assert len(other) == len(tokenizer) and other.special_tokens == tokenizer.special_tokens


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "t.json"
    good = BytePairTokenizer([(104, 101), (256, 108)], ["<a>"])
    for spec, match in (({"tokenizer": "characters"}, "kind 'byte pairs'"), ([1], "kind"),
                        ({"tokenizer": "byte pairs", "merges": [[0, 256]], "special_tokens": []}, "below 256"),
                        ({"tokenizer": "byte pairs", "merges": [[0, 1], [0, 1]], "special_tokens": []}, "a new pair"),
                        ({"tokenizer": "byte pairs", "merges": [["a", 1]], "special_tokens": []}, "a new pair"),
                        ({"tokenizer": "byte pairs", "merges": [3], "special_tokens": []}, "a new pair"),
                        ({"tokenizer": "byte pairs", "merges": {}, "special_tokens": []}, "expected the lists"),
                        ({"tokenizer": "byte pairs", "merges": [], "special_tokens": [1]}, "special_tokens must be"),
                        ({"tokenizer": "byte pairs", "merges": [[97, 97]] + [[n, n] for n in range(256, 290)],
                          "special_tokens": []}, "more than 65,536 bytes")):
        path.write_text(json.dumps(spec))
        with pytest.raises(ValueError, match=rf"BytePairTokenizer\.load\(\): .*{match}"):
            BytePairTokenizer.load(path)
    with pytest.raises(FileNotFoundError):
        BytePairTokenizer.load(tmp_path / "none.json")
    good.save(path)
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[generator.integers(0, len(data))] = generator.integers(0, 256)
        path.write_bytes(damaged)
        try:
            BytePairTokenizer.load(path)
        except ValueError as error:
            assert "BytePairTokenizer.load()" in str(error)


def test_a_bridge_to_other_tokenizers():
    class Foreign:
        vocab_size = 10

        def encode(self, text):
            return [int(c) for c in text]

        def decode(self, tokens):
            return "".join(map(str, tokens))

    bridge = TokenizerBridge(Foreign())
    assert bridge.encode("123") == [1, 2, 3] and bridge.decode([4, 5]) == "45" and bridge.vocab_size == 10
    assert TextDataset("123456", Foreign(), length=2)[1][0].data.tolist() == [3, 4]
    with pytest.raises(TypeError, match="must have encode and decode, got int"):
        TokenizerBridge(3)
    with pytest.raises(TypeError, match="by its own library"):
        bridge.state_dict()


@pytest.mark.data
def test_a_bridge_to_hugging_faces_tokenizers():
    tokenizers = pytest.importorskip("tokenizers")
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "?": 2}, "?"))
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    bridge = TokenizerBridge(own)
    assert bridge.encode("a b c") == [0, 1, 2] and len(bridge) == 3
    assert bridge.decode(Tensor([1, 0])) == "b a"


def test_text_datasets():
    tokenizer = CharTokenizer("hello world")
    data = TextDataset("hello world", tokenizer, length=4, stride=3)
    assert data.series.dtype == np.uint8
    x, y = next(iter(DataLoader(data, 3)))
    assert x.dtype == y.dtype == np.int64
    assert [tokenizer.decode(row) for row in x.data] == ["hell", "lo w", "worl"]
    assert [tokenizer.decode(row) for row in y.data] == ["ello", "o wo", "orld"]
    assert len(TextDataset(np.arange(9), length=4)) == 2
    with pytest.raises(TypeError, match="a text needs a tokenizer"):
        TextDataset("abc", length=2)
    with pytest.raises(TypeError, match="takes a string or tokens"):
        TextDataset(np.zeros(3), length=2)
    with pytest.raises(ValueError, match="the series has 3 steps"):
        TextDataset(np.arange(3), length=3)


def test_padding():
    samples = [(np.array([1, 2, 3]), 0), (np.array([4]), 1), (np.array([], np.int64), 2)]
    x, y = PadCollate(padding_value=9)(samples)
    assert x.data.tolist() == [[1, 2, 3], [4, 9, 9], [9, 9, 9]] and y.data.tolist() == [0, 1, 2]
    (x, lengths), y = PadCollate(lengths=True, max_length=2)(samples)
    assert x.data.tolist() == [[1, 2], [4, 0], [0, 0]] and lengths.data.tolist() == [2, 1, 0]
    batch = PadCollate(lengths=True)([{"a": [1, 2], "b": "x"}, {"a": [3], "b": "y"}])
    assert batch["a"][0].data.tolist() == [[1, 2], [3, 0]] and batch["b"] == ["x", "y"]
    assert PadCollate()([[0.5], [1.5, 2.5]]).dtype == np.float32
    assert PadCollate()([np.ones((2, 3)), np.ones((1, 3))]).shape == (2, 2, 3)
    assert PadCollate()([Tensor([1.0, 2.0]), Tensor([3.0])]).shape == (2, 2)
    with pytest.raises(ValueError, match="may differ in their first axis only"):
        PadCollate()([np.ones((2, 3)), np.ones((1, 4))])
    with pytest.raises(TypeError, match="padding_value must be a number"):
        PadCollate("x")


# ------------------------------------------------------------------------------ rows of dicts

ROWS = [{"x": [0.5, 1.5], "label": 1, "text": "good", "id": "a"},
        {"x": [2.5, 3.5], "label": 0, "text": "bad", "id": "b"}]


def test_columns_of_dicts():
    data = ColumnDataset(ROWS, "x", "label")
    x, y = next(iter(DataLoader(data, 2)))
    assert x.data.tolist() == [[0.5, 1.5], [2.5, 3.5]] and x.dtype == np.float32 and y.data.tolist() == [1, 0]
    assert data.targets.tolist() == [1, 0]
    (x, text), y = ColumnDataset(ROWS, ["x", "text"], "label", target_transform=str)[0]
    assert (x.tolist(), text, y) == ([0.5, 1.5], "good", "1")
    tokens = ColumnDataset(ROWS, "text", "label", transform=CharTokenizer("abdgo"))
    assert next(iter(DataLoader(tokens, 2, collate_fn=PadCollate())))[0].shape == (2, 4)
    for make, match in ((lambda: ColumnDataset({"train": ROWS}, "x"), r"source\['train'\]"),
                        (lambda: ColumnDataset(3, "x"), "must have rows by index"),
                        (lambda: ColumnDataset([1, 2], "x"), "a row of source must be a mapping, got int"),
                        (lambda: ColumnDataset(ROWS, [1]), "must be names of columns")):
        with pytest.raises(TypeError, match=match):
            make()
    with pytest.raises(ValueError, match=r"no column 'lable'; did you mean 'label'\?"):
        ColumnDataset(ROWS, "x", "lable")


@pytest.mark.data
@pytest.mark.parametrize("workers", [0, 2])
def test_hugging_faces_datasets(workers):
    datasets = pytest.importorskip("datasets")
    source = datasets.Dataset.from_list(ROWS * 3)
    x, y = next(iter(DataLoader(ColumnDataset(source, "x", "label"), 4, num_workers=workers)))
    assert x.data.tolist() == [[0.5, 1.5], [2.5, 3.5]] * 2 and y.data.tolist() == [1, 0, 1, 0]
    assert ColumnDataset(source, "x", "label").targets.tolist() == [1, 0] * 3
    batch = next(iter(DataLoader(source.select_columns(["label", "text"]), 3, num_workers=workers)))
    assert batch["label"].data.tolist() == [1, 0, 1] and batch["text"] == ["good", "bad", "good"]
    with pytest.raises(TypeError, match=r"pass dataset\['train'\]"):
        DataLoader(datasets.DatasetDict(train=source))
    stream = source.to_iterable_dataset()
    assert [b["label"].data.tolist() for b in DataLoader(stream, 4)] == [[1, 0, 1, 0], [1, 0]]
    Image = pytest.importorskip("PIL.Image")
    pictures = datasets.Dataset.from_dict({"image": [Image.new("RGB", (6, 5), (9, 9, 9))] * 2, "label": [0, 1]})
    x, _ = next(iter(DataLoader(ColumnDataset(pictures, "image", "label", transforms.ToTensor()), 2)))
    assert x.shape == (2, 3, 5, 6)
