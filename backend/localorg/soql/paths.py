"""From a field path of a query to a column of SQL, with the joins on the way.

A parent is joined once however many fields of it are asked for, on the left: a row without the parent
stays, its parent's fields null. A lookup that may point at several objects joins each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from localorg.access import Context, Mode, Rights
from localorg.errors import OrgError
from localorg.formula import Path, parse_formula
from localorg.schema import Field, FieldType, Schema, SObjectType
from localorg.schema.catalogue import no_such_column
from localorg.soql.ast import Bind, FieldPath
from localorg.soql.formula import formula_sql
from localorg.soql.lexer import located, malformed
from localorg.soql.virtual import virtual_rows
from localorg.store import quoted, storable

__all__ = ["Resolved", "Scope", "Settings", "Statement"]

_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What literals depend on.

    today:        the day in the user's time zone.
    now:          the org's time, as stored.
    time_zone:    the user's, an IANA name.
    fiscal_start: month the org's fiscal year begins with.
    """

    today: date
    now: str
    time_zone: str = "UTC"
    fiscal_start: int = 1


@dataclass
class Statement:
    """One SQL statement in the making: whose query it is, and the parameters gathered so far.

    enforced: WITH SECURITY_ENFORCED: rights hold for what is selected even in system mode.
    """

    schema: Schema
    context: Context
    rights: Rights
    settings: Settings
    text: str
    binds: Mapping[str, object]
    deleted: bool = False
    enforced: bool = False
    parameters: list[object] = field(default_factory=list)
    constants: dict[object, str] = field(default_factory=dict)
    aliases: int = 0

    def bind(self, value: object) -> str:
        """Keep a parameter; the placeholder that stands for it, in whatever order the SQL is put together."""
        self.parameters.append(storable(value) if isinstance(value, str) else value)
        return f"?{len(self.parameters)}"

    def constant(self, value: object) -> str:
        """The placeholder of a parameter that stands for the same value wherever the SQL repeats it."""
        key = (type(value), value)
        if key not in self.constants:
            self.constants[key] = self.bind(value)
        return self.constants[key]

    def alias(self) -> str:
        """A fresh table alias."""
        self.aliases += 1
        return f"t{self.aliases}"

    def bound(self, bind: Bind) -> object:
        """The value a bind stands for.

        Raises OrgError MALFORMED_QUERY where none was given.
        """
        wanted = bind.text.lower()
        for key, value in self.binds.items():
            if key.lower() == wanted:
                return value
        raise malformed(self.text, bind.position, f"Key '{bind.text}' does not exist in the bindMap")

    @property
    def user_mode(self) -> bool:
        """Whether a field the user may not read does not exist for them."""
        return self.context.mode is Mode.USER or self.enforced

    def invalid_field(self, position: int, message: str) -> OrgError:
        """An INVALID_FIELD that points at a place of the query."""
        return OrgError("INVALID_FIELD", located(self.text, position, message))


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an expression became.

    sql:       the column, or the expression over columns.
    field:     the field it names; None for most functions.
    names:     the path as the result shows it: relationship names, then the field's API name.
    objects:   the object behind each relationship name.
    presence:  for each relationship name, SQL that is null where there is no such parent.
    outer:     it belongs to a parent that may not be there.
    aggregate: it holds an aggregate function.
    """

    sql: str
    type: FieldType
    field: Field | None = None
    names: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    presence: tuple[str, ...] = ()
    parts: tuple[Field, ...] = ()
    alias: str = ""
    outer: bool = False
    aggregate: bool = False
    function: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """One parent on the way: the objects it may be, each with its table alias."""

    tables: tuple[tuple[SObjectType, str], ...]
    presence: str

    @property
    def polymorphic(self) -> bool:
        return len(self.tables) > 1


class Scope:
    """The tables of one SELECT: the object it is over and the parents joined to it."""

    def __init__(self, statement: Statement, sobject: SObjectType, names: Mapping[str, tuple[str, ...]]) -> None:
        """names: aliases of FROM, each with the path it stands for; () is the object itself."""
        self.statement = statement
        self.sobject = sobject
        self.alias = statement.alias()
        self.joins: list[str] = []
        self._names = {key.lower(): path for key, path in names.items()}
        self._places: dict[tuple[str, str], _Place] = {}
        self._formulas = 0  # how many formula fields deep we are

    def resolve(self, path: FieldPath) -> Resolved:
        """The column a path names.

        Raises OrgError INVALID_FIELD where there is none, or none that the user may read.
        """
        parts = self._without_alias(path.parts)
        if len(parts) - 1 > _DEEPEST:
            raise malformed(self.statement.text, path.position, "relationship path is too deep")
        return self._from(_Place(((self.sobject, self.alias),), f"{self.alias}.Id"), parts, path)

    def _from(self, place: _Place, parts: tuple[str, ...], path: FieldPath) -> Resolved:
        names: list[str] = []
        objects: list[str] = []
        presence: list[str] = []
        for part in parts[:-1]:
            place, name = self._step(place, part, path)
            names.append(name)
            objects.append(place.tables[0][0].api_name if not place.polymorphic else "Name")
            presence.append(place.presence)
        return self._leaf(place, parts[-1], path, names, objects, presence)

    def _without_alias(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        if len(parts) == 1:
            return parts
        first = parts[0].lower()
        if first in self._names:
            return (*self._names[first], *parts[1:])
        schema, within = self.statement.schema, self.statement.context.namespace
        if first == self.sobject.api_name.lower() and schema.parent(self.sobject, parts[0], within=within) is None:
            return parts[1:]
        return parts

    def _step(self, place: _Place, part: str, path: FieldPath) -> tuple[_Place, str]:
        statement = self.statement
        schema, within = statement.schema, statement.context.namespace
        for sobject, alias in place.tables:
            found = schema.parent(sobject, part, within=within)
            if found is not None and self._readable(sobject, found):
                return self._join(alias, found), found.relationship_name or part
        raise statement.invalid_field(
            path.position,
            f"Didn't understand relationship '{part}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name. Please reference your "
            "WSDL or the describe call for the appropriate names.",
        )

    def _join(self, alias: str, lookup: Field) -> _Place:
        key = (alias, lookup.api_name)
        if key not in self._places:
            tables = []
            for name in self.statement.schema.targets(lookup):
                target = self.statement.schema.get(name)
                if target is None:
                    continue
                joined = self.statement.alias()
                source = table_sql(self.statement, target, joined=True)
                column = f"{alias}.{quoted(lookup.api_name)}"
                key_name = "DurableId" if target.virtual else "Id"
                self.joins.append(f"LEFT JOIN {source} {joined} ON {joined}.{key_name} = {column}")
                tables.append((target, joined))
            self._places[key] = _Place(tuple(tables), f"{alias}.{quoted(lookup.api_name)}")
        return self._places[key]

    def _leaf(
        self, place: _Place, name: str, path: FieldPath, names: list[str], objects: list[str], presence: list[str]
    ) -> Resolved:
        statement = self.statement
        schema, within = statement.schema, statement.context.namespace
        if place.polymorphic and name.lower() == "type":
            cases = " ".join(f"WHEN {alias}.Id IS NOT NULL THEN '{item.api_name}'" for item, alias in place.tables)
            return Resolved(
                f"CASE {cases} END", FieldType.PICKLIST, None, (*names, "Type"), tuple(objects), tuple(presence),
                outer=True,
            )  # fmt: skip
        found = []
        for sobject, alias in place.tables:
            item = schema.field_of(sobject, name, within=within)
            if item is None and place.polymorphic and name.lower() == "name":
                item = sobject.name_field  # a case is named by its number
            if item is not None and self._readable(sobject, item):
                found.append((sobject, item, alias))
        if not found:
            raise statement.invalid_field(path.position, no_such_column(name, place.tables[0][0].api_name))
        sobject, item, alias = found[0]
        shown = "Name" if place.polymorphic and name.lower() == "name" else item.api_name
        sql = f"{alias}.{quoted(item.api_name)}"
        if len(found) > 1:
            sql = f"coalesce({', '.join(f'{a}.{quoted(f.api_name)}' for _, f, a in found)})"
            if item.type.is_text:
                sql = f"({sql} COLLATE NOCASE)"
        parts: tuple[Field, ...] = ()
        if item.type.is_compound:
            parts = tuple(part for part in sobject if part.compound == item.api_name and part.stored)
            sql = "NULL"
        elif item.formula is not None:
            sql = self._formula(_Place(((sobject, alias),), place.presence), item.formula, path)
        return Resolved(
            sql, item.type, item, (*names, shown), tuple(objects), tuple(presence), parts, alias,
            outer=bool(names),
        )  # fmt: skip

    def _formula(self, place: _Place, formula: str, path: FieldPath) -> str:
        """A formula field: its own paths begin where the field is, and need no rights."""
        if self._formulas > _DEEPEST:
            raise self.statement.invalid_field(path.position, "formula fields refer to each other too deeply")
        self._formulas += 1

        def column(inner: Path) -> tuple[str, bool]:
            found = self._from(place, inner.parts, FieldPath(inner.parts, path.position))
            return found.sql, found.type.is_text

        settings = self.statement.settings
        sql = formula_sql(
            parse_formula(formula),
            column,
            self.statement.constant,
            today=settings.today.isoformat(),
            now=settings.now,
        )
        self._formulas -= 1
        alias = place.tables[0][1]
        return f"({sql})" if alias == self.alias else f"(CASE WHEN {alias}.Id IS NOT NULL THEN {sql} END)"

    def _readable(self, sobject: SObjectType, item: Field) -> bool:
        return self._formulas > 0 or not self.statement.user_mode or self.statement.rights.of(sobject, item).read


def table_sql(statement: Statement, sobject: SObjectType, *, joined: bool = False) -> str:
    """What FROM or JOIN names for an object; for a virtual one its rows, made from the schema."""
    if not sobject.virtual:
        return quoted(sobject.api_name)
    columns = ", ".join(f"value ->> '$.{item.api_name}' AS {quoted(item.api_name)}" for item in sobject if item.stored)
    rows = f"json_each({statement.bind(virtual_rows(statement.schema, sobject))})"
    # The limit has SQLite keep the rows it joins, with an index, instead of reading the list anew for each other row.
    return f"(SELECT {columns} FROM {rows}{' LIMIT -1' if joined else ''})"  # noqa: S608 -- API names and placeholders only
