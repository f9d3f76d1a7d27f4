"""Tables as columns: numbers with NaN for what is missing, or codes of texts.

A table is a DataFrame of pandas or polars, a mapping from names to columns, or a CSV file. Each column becomes a
`Numbers` or a `Texts`, by what is asked for, else by what it holds; a text among numbers is an error that names row and
column.
"""

from __future__ import annotations

import csv
import decimal
import difflib
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..tensor import Tensor
from .checks import whole_number

__all__ = ["CSVFile", "Column", "Numbers", "Texts", "columns_of", "names_of", "nearest", "read_csv"]

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>")
NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")  # 007 is a text
INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d*)")
LARGEST_FILE = 2**32  # bytes of a CSV file
MOST_COLUMNS = 100_000
MOST_TEXTS = 1_000_000  # different texts of a column
UNDECLARED = 20  # so many different texts are categories, whatever the number of rows


class Numbers(NamedTuple):
    """A column of numbers: float64, NaN for what is missing, and whether all of them were integers."""

    values: np.ndarray
    integers: bool


class Texts(NamedTuple):
    """A column of texts: for each row its place in `texts` (-1 for what is missing)."""

    codes: np.ndarray
    texts: list[str]


Column: TypeAlias = Numbers | Texts


class CSVFile:
    """A CSV file with a line of names; its values are read when a dataset or an encoder asks for them.

    Parameters
    ----------
    path : path
    delimiter : str
    encoding : str
    na_values : sequence of str
        What stands for a missing value.
    max_bytes : int
        The largest file that is read.

    Attributes
    ----------
    names : list of str
        The columns.
    """

    def __init__(self, path: str | os.PathLike[str], delimiter: str = ",", encoding: str = "utf-8-sig",
                 na_values: Collection[str] = MISSING, max_bytes: int = LARGEST_FILE):
        self.path = Path(path)
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise ValueError(f"read_csv(): delimiter must be one character (delimiter={delimiter!r})")
        self.delimiter = delimiter
        self.encoding = encoding
        self.na_values = frozenset([na_values] if isinstance(na_values, str) else na_values)
        if not self.path.is_file():
            raise FileNotFoundError(f"read_csv(): no such file: {self.path}")
        size = self.path.stat().st_size
        if size > whole_number(max_bytes, "read_csv(): max_bytes", 1):
            raise ValueError(f"read_csv(): {self.path}: expected at most {max_bytes:,} bytes, found {size:,} "
                             "(max_bytes= sets the limit)")
        _, first = next(self._lines(), (0, []))
        self.names = [name.strip() for name in first]
        if not self.names or self.names == [""]:
            raise ValueError(f"read_csv(): {self.path}: expected a first line with the names of the columns, found "
                             "none")
        if len(self.names) > MOST_COLUMNS:
            raise ValueError(f"read_csv(): {self.path}: expected at most {MOST_COLUMNS:,} columns, found "
                             f"{len(self.names):,}")
        twice = sorted({name for name in self.names if self.names.count(name) > 1}) if len(set(self.names)) < len(
            self.names) else []
        if twice:
            raise ValueError(f"read_csv(): {self.path}: two columns are named {twice[0]!r}")
        if len(self.names) == 1:
            for other in (";", "\t", "|"):
                if other in self.names[0] and other != delimiter:
                    raise ValueError(f"read_csv(): {self.path}: found one column, {self.names[0][:60]!r}; "
                                     f"delimiter={other!r}?")

    def __repr__(self) -> str:
        return f"CSVFile({str(self.path)!r}, {len(self.names)} columns)"

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of each line and its cells; blank lines are left out."""
        try:
            with open(self.path, encoding=self.encoding, newline="") as file:
                reader = csv.reader(file, delimiter=self.delimiter, strict=True)
                for cells in reader:
                    if cells:
                        yield reader.line_num, cells
        except UnicodeError as error:
            raise ValueError(f"read_csv(): {self.path} is no text in {self.encoding} ({error}); give encoding=, "
                             "'latin-1' for example") from error
        except csv.Error as error:
            raise ValueError(f"read_csv(): {self.path}: damaged near line {reader.line_num} ({error})") from error

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of each line of values and its cells."""
        lines = self._lines()
        next(lines)
        for number, cells in lines:
            if len(cells) != len(self.names):
                raise ValueError(f"read_csv(): {self.path}, line {number}: expected {len(self.names)} cells, as the "
                                 f"first line has, found {len(cells)}")
            yield number, cells

    def columns(self, names: list[str], numeric: Collection[str], categorical: Collection[str],
                what: str) -> dict[str, Column]:
        """Read columns: once to see what they hold, once to keep it."""
        places = [self.names.index(name) for name in names]
        tallies = [_Tally(name, name in numeric, name in categorical) for name in names]
        count = 0
        for number, cells in self.rows():
            count += 1
            for place, tally in zip(places, tallies):
                cell = cells[place].strip()
                tally.see(None if cell in self.na_values else cell, number)
        kinds = [tally.is_number(what, lambda number: f"line {number}") for tally in tallies]
        numbers = {name: np.full(count, np.nan) for name, kind in zip(names, kinds) if kind}
        codes = {name: np.full(count, -1, np.int32) for name, kind in zip(names, kinds) if not kind}
        known: dict[str, dict[str, int]] = {name: {} for name in codes}
        for row, (number, cells) in enumerate(self.rows()):
            if row >= count:
                raise ValueError(f"read_csv(): {self.path} grew while it was read")
            for place, name in zip(places, names):
                cell = cells[place].strip()
                if cell in self.na_values:
                    continue
                if name in numbers:
                    numbers[name][row] = value = float(cell)
                    if math.isinf(value):
                        raise ValueError(f"{what}: column {name!r}, line {number}: {cell!r} is too large")
                else:
                    codes[name][row] = known[name].setdefault(cell, len(known[name]))
        return {name: Numbers(numbers[name], tally.integers) if name in numbers else Texts(
            codes[name], list(known[name])) for name, tally in zip(names, tallies)}


