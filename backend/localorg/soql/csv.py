"""A query's answer as the Bulk APIs write it, made by the database: one finished line of CSV a row.

Every value stands in quotes, null is empty, booleans are true and false, moments end in `Z`. Building the
line in SQL is what makes a hundred thousand rows of forty columns a matter of a second.
"""

from __future__ import annotations

from localorg.schema import FieldType
from localorg.soql.compile import Column, Compiled

__all__ = ["csv_header", "csv_sql"]

_AT_ONCE = 60  # SQLite's format() takes no more than 127 arguments


def csv_header(compiled: Compiled, delimiter: str = ",") -> str:
    """The first line, without its end: the columns' dotted paths."""
    return delimiter.join('"' + column.name.replace('"', '""') + '"' for column in compiled.columns)


def csv_sql(compiled: Compiled, delimiter: str = ",") -> str:
    """The statement whose only column is a row's line; it takes the parameters of the compiled one.

    Raises ValueError where the query has sub-queries, or the delimiter is no single character.
    """
    if compiled.children or len(delimiter) != 1:
        raise ValueError("a line of CSV holds no sub-query, and one character between its values")
    pieces = []
    for start in range(0, len(compiled.columns), _AT_ONCE):
        part = compiled.columns[start : start + _AT_ONCE]
        marks = _quoted_literal(delimiter.join(['"%w"'] * len(part)))
        pieces.append(f"format({marks}, {', '.join(_shown(column) for column in part)})")
    line = f" || {_quoted_literal(delimiter)} || ".join(pieces)
    return f"SELECT {line}{compiled.body}"


def _quoted_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _shown(column: Column) -> str:
    sql = column.sql
    if column.type is FieldType.BOOLEAN:
        sql = f"CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
    elif column.type is FieldType.DATETIME:
        sql = f"substr({sql}, 1, 23) || 'Z'"
    elif column.type in (FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT):
        # Fifteen digits where they say it all, seventeen where they do not: the reader gets the same number.
        short = f"CAST(CAST({sql} AS TEXT) AS REAL)"
        sql = f"CASE WHEN {sql} IS NULL OR {short} = {sql} THEN {sql} ELSE format('%!.17g', {sql}) END"
    return f"coalesce({sql}, '')"
