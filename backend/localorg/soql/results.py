"""What a query answers: records, built as they are read.

A record is a dictionary of field values under their API names, parents nested as records of their own
(None where there is none), sub-queries as lists of records. Dates are text in the platform's form,
`2026-11-24` and `2026-11-24T10:00:00.000+0000`; numbers are int or float, booleans bool.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from localorg.errors import OrgError
from localorg.schema import FieldType
from localorg.soql.compile import ChildPlan, Column, Compiled
from localorg.soql.csv import csv_sql

__all__ = ["Children", "Connect", "Record", "ResultSet"]

# A connection to run a statement on, given back when its rows have been read.
Connect = Callable[[], AbstractContextManager[sqlite3.Connection]]

_BATCH = 500


class Record(dict[str, Any]):
    """One row. `type` is the object it is of, AggregateResult for a grouped one."""

    __slots__ = ("type",)

    def __init__(self, type: str) -> None:  # noqa: A002 -- the word of the platform's `attributes`
        super().__init__()
        self.type = type


class Children(list[Record]):
    """The records of one sub-query for one parent."""

    __slots__ = ()


class ResultSet:
    """A query's answer, read once from front to back and never held as a whole.

    compiled: columns, object, and whether it is an aggregate.
    """

    def __init__(self, compiled: Compiled, connect: Connect, *, buffered: Callable[[], bool] = lambda: False) -> None:
        """buffered: whether rows are fetched before the first is given out, as a connection that also writes needs."""
        self.compiled = compiled
        self._connect = connect
        self._buffered = buffered
        self._records: Iterator[Record] | None = None
        self._total: int | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """What was selected, sub-queries left out."""
        return self.compiled.columns

    @property
    def total_size(self) -> int:
        """Rows in all; counted by a statement of its own the first time it is asked for."""
        if self._total is None:
            sql = self.compiled.sql
            counting = sql if self.compiled.count_only else f"SELECT count(*) FROM ({sql})"  # noqa: S608 -- compiled SQL
            with self._connect() as connection:
                [[self._total]] = _execute(connection, counting, self.compiled.parameters)
        return self._total

    def __iter__(self) -> Iterator[Record]:
        if self._records is None:
            self._records = iter(()) if self.compiled.count_only else self._read()
        return self._records

    def take(self, count: int) -> list[Record]:
        """The next `count` records, fewer at the end."""
        return list(islice(iter(self), count))

    def tuples(self) -> Iterator[tuple[Any, ...]]:
        """SQL's own rows, as stored: for readers that build no records."""
        with self._connect() as connection:
            yield from _execute(connection, self.compiled.sql, self.compiled.parameters)

    def csv_lines(self, delimiter: str = ",") -> Iterator[str]:
        """The rows as lines of CSV without their ends, the header not among them (see `soql.csv`)."""
        with self._connect() as connection:
            for row in _execute(connection, csv_sql(self.compiled, delimiter), self.compiled.parameters):
                yield row[0]

    def close(self) -> None:
        """Stop reading; the connection is free for others."""
        if isinstance(self._records, Iterator):
            close = getattr(self._records, "close", None)
            if close is not None:
                close()
        self._records = iter(())

    def _read(self) -> Iterator[Record]:
        build = _builder(self.compiled)
        with self._connect() as connection:
            rows: Iterator[Sequence[Any]] = _execute(connection, self.compiled.sql, self.compiled.parameters)
            if self._buffered():
                # A row that its reader changes must not turn up a second time.
                rows = iter(list(rows))
            at = self.compiled.id_at
            if at is None:
                for row in rows:
                    yield build(row)
                return
            while batch := list(islice(rows, _BATCH)):
                records = [build(row) for row in batch]
                ids = [row[at] for row in batch]
                for plan in self.compiled.children:
                    _attach(self._connect, plan, records, ids)
                yield from records


def _execute(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> Iterator[Any]:
    """Run a compiled statement.

    Raises OrgError where the schema is no longer the one it was compiled against.
    """
    try:
        return connection.execute(sql, parameters)
    except sqlite3.OperationalError as changed:
        if "no such" not in str(changed):
            raise
        message = f"an object or a field of this query was deleted or changed since it began ({changed})"
        raise OrgError("INVALID_FIELD", message) from changed


def _attach(connect: Connect, plan: ChildPlan, records: Sequence[Record], ids: Sequence[str]) -> None:
    """Give each record its children: one statement for the whole batch."""
    compiled = plan.compiled
    parameters = list(compiled.parameters)
    if compiled.parents_at is not None:
        parameters[compiled.parents_at] = json.dumps(ids)
    build = _builder(compiled)
    with connect() as connection:
        rows = list(_execute(connection, compiled.sql, parameters))
    children = [build(row) for row in rows]
    at = compiled.id_at
    if at is not None:
        for below in compiled.children:
            _attach(connect, below, children, [row[at] for row in rows])
    found: dict[str, Children] = {}
    for row, child in zip(rows, children, strict=True):
        found.setdefault(row[-1], Children()).append(child)
    for record, parent in zip(records, ids, strict=True):
        record[plan.relationship] = found.get(parent) or Children()


def _builder(compiled: Compiled) -> Callable[[Sequence[Any]], Record]:
    """A function from an SQL row to a record."""
    name = "AggregateResult" if compiled.aggregate else compiled.sobject.api_name
    flat = [(c.path[0], c.start, _reader(c)) for c in compiled.columns]
    if all(len(column.path) == 1 for column in compiled.columns):
        plain = [(key, at) for key, at, read in flat if read is None]
        other = [(key, at, read) for key, at, read in flat if read is not None]
        if not other:

            def build_plain(row: Sequence[Any]) -> Record:
                record = Record(name)
                for key, at in plain:
                    record[key] = row[at]
                return record

            return build_plain

        def build_flat(row: Sequence[Any]) -> Record:
            record = Record(name)
            for key, at, read in flat:
                record[key] = row[at] if read is None else read(row, at)
            return record

        return build_flat
    columns = [(column, _reader(column)) for column in compiled.columns]

    def build(row: Sequence[Any]) -> Record:
        record = Record(name)
        for column, read in columns:
            place: Record | None = record
            for part, kind, present in zip(column.path, column.objects, column.presence, strict=False):
                if place is None:
                    break
                if part not in place:
                    place[part] = None if row[present] is None else Record(_kind_of(kind, row[present]))
                place = place[part]
            if place is not None:
                place[column.path[-1]] = row[column.start] if read is None else read(row, column.start)
        return record

    return build


def _kind_of(kind: str, record_id: str) -> str:
    if kind != "Name":
        return kind
    return {"005": "User", "00G": "Group", "003": "Contact", "00Q": "Lead"}.get(record_id[:3], "Name")


def _reader(column: Column) -> Callable[[Sequence[Any], int], Any] | None:
    """How a value is made of SQL's, where it is not the same."""
    if column.parts:
        prefix = column.path[-1].removesuffix("Address") if column.type is FieldType.ADDRESS else ""
        keys = [_part_key(part.api_name, prefix) for part in column.parts]

        def compound(row: Sequence[Any], at: int) -> Any:
            values = row[at : at + len(keys)]
            return dict(zip(keys, values, strict=True)) if any(value is not None for value in values) else None

        return compound
    if column.type is FieldType.BOOLEAN and column.function not in ("COUNT", "COUNT_DISTINCT"):
        return _boolean
    return None


def _part_key(name: str, prefix: str) -> str:
    short = name.removeprefix(prefix)
    return short[:1].lower() + short[1:]


def _boolean(row: Sequence[Any], at: int) -> bool | None:
    return None if row[at] is None else bool(row[at])
