"""How kernels are compiled, cached and threaded: the one place that says so, and why.

Two decorators, both lazy (nothing is compiled at import):

- ``@jit``: a serial function that other kernels call (or inline).
- ``@chunked``: an entry point called from Python, written as one chunk of the work,
  ``body(t, threads, ...)`` for chunk ``t`` of ``threads``. It is called without ``t``, as
  ``name(threads, ...)``. Each chunk writes only what it owns, so that the result has the same bits for
  any number of threads. One build serves all numbers of threads: with one worker the chunks are called
  directly, with more, the thread pool calls them. The first error of a chunk is raised when all are done.
  (``njit(parallel=True)`` would need a second build, which takes longer to compile than the first.)

Threads
    Kernels run in a thread pool of our own (`threads`): it beats Numba's beside busy processes, where a step in
    Numba's took up to five times as long as on one thread. Where our pool has not been tested (macOS, Windows,
    aarch64), Numba's is used. ``AUTOGRAD_NN_POOL=own`` or ``numba`` chooses.
    There are as many threads as the process may use processors (affinity mask, control groups), or
    ``NUMBA_NUM_THREADS``; `set_num_threads` changes how many chunks work is cut into, and so how many threads are used.

Cache
    Numba's cache notices an edit in the file that holds a kernel, but not in another file that the kernel
    calls. So kernels are cached in a folder of their own, named after the versions of the compilers, the
    processor and the options, and in it by module, in a folder named after a hash of the module's source and of all
    kernel sources that it imports: nothing in it can be stale, and an edit compiles again what it can have changed.
    The folder is the first
    that can be written of ``$NUMBA_CACHE_DIR``, the user's cache folder (``$XDG_CACHE_HOME`` or its like) and a
    private one among the temporary files; where none can, kernels are compiled anew in each process.
    Of processes that need the same kernel at the same time one compiles it, the others wait. A process that compiles
    its first kernel starts a helper that compiles those that commonly follow (`ahead`).
    ``python -m autograd_nn.kernels warm`` fills the cache beforehand.

Shipped kernels
    A wheel for Linux on x86-64 brings machine code for levels of processors (`target`), which is looked up before the
    cache (`shipped`). All kernels of a process are then written for that level's vector registers.

Environment
    ``AUTOGRAD_NN_VERBOSE=1`` prints each kernel as it is compiled; ``AUTOGRAD_NN_AHEAD=0`` does without the helper;
    ``AUTOGRAD_NN_BOUNDSCHECK=1`` compiles kernels that check each index (slow, for tests); ``NUMBA_DISABLE_JIT=1`` runs
    them as plain Python, serially.
"""

from . import ahead
from .cache import before_compiling, cache_folder
from .count import get_num_threads, set_num_threads, start_pool, threads_for
from .decorators import Chunked, chunked, intrinsic, jit, or_twin
from .options import JIT_DISABLED, OPTIONS
from .progress import compile_hooks
from .shipped import VECTOR_BYTES

__all__ = [
    "JIT_DISABLED",
    "OPTIONS",
    "VECTOR_BYTES",
    "Chunked",
    "cache_folder",
    "chunked",
    "compile_hooks",
    "get_num_threads",
    "intrinsic",
    "jit",
    "or_twin",
    "set_num_threads",
    "start_pool",
    "threads_for",
]

before_compiling.append(ahead.start)
