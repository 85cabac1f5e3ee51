"""What a row is checked against: the rows it looks up, and the rows it must differ from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localorg.records.prepare import Row
from localorg.records.session import Session
from localorg.schema import Field, FieldType, SObjectType

__all__ = ["check_lookups", "check_unique"]


def check_lookups(session: Session, sobject: SObjectType, rows: Sequence[Row]) -> None:
    """Refuse rows whose lookups name a row of another object, or one that is not there."""
    wanted: dict[str, set[str]] = {}
    for field in _lookups(sobject):
        name = field.api_name
        targets = set(session.schema.targets(field))
        for row in rows:
            value = row.values.get(name)
            if not isinstance(value, str) or row.errors:
                continue
            target = session.schema.of_id(value)
            if target is None or target.api_name not in targets:
                row.refuse("FIELD_INTEGRITY_EXCEPTION", f"{field.label}: id value of incorrect type: {value}", name)
                continue
            wanted.setdefault(target.api_name, set()).add(value)
    if not wanted:
        return
    there: set[str] = set()
    hidden: set[str] = set()
    for target_name, ids in wanted.items():
        target = session.schema.object(target_name)
        found = {row_id for _, row_id in session.matching(target, "Id", ids)}
        seen = session.visible(target, sorted(found))
        hidden |= found - seen if seen is not None else set()
        there |= found
    for field in _lookups(sobject):
        name = field.api_name
        for row in rows:
            value = row.values.get(name)
            if not isinstance(value, str) or row.errors:
                continue
            if value in hidden:
                message = f"insufficient access rights on cross-reference id: {value}"
                row.refuse("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message, name)
            elif value not in there:
                row.refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", name)


def _lookups(sobject: SObjectType) -> list[Field]:
    return [f for f in sobject if f.type is FieldType.REFERENCE and not f.loose and f.stored and f.reference_to]


def check_unique(session: Session, sobject: SObjectType, rows: Sequence[Row]) -> None:
    """Refuse rows whose unique fields repeat a stored row's, or one another's."""
    for field in (item for item in sobject if item.unique and item.stored):
        name = field.api_name
        given = [row for row in rows if row.values.get(name) is not None and not row.errors]
        if not given:
            continue
        own = {row.id for row in given if row.id is not None}
        taken = {
            _folded(field, value): row_id
            for value, row_id in session.matching(sobject, name, {row.values[name] for row in given})
            if row_id not in own
        }
        first: dict[Any, Row] = {}
        for row in given:
            folded = _folded(field, row.values[name])
            if folded in taken:
                message = f"duplicate value found: {name} duplicates value on record with id: {taken[folded]}"
                row.refuse("DUPLICATE_VALUE", message, name)
            elif folded in first:
                message = f"duplicate value found: {name} duplicates value on record with id: <unknown>"
                row.refuse("DUPLICATE_VALUE", message, name)
            else:
                first[folded] = row


def _folded(field: Field, value: Any) -> Any:
    return value.casefold() if isinstance(value, str) and not field.case_sensitive else value
