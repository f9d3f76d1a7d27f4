"""Benchmarks: ``python -m benchmarks [subject ...]``; one file per subject over one measuring core."""
