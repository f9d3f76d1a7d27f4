"""Soft actor-critic (T. Haarnoja et al., 2018) from a fixed buffer of transitions, in float64."""

import itertools
from copy import deepcopy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.normal import Normal as AlsoNormal  # noqa: F401
from torch.distributions.transforms import AffineTransform, TanhTransform
from torch.optim import Adam

LOG_STD_MIN, LOG_STD_MAX = -5, 2


def mlp(sizes, activation, output_activation=nn.Identity):
    layers = []
    for j in range(len(sizes) - 1):
        act = activation if j < len(sizes) - 2 else output_activation
        layers += [nn.Linear(sizes[j], sizes[j + 1]), act()]
    return nn.Sequential(*layers)


def count_vars(module):
    return sum([np.prod(p.shape) for p in module.parameters()])


class SquashedGaussianActor(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden_sizes, activation, act_limit):
        super().__init__()
        self.net = mlp([obs_dim, *hidden_sizes], activation, activation)
        self.mu_layer = nn.Linear(hidden_sizes[-1], act_dim)
        self.log_std_layer = nn.Linear(hidden_sizes[-1], act_dim)
        self.act_limit = act_limit

    def forward(self, obs, noise):
        net_out = self.net(obs)
        mu = self.mu_layer(net_out)
        log_std = torch.clamp(self.log_std_layer(net_out), LOG_STD_MIN, LOG_STD_MAX)
        std = torch.exp(log_std)
        pi_distribution = Normal(mu, std)
        pi_action = mu + std * noise
        logp_pi = pi_distribution.log_prob(pi_action).sum(axis=-1)
        logp_pi -= (2 * (np.log(2) - pi_action - F.softplus(-2 * pi_action))).sum(axis=1)
        pi_action = torch.tanh(pi_action)
        return self.act_limit * pi_action, logp_pi, self.squashed(mu, std)

    def squashed(self, mu, std):
        base = Independent(Normal(mu, std), 1)
        return TransformedDistribution(base, [TanhTransform(cache_size=1), AffineTransform(0.0, self.act_limit)])


class QFunction(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden_sizes, activation):
        super().__init__()
        self.q = mlp([obs_dim + act_dim, *hidden_sizes, 1], activation)

    def forward(self, obs, act):
        return torch.squeeze(self.q(torch.cat([obs, act], dim=-1)), -1)


class ActorCritic(nn.Module):
    def __init__(self, obs_dim=3, act_dim=2, hidden_sizes=(16, 16), activation=nn.ReLU):
        super().__init__()
        self.pi = SquashedGaussianActor(obs_dim, act_dim, hidden_sizes, activation, 2.0)
        self.q1 = QFunction(obs_dim, act_dim, hidden_sizes, nn.ELU)
        self.q2 = QFunction(obs_dim, act_dim, hidden_sizes, nn.ELU)
        self.log_alpha = nn.Parameter(torch.zeros(1))


class ReplayBuffer:
    def __init__(self, size=200):
        self.rng = np.random.RandomState(1)
        obs, act = self.rng.randn(size, 3), self.rng.uniform(-2, 2, (size, 2))
        self.data = dict(obs=obs, act=act, obs2=0.9 * obs + 0.1 * act.sum(1, keepdims=True),
                         rew=-(obs**2).sum(1) - 0.1 * (act**2).sum(1), done=(self.rng.rand(size) < 0.05) * 1.0)

    def sample_batch(self, batch_size=32):
        idxs = self.rng.randint(0, len(self.data["rew"]), size=batch_size)
        batch = {k: torch.as_tensor(v[idxs], dtype=torch.float64) for k, v in self.data.items()}
        batch["noise"], batch["noise2"] = (torch.as_tensor(self.rng.randn(batch_size, 2)) for _ in range(2))
        return batch


def build():
    torch.manual_seed(0)
    return ActorCritic().double()


def train(ac, steps, gamma=0.95, polyak=0.9):
    """Return the losses of critics, actor and temperature of each step."""
    ac_targ = deepcopy(ac)
    for p in ac_targ.parameters():
        p.requires_grad = False
    q_params = itertools.chain(ac.q1.parameters(), ac.q2.parameters())
    q_params = list(q_params)
    pi_optimizer = Adam(ac.pi.parameters(), lr=3e-3)
    q_optimizer = Adam(q_params, lr=3e-3)
    alpha_optimizer = Adam([ac.log_alpha], lr=1e-2)
    target_entropy = -torch.prod(torch.Tensor((2,))).item()
    buffer = ReplayBuffer()
    losses = []
    assert count_vars(ac.q1) == count_vars(ac_targ.q2)
    for _ in range(steps):
        data = buffer.sample_batch()
        o, a, r, o2, d = data["obs"], data["act"], data["rew"], data["obs2"], data["done"]
        alpha = ac.log_alpha.exp().detach()
        q1, q2 = ac.q1(o, a), ac.q2(o, a)
        with torch.no_grad():
            a2, logp_a2, _ = ac.pi(o2, data["noise2"])
            q_pi_targ = torch.min(ac_targ.q1(o2, a2), ac_targ.q2(o2, a2))
            backup = r + gamma * (1 - d) * (q_pi_targ - alpha * logp_a2)
        loss_q = ((q1 - backup) ** 2).mean() + ((q2 - backup) ** 2).mean()
        q_optimizer.zero_grad(set_to_none=True)
        loss_q.backward()
        q_optimizer.step()
        for p in q_params:
            p.requires_grad = False
        pi, logp_pi, law = ac.pi(o, data["noise"])
        assert torch.allclose(law.log_prob(pi), logp_pi - 2 * np.log(2.0), atol=1e-6)
        q_pi = torch.min(ac.q1(o, pi), ac.q2(o, pi))
        loss_pi = (alpha * logp_pi - q_pi).mean()
        pi_optimizer.zero_grad()
        loss_pi.backward()
        pi_optimizer.step()
        for p in q_params:
            p.requires_grad = True
        alpha_loss = -(ac.log_alpha * (logp_pi + target_entropy).detach()).mean()
        alpha_optimizer.zero_grad()
        alpha_loss.backward()
        alpha_optimizer.step()
        with torch.no_grad():
            for p, p_targ in zip(ac.parameters(), ac_targ.parameters()):
                p_targ.data.mul_(polyak)
                p_targ.data.add_((1 - polyak) * p.data)
        losses.extend([loss_q.item(), loss_pi.item(), alpha_loss.item()])
    return losses
