"""A query against a schema, as one SQL statement with bound parameters.

Only names found in the schema, and literals of this package, are ever put into SQL text; everything that
came from the query's text travels as a parameter. So no query can say more than SOQL lets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute

from localorg.access import Context, Mode, Rights, visible_rows
from localorg.errors import OrgError
from localorg.schema import ChildRelationship, Field, FieldType, Schema, SObjectType
from localorg.schema.catalogue import unsupported_type
from localorg.soql.ast import Bind, Expression, FieldPath, FieldsFunction, Function, InQuery, Query, SubQuery
from localorg.soql.conditions import condition_sql
from localorg.soql.functions import expression_sql
from localorg.soql.lexer import located, malformed
from localorg.soql.paths import Resolved, Scope, Settings, Statement, table_sql

__all__ = ["ChildPlan", "Column", "Compiled", "compile_query"]

_FIELDS_LIMIT = 200
_LARGEST_OFFSET = 2000
_MOST_ROWS = 2**31
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a result.

    path:     where the value goes in a record: parents' relationship names, then the field's name or alias.
    objects:  the object behind each parent on the path.
    presence: index of the SQL column that is null where that parent is not there, for each parent.
    start:    index of its first SQL column; a compound field has one for each of `parts`.
    sql:      its expression, for a reader that wants it in another form.
    """

    path: tuple[str, ...]
    type: FieldType
    field: Field | None
    function: str | None
    objects: tuple[str, ...]
    presence: tuple[int, ...]
    start: int
    parts: tuple[Field, ...] = ()
    sql: str = attribute(default="", repr=False)

    @property
    def name(self) -> str:
        """The dotted path, as a CSV header has it."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """A sub-query, run for many parents at once; its last SQL column is the parent's id."""

    relationship: str
    compiled: Compiled


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement ready to run.

    sql:        the statement; `body` is the part after its select list.
    id_at:      index of the SQL column with the row's id, where sub-queries need it.
    parents_at: in a sub-query, index of the parameter that holds the parents' ids as a JSON list.
    count_only: `SELECT COUNT()`: the count is the total size, and there are no rows.
    """

    query: Query
    sobject: SObjectType
    sql: str
    parameters: tuple[object, ...]
    columns: tuple[Column, ...]
    body: str = attribute(repr=False)
    aggregate: bool = False
    count_only: bool = False
    children: tuple[ChildPlan, ...] = ()
    id_at: int | None = None
    parents_at: int | None = None


def compile_query(
    query: Query,
    schema: Schema,
    context: Context,
    rights: Rights,
    settings: Settings,
    *,
    binds: Mapping[str, object] | None = None,
    include_deleted: bool = False,
) -> Compiled:
    """Check a query against schema and rights, and write its SQL.

    binds: value by the bind's text, as `:name` stands for `binds["name"]`.
    Raises OrgError: MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE, INVALID_QUERY_FILTER_OPERATOR.
    """
    if query.security == "USER_MODE":
        context = context.in_user_mode()
    elif query.security == "SYSTEM_MODE":
        context = replace(context, mode=Mode.SYSTEM)
    statement = Statement(
        schema, context, rights, settings, query.text, binds or {},
        deleted=include_deleted or query.all_rows, enforced=query.security == "SECURITY_ENFORCED",
    )  # fmt: skip
    if len(query.source.path) > 1:
        raise _unsupported(statement, query, str(query.source))
    sobject = schema.get(query.source.path[0], within=context.namespace)
    if sobject is None:
        raise _unsupported(statement, query, str(query.source))
    return _Select(statement, query, sobject).compiled()


def _unsupported(statement: Statement, query: Query, name: str) -> OrgError:
    return OrgError("INVALID_TYPE", located(statement.text, query.source.position, unsupported_type(name)))


class _Select:
    """One SELECT being written."""

    def __init__(
        self,
        statement: Statement,
        query: Query,
        sobject: SObjectType,
        relation: ChildRelationship | None = None,
        depth: int = 0,
    ) -> None:
        if statement.user_mode and not statement.rights.on(sobject).read:
            raise _unsupported(statement, query, sobject.api_name)
        self.statement = statement
        self.query = query
        self.sobject = sobject
        self.relation = relation
        self.depth = depth
        names: dict[str, tuple[str, ...]] = {}
        if query.source.alias:
            names[query.source.alias] = ()
        for other in query.joined:
            head = names.get(other.path[0].lower())
            path = (*head, *other.path[1:]) if head is not None else other.path
            names[other.alias or other.path[-1]] = path
        self.scope = Scope(statement, sobject, {key.lower(): path for key, path in names.items()})
        self.sql_columns: list[str] = []
        self.presence: dict[str, int] = {}
        self.children: list[ChildPlan] = []
        self.parents_at: int | None = None

    # -- the whole

    def compiled(self) -> Compiled:
        query, statement = self.query, self.statement
        selected = [(item.alias, item.item) for item in query.select]
        grouped = [self.group(item) for item in query.group_by]
        count_only = len(selected) == 1 and _is_count(selected[0][1]) and not grouped and selected[0][0] is None
        columns, aggregate = self.columns(grouped)
        if query.having is not None and not grouped:
            raise malformed(statement.text, query.source.position, "HAVING requires GROUP BY")
        where = self.where()
        having = condition_sql(self.scope, query.having, self.inner) if query.having is not None else None
        order = self.order(grouped, aggregate=aggregate)
        id_at = None
        if self.children:
            id_at = len(self.sql_columns)
            self.sql_columns.append(f"{self.scope.alias}.{'DurableId' if self.sobject.virtual else 'Id'}")
        group = f" GROUP BY {', '.join(item.sql for item in grouped)}" if grouped else ""
        body = self.source() + where + group + (f" HAVING {having}" if having else "")
        if self.relation is not None:
            sql = self.per_parent(body, order)
        else:
            body = f"{body}{order}{self.tail()}"
            sql = f"SELECT {', '.join(self.sql_columns) or '1'}{body}"
        return Compiled(
            query, self.sobject, sql, tuple(statement.parameters), tuple(columns), body, aggregate, count_only,
            tuple(self.children), id_at, self.parents_at,
        )  # fmt: skip

    def group(self, item: Expression) -> Resolved:
        resolved = expression_sql(self.scope, item)
        if resolved.aggregate or (resolved.function is None and resolved.field and not resolved.field.groupable):
            message = f"field '{'.'.join(resolved.names)}' can not be grouped in a query call"
            raise self.statement.invalid_field(item.position, message)
        return resolved

    def source(self) -> str:
        joins = "".join(f" {join}" for join in self.scope.joins)
        return f" FROM {table_sql(self.statement, self.sobject)} {self.scope.alias}{joins}"

    def where(self) -> str:
        statement, alias = self.statement, self.scope.alias
        tests = []
        if self.sobject.soft_deletes and not statement.deleted:
            tests.append(f"{alias}.IsDeleted = 0")
        seen = visible_rows(statement.schema, self.sobject, alias, statement.context, statement.rights, statement.bind)
        if seen is not None:
            tests.append(seen)
        if self.query.scope is not None:
            tests.extend(self.scoped(self.query.scope))
        if self.query.where is not None:
            tests.append(condition_sql(self.scope, self.query.where, self.inner))
        if self.relation is not None:
            self.parents_at = len(statement.parameters)
            tests.append(f"{self.parent_key} IN (SELECT value FROM json_each({statement.bind('[]')}))")  # noqa: S608 -- API names and placeholders only
        return f" WHERE {' AND '.join(tests)}" if tests else ""

    def scoped(self, scope: str) -> list[str]:
        if scope.lower() == "mine" and self.sobject.has_owner:
            return [f"{self.scope.alias}.OwnerId = {self.statement.bind(self.statement.context.user_id)}"]
        if scope.lower() in ("everything", "mine", "team", "delegated", "my_territory", "my_team_territory"):
            return []
        raise malformed(self.statement.text, self.query.source.position, f"Unknown filter scope: {scope}")

    # -- SELECT

    def columns(self, grouped: list[Resolved]) -> tuple[list[Column], bool]:
        query, text = self.query, self.statement.text
        found: list[tuple[str | None, Resolved, int]] = []
        for entry in query.select:
            item = entry.item
            if isinstance(item, SubQuery):
                self.children.append(self.child(item))
            elif isinstance(item, FieldsFunction):
                found.extend((None, self.scope.resolve(path), item.position) for path in self.every(item))
            else:
                found.append((entry.alias, expression_sql(self.scope, item), item.position))
        aggregate = bool(grouped) or any(resolved.aggregate for _, resolved, _ in found)
        if aggregate and self.children:
            raise malformed(text, query.source.position, "Nested queries are not supported with aggregate functions")
        groups = {item.sql for item in grouped}
        columns: list[Column] = []
        taken: set[tuple[str, ...]] = set()
        unnamed = 0
        for alias, resolved, position in found:
            if aggregate and not resolved.aggregate and resolved.sql not in groups:
                name = ".".join(resolved.names)
                raise malformed(text, position, f"Field must be grouped or aggregated: {name}")
            if alias is not None and not (aggregate or resolved.function):
                raise malformed(text, position, "only aggregate expressions use field aliasing")
            path = (alias,) if alias else (resolved.names[-1:] if aggregate else resolved.names)
            if alias is None and (resolved.aggregate or (aggregate and resolved.function)):
                path = (f"expr{unnamed}",)
                unnamed += 1
            key = tuple(part.lower() for part in path)
            if key in taken:
                what = "alias" if aggregate else "field selected"
                raise self.statement.invalid_field(position, f"duplicate {what}: {'.'.join(path)}")
            taken.add(key)
            columns.append(self.column(path, resolved))
        return columns, aggregate

    def column(self, path: tuple[str, ...], resolved: Resolved) -> Column:
        start = len(self.sql_columns)
        if resolved.parts:
            self.sql_columns.extend(f'{resolved.alias}."{part.api_name}"' for part in resolved.parts)
        else:
            self.sql_columns.append(resolved.sql)
        nested = len(path) > 1
        presence = tuple(self.present(sql) for sql in resolved.presence) if nested else ()
        return Column(
            path, resolved.type, resolved.field, resolved.function, resolved.objects if nested else (), presence,
            start, resolved.parts, resolved.sql,
        )  # fmt: skip

    def present(self, sql: str) -> int:
        if sql not in self.presence:
            self.presence[sql] = len(self.sql_columns)
            self.sql_columns.append(sql)
        return self.presence[sql]

    def every(self, item: FieldsFunction) -> list[FieldPath]:
        limit = self.number(self.query.limit)
        if item.kind != "STANDARD" and (limit is None or limit > _FIELDS_LIMIT):
            message = f"The SOQL FIELDS function must have a LIMIT of at most {_FIELDS_LIMIT}"
            raise malformed(self.statement.text, item.position, message)
        named = {
            str(entry.item).lower() for entry in self.query.select if isinstance(entry.item, FieldPath)
        }  # a field also named beside FIELDS() is selected once
        rights, user = self.statement.rights, self.statement.user_mode
        return [
            FieldPath((one.api_name,), item.position)
            for one in self.sobject
            if (item.kind == "ALL" or (item.kind == "CUSTOM") == one.custom)
            and (not user or rights.of(self.sobject, one).read)
            and one.api_name.lower() not in named
        ]

    # -- sub-queries

    def child(self, item: SubQuery) -> ChildPlan:
        statement, query = self.statement, item.query
        if self.depth >= _DEEPEST:
            raise malformed(statement.text, item.position, f"sub-queries can be nested {_DEEPEST} deep at most")
        name = query.source.path[-1]
        relation = statement.schema.child(self.sobject, name, within=statement.context.namespace)
        if relation is None:
            message = (
                f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a "
                "custom relationship, be sure to append the '__r' after the custom relationship name. Please reference "
                "your WSDL or the describe call for the appropriate names."
            )
            raise OrgError("INVALID_TYPE", located(statement.text, query.source.position, message))
        inner = Statement(
            statement.schema, statement.context, statement.rights, statement.settings, statement.text,
            statement.binds, statement.deleted, statement.enforced,
        )  # fmt: skip
        return ChildPlan(
            relation.name or name, _Select(inner, query, relation.child, relation, self.depth + 1).compiled()
        )

    @property
    def parent_key(self) -> str:
        """In a sub-query, the column that names the row's parent."""
        return f'{self.scope.alias}."{self.relation.field.api_name}"' if self.relation is not None else "NULL"

    def per_parent(self, body: str, order: str) -> str:
        """The SELECT of a sub-query: for a list of parents, each with a LIMIT of its own."""
        key = self.parent_key
        self.sql_columns.append(key)
        limit, offset = self.number(self.query.limit), self.number(self.query.offset) or 0
        if limit is None and not offset:
            return f"SELECT {', '.join(self.sql_columns)}{body}{order}"
        named = ", ".join(f"{sql} AS c{at}" for at, sql in enumerate(self.sql_columns))
        place = f"row_number() OVER (PARTITION BY {key}{order})"
        bind = self.statement.bind
        last = f" AND place <= {bind(offset + limit)}" if limit is not None else ""
        wanted = ", ".join(f"c{at}" for at in range(len(self.sql_columns)))
        inside = f"SELECT {named}, {place} AS place{body}"
        return f"SELECT {wanted} FROM ({inside}) WHERE place > {bind(offset)}{last} ORDER BY place"  # noqa: S608 -- API names and placeholders only

    def inner(self, condition: InQuery) -> str:
        """The SELECT inside a semi-join or anti-join: one id column."""
        statement, query = self.statement, condition.query
        sobject = statement.schema.get(query.source.path[0], within=statement.context.namespace)
        if sobject is None or len(query.source.path) > 1:
            raise _unsupported(statement, query, str(query.source))
        if len(query.select) != 1 or not isinstance(query.select[0].item, FieldPath):
            raise malformed(statement.text, condition.position, "Semi join sub-selects must select exactly one field")
        for clause in (query.order_by, query.group_by):
            if clause:
                raise malformed(
                    statement.text, condition.position, "Semi join sub-selects cannot be ordered or grouped"
                )
        select = _Select(statement, query, sobject)
        column = select.scope.resolve(query.select[0].item)
        if not column.type.is_id:
            message = f"The inner select field '{query.select[0].item}' must be an id or reference field"
            raise malformed(statement.text, query.select[0].item.position, message)
        where = select.where()
        present = f"{column.sql} IS NOT NULL"
        where = f"{where} AND {present}" if where else f" WHERE {present}"
        return f"SELECT {column.sql}{select.source()}{where}{select.tail()}"

    # -- ORDER BY, LIMIT

    def order(self, grouped: list[Resolved], *, aggregate: bool) -> str:
        parts = []
        groups = {item.sql for item in grouped}
        for entry in self.query.order_by:
            resolved = expression_sql(self.scope, entry.item)
            unfit = resolved.field is not None and not resolved.field.filterable
            if unfit or resolved.type.is_compound or resolved.type is FieldType.MULTIPICKLIST:
                message = f"field '{resolved.names[-1]}' can not be sorted in a query call"
                raise self.statement.invalid_field(entry.item.position, message)
            if aggregate and not resolved.aggregate and resolved.sql not in groups:
                message = f"Ordered field must be grouped or aggregated: {'.'.join(resolved.names)}"
                raise malformed(self.statement.text, entry.item.position, message)
            first = not entry.descending if entry.nulls_first is None else entry.nulls_first
            direction = "DESC" if entry.descending else "ASC"
            parts.append(f"{resolved.sql} {direction} NULLS {'FIRST' if first else 'LAST'}")
        if not aggregate and not self.sobject.virtual:
            parts.append(f"{self.scope.alias}.rowid")
        return f" ORDER BY {', '.join(parts)}" if parts else ""

    def tail(self) -> str:
        limit, offset = self.number(self.query.limit), self.number(self.query.offset)
        if offset is not None and offset > _LARGEST_OFFSET:
            message = f"Maximum SOQL offset allowed is {_LARGEST_OFFSET}"
            raise OrgError("NUMBER_OUTSIDE_VALID_RANGE", message)
        if limit is None and offset is None:
            return ""
        bind = self.statement.bind
        return f" LIMIT {bind(-1 if limit is None else limit)}" + (f" OFFSET {bind(offset)}" if offset else "")

    def number(self, given: int | Bind | None) -> int | None:
        if not isinstance(given, Bind):
            return given if given is None else min(given, _MOST_ROWS)
        value = self.statement.bound(given)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise malformed(self.statement.text, given.position, "Invalid value for LIMIT or OFFSET")
        return min(value, _MOST_ROWS)


def _is_count(item: Expression | FieldsFunction | SubQuery) -> bool:
    return isinstance(item, Function) and item.name == "COUNT" and not item.arguments
