"""Queries and writes in one org, kept or undone together.

A transaction reads what is committed until its first write; from then on it holds the org's one writer and
sees its own rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from localorg import records
from localorg.access import Context, Mode, Rights, load_rights
from localorg.errors import OrgError
from localorg.records import Conversion, LeadConversion, SavedBatch, SaveResult, Session
from localorg.schema import (
    Field,
    ObjectKind,
    RecordType,
    Schema,
    SObjectType,
    describe_global,
    describe_object,
    record_type_field,
)
from localorg.schema.changes import check_change, check_drop_field, check_drop_object
from localorg.schema.codec import to_json
from localorg.soql import Query, ResultSet, Settings, check_formula_field, compile_query, parse, stored_datetime
from localorg.store import quoted, tables

if TYPE_CHECKING:
    from localorg.org import Org

__all__ = ["Savepoint", "Transaction", "Unit"]

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


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A place in a transaction to go back to."""

    name: str
    schema: Schema
    batches: int


@dataclass
class Unit:
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
        """Keep what was written, and let the org take over the schema."""
        if self.connection is not None:
            self.connection = None
            # The next writer must begin with this one's schema, so the org takes it over before it may.
            self.org.store.commit(lambda: self.org.settle(self))
            self.org.tell(self.batches)

    def abandon(self) -> None:
        """Forget what was written."""
        if self.connection is not None:
            self.connection = None
            self.org.store.roll_back()


class Transaction:
    """Queries and writes of one user; see the module's example."""

    def __init__(self, unit: Unit, context: Context) -> None:
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
        return ResultSet(compiled, self._unit.reading, buffered=lambda: self._unit.connection is not None)

    def settings(self) -> Settings:
        """What date literals depend on."""
        zone, now = self.context.time_zone, self.now()
        return Settings(now.astimezone(ZoneInfo(zone)).date(), stored_datetime(now), zone, self.org.fiscal_start)

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

    def purge(self, ids: Sequence[str]) -> list[SaveResult]:
        """Remove rows for good: a hard delete, and emptying the recycle bin."""
        return records.purge(self._session(), ids)

    def convert_lead(self, wanted: LeadConversion) -> Conversion:
        """Make a contact, an account and an opportunity of a lead.

        Raises OrgError where the platform would not.
        """
        return records.convert_lead(self._session(), wanted)

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
        """Make an object, or give one another definition: fields are added, dropped and converted.

        Raises OrgError where the platform would not have it; nothing has changed then.
        """
        connection = self._unit.writing()
        check_change(self.schema, sobject)
        _check_formulas(self.schema.with_object(sobject), sobject)
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
        connection = self._unit.writing()
        sobject = self._object(api_name)
        check_drop_object(self.schema, sobject)
        for gone in (sobject, self.schema.get(sobject.history or "")):
            if gone is not None:
                connection.execute(f"DROP TABLE {quoted(gone.api_name)}")
                connection.execute("DELETE FROM _object WHERE name = ?", (gone.api_name,))
                self._unit.schema = self.schema.without_object(gone.api_name)

    def save_field(self, object_name: str, item: Field) -> None:
        """Add a field to an object, or change it."""
        self._unit.writing()
        self.save_object(self._object(object_name).with_field(item))

    def drop_field(self, object_name: str, field_name: str) -> None:
        """Remove a field with its values."""
        self._unit.writing()
        sobject = self._object(object_name)
        check_drop_field(sobject, field_name)
        self.save_object(sobject.without_field(field_name))

    def save_record_type(self, object_name: str, wanted: RecordType) -> RecordType:
        """Make a record type, or change the one of that developer name; its row has the id the answer has.

        wanted: its id is not read.
        """
        platform = self.acting_as(self.context.as_platform())
        sobject = self._object(object_name)
        kept = next((one for one in sobject.record_types if one.developer_name == wanted.developer_name), None)
        row = {
            "Name": wanted.label,
            "DeveloperName": wanted.developer_name,
            "SobjectType": sobject.api_name,
            "IsActive": wanted.active,
            "NamespacePrefix": sobject.namespace,
        }
        if kept is None:
            [saved] = platform.insert("RecordType", [row], all_or_none=True)
        else:
            [saved] = platform.update("RecordType", [{**row, "Id": kept.id}], all_or_none=True)
        if saved.id is None or not saved.success:
            raise OrgError(saved.errors[0].status_code, saved.errors[0].message, fields=saved.errors[0].fields)
        made = replace(wanted, id=saved.id)
        others = tuple(one for one in sobject.record_types if one.developer_name != wanted.developer_name)
        if sobject.get("RecordTypeId") is None:
            sobject = sobject.with_field(record_type_field())
        self.save_object(sobject.altered(record_types=(*others, made)))
        return made

    def new_key_prefix(self, kind: ObjectKind = ObjectKind.CUSTOM) -> str:
        """A key prefix for a new custom object: a00, a01, ...; of a custom metadata type m00, m01, ..."""
        letter = "m" if kind is ObjectKind.CUSTOM_METADATA else "a"
        number = self.org.store.next_number(self._unit.writing(), f"key prefix {letter}") - 1
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        return f"{letter}{digits[number // 62]}{digits[number % 62]}"

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


def _check_formulas(schema: Schema, sobject: SObjectType) -> None:
    """Refuse formula fields and validation rules that could not be worked out."""
    for item in sobject:
        if item.formula is not None:
            check_formula_field(records.check_rule(schema, sobject, item.formula))
    for rule in sobject.validation_rules:
        records.check_rule(schema, sobject, rule.formula)


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
