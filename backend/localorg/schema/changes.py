"""What the platform refuses when an object or a field is made, changed or removed.

Refusals carry the codes of Metadata API component failures.
"""

from __future__ import annotations

import re

from localorg.errors import OrgError
from localorg.schema.catalogue import Schema
from localorg.schema.types import Field, FieldType, ObjectKind, SObjectType

__all__ = ["check_change", "check_drop_field", "check_drop_object"]

_DEVELOPER_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*(?<!_)")
_LONGEST_NAME = 40
_MOST_FIELDS = 800
_MOST_MASTERS = 2
_SUFFIX = {ObjectKind.CUSTOM: "__c", ObjectKind.CUSTOM_SETTING: "__c", ObjectKind.CUSTOM_METADATA: "__mdt"}
_NEEDS_LENGTH = frozenset({FieldType.STRING, FieldType.TEXTAREA, FieldType.ENCRYPTED})


def check_change(schema: Schema, after: SObjectType) -> None:
    """Refuse a definition the platform would not take.

    Raises OrgError: INVALID_FIELD_OR_REFERENCE, FIELD_INTEGRITY_EXCEPTION, DUPLICATE_DEVELOPER_NAME, LIMIT_EXCEEDED.
    """
    before = schema.get(after.api_name)
    if before is None:
        _check_new(schema, after)
    custom = [item for item in after if item.custom]
    if len(custom) > _MOST_FIELDS:
        raise OrgError("LIMIT_EXCEEDED", f"You have reached the maximum number of custom fields on {after.api_name}")
    if sum(item.master_detail for item in custom) > _MOST_MASTERS:
        raise OrgError(
            "LIMIT_EXCEEDED", f"You have reached the maximum number of master-detail fields: {_MOST_MASTERS}"
        )
    names = [item.api_name.lower() for item in after]
    if len(names) != len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise OrgError("DUPLICATE_DEVELOPER_NAME", f"There is already a field named {twice} on {after.api_name}.")
    for item in after:
        old = before.get(item.api_name) if before is not None else None
        if old == item:
            continue
        if item.custom:
            _check_field(schema, after, item)
        if old is not None:
            _check_retyped(old, item)
    if before is not None:
        for old in before:
            if after.get(old.api_name) is None and not old.custom:
                raise OrgError("INVALID_CROSS_REFERENCE_KEY", f"Cannot delete standard field: {old.api_name}")
    _check_children(schema, after)


def check_drop_object(schema: Schema, sobject: SObjectType) -> None:
    """Refuse to remove an object of the platform's own, or one that others look up."""
    if not sobject.custom and sobject.kind is not ObjectKind.HISTORY:
        raise OrgError("INVALID_CROSS_REFERENCE_KEY", f"Cannot delete standard object: {sobject.api_name}")
    for relation in schema.children(sobject):
        foreign = relation.child.api_name != sobject.api_name
        if foreign and relation.field.custom and relation.child.kind is not ObjectKind.HISTORY:
            where = f"{relation.child.api_name}.{relation.field.api_name}"
            raise OrgError(
                "DELETE_FAILED",
                f"This {sobject.api_name} is referenced elsewhere in salesforce.com. Custom Field {where}",
            )


def check_drop_field(sobject: SObjectType, name: str) -> None:
    """Refuse to remove a field that is not there, or that is the platform's own."""
    found = sobject.get(name)
    if found is None:
        raise OrgError("INVALID_CROSS_REFERENCE_KEY", f"No CustomField named: {sobject.api_name}.{name} found")
    if not found.custom:
        raise OrgError("INVALID_CROSS_REFERENCE_KEY", f"Cannot delete standard field: {found.api_name}")


def _check_new(schema: Schema, after: SObjectType) -> None:
    suffix = _SUFFIX.get(after.kind)
    if suffix is not None:
        _check_name(after.api_name, suffix, after.namespace, "object")
    taken = schema.of_id(after.key_prefix or "")
    if taken is not None and after.kind is not ObjectKind.HISTORY:
        raise OrgError("DUPLICATE_DEVELOPER_NAME", f"Key prefix {after.key_prefix} is {taken.api_name}'s")


