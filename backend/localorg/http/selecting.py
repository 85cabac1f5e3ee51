"""Queries of the Bulk APIs: what they may not contain, rows as CSV wants them, ranges of ids for PK chunking."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localorg.access import Context
from localorg.errors import OrgError
from localorg.http.records_json import record_document
from localorg.org import Org
from localorg.schema import FieldType
from localorg.soql import Column, Query, ResultSet, parse
from localorg.soql.ast import And, Comparison, FieldPath, Literal, LiteralKind

__all__ = ["BulkQuery", "Selected", "bulk_query", "chunk_bounds", "selected"]


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """A query that a bulk job may run. object_name: the API name of what it reads."""

    query: Query
    object_name: str


@dataclass(frozen=True, slots=True)
class Selected:
    """An open result. columns: dotted names; rows: text or None in each place, in their order; read once."""

    columns: tuple[str, ...]
    rows: Iterator[Sequence[object]]
    _result: ResultSet

    def write_documents(self, path: Path, object_name: str) -> int:
        """Write the records as JSON documents, one a line; returns how many."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for record in self._result:
                document = record_document(record, "40.0")
                document.setdefault("attributes", {"type": object_name})
                file.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
                count += 1
        return count


def bulk_query(org: Org, context: Context, soql: str) -> BulkQuery:
    """Parse and check; raises OrgError for bad SOQL and for what bulk queries do not support."""
    query = parse(soql)
    with org.transaction(context) as transaction:
        compiled = transaction.query(query).compiled
    if compiled.aggregate or compiled.count_only:
        raise _refused("Aggregate Relationships not supported in Bulk Query")
    if compiled.children:
        raise _refused("Nested queries not supported in Bulk Query")
    if query.offset is not None:
        raise _refused("Offset not supported in Bulk Query")
    if any(column.parts for column in compiled.columns):
        name = next(column.name for column in compiled.columns if column.parts)
        raise _refused(f"Selecting compound data not supported in Bulk Query: {name}")
    return BulkQuery(query, compiled.sobject.api_name)


def _refused(message: str) -> OrgError:
    return OrgError("FEATURENOTENABLED", message)


@contextmanager
def selected(
    org: Org, context: Context, soql: str, *, deleted: bool, low: str | None = None, high: str | None = None
) -> Iterator[Selected]:
    """Run a bulk query; `low` and `high` keep it to ids from `low` on and below `high`."""
    query = _between(parse(soql), low, high)
    with org.transaction(context) as transaction:
        result = transaction.query(query, include_deleted=deleted)
        try:
            yield Selected(tuple(column.name for column in result.columns), _texts(result), result)
        finally:
            result.close()


def chunk_bounds(org: Org, object_name: str, size: int) -> list[tuple[str, str | None]]:
    """Id ranges (from, below) that hold `size` rows of the object each; the last one is open."""
    starts: list[str] = []
    with org.transaction(org.admin_context()) as transaction:
        found = transaction.query(f"SELECT Id FROM {object_name} ORDER BY Id", include_deleted=True)  # noqa: S608
        for at, (record_id, *_) in enumerate(found.tuples()):
            if at % size == 0:
                starts.append(str(record_id))
    return list(zip(starts, [*starts[1:], None], strict=True))


def _between(query: Query, low: str | None, high: str | None) -> Query:
    bounds = [(">=", low), ("<", high)]
    extra = tuple(
        Comparison(FieldPath(("Id",), 0), operator, Literal(LiteralKind.STRING, bound, 0), 0)
        for operator, bound in bounds
        if bound is not None
    )
    if not extra:
        return query
    return replace(query, where=And((*(() if query.where is None else (query.where,)), *extra)))


def _texts(result: ResultSet) -> Iterator[Sequence[object]]:
    """Rows with values as CSV has them. Most columns are written as they are stored; the others are named here."""
    special = [(at, write) for at, column in enumerate(result.columns) if (write := _writer(column)) is not None]
    starts = [column.start for column in result.columns]
    straight = starts == list(range(len(starts)))
    for row in result.tuples():
        values: Any = list(row[: len(starts)]) if straight else [row[at] for at in starts]
        for at, write in special:
            values[at] = write(values[at])
        yield values


def _writer(column: Column) -> Callable[[Any], object] | None:
    if column.type is FieldType.BOOLEAN:
        return _boolean
    if column.type is FieldType.DATETIME:
        return _moment
    return None


def _boolean(value: Any) -> str:
    return "true" if value else "false"


def _moment(value: Any) -> object:
    # Both Bulk APIs write Z where REST writes +0000.
    return value if value is None else str(value).replace("+0000", "Z")
