"""Texts as numbers: a tokenizer of characters, one of byte pairs, a bridge to other libraries', and datasets of them.

Tokenizers are saved as JSON, and nothing of a file is trusted: its size and every entry are checked.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor, from_numpy
from .checks import whole_number
from .collate import default_collate, rebuilt
from .series import WindowDataset

__all__ = ["BytePairTokenizer", "CharTokenizer", "PadCollate", "TextDataset", "Tokenizer", "TokenizerBridge"]

LARGEST_FILE = 2**28  # bytes of a tokenizer's file
MOST_TOKENS = 2**24
# Words with the blank before them, runs of other signs, blanks: byte pairs do not cross their borders (as GPT-2 does).
WORDS = re.compile(r" ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


class Tokenizer:
    """The base class: texts to lists of token numbers and back, a vocabulary, files.

    A subclass defines ``_encode``, ``_decode``, ``_spec`` and ``_of_spec``.
    """

    kind = ""
    special_tokens: dict[str, int]

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, special ones too: the first argument of an `Embedding`."""
        return len(self)

    def _encode(self, text: str) -> list[int]:
        raise NotImplementedError

    def _decode(self, tokens: list[int]) -> str:
        raise NotImplementedError

    def _spec(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def _of_spec(cls, spec: dict[str, Any]) -> Tokenizer:
        raise NotImplementedError

    def encode(self, text: str) -> list[int]:
        """Return a text as a list of tokens. The names of special tokens in it are text like any other."""
        if not isinstance(text, str):
            raise TypeError(f"{type(self).__name__}.encode(): takes a string, got {type(text).__name__}")
        return self._encode(text)

    def __call__(self, text: str) -> Tensor:
        return from_numpy(np.array(self.encode(text), np.int64))

    def decode(self, tokens: Any) -> str:
        """Return tokens as a text.

        Parameters
        ----------
        tokens : Tensor, array or sequence of int, (N,)
        """
        values = np.asarray(tokens.array if isinstance(tokens, Tensor) else tokens)
        if values.size == 0:
            return ""
        if values.ndim != 1 or values.dtype.kind not in "iu":
            raise TypeError(f"{type(self).__name__}.decode(): takes token numbers (N,), got {values.dtype} "
                            f"{values.shape}")
        if not 0 <= values.min() <= values.max() < len(self):
            raise ValueError(f"{type(self).__name__}.decode(): tokens must be in [0, {len(self)}), got "
                             f"{values.min()} to "
                             f"{values.max()}")
        return self._decode(values.tolist())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as a JSON file."""
        Path(path).write_text(json.dumps({"tokenizer": self.kind, **self._spec()}), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Read a tokenizer that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is too large, damaged or holds another kind.
        """
        path, name = Path(path), cls.__name__
        if not path.is_file():
            raise FileNotFoundError(f"{name}.load(): no such file: {path}")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"{name}.load(): {path}: expected at most {LARGEST_FILE:,} bytes, found "
                             f"{path.stat().st_size:,}")
        try:
            return cls._checked(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{name}.load(): {path}: {error}") from error

    @classmethod
    def _checked(cls, spec: Any) -> Any:
        if not isinstance(spec, dict) or spec.pop("tokenizer", None) != cls.kind:
            raise ValueError(f"expected a tokenizer of the kind {cls.kind!r}")
        return cls._of_spec(spec)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the tokenizer as an array of its JSON, to be saved with a model."""
        text = json.dumps({"tokenizer": self.kind, **self._spec()})
        return {"spec": np.frombuffer(text.encode(), np.uint8).copy()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Any:
        """Return a new tokenizer with what `state_dict` returned."""
        spec = state["spec"] if isinstance(state, Mapping) and "spec" in state else np.zeros(0)
        values = np.asarray(spec.array if isinstance(spec, Tensor) else spec)
        try:
            if values.dtype != np.uint8 or values.ndim != 1:
                raise ValueError(f"expected 'spec' of uint8 (N,), found {values.dtype} {values.shape}")
            return cls._checked(json.loads(values.tobytes()))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{cls.__name__}.from_state_dict(): {error}") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens)"


def _specials(first: int, names: Iterable[str]) -> dict[str, int]:
    """Number special tokens from `first` on."""
    names = [names] if isinstance(names, str) else list(names)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise ValueError(f"special_tokens must be different names (got {names!r})")
    return {name: first + place for place, name in enumerate(names)}


class CharTokenizer(Tokenizer):
    """A token per character.

    Parameters
    ----------
    text : str
        Its characters, sorted, are the tokens.
    unknown : str or None
        What stands for a character that is not there, a token of its own then; None makes that an error.
    special_tokens : sequence of str
        Names of further tokens; their numbers stand in ``special_tokens``.

    Examples
    --------
    >>> from autograd_nn.data import CharTokenizer
    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer.encode("hole"), tokenizer.decode([1, 0, 2])
    ([1, 3, 2, 0], 'hel')
    """

    kind = "characters"

    def __init__(self, text: str, unknown: str | None = None, special_tokens: Sequence[str] = ()):
        if not isinstance(text, str):
            raise TypeError(f"CharTokenizer(): text must be a string, got {type(text).__name__}")
        if not text:
            raise ValueError("CharTokenizer(): text must have a character, got ''")
        if unknown is not None and not isinstance(unknown, str):
            raise TypeError(f"CharTokenizer(): unknown must be a string or None, got {type(unknown).__name__}")
        self.characters = sorted(set(text))
        self.unknown = unknown
        self._number = {character: number for number, character in enumerate(self.characters)}
        self._unknown_number = len(self.characters)
        self.special_tokens = _specials(len(self.characters) + (unknown is not None), special_tokens)
        self._text = [*self.characters, *([] if unknown is None else [unknown]), *self.special_tokens]

    def __len__(self) -> int:
        return len(self._text)

    def _encode(self, text: str) -> list[int]:
        if self.unknown is not None:
            return [self._number.get(character, self._unknown_number) for character in text]
        try:
            return [self._number[character] for character in text]
        except KeyError as error:
            raise ValueError(f"CharTokenizer.encode(): the character {error.args[0]!r} at position "
                             f"{text.index(error.args[0])} is unknown (CharTokenizer(text, unknown='?') takes it as "
                             "'?')") from None

    def _decode(self, tokens: list[int]) -> str:
        return "".join([self._text[token] for token in tokens])

    def _spec(self) -> dict[str, Any]:
        return {"characters": "".join(self.characters), "unknown": self.unknown,
                "special_tokens": list(self.special_tokens)}

    @classmethod
    def _of_spec(cls, spec: dict[str, Any]) -> CharTokenizer:
        if set(spec) != {"characters", "unknown", "special_tokens"} or not isinstance(spec["special_tokens"], list):
            raise ValueError("expected the keys characters, unknown, special_tokens")
        try:
            return cls(spec["characters"], spec["unknown"], spec["special_tokens"])
        except TypeError as error:
            raise ValueError(str(error)) from error


class BytePairTokenizer(Tokenizer):
    """Byte pairs: the 256 bytes are tokens, and pairs of tokens that are frequent become tokens of their own.

    Any text can be encoded, and decodes to itself. Pairs do not cross the borders of words (R. Sennrich et al.,
    arXiv:1508.07909; bytes as in GPT-2).

    Parameters
    ----------
    merges : sequence of (int, int)
        The pairs, in the order in which they become the tokens 256, 257 ...
    special_tokens : sequence of str
        Names of further tokens; their numbers, after all others, stand in ``special_tokens``.

    Examples
    --------
    >>> from autograd_nn.data import BytePairTokenizer
    >>> tokenizer = BytePairTokenizer.train(["low lower lowest", "new newer newest"] * 10, vocab_size=270)
    >>> tokenizer.decode(tokenizer.encode("the lowest"))
    'the lowest'
    """

    kind = "byte pairs"

    def __init__(self, merges: Sequence[tuple[int, int]], special_tokens: Sequence[str] = ()):
        self._bytes = [bytes([number]) for number in range(256)]
        self._rank: dict[tuple[int, int], int] = {}
        for place, pair in enumerate(merges):
            known = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(
                isinstance(part, int | np.integer) and not isinstance(part, bool) and 0 <= part < 256 + place
                for part in pair)
            if not known or tuple(pair) in self._rank:
                raise ValueError(f"BytePairTokenizer(): merge {place} must be a new pair of tokens below "
                                 f"{256 + place}, "
                                 f"got {pair!r}")
            left, right = map(int, pair)
            if len(self._bytes[left]) + len(self._bytes[right]) > 2**16:
                raise ValueError(f"BytePairTokenizer(): merge {place} makes a token of more than {2**16:,} bytes")
            self._rank[left, right] = 256 + place
            self._bytes.append(self._bytes[left] + self._bytes[right])
        self.special_tokens = _specials(len(self._bytes), special_tokens)
        self._names = list(self.special_tokens)
        self._words: dict[str, list[int]] = {}

    @classmethod
    def train(cls, texts: str | Iterable[str], vocab_size: int, special_tokens: Sequence[str] = (),
              min_frequency: int = 2) -> BytePairTokenizer:
        """Learn the pairs from texts.

        Parameters
        ----------
        texts : str or iterable of str
            Read once.
        vocab_size : int
            How many tokens there may be, the 256 bytes and the special ones too.
        special_tokens : sequence of str
        min_frequency : int
            How often a pair must occur to become a token.
        """
        size = whole_number(vocab_size, "BytePairTokenizer.train(): vocab_size", 256 + len(special_tokens), MOST_TOKENS)
        least = whole_number(min_frequency, "BytePairTokenizer.train(): min_frequency", 1)
        counts: Counter[str] = Counter()
        for text in [texts] if isinstance(texts, str) else texts:
            if not isinstance(text, str):
                raise TypeError(f"BytePairTokenizer.train(): texts must be strings, got {type(text).__name__}")
            counts.update(WORDS.findall(text))
        return cls(_learn(counts, size - 256 - len(special_tokens), least), special_tokens)

    def __len__(self) -> int:
        return len(self._bytes) + len(self._names)

    @property
    def merges(self) -> list[tuple[int, int]]:
        """The pairs, in the order in which they were learned."""
        return list(self._rank)

    def _encode(self, text: str) -> list[int]:
        tokens: list[int] = []
        for word in WORDS.findall(text):
            found = self._words.get(word)
            if found is None:
                found = self._split(word)
                if len(self._words) < 2**16:
                    self._words[word] = found
            tokens += found
        return tokens

    def _split(self, word: str) -> list[int]:
        """Return the tokens of a word: of its pairs the one learned first is joined, again and again."""
        tokens = list(word.encode("utf-8", "surrogatepass"))
        if len(tokens) > 256:  # in time that grows with the length, not with its square
            return _split_long(tokens, self._rank)
        while len(tokens) > 1:
            rank, place = min((self._rank.get(pair, MOST_TOKENS + 256), place)
                              for place, pair in enumerate(itertools.pairwise(tokens)))
            if rank == MOST_TOKENS + 256:
                break
            tokens[place:place + 2] = [rank]
        return tokens

    def _decode(self, tokens: list[int]) -> str:
        parts = [self._bytes[token] if token < len(self._bytes) else self._names[token - len(self._bytes)].encode()
                 for token in tokens]
        return b"".join(parts).decode("utf-8", "replace")

    def _spec(self) -> dict[str, Any]:
        return {"merges": [list(pair) for pair in self._rank], "special_tokens": self._names}

    @classmethod
    def _of_spec(cls, spec: dict[str, Any]) -> BytePairTokenizer:
        if set(spec) != {"merges", "special_tokens"} or not all(isinstance(part, list) for part in spec.values()):
            raise ValueError("expected the lists merges and special_tokens")
        return cls(spec["merges"], spec["special_tokens"])


def _learn(counts: Mapping[str, int], number: int, least: int) -> list[tuple[int, int]]:
    """Return up to `number` pairs: each the most frequent after those before have become tokens."""
    words = [list(word.encode("utf-8", "surrogatepass")) for word in counts]
    weights = list(counts.values())
    total: Counter[tuple[int, int]] = Counter()
    where: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for place, word in enumerate(words):
        for pair in itertools.pairwise(word):
            total[pair] += weights[place]
            where[pair].add(place)
    heap = [(-count, pair) for pair, count in total.items()]
    heapq.heapify(heap)
    merges: list[tuple[int, int]] = []
    while heap and len(merges) < number:
        count, pair = heapq.heappop(heap)
        if total.get(pair, 0) != -count:  # an old entry: the pair stands in the heap again with its new count
            continue
        if -count < least:
            break
        merges.append(pair)
        token = 255 + len(merges)
        changed: set[tuple[int, int]] = set()
        for place in sorted(where.pop(pair)):
            word, weight = words[place], weights[place]
            for old in itertools.pairwise(word):
                total[old] -= weight
                changed.add(old)
            joined: list[int] = []
            at = 0
            while at < len(word):
                if at + 1 < len(word) and (word[at], word[at + 1]) == pair:
                    joined.append(token)
                    at += 2
                else:
                    joined.append(word[at])
                    at += 1
            words[place] = joined
            for new in itertools.pairwise(joined):
                total[new] += weight
                where[new].add(place)
                changed.add(new)
        del total[pair]
        for one in changed - {pair}:
            if total[one] > 0:
                heapq.heappush(heap, (-total[one], one))
            else:
                del total[one]
    return merges


def _split_long(tokens: list[int], rank: Mapping[tuple[int, int], int]) -> list[int]:
    """Join the pairs of a long word, by a heap of the places where there is one."""
    after: list[int] = [*range(1, len(tokens)), -1]
    before = [*range(-1, len(tokens) - 1)]
    alive = [True] * len(tokens)
    heap = [(rank[pair], place) for place, pair in enumerate(itertools.pairwise(tokens)) if pair in rank]
    heapq.heapify(heap)
    while heap:
        token, place = heapq.heappop(heap)
        right = after[place]
        if not alive[place] or right < 0 or rank.get((tokens[place], tokens[right])) != token:
            continue
        tokens[place], alive[right], after[place] = token, False, after[right]
        if after[place] >= 0:
            before[after[place]] = place
        for left in (before[place], place):
            if left >= 0 and after[left] >= 0:
                pair = (tokens[left], tokens[after[left]])
                if pair in rank:
                    heapq.heappush(heap, (rank[pair], left))
    return [token for token, there in zip(tokens, alive) if there]


class TokenizerBridge(Tokenizer):
    """A tokenizer of another library, as one of ours: of ``tokenizers``, ``transformers`` or ``tiktoken``.

    Parameters
    ----------
    tokenizer : object
        With ``encode`` and ``decode``. It is saved by its own library.

    Examples
    --------
    >>> from autograd_nn.data import TokenizerBridge
    >>> class Words:
    ...     n_vocab = 3
    ...     def encode(self, text):
    ...         return [len(word) for word in text.split()]
    ...     def decode(self, tokens):
    ...         return " ".join("x" * n for n in tokens)
    >>> bridge = TokenizerBridge(Words())
    >>> len(bridge), bridge.encode("to be or"), bridge.decode([2, 2])
    (3, [2, 2, 2], 'xx xx')
    """

    def __init__(self, tokenizer: Any):
        if not callable(getattr(tokenizer, "encode", None)) or not callable(getattr(tokenizer, "decode", None)):
            raise TypeError(f"TokenizerBridge(): tokenizer must have encode and decode, got {type(tokenizer).__name__}")
        self.tokenizer = tokenizer
        self.special_tokens = {}

    def __len__(self) -> int:
        for name in ("get_vocab_size", "vocab_size", "n_vocab"):
            size = getattr(self.tokenizer, name, None)
            if size is not None:
                return int(size() if callable(size) else size)
        return len(self.tokenizer)

    def _encode(self, text: str) -> list[int]:
        found = self.tokenizer.encode(text)
        return list(getattr(found, "ids", found))

    def _decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens))

    def _spec(self) -> dict[str, Any]:
        raise TypeError("TokenizerBridge: save the tokenizer by its own library: bridge.tokenizer.save(path)")


class TextDataset(WindowDataset):
    """Pieces of a text to learn to continue: (tokens, the same tokens one further).

    Parameters
    ----------
    text : str, or array of int
        A text, or the tokens of one (a memory-mapped array too).
    tokenizer : Tokenizer, optional
        Needed for a text.
    length : int
        How many tokens a piece has.
    stride : int, optional
        How many tokens lie between the beginnings of two pieces; by default `length`.

    Examples
    --------
    >>> from autograd_nn.data import CharTokenizer, TextDataset
    >>> x, y = TextDataset("hello hello", CharTokenizer("hello "), length=4)[0]
    >>> x.tolist(), y.tolist()
    ([2, 1, 3, 3], [1, 3, 3, 4])
    """

    def __init__(self, text: Any, tokenizer: Any = None, *, length: int, stride: int | None = None):
        length = whole_number(length, "TextDataset(): length", 1)
        if isinstance(text, str):
            if tokenizer is None:
                raise TypeError("TextDataset(): a text needs a tokenizer: TextDataset(text, CharTokenizer(text), "
                                "length=...)")
            found = tokenizer if isinstance(tokenizer, Tokenizer) else TokenizerBridge(tokenizer)
            text = np.array(found.encode(text), np.min_scalar_type(max(len(found) - 1, 1)))
        tokens = text.array if isinstance(text, Tensor) else np.asarray(text)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise TypeError(f"TextDataset(): takes a string or tokens (N,), got {tokens.dtype} {tokens.shape}")
        super().__init__(tokens, length, length, length if stride is None else stride, gap=1 - length)

    def batch(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pieces at `indices` and their continuations, int64."""
        x, y = super().batch(indices)
        return x.astype(np.int64), y.astype(np.int64)


class PadCollate:
    """A `collate_fn` for samples of different lengths: arrays and lists of numbers are filled up to the longest.

    Parameters
    ----------
    padding_value : float
    lengths : bool
        Whether the first part of the batch becomes (padded, lengths).
    max_length : int, optional
        What is longer is cut off.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import DataLoader, PadCollate
    >>> samples = [(np.array([1, 2, 3]), 0), (np.array([4]), 1)]
    >>> x, y = next(iter(DataLoader(samples, 2, collate_fn=PadCollate())))
    >>> x.tolist()
    [[1, 2, 3], [4, 0, 0]]
    """

    def __init__(self, padding_value: float = 0, lengths: bool = False, max_length: int | None = None):
        if isinstance(padding_value, str | bool) or not isinstance(padding_value, int | float | np.number):
            raise TypeError(f"PadCollate(): padding_value must be a number, got {type(padding_value).__name__}")
        self.padding_value = padding_value
        self.lengths = bool(lengths)
        self.max_length = None if max_length is None else whole_number(max_length, "PadCollate(): max_length", 1)

    def __call__(self, samples: Sequence[Any]) -> Any:
        if not samples:
            raise ValueError("PadCollate(): a batch needs at least one sample, got none")
        first = samples[0]
        if isinstance(first, Mapping):
            parts = {key: self._column([sample[key] for sample in samples]) for key in first}
            if self.lengths:
                key = next(iter(first))
                parts[key] = (parts[key], self._lengths([sample[key] for sample in samples]))
            return rebuilt(first, parts)
        if isinstance(first, tuple):
            columns = list(zip(*samples, strict=True))
            built = [self._column(list(column)) for column in columns]
            if self.lengths:
                built[0] = (built[0], self._lengths(list(columns[0])))
            return rebuilt(first, built)
        padded = self._column(list(samples))
        return (padded, self._lengths(list(samples))) if self.lengths else padded

    def _lengths(self, column: list[Any]) -> Tensor:
        most = self.max_length or MOST_TOKENS
        return from_numpy(np.array([min(len(part), most) for part in column], np.int64))

    def _column(self, column: list[Any]) -> Any:
        """Fill up one part of the samples, or collate it where it has no length of its own."""
        numbers = [part.array if isinstance(part, Tensor) else np.asarray(part) if isinstance(part, list) else part
                   for part in column]
        if not all(isinstance(part, np.ndarray) and part.ndim and part.dtype.kind in "fiub" for part in numbers):
            return default_collate(column)
        most = max(map(len, numbers))
        most = most if self.max_length is None else min(most, self.max_length)
        inner = {part.shape[1:] for part in numbers if len(part)} or {numbers[0].shape[1:]}
        if len(inner) > 1:
            raise ValueError(f"PadCollate(): samples may differ in their first axis only, got {sorted(inner)} for the "
                             "others")
        dtype = np.result_type(*{part.dtype for part in numbers if len(part)} or {numbers[0].dtype})
        if dtype == np.float64 and any(isinstance(part, list) for part in column):
            dtype = np.dtype(np.float32)  # Python's floats, as in default_collate
        result = np.full((len(numbers), most, *inner.pop()), self.padding_value, dtype)
        for place, part in enumerate(numbers):
            kept = part[:most]
            result[place, :len(kept)] = kept
        return from_numpy(result)
