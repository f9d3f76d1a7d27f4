"""Estimators: fit and predict_proba of NetClassifier, scikit-learn's MLPClassifier and skorch on the same nets.

Each fit runs in a fresh process, in turns with the others. Before it is timed, the process has fitted once for one
epoch: what is imported, compiled or loaded by then is not counted.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import NamedTuple

from autograd_nn.kernels.compile import get_num_threads

from .measure import Effort, Timing
from .report import OURS, Row, Table
from .rivals import rival

ROOT = pathlib.Path(__file__).parent.parent


class Case(NamedTuple):
    """A table of random numbers with classes that a small network can learn, and the network."""

    name: str
    rows: int
    columns: int
    hidden: int
    batch: int
    epochs: int


CASES = (
    Case("table of 20 columns, 100 units, batch 200", 4000, 20, 100, 200, 30),
    Case("table of 20 columns, 100 units, batch 32", 4000, 20, 100, 32, 10),
    Case("784 columns, 256 units, batch 200", 4000, 784, 256, 200, 10),
)
MAKERS = {
    OURS: """
import autograd_nn
from autograd_nn.sklearn import NetClassifier
autograd_nn.set_num_threads({threads})
def make(epochs):
    return NetClassifier(({hidden},), lr=1e-3, alpha=0.0, batch_size={batch}, max_iter=epochs, tol=0.0,
                         n_iter_no_change=epochs + 1, random_state=0)
""",
    "sklearn": """
from sklearn.neural_network import MLPClassifier
def make(epochs):
    return MLPClassifier(({hidden},), learning_rate_init=1e-3, alpha=0.0, batch_size={batch}, max_iter=epochs, tol=0.0,
                         n_iter_no_change=epochs + 1, random_state=0)
""",
    "skorch": """
import torch
from skorch import NeuralNetClassifier
torch.set_num_threads({threads})
torch.manual_seed(0)
def make(epochs):
    net = torch.nn.Sequential(torch.nn.Linear({columns}, {hidden}), torch.nn.ReLU(), torch.nn.Linear({hidden}, 4))
    return NeuralNetClassifier(net, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=1e-3,
                               max_epochs=epochs, batch_size={batch}, train_split=None, iterator_train__shuffle=True,
                               predict_nonlinearity=lambda x: x.softmax(-1), verbose=0)
""",
}
PROBE = """
import json, time, warnings
import numpy as np
warnings.simplefilter("ignore")  # of epochs that end before convergence, which is meant
{make}
rng = np.random.default_rng(0)
x = rng.standard_normal(({rows} + 1000, {columns})).astype(np.float32)
y = (x[:, :8] @ rng.standard_normal((8, 4))).argmax(1)
make(1).fit(x[:{rows}], y[:{rows}]).predict_proba(x[:10])
model = make({epochs})
start = time.perf_counter()
model.fit(x[:{rows}], y[:{rows}])
fitted = time.perf_counter()
p = model.predict_proba(x)
end = time.perf_counter()
assert p.shape == ({rows} + 1000, 4) and abs(p.sum(1) - 1).max() < 1e-3
print(json.dumps([fitted - start, end - fitted, float((p[{rows}:].argmax(1) == y[{rows}:]).mean())]))
"""


def probe(name: str, case: Case, epochs: int) -> tuple[float, float, float]:
    """Return the seconds of fit and predict_proba of a fresh process, and the accuracy on rows that it never saw."""
    threads = str(get_num_threads())
    environment = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    settings = case._asdict() | {"threads": threads, "epochs": epochs}
    code = PROBE.format(make=MAKERS[name].format(**settings), **settings)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"the probe of {name} failed:\n{done.stderr}")
    fit, predict, accuracy = json.loads(done.stdout.splitlines()[-1])
    return fit, predict, accuracy


def run(effort: Effort) -> list[Table]:
    """Measure every rival that is installed, in turns."""
    absent: list[str] = []
    names = [OURS, *(name for name in ("sklearn", "skorch") if effort.level and rival(name, absent))]
    fits, predictions = [], []
    for case in effort.choose(CASES, CASES[:1], CASES[:1]):
        print(f"  {case.name}", file=sys.stderr, flush=True)
        epochs = effort.choose(case.epochs, case.epochs, 1)
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
        for _ in range(effort.choose(5, 2, 1)):
            for name in names:
                runs[name].append(probe(name, case, epochs))
        accuracy = {f"accuracy, {name}": runs[name][0][2] for name in names}
        timings = [{name: Timing([run[i] for run in runs[name]], runs[name][0][i]) for name in names} for i in (0, 1)]
        fits.append(Row(f"fit, {epochs} epochs: {case.name}", timings[0], accuracy))
        predictions.append(Row(f"predict_proba of {case.rows + 1000:,} rows: {case.name}", timings[1]))
    note = (
        "Each fit in a fresh process, in turns; one hidden layer, ReLU, Adam, the same epochs and batches; imports and "
        "the first epoch of a process are not counted. Accuracy: on 1,000 rows that were not fitted. "
        f"{get_num_threads()} threads."
    )
    return [Table("Estimators", note, [*fits, *predictions], absent)]
