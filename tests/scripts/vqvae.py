"""Vector-quantized autoencoder with moving averages of the codes (A. van den Oord et al., 2017), in float64."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class VectorQuantizerEMA(nn.Module):
    def __init__(self, num_embeddings, embedding_dim, commitment_cost, decay, epsilon=1e-5):
        super().__init__()
        self._embedding_dim = embedding_dim
        self._num_embeddings = num_embeddings
        self._embedding = nn.Embedding(self._num_embeddings, self._embedding_dim)
        self._embedding.weight.data.normal_()
        self._commitment_cost = commitment_cost
        self.register_buffer("_ema_cluster_size", torch.zeros(num_embeddings))
        self._ema_w = nn.Parameter(torch.Tensor(num_embeddings, self._embedding_dim))
        self._ema_w.data.copy_(self._embedding.weight.data)
        self._decay = decay
        self._epsilon = epsilon

    def forward(self, inputs):
        inputs = inputs.permute(0, 2, 3, 1).contiguous()
        input_shape = inputs.shape
        flat_input = inputs.view(-1, self._embedding_dim)
        distances = (torch.sum(flat_input**2, dim=1, keepdim=True)
                     + torch.sum(self._embedding.weight**2, dim=1)
                     - 2 * torch.matmul(flat_input, self._embedding.weight.t()))
        encoding_indices = torch.argmin(distances, dim=1).unsqueeze(1)
        encodings = torch.zeros(encoding_indices.shape[0], self._num_embeddings, device=inputs.device,
                                dtype=inputs.dtype)
        encodings.scatter_(1, encoding_indices, 1)
        quantized = torch.matmul(encodings, self._embedding.weight).view(input_shape)
        if self.training:
            self._ema_cluster_size = self._ema_cluster_size * self._decay + (1 - self._decay) * torch.sum(encodings, 0)
            n = torch.sum(self._ema_cluster_size.data)
            self._ema_cluster_size = ((self._ema_cluster_size + self._epsilon)
                                      / (n + self._num_embeddings * self._epsilon) * n)
            dw = torch.matmul(encodings.t(), flat_input)
            self._ema_w = nn.Parameter(self._ema_w * self._decay + (1 - self._decay) * dw)
            self._embedding.weight = nn.Parameter(self._ema_w / self._ema_cluster_size.unsqueeze(1))
        e_latent_loss = F.mse_loss(quantized.detach(), inputs)
        loss = self._commitment_cost * e_latent_loss
        quantized = inputs + (quantized - inputs).detach()
        avg_probs = torch.mean(encodings, dim=0)
        perplexity = torch.exp(-torch.sum(avg_probs * torch.log(avg_probs + 1e-10)))
        return loss, quantized.permute(0, 3, 1, 2).contiguous(), perplexity, encodings


class Residual(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self._block = nn.Sequential(
            nn.ReLU(True), nn.Conv2d(channels, hidden, kernel_size=3, stride=1, padding=1, bias=False),
            nn.ReLU(True), nn.Conv2d(hidden, channels, kernel_size=1, stride=1, bias=False))

    def forward(self, x):
        return x + self._block(x)


class Model(nn.Module):
    def __init__(self, hiddens=8, embeddings=12, dim=4):
        super(Model, self).__init__()
        self._encoder = nn.Sequential(nn.Conv2d(1, hiddens, 4, stride=2, padding=1), nn.Tanh(),
                                      nn.Conv2d(hiddens, hiddens, 3, padding=1), Residual(hiddens, 4))
        self._pre_vq_conv = nn.Conv2d(in_channels=hiddens, out_channels=dim, kernel_size=1, stride=1)
        self._vq_vae = VectorQuantizerEMA(embeddings, dim, 0.25, 0.9)
        self._decoder = nn.Sequential(nn.Conv2d(dim, hiddens, 3, padding=1), Residual(hiddens, 4),
                                      nn.ConvTranspose2d(hiddens, 1, kernel_size=4, stride=2, padding=1))

    def forward(self, x):
        z = self._pre_vq_conv(self._encoder(x))
        loss, quantized, perplexity, _ = self._vq_vae(z)
        return loss, self._decoder(quantized), perplexity


def build():
    torch.manual_seed(0)
    return Model().double()


def train(model, steps):
    """Return the loss of each step."""
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (64, 2, 1, 1))
    grid = np.mgrid[:8, :8] * 0.8
    images = torch.from_numpy(np.sin(grid[0] + phase[:, 0]) * np.cos(grid[1] + phase[:, 1])).unsqueeze(1)
    data_variance = torch.var(images)
    loader = DataLoader(TensorDataset(images), batch_size=16, shuffle=False, drop_last=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, amsgrad=False)
    model.train()
    losses = []
    while len(losses) < steps:
        for (data,) in loader:
            optimizer.zero_grad()
            vq_loss, data_recon, _perplexity = model(data)
            recon_error = F.mse_loss(data_recon, data) / data_variance
            loss = recon_error + vq_loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses
