"""Tables as datasets: columns of numbers and categories become arrays, by an encoder that is saved with the model."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor, from_numpy
from .columns import MISSING, Column, Numbers, Texts, columns_of, names_of, nearest, read_csv
from .dataset import Dataset

__all__ = ["TableDataset", "TableEncoder"]

VERSION = 1
MOST_CATEGORIES = 1_000_000


def _listed(name: str, what: str, value: Any) -> list[str]:
    """Return a name or a sequence of names as a list."""
    names = [value] if isinstance(value, str) else list(value or ())
    for one in names:
        if not isinstance(one, str):
            raise TypeError(f"{name}(): {what} must be names of columns, got {one!r}")
    return names


class TableEncoder:
    """Turns the columns of a table into arrays, the way it learned from the table it was fitted to.

    Numbers get mean 0 and standard deviation 1; a missing one becomes the mean, or the median. Categories become
    numbers from 1 on, in sorted order; 0 stands for a missing one. Columns are found by their names: their order in
    later tables does not matter, and columns that were not there in `fit` are left alone.

    Parameters
    ----------
    numeric, categorical : sequence of str
        Columns that are to be taken as such, whatever they seem to hold (an integer code as categories, for example).
    exclude : sequence of str
        Columns to leave out.
    categories : {"one_hot", "codes"}
        "one_hot": `transform` returns one array, a column per category (all 0 where it is missing or unknown).
        "codes": it returns (numbers, codes), for layers with an `Embedding` per column; see `cardinalities`.
    missing : {"mean", "median", "error"}
        What a missing number becomes.
    indicators : bool
        Whether each number gets a second column that is 1 where it was missing.
    unseen : {"error", "unknown"}
        What a category becomes that was not there in `fit`: a ValueError that names it, or the same as a missing one.
    scale : bool
        Whether numbers are scaled.

    Attributes
    ----------
    numeric_names, categorical_names : list of str
        The columns in the order of the arrays.
    classes : list or None
        The names of the target's classes; None where the target is a number.
    cardinalities : list of int
        How many codes each categorical column has, 0 included.

    Examples
    --------
    >>> from autograd_nn.data import TableEncoder
    >>> table = {"age": [20, None, 40], "city": ["Bern", "Oslo", "Bern"], "ill": ["no", "yes", "no"]}
    >>> encoder = TableEncoder().fit(table, target="ill")
    >>> encoder.transform({"city": ["Oslo"], "age": [30]}).tolist()
    [[0.0, 0.0, 1.0]]
    >>> encoder.classes
    ['no', 'yes']
    """

    def __init__(self, *, numeric: Sequence[str] = (), categorical: Sequence[str] = (), exclude: Sequence[str] = (),
                 categories: str = "one_hot", missing: str = "mean", indicators: bool = False, unseen: str = "error",
                 scale: bool = True):
        self.numeric = _listed("TableEncoder", "numeric", numeric)
        self.categorical = _listed("TableEncoder", "categorical", categorical)
        self.exclude = _listed("TableEncoder", "exclude", exclude)
        both = sorted(set(self.numeric) & set(self.categorical))
        if both:
            raise ValueError(f"TableEncoder(): {both[0]!r} is in numeric and in categorical")
        for name, value, accepted in (("categories", categories, ("one_hot", "codes")),
                                      ("missing", missing, ("mean", "median", "error")),
                                      ("unseen", unseen, ("error", "unknown"))):
            if value not in accepted:
                raise ValueError(f"TableEncoder(): {name} must be one of {accepted} ({name}={value!r})")
        self.categories = categories
        self.missing = missing
        self.indicators = bool(indicators)
        self.unseen = unseen
        self.scale = bool(scale)
        self.numeric_names: list[str] = []
        self.categorical_names: list[str] = []
        self.texts: list[list[str]] = []
        self.fill = self.mean = self.std = np.zeros(0)
        self.target_names: list[str] = []
        self.classes: list[Any] | None = None
        self._fitted = False

    def __repr__(self) -> str:
        if not self._fitted:
            return "TableEncoder(not fitted)"
        kinds = f"{len(self.numeric_names)} numeric and {len(self.categorical_names)} categorical columns"
        target = f", target {', '.join(self.target_names)}" if self.target_names else ""
        return f"TableEncoder({kinds} to {self.width} numbers{target})"

    # ------------------------------------------------------------------------------ learning

    def fit(self, table: Any, target: str | Sequence[str] | None = None, *, task: str | None = None) -> TableEncoder:
        """Learn from a table; return the encoder.

        Parameters
        ----------
        table : DataFrame, mapping or CSVFile
            Of pandas or polars, or what `read_csv` returns.
        target : str or sequence of str, optional
            The column to predict, or several of numbers.
        task : {"classes", "numbers"}, optional
            What the target is. By default texts and the integers 0 to K - 1, each present and fewer than 100, are
            classes; other numbers are numbers.

        Raises
        ------
        ValueError
            If a column is not there, is neither one of numbers nor one of categories, or has no value.
        """
        what = "TableEncoder.fit()"
        there = names_of(table, what)
        targets = _listed("TableEncoder.fit", "target", target)
        for name in [*targets, *self.numeric, *self.categorical, *self.exclude]:
            if name not in there:
                raise ValueError(f"{what}: the table has no column {name!r}; {nearest(name, there)}")
        inputs = [name for name in there if name not in targets and name not in self.exclude]
        if not inputs:
            raise ValueError(f"{what}: no column is left to learn from (columns {there})")
        found = columns_of(table, inputs, self.numeric, self.categorical, what)
        if not len(next(iter(found.values()))[0]):
            raise ValueError(f"{what}: the table has no row")
        self.numeric_names = [name for name, column in found.items() if isinstance(column, Numbers)]
        self.categorical_names = [name for name, column in found.items() if isinstance(column, Texts)]
        self._learn_numbers([(name, found[name].values) for name in self.numeric_names])  # type: ignore[union-attr]
        self.texts = []
        for name in self.categorical_names:
            column = found[name]
            assert isinstance(column, Texts)
            if not column.texts:
                raise ValueError(f"{what}: column {name!r} has no value; leave it out with exclude=[{name!r}]")
            self.texts.append(sorted(column.texts))
        self.target_names, self.classes = targets, None
        if targets:
            self._learn_target(table, task)
        self._fitted = True
        return self

    def _learn_numbers(self, columns: list[tuple[str, np.ndarray]]) -> None:
        """Learn what fills and scales each column of numbers."""
        fill, mean, std = [], [], []
        for name, values in columns:
            there = values[~np.isnan(values)]
            if not len(there):
                raise ValueError(f"TableEncoder.fit(): column {name!r} has no value; leave it out with "
                                 f"exclude=[{name!r}]")
            if self.missing == "error" and len(there) < len(values):
                raise ValueError(f"TableEncoder.fit(): column {name!r}, row {int(np.isnan(values).argmax())}: the "
                                 "value is "
                                 "missing (missing='mean' or 'median' fills it)")
            fill.append(np.median(there) if self.missing == "median" else there.mean())
            whole = np.where(np.isnan(values), fill[-1], values)
            mean.append(whole.mean() if self.scale else 0.0)
            spread = whole.std() if self.scale else 1.0
            std.append(spread if spread > 1e-12 * max(abs(whole).max(), 1e-300) else 1.0)  # constant but for rounding
        self.fill, self.mean, self.std = (np.array(part, dtype=np.float64) for part in (fill, mean, std))

    def _learn_target(self, table: Any, task: str | None) -> None:
        what = "TableEncoder.fit()"
        if task not in (None, "classes", "numbers"):
            raise ValueError(f"{what}: task must be 'classes' or 'numbers' (task={task!r})")
        names = self.target_names
        found = columns_of(table, names, names if task == "numbers" else (), names if task == "classes" else (), what)
        first = found[names[0]]
        if len(names) > 1:
            texts = [name for name, column in found.items() if isinstance(column, Texts)]
            if texts:
                raise ValueError(f"{what}: several targets must be numbers, and {texts[0]!r} is none")
        elif isinstance(first, Texts):
            self.classes = _in_order(first.texts)
        elif task is None and first.integers and not np.isnan(first.values).any():
            distinct = np.unique(first.values)
            if 2 <= len(distinct) < 100 and np.array_equal(distinct, np.arange(len(distinct))):
                self.classes = list(map(str, range(len(distinct))))

    # ------------------------------------------------------------------------------ use

    @property
    def cardinalities(self) -> list[int]:
        """How many codes each categorical column has: its categories, and 0 for what is missing or unknown."""
        return [len(texts) + 1 for texts in self.texts]

    @property
    def embedding_sizes(self) -> list[tuple[int, int]]:
        """For each categorical column the two arguments of an `Embedding`: cardinality and a width that suits it."""
        return [(count, min(600, round(1.6 * count**0.56))) for count in self.cardinalities]

    @property
    def width(self) -> int:
        """How many features the array of numbers has, with one-hot categories where they are asked for."""
        numbers = len(self.numeric_names) * (1 + self.indicators)
        return numbers + (sum(map(len, self.texts)) if self.categories == "one_hot" else 0)

    @property
    def feature_names(self) -> list[str]:
        """The names of the features of the array of numbers."""
        names = list(self.numeric_names)
        if self.indicators:
            names += [f"{name} missing" for name in self.numeric_names]
        if self.categories == "one_hot":
            names += [f"{name}={text}" for name, texts in zip(self.categorical_names, self.texts) for text in texts]
        return names

    def _need_fit(self, method: str) -> str:
        if not self._fitted:
            raise RuntimeError(f"TableEncoder.{method}(): the encoder has learned from no table; call fit(table) first")
        return f"TableEncoder.{method}()"

    def transform(self, table: Any) -> Any:
        """Turn a table into arrays.

        Parameters
        ----------
        table : DataFrame, mapping or CSVFile
            With all columns of the one that was learned from, the target's left aside; of a mapping, a column may be
            one value.

        Returns
        -------
        Tensor, (N, width), float32; or (Tensor, Tensor)
            With ``categories="codes"`` the numbers and the codes (N, categorical columns), int64.

        Raises
        ------
        ValueError
            If a column is not there, holds a text where numbers were, or an unseen category.
        """
        arrays = self.arrays(table)
        return tuple(map(from_numpy, arrays)) if isinstance(arrays, tuple) else from_numpy(arrays)

    def arrays(self, table: Any) -> Any:
        """Return what `transform` does, as arrays."""
        what = self._need_fit("transform")
        found = columns_of(table, [*self.numeric_names, *self.categorical_names], self.numeric_names,
                           self.categorical_names, what)
        rows = len(next(iter(found.values()))[0])
        numbers = np.zeros((rows, self.width), np.float32)
        for place, name in enumerate(self.numeric_names):
            values = found[name][0]
            absent = np.isnan(values)
            if self.missing == "error" and absent.any():
                raise ValueError(f"{what}: column {name!r}, row {int(absent.argmax())}: the value is missing")
            numbers[:, place] = (np.where(absent, self.fill[place], values) - self.mean[place]) / self.std[place]
            if self.indicators:
                numbers[:, len(self.numeric_names) + place] = absent
        codes = np.zeros((rows, len(self.categorical_names)), np.int64)
        for place, name in enumerate(self.categorical_names):
            codes[:, place] = self._codes(found[name], name, self.texts[place], what)
        if self.categories == "codes":
            return numbers, codes
        start = len(self.numeric_names) * (1 + self.indicators)
        for place, texts in enumerate(self.texts):
            there = np.flatnonzero(codes[:, place])
            numbers[there, start + codes[there, place] - 1] = 1
            start += len(texts)
        return numbers

    def _codes(self, column: Column, name: str, texts: list[str], what: str) -> np.ndarray:
        """Return the codes of a column of categories."""
        assert isinstance(column, Texts)
        place = {text: code for code, text in enumerate(texts, 1)}
        known = np.array([place.get(text, 0) for text in column.texts] + [0], np.int64)  # -1, missing, is the last
        codes: np.ndarray = known[column.codes]
        unseen = np.flatnonzero((codes == 0) & (column.codes >= 0))
        if len(unseen) and self.unseen == "error":
            text = column.texts[column.codes[unseen[0]]]
            raise ValueError(f"{what}: column {name!r}, row {unseen[0]}: the category {text!r} was not there in fit "
                             f"({', '.join(map(repr, texts[:8]))}{', ...' if len(texts) > 8 else ''}); "
                             "TableEncoder(unseen='unknown') takes it as a missing one")
        return codes

    def labels(self, table: Any) -> np.ndarray:
        """Return the target of a table: class numbers (N,), int64, or numbers (N, targets), float32."""
        what = self._need_fit("labels")
        if not self.target_names:
            raise RuntimeError(f"{what}: fit was given no target")
        names = self.target_names
        found = columns_of(table, names, () if self.classes else names, names if self.classes else (), what)
        if self.classes is None:
            values = np.stack([found[name][0] for name in names], 1)
            rows, columns = np.nonzero(np.isnan(values))
            if len(rows):
                raise ValueError(f"{what}: the target {names[columns[0]]!r} is missing in row {rows[0]}; leave such "
                                 "rows "
                                 "out")
            return values.astype(np.float32)
        column = found[names[0]]
        assert isinstance(column, Texts)
        place = {text: number for number, text in enumerate(self.classes)}
        known = np.array([place.get(text, -1) for text in column.texts] + [-1], np.int64)
        codes: np.ndarray = known[column.codes]
        bad = np.flatnonzero(codes < 0)
        if len(bad):
            code = column.codes[bad[0]]
            problem = "is missing" if code < 0 else f"is {column.texts[code]!r}, which is none of {self.classes[:12]},"
            raise ValueError(f"{what}: the target {names[0]!r} {problem} in row {bad[0]}; leave such rows out")
        return codes

    def decode(self, numbers: Any) -> list[Any]:
        """Return the names of class numbers, of predictions for example."""
        if self.classes is None:
            raise RuntimeError("TableEncoder.decode(): the target has no classes")
        values = np.asarray(numbers.array if isinstance(numbers, Tensor) else numbers)
        if values.dtype.kind not in "iu" or (values.size and not 0 <= values.min() <= values.max() < len(self.classes)):
            raise ValueError(f"TableEncoder.decode(): takes class numbers from 0 to {len(self.classes) - 1}, got "
                             f"{values.dtype} {values.shape} (scores? use scores.argmax(1))")
        return [self.classes[number] for number in values.ravel()]

    # ------------------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return what the encoder has learned: arrays alone, so that it is saved with a model.

        Returns
        -------
        dict
            ``numbers`` (float64: what fills, mean, standard deviation of each column) and ``spec`` (JSON in uint8:
            names, categories, settings).
        """
        self._need_fit("state_dict")
        return {"numbers": np.stack([self.fill, self.mean, self.std]),
                "spec": np.frombuffer(json.dumps(self._spec()).encode(), np.uint8).copy()}

    def _spec(self) -> dict[str, Any]:
        names = ("numeric", "categorical", "exclude", "categories", "missing", "indicators", "unseen", "scale",
                 "numeric_names", "categorical_names", "texts", "target_names", "classes")
        return {"version": VERSION, **{name: getattr(self, name) for name in names}}

    def load_state_dict(self, state: Mapping[str, Any]) -> TableEncoder:
        """Take up what `state_dict` returned; return the encoder.

        Raises
        ------
        ValueError
            If the state is not one of an encoder; the encoder is as before then.
        """
        what = "TableEncoder.load_state_dict()"
        if not isinstance(state, Mapping) or set(state) != {"numbers", "spec"}:
            found = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
            raise ValueError(f"{what}: expected the keys 'numbers' and 'spec', found {found}")
        numbers, spec = (np.asarray(part.array if isinstance(part, Tensor) else part) for part in
                         (state["numbers"], state["spec"]))
        try:
            if spec.dtype != np.uint8 or spec.ndim != 1:
                raise ValueError(f"the spec must be uint8 (N,), found {spec.dtype} {spec.shape}")
            read = json.loads(spec.tobytes())
            _check_spec(read, self._spec())
            shape = (3, len(read["numeric_names"]))
            if numbers.dtype.kind != "f" or numbers.shape != shape or not np.isfinite(numbers).all() or not (
                    numbers[2] > 0).all():
                raise ValueError(f"the numbers must be finite floats {shape} with standard deviations above 0")
            TableEncoder(**{name: read[name] for name in ("numeric", "categorical", "exclude", "categories", "missing",
                                                          "indicators", "unseen", "scale")})
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{what}: the state is damaged ({error})") from error
        vars(self).update({name: value for name, value in read.items() if name != "version"})
        self.fill, self.mean, self.std = numbers.astype(np.float64)
        self._fitted = True
        return self

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> TableEncoder:
        """Return a new encoder with what `state_dict` returned."""
        return cls().load_state_dict(state)


