"""A GRU encoder of packed sequences, and a decoder with attention and teacher forcing (D. Bahdanau et al., 2014)."""

import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PAD, SOS, EOS, VOCAB = 0, 1, 2, 12


class Encoder(nn.Module):
    def __init__(self, input_size, embed_size, hidden_size, n_layers=1, dropout=0.0):
        super(Encoder, self).__init__()
        self.hidden_size = hidden_size
        self.embed = nn.Embedding(input_size, embed_size)
        self.gru = nn.GRU(embed_size, hidden_size, n_layers, dropout=dropout, bidirectional=True)

    def forward(self, src, lengths, hidden=None):
        embedded = self.embed(src)
        packed = pack_padded_sequence(embedded, lengths.cpu(), enforce_sorted=False)
        outputs, hidden = self.gru(packed, hidden)
        outputs, _ = pad_packed_sequence(outputs)
        outputs = outputs[:, :, :self.hidden_size] + outputs[:, :, self.hidden_size:]
        return outputs, hidden


class Attention(nn.Module):
    def __init__(self, hidden_size):
        super(Attention, self).__init__()
        self.attn = nn.Linear(hidden_size * 2, hidden_size)
        self.v = nn.Parameter(torch.rand(hidden_size))
        stdv = 1.0 / np.sqrt(self.v.size(0))
        self.v.data.uniform_(-stdv, stdv)

    def forward(self, hidden, encoder_outputs, mask):
        timestep = encoder_outputs.size(0)
        h = hidden.repeat(timestep, 1, 1).transpose(0, 1)
        encoder_outputs = encoder_outputs.transpose(0, 1)
        energy = torch.tanh(self.attn(torch.cat([h, encoder_outputs], 2))).transpose(1, 2)
        v = self.v.repeat(encoder_outputs.size(0), 1).unsqueeze(1)
        energy = torch.bmm(v, energy).squeeze(1)
        return F.softmax(energy.masked_fill_(mask, -1e10), dim=1).unsqueeze(1)


class Decoder(nn.Module):
    def __init__(self, embed_size, hidden_size, output_size):
        super(Decoder, self).__init__()
        self.embed = nn.Embedding(output_size, embed_size)
        self.attention = Attention(hidden_size)
        self.gru = nn.GRUCell(hidden_size + embed_size, hidden_size)
        self.out = nn.Linear(hidden_size * 2, output_size)

    def forward(self, input, last_hidden, encoder_outputs, mask):
        embedded = self.embed(input)
        attn_weights = self.attention(last_hidden, encoder_outputs, mask)
        context = attn_weights.bmm(encoder_outputs.transpose(0, 1)).squeeze(1)
        hidden = self.gru(torch.cat([embedded, context], 1), last_hidden)
        output = F.log_softmax(self.out(torch.cat([hidden, context], 1)), dim=-1)
        return output, hidden, attn_weights


class Seq2Seq(nn.Module):
    def __init__(self, encoder, decoder):
        super(Seq2Seq, self).__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, src, lengths, trg, teacher_forcing_ratio=0.5):
        max_len, batch_size = trg.size()
        outputs = torch.zeros(max_len, batch_size, VOCAB, dtype=self.decoder.out.weight.dtype)
        encoder_output, hidden = self.encoder(src, lengths)
        mask = src.t().eq(PAD)
        hidden = hidden[:1].squeeze(0)
        output = trg.data[0, :]
        for t in range(1, max_len):
            output, hidden, _ = self.decoder(output, hidden, encoder_output, mask)
            outputs[t] = output
            is_teacher = random.random() < teacher_forcing_ratio
            top1 = output.data.max(1)[1]
            output = trg.data[t] if is_teacher else top1
        return outputs


def make_batch(rng, size=12):
    lengths = rng.randint(2, 7, size)
    lengths[0] = 6
    src, trg = np.full((6, size), PAD), np.full((8, size), PAD)
    trg[0] = SOS
    for i, n in enumerate(lengths):
        words = rng.randint(3, VOCAB, n)
        src[:n, i], trg[1:n + 1, i], trg[n + 1, i] = words, np.sort(words), EOS
    return torch.LongTensor(src), torch.LongTensor(lengths), torch.LongTensor(trg)


def build():
    torch.manual_seed(0)
    return Seq2Seq(Encoder(VOCAB, 8, 16), Decoder(8, 16, VOCAB)).double()


def train(model, steps):
    """Return the loss of each step."""
    random.seed(0)
    rng = np.random.RandomState(0)
    optimizer = optim.RMSprop(model.parameters(), lr=3e-3, momentum=0.5)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=2)
    losses = []
    for step in range(steps):
        src, lengths, trg = make_batch(rng)
        optimizer.zero_grad()
        output = model(src, lengths, trg)
        loss = F.nll_loss(output[1:].view(-1, VOCAB), trg[1:].contiguous().view(-1), ignore_index=PAD)
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.data.item())
        if step % 5 == 4:
            schedule.step(np.mean(losses[-5:]))
    return losses
