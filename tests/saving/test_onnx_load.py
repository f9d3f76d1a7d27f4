"""`onnx.load`: files run as they should, train on, and are read with care."""

import collections
import io
import os
import tracemalloc
import warnings

import numpy as np
import pytest

import autograd_nn as ag
from autograd_nn import nn
from autograd_nn.engine import wrap
from autograd_nn.training import fit

from ..nn.cases import LAYERS
from .test_onnx_export import MORE_LAYERS, compare, exported, flat, narrow, tensors

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def loaded(proto):
    return ag.onnx.load(io.BytesIO(proto.SerializeToString()))


def graph_of(nodes, inputs, outputs, initializers=(), opset=18, **settings):
    """Return a model of nodes; inputs and outputs are names of float32 tensors of any shape."""
    infos = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
             for names in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *infos, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **settings)


# ------------------------------------------------------------------------------------ what it computes

rows = [row for row in LAYERS + MORE_LAYERS if not (row[0] == "LeakyReLU" and row[1])]


@pytest.mark.parametrize("row", rows, ids=[f"{name}{arguments}{settings}" for name, arguments, settings, _ in rows])
def test_round_trip(row):
    name, arguments, settings, inputs = row
    ag.manual_seed(0)
    layer = getattr(nn, name)(*arguments, **settings).eval()
    arrays = [narrow(x) for x in inputs]
    again = loaded(exported(layer, tensors(arrays), None))
    expected, found = layer(*tensors(arrays)), flat(again(*tensors(arrays)))
    compare([x.detach() for x in flat(expected)], [x.detach().numpy() for x in found])
    own, other = dict(layer.named_parameters()), dict(again.named_parameters())
    assert set(own) - set(other) <= {"weight", "bias"} and set(other) <= set(own) | set(other)
    sums = [sum((x * x).sum() for x in flat(out) if x.dtype.kind == "f" and x.requires_grad)
            for out in (expected, found)]
    if own and not isinstance(sums[0], int):
        for total in sums:
            total.backward()
        for key in set(own) & set(other):
            np.testing.assert_allclose(other[key].grad.numpy(), own[key].grad.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_standard_s_own_cases():
    """Of the cases whose tensors are float32, float64, int64 or bool, at least 95 % pass; the others are printed."""
    from onnx.backend.test.loader import load_model_tests

    kinds = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL}
    failed, passed = collections.Counter(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = load_model_tests(kind="node")
        for case in cases:
            graph = case.model.graph
            values = [*graph.input, *graph.output]
            plain = all(v.type.WhichOneof("value") == "tensor_type" and v.type.tensor_type.elem_type in kinds
                        for v in values)
            if not plain or any(n.domain or "Optional" in n.op_type for n in graph.node):
                continue
            try:
                check(case)
                passed += 1
            except Exception as error:
                failed[f"{case.name}: {type(error).__name__} {str(error).strip().splitlines()[0][:90]}"] += 1
    print(f"{passed} passed, {len(failed)} failed", *sorted(failed), sep="\n")
    assert passed >= 1300 and passed / (passed + len(failed)) > 0.98


def check(case):
    model = loaded(case.model)
    for inputs, outputs in case.data_sets:
        arrays = [[numpy_helper.to_array(x) if isinstance(x, TensorProto) else np.asarray(x) for x in side]
                  for side in (inputs, outputs)]
        with ag.no_grad():
            found = model(*map(wrap, arrays[0]))
        for x, y in zip(found if isinstance(found, tuple) else (found,), arrays[1], strict=True):
            assert x.shape == y.shape and x.dtype == y.dtype
            np.testing.assert_allclose(x.numpy(), y, rtol=case.rtol, atol=case.atol)


def convnet():
    ag.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(36, 3))  # fmt: skip


def test_a_loaded_model_trains_on():
    model = loaded(ag.onnx.export(convnet(), ag.zeros(1, 1, 8, 8)))
    assert not model.training
    x = np.random.default_rng(0).standard_normal((60, 1, 8, 8)).astype(np.float32)
    y = np.arange(60) % 3
    x[np.arange(60), 0, y * 2] += 2
    mean = model.get_submodule("1").running_mean
    before = mean.numpy().copy()
    history = fit(model, (x, y), ag.optim.Adam(model.parameters(), lr=0.01), "cross_entropy", epochs=6, batch_size=20)
    losses = [epoch["loss"] for epoch in history.epochs]
    assert losses[-1] < 0.3 * losses[0]
    assert not np.allclose(mean.numpy(), before)  # batch norm trains too
    model.eval()
    assert (model(wrap(x)).detach().numpy().argmax(1) == y).mean() > 0.9
    names = dict(convnet().named_parameters())
    assert {name: p.shape for name, p in model.named_parameters()} == {name: p.shape for name, p in names.items()}
    again = loaded(ag.onnx.export(model, wrap(x)))  # and out again
    compare(model(wrap(x)).detach(), [again(wrap(x)).detach().numpy()])


