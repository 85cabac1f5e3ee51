"""An object's definition as JSON, for the org's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from localorg.schema.types import (
    Field,
    FieldType,
    ObjectKind,
    OnDelete,
    PicklistValue,
    RecordType,
    SharingModel,
    SObjectType,
    ValidationRule,
)

__all__ = ["from_json", "to_json"]


def to_json(sobject: SObjectType) -> dict[str, Any]:
    """Whatever differs from the defaults of `SObjectType` and `Field`."""
    document = _plain(sobject, skipped={"fields", "record_types", "validation_rules", "_by_name"})
    document["fields"] = [
        {**_plain(item, skipped={"picklist"}), "picklist": [_plain(value) for value in item.picklist]}
        for item in sobject
    ]
    document["record_types"] = [_plain(item) for item in sobject.record_types]
    document["validation_rules"] = [_plain(item) for item in sobject.validation_rules]
    return document


def from_json(document: Mapping[str, Any]) -> SObjectType:
    """The object `to_json` was given."""
    given = dict(document)
    given["fields"] = tuple(_field(item) for item in given["fields"])
    given["record_types"] = tuple(_record_type(item) for item in given["record_types"])
    given["validation_rules"] = tuple(ValidationRule(**item) for item in given["validation_rules"])
    given["kind"] = ObjectKind(given.get("kind", "STANDARD"))
    given["sharing"] = SharingModel(given.get("sharing", "ReadWrite"))
    return SObjectType(**given)


def _plain(value: Any, *, skipped: set[str] | None = None) -> dict[str, Any]:
    found = {}
    for item in fields(value):
        if skipped and item.name in skipped:
            continue
        held = getattr(value, item.name)
        default = item.default if item.default is not MISSING else None
        if held != default or item.default is MISSING:
            found[item.name] = dict(held) if isinstance(held, Mapping) else held
    return found


def _field(document: Mapping[str, Any]) -> Field:
    given = dict(document)
    given["type"] = FieldType(given["type"])
    given["on_delete"] = OnDelete(given.get("on_delete", "SetNull"))
    given["picklist"] = tuple(PicklistValue(**value) for value in given["picklist"])
    given["reference_to"] = tuple(given.get("reference_to", ()))
    return Field(**given)


def _record_type(document: Mapping[str, Any]) -> RecordType:
    given = dict(document)
    given["picklists"] = {name: tuple(values) for name, values in given.get("picklists", {}).items()}
    return RecordType(**given)
