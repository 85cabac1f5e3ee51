"""SObject: fields by name, copies, errors; custom metadata and custom settings; labels.

Apex Reference Guide: SObject Class, Custom Metadata Type Methods, Custom Settings Methods.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from localorg.apex.library.schema import FieldToken, ObjectToken
from localorg.apex.runtime.kinds import as_id, type_name
from localorg.apex.runtime.rows import records_of
from localorg.apex.types.fields import field_type
from localorg.apex.types.model import BOOLEAN, DATE, DATETIME, DECIMAL, ID, INTEGER, STRING, Record, Type
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexMap
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.numbers import box_id
from localorg.apex.values.records import SObject, get_field, set_field
from localorg.schema import Field, ObjectKind, SObjectType
from localorg.soql import parse

__all__ = ["label"]

RECORD = platform_type("SObject", parameters=("T",))
SETTINGS = platform_type("custom settings", parameters=("T",))


def _object(rt: Any, record: SObject) -> SObjectType:
    return rt.schema.object(record.type)  # type: ignore[no-any-return]  # the schema's


def _field(rt: Any, record: SObject, name: Any) -> Field:
    if name is None:
        raise apex_error("NullPointerException", "Argument cannot be null.")
    if isinstance(name, FieldToken):
        return name.field
    object_ = _object(rt, record)
    found = rt.schema.field_of(object_, name, within=rt.namespace)
    if found is None:
        raise apex_error("SObjectException", f"Invalid field {name} for {record.type}")
    return found  # type: ignore[no-any-return]  # the schema's


def _get(rt: Any, record: SObject, name: Any) -> Any:
    if record.type == "AggregateResult":
        for key, value in record.values.items():
            if key.lower() == name.lower():
                return value
        raise apex_error("SObjectException", f"Invalid field {name} for AggregateResult")
    field = _field(rt, record, name)
    value = get_field(record, field.api_name)
    if value is None and field_type(field.type) == BOOLEAN:
        return False
    return box_id(value) if field.type.is_id else value


RECORD.method("Object get(String)", runtime=True)(_get)
RECORD.method("Object get(Schema.SObjectField)", runtime=True)(_get)


@RECORD.method("Object put(String, Object)", runtime=True)
def _put(rt: Any, record: SObject, name: Any, value: Any) -> Any:
    field = _field(rt, record, name)
    before = record.values.get(field.api_name)
    set_field(record, field.api_name, _fitting(field, value))
    return before


RECORD.method("Object put(Schema.SObjectField, Object)", runtime=True)(_put)


def _fitting(field: Field, value: Any) -> Any:
    """A value of any type for a field, or the platform's SObjectException."""
    wanted = field_type(field.type)
    if value is None:
        return None
    if wanted == ID and isinstance(value, str):
        return as_id(value)
    if wanted == DECIMAL and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else int(value))
    if wanted == DATETIME and isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    if not _is(value, wanted):
        raise apex_error("SObjectException", f"Illegal assignment from {type_name(value)} to {wanted}")
    return str(value) if wanted == STRING else value


def _is(value: Any, wanted: Type) -> bool:
    if wanted == STRING:
        return isinstance(value, str)
    if wanted == BOOLEAN:
        return isinstance(value, bool)
    if wanted == INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == DATE:
        return isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)
    return type_name(value) == str(wanted)


def _relation(rt: Any, record: SObject, name: Any) -> str:
    object_ = _object(rt, record)
    if isinstance(name, FieldToken):
        return name.field.relationship_name or name.field.api_name
    lookup = rt.schema.parent(object_, name, within=rt.namespace)
    if lookup is not None:
        return str(lookup.relationship_name)
    child = rt.schema.child(object_, name, within=rt.namespace)
    if child is None:
        raise apex_error("SObjectException", f"Invalid relationship {name} for {record.type}")
    return str(child.name)


@RECORD.method("SObject getSObject(String)", runtime=True)
def _get_parent(rt: Any, record: SObject, name: Any) -> Any:
    return record.values.get(_relation(rt, record, name))


RECORD.method("SObject getSObject(Schema.SObjectField)", runtime=True)(_get_parent)
RECORD.method("List<SObject> getSObjects(String)", runtime=True)(_get_parent)


@RECORD.method("SObject putSObject(String, SObject)", runtime=True)
def _put_parent(rt: Any, record: SObject, name: Any, parent: SObject) -> Any:
    relation = _relation(rt, record, name)
    before = record.values.get(relation)
    set_field(record, relation, parent)
    return before


RECORD.method("Schema.SObjectType getSObjectType()", runtime=True)(lambda rt, r: ObjectToken(rt, _object(rt, r)))


@RECORD.method("Map<String,Object> getPopulatedFieldsAsMap()")
def _populated(record: SObject) -> ApexMap:
    from localorg.apex.types.model import OBJECT

    return ApexMap(STRING, OBJECT, record.values.items())


def _clone(record: SObject, keep_id: bool = False, deep: bool = False, *_rest: bool) -> SObject:
    return record.copy(keep_id=keep_id, deep=deep)


