"""Variational auto-encoder with distributions, spectral norm in the encoder and the noise handed in."""

import numpy as np
import torch
import torch.distributions as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(spectral_norm(nn.Linear(16, 12), n_power_iterations=2), nn.ELU(), nn.Linear(12, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 12), nn.ELU(), nn.Linear(12, 16))

    def posterior(self, x):
        loc, raw = self.encoder(x).chunk(2, dim=-1)
        return dist.Independent(dist.Normal(loc, F.softplus(raw) + 1e-3), 1)

    def likelihood(self, z):
        return dist.Independent(dist.Bernoulli(logits=self.decoder(z)), 1)


def build():
    torch.manual_seed(0)
    return VAE()


def train(model, steps):
    """Return the negative evidence lower bound of each step."""
    rng = np.random.default_rng(0)
    prior = dist.Independent(dist.Normal(torch.zeros(2), torch.ones(2)), 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(steps):
        x = torch.tensor((np.arange(16) < rng.integers(2, 14, (32, 1))).astype(np.float32))
        q = model.posterior(x)
        noise = torch.from_numpy(rng.standard_normal((32, 2)).astype(np.float32))
        z = q.mean + q.stddev * noise
        kl = dist.kl_divergence(q, prior.expand(q.batch_shape))
        loss = (kl - model.likelihood(z).log_prob(x)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
