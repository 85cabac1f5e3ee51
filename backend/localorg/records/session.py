"""What a write works in: the open transaction, the schema, whose rights hold, what time it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localorg.access import Context, Mode, Rights, visible_rows
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

    @property
    def platform_mode(self) -> bool:
        """Whether what is read only for everyone may be written."""
        return self.context.mode is Mode.PLATFORM

    def moment_of(self, changes: Mapping[str, Any]) -> str:
        """When a change happened, as stored: now, unless the platform itself says when it was made."""
        return str(changes.get("LastModifiedDate") or self.now) if self.platform_mode else self.now

    def tell(self, batch: SavedBatch) -> None:
        """Keep a saved batch, and let the hooks see it."""
        self.batches.append(batch)
        for hook in self.hooks:
            hook(batch)

    def rows(self, sobject: SObjectType, ids: Iterable[str], *, deleted: bool = False) -> dict[str, dict[str, Any]]:
        """Stored rows by id; those in the recycle bin only if asked for."""
        test = "" if deleted or not sobject.soft_deletes else " AND IsDeleted = 0"
        names = [item.api_name for item in sobject if item.stored]  # the id is always the first
        columns = ", ".join(quoted(name) for name in names)
        sql = f"SELECT {columns} FROM {quoted(sobject.api_name)} WHERE Id IN (SELECT value FROM json_each(?)){test}"  # noqa: S608 -- quoted() admits API names only
        found = {}
        for part in chunks(list(ids)):
            rows = self.connection.execute(sql, (json.dumps(part),))
            found.update({row[0]: dict(zip(names, row, strict=True)) for row in rows})
        return found

    def visible(self, sobject: SObjectType, ids: list[str], *, to_edit: bool = False) -> set[str] | None:
        """Which of the rows the user may see, or change; None where that is all of them."""
        parameters: list[object] = []

        def bind(value: object) -> str:
            parameters.append(value)
            return f"?{len(parameters) + 1}"

        seen = visible_rows(self.schema, sobject, "t0", self.context, self.rights, bind, to_edit=to_edit)
        if seen is None:
            return None
        sql = f"SELECT Id FROM {quoted(sobject.api_name)} t0 WHERE Id IN (SELECT value FROM json_each(?1)) AND {seen}"  # noqa: S608 -- quoted() admits API names only
        found: set[str] = set()
        for part in chunks(ids):
            found.update(row[0] for row in self.connection.execute(sql, (json.dumps(part), *parameters)))
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
