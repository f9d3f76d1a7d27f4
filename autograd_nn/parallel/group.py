"""The ranks of a job, how they wait for each other, and what becomes of the job if one of them fails.

This file alone imports mpi4py. A job is what ``mpiexec -n N python train.py`` starts; one process without mpiexec is a
job of one rank, and needs no MPI.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import pathlib
import platform
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

import llvmlite.binding
import numba
import numpy as np

from ..kernels.compile import cache_folder, get_num_threads, set_num_threads
from ..ops.random import default_generator
from ..typing import Array
from .tree import Exchange, Merge, Place, Protocol, Tree, gathered, push, root

__all__ = ["Group", "Running", "barrier", "current", "finalize", "init", "joined", "launched_ranks", "rank", "size"]

_LAUNCHED = any(name in os.environ for name in (  # what starters of MPI jobs set
    "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"))
_SPIN, _NAP, _LOOK = 2e-4, 5e-5, 0.2  # seconds: of asking without pauses, of a pause, between looks for lost ranks
_TAGS = 5000  # how many exchanges of a kind have tags of their own
_LEFT, _SMALL, _LONG = 1, 2, 2 + _TAGS  # tags: of goodbyes, and from where on those of small and long messages are


class Group:
    """The ranks of a job, and the shards that they divide each batch into.

    `init` makes it.

    Parameters
    ----------
    shards : int
    exact : bool
    patience : float
    batch_norm : {'tree', 'shard'}
    communicator : object, optional
        Of mpi4py; none for a job of one rank.

    Attributes
    ----------
    rank, size : int
    tree : Tree
    mine : range
        The shards of this rank.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> group = parallel.Group(shards=4)
    >>> group.rank, group.size, group.mine
    (0, 1, range(0, 4))
    """

    def __init__(self, shards: int = 8, exact: bool = True, patience: float = 300.0, batch_norm: str = "tree",
                 communicator: Any = None):
        self.communicator = communicator
        self.rank: int = 0 if communicator is None else communicator.rank
        self.size: int = 1 if communicator is None else communicator.size
        self.exact, self.patience, self.batch_norm = exact, patience, batch_norm
        self.tree = Tree(shards if exact else self.size, self.size)
        self.mine = self.tree.held(self.rank)
        self.place = "the start"  # what this rank is at, for messages
        self.interrupted = False

    @property
    def shards(self) -> int:
        """Into how many shards each batch is divided."""
        return self.tree.shards

    def by_rank(self) -> Group:
        """Return a group of the same ranks that has one shard a rank, summed along a tree over the ranks."""
        group = Group(self.size, True, self.patience, "tree", self.communicator)
        group.place = self.place
        return group

    def __repr__(self) -> str:
        kind = "exact" if self.exact else "not exact"
        return f"Group(rank {self.rank} of {self.size}, {self.shards} shards, {kind})"

    # ------------------------------------------------------------------------------------ waiting

    def start(self, protocol: Protocol, what: str) -> Running:
        """Begin an exchange of at most two rounds; all ranks begin the same ones in the same order."""
        _job.long = (_job.long + 1) % _TAGS
        return Running(self, protocol, what, _LONG + 2 * _job.long)

    def start_plain_sum(self, values: Array, what: str) -> Running:
        """Begin to sum over the ranks as MPI likes, in place."""
        return _PlainSum(self, values, what)

    def finish(self, *running: Running) -> None:
        """Wait until exchanges are done: for a moment at full speed, then with pauses that leave the processor free."""
        begun = time.perf_counter()
        looked = begun
        while True:
            open_ = [each for each in running if not each.poke()]
            if not open_:
                return
            now = time.perf_counter()
            if now - begun > _SPIN:
                time.sleep(_NAP if now - begun < 0.1 else 20 * _NAP)
            if now - looked > _LOOK:
                looked = now
                self._look_for_ranks_that_left(open_[0])
                if now - begun > self.patience:
                    raise RuntimeError(
                        f"rank {self.rank} has waited {self.patience:g} s at {self.place} for {open_[0].what} from "
                        f"{_ranks(open_[0].missing())}; are they at work on something else, or stuck? "
                        "(init(patience=...) waits longer)")

    def _look_for_ranks_that_left(self, running: Running) -> None:
        for other in range(self.size):
            if other != self.rank and self.communicator.Iprobe(other, _LEFT):
                raise RuntimeError(f"rank {other} has ended, and rank {self.rank} waits for it at {self.place} "
                                   f"({running.what}); did it leave the loop early, or run out of data?")

    # ------------------------------------------------------------------------------------ small messages

    def share(self, values: Array, what: str) -> Running:
        """Begin to send a small array to all ranks; ``result`` of what is returned will be those of all of them."""
        _job.small = (_job.small + 1) % _TAGS
        return Running(self, _checked(self, values, what), what, _SMALL + _job.small)

    def gather(self, values: Array, what: str) -> Array:
        """Return the small arrays of all ranks: (ranks, \\*shape)."""
        running = self.share(np.ascontiguousarray(values), what)
        self.finish(running)
        result: Array = running.result
        return result

    def fold(self, nodes: dict[Place, Any], merge: Merge, what: str) -> Any:
        """Return the root of the tree over small arrays, of which each rank has its subtrees."""
        if self.size == 1:
            return root(nodes, merge)
        first = next(iter(nodes.values()))
        packed = np.zeros((max(map(len, self.tree.owned)), *first.shape), first.dtype)
        for i, place in enumerate(self.tree.owned[self.rank]):
            packed[i] = nodes[place]
        merged: dict[Place, Any] = {}
        for owned, values in zip(self.tree.owned, self.gather(packed, what)):
            for place, value in zip(owned, values):
                push(merged, place, value.copy(), merge)
        return root(merged, merge)

    def gather_objects(self, value: Any, what: str) -> list[Any]:
        """Return an object of each rank, of plain data."""
        if self.size == 1:
            return [value]
        self.gather(np.zeros(1), what)  # politely, and checked: all are here
        objects: list[Any] = self.communicator.allgather(value)
        return objects

    def barrier(self, what: str = "a barrier") -> None:
        """Wait until all ranks have come here."""
        if self.size > 1:
            self.gather(np.zeros(1), what)

    def broadcast(self, array: Array, source: int = 0) -> Array:
        """Return the array of one rank, on all ranks."""
        if self.size == 1:
            return array
        received = np.array(array, order="C")

        def protocol() -> Protocol:
            if self.rank == source:
                yield Exchange({r: received for r in range(self.size) if r != source}, {})
            else:
                yield Exchange({}, {source: received})

        self.finish(self.start(protocol(), "a broadcast"))
        return received

    # ------------------------------------------------------------------------------------ interrupts

    @contextlib.contextmanager
    def interrupts_together(self) -> Iterator[None]:
        """Let Ctrl-C only set `interrupted`, so that all ranks can stop after the same step."""
        self.interrupted = False
        if self.size == 1:
            yield
            return

        first = 0.0

        def note(number: int, frame: FrameType | None) -> None:
            nonlocal first
            if self.interrupted and time.monotonic() - first > 2:  # mpiexec may pass on what came by itself, too
                raise KeyboardInterrupt
            self.interrupted, first = True, first or time.monotonic()

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not the main thread, which alone hears of signals
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class Running:
    """An exchange under way.

    Attributes
    ----------
    done : bool
    result : object
        What the protocol returned.
    """

    def __init__(self, group: Group, protocol: Protocol, what: str, tag: int):
        self.group, self.protocol, self.what, self.tag = group, protocol, what, tag
        self.requests: list[Any] = []
        self.sources: list[int] = []
        self.kept: Any = None
        self.done = False
        self.result: Any = None
        self._advance()

    def _advance(self) -> None:
        try:
            exchange = next(self.protocol)
        except StopIteration as end:
            self.done, self.result, self.kept = True, end.value, None
            return
        communicator = self.group.communicator
        self.sources = list(exchange.receives)
        self.requests = [communicator.Irecv(_bytes(array), r, self.tag) for r, array in exchange.receives.items()]
        sends = {r: np.ascontiguousarray(array) for r, array in exchange.sends.items()}
        self.requests += [communicator.Isend(_bytes(array), r, self.tag) for r, array in sends.items()]
        self.kept = exchange, sends  # until they are done
        self.tag += 1 if self.tag >= _LONG else 0

    def poke(self) -> bool:
        """Take the exchange on as far as it goes without waiting; return whether it is done."""
        while not self.done:
            try:
                if not _mpi().Request.Testall(self.requests):
                    return False
            except _mpi().Exception as error:
                raise RuntimeError(f"rank {self.group.rank} at {self.group.place}: {self.what} of another rank has "
                                   f"another size ({error}); do all ranks run the same program?") from None
            self._advance()
        return True

    def missing(self) -> list[int]:
        """Return the ranks of which something is still to come."""
        still = [r for r, request in zip(self.sources, self.requests) if request and not request.Test()]
        return still or sorted(self.kept[0].sends) if self.kept else []


class _PlainSum(Running):
    """A sum by MPI, with bits that depend on the number of ranks."""

    def __init__(self, group: Group, values: Array, what: str):
        self.group, self.what, self.done = group, what, False
        self.result: Any = values
        self.requests = [group.communicator.Iallreduce(_mpi().IN_PLACE, values)]

    def poke(self) -> bool:
        self.done = self.done or bool(_mpi().Request.Testall(self.requests))
        return self.done

    def missing(self) -> list[int]:
        return [r for r in range(self.group.size) if r != self.group.rank]


def _bytes(array: Array) -> Any:
    return [array.view(np.uint8).reshape(-1) if array.ndim else array.reshape(1).view(np.uint8), _mpi().BYTE]


def _checked(group: Group, values: Array, what: str) -> Protocol:
    """Share small arrays with the name of what they are for, and raise where ranks are at different places."""
    place = f"{what}, {group.place}".encode()[:96]
    head = np.frombuffer(place.ljust(96, b"\0"), np.uint8)
    packed = np.concatenate([head, np.ascontiguousarray(values).view(np.uint8).reshape(-1)])
    everything = yield from gathered(packed, group.rank, group.size)
    heads = {r: everything[r, :96].tobytes().rstrip(b"\0").decode(errors="replace") for r in range(group.size)}
    if len(set(heads.values())) > 1:
        raise RuntimeError("ranks are at different places: " + "; ".join(f"rank {r}: {h}" for r, h in heads.items())
                           + " (other numbers of batches, or another program?)")
    return everything[:, 96:].copy().view(values.dtype).reshape(group.size, *values.shape)


def _ranks(ranks: list[int]) -> str:
    return ("rank " if len(ranks) == 1 else "ranks ") + ", ".join(map(str, ranks))


# ------------------------------------------------------------------------------------ the job


class _Job:
    """What there is once in a process."""

    group: Group | None = None
    communicator: Any = None
    mpi: Any = None
    ended = False
    small = long = 0  # exchanges begun


_job = _Job()


def _mpi() -> Any:
    """Return the module ``mpi4py.MPI``, with which MPI starts."""
    if _job.mpi is None:
        try:
            _job.mpi = importlib.import_module("mpi4py.MPI")
        except ImportError as error:
            raise ImportError("a job of several processes needs mpi4py and an MPI: "
                              f"pip install 'autograd_nn[distributed]' ({error})") from error
    return _job.mpi


def _launched() -> bool:
    """Return whether an MPI job was started, so far as it can be known without starting MPI."""
    return _LAUNCHED or "mpi4py.MPI" in sys.modules


def init(shards: int = 8, exact: bool = True, patience: float = 300.0, batch_norm: str = "tree") -> Group:
    """Join the ranks of the job; without mpiexec, be a job of one rank.

    Call it once, at the start and with the same settings on all ranks, before the model is made: all ranks then draw
    the same random numbers as rank 0. Each rank gets its share of the machine's processors as threads.

    Parameters
    ----------
    shards : int
        Into how many parts each batch is cut, whatever the number of ranks is: a power of two, at least the number of
        ranks. It belongs to the run as the batch size does; another number gives other bits.
    exact : bool
        Without it each rank has one shard and MPI adds as it likes: a little faster, with other bits for each number of
        ranks.
    patience : float
        Seconds to wait for another rank before the job ends with an error.
    batch_norm : {'tree', 'shard'}
        Whether batch norm takes its statistics over the whole batch, or over each shard, without messages.

    Returns
    -------
    Group

    Raises
    ------
    ValueError
        More ranks than shards, or a number of shards that is no power of two.
    RuntimeError
        Ranks with other processors or versions, in exact mode.
    ImportError
        A job of several ranks without mpi4py.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> parallel.init(shards=4)
    Group(rank 0 of 1, 4 shards, exact)
    >>> parallel.rank(), parallel.size()
    (0, 1)
    >>> parallel.finalize()
    """
    if isinstance(shards, bool) or not isinstance(shards, int | np.integer):
        raise TypeError(f"init(): shards must be a whole number (shards={shards!r})")
    if shards < 1 or shards & (shards - 1):
        raise ValueError(f"init(): shards must be a power of two (shards={shards})")
    if not patience > 0:
        raise ValueError(f"init(): patience must be above 0 seconds (patience={patience})")
    if batch_norm not in ("tree", "shard"):
        raise ValueError(f"init(): batch_norm must be 'tree' or 'shard' (batch_norm={batch_norm!r})")
    communicator = _join() if _launched() else None
    ranks = 1 if communicator is None else communicator.size
    if exact and ranks > shards:
        enough = 1 << (ranks - 1).bit_length()
        raise ValueError(f"init(): {shards} shards cannot be divided among {ranks} ranks; start at most {shards} "
                         f"ranks, or give shards={enough}, from the first step of the run on")
    _job.group = group = Group(int(shards), bool(exact), float(patience), batch_norm, communicator)
    if ranks > 1:
        _agree(group)
    elif _launched():
        print(f"autograd_nn: 1 rank, {shards} shards", file=sys.stderr, flush=True)
    return group


def _join() -> Any:
    """Return a communicator of our own over all ranks; None for a job of one."""
    if _job.communicator is None:
        mpi = _mpi()
        if mpi.COMM_WORLD.size == 1:
            return None
        _job.communicator = mpi.COMM_WORLD.Dup()
        _job.communicator.Set_errhandler(mpi.ERRORS_RETURN)
        sys.excepthook = _end_all()
        atexit.register(_leave, os.getpid())
        local = mpi.COMM_WORLD.Split_type(mpi.COMM_TYPE_SHARED)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        set_num_threads(max(1, min(get_num_threads(), cores // local.size)))
        local.Free()
    return _job.communicator


def _agree(group: Group) -> None:
    """Check that all ranks compute alike, give them the random numbers of rank 0, and say who is there."""
    settings = {"shards": group.shards, "exact": group.exact, "batch_norm": group.batch_norm}
    machine = {"processor": llvmlite.binding.get_host_cpu_name(), "machine": platform.machine(),
               "kernels": pathlib.Path(cache_folder or "unknown").name, "NumPy": np.__version__,
               "Numba": numba.__version__, "Python": platform.python_version()}
    everyone = group.gather_objects((settings, machine, default_generator.get_state(), get_num_threads()),
                                    "the settings of init")
    for i, what in enumerate(("init() was given", "the ranks have")):
        own = [each[i] for each in everyone]
        other = [name for name in own[0] if len({each[name] for each in own}) > 1]
        if other and (i == 0 or group.exact):
            told = "; ".join(f"rank {r}: " + ", ".join(f"{name} {each[name]}" for name in other)
                             for r, each in enumerate(own))
            hint = "" if i == 0 else " (init(exact=False) allows it, without the same bits)"
            raise RuntimeError(f"init(): {what} different settings: {told}{hint}")
    default_generator.set_state(everyone[0][2])
    if group.rank == 0:
        threads = sorted({each[3] for each in everyone})
        print(f"autograd_nn: {group.size} ranks, {group.shards} shards, "
              f"{' or '.join(map(str, threads))} thread{'s' * (threads[-1] > 1)} each", file=sys.stderr, flush=True)


def current() -> Group | None:
    """Return the group of this job; under mpiexec it is made, with the defaults of `init`, where it was not yet.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> parallel.current() is None
    True
    """
    if _LAUNCHED and _job.group is None and not _job.ended:
        return init()
    return _job.group


def joined() -> Group | None:
    """Return the group that `init` made, and None before it was called."""
    return _job.group


def launched_ranks() -> int:
    """Return how many processes were started."""
    communicator = _join() if _launched() else None
    return 1 if communicator is None else int(communicator.size)


def rank() -> int:
    """Return the number of this process among those of the job, from 0.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> parallel.rank()
    0
    """
    group = current()
    return 0 if group is None else group.rank


def size() -> int:
    """Return how many processes the job has.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> parallel.size()
    1
    """
    group = current()
    return 1 if group is None else group.size


def barrier() -> None:
    """Wait until all ranks have come here.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> parallel.barrier()
    """
    group = current()
    if group is not None:
        group.barrier()


def finalize() -> None:
    """Wait for all ranks, and leave the group: what follows runs in each process by itself.

    Examples
    --------
    >>> from autograd_nn import parallel
    >>> group = parallel.init()
    >>> parallel.finalize()
    """
    if _job.group is not None:
        _job.group.place = "the end"
        _job.group.barrier("finalize")
    _job.group, _job.ended = None, True


# ------------------------------------------------------------------------------------ failures


def _end_all() -> Any:
    """Return a hook for errors that nothing catches: it prints them, and ends the whole job."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stdout.flush()
        with contextlib.suppress(Exception):
            lines = traceback.format_exception(kind, error, trace)
            text = "".join(lines)
            name = f"[rank {_job.communicator.rank} of {_job.communicator.size}] "
            sys.stderr.write("".join(name + line for line in text.splitlines(keepends=True)))
            sys.stderr.flush()
            time.sleep(0.3)  # mpiexec passes on what ranks have written, and drops it as it ends them
        _job.mpi.COMM_WORLD.Abort(130 if issubclass(kind, KeyboardInterrupt) else 1)

    return hook


def _leave(process: int) -> None:
    """Say goodbye to all ranks as this one ends, and wait for theirs: a rank that waits for this one will see it."""
    if os.getpid() != process or _job.mpi.Is_finalized():
        return
    communicator = _job.communicator
    others = [r for r in range(communicator.size) if r != communicator.rank]
    goodbye = np.zeros(1, np.uint8)
    requests = [communicator.Isend([goodbye, _job.mpi.BYTE], r, _LEFT) for r in others]
    waiting = set(others)
    while waiting:
        for other in [*waiting]:
            if communicator.Iprobe(other, _LEFT):
                waiting.discard(other)
        time.sleep(1e-3)
    for other in others:
        communicator.Recv([np.zeros(1, np.uint8), _job.mpi.BYTE], other, _LEFT)
    with contextlib.suppress(Exception):
        _job.mpi.Request.Waitall(requests)
