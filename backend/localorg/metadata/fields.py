"""CustomField: from its XML to a field of the schema, with what the platform insists on for each type.

Metadata API Developer Guide, CustomField; limits as of API 67.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_elements
from localorg.metadata.xmltree import Node
from localorg.schema import Field, FieldType, ObjectKind, OnDelete, PicklistValue, SObjectType, custom_field

__all__ = ["field_of", "value_set"]

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*__c")
_LONGEST_NAME = 43  # 40 and the suffix

_DELETE = {"SetNull": OnDelete.SET_NULL, "Cascade": OnDelete.CASCADE, "Restrict": OnDelete.RESTRICT}

Attributes = dict[str, Any]
Reader = Callable[[Change, SObjectType, Node, Attributes], FieldType]


def field_of(change: Change, sobject: SObjectType, node: Node) -> Field:
    """The field a `<fields>` element describes; raises Refused, XmlProblem."""
    check_elements(node, "CustomField")
    name = node.required("fullName")
    local = name.split("__", 1)[1] if change.namespace and name.startswith(f"{change.namespace}__") else name
    if not _NAME.fullmatch(local):
        raise Refused(
            f"The field name provided, {name}, is not a custom field name: letters, digits and single underscores, "
            "ending in __c",
            node,
        )
    if len(local) > _LONGEST_NAME:
        raise Refused(f"Value too long for field: DeveloperName maximum length is:40 ({name})", node)
    kind = node.required("type")
    reader = _READERS.get(kind)
    if reader is None:
        raise Refused(f"'{kind}' is not a valid value for the enum 'FieldType'", node.first("type"))
    if not node.value("label").strip():
        raise Refused("Required field is missing: label", node)
    attributes: Attributes = {
        "label": node.value("label"),
        "help": node.value("inlineHelpText") or None,
        "description": node.value("description") or None,
        "external_id": node.flag("externalId"),
        "unique": node.flag("unique"),
        "case_sensitive": node.flag("caseSensitive"),
        "tracked": node.flag("trackHistory"),
        "encrypted": node.value("encryptionScheme", "None") != "None",
    }
    if node.flag("required"):
        attributes["nillable"] = False
    formula = node.first("formula")
    if formula is not None:
        attributes["formula"] = formula.text
        if kind not in _FORMULA_TYPES:
            raise Refused(f"A formula field cannot be of type {kind}", node)
    field_type = reader(change, sobject, node, attributes)
    if attributes["external_id"] and field_type not in _KEY_TYPES:
        raise Refused(f"Field of type {kind} cannot be an external ID", node.first("externalId"))
    if attributes["unique"] and field_type not in _KEY_TYPES:
        raise Refused(f"Field of type {kind} cannot be unique", node.first("unique"))
    _default(node, field_type, attributes)
    return custom_field(change.full(name), field_type, **attributes)


_FORMULA_TYPES = frozenset({"Text", "Number", "Currency", "Percent", "Checkbox", "Date", "DateTime", "Time"})
_KEY_TYPES = frozenset({FieldType.STRING, FieldType.DOUBLE, FieldType.EMAIL})


def _must(node: Node, element: str) -> int:
    """A number the type cannot do without."""
    value = node.number(element)
    if value is None:
        raise Refused(f"Must specify '{element}' for a CustomField of type {node.value('type')}", node)
    return value


def _text(_: Change, __: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    if node.first("formula") is not None:
        attributes["length"] = 1300
        return FieldType.STRING
    attributes["length"] = _between(node, "length", 1, 255)
    return FieldType.STRING


def _encrypted_text(_: Change, __: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    attributes["length"] = _between(node, "length", 1, 175)
    for needed in ("maskChar", "maskType"):
        node.required(needed)
    attributes["filterable"] = False
    return FieldType.ENCRYPTED


def _text_area(_: Change, __: SObjectType, ___: Node, attributes: Attributes) -> FieldType:
    attributes["length"] = 255
    return FieldType.TEXTAREA


def _long_text(_: Change, __: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    attributes["length"] = _between(node, "length", 256, 131_072)
    _must(node, "visibleLines")
    return FieldType.TEXTAREA


def _between(node: Node, element: str, low: int, high: int) -> int:
    value = _must(node, element)
    if not low <= value <= high:
        raise Refused(f"Value out of range: {element} must be {low} to {high}, not {value}", node.first(element))
    return value


def _number_of(field_type: FieldType) -> Reader:
    def read(_: Change, __: SObjectType, node: Node, attributes: Attributes) -> FieldType:
        if node.first("formula") is not None and node.first("precision") is None:
            attributes.update(precision=18, scale=node.number("scale") or 0)
            return field_type
        precision, scale = _between(node, "precision", 1, 18), _must(node, "scale")
        if not 0 <= scale <= precision:
            raise Refused("scale must be between 0 and precision", node.first("scale"))
        attributes.update(precision=precision, scale=scale)
        return field_type

    return read


def _checkbox(_: Change, __: SObjectType, node: Node, ___: Attributes) -> FieldType:
    if node.first("defaultValue") is None and node.first("formula") is None:
        raise Refused("Must specify 'defaultValue' for a CustomField of type Checkbox", node)
    return FieldType.BOOLEAN


def _plain(field_type: FieldType) -> Reader:
    def read(_: Change, __: SObjectType, ___: Node, ____: Attributes) -> FieldType:
        return field_type

    return read


def _picklist(change: Change, _: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    given = node.first("valueSet")
    if given is None:
        raise Refused(f"Must specify 'valueSet' for a CustomField of type {node.value('type')}", node)
    attributes["restricted"] = given.flag("restricted")
    named = given.value("valueSetName").strip()
    if named:
        values = change.setting(f"valueset:{change.developer_name(named)}")
        if values is None:
            raise Refused(f"In field: valueSetName - no GlobalValueSet named {named} found", given)
        attributes["value_set"] = change.developer_name(named)
        attributes["restricted"] = True
        attributes["picklist"] = tuple(PicklistValue(**value) for value in values)
    else:
        definition = given.first("valueSetDefinition")
        if definition is None:
            raise Refused("Must specify either valueSetDefinition or valueSetName", given)
        attributes["picklist"] = value_set(definition, "value")
    if node.value("type") == "MultiselectPicklist":
        _must(node, "visibleLines")
        return FieldType.MULTIPICKLIST
    return FieldType.PICKLIST


def value_set(parent: Node, tag: str) -> tuple[PicklistValue, ...]:
    """The values of a value set; raises Refused on doubles. Names are case-insensitive, as on the platform."""
    values: list[PicklistValue] = []
    seen: set[str] = set()
    for node in parent.all(tag):
        name = node.required("fullName")
        if name.lower() in seen:
            raise Refused(f"Duplicate value found: Duplicate picklist value {name}", node)
        seen.add(name.lower())
        probability = node.number("probability")
        values.append(
            PicklistValue(
                value=name,
                label=node.value("label") or name,
                active=node.flag("isActive", default=True),
                default=node.flag("default"),
                closed=node.flag("closed"),
                won=node.flag("won"),
                converted=node.flag("converted"),
                probability=probability,
                forecast=node.value("forecastCategory") or None,
            )
        )
    return tuple(values)


def _auto_number(_: Change, __: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    attributes["auto_number"] = node.value("displayFormat") or "{0}"
    attributes["length"] = 30
    return FieldType.STRING


def _lookup(change: Change, sobject: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    target = _target(change, sobject, node)
    attributes["reference_to"] = (target,)
    constraint = node.value("deleteConstraint", "SetNull")
    if constraint not in _DELETE:
        raise Refused(f"'{constraint}' is not a valid value for the enum 'DeleteConstraint'", node)
    if node.flag("required") and constraint == "SetNull" and node.first("deleteConstraint") is not None:
        raise Refused("A required lookup cannot be cleared: deleteConstraint must be Cascade or Restrict", node)
    attributes["on_delete"] = _DELETE[constraint]
    _relationship(node, attributes)
    return FieldType.REFERENCE


def _master_detail(change: Change, sobject: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    if sobject.kind is not ObjectKind.CUSTOM:
        raise Refused(f"{sobject.api_name} cannot be the detail of a master-detail relationship", node)
    attributes["reference_to"] = (_target(change, sobject, node),)
    attributes["master_detail"] = True
    attributes["updateable"] = node.flag("reparentableMasterDetail")
    if not node.value("relationshipName"):
        raise Refused("Must specify 'relationshipName' for a CustomField of type MasterDetail", node)
    _relationship(node, attributes)
    return FieldType.REFERENCE


def _target(change: Change, sobject: SObjectType, node: Node) -> str:
    name = node.required("referenceTo")
    full = change.full(name)
    if full.lower() == sobject.api_name.lower():
        return sobject.api_name
    found = change.sobject(name)
    if found is None:
        raise Refused(f"referenceTo value of '{name}' does not resolve to a valid sObject type", node)
    return found.api_name


def _relationship(node: Node, attributes: Attributes) -> None:
    name = node.value("relationshipName").strip()
    if name and not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*", name):
        raise Refused(f"The relationship name {name} is not valid", node.first("relationshipName"))
    attributes["child_relationship_name"] = name or None


def _metadata_relationship(change: Change, sobject: SObjectType, node: Node, attributes: Attributes) -> FieldType:
    if sobject.kind is not ObjectKind.CUSTOM_METADATA:
        raise Refused("A MetadataRelationship is possible on custom metadata types only", node)
    target = node.required("referenceTo")
    if target in ("EntityDefinition", "FieldDefinition"):
        attributes.update(reference_to=(target,), loose=True)
    else:
        attributes["reference_to"] = (_target(change, sobject, node),)
    _relationship(node, attributes)
    return FieldType.REFERENCE


def _summary(_: Change, __: SObjectType, node: Node, ___: Attributes) -> FieldType:
    raise Refused("Roll-up summary fields are not supported by a local org", node)


def _default(node: Node, field_type: FieldType, attributes: Attributes) -> None:
    default = node.first("defaultValue")
    if default is None:
        chosen = next((value.value for value in attributes.get("picklist", ()) if value.default), None)
        if chosen is not None:
            attributes["default"] = chosen
        return
    text = default.text.strip()
    if field_type is FieldType.BOOLEAN:
        if text not in ("true", "false"):
            raise Refused("defaultValue of a Checkbox must be true or false", default)
        attributes["default"] = text == "true"
    elif re.fullmatch(r"-?\d+(?:\.\d+)?", text) and field_type.is_number:
        attributes["default"] = float(text)
    elif re.fullmatch(r'"[^"]*"|\'[^\']*\'', text):
        attributes["default"] = text[1:-1]
    elif text:
        attributes["default_formula"] = text


_READERS: Mapping[str, Reader] = {
    "Text": _text,
    "TextArea": _text_area,
    "LongTextArea": _long_text,
    "Html": _long_text,
    "EncryptedText": _encrypted_text,
    "Number": _number_of(FieldType.DOUBLE),
    "Currency": _number_of(FieldType.CURRENCY),
    "Percent": _number_of(FieldType.PERCENT),
    "Checkbox": _checkbox,
    "Date": _plain(FieldType.DATE),
    "DateTime": _plain(FieldType.DATETIME),
    "Time": _plain(FieldType.TIME),
    "Email": _plain(FieldType.EMAIL),
    "Phone": _plain(FieldType.PHONE),
    "Url": _plain(FieldType.URL),
    "Picklist": _picklist,
    "MultiselectPicklist": _picklist,
    "AutoNumber": _auto_number,
    "Lookup": _lookup,
    "Hierarchy": _lookup,
    "MasterDetail": _master_detail,
    "MetadataRelationship": _metadata_relationship,
    "Summary": _summary,
}