def _in_order(texts: list[str]) -> list[str]:
    """Sort the names of classes; numbers by their value."""
    try:
        return sorted(texts, key=float)
    except ValueError:
        return sorted(texts)


def _check_spec(read: Any, own: dict[str, Any]) -> None:
    """Raise ValueError unless a spec that was read is built as one of ours."""
    if not isinstance(read, dict) or set(read) != set(own):
        raise ValueError(f"the spec must have the keys {sorted(own)}")
    if read["version"] != VERSION:
        raise ValueError(f"version {read['version']!r} is unknown")
    for name in ("numeric", "categorical", "exclude", "numeric_names", "categorical_names", "target_names"):
        if not isinstance(read[name], list) or not all(isinstance(one, str) for one in read[name]):
            raise ValueError(f"{name} must be a list of strings")
    for name in ("indicators", "scale"):
        if not isinstance(read[name], bool):
            raise ValueError(f"{name} must be true or false")
    lists = [*read["texts"]] if isinstance(read["texts"], list) else [None]
    lists += [] if read["classes"] is None else [read["classes"]]
    for texts in lists:
        if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts) or (
                len(set(texts)) != len(texts)) or len(texts) > MOST_CATEGORIES:
            raise ValueError("categories must be lists of different strings")
    if len(read["texts"]) != len(read["categorical_names"]):
        raise ValueError("each categorical column needs its categories")
    names = [*read["numeric_names"], *read["categorical_names"]]
    if len(set(names)) != len(names) or not names:
        raise ValueError("the columns must have different names")


