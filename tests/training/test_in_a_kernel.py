"""fit in a real notebook kernel: a cell that is interrupted leaves a usable model and history, and a table to read."""

import os
import pathlib
import time

import pytest

pytest.importorskip("ipykernel")
manager = pytest.importorskip("jupyter_client.manager")

ROOT = pathlib.Path(__file__).parents[2]
TRAIN = """
from autograd_nn import nn, plots
from autograd_nn.training import Callback, ProgressBar, fit
from tests.training.runs import regression

class Announce(Callback):
    def on_epoch_end(self, run):
        if run.epoch == 3:
            print("three epochs", flush=True)

model, optimizer, loader = regression()
history = fit(model, loader, optimizer, nn.MSELoss(), 10**9, callbacks=[ProgressBar(), plots.LivePlot(), Announce()])
"""
AFTER = """
assert history.interrupted and len(history) >= 3
length = len(history)
fit(model, loader, optimizer, nn.MSELoss(), 1, callbacks=[], history=history)
print("usable", len(history) - length)
"""


@pytest.fixture
def kernel():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(ROOT), env=environment)
    yield kernel, client
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_an_interrupted_cell_leaves_model_and_history(kernel):
    pytest.importorskip("matplotlib")
    kernel, client = kernel
    shown, text = {}, []

    def collect(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            text.append(content["text"])
            if "three epochs" in content["text"]:
                time.sleep(0.5)
                kernel.interrupt_kernel()
        elif message["msg_type"] in ("display_data", "update_display_data"):
            shown[content["transient"]["display_id"]] = content["data"]

    reply = client.execute_interactive(TRAIN, output_hook=collect, timeout=120)
    assert reply["content"]["status"] == "ok", "".join(reply["content"].get("traceback", []))
    assert "interrupted in epoch" in "".join(text)
    table, curves = shown.values()
    assert "<table" in table["text/html"] and "<pre>" not in table["text/html"], "no bar is left"
    assert "image/png" in curves
    reply = client.execute_interactive(AFTER, output_hook=collect, timeout=60)
    assert reply["content"]["status"] == "ok" and "usable 1" in "".join(text)
