"""Language model of characters: a small Transformer with causal mask, AdamW with warm-up, and sampling."""

import math
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR

text = "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. " * 4
chars = sorted(set(text))
stoi = {ch: i for i, ch in enumerate(chars)}
itos = dict(enumerate(chars))
block_size = 16


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class LanguageModel(nn.Module):
    def __init__(self, d_model=16):
        super().__init__()
        self.d_model = d_model
        self.embed = nn.Embedding(len(chars), d_model)
        self.pos = PositionalEncoding(d_model, block_size)
        layer = nn.TransformerEncoderLayer(d_model, nhead=2, dim_feedforward=32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(d_model, len(chars))
        self.init_weights()

    def init_weights(self):
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        nn.init.zeros_(self.head.bias)

    def forward(self, idx, targets=None):
        T = idx.shape[1]
        mask = torch.triu(torch.full((T, T), float("-inf")), diagonal=1)
        x = self.pos(self.embed(idx) * math.sqrt(self.d_model))
        logits = self.head(self.encoder(x, mask=mask))
        if targets is None:
            return logits, None
        B, T, C = logits.shape
        return logits, F.cross_entropy(logits.view(B * T, C), targets.view(B * T))


def build():
    torch.manual_seed(1337)
    return LanguageModel()


def get_batch(data, rng):
    ix = rng.integers(0, len(data) - block_size, 8)
    x = torch.stack([data[i : i + block_size] for i in ix])
    y = torch.stack([data[i + 1 : i + block_size + 1] for i in ix])
    return x, y


@torch.no_grad()
def generate(model, idx, count):
    for _ in range(count):
        logits, _ = model(idx[:, -block_size:])
        probs = F.softmax(logits[:, -1, :], dim=-1)
        values, _ = torch.topk(probs, 3)
        probs[probs < values[:, [-1]]] = 0.0
        idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
    return idx


def train(model, steps):
    """Return the loss of every step, then of the last batch by the model that was saved and loaded."""
    data = torch.tensor([stoi[c] for c in text], dtype=torch.long)
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 10))
    losses = []
    model.train()
    for _ in range(steps):
        xb, yb = get_batch(data, rng)
        _, loss = model(xb, yb)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"model": model.state_dict(), "losses": losses}, f"{folder}/checkpoint.pt")
        checkpoint = torch.load(f"{folder}/checkpoint.pt", map_location="cpu")
    for p in model.parameters():
        nn.init.zeros_(p)
    model.load_state_dict(checkpoint["model"])
    assert checkpoint["losses"] == losses
    model.eval()
    losses.append(model(xb, yb)[1].item())
    written = generate(model, torch.zeros((1, 1), dtype=torch.long), 20)[0].tolist()
    assert len("".join([itos[i] for i in written])) == 21
    return losses
