"""Wasserstein GAN with a gradient penalty (I. Gulrajani et al., 2017): gradients of gradients, in float64."""

import numpy as np
import torch
from torch import autograd, nn, optim

LAMBDA, CRITIC_ITERS, BATCH = 10.0, 1, 32


class Generator(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, dim), nn.ReLU(True),
            nn.Linear(dim, dim), nn.ReLU(True),
            nn.Linear(dim, 2),
        )

    def forward(self, noise):
        return self.main(noise)


class Discriminator(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(2, dim), nn.LeakyReLU(0.2, inplace=True),
            nn.LayerNorm(dim),
            nn.Linear(dim, dim), nn.Softplus(),
            nn.Linear(dim, 1),
        )

    def forward(self, inputs):
        return self.main(inputs).view(-1)


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Linear") != -1:
        nn.init.xavier_normal_(m.weight.data)
        m.bias.data.fill_(0)


def calc_gradient_penalty(netD, real_data, fake_data, alpha):
    alpha = alpha.expand(real_data.size())
    interpolates = alpha * real_data + ((1 - alpha) * fake_data)
    interpolates = interpolates.requires_grad_(True)
    disc_interpolates = netD(interpolates)
    gradients = autograd.grad(outputs=disc_interpolates, inputs=interpolates,
                              grad_outputs=torch.ones(disc_interpolates.size()).to(interpolates),
                              create_graph=True, retain_graph=True, only_inputs=True)[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


def build():
    torch.manual_seed(0)
    model = nn.ModuleDict({"G": Generator(), "D": Discriminator()})
    model.apply(weights_init)
    return model.double()


def train(model, steps):
    """Return the loss of the critic and the Wasserstein distance of each step."""
    rng = np.random.RandomState(0)
    corners = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    netG, netD = model["G"], model["D"]
    optimizerD = optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.9))
    optimizerG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.9))
    one = torch.tensor(1, dtype=torch.double)
    mone = one * -1
    losses = []
    for _ in range(steps):
        for p in netD.parameters():
            p.requires_grad = True
        for _iter_d in range(CRITIC_ITERS):
            real = torch.from_numpy(corners[rng.randint(0, 4, BATCH)] + 0.1 * rng.randn(BATCH, 2))
            netD.zero_grad()
            D_real = netD(real).mean()
            D_real.backward(mone)
            with torch.no_grad():
                fake = netG(torch.from_numpy(rng.randn(BATCH, 2)))
            D_fake = netD(fake).mean()
            D_fake.backward(one)
            gradient_penalty = calc_gradient_penalty(netD, real.data, fake.data, torch.from_numpy(rng.rand(BATCH, 1)))
            gradient_penalty.backward()
            D_cost = D_fake - D_real + gradient_penalty
            Wasserstein_D = D_real - D_fake
            optimizerD.step()
        for p in netD.parameters():
            p.requires_grad = False  # to avoid computation
        netG.zero_grad()
        G = netD(netG(torch.from_numpy(rng.randn(BATCH, 2)))).mean()
        G.backward(mone)
        optimizerG.step()
        losses += [D_cost.cpu().data.numpy().item(), Wasserstein_D.item()]
    return losses
