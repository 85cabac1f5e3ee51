"""A user's facts as logins need them, read with the org's own SOQL."""

from __future__ import annotations

from dataclasses import dataclass

from localorg.org import Org

__all__ = ["UserFacts", "user_by_id", "user_by_name"]

_FIELDS = """
    Id, Username, Name, FirstName, LastName, Email, IsActive, LanguageLocaleKey, LocaleSidKey, TimeZoneSidKey, ProfileId
"""


@dataclass(frozen=True, slots=True)
class UserFacts:
    """One user of one org; user_id, profile_id: 18 characters."""

    user_id: str
    username: str
    name: str
    first_name: str
    last_name: str
    email: str
    active: bool
    language: str
    locale: str
    time_zone: str
    profile_id: str


def user_by_id(org: Org, user_id: str) -> UserFacts | None:
    """The user with this id, or None."""
    return _one(org, "Id", user_id)


def user_by_name(org: Org, username: str) -> UserFacts | None:
    """The user of this name (no case), or None."""
    return _one(org, "Username", username)


def _one(org: Org, field: str, value: str) -> UserFacts | None:
    with org.transaction(org.admin_context()) as transaction:
        soql = f"SELECT {_FIELDS} FROM User WHERE {field} = :value"  # noqa: S608 - both are literals of this file
        found = list(transaction.query(soql, binds={"value": value}))
    if len(found) != 1:
        return None
    row = found[0]

    def text(name: str) -> str:
        held = row[name]
        return "" if held is None else str(held)

    return UserFacts(
        text("Id"),
        text("Username"),
        text("Name"),
        text("FirstName"),
        text("LastName"),
        text("Email"),
        bool(row["IsActive"]),
        text("LanguageLocaleKey"),
        text("LocaleSidKey"),
        text("TimeZoneSidKey"),
        text("ProfileId"),
    )
