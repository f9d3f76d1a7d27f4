"""While a process compiles its first kernel, a second one compiles those that commonly follow, into the same cache.

Compilation is Python's work for the most part, so that threads do not help. The helper goes through the kernels of a
training step from its end (see `kernels.warm`), and meets this process about half-way: files in the cache folder are
locked by who compiles a kernel, who comes second waits and finds it in the cache. The helper ends with this process.
``AUTOGRAD_NN_AHEAD=0`` does without it.
"""

from __future__ import annotations

import atexit
import os
import pathlib
import subprocess
import sys

from .count import processors
from .options import JIT_DISABLED

__all__ = ["start"]

PACKAGE = pathlib.Path(__file__).parents[2]
# Without the package's own __init__, which imports far more than kernels.
PROGRAM = f"""
import sys, types
package = sys.modules["{PACKAGE.name}"] = types.ModuleType("{PACKAGE.name}")
package.__path__ = [{str(PACKAGE)!r}]
from {PACKAGE.name}.kernels import warm
warm.ahead(int(sys.argv[1]))
"""

_tried = JIT_DISABLED or os.environ.get("AUTOGRAD_NN_AHEAD", "1") == "0"


def start() -> None:
    """Start the helper, once, if there is a processor for it."""
    global _tried
    if _tried:
        return
    _tried = True
    if processors() < 2 or not sys.executable:
        return
    try:
        helper = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(os.getpid())],
            env=os.environ | {"AUTOGRAD_NN_AHEAD": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return
    atexit.register(_stop, helper, os.getpid())


def _stop(helper: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        helper.terminate()
        helper.wait()
