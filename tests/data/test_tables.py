"""Tables: DataFrames, mappings and CSV files to arrays; the encoder, and what is said of bad data."""

import copy
import json
import pickle

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import DataLoader, TableDataset, TableEncoder, TensorDataset, read_csv
from autograd_nn.tensor import Tensor

ROWS = {"age": [20.0, 30.0, None, 50.0, 40.0], "city": ["Bern", "Oslo", "Bern", None, "Rome"],
        "rooms": [1, 2, 3, 4, 5], "ill": ["no", "yes", "no", "yes", "no"]}


def as_mapping(rows, tmp_path):
    return rows


def as_pandas(rows, tmp_path):
    return pytest.importorskip("pandas").DataFrame(rows)


def as_polars(rows, tmp_path):
    return pytest.importorskip("polars").DataFrame(rows, strict=False)


def as_csv(rows, tmp_path, **settings):
    path = tmp_path / "table.csv"
    lines = [",".join(rows), *(",".join("" if cell is None else str(cell) for cell in row)
                               for row in zip(*rows.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_csv(path, **settings)


MAKERS = [as_mapping, pytest.param(as_pandas, marks=pytest.mark.data), pytest.param(as_polars, marks=pytest.mark.data),
          as_csv]


@pytest.mark.parametrize("make", MAKERS)
def test_every_kind_of_table_gives_the_same_arrays(make, tmp_path):
    data = TableDataset(make(ROWS, tmp_path), target="ill")
    x, y = next(iter(DataLoader(data, batch_size=5)))
    assert data.encoder.feature_names == ["age", "rooms", "city=Bern", "city=Oslo", "city=Rome"]
    age = (np.array([20, 30, 35, 50, 40]) - 35) / np.std([20, 30, 35, 50, 40])  # the mean in place of what is missing
    rooms = (np.arange(1, 6) - 3) / np.std(np.arange(1, 6))
    city = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(x.data, np.column_stack([age, rooms, city]), rtol=1e-6)
    assert x.dtype == np.float32
    assert (data.classes, y.data.tolist(), y.dtype) == (["no", "yes"], [0, 1, 0, 1, 0], np.int64)
    assert data.encoder.decode(y) == ROWS["ill"]
    single, label = data[1]
    np.testing.assert_array_equal(single, x.data[1])
    assert label == 1 and len(list(data)) == len(data) == 5


@pytest.mark.parametrize("make", MAKERS)
def test_codes_for_embeddings(make, tmp_path):
    data = TableDataset(make(ROWS, tmp_path), target="ill", categories="codes", categorical=["rooms"], scale=False,
                        missing="median", indicators=True)
    (numbers, codes), _ = next(iter(DataLoader(data, batch_size=5, num_workers=2)))
    np.testing.assert_array_equal(numbers.data, [[20, 0], [30, 0], [35, 1], [50, 0], [40, 0]])
    assert codes.dtype == np.int64
    names = data.encoder.categorical_names
    assert sorted(names) == ["city", "rooms"]
    np.testing.assert_array_equal(codes.data[:, names.index("city")], [1, 2, 1, 0, 3])
    np.testing.assert_array_equal(codes.data[:, names.index("rooms")], [1, 2, 3, 4, 5])
    assert sorted(data.encoder.cardinalities) == [4, 6]
    assert data.encoder.embedding_sizes[names.index("city")] == (4, 3)
    assert data.encoder.feature_names == ["age", "age missing"]


@pytest.mark.parametrize("make", MAKERS)
def test_prediction_with_another_order_and_other_columns(make, tmp_path):
    encoder = TableEncoder().fit(make(ROWS, tmp_path), target="ill")
    expected = encoder.transform({name: ROWS[name] for name in ("age", "city", "rooms")})
    other = {"extra": list("abcde"), **{name: ROWS[name] for name in ("rooms", "city", "age")}}
    np.testing.assert_array_equal(encoder.transform(make(other, tmp_path)).data, expected.data)
    valid = TableDataset(make(other, tmp_path), encoder=encoder)
    assert valid.targets is None
    assert next(iter(DataLoader(valid, 5))).shape == (5, 5)
    row = encoder.transform({"age": 20, "city": "Bern", "rooms": 1})
    np.testing.assert_array_equal(row.data, expected.data[:1])
    with pytest.raises(ValueError, match=r"transform\(\): the table has no column 'rooms'; did you mean 'room'\?"):
        encoder.transform(make({"age": [1.0], "city": ["Bern"], "room": [1]}, tmp_path))


@pytest.mark.parametrize("make", MAKERS)
def test_unseen_categories(make, tmp_path):
    new = make({"age": [20.0, 1.0], "city": ["Bern", "Paris"], "rooms": [1, 1]}, tmp_path)
    with pytest.raises(ValueError, match=r"column 'city', row 1: the category 'Paris' was not there in fit \('Bern', "
                                         r"'Oslo', 'Rome'\); TableEncoder\(unseen='unknown'\)"):
        TableEncoder().fit(make(ROWS, tmp_path), target="ill").transform(
            make({"age": [20.0, 1.0], "city": ["Bern", "Paris"], "rooms": [1, 1]}, tmp_path))
    encoder = TableEncoder(unseen="unknown", exclude=["ill"]).fit(ROWS)
    assert encoder.transform(new).data[1, 2:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("make", MAKERS)
def test_a_text_in_a_column_of_numbers_is_named(make, tmp_path):
    rows = {"price": ["10", "20.5", "30", "n. a.", "50"], "y": [0, 1, 0, 1, 0]}
    where = "line 5" if make is as_csv else "row 3"
    with pytest.raises(ValueError, match=rf"column 'price', {where}: 'n\. a\.' is no number, as 4 other cells"):
        TableEncoder().fit(make(rows, tmp_path), target="y")
    numbers = {"price": [10.0, 20.0, 30.0], "y": [0, 1, 0]}
    encoder = TableEncoder().fit(make(numbers, tmp_path), target="y")
    with pytest.raises(ValueError, match=r"column 'price', .* 'ten' is no number"):
        encoder.transform(make({"price": ["ten"]}, tmp_path))
    assert TableEncoder(categorical=["price"]).fit(make(rows, tmp_path), target="y").cardinalities == [6]
    with pytest.raises(ValueError, match=r"column 'city'.*'Bern' is no number"):
        TableEncoder(numeric=["city"]).fit(make(ROWS, tmp_path))


def test_values_that_stand_for_missing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,0\n-999,1\nNA,0\n 3 ,1\n")
    data = TableDataset.from_csv(path, "y", scale=False)
    assert data.inputs[0][:, 0].tolist() == pytest.approx([1, -999, -995 / 3, 3])
    data = TableDataset.from_csv(path, "y", na_values=["-999", "NA"], scale=False)
    assert data.inputs[0][:, 0].tolist() == [1, 2, 2, 3]
    with pytest.raises(ValueError, match=r"column 'x', row 2: the value is missing"):
        TableDataset.from_csv(path, "y", missing="error")


@pytest.mark.parametrize("make", MAKERS)
def test_targets(make, tmp_path):
    def targets(values, **settings):
        data = TableDataset(make({"x": list(range(len(values))), "y": values}, tmp_path), target="y", **settings)
        return data.classes, data.targets.tolist()

    assert targets([0, 1, 2, 1]) == (["0", "1", "2"], [0, 1, 2, 1])
    assert targets([3, 5, 4, 5]) == (None, [[3], [5], [4], [5]])
    assert targets([3, 5, 10, 5], task="classes") == (["3", "5", "10"], [0, 1, 2, 1])
    assert targets([0.5, 1.5]) == (None, [[0.5], [1.5]])
    assert targets([0, 1], task="numbers") == (None, [[0], [1]])
    assert targets(["b", "a"]) == (["a", "b"], [1, 0])
    several = TableDataset(make({"x": [1.5, 2], "y": [1, 2], "z": [3.5, 4]}, tmp_path), target=["y", "z"])
    assert several.targets.tolist() == [[1, 3.5], [2, 4]] and several.targets.dtype == np.float32
    with pytest.raises(ValueError, match="the target 'y' is missing in row 1"):
        targets(["a", None, "b"])
    with pytest.raises(ValueError, match="the target 'y' is missing in row 2"):
        targets([0.5, 1.0, None])
    encoder = TableEncoder().fit(make({"x": [1, 2], "y": ["a", "b"]}, tmp_path), target="y")
    with pytest.raises(ValueError, match=r"the target 'y' is 'c', which is none of \['a', 'b'\], in row 0"):
        TableDataset(make({"x": [1], "y": ["c"]}, tmp_path), encoder=encoder)
    with pytest.raises(ValueError, match="several targets must be numbers, and 'ill' is none"):
        TableDataset(make(ROWS, tmp_path), target=["rooms", "ill"])


def test_booleans_are_numbers_as_inputs_and_classes_as_target():
    data = TableDataset({"x": [True, False, True], "y": np.array([False, True, True])}, target="y", scale=False)
    assert data.inputs[0].tolist() == [[1], [0], [1]]
    assert (data.classes, data.targets.tolist()) == (["0", "1"], [0, 1, 1])


@pytest.mark.parametrize("again", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)),
                                   lambda e: TableEncoder.from_state_dict(e.state_dict())])
def test_the_encoder_is_saved(again):
    encoder = TableEncoder(categories="codes", unseen="unknown", indicators=True, missing="median")
    encoder.fit(ROWS, target="ill")
    copied = again(encoder)
    new = {"age": [None, 77.0], "city": ["Oslo", "Lima"], "rooms": [2, 9]}
    for one, other in zip(encoder.transform(new), copied.transform(new), strict=True):
        np.testing.assert_array_equal(one.data, other.data)
    assert copied.classes == ["no", "yes"] and repr(copied) == repr(encoder)


def test_the_encoder_is_saved_with_a_model(tmp_path):
    encoder = TableEncoder().fit(ROWS, target="ill")
    model = autograd_nn.nn.Linear(encoder.width, 2)
    path = tmp_path / "model.safetensors"
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    state |= {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    autograd_nn.save(state, path)
    loaded = autograd_nn.load(path)
    read = TableEncoder.from_state_dict({name: loaded[f"encoder.{name}"] for name in ("numbers", "spec")})
    np.testing.assert_array_equal(read.transform(ROWS).data, encoder.transform(ROWS).data)


def test_damaged_states_are_refused():
    encoder = TableEncoder().fit(ROWS, target="ill")
    state = encoder.state_dict()
    spec = json.loads(state["spec"].tobytes())

    def changed(**entries):
        return {"numbers": state["numbers"],
                "spec": np.frombuffer(json.dumps({**spec, **entries}).encode(), np.uint8)}

    for wrong in ({}, {"numbers": state["numbers"]}, {**state, "spec": np.zeros(3)},
                  {**state, "spec": state["spec"][:-3]},
                  {**state, "numbers": state["numbers"][:, :1]}, {**state, "numbers": state["numbers"] * np.nan},
                  changed(version=99), changed(texts=[["a"], ["b"]]), changed(texts=3), changed(classes=[1, 2]),
                  changed(numeric_names=["age", "age"]), changed(missing="zero"),
                  changed(scale="yes"), changed(more=1)):
        with pytest.raises(ValueError, match=r"TableEncoder.load_state_dict\(\): (the state is damaged|expected the "
                                             r"keys)"):
            TableEncoder().load_state_dict(wrong)
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = state["spec"].copy()
        damaged[generator.integers(0, len(damaged), 2)] = generator.integers(32, 127, 2)
        try:
            TableEncoder.from_state_dict({**state, "spec": damaged})
        except ValueError as error:
            assert "damaged" in str(error)
    with pytest.raises(RuntimeError, match="has learned from no table; call fit"):
        TableEncoder().transform(ROWS)
    with pytest.raises(RuntimeError, match="call fit"):
        TableEncoder().state_dict()


def test_what_is_no_table_is_refused():
    for wrong, match in ((np.zeros((3, 2)), r"use TensorDataset\(X, y\) for arrays"), ("a.csv", r"use "
                                                                                                r"read_csv\(path\)"),
                         (Tensor([1.0]), "use TensorDataset"), (3, "got int"), ([1, 2], "got list"),
                         ({1: [2]}, "names of columns must be strings, got 1")):
        with pytest.raises(TypeError, match=match):
            TableDataset(wrong)
    for settings, match in (({"target": "il"}, "no column 'il'; did you mean 'ill'"),
                            ({"exclude": ["x"]}, "no column 'x'; there are"),
                            ({"numeric": ["age"], "categorical": ["age"]}, "is in numeric and in categorical"),
                            ({"categories": "dummies"}, "categories must be one of"),
                            ({"unseen": "ignore"}, "unseen must be one of"),
                            ({"task": "rank", "target": "ill"}, "task must"),
                            ({"exclude": list(ROWS)}, "no column is left")):
        with pytest.raises(ValueError, match=match):
            TableDataset(ROWS, **settings)
    for rows, match in (({"x": [1, 2], "y": [1]}, "same length"), ({"x": []}, "no row"),
                        ({"x": [None, None]}, "column 'x' has no value"), ({"x": [1.0, np.inf]}, "'x', row 1: 'inf' "
                                                                                                 "is no number"),
                        ({"x": np.array([1.0, np.inf])}, "row 1: inf is infinite"),
                        ({"x": [f"name {n}" for n in range(30)]}, "30 different texts in 30 rows, too many")):
        with pytest.raises(ValueError, match=match):
            TableDataset(rows)
    with pytest.raises(TypeError, match=r"column 'x', row 0: \[1\] is neither number nor text but a list"):
        TableDataset({"x": [[1], [2]]})
    with pytest.raises(TypeError, match="holds dates or times"):
        TableDataset({"x": np.array(["2020-01-01"], "M8[D]")})
    encoder = TableEncoder().fit(ROWS, target="ill")
    with pytest.raises(ValueError, match="the encoder has its settings already"):
        TableDataset(ROWS, encoder=encoder, scale=False)
    with pytest.raises(ValueError, match="has learned the target"):
        TableDataset(ROWS, "age", encoder=encoder)
    with pytest.raises(ValueError, match=r"use scores.argmax\(1\)"):
        encoder.decode(np.zeros((3, 2)))


@pytest.mark.data
def test_pandas_dtypes():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({
        "int": pandas.array([1, None, 3], dtype="Int64"), "float": pandas.array([1.5, None, 3], dtype="Float64"),
        "flag": pandas.array([True, None, False], dtype="boolean"), "kind": pandas.Categorical(["a", None, "b"]),
        "text": pandas.array(["x", None, "y"], dtype="string"), "f32": np.array([1, np.nan, 3], np.float32),
    }, index=[7, 8, 9])
    encoder = TableEncoder(scale=False).fit(table)
    assert encoder.numeric_names == ["int", "float", "flag", "f32"]
    assert encoder.categorical_names == ["kind", "text"]
    np.testing.assert_allclose(encoder.transform(table).data, [
        [1, 1.5, 1, 1, 1, 0, 1, 0], [2, 2.25, 0.5, 2, 0, 0, 0, 0], [3, 3, 0, 3, 0, 1, 0, 1]])
    with pytest.raises(TypeError, match="dates or times"):
        TableEncoder().fit(pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01"])}))


@pytest.mark.data
def test_polars_dtypes():
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"int": [1, None, 3], "kind": polars.Series(["a", None, "b"], dtype=polars.Categorical),
                              "flag": [True, None, False]})
    encoder = TableEncoder(scale=False).fit(table)
    np.testing.assert_allclose(encoder.transform(table).data, [[1, 1, 1, 0], [2, 0.5, 0, 0], [3, 0, 0, 1]])
    with pytest.raises(TypeError, match=r"got a LazyFrame; use table.collect\(\)"):
        TableEncoder().fit(table.lazy())
    with pytest.raises(TypeError, match="neither number nor text but a date"):
        TableEncoder().fit(polars.DataFrame({"d": ["2020-01-01"]}).select(polars.col("d").str.to_date()))


# ------------------------------------------------------------------------------ CSV files

@pytest.mark.parametrize(("text", "match"), [
    ("", "a first line with the names of the columns, found none"),
    ("a;b\n1;2\n", r"found one column, 'a;b'; delimiter=';'\?"),
    ("a,a\n1,2\n", "two columns are named 'a'"),
    ("a,b\n1,2\n3\n", r"line 3: expected 2 cells, as the first line has, found 1"),
    ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 cells, as the first line has, found 3"),
    ('a,b\n1,"2\n', "damaged near line"),
    ("a,b\n1,1e999\n2,3\n", r"column 'b', line 2: '1e999' is too large"),
    ("a,b\n", "the table has no row"),
    ("a\n" + "x" * 200_000 + "\n", "field larger than field limit"),
])
def test_bad_csv_files(tmp_path, text, match):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=match):
        TableEncoder().fit(read_csv(path))


