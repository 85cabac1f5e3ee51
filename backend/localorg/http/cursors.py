"""Cursors of REST queries: whose they are, and the results still open behind them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from localorg.serverfile import ServerFile
from localorg.soql import ResultSet

__all__ = ["Cursor", "Cursors"]

_OPEN_RESULTS = 16  # results kept open, over all orgs
_CURSORS_A_USER = 10  # the platform's: an older one is forgotten when another begins
_LIFE = 2 * 86_400.0  # s


@dataclass(frozen=True, slots=True)
class Cursor:
    """A query being paged through by one user."""

    id: str
    org_id: str
    user_id: str
    soql: str
    deleted: bool
    total: int
    page: int


class Cursors:
    """Every org's cursors, and the results still open, each at the row its next page begins with."""

    def __init__(self, file: ServerFile) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS cursor (id TEXT PRIMARY KEY, org_id TEXT NOT NULL, user_id TEXT NOT NULL, "
            "soql TEXT NOT NULL, deleted INTEGER NOT NULL, total INTEGER NOT NULL, page INTEGER NOT NULL, "
            "used REAL NOT NULL)"
        )
        self._file = file
        self._open: OrderedDict[tuple[str, int], ResultSet] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, cursor: Cursor, now: float) -> None:
        """Remember a cursor; the user's oldest beyond ten goes."""
        with self._file.atomically():
            self._file.execute(
                "INSERT INTO cursor VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (cursor.id, cursor.org_id, cursor.user_id, cursor.soql, cursor.deleted, cursor.total, cursor.page, now),
            )
            self._file.execute(
                "DELETE FROM cursor WHERE org_id = ? AND user_id = ? AND id NOT IN "
                "(SELECT id FROM cursor WHERE org_id = ? AND user_id = ? ORDER BY used DESC, rowid DESC LIMIT ?)",
                (cursor.org_id, cursor.user_id, cursor.org_id, cursor.user_id, _CURSORS_A_USER),
            )

    def get(self, cursor_id: str, org_id: str, user_id: str, now: float) -> Cursor | None:
        """The user's own cursor of that id."""
        row = self._file.row(
            "SELECT id, org_id, user_id, soql, deleted, total, page FROM cursor "
            "WHERE id = ? AND org_id = ? AND user_id = ? AND used > ?",
            (cursor_id, org_id, user_id, now - _LIFE),
        )
        if row is None:
            return None
        self._file.execute("UPDATE cursor SET used = ? WHERE id = ?", (now, cursor_id))
        return Cursor(row[0], row[1], row[2], row[3], bool(row[4]), row[5], row[6])

    def forget(self, cursor_id: str) -> None:
        """Close a cursor."""
        self._file.execute("DELETE FROM cursor WHERE id = ?", (cursor_id,))

    def keep(self, cursor_id: str, at: int, result: ResultSet) -> None:
        """Leave a result open, its next record being number `at`."""
        with self._lock:
            self._open[cursor_id, at] = result
            while len(self._open) > _OPEN_RESULTS:
                self._open.popitem(last=False)[1].close()

    def take(self, cursor_id: str, at: int) -> ResultSet | None:
        """The open result that stands at record `at`, if there is one."""
        with self._lock:
            return self._open.pop((cursor_id, at), None)

    def close_all(self) -> None:
        """Close every open result; the cursors stay."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
