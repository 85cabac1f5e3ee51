"""What a row is checked against: the rows it looks up, the rows it must differ from, the org's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localorg.records.prepare import Row
from localorg.records.session import Session
from localorg.schema import Field, FieldType, SObjectType

__all__ = ["check_lookups", "check_unique", "check_validation"]


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
    for target_name, ids in wanted.items():
        target = session.schema.object(target_name)
        there.update(row_id for _, row_id in session.matching(target, "Id", ids))
    for field in _lookups(sobject):
        name = field.api_name
        for row in rows:
            value = row.values.get(name)
            if isinstance(value, str) and value not in there and not row.errors:
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


def check_validation(
    session: Session, sobject: SObjectType, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse rows for which a validation rule of the object holds."""
