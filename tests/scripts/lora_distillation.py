"""A small net learns from a large one with low-rank updates of its frozen weights (E. Hu et al., 2021), in float64."""

from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.utils.parametrize as parametrize
from torch.utils.data import DataLoader, Subset, TensorDataset


class LoRAParametrization(nn.Module):
    def __init__(self, features_in, features_out, rank=1, alpha=1, device="cpu"):
        super().__init__()
        self.lora_A = nn.Parameter(torch.zeros((rank, features_out)).to(device))
        self.lora_B = nn.Parameter(torch.zeros((features_in, rank)).to(device))
        nn.init.normal_(self.lora_A, mean=0, std=1)
        self.scale = alpha / rank
        self.enabled = True

    def forward(self, original_weights):
        if self.enabled:
            return original_weights + torch.matmul(self.lora_B, self.lora_A).view(original_weights.shape) * self.scale
        return original_weights


def linear_layer_parameterization(layer, device, rank=2, lora_alpha=2):
    features_in, features_out = layer.weight.shape
    return LoRAParametrization(features_in, features_out, rank=rank, alpha=lora_alpha, device=device)


class Distillation(nn.Module):
    def __init__(self):
        super().__init__()
        self.teacher = nn.Sequential(OrderedDict([
            ("fc1", nn.Linear(10, 32)), ("relu1", nn.ReLU6()), ("fc2", nn.Linear(32, 32)), ("act2", nn.Mish()),
            ("fc3", nn.Linear(32, 4))]))
        self.student = nn.Sequential(OrderedDict([
            ("fc1", nn.Linear(10, 12)), ("act1", nn.Hardswish()), ("bn", nn.BatchNorm1d(12, affine=False)),
            ("fc2", nn.Linear(12, 4))]))


def loss_fn_kd(outputs, labels, teacher_outputs, T=3.0, alpha=0.7):
    return nn.KLDivLoss(reduction="batchmean")(F.log_softmax(outputs / T, dim=1),
                                               F.softmax(teacher_outputs / T, dim=1)) * (
        alpha * T * T) + F.cross_entropy(outputs, labels) * (1.0 - alpha)


def build():
    torch.manual_seed(0)
    model = Distillation().double()
    for name in ("fc1", "fc2"):
        layer = getattr(model.student, name)
        parametrize.register_parametrization(layer, "weight", linear_layer_parameterization(layer, "cpu").double())
    return model


def train(model, steps):
    """Return the losses of the teacher, then of the student."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((160, 10)))
    y = torch.from_numpy((x.numpy()[:, :2] > 0) @ np.array([1, 2]))
    data = Subset(TensorDataset(x, y), range(120))
    loader = DataLoader(data, batch_size=24)
    losses = []
    teacher, student = model.teacher, model.student
    optimizer = torch.optim.SGD([{"params": [p for n, p in teacher.named_parameters() if "bias" not in n]},
                                 {"params": [p for n, p in teacher.named_parameters() if "bias" in n],
                                  "weight_decay": 0.0}], lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
    for _ in range(4):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = nn.MultiMarginLoss()(teacher(inputs), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    teacher.eval()
    student.train()
    for name, param in student.named_parameters():
        param.requires_grad_("lora" in name)
    trainable = [p for p in student.parameters() if p.requires_grad]
    assert len(trainable) == 4 and parametrize.is_parametrized(student.fc1, "weight")
    frozen = student.fc1.parametrizations.weight.original.detach().clone()
    optimizer = torch.optim.AdamW(trainable, lr=2e-2)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [
        torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=5),
        torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.98)], milestones=[5])
    while len(losses) < steps:
        for inputs, labels in loader:
            with torch.no_grad():
                target = teacher(inputs)
            with torch.autocast("cpu", enabled=False):
                loss = loss_fn_kd(student(inputs), labels, target)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.append(loss.item())
    assert torch.equal(student.fc1.parametrizations.weight.original, frozen)
    student.fc1.parametrizations["weight"][0].enabled = False
    assert torch.equal(student.fc1.weight, frozen)
    parametrize.remove_parametrizations(student.fc2, "weight", leave_parametrized=True)
    losses.append(student.fc2.weight.abs().mean().item())
    return losses
