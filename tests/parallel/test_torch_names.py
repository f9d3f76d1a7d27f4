"""PyTorch's names for jobs: its example with exchanged imports, collectives, SyncBatchNorm, DistributedSampler."""

import json

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import distributed as dist
from autograd_nn import nn
from autograd_nn.nn.parallel import DistributedDataParallel
from autograd_nn.utils.data import DataLoader, TensorDataset
from autograd_nn.utils.data.distributed import DistributedSampler
from tests.parallel.ddp import ToyModel
from tests.parallel.jobs import job

pytest.importorskip("mpi4py")


@pytest.fixture(scope="module")
def ranks():
    code, out, errors = job(2, "-m", "tests.parallel.ddp")
    assert code == 0, errors
    return json.loads(out.splitlines()[-1])


def test_all_ranks_end_alike(ranks):
    for name in ("demo_basic", "epoch_of_batches", "collectives"):
        assert ranks[0][name] == ranks[1][name]


def test_collectives(ranks):
    assert ranks[0]["collectives"] == [[3, 4], [1, 5], [1.5], [[8, 9]], [0, 1], [{"rank": 0}, {"rank": 1}],
                                       [1, "of rank", 1]]


def test_gradients_are_averaged_and_accumulated_without_sync(ranks):
    assert [each["averages"] for each in ranks] == [[1, 12], [2, 12]]  # ((1 + 10) + (2 + 11)) / 2


@pytest.mark.filterwarnings("ignore::autograd_nn.mistakes.MissingGradient")
def test_two_ranks_train_as_one_process_with_both_batches(ranks):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((24, 10)).astype("f4")
    y = rng.standard_normal((24, 5)).astype("f4")
    ag.manual_seed(5)
    model = ToyModel()
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
    parts = [DistributedSampler(range(24), 2, r) for r in range(2)]
    for epoch in range(2):
        for sampler in parts:
            sampler.set_epoch(epoch)
        orders = [list(sampler) for sampler in parts]
        for begin in range(0, 12, 4):
            optimizer.zero_grad()
            losses = [nn.functional.mse_loss(model(ag.tensor(x[i]), seldom=r == 1), ag.tensor(y[i]))
                      for r in range(2) for i in [orders[r][begin : begin + 4]]]
            ((losses[0] + losses[1]) / 2).backward()
            optimizer.step()
    for ours, theirs in zip(ranks[0]["epoch_of_batches"], model.parameters(), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_synchronised_batch_norm_is_that_of_the_whole_batch(ranks):
    found = ranks[0]["synchronised"]
    x = ag.tensor(np.random.default_rng(3).standard_normal((8, 3, 2)).astype("f4"), requires_grad=True)
    norm = nn.BatchNorm1d(3)
    out = nn.Flatten()(norm(x))
    (out * ag.arange(6)).square().mean().backward()
    np.testing.assert_allclose(found["out"], out.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["gx"], 2 * x.grad.numpy(), rtol=1e-4, atol=1e-5)  # each rank's mean is over half
    np.testing.assert_allclose(found["gw"], norm.weight.grad.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found["gb"], norm.bias.grad.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found["mean"], norm.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found["var"], norm.running_var.numpy(), rtol=1e-5)


def test_a_sampler_divides_an_order_without_repeating():
    for count, ranks in ((10, 3), (9, 3), (2, 4)):
        samplers = [DistributedSampler(range(count), ranks, r, seed=4) for r in range(ranks)]
        found = [i for sampler in samplers for i in sampler]
        assert sorted(found) == list(range(count))
        assert [len(list(s)) for s in samplers] == [len(s) for s in samplers]
        equal = [len(DistributedSampler(range(count), ranks, r, drop_last=True)) for r in range(ranks)]
        assert set(equal) == {count // ranks}
    first = list(samplers[0])
    long = DistributedSampler(range(50), 2, 0)
    order = list(long)
    long.set_epoch(1)
    assert list(long) != order
    assert first == list(samplers[0])
    with pytest.raises(ValueError, match="rank must be below num_replicas"):
        DistributedSampler(range(4), 2, 2)


def test_one_process_is_a_group_too():
    assert not dist.is_initialized()
    with pytest.raises(RuntimeError, match="there is no group yet"):
        dist.get_rank()
    with pytest.raises(ValueError, match="backend must be 'mpi'"):
        dist.init_process_group("gloo")
    with pytest.raises(ValueError, match="world_size is 1 in this job"):
        dist.init_process_group("mpi", world_size=2)
    dist.init_process_group("mpi")
    try:
        assert (dist.get_rank(), dist.get_world_size()) == (0, 1)
        x = ag.tensor([1.0, 2.0])
        dist.all_reduce(x)
        dist.broadcast(x, 0)
        assert x.tolist() == [1, 2]
        with pytest.raises(ValueError, match="src must be a rank below 1"):
            dist.broadcast(x, 1)
        model = DistributedDataParallel(nn.SyncBatchNorm(3))
        loader = DataLoader(TensorDataset(ag.randn(6, 3)), batch_size=6, sampler=DistributedSampler(range(6)))
        for (batch,) in loader:
            model(batch).sum().backward()
        assert model.module.bias.grad.tolist() == [6, 6, 6]
    finally:
        dist.destroy_process_group()


def test_only_batch_norms_are_converted():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2, affine=False)))
    weight = model[1].weight
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model.eval())
    assert converted is model
    assert [type(m).__name__ for m in model] == ["Conv2d", "SyncBatchNorm", "Sequential"]
    assert model[1].weight is weight and model[2][0].weight is None and not model[1].training
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                                        "1.num_batches_tracked", "2.0.running_mean", "2.0.running_var",
                                        "2.0.num_batches_tracked"]
