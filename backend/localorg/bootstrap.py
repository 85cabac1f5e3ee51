"""What a new org holds before anyone works in it: itself, its administrator, profiles, picklist tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from localorg.schema import Schema, SObjectType
from localorg.soql import stored_datetime
from localorg.store import Store, quoted

__all__ = ["PROFILES", "fill_new_org"]

# name: (license, objects' rights as create read edit delete, or None; sees standard fields; user permissions)
PROFILES: Mapping[str, tuple[str, str | None, tuple[str, ...]]] = {
    "System Administrator": ("Salesforce", "cred", ("*",)),
    "Standard User": ("Salesforce", "cred", ("ApiEnabled", "EditTask", "EditEvent", "RunReports", "ConvertLeads")),
    "Read Only": ("Salesforce", "r", ("ApiEnabled", "RunReports")),
    "Minimum Access - Salesforce": ("Salesforce", None, ()),
    "Minimum Access - API Only Integrations": ("Salesforce Integration", None, ("ApiEnabled", "ApiUserOnly")),
}


def fill_new_org(
    store: Store,
    connection: Connection,
    schema: Schema,
    *,
    alias: str,
    number: int,
    namespace: str | None,
    now: datetime,
) -> None:
    """Write the rows every org begins with, and the facts `Org` reads when it opens."""
    _Filling(store, connection, schema, stored_datetime(now)).all(alias, number, namespace)


class _Filling:
    def __init__(self, store: Store, connection: Connection, schema: Schema, now: str) -> None:
        self.store = store
        self.connection = connection
        self.schema = schema
        self.now = now
        self.admin = store.next_ids(connection, "005", 1)[0]

    def all(self, alias: str, number: int, namespace: str | None) -> None:
        [org_id] = self.add(
            "Organization",
            {
                "Name": f"Local org {alias}",
                "OrganizationType": "Developer Edition",
                "InstanceName": "LOCAL",
                "IsSandbox": True,
                "NamespacePrefix": namespace,
                "LanguageLocaleKey": "en_US",
                "DefaultLocaleSidKey": "en_US",
                "TimeZoneSidKey": "GMT",
                "FiscalYearStartMonth": 1,
            },
        )
        profiles = self.profiles()
        self.user(alias, org_id, profiles["System Administrator"])
        self.picklists()
        self.add("Pricebook2", {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True})
        facts = {"alias": alias, "number": number, "id": org_id, "namespace": namespace, "admin": self.admin}
        self.store.put_setting(self.connection, "org", facts)

    def user(self, alias: str, org_id: str, profile: str) -> None:
        self.store_rows(
            self.schema.object("User"),
            [self.admin],
            [
                {
                    "Username": f"admin@{alias}.localorg.example",
                    "LastName": "Admin",
                    "FirstName": "Local",
                    "Name": "Local Admin",
                    "Email": f"admin@{alias}.localorg.example",
                    "Alias": "admin",
                    "CommunityNickname": f"admin{org_id[-6:]}",
                    "IsActive": True,
                    "ProfileId": profile,
                    "UserType": "Standard",
                    "TimeZoneSidKey": "GMT",
                    "EmailEncodingKey": "UTF-8",
                }
            ],
        )

    def profiles(self) -> dict[str, str]:
        licenses = {name: license_name for name, (license_name, _, _) in PROFILES.items()}
        names = sorted(set(licenses.values()))
        ids = self.add("UserLicense", *({"Name": n, "MasterLabel": n, "LicenseDefinitionKey": n} for n in names))
        license_ids = dict(zip(names, ids, strict=True))
        made = {}
        for name, (license_name, objects, permissions) in PROFILES.items():
            flags = self.flags(permissions)
            [profile] = self.add(
                "Profile",
                {"Name": name, "UserType": "Standard", "UserLicenseId": license_ids[license_name], **flags},
            )
            own = f"X{profile[3:15]}"
            [parent] = self.add(
                "PermissionSet",
                {
                    "Name": own,
                    "Label": own,
                    "ProfileId": profile,
                    "IsOwnedByProfile": True,
                    "Type": "Profile",
                    "LicenseId": license_ids[license_name],
                    "IsCustom": False,
                    **flags,
                },
            )
            if objects is not None:
                self.standard_rights(parent, objects)
            made[name] = profile
        return made

    def flags(self, permissions: Sequence[str]) -> dict[str, bool]:
        every = [f.api_name for f in self.schema.object("PermissionSet") if f.api_name.startswith("Permissions")]
        if "*" in permissions:
            return {name: name != "PermissionsApiUserOnly" for name in every}
        return {name: name.removeprefix("Permissions") in permissions for name in every}

    def standard_rights(self, parent: str, letters: str) -> None:
        """A stock profile's rights: the standard objects, and every field of theirs."""
        objects, fields = [], []
        for sobject in self.schema:
            if sobject.setup or sobject.virtual or not sobject.createable:
                continue
            objects.append(
                {
                    "ParentId": parent,
                    "SobjectType": sobject.api_name,
                    "PermissionsCreate": "c" in letters,
                    "PermissionsRead": True,
                    "PermissionsEdit": "e" in letters,
                    "PermissionsDelete": "d" in letters,
                }
            )
            names = {
                item.compound if item.compound and item.compound != "Name" else item.api_name
                for item in sobject
                if item.permissionable
            }
            fields += [
                {
                    "ParentId": parent,
                    "SobjectType": sobject.api_name,
                    "Field": f"{sobject.api_name}.{name}",
                    "PermissionsRead": True,
                    "PermissionsEdit": "e" in letters,
                }
                for name in sorted(names)
            ]
        self.add("ObjectPermissions", *objects)
        self.add("FieldPermissions", *fields)

    def picklists(self) -> None:
        """The tables that say what stages and statuses mean, as SOQL shows them."""
        for source, column, target in _PICKLISTS:
            field = self.schema.object(source).get(column)
            rows = []
            for place, value in enumerate(field.picklist if field else (), 1):
                row: dict[str, Any] = {"MasterLabel": value.shown, "ApiName": value.value, "SortOrder": place}
                if target == "OpportunityStage":
                    row |= {
                        "IsActive": value.active,
                        "IsClosed": value.closed,
                        "IsWon": value.won,
                        "DefaultProbability": float(value.probability or 0),
                        "ForecastCategory": value.forecast,
                        "ForecastCategoryName": {"BestCase": "Best Case", "Forecast": "Commit"}.get(
                            value.forecast or "", value.forecast
                        ),
                    }
                else:
                    row["IsDefault"] = value.default
                    row["IsConverted" if target == "LeadStatus" else "IsClosed"] = (
                        value.converted if target == "LeadStatus" else value.closed
                    )
                rows.append(row)
            self.add(target, *rows)

    def add(self, object_name: str, *rows: Mapping[str, Any]) -> list[str]:
        sobject = self.schema.object(object_name)
        ids = self.store.next_ids(self.connection, sobject.key_prefix or "000", len(rows))
        self.store_rows(sobject, ids, rows)
        return ids

    def store_rows(self, sobject: SObjectType, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        fields = [field for field in sobject if field.stored]
        columns = ", ".join(quoted(field.api_name) for field in fields)
        common: dict[str, Any] = {
            "CreatedDate": self.now,
            "LastModifiedDate": self.now,
            "SystemModstamp": self.now,
            "CreatedById": self.admin,
            "LastModifiedById": self.admin,
            **{field.api_name: field.default for field in fields if field.default is not None},
        }
        for row_id, row in zip(ids, rows, strict=True):
            values = {**common, **row, "Id": row_id}
            stored = [int(v) if isinstance(v := values.get(field.api_name), bool) else v for field in fields]
            self.connection.execute(
                f"INSERT INTO {quoted(sobject.api_name)} ({columns}) VALUES ({', '.join('?' * len(fields))})",  # noqa: S608 -- quoted() admits API names only
                stored,
            )


_PICKLISTS = (
    ("Opportunity", "StageName", "OpportunityStage"),
    ("Case", "Status", "CaseStatus"),
    ("Lead", "Status", "LeadStatus"),
    ("Task", "Status", "TaskStatus"),
)
