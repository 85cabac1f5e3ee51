"""PermissionSet, Profile, PermissionSetGroup and CustomPermission: rights as rows, where `access` reads them.

A permission set's file is the whole of it: what it does not name is taken away. A profile's file changes only
what it names, as on the platform.
"""

from __future__ import annotations

from collections.abc import Callable

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_elements, check_root
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node
from localorg.schema import SObjectType

__all__ = [
    "deploy_custom_permission",
    "deploy_permission_set",
    "deploy_permission_set_group",
    "deploy_profile",
    "profile_xml",
]

_OBJECT_RIGHTS = {
    "allowCreate": "PermissionsCreate",
    "allowRead": "PermissionsRead",
    "allowEdit": "PermissionsEdit",
    "allowDelete": "PermissionsDelete",
    "viewAllRecords": "PermissionsViewAllRecords",
    "modifyAllRecords": "PermissionsModifyAllRecords",
    "viewAllFields": "PermissionsViewAllFields",
}
# What each right stands on; the platform refuses one without the other.
_NEEDS = {
    "allowCreate": ("allowRead",),
    "allowEdit": ("allowRead",),
    "allowDelete": ("allowRead", "allowEdit"),
    "viewAllRecords": ("allowRead",),
    "modifyAllRecords": ("allowRead", "allowEdit", "allowDelete", "viewAllRecords"),
}
_WORDS = {
    "allowCreate": "Create",
    "allowRead": "Read",
    "allowEdit": "Edit",
    "allowDelete": "Delete",
    "viewAllRecords": "View All",
    "modifyAllRecords": "Modify All",
}


