"""API calls counted a day and org, as `Sforce-Limit-Info` and `limits` state them.

The platform's window is a rolling 24 hours; ours is the UTC day, which is what a client can tell apart least.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

from localorg.serverfile import ServerFile

__all__ = ["Usage"]

DAILY_CALLS = 100_000  # an Enterprise org without licences
_WRITE_EVERY = 50  # calls: what a crash may forget


class Usage:
    """Counts in memory, written down every so often."""

    def __init__(self, file: ServerFile, now: Callable[[], dt.datetime]) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS usage (org_id TEXT, day TEXT, calls INTEGER NOT NULL, "
            "PRIMARY KEY (org_id, day)) WITHOUT ROWID",
            "CREATE TABLE IF NOT EXISTS allowance (org_id TEXT PRIMARY KEY, daily_calls INTEGER NOT NULL)",
        )
        self._file = file
        self._now = now
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], int] = {}
        self._allowed: dict[str, int] = {}

    def count(self, org_id: str) -> bool:
        """Count one call; False: the day's calls are used up and it must be refused."""
        with self._lock:
            key = self._key(org_id)
            used = self._used(key)
            if used >= self._allowance(org_id):
                return False
            self._calls[key] = used + 1
            if (used + 1) % _WRITE_EVERY == 0:
                self._file.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?)", (*key, used + 1))
            return True

    def used(self, org_id: str) -> int:
        """Calls counted today."""
        with self._lock:
            return self._used(self._key(org_id))

    def allowed(self, org_id: str) -> int:
        """Calls a day."""
        with self._lock:
            return self._allowance(org_id)

    def allow(self, org_id: str, daily_calls: int) -> None:
        """Set the org's calls a day."""
        with self._lock:
            self._allowed[org_id] = daily_calls
            self._file.execute("INSERT OR REPLACE INTO allowance VALUES (?, ?)", (org_id, daily_calls))

    def _key(self, org_id: str) -> tuple[str, str]:
        return org_id, self._now().date().isoformat()

    def _used(self, key: tuple[str, str]) -> int:
        if key not in self._calls:
            row = self._file.row("SELECT calls FROM usage WHERE org_id = ? AND day = ?", key)
            self._calls[key] = 0 if row is None else int(row[0])
        return self._calls[key]

    def _allowance(self, org_id: str) -> int:
        if org_id not in self._allowed:
            row = self._file.row("SELECT daily_calls FROM allowance WHERE org_id = ?", (org_id,))
            self._allowed[org_id] = DAILY_CALLS if row is None else int(row[0])
        return self._allowed[org_id]
