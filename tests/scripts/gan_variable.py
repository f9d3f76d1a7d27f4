"""Generative adversarial network as in 2017 (I. Goodfellow et al., 2014, arXiv:1406.2661): Variables and `.data`."""

import numpy as np
import torch
import torch.nn as nn
from torch.autograd import Variable

cuda = True if torch.cuda.is_available() else False
Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor


def weights_init(m):
    if isinstance(m, nn.Linear):
        m.weight.data.clamp_(-0.2, 0.2)
        m.bias.data.fill_(0)


class Generator(nn.Module):
    def __init__(self):
        super(Generator, self).__init__()

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(*block(4, 16, normalize=False), *block(16, 16), nn.Linear(16, 9), nn.Tanh())

    def forward(self, z):
        img = self.model(z)
        return img.view(img.size(0), *(1, 3, 3))


class Discriminator(nn.Module):
    def __init__(self):
        super(Discriminator, self).__init__()
        self.model = nn.Sequential(nn.Linear(9, 16), nn.LeakyReLU(0.2, inplace=True), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, img):
        return self.model(img.view(img.size(0), -1))


def build():
    torch.manual_seed(0)
    nets = nn.ModuleDict({"generator": Generator(), "discriminator": Discriminator()})
    nets.apply(weights_init)
    return nets


def train(model, steps):
    """Return the losses of generator and discriminator in turn, with the discriminator's weights clipped."""
    generator, discriminator = model["generator"], model["discriminator"]
    rng = np.random.default_rng(0)
    adversarial_loss = nn.BCELoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
    optimizer_d = torch.optim.RMSprop(discriminator.parameters(), lr=0.001)
    losses = []
    for _ in range(steps // 2):
        imgs = torch.from_numpy(np.sign(rng.standard_normal((16, 1, 3, 3))))
        valid = Variable(Tensor(imgs.size(0), 1).fill_(1.0), requires_grad=False)
        fake = Variable(Tensor(imgs.size(0), 1).fill_(0.0), requires_grad=False)
        real_imgs = Variable(imgs.type(Tensor))

        optimizer_g.zero_grad()
        z = Variable(Tensor(rng.normal(0, 1, (imgs.shape[0], 4))))
        gen_imgs = generator(z)
        g_loss = adversarial_loss(discriminator(gen_imgs), valid)
        g_loss.backward()
        optimizer_g.step()

        optimizer_d.zero_grad()
        real_loss = adversarial_loss(discriminator(real_imgs), valid)
        fake_loss = adversarial_loss(discriminator(gen_imgs.detach()), fake)
        d_loss = (real_loss + fake_loss) / 2
        d_loss.backward()
        optimizer_d.step()
        for p in discriminator.parameters():
            p.data.clamp_(-0.5, 0.5)
        losses += [g_loss.data.cpu().numpy().item(), d_loss.item()]
    return losses
