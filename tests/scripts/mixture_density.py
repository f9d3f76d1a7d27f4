"""A mixture density network (C. Bishop, 1994) by distributions, then L-BFGS; an activation of its own, in float64."""

import numpy as np
import torch
from torch import nn
from torch.autograd import Function, gradcheck
from torch.distributions import Categorical, MixtureSameFamily, Normal, kl_divergence


class ScaledSoftsign(Function):
    @staticmethod
    def forward(ctx, input, scale):
        ctx.save_for_backward(input)
        ctx.scale = scale
        return scale * input / (1 + input.abs())

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output * ctx.scale / (1 + input.abs()) ** 2
        return grad_input, None


class MDN(nn.Module):
    def __init__(self, n_hidden=12, n_gaussians=3):
        super().__init__()
        self.z_h = nn.Linear(1, n_hidden)
        self.z_pi = nn.Linear(n_hidden, n_gaussians)
        self.z_mu = nn.Linear(n_hidden, n_gaussians)
        self.z_sigma = nn.Linear(n_hidden, n_gaussians)

    def forward(self, x):
        h = ScaledSoftsign.apply(self.z_h(x), 2.0)
        return MixtureSameFamily(Categorical(logits=self.z_pi(h)),
                                 Normal(self.z_mu(h), torch.nn.functional.softplus(self.z_sigma(h)) + 1e-3))


def build():
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    try:
        return MDN()
    finally:
        torch.set_default_dtype(torch.float32)


def train(model, steps):
    """Return the loss of each step of Rprop, then of L-BFGS, and what the mixture says."""
    rng = np.random.RandomState(0)
    y = torch.from_numpy(rng.uniform(-1, 1, 120))
    x = (0.7 * torch.sin(5 * y) + 0.5 * y + torch.from_numpy(rng.normal(0, 0.05, 120))).unsqueeze(-1)
    assert gradcheck(lambda v: ScaledSoftsign.apply(v, 2.0), (torch.tensor([0.3, -1.2], dtype=torch.double,
                                                                           requires_grad=True),))
    optimizer = torch.optim.Rprop(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps - 10):
        loss = -model(x).log_prob(y).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4, history_size=5, line_search_fn="strong_wolfe")

    def closure():
        if torch.is_grad_enabled():
            optimizer.zero_grad()
        loss = -model(x).log_prob(y).mean()
        if loss.requires_grad:
            loss.backward()
        return loss

    for _ in range(10):
        losses.append(optimizer.step(closure).item())
    with torch.no_grad():
        found = model(torch.linspace(-1, 1, 5).double().unsqueeze(-1))
        losses += [found.mean.abs().mean().item(), found.variance.mean().item(), found.cdf(torch.zeros(5).double())[2].item(),
                   kl_divergence(Normal(found.mean, found.stddev), Normal(0.0, 1.0)).mean().item(),
                   found.mixture_distribution.entropy().sum().item()]
    return losses
