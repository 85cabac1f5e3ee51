"""What tasks and events do to the records they hang on: the account they count for, its last activity.

A record's last activity is the latest due date of its closed tasks and of its events up to today.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from localorg.records.prepare import Row
from localorg.records.session import Session, chunks
from localorg.schema import SObjectType
from localorg.store import quoted

__all__ = ["ACTIVITIES", "relate_to_accounts", "renew_last_activity"]

ACTIVITIES = frozenset({"Task", "Event"})


def relate_to_accounts(session: Session, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]) -> None:
    """Fill in AccountId: the account itself, that of the record it is about, or that of the contact."""
    related: list[tuple[Row, str | None, str | None]] = []
    for row in rows:
        if row.errors or ("WhatId" not in row.values and "WhoId" not in row.values):
            continue
        whole = {**there.get(row.id or "", {}), **row.values}
        related.append((row, whole.get("WhatId"), whole.get("WhoId")))
    accounts = _accounts(session, {item for _, what, who in related for item in (what, who) if item})
    for row, what, who in related:
        row.values["AccountId"] = accounts.get(what or "") or accounts.get(who or "")


def _accounts(session: Session, ids: Iterable[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    by_object: dict[str, list[str]] = {}
    for item in ids:
        owner = session.schema.of_id(item)
        if owner is not None and owner.api_name == "Account":
            found[item] = item
        elif owner is not None and owner.get("AccountId") is not None:
            by_object.setdefault(owner.api_name, []).append(item)
    for name, members in by_object.items():
        sql = f"SELECT Id, AccountId FROM {quoted(name)} WHERE Id IN (SELECT value FROM json_each(?))"  # noqa: S608 -- quoted() admits API names only
        for part in chunks(members):
            found.update(session.connection.execute(sql, (json.dumps(part),)))
    return found


def renew_last_activity(session: Session, activities: Iterable[Mapping[str, Any]]) -> None:
    """Work out LastActivityDate anew for every record these activities hang on."""
    touched: dict[str, set[str]] = {}
    for activity in activities:
        for name in ("WhatId", "WhoId", "AccountId"):
            record_id = activity.get(name)
            owner = session.schema.of_id(record_id) if record_id else None
            if owner is not None and owner.get("LastActivityDate") is not None:
                touched.setdefault(owner.api_name, set()).add(str(record_id))
    for name, ids in touched.items():
        owner = session.schema.object(name)
        for part in chunks(sorted(ids)):
            session.connection.execute(_renewal(owner), {"ids": json.dumps(part), "today": session.today})


def _renewal(owner: SObjectType) -> str:
    table = quoted(owner.api_name)
    columns = {"Account": ("AccountId",), "Contact": ("WhoId",), "Lead": ("WhoId",)}.get(owner.api_name, ("WhatId",))
    latest = " UNION ALL ".join(
        f"SELECT max(ActivityDate) AS day FROM {activity} WHERE {column} = {table}.Id AND IsDeleted = 0 AND {done}"  # noqa: S608 -- names of this module
        for column in columns
        for activity, done in (("Task", "IsClosed = 1"), ("Event", "ActivityDate <= :today"))
    )
    return (
        f"UPDATE {table} SET LastActivityDate = (SELECT max(day) FROM ({latest})) "  # noqa: S608 -- names of this module
        "WHERE Id IN (SELECT value FROM json_each(:ids))"
    )
