"""What all processes do together with tensors: sums, copies, waiting. Sums follow a tree over the processes."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import no_grad
from ..ops.index import copy_into
from ..parallel.tree import reduced
from ..tensor import Tensor
from .process_group import the_group

__all__ = ["ReduceOp", "all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "broadcast_object_list",
           "reduce"]


class ReduceOp(enum.Enum):
    """How `all_reduce` puts the tensors of all processes together, element by element.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> import autograd_nn as ag
    >>> dist.init_process_group()
    >>> x = ag.tensor([1.0, 2.0])
    >>> dist.all_reduce(x, op=dist.ReduceOp.MAX)
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


_MERGES: dict[ReduceOp, Callable[..., np.ndarray]] = {
    ReduceOp.SUM: np.add, ReduceOp.AVG: np.add, ReduceOp.PRODUCT: np.multiply, ReduceOp.MIN: np.minimum,
    ReduceOp.MAX: np.maximum,
}


class Work:
    """What a call with ``async_op=True`` returns: it is done already."""

    def wait(self, timeout: Any = None) -> bool:
        """Return True."""
        return True

    def is_completed(self) -> bool:
        """Return True."""
        return True


def _tensor(function: str, tensor: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{function}(): tensor must be a Tensor, got {type(tensor).__name__}")
    return tensor


def barrier(group: Any = None, async_op: bool = False, device_ids: Any = None) -> Work | None:
    """Wait until all processes have come here.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> dist.barrier()
    >>> dist.destroy_process_group()
    """
    the_group("barrier", group).barrier()
    return Work() if async_op else None


@no_grad()
def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Put the tensors of all processes together, in place and on all of them.

    Parameters
    ----------
    tensor : Tensor
        Of the same shape and dtype everywhere.
    op : ReduceOp
    group : optional
        Only all processes.
    async_op : bool
        Whether to return something to wait for; it is done already.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> import autograd_nn as ag
    >>> dist.init_process_group()
    >>> x = ag.tensor([1.0, 2.0])
    >>> dist.all_reduce(x)
    >>> x / dist.get_world_size()
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = the_group("all_reduce", group)
    values = _tensor("all_reduce", tensor).array
    if op is ReduceOp.AVG and values.dtype.kind != "f":
        raise ValueError(f"all_reduce(): AVG needs a floating-point tensor (dtype={values.dtype})")
    if found.size > 1:
        merge = _MERGES[op]
        ranks = found.by_rank()
        running = ranks.start(reduced(ranks.tree, ranks.rank, {(0, ranks.rank): values.flatten()},
                                      lambda left, right: merge(left, right, out=left)), "a tensor of all_reduce")
        ranks.finish(running)
        total = running.result.reshape(values.shape)
        copy_into(tensor, Tensor(total / values.dtype.type(found.size) if op is ReduceOp.AVG else total))
    return Work() if async_op else None


def reduce(tensor: Tensor, dst: int = 0, op: ReduceOp = ReduceOp.SUM, group: Any = None,
           async_op: bool = False) -> Work | None:
    """Put the tensors of all processes together as `all_reduce` does; all of them get the result, not `dst` alone.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> import autograd_nn as ag
    >>> dist.init_process_group()
    >>> x = ag.tensor([1.0, 2.0])
    >>> dist.reduce(x, dst=0)
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    return all_reduce(tensor, op, group, async_op)


@no_grad()
def broadcast(tensor: Tensor, src: int = 0, group: Any = None, async_op: bool = False) -> Work | None:
    """Give a tensor, in place, the values that it has on one process.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> import autograd_nn as ag
    >>> dist.init_process_group()
    >>> x = ag.tensor([1.0, 2.0])
    >>> dist.broadcast(x, src=0)
    >>> x
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    found = the_group("broadcast", group)
    if not 0 <= src < found.size:
        raise ValueError(f"broadcast(): src must be a rank below {found.size} (src={src})")
    received = found.broadcast(_tensor("broadcast", tensor).array, src)
    if found.rank != src:
        copy_into(tensor, Tensor(received))
    return Work() if async_op else None


@no_grad()
def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Write the tensors of all processes into those of a list.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> import autograd_nn as ag
    >>> dist.init_process_group()
    >>> parts = [ag.zeros(2) for _ in range(dist.get_world_size())]
    >>> dist.all_gather(parts, ag.tensor([1.0, 2.0]))
    >>> parts
    [tensor([1., 2.])]
    >>> dist.destroy_process_group()
    """
    found = the_group("all_gather", group)
    values = _tensor("all_gather", tensor).array
    if len(tensor_list) != found.size:
        raise ValueError(f"all_gather(): tensor_list needs a tensor per process (len={len(tensor_list)}, "
                         f"world_size={found.size})")
    everyone = found.gather(values, "a tensor of all_gather") if found.size > 1 else values[None]
    for target, array in zip(tensor_list, everyone):
        copy_into(target, Tensor(array))
    return Work() if async_op else None


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Write an object of each process into a list; objects are pickled, between the processes of one job.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> names = [None] * dist.get_world_size()
    >>> dist.all_gather_object(names, "first")
    >>> names
    ['first']
    >>> dist.destroy_process_group()
    """
    found = the_group("all_gather_object", group)
    object_list[:] = found.gather_objects(obj, "an object of all_gather_object")


def broadcast_object_list(object_list: list[Any], src: int = 0, group: Any = None, device: Any = None) -> None:
    """Give a list the objects that it has on one process.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> names = ["first"]
    >>> dist.broadcast_object_list(names, src=0)
    >>> names
    ['first']
    >>> dist.destroy_process_group()
    """
    found = the_group("broadcast_object_list", group)
    object_list[:] = found.gather_objects(list(object_list), "the objects of broadcast_object_list")[src]
