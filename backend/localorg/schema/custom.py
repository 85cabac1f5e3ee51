"""What a deployment makes: custom objects, settings, metadata types and fields, with the platform's own parts.

Names are full API names (`Feature_Block__c`, or `fedcrm__Feature_Block__c` in a namespace).
"""

from __future__ import annotations

import re

from localorg.schema.types import Field, FieldType, ObjectKind, OnDelete, SharingModel, SObjectType

__all__ = ["custom_field", "custom_object", "history_object", "namespace_of", "record_type_field"]

_NAMESPACED = re.compile(r"([A-Za-z]\w*?)__[A-Za-z]\w*?__(?:c|mdt|r)", re.IGNORECASE)


def namespace_of(api_name: str) -> str | None:
    """The prefix of a full API name; None for an unmanaged one."""
    found = _NAMESPACED.fullmatch(api_name)
    return found[1] if found else None


def custom_object(
    api_name: str,
    key_prefix: str,
    *,
    label: str,
    plural: str = "",
    kind: ObjectKind = ObjectKind.CUSTOM,
    name_field: Field | None = None,
    sharing: SharingModel = SharingModel.READ_WRITE,
    setting_type: str | None = None,
    visibility: str = "Public",
    description: str | None = None,
) -> SObjectType:
    """An object with the fields the platform gives to each of its kind, and none of its own yet.

    name_field: the Name field's definition (its label, or an auto number); text of 80 characters by default.
    setting_type: Hierarchy or List, for a custom setting.
    """
    if kind is ObjectKind.CUSTOM_METADATA:
        fields = _metadata_fields()
    elif kind is ObjectKind.CUSTOM_SETTING:
        fields = (*_row_fields(), _setting_name(hierarchy=setting_type == "Hierarchy"), *_setting_owner(), *_audit())
    else:
        name = name_field or Field("Name", FieldType.STRING, f"{label} Name", length=80, name_field=True)
        owner = () if sharing is SharingModel.CONTROLLED_BY_PARENT else (_owner(),)
        fields = (*_row_fields(), *owner, name, *_audit(), *_seen())
    return SObjectType(
        api_name=api_name,
        label=label,
        plural=plural or f"{label}s",
        key_prefix=key_prefix,
        fields=fields,
        kind=kind,
        namespace=namespace_of(api_name),
        description=description,
        sharing=sharing,
        setting_type=setting_type,
        visibility=visibility,
        setup=kind is not ObjectKind.CUSTOM,
        createable=kind is not ObjectKind.CUSTOM_METADATA,
        updateable=kind is not ObjectKind.CUSTOM_METADATA,
        deletable=kind is not ObjectKind.CUSTOM_METADATA,
    )


def custom_field(api_name: str, type: FieldType, *, label: str = "", **attributes: object) -> Field:  # noqa: A002 -- the word the platform uses
    """A custom field; `attributes` are those of `Field`, with the platform's defaults for its type.

    A lookup's `relationship_name` follows from its name (`Account__c` -> `Account__r`); its
    `child_relationship_name` is given as the metadata has it (`Blocks`), and gets its suffix here.
    """
    given = dict(attributes)
    if type is FieldType.BOOLEAN:
        given.setdefault("default", False)
        given.setdefault("nillable", False)
    if type is FieldType.REFERENCE:
        given.setdefault("length", 18)
        given["relationship_name"] = re.sub(r"__c$", "__r", api_name, flags=re.IGNORECASE)
        children = given.get("child_relationship_name")
        if isinstance(children, str) and not children.endswith("__r"):
            namespace = namespace_of(api_name)
            given["child_relationship_name"] = f"{namespace}__{children}__r" if namespace else f"{children}__r"
        if given.get("master_detail"):
            given.setdefault("on_delete", OnDelete.CASCADE)
            given.setdefault("nillable", False)
            given.setdefault("updateable", False)
    if given.get("formula") is not None or given.get("auto_number") is not None:
        given.update(createable=False, updateable=False)
    if type in (FieldType.PICKLIST, FieldType.EMAIL, FieldType.PHONE, FieldType.URL, FieldType.STRING):
        given.setdefault("length", {FieldType.EMAIL: 80, FieldType.PHONE: 40}.get(type, 255))
    if type is FieldType.MULTIPICKLIST:
        given.setdefault("length", 4099)
    if type is FieldType.TEXTAREA:
        given.setdefault("length", 255)
        given.setdefault("filterable", int(str(given["length"])) <= 255)  # long text cannot be filtered on
    if given.get("external_id") or given.get("unique"):
        given.setdefault("id_lookup", bool(given.get("external_id")) or bool(given.get("unique")))
    return Field(api_name=api_name, type=type, label=label or api_name, custom=True, **given)  # type: ignore[arg-type]  # Field's own attributes, by name


