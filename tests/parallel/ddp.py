"""PyTorch's example of DistributedDataParallel, with exchanged imports; and what its pieces do, in a job of 2 ranks."""

import json

import numpy as np

import autograd_nn as torch
import autograd_nn.distributed as dist
import autograd_nn.nn as nn
import autograd_nn.optim as optim
from autograd_nn.nn.parallel import DistributedDataParallel as DDP  # noqa: N817
from autograd_nn.utils.data import DataLoader, TensorDataset
from autograd_nn.utils.data.distributed import DistributedSampler


class ToyModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net1 = nn.Linear(10, 10)
        self.relu = nn.ReLU()
        self.net2 = nn.Linear(10, 5)
        self.seldom = nn.Linear(10, 5)
        self.never = nn.Linear(2, 2)

    def forward(self, x, seldom=False):
        x = self.relu(self.net1(x))
        return self.net2(x) + (self.seldom(x) if seldom else 0)


def demo_basic(rank):
    torch.manual_seed(rank)  # other weights on each rank: rank 0's are taken
    model = ToyModel()
    ddp_model = DDP(model)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(ddp_model.parameters(), lr=0.001)
    optimizer.zero_grad()
    outputs = ddp_model(torch.randn(20, 10))
    labels = torch.randn(20, 5)
    loss_fn(outputs, labels).backward()
    optimizer.step()
    return {name: value.numpy().tolist() for name, value in ddp_model.state_dict().items()}


def epoch_of_batches(rank):
    rng = np.random.default_rng(0)
    data = TensorDataset(torch.tensor(rng.standard_normal((24, 10)).astype("f4")),
                         torch.tensor(rng.standard_normal((24, 5)).astype("f4")))
    torch.manual_seed(5)
    model = DDP(ToyModel())
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    sampler = DistributedSampler(data, shuffle=True)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for x, y in DataLoader(data, batch_size=4, sampler=sampler):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x, seldom=rank == 1), y).backward()
            assert model.module.never.weight.grad is None
            assert model.module.seldom.weight.grad is not None
            optimizer.step()
    return [p.detach().numpy().tolist() for p in model.parameters()]


def averages(rank):
    model = DDP(nn.Linear(1, 1, bias=False))
    with model.no_sync():
        model(torch.full((1, 1), 1.0 + rank)).sum().backward()
    own = model.module.weight.grad.item()
    model(torch.full((1, 1), 10.0 + rank)).sum().backward()
    return [own, model.module.weight.grad.item()]


def collectives(rank):
    total, largest, mean = torch.tensor([1.0 + rank, 2.0]), torch.tensor([rank, 5 - rank]), torch.tensor([3.0 * rank])
    dist.all_reduce(total)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    sent = torch.tensor([[rank + 7, rank + 8]])
    dist.broadcast(sent, src=1)
    parts = [torch.zeros(1) for _ in range(2)]
    dist.all_gather(parts, torch.tensor([float(rank)]))
    objects, lists = [None, None], [rank, "of rank", rank]
    dist.all_gather_object(objects, {"rank": rank})
    dist.broadcast_object_list(lists, src=1)
    return [total.tolist(), largest.tolist(), mean.tolist(), sent.tolist(), [p.item() for p in parts], objects, lists]


def synchronised(rank):
    x = np.random.default_rng(3).standard_normal((8, 3, 2)).astype("f4")
    part = torch.tensor(x[4 * rank : 4 * rank + 4], requires_grad=True)
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Flatten())
    model = DDP(nn.SyncBatchNorm.convert_sync_batchnorm(model))
    out = model(part)
    (out * torch.arange(6)).square().mean().backward()
    norm = model.module[0]
    return {"out": dist_gather(out), "gx": dist_gather(part.grad), "mean": norm.running_mean.tolist(),
            "var": norm.running_var.tolist(), "gw": norm.weight.grad.tolist(), "gb": norm.bias.grad.tolist()}


def dist_gather(x):
    objects = [None, None]
    dist.all_gather_object(objects, x.detach().numpy().tolist())
    return objects[0] + objects[1]


if __name__ == "__main__":
    dist.init_process_group("mpi")
    rank = dist.get_rank()
    assert dist.is_initialized() and dist.get_world_size() == 2 and dist.get_backend() == "mpi"
    found = {f.__name__: f(rank) for f in (demo_basic, epoch_of_batches, averages, collectives, synchronised)}
    objects = [None, None]
    dist.all_gather_object(objects, found)
    dist.barrier()
    if rank == 0:
        print(json.dumps(objects))
    dist.destroy_process_group()
    assert not dist.is_initialized()
