"""What a user may do: the union of their profile and their permission sets.

Read from the rows an admin sees (PermissionSet, ObjectPermissions, FieldPermissions, SetupEntityAccess,
PermissionSetAssignment): nothing is granted that no row grants.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from localorg.schema import Field, ObjectKind, SObjectType

__all__ = ["FieldRights", "ObjectRights", "Rights", "load_rights"]


@dataclass(frozen=True, slots=True)
class ObjectRights:
    """What a user may do with rows of one object; view_all and modify_all pass over sharing."""

    create: bool = False
    read: bool = False
    edit: bool = False
    delete: bool = False
    view_all: bool = False
    modify_all: bool = False


@dataclass(frozen=True, slots=True)
class FieldRights:
    """Whether a user sees a field and may change it."""

    read: bool = False
    edit: bool = False


_EVERYTHING = ObjectRights(create=True, read=True, edit=True, delete=True, view_all=True, modify_all=True)
_NOTHING = ObjectRights()


@dataclass(frozen=True, slots=True)
class Rights:
    """One user's rights, as they stood when read.

    permissions:  names of user permissions held, as ModifyAllData.
    entities:     ids of Apex classes, custom permissions, credential principals and the like that are granted.
    parents:      ids of the permission sets these rights come from, the profile's own among them.
    """

    user_id: str
    profile_id: str | None
    active: bool
    permissions: frozenset[str]
    objects: Mapping[str, ObjectRights]
    fields: Mapping[tuple[str, str], FieldRights]
    entities: frozenset[str] = frozenset()
    custom_permissions: frozenset[str] = frozenset()
    parents: frozenset[str] = field(default_factory=frozenset)

    def on(self, sobject: SObjectType) -> ObjectRights:
        """Rights on an object's rows."""
        if "ModifyAllData" in self.permissions:
            return _EVERYTHING
        given = self.objects.get(sobject.api_name.lower(), _NOTHING)
        if "ViewAllData" in self.permissions:
            return ObjectRights(given.create, True, given.edit, given.delete, True, given.modify_all)
        if sobject.kind is ObjectKind.HISTORY and sobject.history_of:
            parent = self.objects.get(sobject.history_of.lower(), _NOTHING)
            return ObjectRights(read=parent.read, view_all=parent.view_all)
        if sobject.api_name in _WITH_PARENT:
            return self.objects.get(_WITH_PARENT[sobject.api_name], _NOTHING)
        if sobject.setup:
            return ObjectRights(read=sobject.kind is ObjectKind.STANDARD or given.read, view_all=True)
        if sobject.api_name in _ACTIVITIES:
            return ObjectRights(create=True, read=True, edit=True, delete=True, view_all=given.view_all)
        return given

    def of(self, sobject: SObjectType, item: Field) -> FieldRights:
        """Rights on one field."""
        if not item.permissionable or sobject.setup or sobject.kind is ObjectKind.HISTORY:
            return FieldRights(read=True, edit=True)
        # A part of a compound field has the rights of the whole, as Setup shows it.
        name = item.compound if item.compound and item.compound != "Name" else item.api_name
        found = self.fields.get((sobject.api_name.lower(), name.lower()))
        return found or FieldRights()


# Rows that belong to another object's, and have no permissions of their own.
_WITH_PARENT = {
    "OpportunityContactRole": "opportunity",
    "OpportunityHistory": "opportunity",
    "OpportunityLineItem": "opportunity",
    "QuoteLineItem": "quote",
    "OrderItem": "order",
    "CampaignMember": "campaign",
    "CaseComment": "case",
    "EmailMessage": "case",
    "EmailMessageRelation": "case",
    "PricebookEntry": "pricebook2",
}
_ACTIVITIES = frozenset({"Task", "Event", "Note", "Attachment"})

_PARENTS = """
SELECT Id FROM PermissionSet WHERE ProfileId = :profile AND IsOwnedByProfile = 1
UNION SELECT PermissionSetId FROM PermissionSetAssignment
  WHERE AssigneeId = :user AND PermissionSetId IS NOT NULL AND (ExpirationDate IS NULL OR ExpirationDate > :now)
UNION SELECT c.PermissionSetId FROM PermissionSetAssignment a
  JOIN PermissionSetGroupComponent c ON c.PermissionSetGroupId = a.PermissionSetGroupId
  WHERE a.AssigneeId = :user
"""


def load_rights(connection: sqlite3.Connection, user_id: str, *, now: str) -> Rights:
    """Read a user's rights; a user unknown or inactive has none.

    now: the org's time as stored, for assignments that expire.
    """
    user = connection.execute("SELECT ProfileId, IsActive FROM User WHERE Id = ?", (user_id,)).fetchone()
    if user is None or not user[1]:
        return Rights(user_id, user and user[0], False, frozenset(), {}, {})
    parents = [row[0] for row in connection.execute(_PARENTS, {"profile": user[0], "user": user_id, "now": now})]
    return Rights(
        user_id=user_id,
        profile_id=user[0],
        active=True,
        permissions=_permissions(connection, parents),
        objects=_objects(connection, parents),
        fields=_fields(connection, parents),
        entities=frozenset(
            row[0] for row in _each(connection, "SELECT SetupEntityId FROM SetupEntityAccess WHERE ParentId", parents)
        ),
        custom_permissions=frozenset(
            row[0]
            for row in _each(
                connection,
                "SELECT p.DeveloperName FROM SetupEntityAccess a JOIN CustomPermission p ON p.Id = a.SetupEntityId "
                "WHERE a.ParentId",
                parents,
            )
        ),
        parents=frozenset(parents),
    )


def _each(connection: sqlite3.Connection, sql: str, parents: list[str]) -> sqlite3.Cursor:
    marks = ", ".join("?" * len(parents))
    return connection.execute(f"{sql} IN ({marks})", parents)


def _permissions(connection: sqlite3.Connection, parents: list[str]) -> frozenset[str]:
    cursor = _each(connection, "SELECT * FROM PermissionSet WHERE Id", parents)
    names = [column[0] for column in cursor.description]
    held = {name for row in cursor for name, value in zip(names, row, strict=True) if value == 1}
    return frozenset(name.removeprefix("Permissions") for name in held if name.startswith("Permissions"))


def _objects(connection: sqlite3.Connection, parents: list[str]) -> dict[str, ObjectRights]:
    sql = (
        "SELECT lower(SobjectType), max(PermissionsCreate), max(PermissionsRead), max(PermissionsEdit), "
        "max(PermissionsDelete), max(PermissionsViewAllRecords), max(PermissionsModifyAllRecords) "
        "FROM ObjectPermissions WHERE ParentId"
    )
    marks = ", ".join("?" * len(parents))
    cursor = connection.execute(f"{sql} IN ({marks}) GROUP BY SobjectType", parents)
    return {row[0]: ObjectRights(*(bool(value) for value in row[1:])) for row in cursor}


def _fields(connection: sqlite3.Connection, parents: list[str]) -> dict[tuple[str, str], FieldRights]:
    marks = ", ".join("?" * len(parents))
    cursor = connection.execute(
        "SELECT lower(Field), max(PermissionsRead), max(PermissionsEdit) FROM FieldPermissions "  # noqa: S608 -- only question marks are put in
        f"WHERE ParentId IN ({marks}) GROUP BY Field",
        parents,
    )
    found = {}
    for name, read, edit in cursor:
        sobject, _, item = name.partition(".")
        found[sobject, item] = FieldRights(bool(read), bool(edit))
    return found
