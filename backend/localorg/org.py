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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any
from zoneinfo import ZoneInfo

from localorg import records
from localorg.access import Context, Mode, Rights, load_rights
from localorg.bootstrap import fill_new_org
from localorg.clock import Clock
from localorg.errors import OrgError, SettingsError
from localorg.records import SavedBatch, SaveResult, Session
from localorg.schema import Field, Schema, SObjectType, describe_global, describe_object, standard_objects
from localorg.schema.codec import from_json, to_json
from localorg.soql import Query, ResultSet, Settings, compile_query, parse, stored_datetime
from localorg.store import Store, tables

__all__ = ["Org", "Savepoint", "Transaction"]

SavedHook = Callable[["Transaction", SavedBatch], None]
CommittedHook = Callable[["Org", list[SavedBatch]], None]

# Rows of these decide what users may do: rights read before they change are forgotten.
_RIGHTS = frozenset(
    {
        "User",
        "Profile",
        "PermissionSet",
        "PermissionSetAssignment",
        "PermissionSetGroupComponent",
        "ObjectPermissions",
        "FieldPermissions",
        "SetupEntityAccess",
        "CustomPermission",
    }
)


class Org:
    """One org of this machine. Safe to use from many threads."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Use `create` or `open`."""
        self.store = store
        self.clock = clock
        self.saved_hooks: list[SavedHook] = []
        self.committed_hooks: list[CommittedHook] = []
        self._rights: dict[str, Rights] = {}
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
        return Context(user_id, time_zone=row[0] or "UTC")

    def rights(self, user_id: str) -> Rights:
        """What a user may do, as last committed."""
        found = self._rights.get(user_id)
        if found is None:
            with self.store.reader() as connection:
                found = load_rights(connection, user_id, now=stored_datetime(self.clock.now()))
            self._rights[user_id] = found
        return found

    @contextmanager
    def transaction(self, context: Context) -> Iterator[Transaction]:
        """Work as a user; kept when the block ends, undone when it raises."""
        unit = _Unit(self)
        try:
            yield Transaction(unit, context)
        except BaseException:
            unit.abandon()
            raise
        unit.commit()

    @contextmanager
    def snapshot(self, context: Context) -> Iterator[Transaction]:
        """Read as a user. Writes are refused, so it never waits for the org's writer."""
        yield Transaction(_Unit(self, readonly=True), context)

    def _committed(self, unit: _Unit) -> None:
        with self._guard:
            self.schema = unit.schema
            if unit.touched_rights:
                self._rights.clear()
        if unit.batches:
            for hook in self.committed_hooks:
                hook(self, unit.batches)


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A place in a transaction to go back to."""

    name: str
    schema: Schema
    batches: int


@dataclass
class _Unit:
    """What the transactions of one block share: connection, schema as it stands, what was saved."""

    org: Org
    readonly: bool = False
    connection: Connection | None = None
    schema: Schema = field(init=False)
    batches: list[SavedBatch] = field(default_factory=list)
    rights: dict[str, Rights] = field(default_factory=dict)
    touched_rights: bool = False
    savepoints: int = 0

    def __post_init__(self) -> None:
        self.schema = self.org.schema

    def writing(self) -> Connection:
        """The connection that writes; from here on this block holds the org's writer."""
        if self.readonly:
            raise OrgError("INVALID_OPERATION", "this is a snapshot: it can only be read")
        if self.connection is None:
            self.connection = self.org.store.begin()
            # Another block may have changed the schema while this one was only reading.
            self.schema = self.org.schema
        return self.connection

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with: the writer's once there is something of our own to see."""
        return self.org.store.reader() if self.connection is None else nullcontext(self.connection)

    def commit(self) -> None:
        if self.connection is not None:
            self.connection = None
            self.org.store.commit()
            self.org._committed(self)

    def abandon(self) -> None:
        if self.connection is not None:
            self.connection = None
            self.org.store.roll_back()


