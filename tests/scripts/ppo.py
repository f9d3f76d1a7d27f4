"""Proximal policy optimization (J. Schulman et al., 2017, arXiv:1707.06347) on stored rollouts, two kinds of actions."""

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical, Independent, Normal, kl_divergence


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
        self.choice = nn.Linear(16, 4)
        self.mean = nn.Linear(16, 2)
        self.log_std = nn.Parameter(torch.zeros(2))
        self.critic = nn.Linear(16, 1)

    def forward(self, state):
        h = self.body(state)
        policy = Categorical(logits=self.choice(h))
        move = Independent(Normal(self.mean(h), self.log_std.exp()), 1)
        return policy, move, self.critic(h).squeeze(-1)


def build():
    torch.manual_seed(0)
    return ActorCritic()


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, eps=1e-5)
    losses = []
    while len(losses) < steps:
        state = torch.tensor(rng.standard_normal((32, 3)), dtype=torch.float32)
        action = torch.tensor(rng.integers(0, 4, 32))
        motion = torch.tensor(rng.standard_normal((32, 2)), dtype=torch.float32)
        returns = torch.tensor(rng.standard_normal(32), dtype=torch.float32)
        with torch.no_grad():
            old_policy, old_move, value = model(state)
            old = old_policy.log_prob(action) + old_move.log_prob(motion)
        advantage = returns - value
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        for _ in range(5):
            policy, move, value = model(state)
            ratio = torch.exp(policy.log_prob(action) + move.log_prob(motion) - old)
            surrogate = torch.min(ratio * advantage, torch.clamp(ratio, 0.8, 1.2) * advantage)
            entropy = policy.entropy() + move.entropy()
            penalty = kl_divergence(old_policy, policy) + kl_divergence(old_move, move)
            loss = (-surrogate + 0.5 * (value - returns).pow(2) - 0.01 * entropy + 0.1 * penalty).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
    return losses
