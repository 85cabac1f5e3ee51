"""Describe documents: what the REST API answers at `/sobjects` and `/sobjects/X/describe`.

A field or an object that `visible` denies is left out, as for a user without rights to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from localorg.schema.catalogue import Schema
from localorg.schema.types import Field, FieldType, ObjectKind, OnDelete, PicklistValue, SObjectType

__all__ = ["describe_global", "describe_object", "describe_summary"]

_MASTER_RECORD_TYPE = "012000000000000AAA"
_SOAP = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.INT: "xsd:int",
    FieldType.DOUBLE: "xsd:double",
    FieldType.CURRENCY: "xsd:double",
    FieldType.PERCENT: "xsd:double",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
    FieldType.TIME: "xsd:time",
    FieldType.BASE64: "xsd:base64Binary",
    FieldType.ADDRESS: "urn:address",
    FieldType.LOCATION: "urn:location",
}


def describe_global(
    schema: Schema, version: str, *, objects: Collection[str] | None = None, tooling: bool = False
) -> dict[str, Any]:
    """All objects in short; only those of `objects` (API names) where given."""
    shown = [
        describe_summary(item, version)
        for item in sorted(schema, key=lambda item: item.api_name)
        if (objects is None or item.api_name in objects) and (tooling or not (item.tooling or item.api_name == "Name"))
    ]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown}


def describe_summary(item: SObjectType, version: str) -> dict[str, Any]:
    """One object in short, as the global describe has it."""
    base = f"/services/data/v{version}/sobjects/{item.api_name}"
    writable = item.createable or item.updateable
    rows = not item.virtual
    return {
        "activateable": False,
        "associateEntityType": "History" if item.kind is ObjectKind.HISTORY else None,
        "associateParentEntity": item.history_of,
        "createable": item.createable,
        "custom": item.custom,
        "customSetting": item.kind is ObjectKind.CUSTOM_SETTING,
        "deepCloneable": False,
        "deletable": item.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": item.key_prefix,
        "label": item.label,
        "labelPlural": item.plural,
        "layoutable": writable and not item.setup,
        "mergeable": item.api_name in ("Account", "Case", "Contact", "Lead"),
        "mruEnabled": writable and not item.setup,
        "name": item.api_name,
        "queryable": True,
        "replicateable": rows,
        "retrieveable": rows,
        "searchable": writable and not item.setup,
        "triggerable": writable and not item.setup,
        "undeletable": item.deletable and item.soft_deletes,
        "updateable": item.updateable,
        "urls": {"rowTemplate": f"{base}/{{ID}}", "describe": f"{base}/describe", "sobject": base},
    }


def describe_object(
    schema: Schema,
    item: SObjectType,
    version: str,
    *,
    readable: Callable[[Field], bool] = lambda _field: True,
    editable: Callable[[Field], bool] = lambda _field: True,
) -> dict[str, Any]:
    """One object in full.

    readable, editable: which fields the user sees, and may change.
    """
    base = f"/services/data/v{version}/sobjects/{item.api_name}"
    summary = describe_summary(item, version)
    return {
        "actionOverrides": [],
        **summary,
        "childRelationships": _children(schema, item),
        "compactLayoutable": summary["layoutable"],
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "fields": [_field(schema, item, field, editable) for field in item if readable(field)],
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(item, base),
        "searchLayoutable": summary["searchable"],
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {item.plural}", "name": "everything"}]
        + ([{"label": f"My {item.plural}", "name": "mine"}] if item.has_owner else []),
        "urls": {
            **summary["urls"],
            "layouts": f"{base}/describe/layouts",
            "approvalLayouts": f"{base}/describe/approvalLayouts",
            "compactLayouts": f"{base}/describe/compactLayouts",
            "defaultValues": f"{base}/defaultValues?recordTypeId&fields",
            "listviews": f"{base}/listviews",
            "quickActions": f"{base}/quickActions",
            "uiDetailTemplate": "/{ID}",
            "uiEditTemplate": "/{ID}/e",
            "uiNewRecord": f"/{item.key_prefix}/e",
        },
    }


def _children(schema: Schema, item: SObjectType) -> list[dict[str, Any]]:
    return [
        {
            "cascadeDelete": relation.cascades,
            "childSObject": relation.child.api_name,
            "deprecatedAndHidden": False,
            "field": relation.field.api_name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": relation.name,
            "restrictedDelete": relation.field.on_delete is OnDelete.RESTRICT,
        }
        for relation in schema.children(item)
    ]


def _record_types(item: SObjectType, base: str) -> list[dict[str, Any]]:
    named = any(one.default for one in item.record_types)
    master = {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": not named,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": _MASTER_RECORD_TYPE,
        "urls": {"layout": f"{base}/describe/layouts/{_MASTER_RECORD_TYPE}"},
    }
    return [
        *(
            {
                "active": one.active,
                "available": one.active,
                "defaultRecordTypeMapping": one.default,
                "developerName": one.developer_name,
                "master": False,
                "name": one.label,
                "recordTypeId": one.id,
                "urls": {"layout": f"{base}/describe/layouts/{one.id}"},
            }
            for one in item.record_types
        ),
        master,
    ]


def _field(schema: Schema, item: SObjectType, field: Field, editable: Callable[[Field], bool]) -> dict[str, Any]:
    kind = field.type
    text = kind.is_text or kind.is_id
    long_text = kind is FieldType.TEXTAREA and field.length > 255
    plain = not kind.is_compound and kind is not FieldType.BASE64
    writable = editable(field)
    targets = list(schema.targets(field))
    defaulted = kind is FieldType.BOOLEAN or field.default is not None or field.default_formula is not None
    return {
        "aggregatable": plain and kind is not FieldType.BOOLEAN and not long_text,
        "aiPredictionField": False,
        "autoNumber": field.auto_number is not None,
        "byteLength": field.length * 3 if kind.is_text else (18 if kind.is_id else 0),
        "calculated": field.calculated,
        "calculatedFormula": field.formula,
        "cascadeDelete": field.on_delete is OnDelete.CASCADE and bool(targets),
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound,
        "controllerName": None,
        "createable": field.createable and field.stored and item.createable and writable,
        "custom": field.custom,
        "defaultValue": _default(field),
        "defaultValueFormula": field.default_formula if field.custom else None,
        "defaultedOnCreate": defaulted or (not field.createable and not field.nillable),
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": 8 if kind is FieldType.INT else 0,
        "displayLocationInDecimal": False,
        "encrypted": field.encrypted,
        "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if kind is FieldType.TEXTAREA else None,
        "filterable": field.filterable and kind is not FieldType.BASE64,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": field.groupable,
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.id_lookup or field.external_id,
        "inlineHelpText": field.help,
        "label": field.label,
        "length": field.length if text else 0,
        "mask": None,
        "maskType": None,
        "name": field.api_name,
        "nameField": field.name_field,
        "namePointing": len(targets) > 1,
        "nillable": field.nillable,
        "permissionable": field.permissionable and not item.setup,
        "picklistValues": [_value(value) for value in field.picklist],
        "polymorphicForeignKey": len(targets) > 1,
        "precision": field.precision,
        "queryByDistance": kind.is_compound,
        "referenceTargetField": None,
        "referenceTo": targets,
        "relationshipName": field.relationship_name,
        "relationshipOrder": 0 if field.master_detail else None,
        "restrictedDelete": field.on_delete is OnDelete.RESTRICT,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": kind.is_id,
        "soapType": _SOAP.get(kind, "xsd:string"),
        "sortable": field.filterable and plain and kind is not FieldType.MULTIPICKLIST,
        "type": kind.value,
        "unique": field.unique,
        "updateable": field.updateable and field.stored and item.updateable and writable,
        "writeRequiresMasterRead": False,
    }


def _default(field: Field) -> Any:
    if field.type is FieldType.BOOLEAN:
        return bool(field.default)
    return field.default


def _value(value: PicklistValue) -> dict[str, Any]:
    return {
        "active": value.active,
        "defaultValue": value.default,
        "label": value.shown,
        "validFor": None,
        "value": value.value,
    }
