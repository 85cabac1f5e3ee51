"""Describe documents: what an object and its fields are, to the user who asks.

Keys and their order are those of the platform's REST API at version 67; fields the user may not read are left
out, as are relationships to objects they may not read.
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

from localorg.access import Rights
from localorg.clock import Clock
from localorg.org import Org
from localorg.schema import Field, FieldType, ObjectKind, OnDelete, PicklistValue, Schema, SObjectType

__all__ = ["SchemaAges", "describe_global", "describe_object"]

Json = dict[str, Any]

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


class SchemaAges:
    """When each org's schema last changed, for If-Modified-Since. A schema is a frozen value: a new one is a change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Schema, Rights | None, dt.datetime]] = {}
        self._lock = threading.Lock()

    def changed_at(self, org: Org, rights: Rights) -> dt.datetime:
        """Whole seconds, UTC; rights count too, since they decide what is shown."""
        key = f"{org.org_id}/{rights.user_id}"
        with self._lock:
            held = self._seen.get(key)
            if held is None or held[0] is not org.schema or held[1] != rights:
                held = (org.schema, rights, self._clock.now().replace(microsecond=0))
                self._seen[key] = held
            return held[2]


def describe_global(schema: Schema, rights: Rights, version: str) -> Json:
    """All objects the user may read, without their fields."""
    shown = [_brief(sobject, rights, version) for sobject in schema if rights.on(sobject).read]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sorted(shown, key=lambda item: str(item["name"]))}


def describe_object(schema: Schema, sobject: SObjectType, rights: Rights, version: str) -> Json:
    """One object, whole."""
    return {
        "actionOverrides": [],
        **_brief(sobject, rights, version),
        "childRelationships": [
            {
                "cascadeDelete": child.cascades,
                "childSObject": child.child.api_name,
                "deprecatedAndHidden": False,
                "field": child.field.api_name,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": child.name,
                "restrictedDelete": child.field.on_delete is OnDelete.RESTRICT,
            }
            for child in schema.children(sobject)
            if rights.on(child.child).read and rights.of(child.child, child.field).read
        ],
        "compactLayoutable": True,
        "fields": [_field(schema, sobject, item, rights) for item in sobject if rights.of(sobject, item).read],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(sobject, version),
        "searchLayoutable": True,
        "supportedScopes": [{"label": f"All {sobject.plural.lower()}", "name": "everything"}],
    }


def _brief(sobject: SObjectType, rights: Rights, version: str) -> Json:
    held = rights.on(sobject)
    base = f"/services/data/v{version}/sobjects/{sobject.api_name}"
    ordinary = sobject.kind in (ObjectKind.STANDARD, ObjectKind.CUSTOM) and not sobject.setup
    return {
        "activateable": False,
        "associateEntityType": "History" if sobject.kind is ObjectKind.HISTORY else None,
        "associateParentEntity": sobject.history_of,
        "createable": sobject.createable and held.create,
        "custom": sobject.custom,
        "customSetting": sobject.kind is ObjectKind.CUSTOM_SETTING,
        "deepCloneable": False,
        "defaultImplementation": None,
        "deletable": sobject.deletable and held.delete,
        "deprecatedAndHidden": False,
        "extendedBy": None,
        "extendsInterfaces": None,
        "feedEnabled": False,
        "hasSubtypes": False,
        "implementedBy": None,
        "implementsInterfaces": None,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "layoutable": ordinary,
        "mergeable": sobject.api_name in {"Account", "Contact", "Lead", "Case"},
        "mruEnabled": ordinary,
        "name": sobject.api_name,
        "queryable": True,
        "replicateable": sobject.soft_deletes,
        "retrieveable": not sobject.virtual,
        "searchable": ordinary,
        "triggerable": ordinary,
        "undeletable": sobject.soft_deletes,
        "updateable": sobject.updateable and held.edit,
        "urls": {"describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}", "sobject": base},
    }


