"""What operations read of the data while a step is traced must not be kept: the data change long after the rehearsal.

Each case takes the same way for the first calls, and another one for what comes after the seventh.
"""

import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn, optim

F = nn.functional
CALLS, CHANGE = 10, 7
EDGES = ag.tensor([-10.0, -0.1])

NEGATIVE = {
    "isin": lambda m, x: (m(x) * ag.isin(x.sign(), ag.tensor([1.0])).float()[:, :4]).sum(),
    "bucketize": lambda m, x: (m(x) * ag.bucketize(x[:, :4], EDGES).float()).sum(),
    "searchsorted": lambda m, x: (m(x) * ag.searchsorted(EDGES, x[:, :4]).float()).sum(),
    "unique": lambda m, x: (m(x) * ag.unique(x.sign()).sum()).sum(),
    "bincount": lambda m, x: (m(x) * ag.bincount((x[:, 0] < 0).long(), minlength=2)[0].float()).sum(),
    "histc": lambda m, x: (m(x) * ag.histc(x.sign(), 2, -1, 1)[0]).sum(),
    "equal": lambda m, x: m(x).sum() * (2.0 if x.sign().equal(ag.ones(8, 6)) else 1.0),
    "allclose": lambda m, x: m(x).sum() * (2.0 if ag.allclose(x.sign(), ag.ones(8, 6)) else 1.0),
    "a mask of -inf": lambda m, x: F.scaled_dot_product_attention(
        *[m(x)[None]] * 3, attn_mask=ag.where(x[:, :1] < 0, -np.inf, 0.0).expand(8, 8)
    ).sum(),
    "to_sparse": lambda m, x: ag.sparse.mm(x.relu().to_sparse(), m.weight.T).sum() + m(x).sum(),
    "one_hot": lambda m, x: (m(x)[:, :2] * F.one_hot((x[:, 0] > 0).long()).float()).sum(),
    "one_hot, checked": lambda m, x: (m(x)[:, :2] * F.one_hot((x[:, 0].sign()).long(), 2).float()).sum(),
    "repeat_interleave": lambda m, x: ag.repeat_interleave(m(x), (x[:, 0] > 0).long(), 0).sum(),
    "multilabel_margin_loss": lambda m, x: F.multilabel_margin_loss(m(x), (x[:, :4].sign() * 3).long()),
    "gather": lambda m, x: ag.gather(m(x), 1, x[:, :2].sign().long()).sum(),
    "cross_entropy": lambda m, x: F.cross_entropy(m(x), x[:, 0].sign().long()),
    "gumbel_softmax": lambda m, x: (m(x) * F.gumbel_softmax(x[:, :4], hard=True)).sum(),
    "gaussian_nll_loss": lambda m, x: F.gaussian_nll_loss(m(x), x[:, :4], x[:, 4:5]),
}
NAN = {
    "quantile": lambda m, x: (m(x) * ag.quantile(x[:, :4], 0.5, 1, keepdim=True)).nan_to_num().sum(),
    "median": lambda m, x: (m(x) * ag.median(x, 1).values[:, None]).nan_to_num().sum(),
}
LARGE = {
    "rms_norm": lambda m, x: (F.rms_norm(x, (6,))[:, :4] * m.weight.sum()).sum() + m(x / 1e20).sum(),
    "local_response_norm": lambda m, x: (F.local_response_norm(x.reshape(2, 6, 4), 2) * m.weight.sum()).sum(),
    "layer_norm": lambda m, x: (F.layer_norm(x, (6,))[:, :4] * m.weight.sum()).sum(),
    "group_norm": lambda m, x: (F.group_norm(x, 2)[:, :4] * m.weight.sum()).sum(),
    "batch_norm": lambda m, x: (F.batch_norm(x, None, None, training=True)[:, :4] * m.weight.sum()).sum(),
    "vector_norm": lambda m, x: ag.linalg.vector_norm(m.weight.sum() * x),
    "std": lambda m, x: (m.weight.sum() * x).std(),
    "normalize": lambda m, x: (F.normalize(x, dim=1)[:, :4] * m.weight.sum()).sum(),
}
CASES = [(name, loss, lambda x: -x) for name, loss in NEGATIVE.items()]
CASES += [(name, loss, lambda x: x * np.float32(1e20)) for name, loss in LARGE.items()]
CASES += [(name, loss, lambda x: np.where(x > 2, np.float32(np.nan), x)) for name, loss in NAN.items()]


REPLAYED = ["isin", "bucketize", "searchsorted", "a mask of -inf", "gumbel_softmax", "rms_norm", "local_response_norm"]


def losses(loss_of, change, compiled):
    """Return the loss of each call, or the name of its error."""
    rng = np.random.default_rng(0)
    ag.manual_seed(0)
    model = nn.Linear(6, 4)
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    def step(x):
        optimizer.zero_grad()
        loss = loss_of(model, x)
        loss.backward()
        optimizer.step()
        return loss

    called, found = ag.compile(step) if compiled else step, []
    for i in range(CALLS):
        x = np.abs(rng.standard_normal((8, 6))).astype(np.float32) + np.float32(0.5)
        try:
            found.append(called(ag.tensor(x if i < CHANGE else change(x))).item())
        except (IndexError, RuntimeError, ValueError) as error:
            found.append(type(error).__name__)
    return found


@pytest.mark.parametrize(("name", "loss", "change"), CASES, ids=[name for name, _, _ in CASES])
def test_no_branch_on_data_is_kept(name, loss, change):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected, found = (losses(loss, change, compiled) for compiled in (False, True))
    assert len(expected) == CALLS and str(found) == str(expected)
    assert any(isinstance(x, float) and np.isfinite(x) for x in expected[:CHANGE])


@pytest.mark.parametrize("name", REPLAYED)
def test_what_python_asks_of_data_keeps_no_step_eager(name):
    loss_of, model = (NEGATIVE | LARGE)[name], nn.Linear(6, 4)
    step = ag.compile(lambda x: loss_of(model, x))
    with warnings.catch_warnings(), ag.no_grad():
        warnings.simplefilter("error")
        for _ in range(4):
            step(ag.rand(8, 6) + 0.5)
    assert repr(step).endswith("1 plan>")


def test_the_spectral_norm_of_a_parametrization_is_replayed():
    """Its vectors, which change at each call, are results of calls."""
    rng = np.random.default_rng(0)
    inputs = [ag.tensor(rng.standard_normal((8, 6)).astype(np.float32)) for _ in range(CALLS)]
    weights = []
    for compiled in (False, True):
        ag.manual_seed(0)
        model = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4))
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        called = ag.compile(step) if compiled else step
        for x in inputs:
            called(x)
        weights.append([value.array.tobytes() for value in model.state_dict().values()])
    assert weights[0] == weights[1]
    assert "stays eager" not in called.explain()
