"""Representations without negatives: a net predicts its own moving average (J.-B. Grill et al., 2020), in float64."""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset


class Views(Dataset):
    def __init__(self, count=48):
        rng = np.random.default_rng(0)
        images = np.sin(np.arange(1, 5)[rng.integers(0, 4, count), None, None] * np.arange(12) / 3 + rng.uniform(
            0, 1, (count, 1, 1)))
        self.views = (images[:, None] + 0.3 * rng.standard_normal((count, 2, 3, 12))).transpose(1, 0, 2, 3)

    def __len__(self):
        return self.views.shape[1]

    def __getitem__(self, item):
        return tuple(torch.from_numpy(view[item]) for view in self.views)


class MLPHead(nn.Module):
    def __init__(self, in_channels, mlp_hidden_size, projection_size):
        super(MLPHead, self).__init__()
        self.net = nn.Sequential(
            nn.Linear(in_channels, mlp_hidden_size),
            nn.BatchNorm1d(mlp_hidden_size),
            nn.ReLU(inplace=True),
            nn.Linear(mlp_hidden_size, projection_size),
        )

    def forward(self, x):
        return self.net(x)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(3, 8, 3, padding="same", padding_mode="circular"), nn.GroupNorm(2, 8),
                                     nn.SiLU(), nn.MaxPool1d(2), nn.Conv1d(8, 8, 3, groups=4), nn.CELU(),
                                     nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.projection = MLPHead(8, 16, 6)

    def forward(self, x):
        return self.projection(self.encoder(x))


class BYOL(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = Encoder()
        self.predictor = MLPHead(6, 16, 6)


def regression_loss(x, y):
    x = F.normalize(x, dim=1)
    y = F.normalize(y, dim=1)
    return 2 - 2 * (x * y).sum(dim=-1)


def nt_xent(z1, z2, temperature=0.5):
    z = F.normalize(torch.cat([z1, z2], dim=0), dim=-1)
    sim = torch.exp(torch.mm(z, z.t().contiguous()) / temperature)
    n = z1.shape[0]
    mask = (torch.ones_like(sim) - torch.eye(2 * n, device=sim.device)).bool()
    sim = sim.masked_select(mask).view(2 * n, -1)
    pos = torch.exp(torch.sum(z1 * z2, dim=-1) / temperature)
    return (-torch.log(torch.cat([pos, pos]) / sim.sum(dim=-1))).mean()


def build():
    torch.manual_seed(0)
    return BYOL().double()


def train(model, steps, m=0.95):
    """Return the loss of each step."""
    target = copy.deepcopy(model.online)
    averaged = AveragedModel(model.online, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for param in target.parameters():
        param.requires_grad = False
    loader = DataLoader(Views(), batch_size=16, num_workers=0, drop_last=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=4e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
    losses = []
    while len(losses) < steps:
        for v1, v2 in loader:
            predictions = [model.predictor(model.online(v)) for v in (v1, v2)]
            with torch.no_grad():
                targets = [target(v) for v in (v2, v1)]
            loss = sum(regression_loss(p, t) for p, t in zip(predictions, targets)).mean()
            z1, z2 = torch.unbind(F.normalize(torch.stack([model.online(v1), model.online(v2)]), dim=-1))
            loss += 0.1 * nt_xent(z1, z2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            averaged.update_parameters(model.online)
            with torch.no_grad():
                for param_q, param_k in zip(model.online.parameters(), target.parameters()):
                    param_k.data = param_k.data * m + param_q.data * (1.0 - m)
            losses.append(loss.item())
    averaged.eval()
    losses.append(averaged(v1).norm(dim=1).mean().item())
    losses.append(float(averaged.n_averaged) / 100)
    return losses
