"""The group of all processes: joining it, leaving it, and who is who in it."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from typing import Any

from ..parallel import Group, finalize, init
from ..parallel.group import joined, launched_ranks

__all__ = ["destroy_process_group", "get_backend", "get_rank", "get_world_size", "init_process_group", "is_available",
           "is_initialized", "is_mpi_available", "the_group"]

_PATIENCE = 300.0


def is_available() -> bool:
    """Return True: a job of one process needs nothing, one of several the extra ``distributed``.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.is_available()
    True
    """
    return True


def is_mpi_available() -> bool:
    """Return whether mpi4py is installed.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> isinstance(dist.is_mpi_available(), bool)
    True
    """
    return importlib.util.find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Return whether this process has joined a group.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.is_initialized()
    False
    """
    return joined() is not None


def init_process_group(backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
                       world_size: int = -1, rank: int = -1, store: Any = None, group_name: str = "",
                       pg_options: Any = None, device_id: Any = None) -> None:
    """Join the processes that mpiexec started; without it, be a group of one.

    Parameters
    ----------
    backend : {'mpi'}, optional
        Other backends of PyTorch are refused.
    timeout : timedelta, optional
        How long to wait for other processes, 5 minutes by default.
    world_size, rank : int, optional
        Those that mpiexec gives; others are refused.
    init_method, store, group_name, pg_options, device_id
        PyTorch's settings; accepted, and without meaning here.

    Raises
    ------
    ValueError
        Another backend, world size or rank.
    ImportError
        A job of several processes without mpi4py.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group("mpi")
    >>> dist.get_rank(), dist.get_world_size()
    (0, 1)
    >>> dist.destroy_process_group()
    """
    if backend not in (None, "mpi"):
        raise ValueError(f"init_process_group(): backend must be 'mpi' (backend={backend!r}); start the job with "
                         "mpiexec -n N python train.py")
    group = joined()
    if group is None:
        shards = max(8, 1 << (launched_ranks() - 1).bit_length())
        group = init(shards, patience=_PATIENCE if timeout is None else timeout.total_seconds())
    elif timeout is not None:
        group.patience = timeout.total_seconds()
    for name, given, own in (("world_size", world_size, group.size), ("rank", rank, group.rank)):
        if given not in (-1, own):
            finalize()
            raise ValueError(f"init_process_group(): {name} is {own} in this job ({name}={given}); mpiexec -n says how "
                             "many processes there are, and which is which")


def destroy_process_group(group: Any = None) -> None:
    """Wait for all processes, and leave the group.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> dist.destroy_process_group()
    >>> dist.is_initialized()
    False
    """
    the_group("destroy_process_group", group)
    finalize()


def the_group(function: str, group: Any = None) -> Group:
    """Return the group of all processes; raise if there is none yet, or another one is asked for."""
    own = joined()
    if own is None:
        raise RuntimeError(f"{function}(): there is no group yet; call init_process_group('mpi') first")
    if group is not None and group is not own:
        raise ValueError(f"{function}(): group must be None; there is one group, of all processes")
    return own


def get_rank(group: Any = None) -> int:
    """Return the number of this process, from 0.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> dist.get_rank()
    0
    >>> dist.destroy_process_group()
    """
    return the_group("get_rank", group).rank


def get_world_size(group: Any = None) -> int:
    """Return how many processes there are.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> dist.get_world_size()
    1
    >>> dist.destroy_process_group()
    """
    return the_group("get_world_size", group).size


def get_backend(group: Any = None) -> str:
    """Return 'mpi'.

    Examples
    --------
    >>> import autograd_nn.distributed as dist
    >>> dist.init_process_group()
    >>> dist.get_backend()
    'mpi'
    >>> dist.destroy_process_group()
    """
    the_group("get_backend", group)
    return "mpi"
