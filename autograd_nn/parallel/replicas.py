"""PyTorch's way: each rank has a replica of the model and batches of its own, and backward averages gradients."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine import Leaf, Node, Observer, mark_changed, observe
from ..nn.module import Module
from .group import Group, current
from .overlap import Buckets

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """Holds a replica of a model, whose gradients become the average over all ranks as ``loss.backward()`` ends.

    Each rank computes the loss of batches of its own (see `utils.data.distributed.DistributedSampler`). Gradients leave
    as they become final, and are summed along a tree over the ranks: a job of N ranks has the same bits each time, and
    jobs of other numbers of ranks have others, as their batches are. For bits that do not depend on the number of ranks
    see `parallel.Sharded` and `training.fit`.

    The average of the ranks' means is the mean over all samples if the ranks' batches are of one size.

    Parameters
    ----------
    module : Module
        The same on all ranks; parameters and buffers become those of rank 0.
    device_ids, output_device, dim, process_group, gradient_as_bucket_view, static_graph
        PyTorch's settings; accepted, and without meaning here.
    broadcast_buffers : bool
        Whether the buffers become those of rank 0 before each forward pass in training.
    bucket_cap_mb : float
        The size of the buckets in which gradients are sent.
    find_unused_parameters : bool
        Accepted: parameters that a loss does not depend on are always found. One that no rank used has no gradient.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> model = nn.parallel.DistributedDataParallel(nn.Linear(3, 2))
    >>> model(ag.ones(4, 3)).sum().backward()
    >>> sorted(model.state_dict())
    ['module.bias', 'module.weight']
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                 broadcast_buffers: bool = True, process_group: Any = None, bucket_cap_mb: float = 25,
                 find_unused_parameters: bool = False, gradient_as_bucket_view: bool = False,
                 static_graph: bool = False):
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DistributedDataParallel(): module must be a Module, got {type(module).__name__}")
        self.module = module
        self.broadcast_buffers = broadcast_buffers
        self._size = max(1, int(bucket_cap_mb * 2**20))
        self._synchronises = True
        self._waiting: set[Leaf] = set()
        self._buckets: Buckets | None = None
        group = current()
        self._group = None if group is None or group.size == 1 else group.by_rank()
        if self._group is not None:
            own = [(name, tuple(value.shape), str(value.dtype)) for name, value in module.state_dict().items()]
            if any(other != own for other in self._group.gather_objects(own, "the parameters of a replica")):
                raise RuntimeError("DistributedDataParallel(): the ranks have models with different parameters")
            self._spread([value.array for value in module.state_dict().values()], self._group)
            _replicas.add(self)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model."""
        if self._group is not None and self.training and self.broadcast_buffers and self._synchronises:
            self._spread([buffer.array for buffer in self.module.buffers()], self._group)
        return self.module(*args, **kwargs)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Let gradients of backward passes in this block add up on each rank; the next one averages them."""
        before, self._synchronises = self._synchronises, False
        try:
            yield
        finally:
            self._synchronises = before

    def _spread(self, arrays: list[np.ndarray], group: Group) -> None:
        """Give arrays the values that they have on rank 0."""
        if not arrays:
            return
        packed = np.concatenate([np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays])
        packed = group.broadcast(packed)
        begin = 0
        for array in arrays:
            values = packed[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
            begin += array.nbytes
            if group.rank:
                np.copyto(array, values)
                mark_changed(array)

    # ------------------------------------------------------------------------------------ the backward pass

    def _begin(self, roots: list[Node]) -> None:
        """Find which parameters a backward pass reaches, and prepare to average them."""
        self._buckets, self._waiting = None, set()
        if not self._synchronises or self._group is None:
            return
        leaves = list(dict.fromkeys(p.node for p in self.module.parameters() if isinstance(p.node, Leaf)))[::-1]
        own, seen, stack = set(leaves), set(roots), list(roots)
        while stack:
            node = stack.pop()
            if isinstance(node, Leaf) and node in own:
                self._waiting.add(node)
            for parent in node.parents:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        if self._waiting:
            self._group.place = "a backward pass"
            self._buckets = Buckets(self._group, leaves, self._size)
            self._buckets.shard = self._group.rank
            self._buckets.ending.add(self._group.rank)
            for leaf in leaves:
                if leaf not in self._waiting and leaf.grad is not None:
                    self._buckets.final(leaf)

    def _final(self, leaf: Any) -> None:
        """Send a gradient on its way; with the last one, wait for all averages."""
        buckets, group = self._buckets, self._group
        if buckets is None or group is None or leaf not in self._waiting:
            return
        buckets.final(leaf)
        self._waiting.discard(leaf)
        if self._waiting:
            return
        self._buckets = None
        buckets.finish(group.rank)
        used = group.share(buckets.used, "used parameters")
        group.finish(*buckets.sent, used)
        for node, gradient, anywhere in zip(buckets.leaves, buckets.results(1 / group.size), used.result.any(axis=0)):
            node.grad = gradient if anywhere else None


class _Backward(Observer):
    """Tells all replicas of backward passes."""

    def hears(self) -> bool:
        return bool(_replicas)

    def backward_begins(self, roots: list[Any]) -> None:
        for replica in [*_replicas]:
            replica._begin(roots)

    def gradient_final(self, leaf: Any, before: Any, total: Any) -> None:
        for replica in [*_replicas]:
            replica._final(leaf)


_replicas: weakref.WeakSet[DistributedDataParallel] = weakref.WeakSet()
observe(_Backward())
