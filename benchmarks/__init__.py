"""Benchmarks: ``python -m benchmarks [subject ...]``; one file per subject over one measuring core."""

import os

# Idle workers of NumPy's BLAS spin for 2**26 cycles by default, on cores that the next candidate needs.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")
