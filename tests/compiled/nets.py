"""Training steps of all kinds, small enough to be run many times: each makes (step, batches, what it trains)."""

import itertools

import numpy as np

import autograd_nn as ag
from autograd_nn import nn, optim
from autograd_nn.autograd.checkpoint import checkpoint
from autograd_nn.optim import lr_scheduler
from autograd_nn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

F = nn.functional
TABLE = {}


def case(function):
    TABLE[function.__name__] = function
    return function


def numbers(*shape):
    return ag.randn(*shape)


def classes(n, count):
    return ag.randint(0, count, (n,))


def plain(model, optimizer, batch, loss=F.cross_entropy):
    """Return the usual step."""

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step, batch, [model]


def mlp(*sizes, layer=nn.ReLU):
    parts = []
    for a, b in itertools.pairwise(sizes):
        parts += [nn.Linear(a, b), layer()]
    return nn.Sequential(*parts[:-1])


def tabular():
    return numbers(16, 6), classes(16, 3)


@case
def convnet_sgd():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    return plain(model, optim.SGD(model.parameters(), lr=0.05), lambda: (numbers(4, 1, 8, 8), classes(4, 10)))


@case
def convnet_one_image_adam():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
    return plain(model, optim.Adam(model.parameters(), lr=0.01), lambda: (numbers(1, 1, 8, 8), classes(1, 10)))


@case
def policy_adam():
    model = mlp(4, 16, 16, 2)
    return plain(model, optim.Adam(model.parameters()), lambda: (numbers(32, 4), classes(32, 2)))


@case
def momentum_and_decay():
    model = mlp(6, 12, 3, layer=nn.Tanh)
    return plain(model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3, nesterov=True), tabular)


@case
def other_activations():
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 8), nn.Softplus(),
                          nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 3))
    return plain(model, optim.AdamW(model.parameters()), tabular)


@case
def many_optimizers():
    layers = [nn.Linear(6, 6) for _ in range(4)]
    model = nn.Sequential(*layers, nn.Linear(6, 3))
    kinds = [optim.RMSprop, optim.Adagrad, optim.NAdam, optim.Adamax]
    optimizers = [kind(layer.parameters(), lr=0.01) for kind, layer in zip(kinds, layers)]

    def step(x, y):
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    return step, tabular, [model]


@case
def dropout():
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))
    return plain(model, optim.SGD(model.parameters(), lr=0.1), tabular)


