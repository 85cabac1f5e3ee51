"""Consumers: the external client apps that may ask an org for tokens, and whom an admin approved for each.

A consumer belongs to one org. JWT bearer needs its certificate, client credentials its secret and a run-as
user; both need the user to be approved beforehand (the platform's "Admin approved users are pre-authorized").
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from localorg.serverfile import ServerFile

__all__ = ["Consumer", "Consumers"]

_COLUMNS = "consumer_key, org_id, label, certificate, run_as, permission_sets"


@dataclass(frozen=True, slots=True)
class Consumer:
    """One app of one org.

    certificate:     PEM, or "" where it cannot use JWT.
    run_as:          user id for client credentials, or "".
    permission_sets: names of those whose holders are approved.
    """

    consumer_key: str
    org_id: str
    label: str
    certificate: str = ""
    run_as: str = ""
    permission_sets: tuple[str, ...] = ()

    def certificate_valid_at(self, moment: dt.datetime) -> bool:
        """Whether the uploaded certificate exists and covers `moment`."""
        if not self.certificate:
            return False
        held = x509.load_pem_x509_certificate(self.certificate.encode())
        return held.not_valid_before_utc <= moment <= held.not_valid_after_utc


class Consumers:
    """The register, in the server's file; secrets only as hashes."""

    def __init__(self, file: ServerFile) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS consumer (consumer_key TEXT PRIMARY KEY, org_id TEXT NOT NULL, "
            "label TEXT NOT NULL, certificate TEXT NOT NULL, run_as TEXT NOT NULL, permission_sets TEXT NOT NULL, "
            "secret TEXT NOT NULL DEFAULT '')",
            "CREATE TABLE IF NOT EXISTS approval (consumer_key TEXT NOT NULL, user_id TEXT NOT NULL, "
            "PRIMARY KEY (consumer_key, user_id)) WITHOUT ROWID",
        )
        self._file = file

    def register(self, consumer: Consumer, secret: str | None = None) -> None:
        """Add the app, or replace what is known of it; `secret` None leaves an earlier one."""
        self._file.execute(
            f"INSERT INTO consumer ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608 - a constant
            "ON CONFLICT (consumer_key) DO UPDATE SET label = excluded.label, certificate = excluded.certificate, "
            "run_as = excluded.run_as, permission_sets = excluded.permission_sets WHERE org_id = excluded.org_id",
            (
                consumer.consumer_key,
                consumer.org_id,
                consumer.label,
                consumer.certificate,
                consumer.run_as,
                ",".join(consumer.permission_sets),
            ),
        )
        if secret is not None:
            self._file.execute(
                "UPDATE consumer SET secret = ? WHERE consumer_key = ?", (_digest(secret), consumer.consumer_key)
            )

    def find(self, consumer_key: str) -> Consumer | None:
        """The app with this key."""
        row = self._file.row(
            f"SELECT {_COLUMNS} FROM consumer WHERE consumer_key = ?",  # noqa: S608 - a constant
            (consumer_key,),
        )
        return None if row is None else _consumer(row)

    def of(self, org_id: str) -> list[Consumer]:
        """An org's apps, oldest first."""
        return [
            _consumer(row)
            for row in self._file.rows(
                f"SELECT {_COLUMNS} FROM consumer WHERE org_id = ? ORDER BY rowid",  # noqa: S608 - a constant
                (org_id,),
            )
        ]

    def secret_matches(self, consumer: Consumer, secret: str) -> bool:
        """Whether `secret` is the app's, in constant time."""
        row = self._file.row("SELECT secret FROM consumer WHERE consumer_key = ?", (consumer.consumer_key,))
        return row is not None and row[0] != "" and hmac.compare_digest(row[0], _digest(secret))

    def approve(self, consumer_key: str, user_id: str) -> None:
        """Pre-authorise the user for the app."""
        self._file.execute("INSERT OR IGNORE INTO approval VALUES (?, ?)", (consumer_key, user_id))

    def approved(self, consumer: Consumer, user_id: str) -> bool:
        """Whether the user is pre-authorised for the app by name; permission sets are the org's to ask about."""
        found = self._file.row(
            "SELECT 1 FROM approval WHERE consumer_key = ? AND user_id = ?", (consumer.consumer_key, user_id)
        )
        return found is not None

    def remove_all(self, org_id: str) -> None:
        """Forget an org's apps and approvals."""
        with self._file.atomically():
            self._file.execute(
                "DELETE FROM approval WHERE consumer_key IN (SELECT consumer_key FROM consumer WHERE org_id = ?)",
                (org_id,),
            )
            self._file.execute("DELETE FROM consumer WHERE org_id = ?", (org_id,))


def _consumer(row: Sequence[str]) -> Consumer:
    return Consumer(row[0], row[1], row[2], row[3], row[4], tuple(name for name in row[5].split(",") if name))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