def test_weights_statistics_and_settings_are_told_apart():
    model = loaded(ag.onnx.export(convnet(), ag.zeros(1, 1, 8, 8)))
    assert [name for name, _ in model.named_buffers()] == ["1.running_mean", "1.running_var"]
    state = convnet().state_dict()
    model.load_state_dict({key: value for key, value in state.items() if "num_batches" not in key})


def test_names_that_are_no_attributes():
    names = ["a/b:0", "x.y", "x", "forward", "a.b.c", "5"]
    weights = [numpy_helper.from_array(np.full(2, i, np.float32), name) for i, name in enumerate(names)]
    nodes = [helper.make_node("Sum", ["in", *names], ["out"])]
    model = loaded(graph_of(nodes, ["in"], ["out"], weights))
    assert model(ag.zeros(2)).detach().numpy().tolist() == [15, 15]
    assert len(list(model.parameters())) == 6


def test_inputs_by_name_and_errors():
    model = loaded(graph_of([helper.make_node("Sub", ["a", "b"], ["out"])], ["a", "b"], ["out"]))
    assert float(model(b=ag.ones(1), a=ag.full((1,), 3.0))) == 2
    assert float(model(np.full(1, 3.0, np.float32), b=ag.ones(1))) == 2
    with pytest.raises(TypeError, match="inputs are missing: b"):
        model(ag.ones(1))
    with pytest.raises(TypeError, match=r"takes the inputs a, b \(got 3"):
        model(ag.ones(1), ag.ones(1), ag.ones(1))
    with pytest.raises(TypeError, match="c by name"):
        model(ag.ones(1), c=ag.ones(1))
    assert repr(model) == "OnnxModule(1 nodes, a, b -> out)"


def test_an_error_names_the_node():
    nodes = [helper.make_node("MatMul", ["a", "b"], ["out"], name="head/MatMul")]
    model = loaded(graph_of(nodes, ["a", "b"], ["out"]))
    with pytest.raises(RuntimeError) as found:
        model(ag.ones(2, 3), ag.ones(2, 3))
    assert "in MatMul (node 'head/MatMul')" in found.value.__notes__


def test_missing_operators_are_named():
    nodes = [helper.make_node("QLinearConv", ["in"] * 8, ["a"]), helper.make_node("Strange", ["a"], ["out"],
                                                                                  domain="me.there")]
    with pytest.raises(NotImplementedError, match=r"operators that are not there: QLinearConv, me\.there\.Strange"):
        loaded(graph_of(nodes, ["in"], ["out"]))


def test_local_functions_and_loops():
    double = helper.make_function("local", "Double", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])],
                                  [helper.make_opsetid("", 18)])
    model = graph_of([helper.make_node("Double", ["in"], ["out"], domain="local")], ["in"], ["out"], functions=[double])
    model.opset_import.append(helper.make_opsetid("local", 1))
    assert loaded(model)(ag.ones(2)).numpy().tolist() == [2, 2]
    kinds = TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Mul", ["value", "factor"], ["next"]), helper.make_node("Identity", ["going"], ["still"]),
         helper.make_node("Identity", ["next"], ["row"])], "body",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(("i", "going", "value"), kinds)],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in
         zip(("still", "next", "row"), (TensorProto.BOOL, TensorProto.FLOAT, TensorProto.FLOAT))],
    )  # fmt: skip
    constants = [numpy_helper.from_array(np.array(3), "count"), numpy_helper.from_array(np.float32([2]), "factor")]
    loop = helper.make_node("Loop", ["count", "", "in"], ["last", "rows"], body=body)
    model = loaded(graph_of([loop], ["in"], ["last", "rows"], constants))
    last, all_rows = model(ag.full((1,), 1.5))
    assert float(last) == 12 and all_rows.detach().numpy().ravel().tolist() == [3, 6, 12]
    last.backward()
    assert float(model.factor.grad) == 1.5 * 3 * 4  # the derivative goes through the loop


def test_models_of_pytorch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.BatchNorm2d(8), torch.nn.SiLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(8, 5), torch.nn.LayerNorm(5), torch.nn.GELU(), torch.nn.Softmax(1),
    ).eval()  # fmt: skip
    x, file = torch.randn(2, 3, 9, 9), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, x, file, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE)
    file.seek(0)
    ours = ag.onnx.load(file)
    np.testing.assert_allclose(ours(wrap(x.numpy())).detach().numpy(), model(x).detach().numpy(), atol=1e-6)
    assert {name for name, _ in ours.named_parameters()} >= {"0.weight", "0.bias", "5.weight", "5.bias"}


# ------------------------------------------------------------------------------------ files that nobody vouches for


