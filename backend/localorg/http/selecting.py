"""Queries of the Bulk APIs: what they may not contain, rows as CSV wants them, ranges of ids for PK chunking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from localorg.access import Context
from localorg.errors import OrgError
from localorg.http.records_json import record_document
from localorg.org import Org
from localorg.soql import Query, ResultSet, csv_header, parse
from localorg.soql.ast import And, Comparison, FieldPath, Literal, LiteralKind

__all__ = ["BulkQuery", "Selected", "bulk_query", "chunk_bounds", "selected"]


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """A query that a bulk job may run. object_name: the API name of what it reads."""

    query: Query
    object_name: str


@dataclass(frozen=True, slots=True)
class Selected:
    """An open result, read once: as lines of CSV or as JSON documents."""

    result: ResultSet

    def header(self, delimiter: str = ",") -> str:
        """The first line of the CSV, without its end."""
        return csv_header(self.result.compiled, delimiter)

    def lines(self, delimiter: str = ",") -> Iterator[str]:
        """One finished line a row, without its end; values may hold line ends of their own."""
        return self.result.csv_lines(delimiter)

    def write_documents(self, path: Path) -> int:
        """Write the records as JSON documents, one a line; returns how many."""
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for record in self.result:
                document = record_document(record, "40.0")
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
            yield Selected(result)
        finally:
            result.close()


def chunk_bounds(org: Org, object_name: str, size: int) -> list[tuple[str, str | None]]:
    """Id ranges (from, below) that hold `size` rows of the object each; the last one is open."""
    starts: list[str] = []
    with org.transaction(org.admin_context()) as transaction:
        found = transaction.query(f"SELECT Id FROM {object_name} ORDER BY Id", include_deleted=True)  # noqa: S608 - names of the schema
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
