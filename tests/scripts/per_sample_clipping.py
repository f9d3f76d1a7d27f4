"""Differentially private descent (M. Abadi et al., 2016, arXiv:1607.00133): gradients of each sample, clipped."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 3))


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)

    def sample_loss(params, x, y):
        return F.cross_entropy(functional_call(model, params, (x.unsqueeze(0),)), y.unsqueeze(0))

    losses = []
    for _ in range(steps):
        labels = rng.integers(0, 3, 16)
        x = torch.tensor(np.eye(4)[labels] + 0.3 * rng.standard_normal((16, 4)), dtype=torch.float32)
        y = torch.tensor(labels)
        params = {name: p.detach() for name, p in model.named_parameters()}
        gradients = vmap(grad(sample_loss), in_dims=(None, 0, 0))(params, x, y)
        norms = torch.stack([g.reshape(16, -1).norm(2, dim=1) for g in gradients.values()], dim=1).norm(2, dim=1)
        factor = (1.0 / (norms + 1e-6)).clamp(max=1.0)
        for name, p in model.named_parameters():
            noise = torch.from_numpy(rng.standard_normal(tuple(p.shape)).astype(np.float32))
            p.grad = torch.einsum("i,i...->...", factor, gradients[name]) / 16 + 0.01 * noise
        optimizer.step()
        with torch.no_grad():
            losses.append(F.cross_entropy(model(x), y).item())
    return losses
