"""`onnx.export`: every layer and every operation with an ONNX form computes the same in onnxruntime."""

import io
import re

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import Tensor, nn
from autograd_nn.engine import wrap
from autograd_nn.saving.onnx.exporting.table import TABLE
from autograd_nn.training import models

from ..nn.cases import LAYERS, image, normal, sequence
from ..ops.cases import table

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
onnxruntime.set_default_logger_severity(4)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1

MORE_LAYERS = [
    ("AvgPool3d", (2,), {}, [normal(2, 3, 4, 4, 4)]),
    ("MaxPool3d", (2,), {}, [normal(2, 3, 4, 4, 4)]),
    ("AdaptiveAvgPool3d", (2,), {}, [normal(2, 3, 4, 5, 4)]),
    ("AdaptiveMaxPool3d", (2,), {}, [normal(2, 3, 4, 5, 4)]),
    ("Conv3d", (3, 4, 2), {"padding": 1}, [normal(2, 3, 4, 4, 4)]),
    ("ConvTranspose3d", (3, 4, 2), {"stride": 2}, [normal(2, 3, 3, 4, 4)]),
    ("BatchNorm3d", (3,), {}, [normal(2, 3, 2, 4, 4)]),
    ("InstanceNorm3d", (3,), {}, [normal(2, 3, 2, 4, 4)]),
    ("MaxUnpool2d", (2,), {}, [normal(3, 2, 2, 2), np.arange(24).reshape(3, 2, 2, 2) % 4 * 4 % 15]),
    ("CircularPad1d", (2,), {}, [sequence]),
    ("ConstantPad2d", (1, 2.0), {}, [image]),
    ("ReflectionPad1d", (2,), {}, [sequence]),
    ("ReplicationPad2d", (2,), {}, [image]),
    ("ZeroPad1d", (2,), {}, [sequence]),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, [image]),
    ("Dropout1d", (), {}, [sequence]),
    ("Dropout2d", (), {}, [image]),
    ("Dropout3d", (), {}, [normal(2, 3, 4, 4, 4)]),
    ("AlphaDropout", (), {}, [image]),
    ("RReLU", (), {}, [image]),
]
WITHOUT_BATCH = {"Flatten(0, 1)", "Conv2d(4, 6, 3)", "InstanceNorm2d(4,)", "GRU(4, 5)"}
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"}
OF_TRANSFORMERS = {"TransformerEncoder", "TransformerDecoder"}  # stacks of layers, tested with models


def flat(outputs):
    if isinstance(outputs, Tensor):
        return [outputs]
    outputs = outputs.values() if isinstance(outputs, dict) else outputs or ()
    return [x for part in outputs for x in flat(part)]


def narrow(array):
    return array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)


def tensors(arrays):
    """Return tensors of their own: a layer may write into its input."""
    return tuple(wrap(array.copy()) for array in arrays)


