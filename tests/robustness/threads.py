"""Train in several Python threads at once, in child processes or in joblib's workers; the bits must be those of a run
alone.

``python -m tests.robustness.threads --threads 8 --steps 200`` prints how many runs had the bits of the serial one;
``--children fork`` (or spawn, forkserver, joblib) trains in processes instead, started after this one used its threads.
"""

import argparse
import functools
import importlib
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
from numba.np.ufunc.parallel import threading_layer

from autograd_nn import Tensor, manual_seed, nn, optim
from autograd_nn.kernels.compile import count, set_num_threads
from autograd_nn.kernels.compile import threads as pool

# Our pool, and Numba's threading layers with their modules
LAYERS = {"own": "", "workqueue": "workqueue", "omp": "omppool", "tbb": "tbbpool"}


def environment(layer):
    """Return the variables that choose a layer, and let the loader find the library of tbb from pip."""
    if layer == "own":
        return {"AUTOGRAD_NN_POOL": "own"}
    places = [os.path.join(sys.prefix, "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    library_path = os.pathsep.join(filter(None, places))
    return {"AUTOGRAD_NN_POOL": "numba", "NUMBA_THREADING_LAYER": layer, "LD_LIBRARY_PATH": library_path}


@functools.cache
def is_available(layer):
    """Return whether this system has our pool, or Numba can load a threading layer."""
    if layer == "own":
        return pool.is_supported()
    command = [sys.executable, "-c", f"import numba.np.ufunc.{LAYERS[layer]}"]
    return not subprocess.run(command, env=os.environ | environment(layer), stderr=subprocess.DEVNULL).returncode


def made(seed):
    """Return a net with most kinds of layers, its optimizer and its data."""
    manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10)
    )
    rng = np.random.default_rng(seed)
    x, target = rng.standard_normal((32, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 32)
    return model, optim.Adam(model.parameters(), lr=0.01), Tensor(x), Tensor(target)


def trained(parts, steps):
    """Train and return the bytes of the weights."""
    model, optimizer, x, target = parts
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()
    return b"".join(value.array.tobytes() for value in model.state_dict().values())


def in_threads(count, steps):
    """Return what each thread's training ends with, all running at once."""
    parts = [made(seed) for seed in range(count)]
    results = [b""] * count
    start = threading.Barrier(count)

    def work(i):
        start.wait()
        results[i] = trained(parts[i], steps)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def alone(seed, steps):
    """Make a net, train it and return the bytes of the weights."""
    return trained(made(seed), steps)


def in_child(queue, seed, steps):
    """Train in a child process."""
    queue.put(alone(seed, steps))


def in_workers(count, steps):
    """Return what joblib's workers end with, two at work at a time."""
    joblib = importlib.import_module("joblib")
    return joblib.Parallel(n_jobs=2)(joblib.delayed(alone)(seed, steps) for seed in range(count))


def in_children(method, count, steps):
    """Return what children end with that were started after this process has used its own threads."""
    if method == "joblib":
        return in_workers(count, steps)
    context = multiprocessing.get_context(method)
    results = []
    for seed in range(count):
        queue = context.Queue()
        child = context.Process(target=in_child, args=(queue, seed, steps))
        child.start()
        results.append(queue.get(timeout=120))
        child.join(timeout=120)
        if child.exitcode != 0:
            raise RuntimeError(f"the child ended with {child.exitcode}")
    return results


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--kernel-threads", type=int, default=3)
    parser.add_argument("--children", choices=["fork", "spawn", "forkserver", "joblib"])
    options = parser.parse_args()
    set_num_threads(options.kernel_threads)
    serial = [alone(seed, options.steps) for seed in range(options.threads)]
    found = (
        in_children(options.children, options.threads, options.steps)
        if options.children
        else in_threads(options.threads, options.steps)
    )
    equal = sum(a == b for a, b in zip(serial, found))
    layer = "own" if count.pool is pool else threading_layer()
    print(f"{equal} of {options.threads} have the bits of the serial run ({options.steps} steps, {layer})")
    return int(equal < options.threads)


if __name__ == "__main__":
    sys.exit(main())
