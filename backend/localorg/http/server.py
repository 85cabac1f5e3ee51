"""Everything one process serves: the orgs of a data directory and what is remembered about their callers."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.ages import SchemaAges
from localorg.http.clock import kept_clock
from localorg.http.consumers import Consumer, Consumers
from localorg.http.cursors import Cursors
from localorg.http.engines import Engines
from localorg.http.faults import Faults
from localorg.http.jobs import Jobs
from localorg.http.sessions import Grant, Session, Sessions
from localorg.http.usage import Usage
from localorg.http.users import UserFacts, user_by_name
from localorg.org import Org
from localorg.registry import OrgEntry, Registry
from localorg.serverfile import ServerFile
from localorg.tls import key_pair

if TYPE_CHECKING:
    from localorg.http.calls import Call

__all__ = ["OrgKeys", "Server"]

ADMIN_APP = "localorg admin"
_WORKERS = 2  # bulk jobs and deployments at a time, over all orgs


@dataclass(frozen=True, slots=True)
class OrgKeys:
    """What a tool needs to log in to one org, beside its address."""

    entry: OrgEntry
    consumer_key: str
    key_file: Path


class Server:
    """The process's state. Every part is thread-safe; handlers get at it through their Call."""

    def __init__(
        self,
        directory: Path,
        *,
        engines: Engines | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.directory = directory
        self.file = ServerFile(directory / "server.sqlite")
        self.file.define(
            "CREATE TABLE IF NOT EXISTS password (user_id TEXT PRIMARY KEY, salt BLOB NOT NULL, digest BLOB NOT NULL)"
        )
        self.clock = kept_clock(self.file)
        self.engines = engines or Engines()
        self.registry = Registry(directory, self.file, self.clock)
        self.sessions = Sessions(self.file, self.clock.now, random_bytes)
        self.consumers = Consumers(self.file)
        self.ages = SchemaAges(self.clock)
        self.faults = Faults()
        self.usage = Usage(self.file, self.clock.now)
        self.jobs = Jobs(self.file, directory / "results", self.clock.now)
        self.cursors = Cursors(self.file)
        self.work = ThreadPoolExecutor(_WORKERS, thread_name_prefix="job")
        self.answer_within: Callable[[Call], Response] = _not_served
        self._random_bytes = random_bytes

    def create_org(
        self, alias: str, *, namespace: str | None = None, hub: str = "", expires_at: dt.datetime | None = None
    ) -> OrgKeys:
        """Make an org with a consumer of its own, whose key lies in `keys/<alias>.key`; its admin is approved."""
        entry = self.registry.create(alias, namespace=namespace, hub=hub, expires_at=expires_at)
        pair = key_pair(self._key_file(alias), f"{alias} admin", now=self.clock.now())
        consumer_key, _ = self.new_credentials()
        self.consumers.register(Consumer(consumer_key, entry.org_id, ADMIN_APP, pair.certificate, entry.user_id))
        self.consumers.approve(consumer_key, entry.user_id)
        return OrgKeys(entry, consumer_key, pair.key_file)

    def new_credentials(self) -> tuple[str, str]:
        """A key and a secret for an app."""
        return f"3MVG9{self._random_bytes(40).hex()}", self._random_bytes(32).hex().upper()

    def keys(self, entry: OrgEntry) -> OrgKeys:
        """How the admin of an org logs in."""
        (consumer,) = [c for c in self.consumers.of(entry.org_id) if c.label == ADMIN_APP]
        return OrgKeys(entry, consumer.consumer_key, self._key_file(entry.alias))

    def admin_token(self, entry: OrgEntry) -> str:
        """A fresh session of the org's admin."""
        return self.sessions.issue(Grant(entry.org_id, entry.user_id, self.keys(entry).consumer_key, "api"))

    def remove_org(self, org_id: str) -> None:
        """Delete an org with its sessions, apps, jobs and files."""
        entry = self.registry.entry(org_id)
        if entry is None:
            return
        self.sessions.end_all(entry.org_id)
        self.consumers.remove_all(entry.org_id)
        self.jobs.remove_all(entry.org_id)
        self.registry.remove(entry.org_id)
        self._key_file(entry.alias).unlink(missing_ok=True)

    def remove_expired(self) -> None:
        """Delete the scratch orgs whose days are over."""
        for entry in self.registry.entries():
            if self.registry.expired(entry.org_id):
                self.remove_org(entry.org_id)

    def session(self, token: str) -> Session | None:
        """Who comes with this token; None: nobody we know."""
        grant = self.sessions.find(token) if token else None
        org = None if grant is None else self.registry.org(grant.org_id)
        if grant is None or org is None or self.registry.expired(grant.org_id):
            return None
        return Session(org, org.context_for(grant.user_id), grant)

    def admit_to(self, call: Call) -> None:
        """Count a signed-in call against its org's day; raises OrgError when the day is used up."""
        counts = call.path.startswith("/services/") and not call.path.startswith("/services/oauth2/")
        if counts and not self.usage.count(call.org.org_id):
            raise OrgError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)

    def host_fits(self, call: Call, org: Org) -> bool:
        """`<alias>.localhost` belongs to that org alone; every other name serves all."""
        host = call.headers.get("host", "").rsplit(":", 1)[0].lower()
        return not host.endswith(".localhost") or host == f"{org.alias.lower()}.localhost"

    def set_password(self, user_id: str, password: str) -> None:
        """Remember a user's password, as its scrypt digest."""
        salt = self._random_bytes(16)
        self.file.execute("INSERT OR REPLACE INTO password VALUES (?, ?, ?)", (user_id, salt, _stretch(password, salt)))

    def with_password(self, org: Org, username: str, password: str) -> UserFacts | None:
        """The active user of that name and password, or None."""
        user = user_by_name(org, username)
        row = None
        if user is not None and user.active:
            row = self.file.row("SELECT salt, digest FROM password WHERE user_id = ?", (user.user_id,))
        if row is None or not hmac.compare_digest(row[1], _stretch(password, row[0])):
            return None
        return user

    def close(self) -> None:
        """Let running jobs end, then close every file."""
        self.work.shutdown(wait=True, cancel_futures=True)
        self.cursors.close_all()
        self.registry.close()
        self.file.close()

    def _key_file(self, alias: str) -> Path:
        return self.directory / "keys" / f"{alias}.key"


def _not_served(_: Call) -> Response:
    raise RuntimeError("no App serves this server yet")


def _stretch(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 12, r=8, p=1)