def _field(schema: Schema, sobject: SObjectType, item: Field, rights: Rights) -> Json:
    editable = rights.of(sobject, item).edit
    text = item.type.is_text or item.type in (FieldType.ID, FieldType.REFERENCE, FieldType.BASE64)
    long_text = item.type is FieldType.TEXTAREA and item.length > 255
    sortable = item.filterable and not item.type.is_compound and item.type is not FieldType.MULTIPICKLIST
    return {
        "aggregatable": sortable and item.type is not FieldType.BOOLEAN,
        "aiPredictionField": False,
        "autoNumber": item.auto_number is not None,
        "byteLength": item.length * 3 if text and not item.type.is_id else (18 if item.type.is_id else 0),
        "calculated": item.calculated,
        "calculatedFormula": item.formula,
        "cascadeDelete": item.on_delete is OnDelete.CASCADE and item.type is FieldType.REFERENCE,
        "caseSensitive": item.case_sensitive,
        "compoundFieldName": item.compound,
        "controllerName": None,
        "createable": item.createable and editable and not item.type.is_compound,
        "custom": item.custom,
        "defaultValue": item.default,
        "defaultValueFormula": None if item.default_formula == "$User.Id" else item.default_formula,
        "defaultedOnCreate": item.default is not None
        or item.default_formula is not None
        or item.type is FieldType.BOOLEAN
        or (not item.createable and not item.nillable),
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": 9 if item.type is FieldType.INT else 0,
        "displayLocationInDecimal": False,
        "encrypted": item.encrypted,
        "externalId": item.external_id,
        "extraTypeInfo": "plaintextarea" if item.type is FieldType.TEXTAREA else None,
        "filterable": item.filterable and not item.type.is_compound,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": sortable
        and not long_text
        and item.type not in (FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT, FieldType.DATETIME),
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": item.id_lookup or item.type is FieldType.ID,
        "inlineHelpText": item.help,
        "label": item.label or item.api_name,
        "length": item.length if text or item.type is FieldType.BASE64 else 0,
        "mask": None,
        "maskType": None,
        "name": item.api_name,
        "nameField": item.name_field,
        "namePointing": len(item.reference_to) > 1,
        "nillable": item.nillable,
        "permissionable": item.permissionable,
        "picklistValues": [_picklist_value(value) for value in item.picklist],
        "polymorphicForeignKey": len(item.reference_to) > 1,
        "precision": item.precision if item.type.is_number and item.type is not FieldType.INT else 0,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(schema.targets(item)),
        "relationshipName": item.relationship_name,
        "relationshipOrder": 0 if item.master_detail else None,
        "restrictedDelete": item.on_delete is OnDelete.RESTRICT and item.type is FieldType.REFERENCE,
        "restrictedPicklist": item.restricted,
        "scale": item.scale,
        "searchPrefilterable": False,
        "soapType": _SOAP.get(item.type, "xsd:string"),
        "sortable": sortable and not long_text,
        "type": item.type.value,
        "unique": item.unique,
        "updateable": item.updateable and editable and not item.type.is_compound,
        "writeRequiresMasterRead": False,
    }


def _picklist_value(value: PicklistValue) -> Json:
    return {
        "active": value.active,
        "defaultValue": value.default,
        "label": value.shown,
        "validFor": None,
        "value": value.value,
    }


def _record_types(sobject: SObjectType, version: str) -> list[Json]:
    if sobject.setup:
        return []
    base = f"/services/data/v{version}/sobjects/{sobject.api_name}/describe/layouts"
    infos = [
        (record_type.label, record_type.developer_name, record_type.id, record_type.active, record_type.default)
        for record_type in sobject.record_types
    ]
    infos.append(("Master", "Master", _MASTER_RECORD_TYPE, True, not any(info[4] for info in infos)))
    return [
        {
            "active": active,
            "available": True,
            "defaultRecordTypeMapping": default,
            "developerName": developer_name,
            "master": developer_name == "Master",
            "name": label,
            "recordTypeId": type_id,
            "urls": {"layout": f"{base}/{type_id}"},
        }
        for label, developer_name, type_id, active, default in infos
    ]
