"""What a write works in: the open transaction, the schema, whose rights hold, what time it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from localorg.access import Context, Mode, Rights
from localorg.records.outcomes import SavedBatch
from localorg.schema import Schema, SObjectType
from localorg.store import Store, quoted

__all__ = ["Session", "chunks"]

_CHUNK = 5000


@dataclass
class Session:
    """One write's surroundings.

    now:   the org's time, as stored.
    today: the day in the user's time zone, as stored.
    hooks: told of every saved batch before the write is answered; they may refuse rows.
    """

    store: Store
    connection: sqlite3.Connection
    schema: Schema
    context: Context
    rights: Rights
    now: str
    today: str
    organization_id: str
    hooks: Sequence[Callable[[SavedBatch], None]] = ()
    batches: list[SavedBatch] = field(default_factory=list)

    @property
    def user_mode(self) -> bool:
        """Whether the user's object and field rights hold."""
        return self.context.mode is Mode.USER

    def tell(self, batch: SavedBatch) -> None:
        """Keep a saved batch, and let the hooks see it."""
        self.batches.append(batch)
        for hook in self.hooks:
            hook(batch)

    def rows(self, sobject: SObjectType, ids: Iterable[str], *, deleted: bool = False) -> dict[str, dict[str, Any]]:
        """Stored rows by id; those in the recycle bin only if asked for."""
        test = "" if deleted or not sobject.soft_deletes else " AND IsDeleted = 0"
        sql = f"SELECT * FROM {quoted(sobject.api_name)} WHERE Id IN (SELECT value FROM json_each(?)){test}"  # noqa: S608 -- quoted() admits API names only
        found = {}
        for part in chunks(list(ids)):
            cursor = self.connection.execute(sql, (json.dumps(part),))
            names = [column[0] for column in cursor.description]
            at = names.index("Id")
            found.update({row[at]: dict(zip(names, row, strict=True)) for row in cursor})
        return found

    def matching(self, sobject: SObjectType, column: str, values: Iterable[Any]) -> Iterator[tuple[Any, str]]:
        """(value, row id) of every row, not deleted, whose column holds one of the values."""
        test = " AND IsDeleted = 0" if sobject.soft_deletes else ""
        name = quoted(column)
        sql = (
            f"SELECT {name}, Id FROM {quoted(sobject.api_name)} WHERE {name} IN (SELECT value FROM json_each(?)){test}"  # noqa: S608 -- quoted() admits API names only
        )
        for part in chunks(list(values)):
            yield from self.connection.execute(sql, (json.dumps(part),))


def chunks(items: list[Any]) -> Iterator[list[Any]]:
    """The list in parts that one parameter carries well."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
