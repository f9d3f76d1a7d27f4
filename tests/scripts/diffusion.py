"""Denoising diffusion (J. Ho et al., 2020, arXiv:2006.11239) of small pictures: noise schedule, time embedding, EMA."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        frequencies = torch.exp(torch.arange(half, device=time.device) * -(math.log(10000) / (half - 1)))
        angles = time[:, None] * frequencies[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.time = nn.Sequential(SinusoidalPositionEmbeddings(8), nn.Linear(8, channels), nn.SiLU())
        self.inc = nn.Conv2d(1, channels, 3, padding=1)
        self.norm = nn.GroupNorm(2, channels)
        self.mid = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, 1, 1)

    def forward(self, x, t):
        h = F.silu(self.inc(x))
        h = h + self.time(t)[:, :, None, None]
        h = h + F.silu(self.mid(self.norm(h)))
        return self.out(h)


def extract(a, t, x_shape):
    out = a.gather(-1, t)
    return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


def build():
    torch.manual_seed(0)
    return Denoiser()


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    betas = torch.linspace(1e-4, 0.02, 100)
    alphas_cumprod = torch.cumprod(1.0 - betas, axis=0)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    losses = []
    for _ in range(steps):
        centre = rng.uniform(2, 6, (8, 1, 1, 1))
        x_start = torch.tensor(np.tanh(np.arange(8) - centre) * np.ones((8, 1, 8, 8)), dtype=torch.float32)
        t = torch.from_numpy(rng.integers(0, 100, (8,))).long()
        noise = torch.from_numpy(rng.standard_normal((8, 1, 8, 8), dtype=np.float32))
        x_noisy = (extract(alphas_cumprod.sqrt(), t, x_start.shape) * x_start
                   + extract((1 - alphas_cumprod).sqrt(), t, x_start.shape) * noise)
        loss = F.smooth_l1_loss(noise, model(x_noisy, t))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters()):
                slow.lerp_(fast, 0.1)
        losses.append(loss.item())
    return losses
