"""Schema namespace: tokens and describe results of objects and fields, answering for the running user.

Apex Reference Guide, Schema namespace.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.types.model import STRING, Platform
from localorg.apex.types.platform import platform_type
from localorg.apex.values.collections import ApexList, ApexMap, NameMap
from localorg.apex.values.exceptions import apex_error
from localorg.apex.values.objects import ApexEnum
from localorg.apex.values.records import SObject
from localorg.schema import ChildRelationship, Field, FieldType, ObjectKind, PicklistValue, RecordType, SObjectType

__all__ = ["FieldToken", "ObjectToken", "field_token", "object_token"]

TOKEN = platform_type("Schema.SObjectType")
FIELD = platform_type("Schema.SObjectField")
DESCRIBE = platform_type("Schema.DescribeSObjectResult")
FIELD_DESCRIBE = platform_type("Schema.DescribeFieldResult")
FIELD_MAP = platform_type("Schema.SObjectTypeFields")
ENTRY = platform_type("Schema.PicklistEntry")
RECORD_TYPE = platform_type("Schema.RecordTypeInfo")
CHILD = platform_type("Schema.ChildRelationship")
SCHEMA = platform_type("Schema")
DISPLAY = platform_type(
    "Schema.DisplayType",
    parent="Enum",
    constants=(
        "ADDRESS", "ANYTYPE", "BASE64", "BOOLEAN", "COMBOBOX", "CURRENCY", "DATACATEGORYGROUPREFERENCE", "DATE",
        "DATETIME", "DOUBLE", "EMAIL", "ENCRYPTEDSTRING", "ID", "INTEGER", "LOCATION", "LONG", "MULTIPICKLIST",
        "PERCENT", "PHONE", "PICKLIST", "REFERENCE", "STRING", "TEXTAREA", "TIME", "URL",
    ),
)  # fmt: skip
SOAP = platform_type(
    "Schema.SoapType",
    parent="Enum",
    constants=("ANYTYPE", "BASE64BINARY", "BOOLEAN", "DATE", "DATETIME", "DOUBLE", "ID", "INTEGER", "STRING", "TIME"),
)
OPTIONS = platform_type("Schema.SObjectDescribeOptions", parent="Enum", constants=("DEFAULT", "DEFERRED", "FULL"))


class ObjectToken:
    """Schema.SObjectType, its describe and its `fields` at once."""

    apex_name = "Schema.SObjectType"

    def __init__(self, rt: Any, object_: SObjectType) -> None:
        self.rt = rt
        self.object = object_

    def describe(self) -> ObjectDescribe:
        """getDescribe()."""
        return ObjectDescribe(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectToken) and other.object.api_name == self.object.api_name

    def __hash__(self) -> int:
        return hash(self.object.api_name)

    def __str__(self) -> str:
        return self.object.api_name


class ObjectDescribe:
    """Schema.DescribeSObjectResult."""

    apex_name = "Schema.DescribeSObjectResult"

    def __init__(self, token: ObjectToken) -> None:
        self.token = token
        self.rt = token.rt
        self.object = token.object
        self.fields = token

    @property
    def rights(self) -> Any:
        """The running user's."""
        return self.rt.rights.on(self.object)


class FieldToken:
    """Schema.SObjectField."""

    apex_name = "Schema.SObjectField"

    def __init__(self, rt: Any, object_: SObjectType, field: Field) -> None:
        self.rt = rt
        self.object = object_
        self.field = field

    def describe(self) -> FieldDescribe:
        """getDescribe()."""
        return FieldDescribe(self)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FieldToken)
            and (other.object.api_name, other.field.api_name) == (self.object.api_name, self.field.api_name)
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.object.api_name, self.field.api_name))

    def __str__(self) -> str:
        return self.field.api_name


class FieldDescribe:
    """Schema.DescribeFieldResult."""

    apex_name = "Schema.DescribeFieldResult"

    def __init__(self, token: FieldToken) -> None:
        self.token = token
        self.rt = token.rt
        self.object = token.object
        self.field = token.field

    @property
    def rights(self) -> Any:
        """The running user's."""
        return self.rt.rights.of(self.object, self.field)


def object_token(rt: Any, name: str) -> ObjectToken:
    """`Account.SObjectType`."""
    return ObjectToken(rt, rt.schema.object(name))


