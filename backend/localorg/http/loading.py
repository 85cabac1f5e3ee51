"""What both Bulk APIs do with rows on their way in: the target checked, CSV values read, errors written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localorg.access import Context
from localorg.errors import OrgError
from localorg.http.rows import Operation
from localorg.org import Org
from localorg.records import RowError, SaveResult
from localorg.schema import SObjectType

__all__ = ["CHUNK", "CsvRows", "check_target", "error_text", "nested"]

CHUNK = 200  # rows a transaction: what a trigger sees at a time on the platform


def check_target(org: Org, context: Context, operation: Operation, asked: Mapping[str, Any]) -> SObjectType:
    """The object a job writes to; raises OrgError where it is unknown, closed to the user, or its key is none."""
    name = str(asked.get("object", ""))
    sobject = org.schema.get(name)
    if sobject is None or not org.rights(context.user_id).on(sobject).read:
        raise OrgError("InvalidEntity", f"Unable to find object: {name}")
    if operation is Operation.UPSERT:
        key = str(asked.get("externalIdFieldName", ""))
        field = org.schema.field_of(sobject, key)
        if field is None:
            raise OrgError("INVALID_FIELD", f"InvalidField : Field name not found : {key}")
        if not (field.external_id or field.id_lookup or field.api_name == "Id"):
            raise OrgError("INVALID_FIELD", f"InvalidField : {key} is not an external id field")
    return sobject


class CsvRows:
    """Turns CSV rows under one header into rows to save; a row that cannot be read becomes its own failure.

    An empty value leaves the field alone, `#N/A` makes it null; `Parent.Key__c` names a parent by external id.
    """

    def __init__(self, org: Org, object_name: str, header: Sequence[str]) -> None:
        self._header = [name.strip() for name in header]
        seen = [name.lower() for name in self._header]
        if len(set(seen)) != len(seen):
            raise OrgError("InvalidBatch", "Field name duplicated in the header row")
        if any(not name for name in seen):
            raise OrgError("InvalidBatch", "Field name is empty in the header row")
        sobject = org.schema.object(object_name)
        for name in self._header:
            relationship = name.split(".", 1)[0].split(":")[-1]
            known = org.schema.parent(sobject, relationship) if "." in name else org.schema.field_of(sobject, name)
            if known is None:
                raise OrgError("InvalidBatch", f"Field name not found : {name}")

    def __call__(self, values: Sequence[str]) -> dict[str, object] | SaveResult:
        """The row to save, or why there is none."""
        row: dict[str, object] = {}
        for name, value in zip(self._header, values, strict=True):
            if value == "":
                continue
            held = None if value == "#N/A" else value
            if "." in name:
                relationship, key = name.split(".", 1)
                row[relationship.split(":")[-1]] = None if held is None else {key: held}
            else:
                row[name] = held
        return row


def nested(document: Mapping[str, Any]) -> dict[str, object]:
    """A JSON or XML row with the `attributes` and `type` that say nothing about its values left out."""
    return {key: value for key, value in document.items() if key not in ("attributes", "type")}


def error_text(result: SaveResult) -> str:
    """A failure as both Bulk APIs write it into a CSV: `CODE:message:fields --`."""
    return "; ".join(_error_text(error) for error in result.errors)


def _error_text(error: RowError) -> str:
    return f"{error.status_code}:{error.message}:{','.join(error.fields)} --"
