"""From the rows someone sent to rows ready to store: names, types, rights, defaults, required fields.

Rows of one write share their keys, so what a key means is worked out once for all of them. Lookups may be
given by the parent's external id (`{"Account": {"Key__c": "7"}}`, or `Account.Key__c` in CSV); those are
resolved for all rows at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localorg.records.outcomes import RowError
from localorg.records.session import Session
from localorg.records.values import Refusal, Stored, reader
from localorg.schema import Field, SObjectType

__all__ = ["Row", "prepare"]


@dataclass(slots=True)
class Row:
    """One row on its way.

    at:     its place among the rows sent.
    id:     of the row that is there already; None for a new one.
    values: what is to be stored, by API name.
    errors: why it is refused; a row with any goes no further.
    """

    at: int
    id: str | None = None
    values: dict[str, Stored] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    created: bool = False

    def refuse(self, code: str, message: str, *fields: str) -> None:
        """Refuse the row."""
        self.errors.append(RowError(code, message, fields))


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key of a row stands for: a field, or a lookup by the parent's external id."""

    field: Field | None = None
    read: Callable[[object], Stored] | None = None
    target: SObjectType | None = None
    target_field: Field | None = None
    problem: RowError | None = None
    skipped: bool = False


# Key of the row, column it goes to, how its value is read.
Plan = list[tuple[str, str, Callable[[object], Stored]]]
_AUDIT = frozenset({"CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById"})


def prepare(session: Session, sobject: SObjectType, rows: Sequence[Mapping[str, object]], *, insert: bool) -> list[Row]:
    """Read the rows' values.

    insert: the rows are new; otherwise each has an Id.
    """
    return _Preparation(session, sobject, insert=insert).all(rows)


