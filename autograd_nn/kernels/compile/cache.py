"""Compiled kernels are kept on disk, in folders named after all that they depend on: nothing in them can be stale.

One folder holds what one processor, one Numba and one state of `compile/` made. In it each module of kernels has a
folder, named after its source and the sources that it imports: an edit compiles again only what it can have changed.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import pathlib
import pickle
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import llvmlite.binding
from numba.core import caching, ccallback
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from ..annotations import Context, Signature
from . import shipped, target
from .linking import njit
from .options import BOUNDSCHECK, JIT_DISABLED, OPTIONS, config
from .resolving import remembering

try:
    import fcntl
except ImportError:  # Windows: processes may compile the same kernel at the same time
    fcntl = None  # type: ignore[assignment]

__all__ = ["before_compiling", "build", "build_callback", "cache_folder"]

LONGEST_WAIT = 60.0  # seconds for another process that compiles the same kernel
KEPT = 10  # versions of a module whose machine code stays in the cache
IMPORT = re.compile(r"^ *from (?:(\.+)|(?=autograd_nn\.kernels))([\w.]*) import +(\([^)]*\)|.*)", re.MULTILINE)
PACKAGE = __name__.removesuffix(".compile.cache")  # of the kernels
KERNELS = pathlib.Path(__file__).parents[1]


def _fingerprint() -> str:
    """Return a name for what all compiled kernels depend on."""
    processor = target.name(), sorted(target.features()), shipped.VECTOR_BYTES
    override = [str(setting) for setting in (config.CPU_NAME, config.CPU_FEATURES, config.OPT)]
    made_of = sorted(shipped.made_by().items()), processor, override, BOUNDSCHECK, shipped.identity()
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:20]


@cache
def _imports(source: pathlib.Path) -> frozenset[pathlib.Path]:
    """Return the files of kernels that one of them imports; all files of a package that it imports from."""
    found: set[pathlib.Path] = set()
    for level, module, names in IMPORT.findall(source.read_text(encoding="utf-8")):
        folder = source.parents[len(level) - 1] if level else KERNELS.parents[1]
        place = folder.joinpath(*module.split("."))
        members = names.strip(" ()\n").split(",") if not module else ()
        for path in [folder / name.split()[0] for name in members if name.strip()] or [place]:
            if KERNELS in (path, *path.parents):
                file = path.with_suffix(".py")
                found.update([file] if file.exists() else path.rglob("*.py"))
    return frozenset(found)


def _module_folder(module: str) -> str:
    """Return the name of the folder for the kernels of a module, say gemm; ``""`` stands for all modules."""
    if module:
        place = KERNELS.joinpath(*module.split("."))
        sources, new = set[pathlib.Path](), {place.with_suffix(".py") if not place.is_dir() else place / "__init__.py"}
        while new:
            sources |= new
            new = {path for source in new for path in _imports(source)} - sources
    else:
        sources = set(KERNELS.rglob("*.py"))
    return f"{module or 'all'}-{shipped.digest(sorted(sources), KERNELS).hexdigest()[:20]}"


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


def _forget_old(parent: str, module: str = "") -> None:
    """Keep the `KEPT` folders used last: each edit of a kernel leaves one behind."""
    name = re.escape(module) + "[0-9a-f]{20}"
    folders = [path for path in pathlib.Path(parent).iterdir() if re.fullmatch(name, path.name)]
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


_name_of_folder = cache(_module_folder)


@cache
def _folder(module: str) -> str:
    """Make the folder for the machine code of a module, and return its path, "" if none can be written."""
    if cache_folder is None:
        return ""
    name = _name_of_folder(module)
    folder = os.path.join(cache_folder, name)
    with contextlib.suppress(OSError):  # another process may be at it
        if os.path.isdir(folder):
            os.utime(folder)
        else:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _forget_old(cache_folder, name[:-20])
    return folder


class _Locator(caching._CacheLocator):
    """Where a build is cached: the folder's name already tells all that could make it stale."""

    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._disambiguator = f"{function.__code__.co_firstlineno}-{build}"
        module, ours = function.__module__.removeprefix(PACKAGE + "."), function.__module__.startswith(PACKAGE + ".")
        # a function with free variables may be made of functions of modules that its own does not import
        module = module if ours and not function.__closure__ else ""
        self._folder = _folder(module)
        self.shipped = _name_of_folder(module) if ours else ""
        self._stamp = ""
        if not ours:  # a test's: its file is not in the folder's name
            status = os.stat(function.__code__.co_filename)
            self._stamp = f"{status.st_mtime_ns}-{status.st_size}"

    def get_cache_path(self) -> str:
        return self._folder

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return self._disambiguator


