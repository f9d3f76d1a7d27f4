"""Neural ordinary differential equation (R. T. Q. Chen et al., 2018, arXiv:1806.07366) with the adjoint method."""

import numpy as np
import torch
from torch import nn


def step(z0, t0, t1, f):
    """Go from t0 to t1 by Euler's method."""
    n = 8
    h = (t1 - t0) / n
    z = z0
    for i in range(n):
        z = z + h * f(z, t0 + i * h)
    return z


class ODEAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z0, t, flat_parameters, func):
        with torch.no_grad():
            z = step(z0, t[0].item(), t[1].item(), func)
        ctx.func = func
        ctx.save_for_backward(t, z.clone(), flat_parameters)
        return z

    @staticmethod
    def backward(ctx, dLdz):
        func = ctx.func
        t, z, flat_parameters = ctx.saved_tensors
        n, at, h = z.numel(), t[1].item(), (t[1].item() - t[0].item()) / 8
        a, dp = dLdz, torch.zeros_like(flat_parameters)
        for _ in range(8):
            with torch.set_grad_enabled(True):
                z = z.detach().requires_grad_(True)
                out = func(z, at)
                gz, *gp = torch.autograd.grad((out,), (z, *func.parameters()), grad_outputs=(a,), allow_unused=True)
            gp = torch.cat([torch.zeros(p.numel()) if g is None else g.flatten() for g, p in zip(gp, func.parameters())])
            z, a, dp, at = z - h * out, a + h * gz, dp + h * gp, at - h
        assert a.numel() == n
        return a, None, dp, None


class ODEFunc(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1 = nn.Linear(3, 12)
        self.lin2 = nn.Linear(12, 2)

    def forward(self, z, t):
        time = torch.full((z.size(0), 1), t)
        return self.lin2(torch.tanh(self.lin1(torch.cat((z, time), dim=-1))))

    def flatten_parameters(self):
        return torch.cat([p.flatten() for p in self.parameters()])


def build():
    torch.manual_seed(0)
    return ODEFunc()


def train(model, steps):
    """Return the loss of each step: points are to turn by a quarter."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    t = torch.tensor([0.0, 1.0])
    losses = []
    for _ in range(steps):
        x = torch.from_numpy(rng.standard_normal((32, 2)).astype(np.float32))
        y = torch.stack([-x[:, 1], x[:, 0]], dim=1)
        loss = ((ODEAdjoint.apply(x, t, model.flatten_parameters(), model) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