class _Tally:
    """Counts what a column of texts holds, to tell whether it is one of numbers."""

    def __init__(self, name: str, numeric: bool, categorical: bool):
        self.name = name
        self.numeric = numeric
        self.categorical = categorical
        self.integers = True
        self.numbers = self.texts = 0
        self.first_text: tuple[str, Any] | None = None
        self.different: set[str] = set()

    def see(self, cell: str | None, row: Any) -> None:
        """Take note of a cell, None where it is missing."""
        if cell is None or self.categorical:
            return
        if NUMBER.fullmatch(cell):
            self.numbers += 1
            self.integers = self.integers and INTEGER.fullmatch(cell) is not None
        else:
            self.texts += 1
            self.first_text = self.first_text or (cell, row)
        if not self.numeric and self.texts and len(self.different) <= MOST_TEXTS:
            self.different.add(cell)

    def is_number(self, what: str, where: Callable[[Any], str]) -> bool:
        """Return whether the column is one of numbers; raise where it is neither."""
        if self.categorical:
            return False
        if self.first_text is not None and (self.numeric or self.numbers >= self.texts > 0):
            cell, row = self.first_text
            raise ValueError(f"{what}: column {self.name!r}, {where(row)}: {_short(cell)} is no number, as "
                             f"{self.numbers} other cells of the column are; mend the cell, name it in na_values= if "
                             f"it stands for a missing value, or give categorical=[{self.name!r}]")
        if self.texts == 0:
            return self.numeric or self.numbers > 0
        total = self.numbers + self.texts
        if len(self.different) > max(UNDECLARED, total // 2):
            raise ValueError(f"{what}: column {self.name!r} has {len(self.different)} different texts in {total} rows, "
                             f"too many for categories; leave it out with exclude=[{self.name!r}], or give "
                             "categorical=["
                             f"{self.name!r}]")
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def read_csv(path: str | os.PathLike[str], delimiter: str = ",", encoding: str = "utf-8-sig",
             na_values: Collection[str] = MISSING, max_bytes: int = LARGEST_FILE) -> CSVFile:
    """Open a CSV file for `TableDataset` and `TableEncoder`, without pandas.

    Parameters
    ----------
    path, delimiter, encoding, na_values, max_bytes
        See `CSVFile`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is too large, is no text, or its first line names no columns.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from autograd_nn.data import read_csv
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "shop.csv")
    >>> count = path.write_text("size;sold\\n1.5;1\\n")
    >>> table = read_csv(path, delimiter=";")
    >>> table.names, list(table.rows())
    (['size', 'sold'], [(2, ['1.5', '1'])])
    >>> folder.cleanup()
    """
    return CSVFile(path, delimiter, encoding, na_values, max_bytes)


def _is_frame(table: Any) -> bool:
    return type(table).__name__ == "DataFrame" and hasattr(table, "columns") and hasattr(table, "shape")


def names_of(table: Any, what: str) -> list[str]:
    """Return the names of the columns of a table, or raise TypeError if it is none."""
    if isinstance(table, CSVFile):
        return list(table.names)
    if type(table).__name__ == "LazyFrame":
        raise TypeError(f"{what}: table must be read, got a LazyFrame; use table.collect()")
    if _is_frame(table) or isinstance(table, Mapping):
        names = list(table.columns if _is_frame(table) else table)
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"{what}: the names of columns must be strings, got {name!r}; use "
                                "table.columns = [str(name) for name in table.columns]")
        if len(set(names)) < len(names):
            raise ValueError(f"{what}: two columns are named {next(n for n in names if names.count(n) > 1)!r}")
        return names
    if isinstance(table, np.ndarray) and table.dtype.names:
        return list(table.dtype.names)
    hint = "; use read_csv(path)" if isinstance(table, (str, os.PathLike)) else (
        "; use TensorDataset(X, y) for arrays" if isinstance(table, np.ndarray | Tensor) else "")
    raise TypeError(f"{what}: table must be a DataFrame of pandas or polars, a mapping from names to columns or "
                    f"read_csv(path), got {type(table).__name__}{hint}")


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint at the name that was meant, or at the names there are."""
    names = list(names)
    close = difflib.get_close_matches(str(name), names, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, names[:12]))}" + (
        ", ..." if len(names) > 12 else "")


def columns_of(table: Any, names: list[str], numeric: Collection[str], categorical: Collection[str],
               what: str) -> dict[str, Column]:
    """Return the columns `names` of a table, those in `numeric` as numbers, those in `categorical` as texts."""
    there = names_of(table, what)
    for name in names:
        if name not in there:
            raise ValueError(f"{what}: the table has no column {name!r}; {nearest(name, there)}")
    if isinstance(table, CSVFile):
        return table.columns(names, numeric, categorical, what)
    found = {name: _column(table[name], name, name in numeric, name in categorical, what) for name in names}
    lengths = {name: len(column[0]) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{what}: all columns need the same length, got {lengths}")
    return found


def _cells(column: Any) -> Any:
    """Return a column as an array of numbers, or as a list of Python objects."""
    if isinstance(column, Tensor):
        return column.array
    if isinstance(column, np.ndarray):
        return column if column.dtype.kind in "fiubMm" else column.tolist()
    dtype = getattr(column, "dtype", None)
    if dtype is not None and type(column).__module__.startswith("polars"):
        if dtype.is_numeric() and str(dtype).split("(")[0] != "Decimal":
            integers = dtype.is_integer()
            values = column.to_numpy()
            return values if not integers or values.dtype.kind in "iu" else column.to_list()
        return column.to_list()
    if hasattr(column, "to_numpy"):
        values = column.to_numpy()
        return values if values.dtype.kind in "fiubMm" else values.tolist()
    if isinstance(column, (list, tuple, range)):
        return list(column)
    return [column]  # one row, given by its cells


def _missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (
        isinstance(cell, float | np.floating | decimal.Decimal) and cell != cell)


def _number_text(cell: Any) -> str:
    """Return a number as text; 1, 1.0 and True are the same category."""
    whole = isinstance(cell, bool | np.bool_) or (isinstance(cell, float | np.floating) and cell.is_integer())
    return str(int(cell)) if whole and abs(cell) < 2**63 else str(cell)


def _column(column: Any, name: str, numeric: bool, categorical: bool, what: str) -> Column:
    """Return a column of a DataFrame or mapping as numbers or texts."""
    cells = _cells(column)
    if isinstance(cells, np.ndarray):
        if cells.ndim != 1:
            raise ValueError(f"{what}: column {name!r} must have one axis, got shape {cells.shape}")
        if cells.dtype.kind in "Mm":
            raise TypeError(f"{what}: column {name!r} holds dates or times ({cells.dtype}); make numbers of them, the "
                            "year or the days since the first for example")
        if not categorical:
            values = cells.astype(np.float64)
            bad = np.isinf(values)
            if bad.any():
                raise ValueError(f"{what}: column {name!r}, row {int(bad.argmax())}: {cells[bad.argmax()]} is infinite")
            return Numbers(values, cells.dtype.kind in "iub")
        cells = cells.tolist()
    tally = _Tally(name, numeric, categorical)
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        if _missing(cell):
            texts.append(None)
            continue
        if not isinstance(cell, str | bool | int | float | np.number | np.bool_ | decimal.Decimal):
            raise TypeError(f"{what}: column {name!r}, row {row}: {_short(cell)} is neither number nor text but a "
                            f"{type(cell).__name__}")
        text = cell.strip() if isinstance(cell, str) else _number_text(cell)
        texts.append(None if text in MISSING else text)
        tally.see(texts[-1], row)
    if tally.is_number(what, lambda row: f"row {row}"):
        values = np.array([np.nan if text is None else float(text) for text in texts])
        if np.isinf(values).any():
            raise ValueError(f"{what}: column {name!r}, row {int(np.isinf(values).argmax())} is infinite")
        return Numbers(values, tally.integers)
    known: dict[str, int] = {}
    codes = np.array([-1 if text is None else known.setdefault(text, len(known)) for text in texts], np.int32)
    return Texts(codes, list(known))
