"""destructiveChanges: components out of an org, with what they stood for."""

from __future__ import annotations

from localorg.metadata.change import Change, Refused
from localorg.metadata.kinds import CHILD_KINDS
from localorg.metadata.package import Manifest
from localorg.metadata.results import ComponentResult

__all__ = ["destroy"]

_FILE = "destructiveChanges.xml"
_ROWS = {
    "ApexClass": "Name",
    "ApexTrigger": "Name",
    "PermissionSet": "Name",
    "CustomPermission": "DeveloperName",
    "NamedCredential": "DeveloperName",
    "ExternalCredential": "DeveloperName",
    "PermissionSetGroup": "DeveloperName",
}
_SETTINGS = {
    "CustomLabel": ("label",),
    "GlobalValueSet": ("valueset",),
    "NamedCredential": ("namedcredential",),
    "ExternalCredential": ("externalcredential",),
    "RemoteSiteSetting": ("remotesite",),
    "ExtlClntAppGlobalOauthSettings": ("ecaglobal",),
}
# Fields go before the objects they are of, pages before what they show.
_FIRST = ("PermissionSet", "Layout", "FlexiPage", "CustomApplication", "CustomTab", "CustomMetadata")
_LAST = ("CustomObject", "GlobalValueSet")


def destroy(change: Change, manifest: Manifest) -> None:
    """Remove what the manifest names; what is not there is a warning, as on the platform."""

    def order(kind: str) -> int:
        return 0 if kind in _FIRST else 2 if kind in _LAST else 1

    for kind in sorted(manifest.members, key=order):
        for name in manifest.members[kind]:
            with change.component(kind, name, _FILE):
                if name == "*":
                    raise Refused("The wildcard * is not allowed in destructive changes")
                _remove(change, kind, name)


def _remove(change: Change, kind: str, name: str) -> None:
    stored_name = _stored_name(change, kind, name)
    held = change.stored(kind, stored_name)
    if held is None:
        message = f"No {kind} named: {name} found"
        change.results.append(ComponentResult(kind, name, _FILE, problem=message, warning=True))
        return
    if kind == "CustomObject":
        _object(change, stored_name)
    elif kind == "CustomField":
        _field(change, stored_name)
    elif kind == "CustomMetadata":
        type_name, _, record = name.partition(".")
        sobject = change.sobject(type_name if type_name.endswith("__mdt") else f"{type_name}__mdt")
        if sobject is not None:
            change.delete_rows(sobject.api_name, {"DeveloperName": record})
    elif kind == "RecordType":
        _record_type(change, stored_name)
    elif kind == "ValidationRule":
        object_name, _, rule = stored_name.partition(".")
        sobject = change.schema.object(object_name)
        rules = tuple(r for r in sobject.validation_rules if change.full(r.name) != rule)
        change.transaction.save_object(sobject.altered(validation_rules=rules))
    if kind in _ROWS:
        _row(change, kind, name)
    for prefix in _SETTINGS.get(kind, ()):
        change.put_setting(f"{prefix}:{stored_name}", None)
    change.forget(kind, stored_name)
    change.results.append(ComponentResult(kind, name, _FILE, held.id, changed=True, deleted=True))


def _stored_name(change: Change, kind: str, name: str) -> str:
    if kind in CHILD_KINDS and CHILD_KINDS[kind] == "CustomObject":
        object_name, _, child = name.partition(".")
        return f"{change.full(object_name)}.{change.full(child)}"
    if kind == "CustomObject":
        return change.full(name)
    if kind in ("Layout", "CustomMetadata", "Profile", "InstalledPackage"):
        return name
    return change.developer_name(change.full(name))


def _object(change: Change, name: str) -> None:
    sobject = change.schema.object(name)
    if not sobject.custom:
        raise Refused(f"Cannot delete the standard object {name}")
    for child in change.schema.children(sobject):
        if child.child.api_name != sobject.api_name and child.field.custom:
            raise Refused(
                "This custom object is referenced elsewhere in salesforce.com: "
                f"{child.child.api_name}.{child.field.api_name}"
            )
    change.transaction.drop_object(sobject.api_name)
    change.delete_rows("ObjectPermissions", {"SobjectType": sobject.api_name})
    change.delete_rows("FieldPermissions", {"SobjectType": sobject.api_name})
    for kind, parent in CHILD_KINDS.items():
        if parent == "CustomObject":
            for component in change.all_stored(kind):
                if component.full_name.split(".", 1)[0] == sobject.api_name:
                    change.forget(kind, component.full_name)


def _field(change: Change, name: str) -> None:
    object_name, _, field_name = name.partition(".")
    sobject = change.schema.object(object_name)
    field = change.schema.field(sobject, field_name)
    if not field.custom:
        raise Refused(f"Cannot delete the standard field {name}")
    change.transaction.drop_field(sobject.api_name, field.api_name)
    change.delete_rows("FieldPermissions", {"Field": f"{sobject.api_name}.{field.api_name}"})


def _record_type(change: Change, name: str) -> None:
    object_name, _, record_type = name.partition(".")
    sobject = change.schema.object(object_name)
    kept = tuple(held for held in sobject.record_types if held.developer_name != record_type)
    change.transaction.save_object(sobject.altered(record_types=kept))
    change.delete_rows("RecordType", {"SobjectType": sobject.api_name, "DeveloperName": record_type})


def _row(change: Change, kind: str, name: str) -> None:
    namespace, _, local = name.rpartition("__")
    key = {_ROWS[kind]: local, "NamespacePrefix": namespace or change.namespace or None}
    found = change.find_row(kind, key)
    if found is None:
        return
    if kind == "PermissionSet":
        if change.read_rows("PermissionSetAssignment", {"PermissionSetId": found}, ("Id",)):
            raise Refused(f"The permission set {name} is assigned to users and cannot be deleted")
        for table in ("ObjectPermissions", "FieldPermissions", "SetupEntityAccess"):
            change.delete_rows(table, {"ParentId": found})
    change.delete_rows("SetupEntityAccess", {"SetupEntityId": found})
    change.delete_rows(kind, {"Id": found})
