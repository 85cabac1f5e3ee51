"""Rows of the engine as SObjects, and SObjects as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from localorg.apex.runtime.values import from_engine, to_engine
from localorg.apex.types.model import Record
from localorg.apex.values.collections import ApexList
from localorg.apex.values.records import SObject
from localorg.schema import FieldType, SObjectType
from localorg.soql import Compiled, Query, ResultSet
from localorg.soql.ast import FieldPath, FieldsFunction, SelectItem, SubQuery

__all__ = ["readable", "records_of", "with_ids", "writable_row"]

_AGGREGATED = {"COUNT": FieldType.INT, "COUNT_DISTINCT": FieldType.INT, "AVG": FieldType.DOUBLE}


def with_ids(query: Query) -> Query:
    """A query of Apex brings the Id of every row, and of every parent it reads a field of, asked for or not."""
    if query.group_by or any(not isinstance(each.item, FieldPath | SubQuery) for each in query.select):
        return query
    heads: dict[tuple[str, ...], None] = {(): None}
    select: list[SelectItem] = []
    present: set[tuple[str, ...]] = set()
    for each in query.select:
        if isinstance(each.item, SubQuery):
            each = replace(each, item=replace(each.item, query=with_ids(each.item.query)))
        elif isinstance(each.item, FieldPath):
            parts = tuple(part.lower() for part in each.item.parts)
            if query.source.alias and parts[0] == query.source.alias.lower():
                return query
            present.add(parts)
            for length in range(1, len(parts)):
                heads.setdefault(tuple(each.item.parts[:length]))
        select.append(each)
    for head in heads:
        path = (*head, "Id")
        if tuple(part.lower() for part in path) not in present and not any(
            isinstance(s.item, FieldsFunction) for s in select
        ):
            select.append(SelectItem(FieldPath(path, 0)))
            present.add(tuple(part.lower() for part in path))
    return replace(query, select=tuple(select))


def records_of(result: ResultSet) -> Iterator[SObject]:
    """A result's rows as SObjects, as they are read."""
    build = readable(result.compiled)
    for record in result:
        yield build(record)


def readable(compiled: Compiled) -> Callable[[Mapping[str, Any]], SObject]:
    """What turns one row of a compiled query into an SObject."""
    plain: list[tuple[str, FieldType]] = []
    nested: dict[str, list[tuple[tuple[str, ...], FieldType]]] = {}
    for column in compiled.columns:
        kind = _AGGREGATED.get(column.function or "", column.type)
        if len(column.path) == 1:
            plain.append((column.path[0], kind))
        else:
            nested.setdefault(column.path[0], []).append((column.path[1:], kind))
    children = [
        (plan.relationship, readable(plan.compiled), Record(plan.compiled.sobject.api_name))
        for plan in compiled.children
    ]
    name_of_rows = "AggregateResult" if compiled.aggregate else compiled.sobject.api_name

    def build(row: Mapping[str, Any]) -> SObject:
        values = {name: from_engine(row[name], type_) for name, type_ in plain}
        for name, columns in nested.items():
            parent = row[name]
            values[name] = None if parent is None else _parent(parent, columns)
        for name, builder, child in children:
            values[name] = ApexList(child, [builder(each) for each in row[name] or ()])
        return SObject(name_of_rows, values, queried=True)

    return build


def _parent(row: Any, columns: list[tuple[tuple[str, ...], FieldType]]) -> SObject:
    values: dict[str, Any] = {}
    deeper: dict[str, list[tuple[tuple[str, ...], FieldType]]] = {}
    for path, kind in columns:
        if len(path) == 1:
            values[path[0]] = from_engine(row.get(path[0]), kind)
        else:
            deeper.setdefault(path[0], []).append((path[1:], kind))
    for name, below in deeper.items():
        parent = row.get(name)
        values[name] = None if parent is None else _parent(parent, below)
    return SObject(row.type, values, queried=True)


def writable_row(record: SObject, object_: SObjectType, *, insert: bool, key: str | None = None) -> dict[str, Any]:
    """What DML sends of a record: what was set, and of a queried record what was changed."""
    row: dict[str, Any] = {}
    for name, value in record.values.items():
        if isinstance(value, SObject):
            if not record.queried or name in record.changed:
                row[name] = {k: to_engine(v) for k, v in value.values.items()}
            continue
        if isinstance(value, ApexList):
            continue
        field = object_.get(name)
        if field is None or field.type.is_compound:
            continue
        known = name in ("Id", key)
        if record.queried and not insert and name not in record.changed and not known:
            continue
        if not field.updateable and not known and "Id" in record.values and not insert:
            continue  # read only once the row is there, and unchanged: the checker lets nobody assign it
        row[field.api_name] = to_engine(value)
    return row
