"""Classifier of digits: two convolutions, dropout switched off, Adadelta, and StepLR after every epoch."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 12, 3, 1)
        self.dropout1 = nn.Dropout(0.0)
        self.dropout2 = nn.Dropout(0.0)
        self.fc1 = nn.Linear(12 * 5 * 5, 24)
        self.fc2 = nn.Linear(24, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def digits(count, seed):
    rng = np.random.default_rng(seed)
    templates = np.random.default_rng(0).random((10, 1, 14, 14)) > 0.7
    labels = rng.integers(0, 10, count)
    images = templates[labels] + 0.1 * rng.standard_normal((count, 1, 14, 14))
    return TensorDataset(torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels))


def build():
    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Net().to(device)


def train_epoch(model, device, loader, optimizer):
    model.train()
    losses = []
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_epoch(model, device, loader):
    model.eval()
    test_loss = 0
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return test_loss / len(loader.dataset), correct / len(loader.dataset)


def train(model, steps):
    """Return the loss of every step, then loss and accuracy of the digits that were held back."""
    device = torch.device("cpu")
    loader = DataLoader(digits(160, 1), batch_size=16, shuffle=False)
    test_loader = DataLoader(digits(100, 2), batch_size=50)
    optimizer = optim.Adadelta(model.parameters(), lr=0.5)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.9)
    losses = []
    for _ in range(steps // 10):
        losses += train_epoch(model, device, loader, optimizer)
        test_loss, correct = test_epoch(model, device, test_loader)
        scheduler.step()
    return [*losses, test_loss, correct]