def test_csv_files(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffsize,"the, name",zip\r\n1,"a ""b""",007\r\n\r\n2,c,123\r\n'.encode())
    file = read_csv(path)
    assert file.names == ["size", "the, name", "zip"]
    encoder = TableEncoder(categorical=["zip"], scale=False).fit(file)
    assert encoder.feature_names == ["size", 'the, name=a "b"', "the, name=c", "zip=007", "zip=123"]
    with pytest.raises(ValueError, match=r"column 'zip', line 2: '007' is no number.*categorical=\['zip'\]"):
        TableEncoder().fit(file)
    path.write_text("a;b\n1,5;x\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"is no text in utf-8.*give encoding="):
        read_csv(path)
    assert read_csv(path, ";", "utf-16").names == ["a", "b"]
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="expected at most 3 bytes, found"):
        read_csv(path, max_bytes=3)
    with pytest.raises(ValueError, match="delimiter must be one character"):
        read_csv(path, "||")


def test_a_csv_file_costs_the_memory_of_its_arrays(tmp_path):
    import tracemalloc
    path = tmp_path / "long.csv"
    rows = 5_000
    with open(path, "w", encoding="utf-8") as file:
        file.write("a,b,kind,y\n")
        file.writelines(f"{row}.25,{row % 97},k{row % 5},{row % 2}\n" for row in range(rows))
    tracemalloc.start()
    data = TableDataset.from_csv(path, "y")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(data) == rows and data.encoder.width == 7
    assert peak < 5 * rows * 7 * 4 + 200_000  # as lists of texts it would be 3 times as much


def test_mutated_csv_files_raise_value_errors_only(tmp_path):
    generator = np.random.default_rng(3)
    good = "age,city,y\n" + "".join(f"{n}.5,{'Bern' if n % 3 else 'Oslo'},{n % 2}\n" for n in range(20))
    path = tmp_path / "damaged.csv"
    read = refused = 0
    for _ in range(300):
        data = bytearray(good.encode())
        for place in generator.integers(0, len(data), 3):
            data[place] = generator.integers(0, 256)
        path.write_bytes(data)
        try:
            TableDataset.from_csv(path, target="y")
            read += 1
        except ValueError:
            refused += 1
    assert read > 5 and refused > 50


# ------------------------------------------------------------------------------ tensors of tables

@pytest.mark.data
@pytest.mark.parametrize("make", [as_pandas, as_polars])
def test_tensor_of_a_table_is_that_of_its_array(make):
    table = make({"a": [1.0, 2.0], "b": [3.0, 4.5]}, None)
    array = table.to_numpy()
    assert array.dtype == np.float64
    for one in (autograd_nn.tensor(table), autograd_nn.as_tensor(table), Tensor(table)):
        assert one.dtype == autograd_nn.tensor(array).dtype == np.float64
        np.testing.assert_array_equal(one.data, array)
    column = table["a"]
    assert autograd_nn.tensor(column).dtype == np.float64
    assert autograd_nn.tensor(table, dtype=np.float32).dtype == np.float32
    x, y = TensorDataset(table, column)[0]
    assert x.shape == (2,) and y.item() == 1
