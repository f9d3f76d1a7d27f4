"""How kernels are compiled, cached and threaded: the one place that says so, and why.

Two decorators, both lazy (nothing is compiled at import):

- ``@jit``: a serial function that other kernels call (or inline).
- ``@chunked``: an entry point called from Python, written as one chunk of the work,
  ``body(t, threads, ...)`` for chunk ``t`` of ``threads``. It is called without ``t``, as
  ``name(threads, ...)``. Each chunk writes only what it owns, so that the result has the same bits for
  any number of threads. One build serves all numbers of threads: with one chunk the body is called
  directly, no parallel region is opened and no lock is taken; with more, Numba's thread pool calls it.
  (``njit(parallel=True)`` would need a second build, which takes longer to compile than the first.)

Threads
    Parallel kernels run in Numba's own pool, one at a time: the workqueue layer aborts the process
    when two Python threads enter it at once, and two OpenMP teams would only fight for the cores.
    A forked child runs the serial builds, because GNU OpenMP does not survive a fork.
    Threads that wait for each other sleep after some microseconds. By GNU OpenMP's default they spin, which takes the
    processor from the very thread that they wait for as soon as another process wants it too: on two cores, one
    busy process can make a step of 2 ms take 100. ``GOMP_SPINCOUNT`` and ``OMP_WAIT_POLICY`` are obeyed where set.

Cache
    Numba's cache notices an edit in the file that holds a kernel, but not in another file that the kernel
    calls. So kernels are cached in a folder of their own, named after a hash of all kernel sources, the
    versions of the compilers, the processor and the options; nothing in it can be stale. The folder is the first
    that can be written of ``$NUMBA_CACHE_DIR``, the user's cache folder (``$XDG_CACHE_HOME`` or its like) and a
    private one among the temporary files; where none can, kernels are compiled anew in each process.

Environment
    ``AUTOGRAD_NN_VERBOSE=1`` prints each kernel as it is compiled; ``AUTOGRAD_NN_BOUNDSCHECK=1`` compiles
    kernels that check each index (slow, for tests); ``NUMBA_DISABLE_JIT=1`` runs them as plain Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

import llvmlite
import llvmlite.binding
import numba
from llvmlite import ir
from numba import extending, types
from numba.core import caching, cgutils, event, targetconfig
from numba.misc.appdirs import AppDirs
from numba.np.ufunc.parallel import _launch_threads

from .annotations import Builder, Context, Signature, Type, Typed, Value, Values
from .linking import compile_body, helper, njit

__all__ = [
    "JIT_DISABLED",
    "cache_folder",
    "chunked",
    "compile_hooks",
    "get_num_threads",
    "intrinsic",
    "jit",
    "or_twin",
    "set_num_threads",
    "threads_for",
]

config: Any = numba.config
JIT_DISABLED = bool(config.DISABLE_JIT)
BOUNDSCHECK = os.environ.get("AUTOGRAD_NN_BOUNDSCHECK", "0") not in ("", "0")
VERBOSE = os.environ.get("AUTOGRAD_NN_VERBOSE", "0") not in ("", "0")
SERIAL_BELOW = 64_000  # elements of light work that one thread does before a second one pays: waking it takes 30 us
KEPT = 10  # versions of the kernels whose machine code stays in the cache
SPIN_COUNT = "2000"  # turns of GNU OpenMP's waiting loop before a thread sleeps
PATIENCE = 1.0  # seconds of compilation after which the user is told about it

# `contract` lets LLVM fuse a*b+c; `nnan` and `ninf` are never set: NaN and infinity must travel.
OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True, "boundscheck": BOUNDSCHECK}

Function = TypeVar("Function", bound=Callable[..., Any])
Arguments = TypeVarTuple("Arguments")

# ------------------------------------------------------------------------------------------- intrinsics


def intrinsic(*, prefer_literal: bool = False) -> Callable[[Callable[..., Typed]], Any]:
    """Return Numba's decorator of this name, for functions of kernels that are written as LLVM instructions.

    Parameters
    ----------
    prefer_literal : bool
        Let the types of constants tell their values.
    """
    return extending.intrinsic(prefer_literal=prefer_literal)


def or_twin(instructions: Any, twin: Function) -> Function:
    """Return an intrinsic, or its twin in Python where the compiler is switched off."""
    return twin if JIT_DISABLED else instructions


# ---------------------------------------------------------------------------------------------- threads

_WORKERS: int = config.NUMBA_NUM_THREADS
_threads = _WORKERS
_launch = threading.RLock()
_forked = False


def get_num_threads() -> int:
    """Return the number of threads that kernels use."""
    return _threads


def set_num_threads(count: int) -> None:
    """Set the number of threads that kernels use.

    More threads than processors are allowed (the chunks then share the processors); results have the same
    bits for every number.
    """
    global _threads
    if count < 1:
        raise ValueError(f"set_num_threads(): count must be at least 1 (count={count})")
    _threads = int(count)


def threads_for(work: int) -> int:
    """Return how many threads pay for `work` element operations."""
    return 1 if work < SERIAL_BELOW else _threads


def _run_serially_in_forked_child() -> None:
    global _forked, _launch
    _forked = True
    _launch = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_serially_in_forked_child)


# Compiled code finds the pool's entry point, filled in when the pool is started, behind this symbol.
_POOL_SYMBOL = "autograd_nn_parallel_for"
_pool = ctypes.c_void_p()
llvmlite.binding.add_symbol(_POOL_SYMBOL, ctypes.addressof(_pool))


def _start_pool() -> None:
    """Start Numba's pool; GNU OpenMP reads how long to spin when it is loaded, and only then."""
    ours = not os.environ.keys() & {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    if ours:
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
    try:
        _launch_threads()
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]
    _pool.value = llvmlite.binding.address_of_symbol("numba_parallel_for")