def field_token(rt: Any, object_name: str, name: str) -> FieldToken:
    """`Account.Name` as a token; a parent relationship names its lookup field."""
    object_ = rt.schema.object(object_name)
    field = rt.schema.field_of(object_, name, within=rt.namespace) or rt.schema.parent(object_, name)
    return FieldToken(rt, object_, field)


# ---- Schema ---------------------------------------------------------------------------------------------------------


@SCHEMA.static("Map<String,Schema.SObjectType> getGlobalDescribe()", runtime=True)
def _global_describe(rt: Any) -> ApexMap:
    pairs = ((each.api_name.lower(), ObjectToken(rt, each)) for each in rt.schema)
    return NameMap(STRING, Platform("Schema.SObjectType"), pairs)


@SCHEMA.static("List<Schema.DescribeSObjectResult> describeSObjects(List<String>)", runtime=True)
def _describe_objects(rt: Any, names: Any) -> ApexList:
    found = []
    for name in names:
        object_ = rt.schema.get(name, within=rt.namespace)
        if object_ is None:
            raise apex_error("InvalidParameterValueException", f"Invalid sobject provided. {name}")
        found.append(ObjectToken(rt, object_).describe())
    return ApexList(Platform("Schema.DescribeSObjectResult"), found)


TOKEN.method("Schema.DescribeSObjectResult getDescribe()")(ObjectToken.describe)
TOKEN.method("Schema.DescribeSObjectResult getDescribe(Schema.SObjectDescribeOptions)")(lambda t, _o: t.describe())
TOKEN.method("SObject newSObject()")(lambda t: SObject(t.object.api_name))
TOKEN.method("SObject newSObject(Id)")(lambda t, i: SObject(t.object.api_name, {"Id": i}))


@TOKEN.method("SObject newSObject(Id, Boolean)")
def _new_with_defaults(token: ObjectToken, _type: str | None, defaults: bool) -> SObject:
    values: dict[str, Any] = {}
    if defaults:
        for field in token.object.fields:
            if field.default is not None:
                values[field.api_name] = field.default
            active = next((each.value for each in field.picklist if each.default), None)
            if active is not None:
                values[field.api_name] = active
    return SObject(token.object.api_name, values)


# ---- objects --------------------------------------------------------------------------------------------------------

DESCRIBE.method("String getName()")(lambda d: d.object.api_name)
DESCRIBE.method("String getLocalName()")(lambda d: d.object.api_name.removeprefix(f"{d.object.namespace}__"))
DESCRIBE.method("String getLabel()")(lambda d: d.object.label)
DESCRIBE.method("String getLabelPlural()")(lambda d: d.object.plural)
DESCRIBE.method("String getKeyPrefix()")(lambda d: d.object.key_prefix)
DESCRIBE.method("Schema.SObjectType getSObjectType()")(lambda d: d.token)
DESCRIBE.method("Boolean isAccessible()")(lambda d: d.rights.read)
DESCRIBE.method("Boolean isCreateable()")(lambda d: d.object.createable and d.rights.create)
DESCRIBE.method("Boolean isUpdateable()")(lambda d: d.object.updateable and d.rights.edit)
DESCRIBE.method("Boolean isDeletable()")(lambda d: d.object.deletable and d.rights.delete)
DESCRIBE.method("Boolean isUndeletable()")(lambda d: d.object.soft_deletes and d.rights.delete)
DESCRIBE.method("Boolean isQueryable()")(lambda d: d.rights.read)
DESCRIBE.method("Boolean isSearchable()")(lambda d: not d.object.setup)
DESCRIBE.method("Boolean isCustom()")(lambda d: d.object.custom)
DESCRIBE.method("Boolean isCustomSetting()")(lambda d: d.object.kind is ObjectKind.CUSTOM_SETTING)
DESCRIBE.method("Boolean isMergeable()")(lambda d: d.object.api_name in ("Account", "Contact", "Lead", "Case"))
DESCRIBE.method("Boolean isFeedEnabled()")(lambda _d: False)
DESCRIBE.read_only(fields="Schema.SObjectTypeFields")
FIELD_MAP.method("Map<String,Schema.SObjectField> getMap()")(
    lambda t: NameMap(
        STRING,
        Platform("Schema.SObjectField"),
        ((f.api_name.lower(), FieldToken(t.rt, t.object, f)) for f in t.object.fields),
    )
)


