"""Components that are data: custom metadata records, labels, value sets."""

from __future__ import annotations

import re
from dataclasses import asdict

from localorg.errors import OrgError
from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_elements, check_root
from localorg.metadata.fields import value_set
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node, to_xml
from localorg.records.values import Refusal, reader
from localorg.schema import Field, FieldType, ObjectKind, SObjectType

__all__ = ["deploy_custom_metadata", "deploy_global_value_set", "deploy_labels", "deploy_standard_value_set"]

_LONGEST_LABEL = 1000


def deploy_custom_metadata(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A custom metadata record (`Type.Record.md`) as a row of its type."""
    check_root(root, "CustomMetadata")
    type_name, _, name = source.full_name.partition(".")
    if not name:
        raise Refused(f"{source.full_name} names no record: Type.Record is expected", root)
    sobject = change.sobject(type_name if type_name.endswith("__mdt") else f"{type_name}__mdt")
    if sobject is None or sobject.kind is not ObjectKind.CUSTOM_METADATA:
        raise Refused(f"In field: CustomMetadata - no CustomObject named {type_name}__mdt found", root)
    label = root.required("label")
    if len(label) > 40:
        raise Refused(f"Label: data value too large: {label} (max length=40)", root.first("label"))
    values: dict[str, object] = {}
    for node in root.all("values"):
        field = change.schema.field_of(sobject, node.required("field"), within=change.namespace or None)
        if field is None:
            raise Refused(f"Custom metadata type {sobject.api_name} has no field {node.value('field')}", node)
        values[field.api_name] = _value(change, sobject, field, node.first("value"))
    missing = [f.api_name for f in sobject if f.custom and f.required and values.get(f.api_name) is None]
    if missing:
        raise Refused(f"Required fields are missing: [{', '.join(missing)}]", root)
    for field in sobject:
        if field.custom and field.stored and field.api_name not in values:
            values[field.api_name] = field.default
    prefix = change.namespace or None
    return change.put_row(
        sobject.api_name,
        {"DeveloperName": name, "NamespacePrefix": prefix},
        {
            **values,
            "MasterLabel": label,
            "Label": label,
            "Language": "en_US",
            "QualifiedApiName": f"{prefix}__{name}" if prefix else name,
            "IsProtected": root.flag("protected"),
        },
    )


def _value(change: Change, sobject: SObjectType, field: Field, node: Node | None) -> object:
    if node is None or node.first("@nil") is not None or not node.text.strip():
        return None
    text = node.text if field.type in (FieldType.TEXTAREA, FieldType.STRING) else node.text.strip()
    if field.type is FieldType.REFERENCE and not field.loose:
        target = change.schema.object(field.reference_to[0])
        found = change.find_row(target.api_name, {"DeveloperName": text.rpartition("__")[2]})
        if found is None:
            raise Refused(f"{sobject.api_name}.{field.api_name}: no {target.api_name} record named {text}", node)
        return found
    try:
        return reader(field)(text)
    except Refusal as refused:
        raise Refused(refused.error.message, node) from refused


def deploy_labels(change: Change, source: SourceFile, root: Node) -> None:
    """Each label of a labels file is a component of its own."""
    with change.component("CustomLabels", source.full_name, source.path):
        check_root(root, "CustomLabels")
    for node in root.all("labels"):
        name = node.value("fullName").strip()
        full_name = change.developer_name(name)
        with change.component("CustomLabel", full_name, source.path):
            check_elements(node, "CustomLabel")
            if not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*", node.required("fullName")):
                raise Refused(f"The label name {name} is not valid", node)
            for needed in ("language", "shortDescription", "value"):
                node.required(needed)
            node.flag("protected")
            if len(node.value("value")) > _LONGEST_LABEL:
                raise Refused(f"Value too long for field: Value maximum length is:{_LONGEST_LABEL}", node)
            change.put_setting(f"label:{full_name}", {"value": node.value("value"), "language": node.value("language")})
            component_id, is_new = change.keep_as("CustomLabel", full_name, source.path, to_xml(node, 1).encode())
            change.succeed("CustomLabel", full_name, source.path, component_id, created=is_new)


def deploy_global_value_set(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """Values that picklist fields may share; fields that do are changed with it."""
    check_root(root, "GlobalValueSet")
    root.required("masterLabel")
    values = value_set(root, "customValue")
    name = change.developer_name(source.full_name)
    change.put_setting(f"valueset:{name}", [asdict(value) for value in values])
    _apply(change, name, root)
    return "", change.stored("GlobalValueSet", name) is None


def deploy_standard_value_set(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """The values of a standard picklist, as LeadStatus."""
    check_root(root, "StandardValueSet")
    if not _apply(change, source.full_name, root):
        raise Refused(f"Unknown standard value set: {source.full_name}", root)
    return "", False


def _apply(change: Change, name: str, root: Node) -> int:
    values = value_set(root, "standardValue" if root.tag == "StandardValueSet" else "customValue")
    count = 0
    for sobject in list(change.schema):
        for field in sobject:
            if field.value_set is not None and field.value_set.lower() == name.lower():
                try:
                    change.transaction.save_field(sobject.api_name, field.altered(picklist=values))
                except OrgError as refused:
                    raise Refused(refused.message, root) from refused
                count += 1
    return count