class _Entry(caching.CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._locator = _Locator(function, build)
        module = function.__module__.removeprefix(PACKAGE + ".")
        self._filename_base = self.get_filename_base(f"{module}.{function.__qualname__}", sys.abiflags)
        self.shipped = self._locator.shipped and f"{self._locator.shipped}/{self._filename_base}"

    def reduce(self, data: Any) -> Any:
        """Return what is kept: of LLVM's code, by which Numba would link this kernel into others, only the names."""
        (name, kind, (machine_code, _)), *rest = super().reduce(data)
        return (name, kind, (machine_code, _names_alone(data.library._final_module))), *rest


def _names_alone(module: Any) -> bytes:
    """Return a module that defines the names of another one, which Numba looks up in it, and nothing else."""
    private = {llvmlite.binding.Linkage.private, llvmlite.binding.Linkage.internal}

    def names(values: Any) -> list[str]:
        return [value.name for value in values if not value.is_declaration and value.linkage not in private]

    lines = [f'define void @"{name}"() {{ unreachable }}' for name in names(module.functions)]
    lines += [f'@"{name}" = global i8 0' for name in names(module.global_variables)]
    bitcode: bytes = llvmlite.binding.parse_assembly("\n".join(lines)).as_bitcode()
    return bitcode


before_compiling: list[Callable[[], None]] = [shipped.tell]
"""Called when a kernel is not in the cache, before it is compiled."""


class _Cache(caching.FunctionCache):
    """The disk cache of one build, behind what came with the package.

    A file that cannot be read or written means compiling, never failing. From a search in vain until `release`, which
    follows compilation, other processes that search wait.
    """

    _impl_class: Any

    def __init__(self, function: Callable[..., Any], build: str) -> None:
        self._impl_class = lambda function: _Entry(function, build)
        super().__init__(function)
        self._lock: Any = None
        if cache_folder is None:
            self.disable()

    def load_overload(self, sig: Signature, target_context: Context) -> Any:
        found = self._find_shipped(sig, target_context) or self._find(sig, target_context)
        if found is None and cache_folder is not None:
            self._lock, waited = _locked(os.path.join(self._cache_path, f"{self._impl.filename_base}.lock"))
            found = self._find(sig, target_context) if waited else None
        if found is None:
            for call in before_compiling:
                call()
        elif shipped.collected is not None:
            self._collect(sig, target_context)
        return found

    def _shipped_as(self, sig: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the name of the machine code for a signature among what is shipped, and the types of arguments."""
        arguments = tuple(getattr(sig, "args", sig))
        return shipped.key(self._impl.shipped, arguments), arguments

    def _find_shipped(self, sig: Signature, target_context: Context) -> Any:
        name, arguments = self._shipped_as(sig)
        data = shipped.find(name)
        if data is None:
            return None
        try:
            made_for, kept = pickle.loads(data)
            if made_for != arguments:
                return None
            target_context.refresh()
            return self._impl.rebuild(target_context, kept)
        except Exception as error:
            shipped.refuse(f"{type(error).__name__}: {error}")
            return None

    def _find(self, sig: Signature, target_context: Context) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def _collect(self, sig: Signature, target_context: Context) -> None:
        """Note machine code that the folder has, for an archive to be shipped."""
        name, arguments = self._shipped_as(sig)
        kept = self._cache_file.load(self._index_key(sig, target_context.codegen()))
        if self._impl.shipped and kept is not None:
            assert shipped.collected is not None
            shipped.collected[name] = dumps((arguments, kept))

    def save_overload(self, sig: Signature, data: Any) -> None:
        try:
            super().save_overload(sig, data)
            if shipped.collected is not None:
                self._collect(sig, data.target_context)
        except Exception:
            self.disable()

    def release(self) -> None:
        """Let other processes search."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _locked(path: str) -> tuple[Any, bool]:
    """Return a file that this process alone has locked, None if that cannot be; and whether it waited for that.

    The lock is as long as the file is open, and ends with the process.
    """
    if fcntl is None:
        return None, False
    end, waited = time.monotonic() + LONGEST_WAIT, False
    try:
        file = open(path, "ab")  # noqa: SIM115 -- closing it is how the lock ends
    except OSError:
        return None, False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file, waited
        except BlockingIOError:
            if time.monotonic() > end:
                break
            waited = True
            time.sleep(0.01)
        except OSError:  # a file system without locks
            break
    file.close()
    return None, waited


@contextlib.contextmanager
def _compiling(kept: _Cache) -> Iterator[None]:
    """Compile in peace: the garbage collector finds next to nothing and takes a sixth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        with remembering():
            yield
    finally:
        if collects:
            gc.enable()
        kept.release()


def build(
    function: Callable[..., Any], kind: str, named_after: Callable[..., Any] | None = None, **options: Any
) -> Any:
    """Return Numba's dispatcher of a function, which compiles it on first use or finds it in the cache.

    Parameters
    ----------
    function : callable
        What to compile.
    kind : str
        One of several builds of the function.
    named_after : callable, optional
        The function whose name the cache knows this one by.
    options
        What differs from `OPTIONS`.
    """
    dispatcher = njit(no_cfunc_wrapper=True, **(OPTIONS | options))(function)
    if JIT_DISABLED:
        return dispatcher
    kept = _Cache(named_after or function, kind)
    dispatcher._cache = kept
    compile_undisturbed = dispatcher.compile

    def compile(signature: Any) -> Any:
        with _compiling(kept):
            return compile_undisturbed(signature)

    dispatcher.compile = compile
    return dispatcher


def build_callback(function: Callable[..., Any], signature: Signature) -> int:
    """Compile a function that C code can call, or find it in the cache, and return its address."""
    options = {"nopython": True, "nogil": True, "error_model": "numpy"}
    callback: Any = ccallback.CFunc(function, (signature.args, signature.return_type), {}, options)
    kept = _Cache(function, "callback")
    callback._cache = kept
    with _compiling(kept):
        callback.compile()
    address: int = callback.address
    return address