class _Preparation:
    def __init__(self, session: Session, sobject: SObjectType, *, insert: bool) -> None:
        self.session = session
        self.sobject = sobject
        self.insert = insert
        self.keys: dict[str, _Key] = {}
        self.plans: dict[tuple[str, ...], Plan | None] = {}
        self.by_key: list[tuple[Row, _Key, Stored]] = []

    def all(self, rows: Sequence[Mapping[str, object]]) -> list[Row]:
        found = [self.one(at, given) for at, given in enumerate(rows)]
        self.look_up()
        return found

    def one(self, at: int, given: Mapping[str, object]) -> Row:
        row = Row(at)
        plan = self.plan(given)
        try:
            if plan is not None:
                row.values = {
                    column: None if (value := given[name]) is None else read(value) for name, column, read in plan
                }
        except Refusal:
            plan = None  # once more with care: every value that does not fit is to be named
        if plan is None:
            self.carefully(row, given)
        if not self.insert:
            self.identify(row)
        return row

    def plan(self, given: Mapping[str, object]) -> Plan | None:
        """How to read rows with just these keys, where each of them is a field to be written; else None."""
        names = tuple(given)
        if names not in self.plans:
            keys = [(name, self.keys.get(name) or self.learn(name, given[name])) for name in names]
            plain = [(n, key.field.api_name, key.read) for n, key in keys if key.field and key.read and not key.target]
            self.plans[names] = plain if len(plain) == len(names) else None
        return self.plans[names]

    def carefully(self, row: Row, given: Mapping[str, object]) -> None:
        """Read a row value by value, gathering what is wrong with each."""
        row.values = {}
        for name, value in given.items():
            key = self.keys.get(name) or self.learn(name, value)
            if key.skipped:
                continue
            if key.problem is not None:
                row.errors.append(key.problem)
            elif key.target is not None:
                self.by_parent(row, key, value)
            elif key.field is not None and key.read is not None:
                try:
                    row.values[key.field.api_name] = None if value is None else key.read(value)
                except Refusal as refused:
                    row.errors.append(refused.error)

    def identify(self, row: Row) -> None:
        """Take the id out of the values: it names the row, and is not stored anew."""
        given = row.values.pop("Id", None)
        if given is None and not row.errors:
            row.refuse("MISSING_ARGUMENT", "Id not specified in an update call")
        row.id = str(given) if given is not None else None

    def learn(self, name: str, value: object) -> _Key:
        key = self.understand(name, value)
        self.keys[name] = key
        return key

    def understand(self, name: str, value: object) -> _Key:
        if name.lower() in ("attributes", "type") and (name.lower() == "attributes" or not self.sobject.get("Type")):
            return _Key(skipped=True)
        schema, within = self.session.schema, self.session.context.namespace
        if "." in name or isinstance(value, Mapping):
            return self.relationship(name, value)
        found = schema.field_of(self.sobject, name, within=within)
        rights = self.session.rights
        if found is None or (self.session.user_mode and not rights.of(self.sobject, found).read):
            message = f"No such column '{name}' on sobject of type {self.sobject.api_name}"
            return _Key(problem=RowError("INVALID_FIELD", message, (name,)))
        if found.api_name == "Id":
            if self.insert:
                message = "cannot specify Id in an insert call"
                return _Key(problem=RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, ("Id",)))
            return _Key(field=found, read=reader(found))
        if not self.writable(found):
            message = (
                f"Unable to create/update fields: {found.api_name}. Please check the security settings of this field "
                "and verify that it is read/write for your profile or permission set."
            )
            return _Key(problem=RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, (found.api_name,)))
        return _Key(field=found, read=reader(found))

    def writable(self, item: Field) -> bool:
        rights = self.session.rights
        if self.session.platform_mode:
            return item.stored
        if self.insert and item.api_name in _AUDIT and "CreateAuditFields" in rights.permissions:
            return True
        if not (item.createable if self.insert else item.updateable) or not item.stored:
            return False
        return not self.session.user_mode or rights.of(self.sobject, item).edit

    # -- lookups by external id

    def relationship(self, name: str, value: object) -> _Key:
        relation, _, column = name.partition(".")
        if isinstance(value, Mapping):
            column = next((key for key in value if key.lower() not in ("attributes", "type")), "")
        schema, within = self.session.schema, self.session.context.namespace
        kind, _, bare = relation.rpartition(":")
        found = schema.parent(self.sobject, bare, within=within)
        missing = RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {self.sobject.api_name}", ())
        if found is None or not column:
            return _Key(problem=missing)
        if not self.writable(found):
            return _Key(problem=RowError("INVALID_FIELD_FOR_INSERT_UPDATE", missing.message, (found.api_name,)))
        targets = [kind] if kind else schema.targets(found)
        for target in (schema.get(item, within=within) for item in targets):
            key = schema.field_of(target, column, within=within) if target is not None else None
            if target is not None and key is not None and (key.id_lookup or key.external_id or key.unique):
                return _Key(field=found, read=reader(key), target=target, target_field=key)
        message = f"Field name provided, {column} is not an External ID or indexed field for {found.reference_to[0]}"
        return _Key(problem=RowError("INVALID_FIELD", message, (found.api_name,)))

    def by_parent(self, row: Row, key: _Key, value: object) -> None:
        if isinstance(value, Mapping):
            value = next((item for name, item in value.items() if name.lower() not in ("attributes", "type")), None)
        if key.field is None or key.read is None:
            return
        if value is None or value == "":
            row.values[key.field.api_name] = None
            return
        try:
            self.by_key.append((row, key, key.read(value)))
        except Refusal as refused:
            row.errors.append(refused.error)

    def look_up(self) -> None:
        wanted: dict[int, tuple[_Key, set[Stored]]] = {}
        for _, key, value in self.by_key:
            wanted.setdefault(id(key), (key, set()))[1].add(value)
        found: dict[int, dict[Any, list[str]]] = {}
        for mark, (key, values) in wanted.items():
            if key.target is None or key.target_field is None:
                continue
            ids: dict[Any, list[str]] = {}
            for value, row_id in self.session.matching(key.target, key.target_field.api_name, values):
                ids.setdefault(_folded(value), []).append(row_id)
            found[mark] = ids
        for row, key, value in self.by_key:
            self.settle(row, key, value, found[id(key)].get(_folded(value), []))

    def settle(self, row: Row, key: _Key, value: Stored, ids: list[str]) -> None:
        if key.field is None or key.target is None or key.target_field is None:
            return
        if len(ids) == 1:
            row.values[key.field.api_name] = ids[0]
            return
        name, entity = key.target_field.api_name, key.target.api_name
        if ids:
            row.refuse("DUPLICATE_EXTERNAL_ID", f"Foreign key external ID: {value} matches more than one {entity}")
            return
        message = f"Foreign key external ID: {value} not found for field {name} in entity {entity}"
        row.refuse("INVALID_FIELD", message)


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
