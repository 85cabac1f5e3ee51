"""A data set in memory: raw values as published, who owns each row, and what happened.

A directory holds `data.csv.gz` (UTF-8, header), `participants.csv.gz` (one `participant` value a data row, blank =
outside the federation) and `dataset.json` (`description`). Columns are kept as distinct texts plus a code a row:
four bytes a cell, and every later transform runs once a distinct value.
"""

from __future__ import annotations

import csv
import gzip
import io
import warnings
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import DataSetError
from fedcrm.features.description import BY_ROW, DataSetWarning, Description, read_description
from fedcrm.features.forms import HALF, as_text, date_format_of, day_number, moment_number, parse_number
from fedcrm.features.tasks import task_name

__all__ = ["Column", "DataSet", "load_data_set"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Raw texts of one column.

    values: distinct texts as published, object, (distinct,).
    codes:  position in values, int32, (rows,).
    """

    values: NDArray[np.object_]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Column:
        """Collect texts, one a row."""
        collector = _Collector()
        for text in texts:
            collector.add(text)
        return collector.column()

    def texts(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.object_]:
        """One text a row, object, (rows,)."""
        chosen: NDArray[np.object_] = self.values[self.codes if rows is None else self.codes[rows]]
        return chosen

    def counts(self) -> NDArray[np.int64]:
        """How often each distinct value occurs, (distinct,)."""
        return np.bincount(self.codes, minlength=len(self.values))


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Records of all participants; n rows.

    columns:       feature candidates by name, in the file's order.
    label:         int8, (n,), 0 or 1.
    participant:   object, (n,), owner's name; "" = outside the federation.
    order:         float64, (n,), smaller is older; None: rows have no time.
    unit:          object, (n,), id of the privacy unit; "" = the row is a unit of its own. None: every row is.
    activity_date: float64, (n,), days since 1970-01-01, NaN = unknown; None: not given.
    label_source:  object, (n,), where the label came from; None: not given.
    origin:        what errors name: the description's file, or the data set's name where there is none.
    """

    description: Description
    columns: Mapping[str, Column]
    label: NDArray[np.int8]
    participant: NDArray[np.object_]
    order: NDArray[np.float64] | None = None
    unit: NDArray[np.object_] | None = None
    activity_date: NDArray[np.float64] | None = None
    label_source: NDArray[np.object_] | None = None
    origin: Path = Path()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def participants(self) -> tuple[str, ...]:
        """Names, the one with most rows first, then by name."""
        names, counts = np.unique(self.participant[self.participant != ""], return_counts=True)
        return tuple(str(n) for n, _ in sorted(zip(names, counts, strict=True), key=lambda nc: (-nc[1], nc[0])))

    def rows(self, participant: str) -> NDArray[np.int64]:
        """Row numbers of one participant, ascending."""
        return np.flatnonzero(self.participant == participant)

    @classmethod
    def from_columns(
        cls, description: Description, columns: Mapping[str, Sequence[object]], participant: Sequence[object]
    ) -> DataSet:
        """A data set from values in memory, label and other roles among the columns. Raises DataSetError.

        Values are taken as the texts a CSV file would hold (`forms.as_text`).
        """
        origin = _Origin(Path(description.name), Path(description.name), Path(description.name))
        lengths = {len(v) for v in columns.values()} | {len(participant)}
        if len(lengths) != 1:
            raise DataSetError(origin.data, "columns and participants must have one value a row each")
        texts = {name: Column.of([as_text(v) for v in values]) for name, values in columns.items()}
        return _assemble(description, texts, [as_text(p).strip() for p in participant], origin)


def load_data_set(directory: Path, task: str | None = None) -> DataSet:
    """Read a data set directory. task: what the caller expects it to be about; None: whatever it is.

    Raises DataSetError, naming the file and where there is one the line.
    """
    if not directory.is_dir():
        raise DataSetError(directory, "is not a directory")
    origin = _Origin(directory / "dataset.json", directory / "data.csv.gz", directory / "participants.csv.gz")
    description = read_description(origin.description)
    if task is not None and task_name(task) != description.task:
        raise DataSetError(origin.description, f"is about the task '{description.task}', not '{task_name(task)}'")
    columns = _read_table(origin.data, description)
    return _assemble(description, columns, _read_participants(origin.participants), origin)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Files that errors name."""

    description: Path
    data: Path
    participants: Path


class _Collector:
    """Gathers one column, a value at a time, in four bytes a row."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._codes = array("i")

    def add(self, text: str) -> None:
        self._codes.append(self._seen.setdefault(text, len(self._seen)))

    def column(self) -> Column:
        values = np.empty(len(self._seen), dtype=object)
        values[:] = list(self._seen)
        return Column(values, np.array(self._codes, dtype=np.int32))


# --- files ---------------------------------------------------------------------------------------


@contextmanager
def _csv_rows(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Rows of a gzipped CSV file with the line each ends on; whatever is wrong with the file is a DataSetError."""
    reader = None
    try:
        with gzip.open(path, "rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            yield ((reader.line_num, row) for row in reader)
    except FileNotFoundError:
        raise DataSetError(path, "there is no such file") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataSetError(path, f"is not a gzip file or is damaged ({error})") from error
    except EOFError as error:
        raise DataSetError(path, "is cut short: the gzip stream does not end") from error
    except UnicodeDecodeError as error:
        line = reader.line_num + 1 if reader else 1
        raise DataSetError(path, f"is not UTF-8 (at or after line {line})") from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise DataSetError(path, f"line {line} is not CSV ({error})") from error
    except OSError as error:
        raise DataSetError(path, f"cannot be read ({error.strerror or error})") from error


def _read_table(path: Path, description: Description) -> dict[str, Column]:
    """Columns that are features or have a role, by name."""
    with _csv_rows(path) as rows:
        _, header = next(rows, (0, []))
        if not header:
            raise DataSetError(path, "is empty: there is no header")
        _check_header(path, header, description)
        wanted = set(description.features(header)) | set(_roles(description))
        collectors = [(i, name, _Collector()) for i, name in enumerate(header) if name in wanted]
        blank_line = None
        for line, row in rows:
            if not row:
                blank_line = blank_line or line
                continue
            if blank_line is not None:
                raise DataSetError(path, f"line {blank_line} is blank")
            if len(row) != len(header):
                raise DataSetError(path, f"line {line} has {len(row)} values where the header has {len(header)}")
            for i, _, collector in collectors:
                collector.add(row[i])
    return {name: collector.column() for _, name, collector in collectors}


def _check_header(path: Path, header: Sequence[str], description: Description) -> None:
    seen: set[str] = set()
    for position, name in enumerate(header, start=1):
        if not name.strip():
            raise DataSetError(path, f"line 1: column {position} has no name")
        if name in seen:
            raise DataSetError(path, f"line 1: the column '{name}' is there twice")
        seen.add(name)
    for name in description.columns_needed():
        if name not in seen:
            raise DataSetError(path, f"line 1: there is no column '{name}', which dataset.json names")
    if not description.features(header):
        raise DataSetError(path, "line 1: no column is left to learn from")


def _read_participants(path: Path) -> list[str]:
    with _csv_rows(path) as rows:
        _, header = next(rows, (0, []))
        if [h.strip() for h in header] != ["participant"]:
            raise DataSetError(path, "line 1: the header must be the one word 'participant'")
        names = []
        for line, row in rows:
            if len(row) > 1:
                raise DataSetError(path, f"line {line} has {len(row)} values where one is expected")
            names.append(row[0].strip() if row else "")  # a blank line: outside the federation
    return names


# --- from columns to a data set --------------------------------------------------------------------


def _roles(d: Description) -> tuple[str, ...]:
    """Columns that are read for what they say about a row, whether or not they are features."""
    order = None if d.order == BY_ROW else d.order
    return tuple(c for c in (d.label, order, d.unit, d.activity_date, d.label_source) if c is not None)


def _assemble(d: Description, columns: Mapping[str, Column], participant: list[str], origin: _Origin) -> DataSet:
    for name in (*_roles(d), *(c for c in d.columns_needed() if c not in (d.drop or ()))):
        if name not in columns and name in {*_roles(d), *d.features((name,))}:
            raise DataSetError(origin.data, f"there is no column '{name}', which the description names")
    rows = len(columns[d.label].codes)
    if rows == 0:
        raise DataSetError(origin.data, "has a header but no rows")
    if len(participant) != rows:
        raise DataSetError(origin.participants, f"has {len(participant)} rows where the data has {rows}")
    owner = np.array(participant, dtype=object)
    if not (owner != "").any():
        raise DataSetError(origin.participants, "names no participant")
    label = _label(d, columns[d.label], owner, origin)
    _check_participants(d, owner, origin)
    return DataSet(
        description=d,
        columns={c: columns[c] for c in d.features(tuple(columns))},
        label=label,
        participant=owner,
        order=_order(d, columns, rows, origin),
        unit=_texts(columns[d.unit]) if d.unit else None,
        activity_date=_dates(d.activity_date, columns, origin) if d.activity_date else None,
        label_source=_texts(columns[d.label_source]) if d.label_source else None,
        origin=origin.description,
    )


def _label(d: Description, column: Column, owner: NDArray[np.object_], origin: _Origin) -> NDArray[np.int8]:
    stripped = [v.strip() for v in column.values]
    unknown = np.array([v in d.missing for v in stripped])
    blank = np.flatnonzero(unknown[column.codes] & (owner != ""))
    if len(blank):
        raise DataSetError(origin.data, f"data row {blank[0] + 1} has no label ('{d.label}' is missing)")
    positive = np.array([v in d.positive for v in stripped], dtype=np.int8)
    label: NDArray[np.int8] = positive[column.codes]
    inside = label[owner != ""]
    if inside.min() == inside.max():
        found = ", ".join(sorted(set(stripped))[:5])
        wanted = ", ".join(sorted(d.positive))
        reason = f"the label '{d.label}' has one class only (values found: {found}; positive: {wanted})"
        raise DataSetError(origin.data, reason)
    return label


def _check_participants(d: Description, owner: NDArray[np.object_], origin: _Origin) -> None:
    """Names and counts that differ from the description are worth a word, not a refusal: files get subset."""
    if not d.participants:
        return
    names, counts = np.unique(owner[owner != ""], return_counts=True)
    found = dict(zip(map(str, names), map(int, counts), strict=True))
    for name in sorted(set(found) - set(d.participants)):
        warnings.warn(f"{origin.participants}: '{name}' is not in the description", DataSetWarning, stacklevel=4)
    for name, expected in d.participants.items():
        if expected is not None and found.get(name, 0) != expected:
            message = f"'{name}' has {found.get(name, 0)} rows where the description says {expected}"
            warnings.warn(f"{origin.participants}: {message}", DataSetWarning, stacklevel=4)


def _order(d: Description, columns: Mapping[str, Column], rows: int, origin: _Origin) -> NDArray[np.float64] | None:
    if d.order is None:
        return None
    if d.order == BY_ROW:
        return np.arange(rows, dtype=np.float64)
    column = columns[d.order]
    numbers = np.array([parse_number(v) for v in column.values])
    if np.isnan(numbers).any():
        return _dates(d.order, columns, origin, whole=True)
    return numbers[column.codes]


def _dates(name: str, columns: Mapping[str, Column], origin: _Origin, *, whole: bool = False) -> NDArray[np.float64]:
    """Days since 1970 of a date column. whole: every row must have one, and the time of day counts."""
    column = columns[name]
    given = [v for v in column.values if v.strip()]
    form = date_format_of(given, HALF)
    if form is None:
        raise DataSetError(origin.data, f"the column '{name}' must hold dates" + (" or numbers" if whole else ""))
    read = moment_number if whole else day_number
    days = np.array([read(v, form) for v in column.values])[column.codes]
    if whole and np.isnan(days).any():
        row = int(np.flatnonzero(np.isnan(days))[0]) + 1
        raise DataSetError(origin.data, f"data row {row} has no place in time ('{name}' is not a date or number)")
    return days


def _texts(column: Column) -> NDArray[np.object_]:
    stripped = np.empty(len(column.values), dtype=object)
    stripped[:] = [v.strip() for v in column.values]
    texts: NDArray[np.object_] = stripped[column.codes]
    return texts