def runs(proto, arrays):
    """Return what onnxruntime computes; an input that the graph does not need is not given."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = dict(zip([x.name for x in proto.graph.input], arrays))
    return session.run(None, {x.name: given[x.name] for x in session.get_inputs()})


def compare(expected, found, atol=1e-5):
    expected = flat(expected)
    assert len(expected) == len(found)
    for x, y in zip(expected, found):
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_allclose(y, x.numpy(), rtol=1e-5, atol=atol)


def again(array, dim, count):
    """Return other examples, as many as are asked for."""
    return np.take(array, (np.arange(count) * 2 + 1) % array.shape[dim], dim)


rows = LAYERS + MORE_LAYERS


def batch_dims_of(name, settings, arrays):
    """Return which dim of each input counts examples."""
    if name in ("RNN", "LSTM", "GRU", "MultiheadAttention") or name.startswith("Transformer"):
        if not settings.get("batch_first"):
            return [1] * len(arrays)
        return [0 if i == 0 or name not in ("GRU",) else 1 for i in range(len(arrays))]
    return [0] * len(arrays)


@pytest.mark.parametrize("row", rows, ids=[f"{name}{arguments}{settings}" for name, arguments, settings, _ in rows])
def test_layer(row):
    name, arguments, settings, inputs = row
    ag.manual_seed(0)
    layer = getattr(nn, name)(*arguments, **settings).eval()
    for buffer in layer.buffers():
        if buffer.dtype == np.float32:
            buffer.data = buffer.array + np.float32(0.25)
    arrays = [narrow(x) for x in inputs]
    without_batch = (f"{name}{arguments}" in WITHOUT_BATCH and arrays[0].ndim < 4) or (name == "Flatten" and arguments)
    without_batch = without_batch or name == "EmbeddingBag"
    dims = None if without_batch or (name == "Softmax2d" and arrays[0].ndim == 3) else batch_dims_of(name, settings,
                                                                                                   arrays)
    proto = exported(layer, tensors(arrays), dims)
    with ag.no_grad():
        compare(layer(*tensors(arrays)), runs(proto, arrays))
        if dims is not None:
            others = [again(a, dim, 2) for a, dim in zip(arrays, dims)]
            compare(layer(*tensors(others)), runs(proto, others))
    parameters = {key for key, value in layer.state_dict().items() if value.numel()}
    constants = {tensor.name for tensor in proto.graph.initializer}
    assert {key for key in parameters if key.rpartition(".")[2] in ("weight", "bias", "weight_ih_l0")} <= constants


def test_every_layer_is_in_the_table():
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)
              and issubclass(getattr(nn, name), nn.Module) and not name.startswith("Lazy")}
    assert layers - CONTAINERS - OF_TRANSFORMERS - {"CTCLoss"} == {row[0] for row in rows}


def exported(function, inputs, batch_dims):
    """Return an exported model; skip where the error names an operation that the table of translations has not."""
    try:
        return ag.onnx.export(function, tuple(inputs), batch_dims=batch_dims)
    except NotImplementedError as error:
        if "is of complex numbers" in str(error):
            pytest.skip("complex numbers")
        found = re.match(r"onnx\.export\(\): (\w+)\(\).* has no ONNX form", str(error))
        assert found and found[1] not in TABLE, error
        pytest.skip(f"no translation of {found[1]}()")


def is_refused(name):
    """Return whether a row has no ONNX form: a gradient, or random numbers."""
    others = {"dropout", "dropout_apply", "dropout of nothing", "dropout of 0-d", "recurrence", "added_repeats",
              "erase", "getlast", "take_last_along", "put_last_along", "one_hot_rows", "copy into a view", "plane_put",
              "window_put", "window_take", "embedding_weight", "conv2d_weight", "product before, reverse=False",
              "product before, reverse=True"}  # fmt: skip
    gradient = "gradient" in name or name.endswith("_input")
    forward = "conv2d_input", "where's gradient in x", "gradient", "gradient at places"
    return name in others or (gradient and name not in forward)


@pytest.mark.parametrize("row", table, ids=[row.name for row in table])
def test_operation(row):
    inputs = [wrap(narrow(a)) if a.dtype.kind == "f" else wrap(a) for a in row.inputs]
    if is_refused(row.name):
        with pytest.raises(NotImplementedError, match=r"onnx\.export\(\): .*(no ONNX form|changed in place)"):
            ag.onnx.export(row.function, tuple(inputs), batch_dims=None)
        return
    proto = exported(row.function, inputs, None)
    compare(row.function(*inputs), runs(proto, [x.numpy() for x in inputs]))


def test_every_translation_is_used_by_a_row():
    missing = set(TABLE) - {"checkpointed", "watched", "dropout"}
    for row in table:
        inputs = [wrap(narrow(a)) if a.dtype.kind == "f" else wrap(a) for a in row.inputs]
        with ag.engine.listen(lambda proceed, primitive, inputs, params: (
            missing.discard(primitive.name), proceed(*inputs, **params))[1]
        ):
            row.function(*inputs)
    plain = {"bitwise_not", "isfinite", "isinf", "isnan", "isclose", "ceil", "eq", "ge", "gt", "le", "lt", "ne",
             "logical_and", "logical_or", "logical_xor", "any", "argmax", "argmin", "count_nonzero", "floor",
             "floor_divide", "nonzero", "one_hot", "replaced_along", "write_view", "bitwise_and", "bitwise_or",
             "bitwise_xor", "all", "logical_not", "cast_discrete", "ones_like", "zeros_like", "sign", "middle",
             "argsort", "top_indices", "identity", "spread_to", "class_indices", "class_factors", "other_classes",
             "within", "setitem", "copy_into"}  # fmt: skip
    assert missing <= plain, missing - plain


x, y = np.array([-2.5, -0.5, 0.0, 1.5, 3.0], np.float32), np.array([1.5, -0.5, 2.0, 1.5, -1.0], np.float32)
i, j = np.array([-7, -2, 0, 5, 8]), np.array([2, -3, 4, -2, 3])
b, c = np.array([True, False, True, False, True]), np.array([True, True, False, False, True])
odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1.0], np.float32)
PLAIN = {
    "comparisons": (lambda x, y: (x == y, x != y, x < y, x <= y, x > y, x >= y), [x, y]),
    "mixed types": (lambda x, i, b: (x + i, i * b, x > i, i / 2, b + 1, ag.where(b, x, i)), [x, i, b]),
    "booleans": (lambda b, c: (b & c, b | c, b ^ c, ~b, ag.logical_and(b, c), ag.logical_or(b, c),
                               ag.logical_xor(b, c), ag.logical_not(b)), [b, c]),
    "bits": (lambda i, j: (i & j, i | j, i ^ j, ~i), [i, j]),
    "whole quotients": (lambda i, j: (i // j, i % j, ag.fmod(i, j), ag.ops.elementwise.trunc_divide(i, j)), [i, j]),
    "quotients": (lambda x, y: (x // y, x % y, ag.fmod(x, y), ag.ops.elementwise.trunc_divide(x, y)), [x, y]),
    "rounding": (lambda x, i: (ag.floor(x), ag.ceil(x), ag.trunc(x), ag.round(x), ag.round(x, decimals=1), ag.sign(x),
                               ag.floor(i), ag.trunc(i), ag.round(i), ag.ceil(i)), [x, i]),
    "odd numbers": (lambda o: (ag.isnan(o), ag.isinf(o), ag.isfinite(o), ag.fmax(o, 0.5), ag.fmin(o, 0.5)), [odd]),
    "odd integers": (lambda i: (ag.isnan(i), ag.isinf(i), ag.isfinite(i)), [i]),
    "close": (lambda x, o: (ag.isclose(x, x + 1e-7), ag.isclose(o, o), ag.isclose(o, o, equal_nan=True)), [x, odd]),
    "order": (lambda m: (*m.sort(1), *m.sort(0, descending=True), m.argsort(1), *m.topk(2, 1), *m.median(1),
                         *m.cummax(1), *m.cummin(0), *m.max(1), *m.min(0, True)), [normal(3, 5)]),
    "extremes": (lambda m: (m.argmax(), m.argmax(1), m.argmin(0, True), m.argmax(None, True), m.any(), m.all(1),
                            m.count_nonzero(1), m.sum(), (m > 0).sum(0)), [normal(3, 5)]),
    "one_hot": (lambda i: nn.functional.one_hot(i, 4), [np.array([[0, 3], [2, 1]])]),
    "nonzero": (lambda m: (ag.nonzero(m > 0), m[m > 0], ag.masked_select(m, m < 0)), [normal(3, 5)]),
    "scatter": (lambda m, i: (m.scatter(1, i, 5.0), m.scatter_add(1, i, m[:, :2]), m.gather(1, i)),
                [normal(3, 5), np.array([[0, 4], [2, 1], [3, 3]])]),
    "casts": (lambda x, i: (x.double(), x.long(), i.float(), x.bool(), i.bool(), x.double() + 1), [x, i]),
    "in place": (lambda x: written(x), [normal(3, 4)]),
    "likes": (lambda x, i: (ag.zeros_like(x) + x, ag.ones_like(i) + i), [x, i]),
    "atan2": (lambda y, x: ag.atan2(y, x), [np.array([0, 0, 1, -1, 1, 0], np.float32),
                                            np.array([0, -1, 0, 0, -2, 3], np.float32)]),
    "large": (lambda x: (ag.log1p(x.abs() * 1e8), ag.expm1(-x * 30), ag.logaddexp(x * 100, -x * 100),
                         ag.softmax(x * 100, 0), ag.logsumexp(x * 100, 0)), [x]),
}  # fmt: skip


def written(x):
    """Write into a tensor of its own, in several ways."""
    y = x * 2
    y[0] = 7.0
    y[:, 1:3] = x[:, :2]
    z = ag.zeros_like(x)
    z.copy_(y[0])
    z[[0, 2], [1, 3]] = 9.0
    return y, z


@pytest.mark.filterwarnings("ignore:.*encountered.*:RuntimeWarning")
@pytest.mark.parametrize("name", PLAIN)
def test_plain_operations(name):
    function, arrays = PLAIN[name]
    arrays = [narrow(a) if a.dtype.kind == "f" else a for a in arrays]
    proto = ag.onnx.export(function, tensors(arrays), batch_dims=None)
    compare(function(*tensors(arrays)), runs(proto, arrays))


# ------------------------------------------------------------------------------------ what a file says


def small():
    ag.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Dropout(), nn.Linear(36, 10))  # fmt: skip


def test_a_file_has_names_open_batch_size_and_opset(tmp_path):
    model = small()
    path = tmp_path / "model.onnx"
    proto = ag.onnx.export(model, ag.zeros(1, 1, 8, 8), path, input_names=["image"], output_names=["logits"])
    read = onnx.load(path)
    assert read == proto and read.opset_import[0].version >= 17
    assert [n.op_type for n in proto.graph.node] == ["Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Gemm"]
    assert {t.name for t in proto.graph.initializer} >= {k for k in model.state_dict() if "num_batches" not in k}
    (image_info,), (logits,) = proto.graph.input, proto.graph.output
    dims = image_info.type.tensor_type.shape.dim
    assert (image_info.name, logits.name) == ("image", "logits")
    assert dims[0].dim_param == "batch" and [d.dim_value for d in dims[1:]] == [1, 8, 8]
    assert model.training and all(module.training for module in model.modules())
    assert proto.graph.node[0].name.startswith("0/")


def test_a_binary_file_is_written(tmp_path):
    model, buffer = nn.Linear(3, 2), io.BytesIO()
    ag.onnx.export(model, ag.zeros(1, 3), buffer)
    x = ag.randn(4, 3)
    compare(model(x).detach(), runs(onnx.load_from_string(buffer.getvalue()), [x.numpy()]))


def test_a_fixed_batch_size():
    proto = ag.onnx.export(nn.Linear(3, 2), ag.zeros(5, 3), batch_dims=None)
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 5
    assert [node.op_type for node in proto.graph.node] == ["Gemm"]


class Named(nn.Module):
    """Takes keywords and a dict, returns a dict."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, ids, mask=None, extra=None):
        hidden = self.embed(ids)
        if mask is not None:
            hidden = hidden * mask.unsqueeze(-1).float()
        return {"hidden": hidden, "logits": self.head(hidden.mean(1) + (0 if extra is None else extra["bias"]))}