def _check_name(api_name: str, suffix: str, namespace: str | None, what: str) -> None:
    bare = api_name.removeprefix(f"{namespace}__") if namespace else api_name
    name = bare[: -len(suffix)] if bare.lower().endswith(suffix.lower()) else None
    if name is None or not _DEVELOPER_NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise OrgError(
            "FIELD_INTEGRITY_EXCEPTION",
            f"The {what} name you provided {api_name} is not valid: it must end in {suffix}, begin with a letter, hold "
            "only letters, digits and single underscores, not end with one, and have at most "
            f"{_LONGEST_NAME} characters.",
        )


def _check_field(schema: Schema, owner: SObjectType, item: Field) -> None:
    where = f"{owner.api_name}.{item.api_name}"
    namespace = owner.namespace if item.api_name.lower().startswith(f"{owner.namespace}__".lower()) else None
    if namespace is None and (found := re.match(r"([A-Za-z]\w*?)__[A-Za-z]\w*?__c$", item.api_name)):
        namespace = found[1]
    _check_name(item.api_name, "__c", namespace, "field")
    if item.type is FieldType.REFERENCE:
        if not item.reference_to:
            raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"{where}: a lookup must name the object it points at")
        for target in item.reference_to:
            if schema.get(target) is None and target.lower() != owner.api_name.lower():
                message = f"{where}: referenceTo value of '{target}' does not resolve to a valid sObject type"
                raise OrgError("INVALID_FIELD_OR_REFERENCE", message)
    if item.type in _NEEDS_LENGTH and item.formula is None and not item.length:
        raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"{where}: Must specify 'length' for a CustomField of type text")
    sized = item.type.is_number and item.type is not FieldType.INT and item.formula is None
    if sized and not (0 < item.precision <= 18 and 0 <= item.scale <= item.precision):
        raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"{where}: precision must be 1 to 18 and scale no more than it")
    values = [value.value.casefold() for value in item.picklist]
    if len(values) != len(set(values)):
        raise OrgError("DUPLICATE_VALUE", f"{where}: duplicate value found in the picklist")


_ALIKE: tuple[frozenset[FieldType], ...] = (
    frozenset(FieldType) - {FieldType.ID, FieldType.REFERENCE, FieldType.ADDRESS, FieldType.LOCATION, FieldType.BASE64},
    frozenset({FieldType.REFERENCE}),
)


def _check_retyped(old: Field, new: Field) -> None:
    if (old.formula is None) != (new.formula is None):
        raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"Cannot change {new.api_name} from or to a formula field")
    if old.type is new.type:
        if old.type is FieldType.REFERENCE and not set(old.reference_to) <= set(new.reference_to):
            raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"Cannot change which object {new.api_name} points at")
        return
    if not old.custom:
        raise OrgError("FIELD_INTEGRITY_EXCEPTION", f"Cannot change the type of the standard field {new.api_name}")
    if not any(old.type in group and new.type in group for group in _ALIKE):
        raise OrgError(
            "FIELD_INTEGRITY_EXCEPTION", f"Cannot change field type of {new.api_name} from {old.type} to {new.type}"
        )


def _check_children(schema: Schema, after: SObjectType) -> None:
    """One parent cannot have two child relationships of one name."""
    for item in after:
        if not item.custom or item.child_relationship_name is None:
            continue
        for target in item.reference_to:
            parent = schema.get(target)
            found = schema.child(parent, item.child_relationship_name) if parent is not None else None
            if found is not None and (found.child.api_name, found.field.api_name) != (after.api_name, item.api_name):
                message = (
                    f"The relationship name {item.child_relationship_name} on {target} is already used by "
                    f"{found.child.api_name}.{found.field.api_name}"
                )
                raise OrgError("DUPLICATE_DEVELOPER_NAME", message)
