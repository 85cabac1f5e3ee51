"""Rows of the Tooling API that mirror what was deployed: source members, custom objects and fields, packages.

Tools ask for these to know what changed in an org and what it holds; nothing in a local org reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localorg.metadata.change import Change

__all__ = ["note_component", "note_package"]


def note_component(change: Change, kind: str, full_name: str, *, is_new: bool, gone: bool = False) -> None:
    """A component was deployed or removed."""
    revision = change.next_number("source revision")
    change.put_row(
        "SourceMember",
        {"MemberType": kind, "MemberName": full_name},
        {
            "MemberIdOrName": full_name,
            "RevisionCounter": revision,
            "RevisionNum": revision,
            "IsNameObsolete": gone,
            "IsNewMember": is_new,
            "ChangedBy": change.transaction.context.user_id,
        },
    )
    if kind in ("CustomObject", "CustomField"):
        _mirror(change, kind, full_name, gone=gone)


def _mirror(change: Change, kind: str, full_name: str, *, gone: bool) -> None:
    owner, _, name = full_name.rpartition(".")
    if not name.endswith(("__c", "__mdt")):
        return
    namespace, _, developer_name = name.rpartition("__")[0].rpartition("__")
    key: dict[str, object] = {"DeveloperName": developer_name, "NamespacePrefix": namespace or None}
    if kind == "CustomField":
        key["TableEnumOrId"] = owner
    if gone:
        change.delete_rows(kind, key)
        return
    state = "installed" if change.installing else "unmanaged"
    values: dict[str, object] = {"ManageableState": state}
    if kind == "CustomField":
        values["EntityDefinitionId"] = owner
    change.put_row(kind, key, values)


def note_package(change: Change, namespace: str, version: str) -> None:
    """A package was installed, or upgraded."""
    numbers = [int(part) if part.isdecimal() else 0 for part in (*version.split("."), "0", "0", "0")[:3]]
    package, _ = change.put_row("SubscriberPackage", {"NamespacePrefix": namespace}, {"Name": namespace})
    installed, _ = change.put_row(
        "SubscriberPackageVersion",
        {
            "SubscriberPackageId": package,
            "MajorVersion": numbers[0],
            "MinorVersion": numbers[1],
            "PatchVersion": numbers[2],
        },
        {"Name": version, "BuildNumber": 1, "ReleaseState": "Released", "IsManaged": True},
    )
    change.put_row(
        "InstalledSubscriberPackage",
        {"SubscriberPackageId": package},
        {"SubscriberPackageVersionId": installed, "MinPackageVersionId": installed},
    )
