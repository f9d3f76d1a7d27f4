"""Array kernels: arrays in, arrays out; NumPy and Numba only."""
