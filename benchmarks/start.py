"""Start: import, first training step with an empty and a warm kernel cache and from the wheel, memory, installed size.

Each figure comes from a fresh process. The step is that of the MNIST ConvNet, batch 100; memory is told of larger nets
too. The wheel is the newest one with compiled kernels in `dist/` (``make wheel``); its cache is empty in each process.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile

from autograd_nn.kernels.compile import get_num_threads

from .measure import Effort, Timing
from .report import OURS, Row, Table
from .rivals import rival

ROOT = pathlib.Path(__file__).parent.parent
PROBE = """
import json, resource, sys, time
start = time.perf_counter()
{imports}
imported = time.perf_counter()
import numpy as np
x = np.random.default_rng(0).random({shape}, dtype=np.float32)
y = np.arange(len(x)) % 10
ready = time.perf_counter()
{step}
first = time.perf_counter()
for _ in range(20):
    {again}
try:  # on Linux getrusage would start from the size of the process that forked this one
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
print(json.dumps([imported - start, first - ready, peak]))
"""
ALIKE = """
from benchmarks import nets
model = nets.{net}(nn, nn.functional)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
x, y = wrap(x), wrap(y)
def step():
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
step()
"""
KERAS = """
model = keras.Sequential([keras.Input((1, 28, 28)),
    keras.layers.Conv2D(10, 3, activation="relu", data_format="channels_first"),
    keras.layers.MaxPooling2D(2, data_format="channels_first"), keras.layers.Flatten(), keras.layers.Dense(10)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
model.train_on_batch(x, y)
"""
IMPORTS = {
    OURS: "import autograd_nn\nfrom autograd_nn import nn, optim\nwrap = autograd_nn.Tensor\n"
    "autograd_nn.set_num_threads({threads})",
    "torch": "import torch\nfrom torch import nn, optim\nwrap = torch.from_numpy\ntorch.set_num_threads({threads})",
    "keras": "import keras",
}
STEPS = {OURS: (ALIKE, "step()"), "torch": (ALIKE, "step()"), "keras": (KERAS, "model.train_on_batch(x, y)")}
SHAPES = {"convnet": (100, 1, 28, 28), "mnist_example": (64, 1, 28, 28), "resnet": (32, 3, 32, 32)}
NAMES = {"convnet": "MNIST ConvNet", "mnist_example": "PyTorch's MNIST example", "resnet": "ResNet of 3 blocks"}


def probe(
    name: str, net: str = "convnet", cache: str | None = None, package: str | None = None
) -> tuple[float, float, float]:
    """Return the seconds of import and first step, and the peak memory in MB, of a fresh process.

    Parameters
    ----------
    cache, package : str, optional
        The folder of our kernel cache, and one that holds our package, if not those of this process.
    """
    environment = dict(os.environ)
    if cache:
        environment["NUMBA_CACHE_DIR"] = cache
    folders = [package, str(ROOT), environment.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    step, again = STEPS[name]
    code = PROBE.format(imports=IMPORTS[name].format(threads=get_num_threads()), shape=SHAPES[net],
                        step=step.format(net=net), again=again)  # fmt: skip
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=package, check=False)
    if done.returncode:
        raise RuntimeError(f"the probe of {name} failed:\n{done.stderr}")
    imported, first, peak = json.loads(done.stdout.splitlines()[-1])
    return imported, first, peak


def from_wheel(times: int) -> Timing | None:
    """Return the seconds of the first step from the newest wheel with compiled kernels; None if there is no wheel."""
    wheels = sorted((ROOT / "dist").glob("*manylinux*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        return None
    with tempfile.TemporaryDirectory() as package:
        zipfile.ZipFile(wheels[-1]).extractall(package)
        seconds = []
        for _ in range(times + 1):  # the first one also compiles Python's own files
            with tempfile.TemporaryDirectory() as cache:
                seconds.append(probe(OURS, cache=cache, package=package)[1])
        return Timing(seconds[1:], seconds[0])


def required(requirement: str, seen: set[str]) -> float:
    """Return the size of what a requirement asks for, unless it belongs to an extra."""
    specification, _, marker = requirement.partition(";")
    name = re.match(r"[\w.-]+", specification.strip())
    return installed_size(name.group(), seen) if name and "extra" not in marker else 0.0


def installed_size(package: str, seen: set[str] | None = None) -> float:
    """Return the megabytes of a package and everything that it requires, extras left out."""
    seen = set() if seen is None else seen
    name = package.replace("_", "-").lower()
    if name in seen:
        return 0.0
    seen.add(name)
    if package == OURS:
        files = [path for path in (ROOT / OURS).rglob("*") if "__pycache__" not in path.parts]
        requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    else:
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            return 0.0
        files = [pathlib.Path(str(file.locate())) for file in distribution.files or ()]
        requirements = distribution.requires or []
    own = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    return own + sum(required(requirement, seen) for requirement in requirements)


def run(effort: Effort) -> list[Table]:
    """Measure every rival that is installed."""
    absent: list[str] = []
    names = [OURS, *(name for name in ("torch", "keras") if effort.level and rival(name, absent))]
    imports, cold, warm, memory = {}, {}, {}, {}
    larger = effort.choose(("mnist_example", "resnet"), (), ())
    peaks: dict[str, dict[str, Timing]] = {net: {} for net in larger}
    for name in names:
        print(f"  {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            cache = folder if effort.level else None
            first = probe(name, cache=cache)
            cold[name] = Timing([first[1]], first[1])
            again = [probe(name, cache=cache) for _ in range(effort.choose(5, 1, 1))]
            if name != "keras":
                for net in larger:
                    probe(name, net, cache)  # compiles
                    peaks[net][name] = Timing([probe(name, net, cache)[2]], 0.0)
        imports[name], warm[name], memory[name] = (Timing([run[i] for run in again], first[i]) for i in range(3))
    shipped = from_wheel(effort.choose(5, 1, 1)) if effort.level else None
    sizes = {name: Timing([installed_size(name)], 0.0) for name in names}
    if "keras" in sizes and "torch" in sizes:
        counted: set[str] = set()
        sizes["keras"] = Timing([installed_size("keras", counted) + installed_size("torch", counted)], 0.0)
    rows = [
        Row("import", imports),
        Row("first step, kernel cache empty", cold),
        Row("first step, kernel cache warm", warm),
        *([Row("first step, from the wheel, kernel cache empty", {OURS: shipped})] if shipped else []),
        Row(f"peak memory of 21 steps, {NAMES['convnet']}", memory, unit="MB"),
        *(Row(f"peak memory of 21 steps, {NAMES[net]}", peaks[net], unit="MB") for net in larger),
        Row("installed size, all that it requires included", sizes, unit="MB"),
    ]
    note = (
        "Each in a fresh process; ConvNet, batch 100, Adam. The cache is that of our compiled kernels; the others "
        "compile nothing. Keras is counted with PyTorch, its backend here."
    )
    return [Table("Start", note, rows, absent)]