def test_keywords_and_dicts():
    ag.manual_seed(0)
    model = Named()
    ids, mask = ag.tensor([[1, 2, 3], [4, 0, 0]]), ag.tensor([[1, 1, 1], [1, 0, 0]])
    bias = ag.randn(2, 4)
    proto = ag.onnx.export(model, {"ids": ids, "mask": mask, "extra": {"bias": bias}})
    assert [x.name for x in proto.graph.input] == ["ids", "mask", "extra_bias"]
    assert [x.name for x in proto.graph.output] == ["hidden", "logits"]
    with ag.no_grad():
        compare(model(ids, mask, {"bias": bias}), runs(proto, [ids.numpy(), mask.numpy(), bias.numpy()]))


def test_nested_arguments():
    ag.manual_seed(0)
    cell = nn.LSTMCell(3, 4)
    x, h, c = ag.randn(2, 3), ag.randn(2, 4), ag.randn(2, 4)
    proto = ag.onnx.export(cell, (x, (h, c)))
    with ag.no_grad():
        compare(cell(x, (h, c)), runs(proto, [x.numpy(), h.numpy(), c.numpy()]))
    assert [v.name for v in proto.graph.input] == ["input", "hx_0", "hx_1"]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_all_states_of_an_lstm(part):
    """The cells after each step, which ONNX's LSTM does not give."""
    ag.manual_seed(part)
    x, h, c = ag.randn(5, 2, 3), ag.randn(2, 4), ag.randn(2, 4)
    weights = [ag.randn(16, 3), ag.randn(16, 4), ag.randn(16), ag.randn(16)]

    def run(x, h, c):
        states = ag.ops.recurrent.lstm(x, h, c, *weights)
        return [states, states[1], states[1][-1]][part]

    proto = ag.onnx.export(run, (x, h, c), batch_dims=(1, 0, 0))
    compare(run(x, h, c), runs(proto, [x.numpy(), h.numpy(), c.numpy()]))
    assert ("LSTM" in {node.op_type for node in proto.graph.node}) == (part == 2)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("lenet", (1, 28, 28)), pytest.param("resnet18", (3, 32, 32), marks=pytest.mark.slow),
     ("mobilenet_v2", (3, 32, 32))]
)
def test_models(name, shape):
    ag.manual_seed(0)
    model = getattr(models, name)().eval()
    x = ag.randn(1, *shape)
    proto = ag.onnx.export(model, x)
    two = ag.cat([x, x * 0.5])
    with ag.no_grad():
        compare(model(two), runs(proto, [two.numpy()]))


