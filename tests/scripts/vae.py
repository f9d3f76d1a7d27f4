"""Variational auto-encoder (D. P. Kingma and M. Welling, 2013, arXiv:1312.6114) with the noise handed in."""

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Blobs(Dataset):
    """Pictures of one bright spot."""

    def __init__(self, count):
        centres = np.random.default_rng(0).uniform(2, 6, (count, 2))
        y, x = np.mgrid[:8, :8]
        distance = (y - centres[:, :1, None]) ** 2 + (x - centres[:, 1:, None]) ** 2
        self.pictures = np.exp(-distance / 4).astype(np.float32)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        return self.pictures[i][None], 0


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 32)
        self.fc21 = nn.Linear(32, 4)
        self.fc22 = nn.Linear(32, 4)
        self.fc3 = nn.Linear(4, 32)
        self.fc4 = nn.Linear(32, 64)
        self.noise = np.random.default_rng(3)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.from_numpy(self.noise.standard_normal(tuple(std.shape), np.float32)).type_as(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 64))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


def build():
    torch.manual_seed(1)
    return VAE().to("cpu")


def train(model, steps):
    """Return the negative evidence lower bound per pixel of every step."""
    loader = DataLoader(Blobs(80), batch_size=16, shuffle=False)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    while len(losses) < steps:
        for data, _ in loader:
            optimizer.zero_grad()
            recon_batch, mu, logvar = model(data)
            loss = loss_function(recon_batch, data, mu, logvar)
            loss.backward()
            losses.append(loss.item() / data.numel())
            optimizer.step()
    with torch.no_grad():
        sample = model.decode(torch.zeros(2, 4)).cpu().view(2, 1, 8, 8)
    assert sample.min() >= 0 and sample.max() <= 1
    return losses