class Transaction:
    """Queries and writes of one user; see the module's example."""

    def __init__(self, unit: _Unit, context: Context) -> None:
        """Use `Org.transaction` or `Org.snapshot`."""
        self._unit = unit
        self.context = context

    @property
    def org(self) -> Org:
        """The org this is a transaction of."""
        return self._unit.org

    @property
    def schema(self) -> Schema:
        """The schema as this transaction has left it."""
        return self._unit.schema

    @property
    def rights(self) -> Rights:
        """What this transaction's user may do."""
        unit = self._unit
        if not unit.touched_rights:
            return unit.org.rights(self.context.user_id)
        found = unit.rights.get(self.context.user_id)
        if found is None:
            with unit.reading() as connection:
                found = load_rights(connection, self.context.user_id, now=stored_datetime(self.now()))
            unit.rights[self.context.user_id] = found
        return found

    def now(self) -> datetime:
        """The org's time, UTC."""
        return self.org.clock.now()

    def acting_as(self, context: Context) -> Transaction:
        """The same transaction for another user, or another mode."""
        return Transaction(self._unit, context)

    # -- queries

    def query(
        self, soql: str | Query, *, binds: Mapping[str, object] | None = None, include_deleted: bool = False
    ) -> ResultSet:
        """Run a query; rows are read as they are taken.

        Raises OrgError where it is malformed, or names what is not there or may not be seen.
        """
        query = parse(soql) if isinstance(soql, str) else soql
        compiled = compile_query(
            query, self.schema, self.context, self.rights, self.settings(), binds=binds, include_deleted=include_deleted
        )
        return ResultSet(compiled, self._unit.reading)

    def settings(self) -> Settings:
        """What date literals depend on."""
        zone = self.context.time_zone
        return Settings(self.now().astimezone(ZoneInfo(zone)).date(), zone, self.org.fiscal_start)

    # -- what there is

    def describe_global(self, version: str) -> dict[str, Any]:
        """The document of `/sobjects`: every object the user may read."""
        rights, user = self.rights, self.context.mode is Mode.USER
        shown = [item.api_name for item in self.schema if not user or rights.on(item).read]
        return describe_global(self.schema, version, objects=set(shown))

    def describe(self, object_name: str, version: str) -> dict[str, Any]:
        """The document of `/sobjects/X/describe`, with the fields the user may read.

        Raises OrgError NOT_FOUND where there is no such object, or none for this user.
        """
        sobject = self.schema.get(object_name, within=self.context.namespace)
        rights, user = self.rights, self.context.mode is Mode.USER
        if sobject is None or (user and not rights.on(sobject).read):
            raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
        return describe_object(
            self.schema,
            sobject,
            version,
            readable=lambda item: not user or rights.of(sobject, item).read,
            editable=lambda item: not user or rights.of(sobject, item).edit,
        )

    # -- writes

    def insert(
        self, object_name: str, rows: Sequence[Mapping[str, object]], *, all_or_none: bool = False
    ) -> list[SaveResult]:
        """Store new rows; one result each, in order."""
        return records.insert(self._session(), self._object(object_name), rows, all_or_none=all_or_none)

    def update(
        self, object_name: str, rows: Sequence[Mapping[str, object]], *, all_or_none: bool = False
    ) -> list[SaveResult]:
        """Change rows, each named by its Id."""
        return records.update(self._session(), self._object(object_name), rows, all_or_none=all_or_none)

    def upsert(
        self,
        object_name: str,
        external_id_field: str,
        rows: Sequence[Mapping[str, object]],
        *,
        all_or_none: bool = False,
    ) -> list[SaveResult]:
        """Change the rows whose external id is there, store the others."""
        sobject = self._object(object_name)
        return records.upsert(self._session(), sobject, external_id_field, rows, all_or_none=all_or_none)

    def delete(self, ids: Sequence[str], *, all_or_none: bool = False) -> list[SaveResult]:
        """Put rows into the recycle bin."""
        return records.delete(self._session(), ids, all_or_none=all_or_none)

    def undelete(self, ids: Sequence[str], *, all_or_none: bool = False) -> list[SaveResult]:
        """Take rows out of the recycle bin."""
        return records.undelete(self._session(), ids, all_or_none=all_or_none)

    def savepoint(self) -> Savepoint:
        """Mark where we are."""
        unit = self._unit
        unit.savepoints += 1
        made = Savepoint(f"sp{unit.savepoints}", unit.schema, len(unit.batches))
        unit.writing().execute(f"SAVEPOINT {made.name}")
        return made

    def roll_back(self, savepoint: Savepoint) -> None:
        """Undo everything since the mark, schema included; the mark stays."""
        unit = self._unit
        unit.writing().execute(f"ROLLBACK TO {savepoint.name}")
        unit.schema = savepoint.schema
        unit.rights.clear()
        del unit.batches[savepoint.batches :]

    # -- schema

    def save_object(self, sobject: SObjectType) -> None:
        """Make an object, or give one another definition: fields are added, dropped and converted."""
        connection = self._unit.writing()
        before = self.schema.get(sobject.api_name)
        if before is None:
            tables.create_table(connection, sobject)
        else:
            _alter(connection, before, sobject)
        connection.execute(
            "INSERT INTO _object VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
            (sobject.api_name, json.dumps(to_json(sobject))),
        )
        self._unit.schema = self.schema.with_object(sobject)

    def drop_object(self, api_name: str) -> None:
        """Remove a custom object with its rows."""
        sobject = self.schema.object(api_name)
        connection = self._unit.writing()
        connection.execute(f'DROP TABLE "{sobject.api_name}"')
        connection.execute("DELETE FROM _object WHERE name = ?", (sobject.api_name,))
        self._unit.schema = self.schema.without_object(sobject.api_name)

    def save_field(self, object_name: str, item: Field) -> None:
        """Add a field to an object, or change it."""
        self.save_object(self._object(object_name).with_field(item))

    def drop_field(self, object_name: str, field_name: str) -> None:
        """Remove a field with its values."""
        self.save_object(self._object(object_name).without_field(field_name))

    def new_key_prefix(self) -> str:
        """A key prefix for a new custom object: a00, a01, ..."""
        number = self.org.store.next_number(self._unit.writing(), "key prefix") - 1
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        return f"a{digits[number // 62]}{digits[number % 62]}"

    # -- settings

    def setting(self, key: str) -> Any:
        """A JSON value kept under a key; None where there is none."""
        with self._unit.reading() as connection:
            return self.org.store.setting(connection, key)

    def put_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key; None removes it."""
        self.org.store.put_setting(self._unit.writing(), key, value)

    def settings_under(self, prefix: str) -> dict[str, Any]:
        """Every JSON value whose key begins so, by key."""
        with self._unit.reading() as connection:
            return self.org.store.settings(connection, prefix)

    # -- inside

    def platform_session(self) -> Session:
        """For deployments: the open write, to store rows that no user may, past every check.

        Rights are read anew afterwards, since such rows may be what grants them.
        """
        self._unit.touched_rights = True
        self._unit.rights.clear()
        return self._session()

    def _object(self, name: str) -> SObjectType:
        return self.schema.object(name, within=self.context.namespace)

    def _session(self) -> Session:
        unit = self._unit
        connection = unit.writing()
        now = self.now()
        return Session(
            store=self.org.store,
            connection=connection,
            schema=unit.schema,
            context=self.context,
            rights=self.rights,
            now=stored_datetime(now),
            today=now.astimezone(ZoneInfo(self.context.time_zone)).date().isoformat(),
            organization_id=self.org.org_id,
            hooks=(self._saved,),
            batches=unit.batches,
        )

    def _saved(self, batch: SavedBatch) -> None:
        if batch.sobject.api_name in _RIGHTS:
            self._unit.touched_rights = True
            self._unit.rights.clear()
        for hook in self.org.saved_hooks:
            hook(self, batch)


def _alter(connection: Connection, before: SObjectType, after: SObjectType) -> None:
    for old in before:
        new = after.get(old.api_name)
        if new is None:
            tables.drop_column(connection, before, old)
        elif new != old:
            tables.retype_column(connection, after, old, new)
    for new in after:
        if before.get(new.api_name) is None:
            tables.add_column(connection, after, new)