def external(location, offset=None, length=None, count=6):
    """Return a model whose weight is in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[count], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": offset, "length": length}.items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return graph_of([helper.make_node("Add", ["in", "w"], ["out"])], ["in"], ["out"], [tensor])


def saved(proto, folder):
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_external_data_inside_the_folder_is_read(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"skip" + np.arange(6, dtype="<f4").tobytes())
    model = ag.onnx.load(saved(external("weights/w.bin", 4, 24), tmp_path))
    assert model(ag.zeros(6)).detach().numpy().tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="load from a path"):
        loaded(external("weights/w.bin", 4, 24))


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret", "C:\\secret", "\\secret", "",
                                      "..\\secret", "link", "folder/secret"])  # fmt: skip
def test_external_data_outside_of_the_folder_is_refused(tmp_path, location):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(100))
    os.symlink(tmp_path / "secret", folder / "link")
    os.symlink(tmp_path, folder / "folder")
    with pytest.raises(ValueError, match="outside of the model's folder"):
        ag.onnx.load(saved(external(location), folder))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"offset": 100}, "needs 24 bytes"), ({"offset": -1}, "needs 24 bytes"), ({"length": 8}, "length=8"),
     ({"count": 2**40}, "needs 4,398"), ({"offset": "x"}, "no number"), ({"location": "absent"}, "not there")],
)  # fmt: skip
def test_external_data_of_another_size_is_refused(tmp_path, settings, words):
    (tmp_path / "w").write_bytes(bytes(40))
    with pytest.raises(ValueError, match=words):
        ag.onnx.load(saved(external(**{"location": "w", **settings}), tmp_path))


def tensor_of(**settings):
    tensor = TensorProto(**{"name": "w", "data_type": TensorProto.FLOAT, **settings})
    return graph_of([helper.make_node("Add", ["in", "w"], ["out"])], ["in"], ["out"], [tensor])


def nested(depth):
    node = helper.make_node("Identity", ["in"], ["out"])
    for _ in range(depth):
        graph = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)])
        node = helper.make_node("If", ["in"], ["out"], then_branch=graph, else_branch=graph) if _ < 2 else (
            helper.make_node("If", ["in"], ["out"], then_branch=graph))
    return graph_of([node], ["in"], ["out"])


@pytest.mark.parametrize(
    ("proto", "words"),
    [
        (lambda: tensor_of(dims=[2**40], raw_data=bytes(8)), "needs 4,398,046,511,104 bytes, but has 8"),
        (lambda: tensor_of(dims=[-1], raw_data=bytes(8)), "impossible shape"),
        (lambda: tensor_of(dims=[1] * 70, raw_data=bytes(4)), "impossible shape"),
        (lambda: tensor_of(dims=[3], float_data=[1.0]), "needs 3 numbers, but has 1"),
        (lambda: tensor_of(dims=[2**62, 4], raw_data=bytes(8)), "needs"),
        (lambda: tensor_of(data_type=TensorProto.STRING, dims=[1], string_data=[b"x"]), r"dtype .*\(STRING\)"),
        (lambda: tensor_of(data_type=99, dims=[1], raw_data=b"x"), "dtype that is not read"),
        (lambda: tensor_of(name="", dims=[1], raw_data=bytes(4)), "is empty"),
        (lambda: nested(18), "more than 16 deep"),
        (lambda: onnx.ModelProto(), "not an ONNX file"),
        (lambda: graph_of([], ["in"], ["out"], opset=0), "operators of version 0"),
    ],
)
def test_impossible_files_are_refused(proto, words):
    with pytest.raises(ValueError, match=words):
        loaded(proto())


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04" + bytes(50), b"{}", b"\x05\xd3n\xeaT"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not an ONNX file"):
        ag.onnx.load(path)


def test_values_that_nothing_gives():
    model = loaded(graph_of([helper.make_node("Relu", ["nobody"], ["out"])], ["in"], ["out"]))
    with pytest.raises(ValueError, match="nothing gives the input 'nobody'"):
        model(ag.ones(1))


def mutants(data, count, seed):
    """Yield a file with bytes changed, cut out, repeated, or cut off."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(generator.integers(1, 6)):
            place, kind = int(generator.integers(len(mutant))), generator.integers(5)
            if kind == 0:
                mutant[place] = generator.integers(256)
            elif kind == 1:
                mutant[place] ^= 1 << generator.integers(8)
            elif kind == 2:
                del mutant[place : place + int(generator.integers(1, 9))]
            elif kind == 3:
                mutant[place:place] = mutant[place : place + int(generator.integers(1, 30))]
            else:
                mutant[place : place + 8] = b"\xff" * 8
            if not mutant:
                break
        yield bytes(mutant)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_refused_or_read_and_take_no_memory(seed):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    file = io.BytesIO()
    ag.onnx.export(model, ag.zeros(1, 1, 4, 4), file)
    read = 0
    tracemalloc.start()
    try:
        for mutant in mutants(file.getvalue(), 150, seed):
            try:
                ag.onnx.load(io.BytesIO(mutant))
                read += 1
            except (ValueError, NotImplementedError):
                pass
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert read < 150
