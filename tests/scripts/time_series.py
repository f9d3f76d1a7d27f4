"""LSTM that foretells a sum of sines: two layers, clipped gradients, a schedule on the plateau."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim.lr_scheduler import ReduceLROnPlateau


class Forecaster(nn.Module):
    def __init__(self, hidden_size=12, num_layers=2):
        super().__init__()
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.lstm = nn.LSTM(1, hidden_size, num_layers, batch_first=True)
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, x):
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size, device=x.device)
        c0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size, device=x.device)
        out, _ = self.lstm(x, (h0, c0))
        return self.linear(out[:, -1, :])


def windows(series, length):
    x = torch.stack([series[i : i + length] for i in range(len(series) - length)])
    return x.unsqueeze(-1), series[length:].unsqueeze(-1)


def build():
    torch.manual_seed(0)
    return Forecaster()


def train(model, steps):
    """Return the loss of every step, then of the foretold continuation."""
    t = np.arange(80)
    series = torch.tensor(np.sin(t / 3) + 0.5 * np.sin(t / 7), dtype=torch.float32)
    x, y = windows(series[:60], 10)
    criterion = nn.MSELoss()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=2)
    losses = []
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        scheduler.step(loss.item())
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        window = series[50:60].clone().view(1, 10, 1)
        foretold = []
        for _ in range(10):
            next_value = model(window)
            foretold.append(next_value.item())
            window = torch.cat([window[:, 1:], next_value.unsqueeze(1)], dim=1)
    return [*losses, criterion(torch.tensor(foretold), series[60:70]).item()]
