"""One org: its schema, its rows, its users, its time. Everything above works through `Org` and `Transaction`.

```python
org = Org.create(directory, alias="acme", number=1)
with org.transaction(org.admin_context()) as transaction:
    [saved] = transaction.insert("Account", [{"Name": "Acme"}])
    names = [record["Name"] for record in transaction.query("SELECT Name FROM Account")]
```
A transaction reads what is committed until its first write; from then on it holds the org's one writer and
sees its own rows. Leaving the block commits; an exception undoes everything, schema included.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localorg.access import Context, Rights, load_rights
from localorg.bootstrap import fill_new_org
from localorg.clock import Clock
from localorg.errors import OrgError, SettingsError
from localorg.records import SavedBatch
from localorg.schema import Schema, standard_objects
from localorg.schema.codec import from_json
from localorg.soql import stored_datetime
from localorg.store import Store, tables
from localorg.transaction import Savepoint, Transaction, Unit

__all__ = ["Org", "Savepoint", "Transaction"]

SavedHook = Callable[["Transaction", SavedBatch], None]
CommittedHook = Callable[["Org", list[SavedBatch]], None]


class Org:
    """One org of this machine. Safe to use from many threads."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Use `create` or `open`."""
        self.store = store
        self.clock = clock
        self.saved_hooks: list[SavedHook] = []
        self.committed_hooks: list[CommittedHook] = []
        self._rights: dict[str, Rights] = {}
        self._rights_version = 0
        self._guard = threading.Lock()
        with store.reader() as connection:
            facts = store.setting(connection, "org")
            self.alias: str = facts["alias"]
            self.number: int = facts["number"]
            self.org_id: str = facts["id"]
            self.namespace: str | None = facts["namespace"]
            self.admin_id: str = facts["admin"]
            self.fiscal_start: int = facts.get("fiscal_start", 1)
            changed = [from_json(json.loads(row[0])) for row in connection.execute("SELECT definition FROM _object")]
        self.schema = Schema(standard_objects(), namespace=self.namespace).with_object(*changed)

    @classmethod
    def create(
        cls, directory: Path, *, alias: str, number: int, namespace: str | None = None, clock: Clock | None = None
    ) -> Org:
        """Make an org in a file of its own, `<alias>.sqlite` in the directory.

        number: tells its record ids from those of the directory's other orgs; 0 <= number < 3844.
        Raises SettingsError where there is one of that alias already.
        """
        path = directory / f"{alias}.sqlite"
        if path.exists():
            raise SettingsError(f"there is an org {alias} in {directory} already: choose another alias, or reset it")
        directory.mkdir(parents=True, exist_ok=True)
        clock = clock or Clock()
        store = Store(path, number=number)
        schema = Schema(standard_objects(), namespace=namespace)
        connection = store.begin()
        try:
            tables.reconcile(connection, schema)
            fill_new_org(store, connection, schema, alias=alias, number=number, namespace=namespace, now=clock.now())
        except BaseException:
            store.roll_back()
            store.close()
            path.unlink()
            raise
        store.commit()
        return cls(store, clock)

    @classmethod
    def open(cls, directory: Path, alias: str, *, clock: Clock | None = None) -> Org:
        """Open an org that was made before.

        Raises SettingsError where there is none of that alias.
        """
        path = directory / f"{alias}.sqlite"
        if not path.exists():
            raise SettingsError(f"there is no org {alias} in {directory}")
        probe = Store(path, number=0)
        with probe.reader() as connection:
            facts = probe.setting(connection, "org")
        probe.close()
        if facts is None:
            raise SettingsError(f"{path} is no org's file, or one that was never finished: remove it")
        org = cls(Store(path, number=facts["number"]), clock or Clock())
        connection = org.store.begin()
        tables.reconcile(connection, org.schema)
        org.store.commit()
        return org

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def admin_context(self) -> Context:
        """The org's administrator, held to their rights as any API user."""
        return self.context_for(self.admin_id)

    def context_for(self, user_id: str) -> Context:
        """A user, held to their rights and to sharing.

        Raises OrgError INVALID_SESSION_ID where there is no such active user.
        """
        with self.store.reader() as connection:
            row = connection.execute("SELECT TimeZoneSidKey, IsActive FROM User WHERE Id = ?", (user_id,)).fetchone()
        if row is None or not row[1]:
            raise OrgError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        return Context(user_id, time_zone=_known_zone(row[0]))

    def rights(self, user_id: str) -> Rights:
        """What a user may do, as last committed."""
        found = self._rights.get(user_id)
        if found is None:
            version = self._rights_version
            with self.store.reader() as connection:
                found = load_rights(connection, user_id, now=stored_datetime(self.clock.now()))
            with self._guard:
                if version == self._rights_version:  # else they changed while they were read
                    self._rights[user_id] = found
        return found

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Transaction]:
        """Work as a user; kept when the block ends, undone when it raises."""
        unit = Unit(self)
        try:
            yield Transaction(unit, context)
        except BaseException:
            unit.abandon()
            raise
        unit.commit()

    @contextmanager
    def snapshot(self, context: Context) -> Iterator[Transaction]:
        """Read as a user. Writes are refused, so it never waits for the org's writer."""
        yield Transaction(Unit(self, readonly=True), context)

    def settle(self, unit: Unit) -> None:
        """Take over what a unit of work that was just kept has changed."""
        self.schema = unit.schema
        if unit.touched_rights:
            with self._guard:
                self._rights_version += 1
                self._rights.clear()

    def tell(self, batches: list[SavedBatch]) -> None:
        """Let the hooks hear of rows that are kept."""
        if batches:
            for hook in self.committed_hooks:
                hook(self, batches)


def _known_zone(name: str | None) -> str:
    """The zone, or UTC where this machine knows none of that name."""
    try:
        return ZoneInfo(name or "UTC").key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