@DESCRIBE.method("List<Schema.ChildRelationship> getChildRelationships()")
def _children(describe: ObjectDescribe) -> ApexList:
    return ApexList(
        Platform("Schema.ChildRelationship"),
        [ChildToken(describe.rt, each) for each in describe.rt.schema.children(describe.object)],
    )


class ChildToken:
    """Schema.ChildRelationship."""

    apex_name = "Schema.ChildRelationship"

    def __init__(self, rt: Any, relation: ChildRelationship) -> None:
        self.rt = rt
        self.relation = relation


CHILD.method("Schema.SObjectType getChildSObject()")(lambda c: ObjectToken(c.rt, c.relation.child))
CHILD.method("Schema.SObjectField getField()")(lambda c: FieldToken(c.rt, c.relation.child, c.relation.field))
CHILD.method("String getRelationshipName()")(lambda c: c.relation.name)
CHILD.method("Boolean isCascadeDelete()")(lambda c: c.relation.cascades)


class RecordTypeToken:
    """Schema.RecordTypeInfo."""

    apex_name = "Schema.RecordTypeInfo"

    def __init__(self, record_type: RecordType) -> None:
        self.value = record_type


def _record_types(describe: ObjectDescribe) -> list[RecordTypeToken]:
    return [RecordTypeToken(each) for each in describe.object.record_types]


DESCRIBE.method("List<Schema.RecordTypeInfo> getRecordTypeInfos()")(
    lambda d: ApexList(Platform("Schema.RecordTypeInfo"), _record_types(d))
)
for _by, _key in {"Name": "label", "DeveloperName": "developer_name", "Id": "id"}.items():

    def _record_types_by(describe: ObjectDescribe, key: str = _key) -> ApexMap:
        pairs = ((getattr(each.value, key), each) for each in _record_types(describe))
        return ApexMap(STRING, Platform("Schema.RecordTypeInfo"), pairs)

    _written = "Id" if _by == "Id" else "String"
    DESCRIBE.method(f"Map<{_written},Schema.RecordTypeInfo> getRecordTypeInfosBy{_by}()")(_record_types_by)
RECORD_TYPE.method("String getName()")(lambda r: r.value.label)
RECORD_TYPE.method("String getDeveloperName()")(lambda r: r.value.developer_name)
RECORD_TYPE.method("Id getRecordTypeId()")(lambda r: r.value.id)
RECORD_TYPE.method("Boolean isActive()")(lambda r: r.value.active)
RECORD_TYPE.method("Boolean isAvailable()")(lambda r: r.value.active)
RECORD_TYPE.method("Boolean isDefaultRecordTypeMapping()")(lambda r: r.value.default)
RECORD_TYPE.method("Boolean isMaster()")(lambda _r: False)

# ---- fields ---------------------------------------------------------------------------------------------------------

