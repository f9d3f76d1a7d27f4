"""Siamese network with contrastive and triplet losses (R. Hadsell et al., 2006; F. Schroff et al., 2015), in float64."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.sampler import SubsetRandomSampler  # noqa: F401


class Pairs(Dataset):
    def __init__(self, count=80):
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, 4, (count, 3))
        self.labels[:, 1] = self.labels[:, 0]
        self.labels[:, 2] = (self.labels[:, 0] + 1 + self.labels[:, 2] % 3) % 4
        self.images = np.sin((self.labels[..., None, None] + 1) * np.arange(8)) + 0.4 * rng.standard_normal(
            (count, 3, 8, 8))

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        anchor, positive, negative = torch.from_numpy(self.images[index]).double().unsqueeze(1)
        return anchor, positive, negative


class ContrastiveLoss(torch.nn.Module):
    def __init__(self, margin=2.0):
        super(ContrastiveLoss, self).__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        distance = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean((1 - label) * torch.pow(distance, 2)
                          + label * torch.pow(torch.clamp(self.margin - distance, min=0.0), 2))


class Siamese(nn.Module):
    def __init__(self):
        super(Siamese, self).__init__()
        self.cnn = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.AvgPool2d(2))
        self.fc = nn.Sequential(nn.Linear(4 * 4 * 4, 16), nn.PReLU(), nn.Linear(16, 4))

    def forward_once(self, x):
        output = self.cnn(x)
        return self.fc(output.view(output.size()[0], -1))

    def forward(self, *inputs):
        return [self.forward_once(x) for x in inputs]


def build():
    torch.manual_seed(0)
    return Siamese().double()


def train(model, steps):
    """Return the loss of each step."""
    loader = DataLoader(Pairs(), batch_size=16, shuffle=False, num_workers=0, pin_memory=False)
    contrastive, triplet = ContrastiveLoss(), nn.TripletMarginLoss(margin=1.0, p=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    while len(losses) < steps:
        for batch in loader:
            a, p, n = model(*batch)
            same, other = torch.zeros(len(a), 1).double(), torch.ones(len(a), 1).double()
            loss = triplet(a, p, n) + contrastive(a, p, same) + contrastive(a, n, other)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses
