"""Physics-informed network (M. Raissi et al., 2019) for the heat equation: derivatives of the network in its loss."""

import numpy as np
import torch
import torch.nn as nn
from torch.autograd import grad

torch.set_printoptions(precision=4)


class PINN(nn.Module):
    def __init__(self, layers=(2, 16, 16, 1)):
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(a, b) for a, b in zip(layers[:-1], layers[1:])])
        self.activation = nn.Tanh()
        for linear in self.linears:
            nn.init.xavier_normal_(linear.weight.data, gain=1.0)
            nn.init.zeros_(linear.bias.data)

    def forward(self, x):
        for linear in self.linears[:-1]:
            x = self.activation(linear(x))
        return self.linears[-1](x)


def build():
    torch.manual_seed(0)
    return PINN().double()


def residual(model, points):
    points = points.clone().requires_grad_(True)
    u = model(points)
    u_xt = grad(u, points, torch.ones_like(u), retain_graph=True, create_graph=True)[0]
    u_xx = grad(u_xt[:, [0]], points, torch.ones(points.shape[0], 1, dtype=u.dtype), create_graph=True)[0][:, [0]]
    return u_xt[:, [1]] - 0.1 * u_xx


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    inside = torch.from_numpy(rng.uniform(-1, 1, (64, 2)))
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)
    start = torch.stack([x, torch.zeros_like(x)], dim=1)
    target = torch.sin(np.pi * x)[:, None]
    optimizer = torch.optim.Adam(params=model.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.99)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(model(start), target) + torch.mean(residual(model, inside) ** 2)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