@intrinsic()
def _run_chunks(typing_context: Any, body: Type, threads: Type, workers: Type, arguments: Type) -> Typed:
    """Call ``body(t, threads, *arguments)`` for t in range(threads): here, or with `workers` > 1 in the pool.

    The pool is the one of Numba's parallel loops. Its C interface takes a function of a generalised ufunc
    (array pointers, dimensions, steps, data) and calls it with ``pointer + index * step`` for each index. The
    function emitted here gets a null pointer with step 1, which arrives as the chunk's number, and finds
    the arguments behind `data`, in the caller's frame.
    """
    chunk_signature = types.none(types.int64, types.int64, *arguments.types)

    def codegen(context: Context, builder: Builder, signature: Signature, values: Values) -> Value:
        _, threads, workers, packed = values
        int32, int64, byte = ir.IntType(32), ir.IntType(64), ir.IntType(8)
        pointer, words = byte.as_pointer(), int64.as_pointer()
        zero, one = int64(0), int64(1)
        flags = targetconfig.ConfigStack.top_or_none().copy()
        compiled = compile_body(context, body.dispatcher.py_func, chunk_signature, flags)

        def call_body(builder: Builder, t: Value, threads: Value, packed: Value) -> Any:
            unpacked = cgutils.unpack_tuple(builder, packed, len(arguments.types))
            return context.call_internal_no_propagate(
                builder, compiled.fndesc, chunk_signature, [t, threads, *unpacked]
            )[0]

        data_type = ir.LiteralStructType([int64, packed.type])
        chunk_type = ir.FunctionType(ir.VoidType(), [pointer.as_pointer(), words, words, pointer])
        chunk = ir.Function(builder.module, chunk_type, builder.module.get_unique_name("chunk"))
        chunk.linkage = "internal"
        inner = ir.IRBuilder(chunk.append_basic_block())
        pointers, dimensions, _, data = chunk.args
        data = inner.load(inner.bitcast(data, data_type.as_pointer()))
        first = inner.ptrtoint(inner.load(pointers), int64)
        with cgutils.for_range(inner, inner.load(dimensions)) as loop:
            call_body(inner, inner.add(first, loop.index), inner.extract_value(data, 0), inner.extract_value(data, 1))
        inner.ret_void()

        with builder.if_else(builder.icmp_signed("==", workers, one)) as (here, in_pool):
            with here, cgutils.for_range(builder, threads) as loop:
                status = call_body(builder, loop.index, threads, packed)
                with cgutils.if_unlikely(builder, status.is_error):
                    context.call_conv.return_status_propagate(builder, status)
            with in_pool:
                data = cgutils.alloca_once(builder, data_type)
                builder.store(threads, cgutils.gep_inbounds(builder, data, 0, 0))
                builder.store(packed, cgutils.gep_inbounds(builder, data, 0, 1))
                pool_type = ir.FunctionType(ir.VoidType(), [pointer] * 5 + [int64, int64, int32])
                pool = cgutils.add_global_variable(builder.module, int64, _POOL_SYMBOL)
                pool.linkage = "external"
                builder.call(
                    builder.inttoptr(builder.load(pool), pool_type.as_pointer()),
                    [
                        builder.bitcast(chunk, pointer),
                        builder.bitcast(cgutils.alloca_once_value(builder, pointer(None)), pointer),
                        builder.bitcast(cgutils.alloca_once_value(builder, threads), pointer),
                        builder.bitcast(cgutils.alloca_once_value(builder, one), pointer),
                        builder.bitcast(data, pointer),
                        *(zero, one, builder.trunc(workers, int32)),
                    ],
                )
        return context.get_dummy_value()

    return types.none(body, threads, workers, arguments), codegen


