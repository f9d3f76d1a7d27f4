"""Speech toy with connectionist temporal classification (A. Graves et al., 2006): noisy tones to labels."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence


class SpeechModel(nn.Module):
    def __init__(self, classes=5, hidden=12):
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, padding=1)
        self.rnn = nn.LSTM(8, hidden, bidirectional=True, batch_first=True)
        self.classifier = nn.Linear(2 * hidden, classes)

    def forward(self, x):
        x = F.gelu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        x, _ = self.rnn(x)
        return F.log_softmax(self.classifier(x), dim=2).transpose(0, 1)


def build():
    torch.manual_seed(7)
    return SpeechModel()


def spoken(rng):
    """Return frames and labels of a few words."""
    frames, labels = [], []
    for _ in range(6):
        word = rng.integers(1, 5, rng.integers(2, 4))
        tones = np.repeat(np.eye(4)[word - 1], 3, axis=0)
        frames.append(torch.tensor(tones + 0.2 * rng.standard_normal(tones.shape), dtype=torch.float))
        labels.append(torch.tensor(word))
    return frames, labels


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    criterion = nn.CTCLoss(blank=0, zero_infinity=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    losses = []
    for _ in range(steps):
        frames, labels = spoken(rng)
        input_lengths = torch.tensor([len(f) for f in frames])
        target_lengths = torch.tensor([len(y) for y in labels])
        optimizer.zero_grad()
        output = model(pad_sequence(frames, batch_first=True))
        loss = criterion(output, pad_sequence(labels, batch_first=True), input_lengths, target_lengths)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
