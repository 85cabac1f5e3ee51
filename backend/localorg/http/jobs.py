"""Bulk jobs of both APIs as rows of the server's file, their data as files of a folder each.

A job is found only by its own org: another org's job id, guessed or leaked, is an unknown one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localorg.errors import OrgError
from localorg.serverfile import ServerFile
from localorg.store.ids import to18

__all__ = ["Job", "Jobs", "fresh_id"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEPT = dt.timedelta(days=7)


@dataclass(slots=True)
class Job:
    """One job.

    kind:     query, ingest, bulk1, deploy or retrieve.
    document: what the API shows; private: what it does not.
    folder:   its data files; exists as long as the job.
    """

    id: str
    org_id: str
    kind: str
    document: dict[str, Any]
    folder: Path
    private: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The document's state."""
        return str(self.document["state"])


class Jobs:
    """The jobs of every org, each org's to itself."""

    def __init__(self, file: ServerFile, folder: Path, now: Callable[[], dt.datetime]) -> None:
        file.define(
            "CREATE TABLE IF NOT EXISTS job (id TEXT NOT NULL, org_id TEXT NOT NULL, kind TEXT NOT NULL, "
            "document TEXT NOT NULL, private TEXT NOT NULL, created REAL NOT NULL, PRIMARY KEY (org_id, id)) "
            "WITHOUT ROWID"
        )
        self._file = file
        self._folder = folder
        self._now = now
        self._locks = [threading.RLock() for _ in range(64)]

    def add(self, job_id: str, org_id: str, kind: str, document: dict[str, Any], **private: object) -> Job:
        """Enter a job and make its folder."""
        job = Job(job_id, org_id, kind, document, self._folder_of(org_id, job_id), dict(private))
        job.folder.mkdir(parents=True)
        self._file.execute(
            "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?)",
            (job_id, org_id, kind, json.dumps(document), json.dumps(private), self._now().timestamp()),
        )
        return job

    def get(self, org_id: str, job_id: str, kind: str) -> Job | None:
        """The org's job of this id (15 or 18 characters) and kind, younger than the platform keeps them."""
        row = self._file.row(
            "SELECT id, document, private, created FROM job WHERE org_id = ? AND substr(id, 1, 15) = ? AND kind = ?",
            (org_id, job_id[:15], kind),
        )
        if row is None or self._now().timestamp() - row[3] > KEPT.total_seconds():
            return None
        return Job(row[0], org_id, kind, json.loads(row[1]), self._folder_of(org_id, row[0]), json.loads(row[2]))

    def wanted(self, org_id: str, job_id: str, kind: str) -> Job:
        """The same. Raises OrgError NOT_FOUND where there is none."""
        job = self.get(org_id, job_id, kind)
        if job is None:
            raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
        return job

    @contextmanager
    def editing(self, org_id: str, job_id: str, kind: str) -> Iterator[Job | None]:
        """The same, alone with it: what is changed inside is saved on exit, unless an error leaves."""
        with self._locks[hash(job_id[:15]) % len(self._locks)]:
            job = self.get(org_id, job_id, kind)
            yield job
            if job is not None:
                self.save(job)

    def save(self, job: Job) -> None:
        """Write the job's document and private part down."""
        self._file.execute(
            "UPDATE job SET document = ?, private = ? WHERE org_id = ? AND id = ?",
            (json.dumps(job.document), json.dumps(job.private), job.org_id, job.id),
        )

    def all(self, org_id: str, kind: str) -> Iterator[Job]:
        """An org's jobs of one kind, youngest first."""
        for row in self._file.rows(
            "SELECT id, document, private FROM job WHERE org_id = ? AND kind = ? ORDER BY created DESC", (org_id, kind)
        ):
            yield Job(row[0], org_id, kind, json.loads(row[1]), self._folder_of(org_id, row[0]), json.loads(row[2]))

    def unfinished(self, kind: str) -> Iterator[Job]:
        """Jobs of every org that a crash left in the middle."""
        for row in self._file.rows("SELECT id, org_id, document, private FROM job WHERE kind = ?", (kind,)):
            document = json.loads(row[2])
            if document["state"] in {"UploadComplete", "InProgress"}:
                yield Job(row[0], row[1], kind, document, self._folder_of(row[1], row[0]), json.loads(row[3]))

    def remove(self, job: Job) -> None:
        """Delete a job and its data."""
        self._file.execute("DELETE FROM job WHERE org_id = ? AND id = ?", (job.org_id, job.id))
        shutil.rmtree(job.folder, ignore_errors=True)

    def remove_old(self) -> None:
        """Delete what is older than results are kept."""
        limit = self._now().timestamp() - KEPT.total_seconds()
        for row in self._file.rows("SELECT org_id, id FROM job WHERE created < ?", (limit,)):
            shutil.rmtree(self._folder_of(row[0], row[1]), ignore_errors=True)
        self._file.execute("DELETE FROM job WHERE created < ?", (limit,))

    def remove_all(self, org_id: str) -> None:
        """Delete every job of an org."""
        self._file.execute("DELETE FROM job WHERE org_id = ?", (org_id,))
        shutil.rmtree(self._folder / org_id[:15], ignore_errors=True)

    def _folder_of(self, org_id: str, job_id: str) -> Path:
        return self._folder / org_id[:15] / job_id


def fresh_id(prefix: str, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """An 18-character id for something outside the org's records; 71 random bits, so never one a second time."""
    number = int.from_bytes(random_bytes(12), "big")
    tail = []
    for _ in range(12):
        number, digit = divmod(number, 62)
        tail.append(_ALPHABET[digit])
    return to18(prefix + "".join(tail))