# ------------------------------------------------------------------------------------------------ cache


def _fingerprint() -> str:
    """Return a name for everything that compiled kernels depend on."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    processor = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    override = config.CPU_NAME, config.CPU_FEATURES, config.OPT
    digest.update(repr((sys.version_info[:2], numba.__version__, llvmlite.__version__)).encode())
    digest.update(repr((processor, tuple(map(str, override)), BOUNDSCHECK)).encode())
    return digest.hexdigest()[:20]


def _candidate_folders() -> Iterator[str]:
    if config.CACHE_DIR:
        yield os.path.join(config.CACHE_DIR, "autograd_nn")
    users = AppDirs(appname="autograd_nn", appauthor=False).user_cache_dir
    if os.path.isabs(users):  # an empty or relative $XDG_CACHE_HOME is to be ignored
        yield users
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    yield os.path.join(tempfile.gettempdir(), f"autograd_nn-{owner}")


def _is_private(folder: str) -> bool:
    """Return whether nobody else could have put machine code there."""
    if not hasattr(os, "getuid"):
        return True
    status = os.stat(folder)
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & 0o002


def _forget_old(parent: str) -> None:
    """Keep the `KEPT` folders used last: each edit of a kernel leaves one behind."""
    folders = [path for path in pathlib.Path(parent).iterdir() if re.fullmatch("[0-9a-f]{20}", path.name)]
    for path in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def _writable_folder() -> str | None:
    name = _fingerprint()
    for parent in _candidate_folders():
        folder = os.path.join(parent, name)
        try:
            os.makedirs(parent, mode=0o700, exist_ok=True)
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if _is_private(parent) and _is_private(folder):
                tempfile.TemporaryFile(dir=folder).close()
                os.utime(folder)
                with contextlib.suppress(OSError):  # another process may be at it
                    _forget_old(parent)
                return folder
        except OSError:
            continue
    return None


cache_folder: str | None = None if JIT_DISABLED else _writable_folder()


class _Locator(caching._CacheLocator):
    """Where a build is cached: the folder's name already tells all that could make it stale."""

    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._disambiguator = f"{function.__code__.co_firstlineno}-{build}"

    def get_cache_path(self) -> str | None:
        return cache_folder

    def get_source_stamp(self) -> str:
        return ""

    def get_disambiguator(self) -> str:
        return self._disambiguator