def history_object(of: SObjectType) -> SObjectType:
    """`X__History`: what changed in the tracked fields of `X__c`, when, by whom."""
    name = re.sub(r"__c$", "__History", of.api_name, flags=re.IGNORECASE)
    parent = Field(
        "ParentId",
        FieldType.REFERENCE,
        f"{of.label} ID",
        length=18,
        nillable=False,
        reference_to=(of.api_name,),
        relationship_name="Parent",
        child_relationship_name="Histories",
        on_delete=OnDelete.CASCADE,
    )
    return SObjectType(
        api_name=name,
        label=f"{of.label} History",
        plural=f"{of.label} History",
        key_prefix="017",
        fields=(
            *_row_fields(),
            parent,
            Field("Field", FieldType.PICKLIST, "Changed Field", length=255, nillable=False),
            Field("DataType", FieldType.PICKLIST, "Datatype", length=40),
            Field("OldValue", FieldType.STRING, "Old Value", length=255),
            Field("NewValue", FieldType.STRING, "New Value", length=255),
            *_audit()[:2],
        ),
        kind=ObjectKind.HISTORY,
        namespace=of.namespace,
        sharing=SharingModel.CONTROLLED_BY_PARENT,
        master_field="ParentId",
        createable=False,
        updateable=False,
        deletable=False,
        history_of=of.api_name,
    )


def record_type_field() -> Field:
    """The lookup an object gets with its first record type."""
    return Field(
        "RecordTypeId",
        FieldType.REFERENCE,
        "Record Type ID",
        length=18,
        reference_to=("RecordType",),
        relationship_name="RecordType",
    )


def _platform(name: str, type: FieldType, label: str, **more: object) -> Field:  # noqa: A002 -- the word the platform uses
    given: dict[str, object] = {"nillable": False, "createable": False, "updateable": False, **more}
    return Field(name, type, label, **given)  # type: ignore[arg-type]  # Field's own attributes, by name


def _row_fields() -> tuple[Field, ...]:
    return (
        _platform("Id", FieldType.ID, "Record ID", length=18, id_lookup=True),
        _platform("IsDeleted", FieldType.BOOLEAN, "Deleted", default=False),
    )


def _owner() -> Field:
    return Field(
        "OwnerId",
        FieldType.REFERENCE,
        "Owner ID",
        length=18,
        nillable=False,
        default_formula="$User.Id",
        reference_to=("Group", "User"),
        relationship_name="Owner",
    )


def _audit() -> tuple[Field, ...]:
    user: dict[str, object] = {"length": 18, "reference_to": ("User",)}
    return (
        _platform("CreatedDate", FieldType.DATETIME, "Created Date"),
        _platform("CreatedById", FieldType.REFERENCE, "Created By ID", relationship_name="CreatedBy", **user),
        _platform("LastModifiedDate", FieldType.DATETIME, "Last Modified Date"),
        _platform(
            "LastModifiedById", FieldType.REFERENCE, "Last Modified By ID", relationship_name="LastModifiedBy", **user
        ),
        _platform("SystemModstamp", FieldType.DATETIME, "System Modstamp"),
    )


def _seen() -> tuple[Field, ...]:
    return (
        _platform("LastViewedDate", FieldType.DATETIME, "Last Viewed Date", nillable=True),
        _platform("LastReferencedDate", FieldType.DATETIME, "Last Referenced Date", nillable=True),
    )


def _setting_name(*, hierarchy: bool) -> Field:
    return Field("Name", FieldType.STRING, "Name", length=38, nillable=hierarchy, name_field=True)


def _setting_owner() -> tuple[Field, ...]:
    owner = Field(
        "SetupOwnerId",
        FieldType.REFERENCE,
        "Location",
        length=18,
        nillable=False,
        default_formula="$Organization.Id",
        reference_to=("Organization", "Profile", "User"),
        relationship_name="SetupOwner",
        updateable=False,
    )
    return (owner,)


def _metadata_fields() -> tuple[Field, ...]:
    return (
        _platform("Id", FieldType.ID, "Custom Metadata ID", length=18, id_lookup=True),
        Field(
            "DeveloperName",
            FieldType.STRING,
            "Custom Metadata Record Name",
            length=40,
            nillable=False,
            unique=True,
            id_lookup=True,
        ),
        Field("MasterLabel", FieldType.STRING, "Label", length=40, nillable=False, name_field=True),
        Field("Language", FieldType.PICKLIST, "Master Language", length=40, nillable=False, default="en_US"),
        Field("NamespacePrefix", FieldType.STRING, "Namespace Prefix", length=15),
        Field("Label", FieldType.STRING, "Label", length=40, createable=False, updateable=False),
        Field(
            "QualifiedApiName", FieldType.STRING, "Qualified API Name", length=70, createable=False, updateable=False
        ),
        _platform("SystemModstamp", FieldType.DATETIME, "System Modstamp"),
        Field("IsProtected", FieldType.BOOLEAN, "Protected Component", nillable=False, default=False),
    )
