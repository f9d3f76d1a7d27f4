"""U-Net (O. Ronneberger et al., 2015, arXiv:1505.04597) on blobs, with a Dice loss; float64, as BatchNorm amplifies."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, bilinear=False):
        super().__init__()
        self.inc = DoubleConv(1, 4)
        self.down = nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True) if bilinear else nn.ConvTranspose2d(
            8, 4, kernel_size=2, stride=2)
        self.conv = DoubleConv(8, 4)
        self.outc = nn.Conv2d(4, 1, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.up(self.down(x1))
        diff_y, diff_x = x1.size()[2] - x2.size()[2], x1.size()[3] - x2.size()[3]
        x2 = F.pad(x2, [diff_x // 2, diff_x - diff_x // 2, diff_y // 2, diff_y - diff_y // 2])
        return self.outc(self.conv(torch.cat([x1, x2], dim=1)))


def dice_loss(probability, target, epsilon=1e-6):
    inter = 2 * (probability * target).sum(dim=(-1, -2))
    sets = probability.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    return 1 - ((inter + epsilon) / (sets + epsilon)).mean()


def build():
    torch.manual_seed(0)
    return UNet().to(dtype=torch.float64, memory_format=torch.channels_last)


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9, foreach=True)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=5)
    grad_scaler = torch.cuda.amp.GradScaler(enabled=False)
    criterion = nn.BCEWithLogitsLoss()
    losses = []
    for _ in range(steps):
        y, x = np.mgrid[:9, :9]
        centre = rng.uniform(2, 7, (4, 2, 1, 1))
        masks = (y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2 < 6
        images = torch.as_tensor((masks + 0.5 * rng.standard_normal(masks.shape))[:, None])
        true = torch.as_tensor(masks.astype(float))
        images = images.to(device="cpu", dtype=torch.float64, memory_format=torch.channels_last)
        with torch.autocast("cpu", enabled=False):
            pred = model(images)
            loss = criterion(pred.squeeze(1), true) + dice_loss(torch.sigmoid(pred.squeeze(1)), true)
        optimizer.zero_grad(set_to_none=True)
        grad_scaler.scale(loss).backward()
        grad_scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        grad_scaler.step(optimizer)
        grad_scaler.update()
        scheduler.step(-loss.item())
        losses.append(loss.item())
    return losses
