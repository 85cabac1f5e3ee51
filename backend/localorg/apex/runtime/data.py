"""SOQL and DML of generated code, on the engine that serves REST; counted, in the caller's mode and sharing.

Apex Developer Guide: "Working with Data in Apex". Statements roll back as a whole on the first failing row; the
methods of Database say themselves what they do.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from localorg.apex.compiling.queries import InlineQuery
from localorg.apex.runtime.rows import records_of, with_ids, writable_row
from localorg.apex.runtime.values import to_bind
from localorg.apex.types.model import Record
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import apex_error, exception_class, null_pointer
from localorg.apex.values.records import SObject
from localorg.errors import OrgError
from localorg.records import RowError, SaveResult
from localorg.soql import Query, ResultSet

if TYPE_CHECKING:
    from localorg.apex.runtime.transaction import Runtime

__all__ = [
    "Locator",
    "RowFault",
    "dml",
    "query",
    "query_chunks",
    "query_count",
    "query_locator",
    "query_rows",
    "run_as",
]

_CHUNK = 200
_ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


# ---- queries --------------------------------------------------------------------------------------------------------


def run_query(rt: Runtime, text: Query, binds: Mapping[str, Any], *, user_mode: bool, sharing: bool) -> ResultSet:
    """Any query, counted. Raises System.QueryException.

    user_mode: what holds where the query itself says nothing; user mode has sharing, whatever the class says.
    """
    rt.limits.count("queries")
    user_mode = mode_of(text, user_mode)
    started = time.thread_time()
    user_mode = user_mode and text.security != "SYSTEM_MODE"
    try:
        return rt.database(user_mode=user_mode, sharing=sharing).query(with_ids(text), binds=binds)
    except OrgError as refused:
        raise apex_error("QueryException", refused.message) from None
    finally:
        rt.limits.excuse(time.thread_time() - started)


def mode_of(text: Query, otherwise: bool) -> bool:
    """Whether a query runs in user mode: what it says itself goes first."""
    return otherwise if text.security is None else text.security == "USER_MODE"


def _inline(rt: Runtime, inline: InlineQuery, values: list[Any]) -> ResultSet:
    binds = {f"b{number}": to_bind(value) for number, value in enumerate(values)}
    sharing = rt.sharing(inline.sharing)
    return run_query(rt, inline.query, binds, user_mode=inline.user_mode, sharing=sharing)


def fetch(rt: Runtime, result: ResultSet) -> list[SObject]:
    """All rows, counted; the database's time is not the program's."""
    started = time.thread_time()
    try:
        rows = list(records_of(result))
    except OrgError as refused:
        raise apex_error("QueryException", refused.message) from None
    rt.limits.excuse(time.thread_time() - started)
    rt.limits.count(
        "query_rows", len(rows) + sum(len(v) for row in rows for v in row.values.values() if isinstance(v, ApexList))
    )
    return rows


def query(rt: Runtime, inline: InlineQuery, values: list[Any]) -> ApexList:
    """[SELECT ...] as a list."""
    return ApexList(Record(inline.kind), fetch(rt, _inline(rt, inline, values)))


def query_count(rt: Runtime, inline: InlineQuery, values: list[Any]) -> int:
    """[SELECT COUNT() ...]: one row against the limit."""
    total = _inline(rt, inline, values).total_size
    rt.limits.count("query_rows")
    return total


def query_rows(rt: Runtime, inline: InlineQuery, values: list[Any]) -> Iterator[SObject]:
    """for (T row : [SELECT ...])."""
    for chunk in query_chunks(rt, inline, values):
        yield from chunk


def query_chunks(rt: Runtime, inline: InlineQuery, values: list[Any]) -> Iterator[ApexList]:
    """for (List<T> rows : [SELECT ...]): 200 at a time."""
    rows = iter(records_of(_inline(rt, inline, values)))
    while True:
        chunk = ApexList(Record(inline.kind), itertools.islice(rows, _CHUNK))
        if not chunk:
            return
        rt.limits.count("query_rows", len(chunk))
        yield chunk


class Locator:
    """Database.QueryLocator: a query to be read in scopes."""

    apex_name = "Database.QueryLocator"

    def __init__(self, query: Query, kind: str, binds: Mapping[str, Any], *, user_mode: bool, sharing: bool) -> None:
        self.query = query
        self.kind = kind
        self.binds = binds
        self.user_mode = user_mode
        self.sharing = sharing

    def rows(self, rt: Runtime) -> Iterator[SObject]:
        """The rows, outside the limit on query rows. Raises System.QueryException."""
        database = rt.database(user_mode=mode_of(self.query, self.user_mode), sharing=self.sharing)
        try:
            yield from records_of(database.query(with_ids(self.query), binds=self.binds))
        except OrgError as refused:
            raise apex_error("QueryException", refused.message) from None


def query_locator(rt: Runtime, inline: InlineQuery, values: list[Any]) -> Locator:
    """Database.getQueryLocator([SELECT ...])."""
    rt.limits.count("queries")
    binds = {f"b{number}": to_bind(value) for number, value in enumerate(values)}
    sharing = rt.sharing(inline.sharing)
    return Locator(inline.query, inline.kind, binds, user_mode=inline.user_mode, sharing=sharing)


# ---- DML ------------------------------------------------------------------------------------------------------------


class RowFault:
    """One failed row of a DmlException."""

    def __init__(self, index: int, record_id: str | None, error: RowError) -> None:
        self.index = index
        self.id = record_id
        self.status_code = error.status_code
        self.message = error.message
        self.fields = list(error.fields)


def dml(rt: Runtime, operation: str, target: Any, mode: str, sharing: str, key: str | None) -> None:
    """A DML statement: all rows or none. Raises System.DmlException."""
    if target is None:
        null_pointer()
    records = target if isinstance(target, list) else [target]
    outcome = write(
        rt, operation, records, user_mode=mode == "user", sharing=rt.sharing(sharing), key=key, all_or_none=True
    )
    refuse_failed(operation, records, outcome)


def write(
    rt: Runtime,
    operation: str,
    records: list[Any],
    *,
    user_mode: bool,
    sharing: bool,
    key: str | None = None,
    all_or_none: bool,
) -> list[SaveResult]:
    """Rows by object in order of appearance; ids of new rows are put into the records."""
    if any(record is None for record in records):
        null_pointer()
    rt.limits.count("dml_statements")
    rt.limits.count("dml_rows", len(records))
    rt.about_to_write()
    outcome: list[SaveResult | None] = [None] * len(records)
    started = time.thread_time()
    for object_name in dict.fromkeys(record.type for record in records):
        places = [place for place, record in enumerate(records) if record.type == object_name]
        chosen = [records[place] for place in places]
        results = _write_object(rt, operation, object_name, chosen, user_mode, sharing, key, all_or_none)
        for place, result in zip(places, results, strict=True):
            outcome[place] = result
            if result.success and result.id is not None:
                records[place].values["Id"] = result.id
                records[place].changed.clear()
    rt.limits.excuse(time.thread_time() - started)
    return [each for each in outcome if each is not None]


def _write_object(
    rt: Runtime,
    operation: str,
    object_name: str,
    records: list[SObject],
    user_mode: bool,
    sharing: bool,
    key: str | None,
    all_or_none: bool,
) -> list[SaveResult]:
    database = rt.database(user_mode=user_mode, sharing=sharing)
    object_ = rt.schema.object(object_name)
    refused = _check_ids(operation, records)
    if refused is not None:
        return refused
    try:
        if operation in ("delete", "undelete"):
            method = database.delete if operation == "delete" else database.undelete
            return method([record.values["Id"] for record in records], all_or_none=all_or_none)
        field = None if key is None else object_.get(key) or rt.schema.field_of(object_, key, within=rt.namespace)
        name = None if field is None else field.api_name
        rows = [writable_row(each, object_, insert=operation == "insert", key=name) for each in records]
        if operation == "insert":
            return database.insert(object_name, rows, all_or_none=all_or_none)
        if operation == "update":
            return database.update(object_name, rows, all_or_none=all_or_none)
        return database.upsert(object_name, name or "Id", rows, all_or_none=all_or_none)
    except OrgError as whole:
        return [SaveResult(None, False, False, (RowError(whole.code, whole.message, whole.fields),)) for _ in records]


def _check_ids(operation: str, records: list[SObject]) -> list[SaveResult] | None:
    """Insert takes no ids, update and delete need one: refused before anything is written."""
    if operation == "upsert":
        return None
    wanted = operation != "insert"
    fits = [(record.values.get("Id") is not None) == wanted for record in records]
    if all(fits):
        return None
    error = RowError("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ("Id",))
    if wanted:
        article = "an" if operation[0] in "aeiou" else "a"
        error = RowError("MISSING_ARGUMENT", f"Id not specified in {article} {operation} call", ())
    return [
        SaveResult(record.values.get("Id"), fit, False, () if fit else (error,))
        for record, fit in zip(records, fits, strict=True)
    ]


def refuse_failed(operation: str, records: list[Any], outcome: list[SaveResult]) -> None:
    """Raise System.DmlException where a row failed."""
    faults = [
        RowFault(index, records[index].values.get("Id") if operation != "insert" else None, error)
        for index, result in enumerate(outcome)
        if not result.success
        for error in result.errors[:1]
    ]
    if not faults:
        return
    faults = [each for each in faults if each.status_code != _ROLLED_BACK] or faults
    first = faults[0]
    where = f"row {first.index}" + (f" with id {first.id}" if first.id else "")
    message = (
        f"{operation.capitalize()} failed. First exception on {where}; first error: "
        f"{first.status_code}, {first.message}: [{', '.join(first.fields)}]"
    )
    error = exception_class("DmlException")(message)
    error.x_rows = faults
    raise error


# ---- users ----------------------------------------------------------------------------------------------------------


@contextmanager
def run_as(rt: Runtime, user: SObject | None) -> Iterator[None]:
    """System.runAs: another user's rights and sharing for the block."""
    if user is None:
        null_pointer()
    if rt.test is None:
        raise apex_error("UnexpectedException", "runAs may only be called from test methods")
    identity = user.values.get("Id")
    if identity is None:  # a user made on the spot is stored first, as the platform does
        refuse_failed("insert", [user], write(rt, "insert", [user], user_mode=False, sharing=False, all_or_none=True))
        identity = user.values["Id"]
    before = rt.user_id
    rt.become(identity)
    try:
        yield
    finally:
        rt.become(before)
