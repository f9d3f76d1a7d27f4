"""Translation by encoder and decoder (I. Sutskever et al., 2014) with lazy layers and masked loss, as in textbooks."""

import numpy as np
import torch
from torch import nn


def init_seq2seq(module):
    if type(module) is nn.Linear:
        nn.init.xavier_uniform_(module.weight)
    if type(module) is nn.GRU:
        for param in module._parameters:
            if "weight" in param:
                nn.init.xavier_uniform_(module._parameters[param])


class Seq2Seq(nn.Module):
    def __init__(self, vocab=10, embed=8, hiddens=12):
        super().__init__()
        self.embedding = nn.Embedding(vocab, embed)
        self.encoder = nn.GRU(embed, hiddens)
        self.decoder = nn.GRU(embed + hiddens, hiddens)
        self.dense = nn.LazyLinear(vocab)

    def forward(self, source, target):
        _, state = self.encoder(self.embedding(source.t()))
        context = state[-1].repeat(target.shape[1], 1, 1)
        outputs, _ = self.decoder(torch.cat((self.embedding(target.t()), context), -1), state)
        return self.dense(outputs).swapaxes(0, 1)


def build():
    torch.manual_seed(0)
    model = Seq2Seq()
    model(torch.zeros((1, 3), dtype=torch.long), torch.zeros((1, 3), dtype=torch.long))
    model.apply(init_seq2seq)
    return model


def train(model, steps):
    """Return the loss of each step: sequences are to be read backwards."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss_fn = nn.CrossEntropyLoss(reduction="none")
    losses = []
    for _ in range(steps):
        source = torch.from_numpy(rng.integers(2, 10, (16, 4)))
        valid_len = torch.from_numpy(rng.integers(2, 5, 16))
        target = source.flip(dims=[1])
        given = torch.cat([torch.ones((16, 1), dtype=torch.long), target[:, :-1]], axis=1)
        mask = (torch.arange(4)[None, :] < valid_len[:, None]).type(torch.float32)
        per_token = loss_fn(model(source, given).reshape(-1, 10), target.reshape(-1))
        loss = (per_token * mask.reshape(-1)).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1)
        optimizer.step()
        losses.append(float(loss))
    return losses
