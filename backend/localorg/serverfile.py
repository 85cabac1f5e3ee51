"""The server's own memory, apart from every org's: one small SQLite file a data directory.

Which orgs there are, who may log in, sessions, jobs, cursors. An org's records never come here, so that
a bulk load in one org's file never makes a login in another wait.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ServerFile"]


class ServerFile:
    """One SQLite connection (WAL) behind a lock; each statement is a transaction unless `atomically` says more."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # A commit survives the process; only a power cut may lose the last ones, never tear the file.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA busy_timeout=5000")

    def define(self, *statements: str) -> None:
        """CREATE TABLE IF NOT EXISTS and the like, by whoever owns the table."""
        with self._lock:
            for statement in statements:
                self._connection.execute(statement)

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run one writing statement; returns how many rows it touched."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a reading statement."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a reading statement, or None."""
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return found

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """Several statements, all of them or none; nests."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; whoever uses it afterwards gets sqlite3.ProgrammingError."""
        with self._lock:
            self._connection.close()
