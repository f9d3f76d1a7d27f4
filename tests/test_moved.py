"""Every module path of commit a2206b2 still imports, as the module that has its content today."""

import importlib
import pickle
import subprocess
import sys

import pytest

import autograd_nn as ag
from autograd_nn.moved import MOVED, new_names

PATHS = [
    "autograd_nn", "autograd_nn.__main__", "autograd_nn.absent", "autograd_nn.autograd",
    "autograd_nn.autograd.anomaly", "autograd_nn.autograd.checkpoint", "autograd_nn.autograd.function",
    "autograd_nn.autograd.functional", "autograd_nn.backends", "autograd_nn.checkpoints", "autograd_nn.composed",
    "autograd_nn.data", "autograd_nn.data.checks", "autograd_nn.data.collate", "autograd_nn.data.dataset",
    "autograd_nn.data.download", "autograd_nn.data.idx", "autograd_nn.data.loader", "autograd_nn.data.make_digits",
    "autograd_nn.data.mnist", "autograd_nn.data.prefetch", "autograd_nn.data.randomness",
    "autograd_nn.data.sampler", "autograd_nn.data.transforms", "autograd_nn.devices", "autograd_nn.engine",
    "autograd_nn.engine.annotations", "autograd_nn.engine.backward", "autograd_nn.engine.dtypes",
    "autograd_nn.engine.graph", "autograd_nn.engine.primitive", "autograd_nn.graph_drawing", "autograd_nn.interop",
    "autograd_nn.kernels", "autograd_nn.kernels.annotations", "autograd_nn.kernels.compile",
    "autograd_nn.kernels.conv", "autograd_nn.kernels.depthwise", "autograd_nn.kernels.direct",
    "autograd_nn.kernels.direct_weight", "autograd_nn.kernels.elementwise", "autograd_nn.kernels.gated",
    "autograd_nn.kernels.gemm", "autograd_nn.kernels.kept", "autograd_nn.kernels.loss",
    "autograd_nn.kernels.memory", "autograd_nn.kernels.norm", "autograd_nn.kernels.numeric",
    "autograd_nn.kernels.optim", "autograd_nn.kernels.pool", "autograd_nn.kernels.recurrent",
    "autograd_nn.kernels.scatter", "autograd_nn.kernels.tile", "autograd_nn.kernels.winograd",
    "autograd_nn.kernels.winograd_transforms", "autograd_nn.layered_layout", "autograd_nn.metrics",
    "autograd_nn.mistakes", "autograd_nn.models", "autograd_nn.nn", "autograd_nn.nn.activation",
    "autograd_nn.nn.attention", "autograd_nn.nn.container", "autograd_nn.nn.convolution", "autograd_nn.nn.distance",
    "autograd_nn.nn.dropout", "autograd_nn.nn.functional", "autograd_nn.nn.hooks", "autograd_nn.nn.init",
    "autograd_nn.nn.linear", "autograd_nn.nn.loss", "autograd_nn.nn.module", "autograd_nn.nn.normalization",
    "autograd_nn.nn.parameter", "autograd_nn.nn.pooling", "autograd_nn.nn.recurrent", "autograd_nn.nn.sparse",
    "autograd_nn.nn.transformer", "autograd_nn.nn.utils", "autograd_nn.nn.utils.convert_parameters",
    "autograd_nn.nn.utils.rnn", "autograd_nn.nn.vision", "autograd_nn.notebook", "autograd_nn.ops",
    "autograd_nn.ops.activation", "autograd_nn.ops.attention", "autograd_nn.ops.conv", "autograd_nn.ops.creation",
    "autograd_nn.ops.elementwise", "autograd_nn.ops.index", "autograd_nn.ops.linalg", "autograd_nn.ops.loss",
    "autograd_nn.ops.norm", "autograd_nn.ops.pad", "autograd_nn.ops.pool", "autograd_nn.ops.random",
    "autograd_nn.ops.recurrent", "autograd_nn.ops.reduce", "autograd_nn.ops.resize", "autograd_nn.ops.scan",
    "autograd_nn.ops.shape", "autograd_nn.optim", "autograd_nn.optim.adadelta", "autograd_nn.optim.adagrad",
    "autograd_nn.optim.adam", "autograd_nn.optim.adamax", "autograd_nn.optim.asgd", "autograd_nn.optim.averages",
    "autograd_nn.optim.clip", "autograd_nn.optim.lbfgs", "autograd_nn.optim.lion", "autograd_nn.optim.lr_scheduler",
    "autograd_nn.optim.nadam", "autograd_nn.optim.optimizer", "autograd_nn.optim.radam",
    "autograd_nn.optim.rmsprop", "autograd_nn.optim.rprop", "autograd_nn.optim.sgd", "autograd_nn.optim.swa_utils",
    "autograd_nn.plots", "autograd_nn.plots.activations", "autograd_nn.plots.confusion", "autograd_nn.plots.curves",
    "autograd_nn.plots.gradients", "autograd_nn.plots.images", "autograd_nn.plots.live",
    "autograd_nn.plots.predictions", "autograd_nn.plots.report", "autograd_nn.plots.style",
    "autograd_nn.plots.weights", "autograd_nn.printing", "autograd_nn.resume", "autograd_nn.safetensors_format",
    "autograd_nn.size", "autograd_nn.summary", "autograd_nn.tensor", "autograd_nn.testing", "autograd_nn.training",
    "autograd_nn.training.callbacks", "autograd_nn.training.history", "autograd_nn.training.loop",
    "autograd_nn.training.progress", "autograd_nn.typed_tensors", "autograd_nn.utils",
    "autograd_nn.utils.checkpoint", "autograd_nn.utils.data", "autograd_nn.watching",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_old_path_is_the_new_module(path):
    module = importlib.import_module(path)
    news = new_names(path) or (path,)
    if len(news) == 1:
        assert module is sys.modules[news[0]]
        assert module.__name__ == module.__spec__.name == news[0]
    for new in news:
        part = importlib.import_module(new)
        for name in getattr(part, "__all__", ()):
            assert getattr(module, name) is getattr(part, name)


def test_each_row_of_the_table_names_modules_with_files():
    for old, news in MOVED.items():
        assert f"autograd_nn.{old}" in PATHS
        for new in news:
            assert importlib.import_module(f"autograd_nn.{new}").__spec__.origin


def test_old_names_are_attributes_and_the_same_objects():
    from autograd_nn.metrics import accuracy
    from autograd_nn.ops.norm import batch_norm, cdist

    assert accuracy is ag.training.metrics.accuracy and ag.metrics is ag.training.metrics
    assert batch_norm is ag.ops.normalization.batch_norm and cdist is ag.ops.distance.cdist
    assert callable(ag.tensor) and ag.device("cpu") == "cpu"


def test_a_fresh_process_finds_modules_of_packages_that_moved():
    code = ("import autograd_nn.plots.style as style, autograd_nn as ag; assert style is ag.look.plots.style\n"
            "from autograd_nn.kernels.winograd import conv2d; import autograd_nn.models\n"
            "assert autograd_nn.models is ag.training.models and ag.mistakes is ag.look.mistakes\n"
            "from autograd_nn.tensor import Tensor, tensor; assert ag.tensor is tensor")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_pickle_of_an_old_name_is_read():
    pickled = b"cautograd_nn.tensor\n_rebuilt\n(cautograd_nn.tensor\nTensor\ncnumpy\narray\n((F1.5\nltR\x88tR."
    x = pickle.loads(pickled)
    assert type(x) is ag.Tensor and x.tolist() == [1.5] and x.requires_grad


@pytest.mark.parametrize("name", ["autograd_nn.no_such", "autograd_nn.metrics.no_such", "autograd_nn.plots.no_such"])
def test_other_names_are_not_found(name):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)
