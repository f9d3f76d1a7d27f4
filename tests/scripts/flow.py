"""Normalizing flow of affine couplings (L. Dinh et al., 2017, arXiv:1605.08803) with a learned elementwise ending."""

import numpy as np
import torch
from torch import distributions, nn
from torch.distributions import MultivariateNormal, TransformedDistribution
from torch.distributions.transforms import AffineTransform


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(), nn.Linear(16, 2), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(), nn.Linear(16, 2))

    def forward(self, x):
        kept = x * self.mask
        s, t = self.s(kept) * (1 - self.mask), self.t(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (x - t) * torch.exp(-s), -s.sum(dim=1)


class RealNVP(nn.Module):
    def __init__(self):
        super().__init__()
        masks = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(2, 1)
        self.layers = nn.ModuleList([Coupling(mask) for mask in masks])
        self.loc, self.log_scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))

    def prior(self):
        base = MultivariateNormal(torch.zeros(2), torch.eye(2))
        return TransformedDistribution(base, [AffineTransform(self.loc, self.log_scale.exp(), event_dim=1)])

    def log_prob(self, x):
        total = x.new_zeros(x.shape[0])
        for layer in reversed(self.layers):
            x, log_det = layer(x)
            total += log_det
        return self.prior().log_prob(x) + total


def build():
    torch.manual_seed(0)
    return RealNVP()


def train(model, steps):
    """Return the negative log-likelihood of each step."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    losses = []
    for _ in range(steps):
        angle = rng.uniform(0, np.pi, 64)
        moons = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.standard_normal((64, 2))
        loss = -model.log_prob(torch.from_numpy(moons).float()).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        assert isinstance(model.prior(), distributions.Distribution)
        assert model.prior().sample((3,)).shape == (3, 2)
    return losses