FIELD.method("Schema.DescribeFieldResult getDescribe()")(FieldToken.describe)
FIELD_DESCRIBE.method("String getName()")(lambda d: d.field.api_name)
FIELD_DESCRIBE.method("String getLocalName()")(lambda d: d.field.api_name)
FIELD_DESCRIBE.method("String getLabel()")(lambda d: d.field.label)
FIELD_DESCRIBE.method("String getInlineHelpText()")(lambda d: d.field.help)
FIELD_DESCRIBE.method("Integer getLength()")(lambda d: d.field.length)
FIELD_DESCRIBE.method("Integer getPrecision()")(lambda d: d.field.precision)
FIELD_DESCRIBE.method("Integer getScale()")(lambda d: d.field.scale)
FIELD_DESCRIBE.method("Integer getDigits()")(lambda d: d.field.precision if d.field.type is FieldType.INT else 0)
FIELD_DESCRIBE.method("String getRelationshipName()")(lambda d: d.field.relationship_name)
FIELD_DESCRIBE.method("Schema.SObjectField getSObjectField()")(lambda d: d.token)
FIELD_DESCRIBE.method("Schema.SObjectType getSObjectType()")(lambda d: ObjectToken(d.rt, d.object))
FIELD_DESCRIBE.method("Boolean isAccessible()")(lambda d: d.rights.read)
FIELD_DESCRIBE.method("Boolean isCreateable()")(lambda d: d.field.createable and d.rights.edit)
FIELD_DESCRIBE.method("Boolean isUpdateable()")(lambda d: d.field.updateable and d.rights.edit)
FIELD_DESCRIBE.method("Boolean isNillable()")(lambda d: d.field.nillable)
FIELD_DESCRIBE.method("Boolean isUnique()")(lambda d: d.field.unique)
FIELD_DESCRIBE.method("Boolean isExternalId()")(lambda d: d.field.external_id)
FIELD_DESCRIBE.method("Boolean isIdLookup()")(lambda d: d.field.id_lookup or d.field.external_id)
FIELD_DESCRIBE.method("Boolean isCalculated()")(lambda d: d.field.calculated)
FIELD_DESCRIBE.method("Boolean isCustom()")(lambda d: d.field.custom)
FIELD_DESCRIBE.method("Boolean isNameField()")(lambda d: d.field.name_field)
FIELD_DESCRIBE.method("Boolean isFilterable()")(lambda d: d.field.filterable)
FIELD_DESCRIBE.method("Boolean isSortable()")(lambda d: d.field.filterable)
FIELD_DESCRIBE.method("Boolean isGroupable()")(lambda d: d.field.filterable and not d.field.type.is_number)
FIELD_DESCRIBE.method("Boolean isEncrypted()")(lambda d: d.field.encrypted)
FIELD_DESCRIBE.method("Boolean isAutoNumber()")(lambda d: d.field.auto_number is not None)
FIELD_DESCRIBE.method("Boolean isCaseSensitive()")(lambda d: d.field.case_sensitive)
FIELD_DESCRIBE.method("Boolean isRestrictedPicklist()")(lambda d: d.field.restricted)
FIELD_DESCRIBE.method("Boolean isPermissionable()")(lambda d: d.field.permissionable)
FIELD_DESCRIBE.method("Boolean isCascadeDelete()")(lambda d: d.field.master_detail)
FIELD_DESCRIBE.method("Boolean isDefaultedOnCreate()")(lambda d: d.field.default is not None)
FIELD_DESCRIBE.method("Object getDefaultValue()")(lambda d: d.field.default)
FIELD_DESCRIBE.method("List<Schema.SObjectType> getReferenceTo()")(
    lambda d: ApexList(
        Platform("Schema.SObjectType"), [object_token(d.rt, each) for each in d.rt.schema.targets(d.field)]
    )
)
_DISPLAY = {FieldType.INT: "INTEGER", FieldType.ENCRYPTED: "ENCRYPTEDSTRING"}


@FIELD_DESCRIBE.method("Schema.DisplayType getType()")
def _display(describe: FieldDescribe) -> ApexEnum:
    name = _DISPLAY.get(describe.field.type, describe.field.type.value.upper())
    return ApexEnum("Schema.DisplayType", name, DISPLAY.constants.index(name))


@FIELD_DESCRIBE.method("Schema.SoapType getSOAPType()")
def _soap(describe: FieldDescribe) -> ApexEnum:
    kind = describe.field.type
    name = "STRING"
    if kind.is_number:
        name = "INTEGER" if kind is FieldType.INT else "DOUBLE"
    elif kind.is_id:
        name = "ID"
    elif kind.value.upper() in SOAP.constants:
        name = kind.value.upper()
    return ApexEnum("Schema.SoapType", name, SOAP.constants.index(name))


class Entry:
    """Schema.PicklistEntry."""

    apex_name = "Schema.PicklistEntry"

    def __init__(self, value: PicklistValue) -> None:
        self.value = value


FIELD_DESCRIBE.method("List<Schema.PicklistEntry> getPicklistValues()")(
    lambda d: ApexList(Platform("Schema.PicklistEntry"), map(Entry, d.field.picklist))
)
ENTRY.method("String getLabel()")(lambda e: e.value.shown)
ENTRY.method("String getValue()")(lambda e: e.value.value)
ENTRY.method("Boolean isActive()")(lambda e: e.value.active)
ENTRY.method("Boolean isDefaultValue()")(lambda e: e.value.default)