class TableDataset(Dataset):
    """A dataset over a table: a sample is (numbers, target), or ((numbers, codes), target); without target the input.

    Parameters
    ----------
    table : DataFrame, mapping or CSVFile
        Of pandas or polars; a mapping from names to columns; or what `read_csv` returns.
    target : str or sequence of str, optional
        The column to predict. Classes become int64 (N,), numbers float32 (N, targets).
    encoder : TableEncoder, optional
        One that has learned from the table to train on: a table to validate or test on takes that of the training
        set. By default a new one learns from `table`.
    task : {"classes", "numbers"}, optional
        See `TableEncoder.fit`.
    **settings
        Of a new `TableEncoder`: numeric, categorical, exclude, categories, missing, indicators, unseen, scale.

    Attributes
    ----------
    encoder : TableEncoder
    inputs : tuple of ndarray
    targets : ndarray or None

    Examples
    --------
    >>> from autograd_nn.data import DataLoader, TableDataset
    >>> table = {"size": [1.0, 2.0, 3.0], "kind": ["a", "b", "a"], "price": [10.0, 20.5, 30.0]}
    >>> x, y = next(iter(DataLoader(TableDataset(table, target="price"), batch_size=3)))
    >>> x.shape == (3, 3), y.shape == (3, 1)
    (True, True)
    """

    def __init__(self, table: Any, target: str | Sequence[str] | None = None, *, encoder: TableEncoder | None = None,
                 task: str | None = None, **settings: Any):
        if encoder is None:
            encoder = TableEncoder(**settings).fit(table, target, task=task)
        elif settings or task is not None:
            raise ValueError("TableDataset(): the encoder has its settings already (got "
                             f"{', '.join(sorted(settings)) or 'task'})")
        elif not isinstance(encoder, TableEncoder):
            raise TypeError(f"TableDataset(): encoder must be a TableEncoder, got {type(encoder).__name__}")
        elif target is not None and _listed("TableDataset", "target", target) != encoder.target_names:
            raise ValueError(f"TableDataset(): the encoder has learned the target {encoder.target_names}, got "
                             f"{target!r}")
        self.encoder = encoder
        arrays = encoder.arrays(table)
        self.inputs: tuple[np.ndarray, ...] = arrays if isinstance(arrays, tuple) else (arrays,)
        there = names_of(table, "TableDataset()")
        wanted = encoder.target_names and (target is not None or encoder.target_names[0] in there)
        self.targets: np.ndarray | None = encoder.labels(table) if wanted else None

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str], target: str | Sequence[str] | None = None, *, delimiter: str = ",",
                 encoding: str = "utf-8-sig", na_values: Collection[str] = MISSING,
                 encoder: TableEncoder | None = None, **settings: Any) -> TableDataset:
        """Make a dataset of a CSV file, without pandas; see `read_csv` and `TableDataset`.

        The file is read twice, line by line: memory is taken for the arrays alone.
        """
        return cls(read_csv(path, delimiter, encoding, na_values), target, encoder=encoder, **settings)

    @property
    def classes(self) -> list[Any] | None:
        """The names of the target's classes; None where the target is a number."""
        return self.encoder.classes

    def __len__(self) -> int:
        return len(self.inputs[0])

    def __repr__(self) -> str:
        return f"TableDataset({len(self)} rows, {self.encoder!r})"

    def batch(self, indices: Any) -> Any:
        """Return the rows at `indices`."""
        parts = tuple(part[indices] for part in self.inputs)
        x = parts if len(parts) > 1 else parts[0]
        return x if self.targets is None else (x, self.targets[indices])

    def __getitem__(self, index: int) -> Any:
        return self.batch(range(len(self))[operator.index(index)])
