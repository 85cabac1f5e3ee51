"""Which orgs a data directory holds; opens each once, and makes and removes them.

One SQLite file an org, under `orgs/`; what is known of them stands in the server's file, so that orgs made
later (a Dev Hub's scratch orgs) survive a restart like the first nine.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localorg.clock import Clock
from localorg.errors import SettingsError
from localorg.org import Org
from localorg.serverfile import ServerFile

__all__ = ["OrgEntry", "Registry"]

_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class OrgEntry:
    """What the directory knows of one org.

    number:     unique in the directory, part of the org's ids.
    hub:        id of the Dev Hub org that made it; "" for the orgs the command made.
    expires_at: UTC; None: never.
    """

    org_id: str
    number: int
    alias: str
    namespace: str | None
    username: str
    user_id: str
    hub: str = ""
    expires_at: dt.datetime | None = None


class Registry:
    """The orgs of one data directory, opened lazily and kept open."""

    def __init__(self, directory: Path, file: ServerFile, clock: Clock) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS org (org_id TEXT PRIMARY KEY, number INTEGER UNIQUE NOT NULL, "
            "alias TEXT UNIQUE NOT NULL COLLATE NOCASE, namespace TEXT, username TEXT NOT NULL, "
            "user_id TEXT NOT NULL, hub TEXT NOT NULL, expires_at TEXT)"
        )
        self._directory = directory / "orgs"
        self._file = file
        self._clock = clock
        self._open: dict[str, Org] = {}
        self._lock = threading.RLock()
        self.opened: list[Callable[[Org], None]] = []  # called once for each org, before anybody uses it
        self.closing: list[Callable[[Org], None]] = []  # called once for each opened org, before it closes

    def entries(self) -> list[OrgEntry]:
        """Every org, in the order they were made."""
        return [
            _entry(row)
            for row in self._file.rows(
                "SELECT org_id, number, alias, namespace, username, user_id, hub, expires_at FROM org ORDER BY number"
            )
        ]

    def entry(self, name: str) -> OrgEntry | None:
        """The org of this alias or id (15 or 18 characters)."""
        for entry in self.entries():
            if entry.alias.lower() == name.lower() or (len(name) >= 15 and entry.org_id[:15] == name[:15]):
                return entry
        return None

    def create(
        self, alias: str, *, namespace: str | None = None, hub: str = "", expires_at: dt.datetime | None = None
    ) -> OrgEntry:
        """Make an org of that alias and enter it; raises SettingsError where the alias is taken or no alias."""
        if not _ALIAS.fullmatch(alias):
            raise SettingsError(f"{alias!r} is no alias: letters, digits, - and _, a letter first, at most 40")
        with self._lock:
            if self.entry(alias) is not None:
                raise SettingsError(f"there is an org {alias!r} already")
            row = self._file.row("SELECT COALESCE(MAX(number), 0) + 1 FROM org")
            number = 1 if row is None else int(row[0])
            self._directory.mkdir(parents=True, exist_ok=True)
            # Files of an org whose creation was cut short belong to nobody.
            self._remove_files(alias)
            org = Org.create(self._directory, alias=alias, number=number, namespace=namespace, clock=self._clock)
            entry = OrgEntry(
                org.org_id, number, alias, namespace, _admin_username(org), org.admin_context().user_id, hub, expires_at
            )
            self._file.execute(
                "INSERT INTO org VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.org_id,
                    number,
                    alias,
                    namespace,
                    entry.username,
                    entry.user_id,
                    hub,
                    None if expires_at is None else expires_at.isoformat(),
                ),
            )
            self._keep(org)
            return entry

    def org(self, org_id: str) -> Org | None:
        """The open org with this id (15 or 18 characters), or None."""
        held = self._open.get(org_id[:15])
        if held is not None:
            return held
        with self._lock:
            held = self._open.get(org_id[:15])
            if held is not None:
                return held
            row = self._file.row("SELECT alias FROM org WHERE substr(org_id, 1, 15) = ?", (org_id[:15],))
            if row is None:
                return None
            org = Org.open(self._directory, row[0], clock=self._clock)
            self._keep(org)
            return org

    def expired(self, org_id: str) -> bool:
        """Whether the org had an end, and it is past."""
        row = self._file.row("SELECT expires_at FROM org WHERE substr(org_id, 1, 15) = ?", (org_id[:15],))
        if row is None or row[0] is None:
            return False
        return dt.datetime.fromisoformat(row[0]) < self._clock.now()

    def orgs(self) -> list[Org]:
        """Every org, opened."""
        return [org for entry in self.entries() if (org := self.org(entry.org_id)) is not None]

    def rename_admin(self, org_id: str, username: str) -> None:
        """Note that the org's admin has another user name."""
        self._file.execute("UPDATE org SET username = ? WHERE org_id = ?", (username, org_id))

    def remove(self, org_id: str) -> None:
        """Take an org out and delete its files; unknown ids are let pass."""
        with self._lock:
            entry = self.entry(org_id)
            if entry is None:
                return
            self._file.execute("DELETE FROM org WHERE org_id = ?", (entry.org_id,))
            org = self._open.pop(entry.org_id[:15], None)
            if org is not None:
                self._end(org)
            self._remove_files(entry.alias)

    def close(self) -> None:
        """Close every org."""
        with self._lock:
            for org in self._open.values():
                self._end(org)
            self._open.clear()

    def _keep(self, org: Org) -> None:
        for hook in self.opened:
            hook(org)
        self._open[org.org_id[:15]] = org

    def _end(self, org: Org) -> None:
        for hook in self.closing:
            hook(org)
        org.close()

    def _remove_files(self, alias: str) -> None:
        for file in self._directory.glob(f"{alias}.sqlite*"):
            file.unlink()


def _admin_username(org: Org) -> str:
    with org.transaction(org.admin_context()) as transaction:
        binds = {"me": org.admin_context().user_id}
        (user,) = list(transaction.query("SELECT Username FROM User WHERE Id = :me", binds=binds))
    return str(user["Username"])


def _entry(row: tuple[object, ...]) -> OrgEntry:
    org_id, number, alias, namespace, username, user_id, hub, expires_at = row
    return OrgEntry(
        str(org_id),
        int(str(number)),
        str(alias),
        None if namespace is None else str(namespace),
        str(username),
        str(user_id),
        str(hub),
        None if expires_at is None else dt.datetime.fromisoformat(str(expires_at)),
    )