@case
def noise_on_the_input():
    model = mlp(6, 12, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x + 0.1 * ag.randn(16, 6)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, tabular, [model]


@case
def batch_norm():
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                          nn.Linear(4 * 16, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    return plain(model, optim.Adam(model.parameters()), lambda: (numbers(8, 2, 4, 4), classes(8, 3)))


@case
def class_weights():
    model = mlp(6, 12, 3)
    weight = ag.tensor([1.0, 2.0, 0.5])
    return plain(model, optim.SGD(model.parameters(), lr=0.1), tabular,
                 lambda out, y: F.cross_entropy(out, y, weight=weight, label_smoothing=0.1))


@case
def ignored_classes():
    model = mlp(6, 12, 3)

    def batch():
        y = ag.randint(0, 3, (16,))
        y.array[:: int(ag.randint(2, 6, (1,)).item())] = -100
        return numbers(16, 6), y

    return plain(model, optim.SGD(model.parameters(), lr=0.1), batch)


@case
def clipping_schedule_and_average():
    model = mlp(6, 12, 3)
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        return loss

    return step, tabular, [model, average.module]


@case
def plateau_and_clipped_values():
    model = mlp(6, 12, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        schedule.step(loss.detach())
        return loss

    return step, tabular, [model]


@case
def accumulation_inside():
    model = mlp(6, 12, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        for part, target in zip(x.chunk(4), y.chunk(4)):
            (F.cross_entropy(model(part), target) / 4).backward()
        optimizer.step()

    return step, tabular, [model]


@case
def accumulation_outside():
    model = mlp(6, 12, 3)

    def step(x, y):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    return step, tabular, [model]


@case
def zeroed_in_place():
    model = mlp(6, 12, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad(set_to_none=False)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss, "twice": [loss * 2, 3]}

    return step, tabular, [model]


@case
def two_networks():
    first, second = mlp(6, 8, 6), mlp(6, 8, 1)
    to_first, to_second = optim.Adam(first.parameters()), optim.Adam(second.parameters())

    def step(x, y):
        fake = first(numbers(16, 6))
        to_second.zero_grad()
        score = F.softplus(second(fake.detach())).mean() + F.softplus(-second(x)).mean()
        score.backward()
        to_second.step()
        to_first.zero_grad()
        other = F.softplus(-second(fake)).mean()
        other.backward()
        to_first.step()
        return score, other

    return step, tabular, [first, second]


@case
def tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(11, 8)
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 11, bias=False)
            self.head.weight = self.table.weight

        def forward(self, x):
            return self.head(self.norm(self.table(x)).mean(1))

    model = Tied()
    return plain(model, optim.Adam(model.parameters()), lambda: (ag.randint(0, 11, (8, 5)), classes(8, 11)))


@case
def views_and_in_place():
    model = mlp(6, 12, 6)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        out = model(x)
        out[:, 0] = out[:, 1] * 2
        top = out[:, :3]
        top += 1
        held = ag.zeros(16, 3)
        held += out[:, 3:]
        held[0] = 0.5
        loss = F.cross_entropy(top * held, y)
        loss.backward()
        with ag.no_grad():
            for p in model.parameters():
                p.mul_(0.999)
        optimizer.step()
        return loss

    return step, tabular, [model]


@case
def checkpointed():
    first, second = mlp(6, 12, 12), nn.Sequential(nn.Linear(12, 12), nn.Dropout(0.2), nn.Linear(12, 3))
    optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(second(checkpoint(first, x)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, tabular, [first, second]


@case
def gradient_penalty():
    model = mlp(6, 12, 1, layer=nn.Tanh)
    optimizer = optim.Adam(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        x = x.clone().requires_grad_()
        out = model(x)
        (slope,) = ag.grad(out.sum(), x, create_graph=True)
        loss = out.mean() + ((slope.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, tabular, [model]


@case
def recurrent():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.gru, self.head = nn.LSTM(3, 5), nn.GRU(5, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.gru(self.lstm(x)[0])[0][-1])

    model = Net()
    return plain(model, optim.Adam(model.parameters()), lambda: (numbers(6, 4, 3), classes(4, 3)))


@case
def transformer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(7, 8)
            self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
            self.head = nn.Linear(8, 7)

        def forward(self, x):
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return self.head(self.layer(self.table(x), src_mask=mask, is_causal=True)).reshape(-1, 7)

    model = Net()
    return plain(model, optim.AdamW(model.parameters()), lambda: (ag.randint(0, 7, (3, 6)), classes(18, 7)))


@case
def attention():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(6, 6) for _ in range(3))

        def forward(self, x):
            return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x), is_causal=True).mean(1)

    model = Net()
    return plain(model, optim.SGD(model.parameters(), lr=0.1), lambda: (numbers(4, 5, 6), classes(4, 6)))


@case
def hook_on_a_gradient():
    model = mlp(6, 12, 3)
    model[0].weight.register_hook(lambda g: g * 0.5)
    return plain(model, optim.SGD(model.parameters(), lr=0.1), tabular)


@case
def module_hooks():
    model = mlp(6, 12, 3)
    model[0].register_forward_hook(lambda module, args, output: output * 0.9)
    return plain(model, optim.SGD(model.parameters(), lr=0.1), tabular)


@case
def regression_in_float64():
    model = mlp(6, 12, 1).double()
    return plain(model, optim.Adam(model.parameters()), lambda: (numbers(16, 6).double(), numbers(16, 1).double()),
                 F.mse_loss)


@case
def probabilities():
    model = nn.Sequential(nn.Linear(6, 1), nn.Sigmoid())
    return plain(model, optim.SGD(model.parameters(), lr=0.1), lambda: (numbers(16, 6), ag.rand(16, 1)),
                 F.binary_cross_entropy)


@case
def strided_batches():
    model = mlp(6, 12, 3)
    return plain(model, optim.SGD(model.parameters(), lr=0.1), lambda: (numbers(6, 16).T, classes(32, 3)[::2]))


def trained(name, compiled, steps, threads=1):
    """Run a case; return the losses and all it trained, as bytes."""
    ag.manual_seed(1)
    step, batch, models = TABLE[name]()
    function = compiled(step) if compiled else step
    returned = []
    for _ in range(steps):
        result = function(*batch())
        values = [result] if isinstance(result, ag.Tensor) else [*result] if isinstance(result, tuple) else []
        returned.append([x.detach().numpy().tobytes() for x in values])
    state = [x.detach().numpy().tobytes() for model in models for x in (*model.parameters(), *model.buffers())]
    grads = [p.grad.numpy().tobytes() for model in models for p in model.parameters() if p.grad is not None]
    return (returned, state, grads, ag.get_rng_state()), function


__all__ = ["TABLE", "np", "trained"]
