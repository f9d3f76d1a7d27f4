"""Rows of a table: embeddings of categories beside numbers, one cycle of the learning rate, in float64."""

import random
from collections import defaultdict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler, default_collate


class TabularDataset(Dataset):
    def __init__(self, seed, rows):
        rng = np.random.default_rng(seed)
        self.cats = rng.integers(0, [3, 5, 7], (rows, 3)).astype(np.int64)
        self.conts = rng.standard_normal((rows, 4)).astype(np.float32)
        logit = self.conts[:, 0] - self.conts[:, 1] * (self.cats[:, 0] == 1) + (self.cats[:, 1] - 2) * 0.7
        self.target = (logit + 0.3 * rng.standard_normal(rows) > 0).astype(np.float32)[:, None]

    def __len__(self):
        return self.target.shape[0]

    def __getitem__(self, idx):
        return {"cats": self.cats[idx], "conts": self.conts[idx], "target": self.target[idx], "name": f"row {idx}"}


class ByCategory(Sampler):
    """Batches of rows of one category after the other."""

    def __init__(self, data, batch_size):
        self.data, self.batch_size = data, batch_size

    def __iter__(self):
        groups = defaultdict(list)
        for i in range(len(self.data)):
            groups[int(self.data[i]["cats"][0])].append(i)
        order = [i for key in sorted(groups) for i in groups[key]]
        batches = [order[i:i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        random.Random(0).shuffle(batches)
        return iter(batches)

    def __len__(self):
        return (len(self.data) + self.batch_size - 1) // self.batch_size


class TabularModel(nn.Module):
    def __init__(self, emb_szs, n_cont, layers, p=0.0):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(ni, nf, max_norm=None) for ni, nf in emb_szs])
        self.emb_drop = nn.Dropout(p)
        self.bn_cont = nn.BatchNorm1d(n_cont)
        n_emb = sum(nf for _, nf in emb_szs)
        layerlist, n_in = [], n_emb + n_cont
        for i in layers:
            layerlist += [nn.Linear(n_in, i), nn.GELU(), nn.BatchNorm1d(i), nn.Dropout(p)]
            n_in = i
        layerlist.append(nn.Linear(layers[-1], 1))
        self.layers = nn.Sequential(*layerlist)
        self.gate = nn.Bilinear(n_emb, n_cont, 1)

    def forward(self, x_cat, x_cont):
        embeddings = [e(x_cat[:, i]) for i, e in enumerate(self.embeds)]
        x = self.emb_drop(torch.cat(embeddings, 1))
        x_cont = self.bn_cont(x_cont)
        return self.layers(torch.cat([x, x_cont], 1)) + self.gate(x, x_cont).sigmoid()


class AverageMeter:
    def __init__(self):
        self.reset()

    def reset(self):
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count


class FocalLoss(nn.Module):
    def __init__(self, gamma=1.5):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, target):
        bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        pt = torch.exp(-bce)
        return ((1 - pt) ** self.gamma * bce).mean()


def build():
    torch.manual_seed(42)
    return TabularModel([(3, 2), (5, 3), (7, 4)], 4, [16, 8]).to(torch.float64)


def train(model, steps):
    """Return the average loss of the epoch so far at each step, then accuracy."""
    data = ConcatDataset([TabularDataset(0, 90), TabularDataset(1, 70)])
    loader = DataLoader(data, batch_sampler=ByCategory(data, 24), collate_fn=lambda rows: default_collate(rows))
    criterion = FocalLoss()
    decay = [p for p in model.parameters() if p.ndim >= 2]
    other = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": other, "weight_decay": 0}])
    epochs = -(-steps // len(loader))
    scheduler = OneCycleLR(optimizer, max_lr=[0.02, 0.03], epochs=epochs, steps_per_epoch=len(loader), pct_start=0.3)
    losses = []
    for _ in range(epochs):
        meter = AverageMeter()
        model.train()
        for batch in loader:
            y = batch["target"].double()
            y_hat = model(batch["cats"], batch["conts"].double())
            loss = criterion(y_hat, y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            meter.update(loss.item(), len(batch["name"]))
            losses.append(meter.avg)
        assert scheduler.get_last_lr()[0] <= 0.02 + 1e-12
    model.eval()
    with torch.no_grad():
        batch = default_collate([data[i] for i in range(len(data))])
        out = torch.sigmoid(model(batch["cats"], batch["conts"].double())) > 0.5
    losses.append((out == batch["target"].bool()).float().mean().item())
    return losses