def deploy_permission_set(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """Make or replace a permission set; returns its row's id and whether it is new."""
    check_root(root, "PermissionSet")
    label = root.required("label")
    key = {"Name": source.full_name, "NamespacePrefix": change.namespace or None}
    parent, is_new = change.put_row(
        "PermissionSet",
        key,
        {
            "Label": label,
            "Description": root.value("description") or None,
            "HasActivationRequired": root.flag("hasActivationRequired"),
            "IsCustom": True,
            "IsOwnedByProfile": False,
            "Type": "Regular",
            **_user_permissions(change, root, whole=True),
        },
    )
    for table in ("ObjectPermissions", "FieldPermissions", "SetupEntityAccess"):
        change.delete_rows(table, {"ParentId": parent})
    _grant(change, source, root, parent)
    return parent, is_new


def deploy_profile(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """Change the rights of a profile there is, or make a new one of its licence."""
    check_root(root, "Profile")
    name = {"Admin": "System Administrator", "Standard": "Standard User", "ReadOnly": "Read Only"}.get(
        source.full_name, source.full_name
    )
    profile = change.find_row("Profile", {"Name": name})
    is_new = profile is None
    flags = _user_permissions(change, root, whole=False)
    if profile is None:
        license_name = root.value("userLicense") or "Salesforce"
        license_id = change.find_row("UserLicense", {"Name": license_name})
        if license_id is None:
            raise Refused(f"In field: userLicense - no UserLicense named {license_name} found", root)
        profile, _ = change.put_row("Profile", {"Name": name}, {"UserLicenseId": license_id, **flags})
        own = f"X{profile[3:15]}"
        change.put_row(
            "PermissionSet",
            {"Name": own},
            {"Label": own, "ProfileId": profile, "IsOwnedByProfile": True, "Type": "Profile", "LicenseId": license_id},
        )
    parent = change.find_row("PermissionSet", {"ProfileId": profile, "IsOwnedByProfile": True})
    if parent is None:
        raise Refused(f"The profile {name} has no rights of its own to change", root)
    if flags:
        change.put_row("Profile", {"Id": profile}, flags)
        change.put_row("PermissionSet", {"Id": parent}, flags)
    _grant(change, source, root, parent)
    return profile, is_new


def _grant(change: Change, source: SourceFile, root: Node, parent: str) -> None:
    """Write the rights the file names. What they refer to may come later in the package, so it is looked up then."""
    kind, full_name = source.kind.name, change.developer_name(source.full_name)
    for node in root.all("objectPermissions"):
        check_elements(node, "objectPermissions")
        _object(change, node, parent)
    for node in root.all("fieldPermissions"):
        check_elements(node, "fieldPermissions")
        _field(change, node, parent)

    def later(tag: str, grant: Callable[[Change, Node, str], None]) -> None:
        for node in root.all(tag):
            change.later(kind, full_name, source.path, lambda node=node: grant(change, node, parent))  # type: ignore[misc]  # a default binds the loop's node

    later("classAccesses", _class)
    later("customPermissions", _custom_permission)
    later("externalCredentialPrincipalAccesses", _principal)
    later("customMetadataTypeAccesses", _type_access)
    later("customSettingAccesses", _type_access)
    later("tabSettings", _tab)
    later("tabVisibilities", _tab)
    later("applicationVisibilities", _application)
    later("flowAccesses", _flow)
    later("recordTypeVisibilities", _record_type)


def _object(change: Change, node: Node, parent: str) -> None:
    name = node.required("object")
    sobject = change.sobject(name)
    if sobject is None:
        raise Refused(f"In field: field - no CustomObject named {name} found", node)
    given = {tag: node.flag(tag) for tag in _OBJECT_RIGHTS}
    for tag, needed in _NEEDS.items():
        missing = [other for other in needed if not given[other]]
        if given[tag] and missing:
            wanted = ", ".join(f"{_WORDS[other]} {sobject.label}" for other in missing)
            raise Refused(f"Permission {_WORDS[tag]} {sobject.label} depends on permission(s): {wanted}", node)
    rights: dict[str, object] = {column: given[tag] for tag, column in _OBJECT_RIGHTS.items()}
    change.put_row("ObjectPermissions", {"ParentId": parent, "SobjectType": sobject.api_name}, rights)


def _field(change: Change, node: Node, parent: str) -> None:
    given = node.required("field")
    object_name, _, field_name = given.partition(".")
    sobject = change.sobject(object_name)
    field = None if sobject is None else change.schema.field_of(sobject, field_name, within=change.namespace or None)
    if sobject is None or field is None:
        raise Refused(f"In field: field - no CustomField named {given} found", node)
    if not field.permissionable:
        what = "required" if field.required or not field.nillable else "system"
        raise Refused(f"You cannot deploy to a {what} field: {sobject.api_name}.{field.api_name}", node)
    readable, editable = node.flag("readable"), node.flag("editable")
    if editable and not readable:
        raise Refused(f"Field {given}: editable needs readable", node)
    # A part of a compound field has the rights of the whole, as Setup shows it.
    name = field.compound if field.compound and field.compound != "Name" else field.api_name
    key = {"ParentId": parent, "SobjectType": sobject.api_name, "Field": f"{sobject.api_name}.{name}"}
    if not readable and not editable:
        change.delete_rows("FieldPermissions", key)
        return
    change.put_row("FieldPermissions", key, {"PermissionsRead": readable, "PermissionsEdit": editable})


def _user_permissions(change: Change, root: Node, *, whole: bool) -> dict[str, object]:
    """Columns of the permission set's row; `whole`: those not named become false."""
    columns = {f.api_name.lower(): f.api_name for f in change.schema.object("PermissionSet")}
    found: dict[str, object] = {}
    if whole:
        found = {name: False for name in columns.values() if name.startswith("Permissions")}
    for node in root.all("userPermissions"):
        name = node.required("name")
        column = columns.get(f"permissions{name.lower()}")
        if column is None:
            if not name.isalnum():
                raise Refused(f"Unknown user permission: {name}", node)
            continue  # one of the platform's many that a local org gives no meaning to
        found[column] = node.flag("enabled")
    return found


def _access(change: Change, parent: str, entity_id: str, entity_type: str, *, enabled: bool) -> None:
    key = {"ParentId": parent, "SetupEntityId": entity_id}
    if enabled:
        change.put_row("SetupEntityAccess", key, {"SetupEntityType": entity_type})
    else:
        change.delete_rows("SetupEntityAccess", key)


def _class(change: Change, node: Node, parent: str) -> None:
    name = node.required("apexClass")
    found = change.find_row("ApexClass", _named(change, "Name", name))
    if found is None:
        raise Refused(f"In field: apexClass - no ApexClass named {name} found", node)
    _access(change, parent, found, "ApexClass", enabled=node.flag("enabled"))


def _custom_permission(change: Change, node: Node, parent: str) -> None:
    name = node.required("name")
    found = change.find_row("CustomPermission", _named(change, "DeveloperName", name))
    if found is None:
        raise Refused(f"In field: customPermission - no CustomPermission named {name} found", node)
    _access(change, parent, found, "CustomPermission", enabled=node.flag("enabled"))


def _principal(change: Change, node: Node, parent: str) -> None:
    name = node.required("externalCredentialPrincipal")
    credential, _, principal = name.partition("-")
    held = change.setting(f"principal:{change.developer_name(credential)}:{principal}")
    if held is None:
        raise Refused(
            f"In field: externalCredentialPrincipal - no ExternalCredentialPrincipal named {name} found", node
        )
    _access(change, parent, held["id"], "ExternalCredentialParameter", enabled=node.flag("enabled"))


def _type_access(change: Change, node: Node, parent: str) -> None:
    name = node.required("name")
    sobject = change.sobject(name)
    if sobject is None:
        raise Refused(f"In field: name - no CustomObject named {name} found", node)
    rights = {"PermissionsRead": node.flag("enabled")}
    change.put_row("ObjectPermissions", {"ParentId": parent, "SobjectType": sobject.api_name}, rights)


def _tab(change: Change, node: Node, _: str) -> None:
    name = node.required("tab")
    custom = name.endswith("__c") or not name.startswith("standard-")
    if custom and change.stored("CustomTab", change.developer_name(change.full(name))) is None:
        raise Refused(f"In field: tab - no CustomTab named {name} found", node)


def _application(change: Change, node: Node, _: str) -> None:
    name = node.required("application")
    if not name.startswith("standard__") and change.stored("CustomApplication", change.developer_name(name)) is None:
        raise Refused(f"In field: application - no CustomApplication named {name} found", node)


def _flow(change: Change, node: Node, _: str) -> None:
    name = node.required("flow")
    if change.stored("Flow", change.developer_name(name)) is None:
        raise Refused(f"In field: flow - no FlowDefinition named {name} found", node)


def _record_type(change: Change, node: Node, _: str) -> None:
    given = node.required("recordType")
    object_name, _, name = given.partition(".")
    sobject = change.sobject(object_name)
    if sobject is None or all(held.developer_name != name for held in sobject.record_types):
        raise Refused(f"In field: recordType - no RecordType named {given} found", node)


def _named(change: Change, column: str, name: str) -> dict[str, object]:
    namespace, _, local = name.rpartition("__")
    return {column: local, "NamespacePrefix": namespace or change.namespace or None}


def deploy_custom_permission(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A custom permission's row."""
    check_root(root, "CustomPermission")
    return change.put_row(
        "CustomPermission",
        {"DeveloperName": source.full_name, "NamespacePrefix": change.namespace or None},
        {
            "MasterLabel": root.required("label"),
            "Description": root.value("description") or None,
            "IsLicensed": root.flag("isLicensed"),
            "Language": "en_US",
        },
    )


def deploy_permission_set_group(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A group of permission sets, all of which must be there."""
    check_root(root, "PermissionSetGroup")
    group, is_new = change.put_row(
        "PermissionSetGroup",
        {"DeveloperName": source.full_name, "NamespacePrefix": change.namespace or None},
        {"MasterLabel": root.required("label"), "Description": root.value("description") or None, "Status": "Updated"},
    )
    change.delete_rows("PermissionSetGroupComponent", {"PermissionSetGroupId": group})
    for node in root.all("permissionSets"):
        member = change.find_row("PermissionSet", _named(change, "Name", node.text.strip()))
        if member is None:
            raise Refused(f"In field: permissionSets - no PermissionSet named {node.text} found", node)
        key = {"PermissionSetGroupId": group, "PermissionSetId": member}
        change.put_row("PermissionSetGroupComponent", key, {})
    return group, is_new


def profile_xml(change: Change, profile_id: str, objects: list[SObjectType]) -> str:
    """A profile as retrieve gives it back: its rights on `objects` and on their custom fields."""
    parent = change.find_row("PermissionSet", {"ProfileId": profile_id, "IsOwnedByProfile": True})
    (license_name,) = [
        row[0]
        for (license_id,) in change.read_rows("Profile", {"Id": profile_id}, ("UserLicenseId",))
        for row in change.read_rows("UserLicense", {"Id": license_id}, ("Name",))
    ]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<Profile xmlns="http://soap.sforce.com/2006/04/metadata">']
    lines.append("    <custom>false</custom>")
    for sobject in objects:
        key = {"ParentId": parent, "SobjectType": sobject.api_name}
        for name, read, edit in sorted(
            change.read_rows("FieldPermissions", key, ("Field", "PermissionsRead", "PermissionsEdit"))
        ):
            lines += [
                "    <fieldPermissions>",
                f"        <editable>{str(bool(edit)).lower()}</editable>",
                f"        <field>{name}</field>",
                f"        <readable>{str(bool(read)).lower()}</readable>",
                "    </fieldPermissions>",
            ]
        for row in change.read_rows("ObjectPermissions", key, tuple(_OBJECT_RIGHTS.values())):
            lines.append("    <objectPermissions>")
            rights = dict(zip(_OBJECT_RIGHTS, row, strict=True))
            lines += [f"        <{tag}>{str(bool(rights[tag])).lower()}</{tag}>" for tag in sorted(rights)]
            lines += [f"        <object>{sobject.api_name}</object>", "    </objectPermissions>"]
    lines += [f"    <userLicense>{license_name}</userLicense>", "</Profile>", ""]
    return "\n".join(lines)
