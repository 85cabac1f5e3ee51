"""Sessions: `<15-character org id>!<secret>`, kept as a hash, ended by time or by revocation.

A token names its org, so one address serves many orgs; whoever puts another org's id in front of a token
has made an unknown token. Refresh tokens live in the same table and open nothing but the token endpoint.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from localorg.access import Context
from localorg.org import Org
from localorg.serverfile import ServerFile

__all__ = ["Grant", "Session", "Sessions", "Use"]

LIFE = dt.timedelta(hours=2)  # without use, the platform's default
REFRESH_LIFE = dt.timedelta(days=365)
_TOUCH_EVERY = dt.timedelta(minutes=5)


class Use(StrEnum):
    """What a token opens."""

    ACCESS = "access"
    REFRESH = "refresh"
    CODE = "code"  # of a new scratch org, exchanged once


@dataclass(frozen=True, slots=True)
class Grant:
    """What a stored token stands for. org_id, user_id: 18 characters. consumer_key: who it was issued to, or ""."""

    org_id: str
    user_id: str
    consumer_key: str
    scope: str


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in caller: their org, and who they are in it."""

    org: Org
    context: Context
    grant: Grant


class Sessions:
    """Issues, finds and ends tokens; nothing on disk can be used as one."""

    def __init__(
        self, file: ServerFile, now: Callable[[], dt.datetime], random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS session (digest TEXT PRIMARY KEY, use TEXT NOT NULL, org_id TEXT NOT NULL, "
            "user_id TEXT NOT NULL, consumer_key TEXT NOT NULL, scope TEXT NOT NULL, expires REAL NOT NULL) "
            "WITHOUT ROWID",
            "CREATE INDEX IF NOT EXISTS session_user ON session (org_id, user_id)",
        )
        self._file = file
        self._now = now
        self._random_bytes = random_bytes
        # A busy client's token is looked up once, not a thousand times a second.
        self._fresh: dict[str, tuple[Grant, dt.datetime]] = {}
        self._lock = threading.Lock()

    def issue(self, grant: Grant, use: Use = Use.ACCESS) -> str:
        """A new token; the only time it is readable."""
        secret = base64.b64encode(self._random_bytes(72), altchars=b"._").decode()
        token = f"{grant.org_id[:15]}!AQ{secret}" if use is Use.ACCESS else f"5Aep{secret}"
        expires = self._now() + (REFRESH_LIFE if use is Use.REFRESH else LIFE)
        self._file.execute(
            "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)",
            (_digest(token), use, grant.org_id, grant.user_id, grant.consumer_key, grant.scope, expires.timestamp()),
        )
        return token

    def find(self, token: str, use: Use = Use.ACCESS) -> Grant | None:
        """What the token stands for; None: unknown, ended, or of another use. Use prolongs an access token."""
        digest, now = _digest(token), self._now()
        with self._lock:
            held = self._fresh.get(digest)
        if held is not None and use is Use.ACCESS and abs(now - held[1]) < _TOUCH_EVERY:
            return held[0]
        row = self._file.row(
            "SELECT org_id, user_id, consumer_key, scope, expires FROM session WHERE digest = ? AND use = ?",
            (digest, use),
        )
        if row is None or row[4] < now.timestamp():
            self._forget(digest)
            return None
        grant = Grant(*row[:4])
        if use is Use.ACCESS:
            if not token.startswith(grant.org_id[:15] + "!"):
                return None
            self._file.execute("UPDATE session SET expires = ? WHERE digest = ?", ((now + LIFE).timestamp(), digest))
            with self._lock:
                self._fresh[digest] = (grant, now)
        return grant

    def end(self, token: str) -> bool:
        """End one token, of either use; a refresh token takes its user's access tokens of that consumer along."""
        digest = _digest(token)
        row = self._file.row("SELECT use, org_id, user_id, consumer_key FROM session WHERE digest = ?", (digest,))
        if row is None:
            return False
        self._file.execute("DELETE FROM session WHERE digest = ?", (digest,))
        if row[0] == Use.REFRESH:
            self._file.execute("DELETE FROM session WHERE org_id = ? AND user_id = ? AND consumer_key = ?", row[1:])
            self._forget()
        self._forget(digest)
        return True

    def end_all(self, org_id: str, user_id: str | None = None) -> None:
        """End every token of an org, or of one user in it."""
        if user_id is None:
            self._file.execute("DELETE FROM session WHERE org_id = ?", (org_id,))
        else:
            self._file.execute("DELETE FROM session WHERE org_id = ? AND user_id = ?", (org_id, user_id))
        self._forget()

    def _forget(self, digest: str | None = None) -> None:
        with self._lock:
            if digest is None:
                self._fresh.clear()
            else:
                self._fresh.pop(digest, None)


def _digest(token: str) -> str:
    # 72 random bytes need no salt and no stretching.
    return hashlib.sha256(token.encode()).hexdigest()
