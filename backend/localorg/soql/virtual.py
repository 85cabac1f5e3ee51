"""Objects whose rows are the schema itself: EntityDefinition and FieldDefinition, as the tooling API shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from localorg.schema import Field, FieldType, ObjectKind, Schema, SObjectType

__all__ = ["virtual_rows"]

_NO_ID = "000000000000000AAA"
_made: WeakKeyDictionary[Schema, dict[str, str]] = WeakKeyDictionary()


def virtual_rows(schema: Schema, sobject: SObjectType) -> str:
    """The rows of a virtual object as a JSON list of objects; made once for a schema."""
    kept = _made.setdefault(schema, {})
    if sobject.api_name not in kept:
        source = _SOURCES.get(sobject.api_name)
        kept[sobject.api_name] = json.dumps(list(source(schema)) if source is not None else [])
    return kept[sobject.api_name]


def _entities(schema: Schema) -> Iterator[dict[str, Any]]:
    for item in schema:
        if item.virtual and item.api_name == "Name":
            continue
        yield {
            "Id": _NO_ID,
            "DurableId": item.api_name,
            "QualifiedApiName": item.api_name,
            "NamespacePrefix": item.namespace,
            "DeveloperName": developer_name(item.api_name, item.namespace),
            "MasterLabel": item.label,
            "Label": item.label,
            "PluralLabel": item.plural,
            "KeyPrefix": item.key_prefix,
            "IsCustomSetting": item.kind is ObjectKind.CUSTOM_SETTING,
            "IsQueryable": True,
            "IsSearchable": not item.setup,
            "IsLayoutable": not item.setup,
            "IsTriggerable": item.createable and not item.setup,
            "IsApexTriggerable": item.createable and not item.setup,
            "IsCustomizable": not item.setup or item.custom,
            "IsWorkflowEnabled": not item.setup,
            "InternalSharingModel": item.sharing.value,
            "ExternalSharingModel": item.sharing.value,
            "DeploymentStatus": "Deployed" if item.deployed else "InDevelopment",
            "PublisherId": item.namespace or ("<local>" if item.custom else "System"),
        }


def _fields(schema: Schema) -> Iterator[dict[str, Any]]:
    for item in schema:
        if item.virtual:
            continue
        for field in item:
            yield _field(item, field)


def _field(item: SObjectType, field: Field) -> dict[str, Any]:
    namespace = item.namespace if field.custom and field.api_name.lower().startswith(f"{item.namespace}__") else None
    return {
        "Id": _NO_ID,
        "DurableId": f"{item.api_name}.{field.api_name}",
        "QualifiedApiName": field.api_name,
        "EntityDefinitionId": item.api_name,
        "NamespacePrefix": namespace,
        "DeveloperName": developer_name(field.api_name, namespace),
        "MasterLabel": field.label,
        "Label": field.label,
        "DataType": data_type(field),
        "ValueTypeId": field.type.value,
        "Length": field.length,
        "Precision": field.precision,
        "Scale": field.scale,
        "IsNillable": field.nillable,
        "IsCalculated": field.calculated,
        "IsNameField": field.name_field,
        "IsCompound": field.type.is_compound,
        "IsIndexed": field.unique or field.external_id or field.type.is_id or field.name_field,
        "IsApiFilterable": field.filterable and not field.type.is_compound,
        "IsApiSortable": field.filterable and not field.type.is_compound,
        "IsApiGroupable": field.groupable,
        "IsFieldHistoryTracked": field.tracked,
        "ReferenceTo": json.dumps({"referenceTo": list(field.reference_to)}) if field.reference_to else None,
        "RelationshipName": field.relationship_name,
        "Description": field.description,
        "InlineHelpText": field.help,
        "PublisherId": namespace or ("<local>" if field.custom else "System"),
    }


def developer_name(api_name: str, namespace: str | None) -> str:
    """An API name without prefix and suffix."""
    bare = api_name.removeprefix(f"{namespace}__") if namespace else api_name
    return re.sub(r"__(c|mdt|History)$", "", bare)


def data_type(field: Field) -> str:
    """A field's type in the words of Setup, as `Text(255) (External ID)`."""
    if field.auto_number is not None:
        return "Auto Number"
    if field.calculated:
        return f"Formula ({_SIMPLE.get(field.type, 'Text')})"
    if field.name_field and field.api_name == "Name" and not field.createable:
        return "Name"
    if field.type is FieldType.REFERENCE:
        kind = "Master-Detail" if field.master_detail else "Lookup"
        return f"{kind}({','.join(field.reference_to)})"
    if field.type in (FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT):
        name = {"double": "Number", "currency": "Currency", "percent": "Percent"}[field.type.value]
        return f"{name}({field.precision - field.scale}, {field.scale})"
    if field.type is FieldType.INT:
        return "Number(8, 0)"
    if field.type is FieldType.TEXTAREA:
        return f"Long Text Area({field.length})" if field.length > 255 else "Text Area(255)"
    if field.type is FieldType.STRING:
        return f"Text({field.length}){' (External ID)' if field.external_id else ''}"
    return _SIMPLE.get(field.type, "Text")


_SIMPLE: Mapping[FieldType, str] = {
    FieldType.ID: "Lookup()",
    FieldType.BOOLEAN: "Checkbox",
    FieldType.DATE: "Date",
    FieldType.DATETIME: "Date/Time",
    FieldType.TIME: "Time",
    FieldType.PICKLIST: "Picklist",
    FieldType.MULTIPICKLIST: "Picklist (Multi-Select)",
    FieldType.COMBOBOX: "Picklist",
    FieldType.EMAIL: "Email",
    FieldType.PHONE: "Phone",
    FieldType.URL: "URL(255)",
    FieldType.ADDRESS: "Address",
    FieldType.LOCATION: "Geolocation",
    FieldType.BASE64: "Base64",
    FieldType.DOUBLE: "Number",
    FieldType.CURRENCY: "Currency",
    FieldType.PERCENT: "Percent",
}

_SOURCES: Mapping[str, Callable[[Schema], Iterator[dict[str, Any]]]] = {
    "EntityDefinition": _entities,
    "FieldDefinition": _fields,
}