def test_transformers():
    ag.manual_seed(0)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2).eval()
    x = ag.randn(3, 5, 8)
    with ag.no_grad():
        compare(encoder(x), runs(ag.onnx.export(encoder, x), [x.numpy()]))
        compare(decoder(x, x * 2), runs(ag.onnx.export(decoder, (x, x)), [x.numpy(), x.numpy() * 2]))


def test_float64():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
    x = ag.randn(2, 3).double()
    compare(model(x).detach(), runs(ag.onnx.export(model, x), [x.numpy()]), atol=1e-12)


# ------------------------------------------------------------------------------------ errors


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.Identity())

    def forward(self, x):
        return nn.functional.dropout(self.inner(x), 0.5, training=True)


class OtherPaths(nn.Module):
    def forward(self, x):
        return x.relu() if len(x) > 3 else x.tanh()


class Squares(nn.Module):
    def forward(self, x):
        return (x @ x.T).reshape(-1)


def test_errors_name_operation_and_layer():
    x = ag.zeros(2, 3)
    with pytest.raises(NotImplementedError, match=r"dropout\(\) in Random has no ONNX form here; call model.eval\(\)"):
        ag.onnx.export(Random(), x)
    outer = nn.Sequential(nn.Linear(3, 3), Random())
    with pytest.raises(NotImplementedError, match=r"dropout\(\) in layer '1' \(Random\)"):
        ag.onnx.export(outer, x)
    with pytest.raises(NotImplementedError, match=r"other operations for other batch sizes, from .*; give batch_dims"):
        ag.onnx.export(OtherPaths(), x)
    assert ag.onnx.export(OtherPaths(), x, batch_dims=None).graph.node[0].op_type == "Tanh"
    with pytest.raises(NotImplementedError, match="no simple function of the batch size"):
        ag.onnx.export(Squares(), x)
    with pytest.raises(NotImplementedError, match="another one in each forward pass"):
        ag.onnx.export(lambda x: x + ag.tensor(np.asarray(x.numpy().sum(keepdims=True))), x + ag.randn(2, 3))


def test_errors_of_arguments():
    model = nn.Linear(3, 2)
    with pytest.raises(TypeError, match="at least one tensor"):
        ag.onnx.export(model, 5)
    with pytest.raises(ValueError, match="input_names needs 1"):
        ag.onnx.export(model, ag.zeros(2, 3), input_names=["a", "b"])
    with pytest.raises(ValueError, match="output_names needs 1"):
        ag.onnx.export(model, ag.zeros(2, 3), output_names=[])
    with pytest.raises(ValueError, match="no examples along dim 4"):
        ag.onnx.export(model, ag.zeros(2, 3), batch_dims=4)
    with pytest.raises(ValueError, match="different batch sizes"):
        ag.onnx.export(nn.CosineSimilarity(), (ag.zeros(2, 3), ag.zeros(1, 3)))
    with pytest.raises(TypeError, match="must return tensors"):
        ag.onnx.export(lambda x: 3, ag.zeros(2, 3))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"autograd_nn\[onnx\]"):
        ag.onnx.export(nn.Linear(3, 2), ag.zeros(2, 3))
