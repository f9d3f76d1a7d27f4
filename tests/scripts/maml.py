"""Learning to learn sine curves (C. Finn et al., 2017): gradients through inner steps, by functional_call and vmap."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

K, TASKS, ALPHA = 10, 6, 0.05


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(1, 20)
        self.fc2 = nn.Linear(20, 20)
        self.fc3 = nn.Linear(20, 1)

    def forward(self, x):
        x = self.fc1(x)
        x = F.relu(x)
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


def sample_tasks(rng, outer_batch_size, inner_batch_size):
    As = rng.uniform(low=0.1, high=0.5, size=outer_batch_size)
    phases = rng.uniform(low=0.0, high=np.pi, size=outer_batch_size)

    def get_batch():
        xs, ys = [], []
        for A, phase in zip(As, phases):
            x = rng.uniform(low=-5.0, high=5.0, size=(inner_batch_size, 1))
            xs.append(x)
            ys.append(A * np.sin(x + phase))
        return torch.tensor(np.array(xs), dtype=torch.double), torch.tensor(np.array(ys), dtype=torch.double)

    x1, y1 = get_batch()
    x2, y2 = get_batch()
    return x1, y1, x2, y2


def build():
    torch.manual_seed(0)
    return Net().double()


def train(net, steps):
    """Return the losses of each step on new points, after an inner step on others."""
    rng = np.random.RandomState(0)
    params = {k: v.detach().clone().requires_grad_() for k, v in net.named_parameters()}
    opt = torch.optim.Adam(params.values(), lr=1e-2)

    def get_loss_for_task(params, x1, y1, x2, y2):
        def inner_loss(params, x1, y1):
            f = functional_call(net, params, (x1,))
            return F.mse_loss(f, y1)

        for _ in range(2):
            grads = grad(inner_loss)(params, x1, y1)
            params = {k: params[k] - ALPHA * grads[k] for k in params}
        v_f = functional_call(net, params, x2)
        return F.mse_loss(v_f, y2), grads["fc3.bias"]

    losses = []
    for _ in range(steps):
        task = sample_tasks(rng, TASKS, K)
        inner_losses, _ = vmap(get_loss_for_task, in_dims=(None, 0, 0, 0, 0))(params, *task)
        loss2 = inner_losses.mean()
        opt.zero_grad()
        loss2.backward()
        opt.step()
        losses.append(loss2.detach().cpu().item())
    net.load_state_dict(params)
    with torch.inference_mode():
        losses.append(net(torch.linspace(-5, 5, 11, dtype=torch.float64)[:, None]).pow(2).mean().item())
    return losses
