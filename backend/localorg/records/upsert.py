"""Upsert: rows whose key is there are changed, the others are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localorg.errors import OrgError
from localorg.records.outcomes import SaveResult
from localorg.records.prepare import Row, prepare
from localorg.records.save import check_right, results, save_rows
from localorg.records.session import Session
from localorg.records.values import Refusal, reader
from localorg.schema import Field, FieldType, SObjectType

__all__ = ["upsert"]


def upsert(
    session: Session,
    sobject: SObjectType,
    external_id: str,
    rows: Sequence[Mapping[str, object]],
    *,
    all_or_none: bool = False,
) -> list[SaveResult]:
    """Change the rows whose external id is there, store the others as new ones.

    external_id: a field that may identify rows, or Id.
    Raises OrgError INVALID_FIELD where the field may not.
    """
    key = session.schema.field_of(sobject, external_id, within=session.context.namespace)
    if key is None or not (key.external_id or key.id_lookup or key.type is FieldType.ID):
        message = f"Field name provided, {external_id} is not an External ID or indexed field for {sobject.api_name}"
        raise OrgError("INVALID_FIELD", message, fields=(external_id,))
    merged = _matched(session, sobject, key, rows)
    save_rows(session, sobject, merged, all_or_none=all_or_none)
    return results(merged)


def _matched(session: Session, sobject: SObjectType, key: Field, rows: Sequence[Mapping[str, object]]) -> list[Row]:
    """Rows of an upsert, each with the id of the row it changes or marked as new."""
    names = _names_of(session, sobject, key, rows)
    by_id = key.type is FieldType.ID
    given: list[Any] = []
    for row in rows:
        found = next((value for name, value in row.items() if name in names), None)
        given.append(_as_stored(key, found))
    found_ids: dict[Any, list[str]] = {}
    for value, row_id in session.matching(sobject, key.api_name, {item for item in given if item not in (None, "")}):
        found_ids.setdefault(_folded(key, value), []).append(row_id)
    new: list[tuple[int, Mapping[str, object]]] = []
    old: list[tuple[int, Mapping[str, object]]] = []
    refused: list[Row] = []
    seen: set[Any] = set()
    for at, (row, value) in enumerate(zip(rows, given, strict=True)):
        folded = _folded(key, value)
        ids = found_ids.get(folded, [])
        without_id = {name: item for name, item in row.items() if name.lower() != "id"}
        if value in (None, "") and not by_id:
            refused.append(_refused(at, "MISSING_ARGUMENT", f"{key.api_name} not specified"))
        elif folded in seen and value not in (None, ""):
            message = f"Duplicate external id specified: {value}"
            refused.append(_refused(at, "DUPLICATE_VALUE", message, key.api_name))
        elif len(ids) > 1:
            message = f"{key.api_name}: more than one record found for external id field: [{', '.join(sorted(ids))}]"
            refused.append(_refused(at, "DUPLICATE_EXTERNAL_ID", message))
        elif ids:
            old.append((at, {**_without(without_id, names if not key.updateable else set()), "Id": ids[0]}))
        elif by_id and value not in (None, ""):
            refused.append(_refused(at, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"))
        else:
            new.append((at, without_id))
        seen.add(folded)
    if new:
        check_right(session, sobject, "create", sobject.createable)
    if old:
        check_right(session, sobject, "edit", sobject.updateable)
    prepared = list(refused)
    for pairs, inserting in ((new, True), (old, False)):
        made = prepare(session, sobject, [item for _, item in pairs], insert=inserting)
        for ready, (at, _) in zip(made, pairs, strict=True):
            ready.at = at
            ready.created = inserting
            prepared.append(ready)
    return prepared


def _names_of(session: Session, sobject: SObjectType, key: Field, rows: Sequence[Mapping[str, object]]) -> set[str]:
    """Every way the rows write the key's name: in any case, with its namespace or without."""
    written = {name for row in rows for name in row}
    within = session.context.namespace
    return {name for name in written if session.schema.field_of(sobject, name, within=within) is key}


def _as_stored(key: Field, value: object) -> Any:
    """The key as rows hold it; as it came where it does not fit (its row is refused for that later)."""
    try:
        return None if value is None else reader(key)(value)
    except Refusal:
        return value


def _without(row: Mapping[str, object], names: set[str]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in names}


def _refused(at: int, code: str, message: str, *fields: str) -> Row:
    row = Row(at)
    row.refuse(code, message, *fields)
    return row


def _folded(key: Field, value: Any) -> Any:
    if key.type.is_number and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value.casefold() if isinstance(value, str) and not key.case_sensitive and key.type.is_text else value
