"""An ensemble of networks trained in one step by vmap over their stacked parameters."""

import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad_and_value, stack_module_state, vmap


def build():
    torch.manual_seed(0)
    return nn.ModuleList([nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(3)])


def train(models, steps):
    """Return the mean loss of the members at each step."""
    rng = np.random.default_rng(0)
    params, buffers = stack_module_state(list(models))
    params = {name: p.detach() for name, p in params.items()}
    base = copy.deepcopy(models[0])

    def loss_fn(params, buffers, x, y):
        return F.mse_loss(functional_call(base, (params, buffers), (x,)), y)

    losses = []
    for _ in range(steps):
        x = torch.from_numpy(rng.uniform(-1, 1, (3, 16, 2)).astype(np.float32))
        y = (x[..., :1] * x[..., 1:]).sin()
        grads, loss = vmap(grad_and_value(loss_fn))(params, buffers, x, y)
        params = {name: p - 0.2 * grads[name] for name, p in params.items()}
        losses.append(loss.mean().item())
    return losses