class _Entry(caching.CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._locator = _Locator(function, build)
        module = function.__module__.rpartition(".")[2]
        self._filename_base = self.get_filename_base(f"{module}.{function.__qualname__}", sys.abiflags)


class _Cache(caching.FunctionCache):
    """The disk cache of one build; a file that cannot be read or written means compiling, never failing."""

    _impl_class: Any

    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._impl_class = lambda function: _Entry(function, build)
        super().__init__(function)

    def load_overload(self, sig: Signature, target_context: Context) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Signature, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:
            self.disable()


def _build(function: Callable[..., Any], named_after: Callable[..., Any], **options: Any) -> Any:
    """Compile an entry point, and keep it in the cache under the name of another function."""
    dispatcher = njit(no_cfunc_wrapper=True, **(OPTIONS | options))(function)
    if cache_folder is not None:
        dispatcher._cache = _Cache(named_after, "chunked")
    return dispatcher


# ------------------------------------------------------------------------------------------- decorators


@overload
def jit(function: Function) -> Function: ...


@overload
def jit(
    *, inline: bool = False, reassociate: bool = False, borrows: bool = False
) -> Callable[[Function], Function]: ...


def jit(function: Any = None, *, inline: bool = False, reassociate: bool = False, borrows: bool = False) -> Any:
    """Compile a serial helper of kernels, on first use.

    Parameters
    ----------
    inline : bool
        Inline every call, so that constants in the call's arguments specialise the loops inside.
    reassociate : bool
        Let LLVM split a sum over vector lanes. Only for helpers that sum a run of their own: the order is
        then fixed by the length of the run.
    borrows : bool
        Leave all counting of references to the caller, which holds the arrays. Numba counts with calls and locked
        instructions around every use that it cannot follow, hundreds of cycles around each register tile. The
        helper cannot create arrays, only slice those that it is given.
    """
    if function is None:
        return partial(jit, inline=inline, reassociate=reassociate, borrows=borrows)
    fastmath = OPTIONS["fastmath"] | ({"reassoc"} if reassociate else set())
    return helper(function, **OPTIONS | {"fastmath": fastmath, "forceinline": inline, "_nrt": not borrows})


def _entry_point(body: Any) -> Callable[..., None]:
    """Return the function that runs all chunks of `body`.

    Numba's own cache never recognises such a closure in another process; `_Cache` knows it as the body.
    """
    run = _run_chunks

    def entry(threads: int, workers: int, *arguments: Any) -> None:
        run(body, threads, workers, arguments)

    entry.__name__, entry.__module__ = body.py_func.__name__, body.py_func.__module__
    return entry


@overload
def chunked(function: Callable[[int, int, *Arguments], None]) -> Chunked[*Arguments]: ...


@overload
def chunked(*, contract: bool) -> Callable[[Callable[[int, int, *Arguments], None]], Chunked[*Arguments]]: ...


def chunked(function: Any = None, *, contract: bool = True) -> Any:
    """Compile an entry point given as ``body(t, threads, ...)``, one chunk of its work, on first use.

    Parameters
    ----------
    contract : bool
        Let LLVM fuse multiplications with additions. Without it each operation is rounded on its own, wherever
        in its vectorized loop an element falls.
    """
    if function is None:
        return lambda function: Chunked(function, contract)
    return Chunked(function, contract)


class Chunked(Generic[*Arguments]):
    """An entry point: call it as ``name(threads, ...)``."""

    def __init__(self, function: Callable[[int, int, *Arguments], None], contract: bool) -> None:
        self.python = function
        self.fastmath = OPTIONS["fastmath"] if contract else False
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    @cached_property
    def build(self) -> Callable[..., None]:
        """The build for all numbers of threads, ``build(threads, workers, ...)``."""
        if JIT_DISABLED:
            return self._interpret
        body = numba.njit(**OPTIONS | {"fastmath": self.fastmath})(self.python)
        entry: Callable[..., None] = _build(_entry_point(body), self.python, fastmath=self.fastmath)
        return entry

    def _interpret(self, threads: int, workers: int, *arguments: *Arguments) -> None:
        for t in range(threads):
            self.python(t, threads, *arguments)

    def __call__(self, threads: int, *arguments: *Arguments) -> None:
        if threads == 1 or _forked or BOUNDSCHECK:
            self.build(threads, 1, *arguments)
            return
        with _launch:
            if _pool.value is None:
                _start_pool()
            self.build(threads, threads if threads < _WORKERS else _WORKERS, *arguments)


# --------------------------------------------------------------------------------------------- progress

compile_hooks: list[Callable[[str, float], None]] = []
"""Called as ``hook(name, seconds)`` after a kernel was compiled (not when it came from the cache)."""


class _Progress(event.Listener):
    """Tells the user once that kernels are being compiled, when that takes longer than `PATIENCE`."""

    def __init__(self) -> None:
        self.depth = 0  # a helper is compiled while its kernel is
        self.started = 0.0
        self.spent = 0.0
        self.told = VERBOSE
        self.timer: threading.Timer | None = None

    def on_start(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        if not function.__module__.startswith("autograd_nn."):
            return
        self.depth += 1
        if self.depth > 1:
            return
        self.started = time.perf_counter()
        if not self.told:
            wait = max(0.0, PATIENCE - self.spent)
            self.timer = threading.Timer(wait, self.tell, [function.__name__.lstrip("_")])
            self.timer.daemon = True
            self.timer.start()

    def on_end(self, event: event.Event) -> None:
        function = event.data["dispatcher"].py_func
        if not function.__module__.startswith("autograd_nn."):
            return
        self.depth -= 1
        if self.depth:
            return
        if self.timer is not None:
            self.timer.cancel()
        seconds = time.perf_counter() - self.started
        self.spent += seconds
        name = f"{function.__module__.removeprefix('autograd_nn.kernels.')}.{function.__name__}"
        if VERBOSE:
            _print(f"autograd_nn: compiled {name} in {seconds:.2f} s")
        for hook in compile_hooks:
            hook(name, seconds)

    def tell(self, name: str) -> None:
        if not self.told:
            self.told = True
            where = f"kept in {cache_folder}" if cache_folder else "no cache folder can be written"
            _print(f"autograd_nn: compiling kernels for this processor, once: {name}, ... ({where})")


def _print(message: str) -> None:
    if sys.stderr is not None:
        print(message, file=sys.stderr, flush=True)


if not JIT_DISABLED:
    event.register("numba:compile", _Progress())
