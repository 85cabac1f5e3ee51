"""Validation rules: formulas over a row as it would be stored, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from localorg.formula import Node, Path, check_formula, evaluate, parse_formula
from localorg.records.prepare import Row
from localorg.records.session import Session
from localorg.schema import Field, FieldType, Schema, SObjectType

__all__ = ["RecordScope", "check_rule", "check_validation", "path_exists"]

_GLOBALS = {"$user": "User", "$profile": "Profile", "$organization": "Organization"}


def check_validation(
    session: Session, sobject: SObjectType, rows: Sequence[Row], there: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse rows for which an active validation rule of the object is true.

    there: the rows as they were, by id; none of a new one.
    """
    rules = [(rule, _parsed(rule.formula)) for rule in sobject.validation_rules if rule.active]
    if not rules:
        return
    parents: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row.errors:
            continue
        before = there.get(row.id or "") if not row.created else None
        now = {**(before or {}), **row.values}
        scope = RecordScope(session, sobject, now, before, parents)
        for rule, node in rules:
            if evaluate(node, scope) is True:
                fields = (rule.error_field,) if rule.error_field else ()
                row.refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, *fields)


def check_rule(schema: Schema, sobject: SObjectType, formula: str) -> Node:
    """Read a rule's formula and refuse what it could not be evaluated by.

    Raises OrgError FIELD_INTEGRITY_EXCEPTION.
    """
    node = parse_formula(formula)
    check_formula(node, lambda path: path_exists(schema, sobject, path))
    return node


def path_exists(schema: Schema, sobject: SObjectType, path: Path) -> bool:
    """Whether a path of a formula leads to a field."""
    parts = list(path.parts)
    head = parts[0].lower()
    if head in ("$permission", "$label", "$setup"):
        return head == "$permission" and len(parts) == 2
    owner: SObjectType | None = sobject
    if head in _GLOBALS:
        owner = schema.get(_GLOBALS[head])
        parts = parts[1:]
    for part in parts[:-1]:
        lookup = schema.parent(owner, part, within=sobject.namespace) if owner is not None else None
        owner = schema.get(lookup.reference_to[-1]) if lookup is not None else None
    return owner is not None and schema.field_of(owner, parts[-1], within=sobject.namespace) is not None


@lru_cache(maxsize=512)
def _parsed(formula: str) -> Node:
    return parse_formula(formula)


@dataclass
class RecordScope:
    """A row for a formula: its values as they are to be stored, those before, its parents read when asked for.

    parents: rows read so far, by id; shared by the rows of one write.
    """

    session: Session
    sobject: SObjectType
    row: Mapping[str, Any]
    before: Mapping[str, Any] | None
    parents: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """Whether the row is being made."""
        return self.before is None

    @property
    def now(self) -> datetime:
        """The org's time, UTC."""
        return datetime.fromisoformat(self.session.now)

    @property
    def today(self) -> date:
        """The day in the user's time zone."""
        return date.fromisoformat(self.session.today)

    def value(self, path: Path) -> Any:
        """What the path holds."""
        return self._walk(self.row, path)

    def prior(self, path: Path) -> Any:
        """What it held before."""
        return self._walk(self.row if self.before is None else self.before, path)

    def _walk(self, row: Mapping[str, Any], path: Path) -> Any:
        parts, owner, place = list(path.parts), self.sobject, row
        head = parts[0].lower()
        if head == "$permission":
            return parts[1].lower() in {name.lower() for name in self.session.rights.custom_permissions}
        if head in _GLOBALS:
            owner = self.session.schema.object(_GLOBALS[head])
            ids = {"$user": self.session.context.user_id, "$profile": self.session.rights.profile_id}
            place = self._parent(owner, ids.get(head, self.session.organization_id))
            parts = parts[1:]
        schema, within = self.session.schema, self.sobject.namespace
        for part in parts[:-1]:
            lookup = schema.parent(owner, part, within=within)
            parent_id = place.get(lookup.api_name) if lookup is not None else None
            target = schema.of_id(parent_id) if parent_id else None
            if target is None:
                return None
            owner, place = target, self._parent(target, parent_id)
        item = schema.field_of(owner, parts[-1], within=within)
        return native(item, place.get(item.api_name)) if item is not None else None

    def _parent(self, owner: SObjectType, row_id: str | None) -> Mapping[str, Any]:
        if row_id is None:
            return {}
        if row_id not in self.parents:
            self.parents[row_id] = self.session.rows(owner, [row_id], deleted=True).get(row_id, {})
        return self.parents[row_id]


def native(item: Field, value: Any) -> Any:
    """A stored value as formulas reckon with it: Decimal, date, datetime in UTC, bool, text."""
    if value is None:
        return "" if item.type.is_text else None
    if item.type is FieldType.BOOLEAN:
        return bool(value)
    if item.type.is_number:
        return Decimal(repr(value))
    if item.type is FieldType.DATE:
        return date.fromisoformat(value)
    if item.type is FieldType.DATETIME:
        return datetime.fromisoformat(value).astimezone(UTC)
    return value
