"""The processor that machine code is made for: this one, or the one that Numba's settings name.

x86-64 has levels, each a set of features of the one before and more. Code for a level runs on every processor that has
its features: so kernels can be compiled on one machine and shipped to others (`shipped`), and tests can run code that
is not made for the processor at hand (``NUMBA_CPU_NAME=x86-64-v2 NUMBA_CPU_FEATURES=``).
"""

from __future__ import annotations

import llvmlite.binding

from .options import config

__all__ = ["LEVELS", "features", "features_of", "host_level", "is_named", "name", "vector_bytes"]

LEVELS = {  # in LLVM's names
    "x86-64": "cmov cx8 fxsr mmx sse sse2",
    "x86-64-v2": "cx16 popcnt sahf sse3 sse4.1 sse4.2 ssse3",
    "x86-64-v3": "avx avx2 bmi bmi2 f16c fma lzcnt movbe",
    "x86-64-v4": "avx512bw avx512cd avx512dq avx512f avx512vl",
}


def features_of(name: str) -> set[str]:
    """Return the features of a level, those of the lower ones included."""
    last = list(LEVELS).index(name)
    return {feature for features in list(LEVELS.values())[: last + 1] for feature in features.split()}


def _of_host() -> set[str]:
    try:
        found = {feature for feature, present in llvmlite.binding.get_host_cpu_features().items() if present}
    except RuntimeError:  # LLVM does not know this processor
        return set()
    return found if config.ENABLE_AVX else {feature for feature in found if not feature.startswith("avx")}


def is_named() -> bool:
    """Return whether Numba's settings name a processor, or features."""
    return config.CPU_NAME is not None or config.CPU_FEATURES is not None


def name() -> str:
    """Return LLVM's name of the processor that code is made for."""
    return str(config.CPU_NAME or llvmlite.binding.get_host_cpu_name())


def features() -> set[str]:
    """Return the features that code may use, in LLVM's names.

    A name that is no level's and stands without features counts as this processor's, as it does for Numba.
    """
    found = features_of(name()) if name() in LEVELS else set()
    if config.CPU_FEATURES is None:
        return found | _of_host()
    for feature in config.CPU_FEATURES.split(","):
        (found.add if feature[:1] == "+" else found.discard)(feature[1:])
    return found


def host_level() -> str | None:
    """Return the highest level that this processor has, None on other machines than x86-64."""
    own = _of_host()
    return max((level for level in LEVELS if features_of(level) <= own), default=None)


def vector_bytes(level: str | None = None) -> int:
    """Return the size of vector registers, of a level or of the processor: AVX-512, AVX2, else NEON or SSE."""
    own = features() if level is None else features_of(level)
    return 64 if "avx512f" in own else 32 if "avx2" in own else 16
