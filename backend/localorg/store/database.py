"""One org's SQLite file: a connection that writes at a time, any number that read, all of it in one WAL.

A reader sees the last commit before its statement began; the writer sees its own rows. What was committed
survives the process being killed.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localorg.errors import OrgError
from localorg.store.functions import register
from localorg.store.ids import instance_code, make_ids

__all__ = ["Store"]

_IDLE_READERS = 3
_LOCK_SECONDS = 30.0

_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS _setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _sequence (name TEXT PRIMARY KEY, next INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _object (name TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _bin (root TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL, field TEXT);
CREATE INDEX IF NOT EXISTS _bin_root ON _bin (root);
"""


class Store:
    """The file of one org.

    number: tells this org's record ids from those of every other one; 0 <= number < 3844.
    """

    def __init__(self, path: Path, *, number: int) -> None:
        self.path = path
        self._instance = instance_code(number)
        self._idle: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False
        self._writer = self._connect()
        self._writer.executescript(_OWN_TABLES)

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement at a time, given back on exit."""
        with self._guard:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            with self._guard:
                keep = not self._closed and len(self._idle) < _IDLE_READERS
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def begin(self) -> sqlite3.Connection:
        """The connection that writes, in a transaction; the caller commits or rolls back through the store.

        Raises OrgError UNABLE_TO_LOCK_ROW where another transaction holds it too long.
        """
        if not self._writing.acquire(timeout=_LOCK_SECONDS):
            raise OrgError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", status=400)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._writing.release()
            raise
        return self._writer

    def commit(self, settle: Callable[[], None] = lambda: None) -> None:
        """Keep what the open transaction wrote.

        settle: called once it is kept and before another transaction may begin.
        """
        try:
            self._writer.execute("COMMIT")
            settle()
        finally:
            self._writing.release()

    def roll_back(self) -> None:
        """Forget what the open transaction wrote, schema included."""
        try:
            self._writer.execute("ROLLBACK")
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every idle connection; readers still open close as they finish."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()

    def next_ids(self, connection: sqlite3.Connection, prefix: str, count: int) -> list[str]:
        """`count` new record ids with that key prefix; their sequence is part of the transaction."""
        return make_ids(prefix, self._instance, self.next_number(connection, prefix, count), count)

    def next_number(self, connection: sqlite3.Connection, name: str, count: int = 1) -> int:
        """The first of `count` consecutive numbers of a named sequence, from 1 on."""
        row = connection.execute(
            "INSERT INTO _sequence VALUES (?, ? + 1) ON CONFLICT (name) DO UPDATE SET next = next + ? RETURNING next",
            (name, count, count),
        ).fetchone()
        return int(row[0]) - count

    def setting(self, connection: sqlite3.Connection, key: str) -> Any:
        """A JSON value kept under a key; None where there is none."""
        row = connection.execute("SELECT value FROM _setting WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def settings(self, connection: sqlite3.Connection, prefix: str) -> dict[str, Any]:
        """Every JSON value whose key begins with `prefix`, by key."""
        end = prefix + "\U0010ffff"
        rows = connection.execute("SELECT key, value FROM _setting WHERE key >= ? AND key < ?", (prefix, end))
        return {key: json.loads(value) for key, value in rows}

    def put_setting(self, connection: sqlite3.Connection, key: str, value: Any) -> None:
        """Keep a JSON value under a key; None removes it."""
        if value is None:
            connection.execute("DELETE FROM _setting WHERE key = ?", (key,))
            return
        connection.execute(
            "INSERT INTO _setting VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, json.dumps(value)),
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=_LOCK_SECONDS, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        register(connection)
        return connection
