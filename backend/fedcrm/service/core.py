"""Everything a running service holds, put together once from its settings."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from fedcrm.errors import ServiceError, SettingsError, StorageError
from fedcrm.files import write_atomically
from fedcrm.privacy import Database
from fedcrm.secrets import SecretBox
from fedcrm.service import tables
from fedcrm.service.limits import Buckets
from fedcrm.service.logs import event
from fedcrm.service.messages import FeedbackRequest, seconds_of
from fedcrm.service.metrics import Metrics
from fedcrm.service.migrations import migrate
from fedcrm.service.registry import Registry
from fedcrm.service.settings import ServiceSettings
from fedcrm.service.tenants import Caller, Tenants
from fedcrm.service.tokens import TokenReader
from fedcrm.service.watch import Watch

__all__ = ["Service", "open_database"]


def open_database(settings: ServiceSettings) -> Database:
    """The service's database; its directory is made where it is missing. Raises SettingsError, StorageError."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"{settings.data}: {error.strerror}") from error
    return Database.open(settings.database or settings.data / "service.sqlite", create=not settings.database)


@dataclass(frozen=True)
class Service:
    """One service; `open` makes it, `close` gives its database back."""

    settings: ServiceSettings
    database: Database
    tenants: Tenants
    reader: TokenReader
    registry: Registry
    watch: Watch
    metrics: Metrics
    records: Buckets
    calls: Buckets
    failures: Buckets
    clock: Callable[[], float]

    @classmethod
    def open(cls, settings: ServiceSettings, *, clock: Callable[[], float] = time.time) -> Service:
        """Make the directory and bring the database to its newest shape where needed.

        Raises SettingsError, StorageError.
        """
        database = open_database(settings)
        migrate(database)
        tenants = Tenants(database, clock=clock)
        registry = Registry(database, settings.data / "models", SecretBox(settings.key_source()), clock=clock)
        return cls(
            settings,
            database,
            tenants,
            TokenReader(
                tenants,
                audience=settings.audience,
                seconds=settings.token_seconds,
                skew=settings.clock_skew_seconds,
                clock=clock,
            ),
            registry,
            Watch(
                database,
                registry,
                threshold=settings.threshold,
                drift_alert=settings.drift_alert,
                share_alert=settings.share_alert,
                fewest=settings.watch_records,
                clock=clock,
            ),
            Metrics(),
            Buckets(settings.records_per_minute),
            Buckets(settings.calls_per_minute),
            Buckets(settings.failures_per_minute),
            clock,
        )

    @staticmethod
    def make_storage_key(settings: ServiceSettings) -> bool:
        """A new storage key where the settings name a file that is not there yet. Returns whether one was made."""
        if settings.storage_key_command:
            return False
        path = settings.storage_key_file or settings.data / "storage.key"
        if path.exists():
            return False
        if (settings.data / "models").exists():
            raise SettingsError(f"{path}: the storage key is gone, and models sealed with it are here; bring it back")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, os.urandom(32).hex().encode() + b"\n", mode=0o600)
        return True

    def caller(self, api_key: str | None, bearer: str | None, address: str) -> Caller:
        """Who calls. Raises ServiceError (401, or 429 after many refusals from one address)."""
        if wait := self.failures.waits(address):
            raise ServiceError(429, "rate_limited", "Too many refused credentials; wait.", retry_after=wait)
        if api_key and bearer:
            caller, message = None, "Send a key or a token, not both."
        elif api_key:
            caller, message = self.tenants.caller_of(api_key), "The key is not known or no longer valid."
        elif bearer:
            caller, _ = self.reader.caller_of(bearer)
            message = "The token is not valid."
        else:
            caller, message = None, "A key (X-FedCRM-Key) or a signed token is needed."
        if caller is None:
            self.failures.take(address)
            self.metrics.refused.inc()
            raise ServiceError(401, "unauthorized", message)
        if wait := self.calls.take(caller.org_id):
            raise ServiceError(429, "rate_limited", "Too many calls in this minute.", retry_after=wait)
        return caller

    def store_feedback(self, caller: Caller, request: FeedbackRequest) -> int:
        """Keep opinions; a later one about the same score replaces the earlier. Returns how many.

        Raises ServiceError (404) for a model version the organisation never had, (400) for an impossible time.
        """
        f, now = tables.feedback.c, self.clock()
        known = {s.facts.version for s in self.registry.models(caller.org_id)}
        rows = []
        for opinion in request.feedback:
            if opinion.model_version not in known:
                raise ServiceError(404, "model_missing", f"There is no model {opinion.model_version}.")
            try:
                at = seconds_of(opinion.at)
            except ValueError:
                raise ServiceError(400, "invalid_request", "feedback.at: no such time.") from None
            rows.append((opinion, at))
        with self.database.writing() as connection:
            for opinion, at in rows:
                connection.execute(
                    sa.delete(tables.feedback).where(
                        f.org_id == caller.org_id,
                        f.pseudonym == opinion.pseudonym,
                        f.task == opinion.task,
                        f.model_version == opinion.model_version,
                    )
                )
                connection.execute(
                    sa.insert(tables.feedback).values(
                        org_id=caller.org_id,
                        pseudonym=opinion.pseudonym,
                        task=opinion.task,
                        model_version=opinion.model_version,
                        helpful=opinion.helpful,
                        reason=opinion.reason,
                        at=at,
                        received_at=now,
                    )
                )
        return len(rows)

    def keep_up(self) -> None:
        """Look for models that another process published. Raises StorageError."""
        self.registry.refresh()
        self.metrics.models.set(self.registry.count)

    def look(self) -> None:
        """Write down what the watch counted; alerts that stand are logged and counted. Raises StorageError."""
        self.watch.flush()
        standing = 0
        for org_id in self.registry.organisations:
            for report in self.watch.reports(org_id):
                standing += len(report.alerts)
                for alert in report.alerts:
                    event(
                        "alert",
                        level=logging.WARNING,
                        org=org_id,
                        version=report.version,
                        kind=alert.kind,
                        name=alert.name,
                        value=round(alert.value, 4),  # of counts, never of a record
                        limit=alert.limit,
                        offer_roll_back=report.offer_roll_back,
                    )
        self.metrics.alerts.set(standing)

    def record_audit(self, caller: Caller, action: str, target: str, request_id: str) -> None:
        """Write down what an administrator did."""
        with self.database.writing() as connection:
            connection.execute(
                sa.insert(tables.audit).values(
                    org_id=caller.org_id,
                    at=self.clock(),
                    user=caller.user[:255],
                    action=action,
                    target=target[:255],
                    request_id=request_id,
                )
            )

    def close(self) -> None:
        """Write down what the watch counted, and give the database back."""
        try:
            self.watch.flush()
        finally:
            self.database.close()
