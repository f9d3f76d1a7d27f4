"""What newcomers get wrong, and the cure that each message names (part 4.6 of the faults that newcomers met)."""

import copy
import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import data, nn, optim
from autograd_nn.look.summary import summary
from autograd_nn.nn import functional as F
from autograd_nn.training import EarlyStopping, evaluate, fit

X, LABELS = ag.arange(24.0).reshape(8, 3) / 24, ag.tensor([0, 1, 2, 0, 1, 2, 0, 1])
IMAGES = ag.ones(8, 16, 16, 3)
DOUBLE, INTEGERS = ag.ones(2, 3, dtype=ag.float64), ag.ones(2, 3, dtype=ag.int64)


def model():
    return nn.Sequential(nn.Linear(3, 3))


def fitted(loader=((X, LABELS),), optimizer=None, loss=None, net=None, **settings):
    net = net or model()
    return fit(net, loader, optimizer or optim.SGD(net.parameters(), lr=0.1), loss or nn.CrossEntropyLoss(), **settings)


class Samples(data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[i], LABELS[i]


TABLE = [
    # labels
    (lambda: F.cross_entropy(X, LABELS.float()), "class indices must be integers (target is float32 (8,)); use "
                                                 "target.long()"),
    (lambda: F.cross_entropy(X, LABELS.float()[:, None]), "use target.squeeze(1).long()"),
    (lambda: F.cross_entropy(X, F.one_hot(LABELS, 3)), "of one-hot rows use target.argmax(1), or target.float()"),
    (lambda: F.cross_entropy(X, LABELS[:, None]), "must have shape (8,) (target.shape=(8, 1)); use target.squeeze(1)"),
    (lambda: F.cross_entropy(X, LABELS + 1), "target 3 is out of range for 3 classes (at flat index 2); classes count "
                                             "from 0: use target - 1"),
    (lambda: F.nll_loss(F.log_softmax(X, 1), F.one_hot(LABELS, 3)), "of one-hot rows use target.argmax(1)"),
    (lambda: F.nll_loss(F.log_softmax(X, 1), LABELS.float()), "convert with .long()"),
    (lambda: nn.CrossEntropyLoss()(X, LABELS.float()), "use target.long()"),
    (lambda: F.mse_loss(ag.ones(8, 1), ag.ones(8)), "use .reshape() or .squeeze()"),
    (lambda: F.binary_cross_entropy(X * 9, X), "logits are for binary_cross_entropy_with_logits()"),
    # dtypes
    (lambda: nn.Linear(3, 2)(DOUBLE), "linear(): all tensors must have one dtype (input: float64, weight: float32, "
                                      "bias: float32); convert input with .float()"),
    (lambda: nn.Linear(3, 2)(INTEGERS), "input: int64, weight: float32, bias: float32); convert input with .float()"),
    (lambda: nn.Linear(3, 2).double()(X), "convert input with .double()"),
    (lambda: nn.Conv2d(3, 2, 3)(ag.ones(2, 3, 4, 4, dtype=ag.uint8)), "convert input with .float()"),
    (lambda: nn.ConvTranspose2d(3, 2, 3)(ag.ones(2, 3, 4, 4, dtype=ag.float64)), "convert input with .float()"),
    (lambda: nn.Conv3d(3, 2, 2)(ag.ones(2, 3, 4, 4, 4, dtype=ag.float64)), "convert input with .float()"),
    (lambda: nn.BatchNorm1d(3)(DOUBLE), "convert input with .float()"),
    (lambda: nn.LayerNorm(3)(INTEGERS), "convert input with .float()"),
    (lambda: nn.GroupNorm(1, 3)(DOUBLE), "convert input with .float()"),
    (lambda: nn.RMSNorm(3)(DOUBLE), "convert input with .float()"),
    (lambda: nn.LSTM(3, 2)(DOUBLE[None]), "convert input with .float()"),
    (lambda: nn.GRU(3, 2)(DOUBLE[None]), "convert input with .float()"),
    (lambda: nn.MultiheadAttention(3, 1)(DOUBLE, DOUBLE, DOUBLE), "convert input with .float()"),
    (lambda: nn.Embedding(3, 2)(X), "input must hold integers (dtype=float32); convert with .long()"),
    (lambda: X[LABELS.float()], "index arrays must hold integers or booleans"),
    # shapes
    (lambda: nn.Conv2d(3, 2, 3)(IMAGES), "use input.permute(0, 3, 1, 2)"),
    (lambda: nn.Conv2d(3, 2, 3)(IMAGES[0]), "use input.permute(2, 0, 1)"),
    (lambda: nn.ConvTranspose2d(3, 2, 3)(IMAGES), "use input.permute(0, 3, 1, 2)"),
    (lambda: nn.Conv1d(3, 2, 3)(ag.ones(8, 16, 3)), "use input.permute(0, 2, 1)"),
    (lambda: nn.Conv3d(3, 2, 3)(ag.ones(1, 4, 4, 4, 3)), "use input.permute(0, 4, 1, 2, 3)"),
    (lambda: nn.BatchNorm2d(3)(IMAGES), "use input.permute(0, 3, 1, 2)"),
    (lambda: nn.InstanceNorm2d(3, affine=True)(IMAGES), "use input.permute(0, 3, 1, 2)"),
    (lambda: nn.Conv2d(1, 2, 3)(IMAGES[..., 0]), "but got 8 channels instead; use input.unsqueeze(1)"),
    (lambda: nn.Conv2d(1, 2, 3)(IMAGES[0, ..., 0]), "use input.unsqueeze(0)"),
    (lambda: nn.Conv1d(1, 2, 3)(ag.ones(8, 16)), "use input.unsqueeze(1)"),
    (lambda: nn.BatchNorm2d(1)(IMAGES[..., 0]), "expects 4 dims (input.shape=(8, 16, 16)); use input.unsqueeze(1)"),
    (lambda: nn.Linear(768, 2)(IMAGES), "use input.flatten(1)"),
    (lambda: nn.Linear(768, 2)(IMAGES[0]), "use input.flatten()"),
    (lambda: nn.Linear(8, 2)(X), "use input.T"),
    (lambda: ag.tensor([[1, 2], [3]]), "tensor(): the lists at one level must have one length"),
    # another kind
    (lambda: nn.Linear(3, 2)([1.0, 2.0, 3.0]), "Linear(): input must be a tensor (input=[1.0, 2.0, 3.0], a list); use "
                                               "tensor() to make one of it"),
    (lambda: nn.Sequential(nn.LSTM(3, 2), nn.Linear(2, 1))(X[None]), "pass one of its tensors, such as [0]"),
    (lambda: nn.Linear(3, 2)({"x": X}), "a dict); pass one of its tensors, such as ['x']"),
    (lambda: copy.copy(nn.Parameter(X) * 2), "this is the result of mul() (use .detach())"),
    (lambda: copy.deepcopy(nn.Parameter(X) * 2), "use .detach().clone()"),
    (lambda: nn.Parameter(X).numpy(), "use .detach().numpy()"),
    # places
    (lambda: ag.randn(3, device="cuda"), "randn(): autograd_nn computes on the CPU only (device='cuda')"),
    (lambda: ag.rand(3, device="cuda:0"), "rand(): autograd_nn"),
    (lambda: ag.randint(3, (2,), device="cuda"), "randint(): autograd_nn"),
    (lambda: ag.randperm(3, device="cuda"), "randperm(): autograd_nn"),
    (lambda: ag.zeros(3, device="cuda"), "zeros(): autograd_nn"),
    (lambda: ag.tensor([1.0], device="cuda"), "tensor(): autograd_nn"),
    (lambda: nn.Linear(3, 2, device="cuda"), "Parameter(): autograd_nn"),
    # optimizers and keywords
    (lambda: optim.SGD(model(), lr=0.1), "pass model.parameters()"),
    (lambda: optim.SGD(model().state_dict(), lr=0.1), "not a dict; pass model.parameters()"),
    (lambda: optim.SGD(nn.Parameter(X), lr=0.1), "for one tensor: [tensor]"),
    (lambda: optim.Adam(model().parameters(), learning_rate=0.1), "did you mean lr?"),
    (lambda: optim.SGD([{"params": model().parameters(), "learning_rate": 0.1}], lr=0.1), "did you mean 'lr'?"),
    (lambda: nn.Linear(3, 2, use_bias=False), "Linear() got an unexpected keyword argument 'use_bias'; did you mean "
                                              "bias?"),
    (lambda: nn.Conv2d(3, 2, kernel=3), "did you mean kernel_size?"),
    (lambda: nn.Dropout(rate=0.5), "Dropout() got an unexpected keyword argument 'rate'; it takes p, inplace"),
    (lambda: data.DataLoader(Samples(), batchsize=3), "did you mean batch_size?"),
    (lambda: ag.sum(X, axes=1), "sum() got an unexpected keyword argument 'axes'; "),
    (lambda: optim.lr_scheduler.StepLR(model(), 3), "optimizer must be an Optimizer, not Sequential"),
    # fit, at the door
    (lambda: fitted(Samples()), "wrap it, DataLoader(dataset, batch_size=32, shuffle=True)"),
    (lambda: fitted(X), "where is the target?"),
    (lambda: fitted([X, LABELS]), "for arrays write a tuple, (X, y)"),
    (lambda: fitted([(X,)]), "loader must yield (input, target) batches"),
    (lambda: fitted([{"x": X, "y": LABELS}]), "the keys 'x'; name the arguments of forward() like the keys"),
    (lambda: fitted([(X, X, LABELS)]), "is 2 inputs and a target, but forward() of Sequential takes input;"),
    (lambda: fitted(None), "got None"),
    (lambda: fitted([]), "the loader yielded no batch"),
    (lambda: fitted(optimizer="adam"), "write optim.Adam(model.parameters(), lr=...)"),
    (lambda: fitted(optimizer=optim.SGD), "got the class SGD; write optim.SGD(model.parameters(), lr=...)"),
    (lambda: fitted(loss=nn.MSELoss), "make it first, nn.MSELoss()"),
    (lambda: fitted(metrics=["f2"]), "f2"),
    (lambda: fitted(callbacks=[EarlyStopping]), "make it first, EarlyStopping(...)"),
    (lambda: fitted(epochs="3"), "epochs must be a whole number, got the string '3'"),
    (lambda: fitted(epoch=3), "did you mean epochs?"),
    (lambda: evaluate(model(), Samples(), nn.CrossEntropyLoss()), "evaluate(): loader must yield (input, target)"),
    (lambda: evaluate(model(), [(X, X, LABELS)], nn.CrossEntropyLoss()), "evaluate(): a batch of 3 values"),
    # names
    (lambda: ag.model, "did you mean models"),
    (lambda: ag.vjp, "use func.vjp"),
    (lambda: ag.jacrev, "use func.jacrev"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "cure"), TABLE)
def test_the_message_names_the_cure(call, cure):
    with pytest.raises((TypeError, ValueError, RuntimeError, IndexError, AttributeError)) as caught:
        call()
    assert cure in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_message_advises_works():
    assert F.cross_entropy(X, LABELS.float()[:, None].squeeze(1).long()).item() > 0
    assert nn.Conv2d(3, 2, 3)(IMAGES.permute(0, 3, 1, 2)).shape == (8, 2, 14, 14)
    assert nn.Conv2d(1, 2, 3)(IMAGES[..., 0].unsqueeze(1)).shape == (8, 2, 14, 14)
    assert nn.Linear(3, 2)(DOUBLE.float()).dtype == np.float32
    F.cross_entropy(X, F.one_hot(LABELS, 3).float())
    copy.copy((nn.Parameter(X) * 2).detach())


def test_nan_in_the_data_is_not_blamed_on_the_learning_rate(capsys):
    fitted([(X * np.nan, LABELS)])
    said = capsys.readouterr().err
    assert "the input has 24 NaN, first at (0, 0)" in said and "learning rate" not in said


@pytest.mark.parametrize("between", [
    lambda net: summary(net, X),
    lambda net: setattr(net.eval(), "training", True) or [setattr(m, "training", True) for m in net.modules()],
    lambda net: evaluate(net, [(X, LABELS)], nn.CrossEntropyLoss()),
    lambda net: net.eval().train(),
    lambda net: optim.swa_utils.update_bn([X], net),
])  # fmt: skip
def test_no_false_warning_of_a_mode(between):
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.1))
    ag.mistakes.forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ag.mistakes.MistakeWarning)
        between(net)
        fitted(net=net, callbacks=[])
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        optimizer.zero_grad()
        F.cross_entropy(net(X), LABELS).backward()
        optimizer.step()
