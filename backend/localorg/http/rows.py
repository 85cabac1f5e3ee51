"""Rows in and out, the same for every API family: JSON of what was saved and read, writes with faults applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from enum import StrEnum
from typing import Any

from localorg.access import Context
from localorg.errors import OrgError
from localorg.http.faults import Fault, Faults
from localorg.org import Org, Transaction
from localorg.records import RowError, SaveResult

__all__ = ["Operation", "save_document", "save_rows"]

Row = Mapping[str, object]


class Operation(StrEnum):
    """What is done to rows, by the name both Bulk APIs use."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"
    HARD_DELETE = "hardDelete"


def save_rows(
    org: Org,
    context: Context,
    faults: Faults,
    operation: Operation,
    object_name: str,
    rows: Sequence[Row],
    *,
    external_id: str | None = None,
    all_or_none: bool = False,
    within: Transaction | None = None,
) -> list[SaveResult]:
    """Write rows in one transaction, `within` one or one of their own; one result a row, in order.

    Rows that a REFUSE_ROW fault names fail as a customer's validation rule would fail them; the others are saved,
    or with `all_or_none` none is. Raises OrgError for what is wrong with the request as a whole.
    """
    refused = {
        at: fault for at, row in enumerate(rows) if (fault := faults.take_row(org.alias, object_name, row)) is not None
    }
    if refused and all_or_none:
        return [_refusal(refused[at]) if at in refused else _rolled_back() for at in range(len(rows))]
    kept = [row for at, row in enumerate(rows) if at not in refused]
    scope = org.transaction(context) if within is None else nullcontext(within)
    with scope as transaction:
        results = iter(_written(transaction, operation, object_name, kept, external_id, all_or_none))
    return [_refusal(refused[at]) if at in refused else next(results) for at in range(len(rows))]


def _written(
    transaction: Transaction,
    operation: Operation,
    object_name: str,
    rows: Sequence[Row],
    external_id: str | None,
    all_or_none: bool,
) -> list[SaveResult]:
    if not rows:
        return []
    match operation:
        case Operation.INSERT:
            return transaction.insert(object_name, rows, all_or_none=all_or_none)
        case Operation.UPDATE:
            return transaction.update(object_name, rows, all_or_none=all_or_none)
        case Operation.UPSERT:
            return transaction.upsert(object_name, external_id or "Id", rows, all_or_none=all_or_none)
        case Operation.DELETE:
            return transaction.delete([_id_of(row) for row in rows], all_or_none=all_or_none)
        case Operation.HARD_DELETE:
            return transaction.purge([_id_of(row) for row in rows])


def _id_of(row: Row) -> str:
    for name, value in row.items():
        if name.lower() == "id":
            return str(value)
    raise OrgError("MISSING_ARGUMENT", "Id not specified", fields=("Id",))


def _refusal(fault: Fault) -> SaveResult:
    code = fault.code if fault.code != "SERVER_UNAVAILABLE" else "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    message = fault.message if fault.message != "The server is unavailable" else "A rule of this org refuses the row"
    fields = () if fault.field is None else (fault.field,)
    return SaveResult(id=None, success=False, created=False, errors=(RowError(code, message, fields),))


def _rolled_back() -> SaveResult:
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return SaveResult(
        id=None, success=False, created=False, errors=(RowError("ALL_OR_NONE_OPERATION_ROLLED_BACK", message, ()),)
    )


def save_document(result: SaveResult, *, created: bool = False) -> dict[str, Any]:
    """A result as collections and upserts show it; `created` adds that key, as upserts do."""
    document: dict[str, Any] = {}
    if result.id is not None:
        document["id"] = result.id
    document["success"] = result.success
    document["errors"] = [
        {"statusCode": error.status_code, "message": error.message, "fields": list(error.fields)}
        for error in result.errors
    ]
    if created and result.success:
        document["created"] = result.created
    return document
