"""CustomObject: the object itself, its fields, record types, validation rules, list views and the rest of the file.

Objects are made before any of their fields, and all objects before any lookup is read, so that files may refer
to one another in any order. A file for a standard object carries only what is added to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_elements, check_root
from localorg.metadata.fields import field_of
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node, to_xml
from localorg.schema import (
    Field,
    FieldType,
    ObjectKind,
    RecordType,
    SharingModel,
    SObjectType,
    ValidationRule,
    custom_object,
    history_object,
)

__all__ = ["CHILD_TAGS", "deploy_objects"]

CHILD_TAGS: Mapping[str, str] = {
    "fields": "CustomField",
    "recordTypes": "RecordType",
    "validationRules": "ValidationRule",
    "listViews": "ListView",
    "compactLayouts": "CompactLayout",
    "webLinks": "WebLink",
    "fieldSets": "FieldSet",
    "businessProcesses": "BusinessProcess",
    "sharingReasons": "SharingReason",
    "indexes": "Index",
}
_OBJECT_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*__(?:c|mdt)")
_SHARING = {model.value: model for model in SharingModel}


def deploy_objects(change: Change, files: Sequence[tuple[SourceFile, Node]]) -> None:
    """Deploy the object files of a package: objects, then plain fields, then what is worked out from fields."""
    made: list[tuple[SourceFile, Node, bool]] = []
    for source, root in files:
        with change.component("CustomObject", change.full(source.full_name), source.path):
            check_root(root, "CustomObject")
            made.append((source, root, _make(change, source, root)))
    for source, root, _ in made:
        _children(change, source, root, formulas=False)
    for source, root, is_new in made:
        _children(change, source, root, formulas=True)
        _keep(change, source, root, is_new=is_new)


def _make(change: Change, source: SourceFile, root: Node) -> bool:
    """Make or alter the object without its fields; returns whether it is new."""
    full = change.full(source.full_name)
    held = change.sobject(source.full_name)
    if held is not None and not held.custom:
        _standard(change, held, root)
        return False
    if held is None and not re.search(r"__(c|mdt)$", source.full_name):
        raise Refused(f"Entity of type 'CustomObject' named '{source.full_name}' cannot be found", root)
    local = source.full_name
    if change.namespace and local.startswith(f"{change.namespace}__"):
        local = local[len(change.namespace) + 2 :]
    if held is None and not _OBJECT_NAME.fullmatch(local):
        raise Refused(f"The object name {source.full_name} is not valid", root)
    made = _definition(change, full, root, held)
    change.transaction.save_object(made)
    if root.flag("enableHistory") and made.kind is ObjectKind.CUSTOM and made.history is None:
        history = history_object(made)
        change.transaction.save_object(history)
        change.transaction.save_object(made.altered(history=history.api_name))
    return held is None


def _definition(change: Change, full: str, root: Node, held: SObjectType | None) -> SObjectType:
    label = root.required("label")
    setting = root.value("customSettingsType")
    if full.endswith("__mdt"):
        kind = ObjectKind.CUSTOM_METADATA
    elif setting:
        kind = ObjectKind.CUSTOM_SETTING
        if setting not in ("Hierarchy", "List"):
            raise Refused(f"'{setting}' is not a valid value for the enum 'CustomSettingsType'", root)
    else:
        kind = ObjectKind.CUSTOM
        root.required("pluralLabel")
        if root.first("nameField") is None:
            raise Refused("Must specify a nameField of type Text or AutoNumber", root)
        for needed in ("deploymentStatus", "sharingModel"):
            root.required(needed)
    sharing = _sharing(root)
    if held is not None:
        if held.kind is not kind:
            raise Refused(f"{full} is a {held.kind.value.lower().replace('_', ' ')} already", root)
        return held.altered(
            label=label,
            plural=root.value("pluralLabel") or held.plural,
            sharing=sharing if kind is ObjectKind.CUSTOM else held.sharing,
            description=root.value("description") or None,
            visibility=root.value("visibility") or root.value("customSettingsVisibility") or held.visibility,
        )
    return custom_object(
        full,
        change.transaction.new_key_prefix(kind),
        label=label,
        plural=root.value("pluralLabel"),
        kind=kind,
        name_field=_name_field(root) if kind is ObjectKind.CUSTOM else None,
        sharing=sharing,
        setting_type=setting or None,
        visibility=root.value("visibility") or root.value("customSettingsVisibility") or "Public",
        description=root.value("description") or None,
    )


def _name_field(root: Node) -> Field:
    node = root.first("nameField")
    kind = "Text" if node is None else node.required("type")
    label = "Name" if node is None else node.value("label") or "Name"
    if kind == "AutoNumber" and node is not None:
        return Field(
            "Name",
            FieldType.STRING,
            label,
            length=80,
            name_field=True,
            auto_number=node.value("displayFormat") or "{0}",
            createable=False,
            updateable=False,
        )
    if kind != "Text":
        raise Refused("Must specify a nameField of type Text or AutoNumber", node)
    return Field("Name", FieldType.STRING, label, length=80, name_field=True)


def _sharing(root: Node) -> SharingModel:
    given = root.value("sharingModel", "ReadWrite").strip()
    if given not in _SHARING:
        raise Refused(f"'{given}' is not a valid value for the enum 'SharingModel'", root.first("sharingModel"))
    return _SHARING[given]


def _standard(change: Change, held: SObjectType, root: Node) -> None:
    if root.first("sharingModel") is not None and _sharing(root) is not held.sharing:
        change.transaction.save_object(held.altered(sharing=_sharing(root)))


def _children(change: Change, source: SourceFile, root: Node, *, formulas: bool) -> None:
    """Deploy what the file holds beside the object; `formulas`: only what may refer to any field, else the rest."""
    name = change.full(source.full_name)
    handlers: Mapping[str, Callable[[Change, str, Node], None]] = {
        "fields": _field,
        "recordTypes": _record_type,
        "validationRules": _validation_rule,
        "listViews": _list_view,
    }
    for tag, kind in CHILD_TAGS.items():
        for node in root.all(tag):
            late = tag in ("validationRules", "listViews") or node.first("formula") is not None
            if late is formulas:
                _child(change, source, name, node, kind, handlers.get(tag))


def _keep(change: Change, source: SourceFile, root: Node, *, is_new: bool) -> None:
    name = change.full(source.full_name)
    own = Node(root.tag, root.line, root.column, "", root.namespace, [c for c in root if c.tag not in CHILD_TAGS])
    component_id, _ = change.keep_as(
        "CustomObject", name, source.path, b'<?xml version="1.0" encoding="UTF-8"?>\n' + to_xml(own).encode()
    )
    change.succeed("CustomObject", name, source.path, component_id, created=is_new)


def _child(
    change: Change,
    source: SourceFile,
    object_name: str,
    node: Node,
    kind: str,
    handler: Callable[[Change, str, Node], None] | None,
) -> None:
    given = node.value("fullName").strip()
    full_name = f"{object_name}.{change.full(given)}"
    if kind == "CustomField" and not given.endswith("__c"):
        # A standard field's entry only sets what its Setup page does.
        _track(change, object_name, given, node)
        change.keep_as(kind, f"{object_name}.{given}", source.path, to_xml(node, 1).encode())
        change.succeed(kind, f"{object_name}.{given}", source.path, "", created=False)
        return
    with change.component(kind, full_name, source.path):
        check_elements(node, kind)
        if not given:
            raise Refused("Required field is missing: fullName", node)
        if handler is not None:
            handler(change, object_name, node)
        component_id, is_new = change.keep_as(kind, full_name, source.path, to_xml(node, 1).encode())
        change.succeed(kind, full_name, source.path, component_id, created=is_new)


def _track(change: Change, object_name: str, name: str, node: Node) -> None:
    """Switch a standard field's history on or off where its entry says so and its object has one."""
    sobject = change.schema.object(object_name)
    field = sobject.get(name)
    if field is not None and sobject.history is not None and node.first("trackHistory") is not None:
        change.transaction.save_field(object_name, field.altered(tracked=node.flag("trackHistory")))