for _shape in ("", "Boolean", "Boolean, Boolean", "Boolean, Boolean, Boolean", "Boolean, Boolean, Boolean, Boolean"):
    RECORD.method(f"T clone({_shape})")(_clone)
RECORD.method("void clear()")(lambda r: r.values.clear())
RECORD.method("Boolean isSet(String)", runtime=True)(lambda rt, r, n: _field(rt, r, n).api_name in r.values)
RECORD.method("Boolean isSet(Schema.SObjectField)", runtime=True)(
    lambda rt, r, n: _field(rt, r, n).api_name in r.values
)
RECORD.method("void addError(String)")(lambda r, message: r.errors.append((None, message)))
RECORD.method("Boolean hasErrors()")(lambda r: bool(r.errors))

# ---- custom metadata and custom settings ----------------------------------------------------------------------------


def _rows(rt: Any, object_name: str, where: str = "", binds: dict[str, Any] | None = None) -> list[SObject]:
    """All fields of the rows; custom metadata and settings are read without rights and without using up limits."""
    object_ = rt.schema.object(object_name)
    names = ", ".join(f.api_name for f in object_.fields if not f.type.is_compound)
    text = f"SELECT {names} FROM {object_.api_name}{where}"  # noqa: S608 - names of the schema
    return list(records_of(rt.system.query(parse(text), binds=binds or {})))


def _metadata(rt: Any, object_name: str) -> dict[str, SObject]:
    """Custom metadata by DeveloperName, read once a transaction."""
    cached = rt.caches.get(object_name)
    if cached is None:
        cached = rt.caches[object_name] = {row.values["DeveloperName"]: row for row in _rows(rt, object_name)}
        for row in cached.values():
            row.locked = True
    return cached  # type: ignore[no-any-return]  # filled here


def _is_metadata(rt: Any, name: str) -> bool:
    return bool(rt.schema.object(name).kind is ObjectKind.CUSTOM_METADATA)


@SETTINGS.static("Map<String,T> getAll()", runtime=True)
def _get_all(rt: Any, name: str) -> ApexMap:
    rows = _metadata(rt, name) if _is_metadata(rt, name) else {row.values["Name"]: row for row in _rows(rt, name)}
    return ApexMap(STRING, Record(name), rows.items())


@SETTINGS.static("T getInstance(String)", runtime=True)
def _get_instance(rt: Any, name: str, key: str | None) -> SObject | None:
    if _is_metadata(rt, name):
        by_name = {k.lower(): row for k, row in _metadata(rt, name).items()}
        found = by_name.get((key or "").lower())
        if found is None and key is not None:
            plain = key.lower().partition("__")[2]
            found = by_name.get(plain) or next((r for r in by_name.values() if r.values["Id"] == key), None)
        return found
    if key is not None and rt.schema.object(name).setting_type != "List":
        return _merged(rt, name, key)
    return next((row for row in _rows(rt, name, " WHERE Name = :n", {"n": key})), None)


@SETTINGS.static("T getInstance()", runtime=True)
def _get_own(rt: Any, name: str) -> SObject:
    return _merged(rt, name, rt.user_id)


@SETTINGS.static("T getOrgDefaults()", runtime=True)
def _org_defaults(rt: Any, name: str) -> SObject:
    found = _settings_of(rt, name, rt.transaction.org.org_id)
    return found or SObject(name, _defaults(rt, name))


@SETTINGS.static("T getValues(String)", runtime=True)
def _get_values(rt: Any, name: str, key: str) -> SObject | None:
    if rt.schema.object(name).setting_type == "List":
        return _get_instance(rt, name, key)
    return _settings_of(rt, name, key)


def _settings_of(rt: Any, name: str, owner: str) -> SObject | None:
    rows = _rows(rt, name, " WHERE SetupOwnerId = :o", {"o": owner})
    return rows[0] if rows else None


def _merged(rt: Any, name: str, owner: str) -> SObject:
    """A hierarchy setting: the user's value, else the profile's, else the org's, field by field."""
    user = next(iter(rt.system.query("SELECT ProfileId FROM User WHERE Id = :u", binds={"u": owner})), None)
    owners = [owner, (user or {}).get("ProfileId"), rt.transaction.org.org_id]
    found = [row for each in owners if each and (row := _settings_of(rt, name, each)) is not None]
    values = _defaults(rt, name)
    for row in reversed(found):
        values.update({k: v for k, v in row.values.items() if v is not None})
    if not found or found[0].values.get("SetupOwnerId") != owner:
        values["Id"] = None
        values["SetupOwnerId"] = owner
    return SObject(name, values)


def _defaults(rt: Any, name: str) -> dict[str, Any]:
    return {f.api_name: f.default for f in rt.schema.object(name).fields if f.custom and f.default is not None}


# ---- labels ---------------------------------------------------------------------------------------------------------


def label(rt: Any, name: str) -> str:
    """`Label.name`: the org's custom label."""
    plain = name.rsplit(".", 1)[-1]
    text = rt.labels().get(plain.lower())
    if text is None:
        raise apex_error("UnexpectedException", f"External string does not exist: {plain}")
    return text  # type: ignore[no-any-return]  # a text
