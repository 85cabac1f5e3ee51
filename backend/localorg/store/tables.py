"""A table an object, a column a stored field, an index where a lookup or a key needs one.

Text compares without regard to case (SOQL's rule), ids and dates byte by byte. Dates are ISO text, so
their order is the order of time: `2026-11-24`, `2026-11-24T10:00:00.000+0000`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from localorg.schema import Field, FieldType, Schema, SObjectType

__all__ = ["add_column", "column_type", "create_table", "drop_column", "quoted", "reconcile", "retype_column"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(name: str) -> str:
    """An identifier for SQL. Only names made of letters, digits and underscores exist here.

    Raises ValueError on any other.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not an API name: {name!r}")
    return f'"{name}"'


def column_type(field: Field) -> str:
    """SQLite's type and collation for a field."""
    if field.type in (FieldType.BOOLEAN, FieldType.INT):
        return "INTEGER"
    if field.type.is_number:
        return "REAL"
    if field.type.is_text and not field.case_sensitive:
        return "TEXT COLLATE NOCASE"
    return "TEXT"


def create_table(connection: sqlite3.Connection, sobject: SObjectType) -> None:
    """Make the object's table and its indexes."""
    columns = ", ".join(_column(field) for field in sobject if field.stored)
    connection.execute(f"CREATE TABLE {quoted(sobject.api_name)} ({columns})")
    for field in sobject:
        _index(connection, sobject, field)


def add_column(connection: sqlite3.Connection, sobject: SObjectType, field: Field) -> None:
    """Add a field's column; rows there are get its default where null is not allowed."""
    if not field.stored:
        return
    table = quoted(sobject.api_name)
    connection.execute(f"ALTER TABLE {table} ADD COLUMN {_column(field)}")
    if field.type is FieldType.BOOLEAN:
        connection.execute(f"UPDATE {table} SET {quoted(field.api_name)} = ?", (int(bool(field.default)),))  # noqa: S608 -- quoted() admits API names only
    _index(connection, sobject, field)


def drop_column(connection: sqlite3.Connection, sobject: SObjectType, field: Field) -> None:
    """Remove a field's column with its index."""
    if not field.stored:
        return
    connection.execute(f"DROP INDEX IF EXISTS {_index_name(sobject, field)}")
    connection.execute(f"ALTER TABLE {quoted(sobject.api_name)} DROP COLUMN {quoted(field.api_name)}")


def retype_column(connection: sqlite3.Connection, sobject: SObjectType, old: Field, new: Field) -> None:
    """Keep the values, in the column type of the new definition."""
    if old.stored and new.stored and column_type(old) == column_type(new):
        _index(connection, sobject, new)
        return
    if old.stored and new.stored:
        table, name, aside = quoted(sobject.api_name), quoted(new.api_name), quoted(f"_{new.api_name}")
        connection.execute(f"DROP INDEX IF EXISTS {_index_name(sobject, old)}")
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {name} TO {aside}")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {_column(new)}")
        connection.execute(f"UPDATE {table} SET {name} = {aside}")  # noqa: S608 -- quoted() admits API names only
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {aside}")
        _index(connection, sobject, new)
        return
    drop_column(connection, sobject, old)
    add_column(connection, sobject, new)


def reconcile(connection: sqlite3.Connection, schema: Schema) -> None:
    """Make whatever tables and columns the schema has and the file lacks."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for sobject in schema:
        if sobject.virtual:
            continue
        if sobject.api_name not in there:
            create_table(connection, sobject)
            continue
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({quoted(sobject.api_name)})")}
        for field in _absent(sobject, columns):
            add_column(connection, sobject, field)


def _absent(sobject: SObjectType, columns: set[str]) -> Iterable[Field]:
    return (field for field in sobject if field.stored and field.api_name not in columns)


def _column(field: Field) -> str:
    key = " PRIMARY KEY" if field.type is FieldType.ID else ""
    return f"{quoted(field.api_name)} {column_type(field)}{key}"


def _index(connection: sqlite3.Connection, sobject: SObjectType, field: Field) -> None:
    needed = field.type is FieldType.REFERENCE or field.unique or field.external_id
    if not needed or not field.stored or field.api_name in _UNINDEXED:
        return
    connection.execute(
        f"CREATE INDEX IF NOT EXISTS {_index_name(sobject, field)} "
        f"ON {quoted(sobject.api_name)} ({quoted(field.api_name)})"
    )


def _index_name(sobject: SObjectType, field: Field) -> str:
    return quoted(f"ix_{sobject.api_name}_{field.api_name}")


# Nearly every row holds the same few values: an index would cost each write and help no read.
_UNINDEXED = frozenset({"CreatedById", "LastModifiedById", "RecordTypeId"})