def _field(change: Change, object_name: str, node: Node) -> None:
    sobject = change.schema.object(object_name)
    made = field_of(change, sobject, node)
    held = sobject.get(made.api_name)
    if held is not None and held.type is not made.type and held.calculated != made.calculated:
        raise Refused(f"Cannot change type of {object_name}.{made.api_name} to or from a formula", node)
    if held is not None and held.reference_to != made.reference_to:
        raise Refused(f"Cannot update referenceTo of {object_name}.{made.api_name}", node.first("referenceTo"))
    changed = sobject.with_field(made)
    if made.master_detail:
        changed = _as_detail(changed, made)
    change.transaction.save_object(changed)


def _as_detail(sobject: SObjectType, master: Field) -> SObjectType:
    """The object with its rows' sharing decided by their master; such rows have no owner."""
    controlled = sobject.sharing is SharingModel.CONTROLLED_BY_PARENT
    return sobject.altered(master_field=master.api_name) if controlled else sobject


def _record_type(change: Change, object_name: str, node: Node) -> None:
    name, label = node.required("fullName"), node.required("label")
    active = node.flag("active", default=True)
    sobject = change.schema.object(object_name)
    picklists: dict[str, tuple[str, ...]] = {}
    for given in node.all("picklistValues"):
        picklist = given.required("picklist")
        if change.schema.field_of(sobject, change.full(picklist)) is None:
            raise Refused(f"Picklist field not found: {object_name}.{picklist}", given)
        picklists[picklist] = tuple(value.required("fullName") for value in given.all("values"))
    made = RecordType(name, label, "", active, picklists=picklists)
    change.transaction.save_record_type(sobject.api_name, made)
    row = {"SobjectType": sobject.api_name, "DeveloperName": name}
    change.put_row("RecordType", row, {"Description": node.value("description") or None})


def _validation_rule(change: Change, object_name: str, node: Node) -> None:
    name = node.required("fullName")
    rule = ValidationRule(
        name,
        node.required("errorConditionFormula"),
        node.required("errorMessage"),
        node.value("errorDisplayField") or None,
        node.flag("active"),
    )
    sobject = change.schema.object(object_name)
    if rule.error_field and change.schema.field_of(sobject, change.full(rule.error_field)) is None:
        raise Refused(
            f"In field: errorDisplayField - no CustomField named {object_name}.{rule.error_field} found", node
        )
    others = tuple(held for held in sobject.validation_rules if held.name != name)
    change.transaction.save_object(sobject.altered(validation_rules=(*others, rule)))


def _list_view(change: Change, object_name: str, node: Node) -> None:
    node.required("label")
    node.required("filterScope")
    sobject = change.schema.object(object_name)
    named = [(child, child.text.strip()) for child in node.all("columns")]
    named += [(child, child.required("field")) for child in node.all("filters")]
    for child, column in named:
        # Standard columns have names of their own (NAME, CREATED_DATE); only custom ones can be checked.
        if column.endswith("__c") and change.schema.field_of(sobject, change.full(column)) is None:
            raise Refused(f"Could not resolve list view column: {column}", child)
