"""From the org's text to numpy: one set of types, whichever API the text came through.

| the org's type                               | values                     | where there is none |
| -------------------------------------------- | -------------------------- | ------------------- |
| boolean                                      | bool                       | False               |
| int                                          | int64                      | 0                   |
| double, currency, percent                    | float64                    | NaN                 |
| date                                         | datetime64[D]              | NaT                 |
| datetime, UTC                                | datetime64[ms]             | NaT                 |
| time                                         | timedelta64[ms]            | NaT                 |
| picklists, ids, references, text of any kind | str, dtype object          | None                |

Salesforce has no empty string: it is a null. So an empty cell is a missing value in every column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Kind", "Values", "convert", "join", "kind_of"]


class Kind(Enum):
    """What a column holds."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    TEXT = "text"


_KINDS: Mapping[str, Kind] = {
    "boolean": Kind.BOOLEAN,
    "int": Kind.INTEGER,
    "long": Kind.INTEGER,
    "double": Kind.NUMBER,
    "currency": Kind.NUMBER,
    "percent": Kind.NUMBER,
    "date": Kind.DATE,
    "datetime": Kind.DATETIME,
    "time": Kind.TIME,
}


def kind_of(platform_type: str) -> Kind:
    """The kind of a field by the type its description gives."""
    return _KINDS.get(platform_type, Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an extraction. name: as it was asked for ("Owner.Name"). type: the platform's."""

    name: str
    type: str

    @property
    def kind(self) -> Kind:
        """What its values are."""
        return kind_of(self.type)


@dataclass(frozen=True, slots=True)
class Values:
    """One column of a block.

    values:  shape (rows,), of the dtype in this file's table.
    missing: bool, shape (rows,): where the org has no value.
    """

    values: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.values)


def convert(cells: Sequence[str], kind: Kind) -> Values:
    """One column's cells, as the org writes them, as numpy values. Raises ValueError where one is of another kind."""
    return _CONVERT[kind](cells)


def join(parts: Sequence[Values]) -> Values:
    """Parts of one column, one behind the other; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Values(np.concatenate([p.values for p in parts]), np.concatenate([p.missing for p in parts]))


def _texts(cells: Sequence[str]) -> Values:
    values = np.empty(len(cells), object)
    values[:] = cells
    missing = values == ""
    values[missing] = None
    return Values(values, missing.astype(np.bool_))


def _booleans(cells: Sequence[str]) -> Values:
    texts = np.array(cells, dtype="U5") if len(cells) else np.zeros(0, "U5")
    values, missing = texts == "true", texts == ""
    if not (values | missing | (texts == "false")).all():
        raise ValueError("neither true nor false")
    return Values(values, missing)


def _integers(cells: Sequence[str]) -> Values:
    missing = _missing(cells)
    # Through float where an API writes 12.0; beyond 2**53 the text is an integer already.
    values = [int(c) if c.lstrip("-").isdecimal() else _whole(c) for c in cells]
    return Values(np.array(values, np.int64), missing)


def _whole(cell: str) -> int:
    if not cell:
        return 0
    value = float(cell)
    if not value.is_integer():
        raise ValueError(f"{cell!r} is no integer")
    return int(value)


def _numbers(cells: Sequence[str]) -> Values:
    nan = float("nan")
    values = np.array([float(c) if c else nan for c in cells], np.float64)
    return Values(values, np.isnan(values))


def _dates(cells: Sequence[str]) -> Values:
    values = np.array(cells, dtype="datetime64[D]")  # an empty cell becomes NaT
    return Values(values, np.isnat(values))


def _datetimes(cells: Sequence[str]) -> Values:
    """`2026-01-02T03:04:05.000Z` from Bulk, `...+0000` from REST; any other offset the long way."""
    stems = [c[:23] if c[23:] in _UTC else _in_utc(c) for c in cells]
    values = np.array(stems, dtype="datetime64[ms]")
    return Values(values, np.isnat(values))


_UTC = ("Z", "+0000", "")


def _in_utc(cell: str) -> str:
    return datetime.fromisoformat(cell).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _times(cells: Sequence[str]) -> Values:
    """`03:04:05.000Z`: since midnight."""
    values = np.array([f"1970-01-01T{c.rstrip('Z')}" if c else "NaT" for c in cells], dtype="datetime64[ms]")
    return Values(values.astype("timedelta64[ms]"), np.isnat(values))


def _missing(cells: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([not c for c in cells], np.bool_)


_CONVERT: Mapping[Kind, Callable[[Sequence[str]], Values]] = {
    Kind.BOOLEAN: _booleans,
    Kind.INTEGER: _integers,
    Kind.NUMBER: _numbers,
    Kind.DATE: _dates,
    Kind.DATETIME: _datetimes,
    Kind.TIME: _times,
    Kind.TEXT: _texts,
}
