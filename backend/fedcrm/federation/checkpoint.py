"""What the coordinator keeps: reports, agreement, one checkpoint a round, attempts, audit log.

One SQLite file; each write is one transaction, so that a kill at any instruction leaves the state before or
after it. Nothing in it is secret: the coordinator never holds more than charged figures and opened sums.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from fedcrm.privacy import Database

__all__ = ["Checkpoint", "CoordinatorStore", "MemoryStore", "Store"]

_metadata = sa.MetaData()
_values = sa.Table(
    "coordinator_values",
    _metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
_checkpoints = sa.Table(
    "checkpoints",
    _metadata,
    sa.Column("round", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("learner", sa.LargeBinary, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
)
_attempts = sa.Table(
    "attempts",
    _metadata,
    sa.Column("round", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("attempts", sa.BigInteger, nullable=False),
)
_audit = sa.Table(
    "audit",
    _metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after a round. learner: Learner.state(). facts: what the report shows of each round so far."""

    round: int
    learner: bytes
    facts: tuple[dict[str, object], ...]


class Store(Protocol):
    """What a coordinator remembers of one training."""

    def remember(self, name: str, value: bytes) -> bytes:
        """Store a value once; the first one stands and is returned."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a round's checkpoint in place of the ones before it."""

    def latest(self) -> Checkpoint | None:
        """The last checkpoint, or None."""

    def next_attempt(self, round_number: int) -> int:
        """A fresh attempt number of this round, 1 and up."""

    def note(self, event: str, **facts: object) -> None:
        """Append to the audit log."""


class MemoryStore:
    """Forgets everything with its process: for evaluations, whose trainings are not resumed half-way."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._checkpoint: Checkpoint | None = None
        self._attempts: dict[int, int] = {}
        self.notes: list[tuple[str, dict[str, object]]] = []

    def remember(self, name: str, value: bytes) -> bytes:
        """See Store."""
        return self._values.setdefault(name, value)

    def save(self, checkpoint: Checkpoint) -> None:
        """See Store."""
        self._checkpoint = checkpoint

    def latest(self) -> Checkpoint | None:
        """See Store."""
        return self._checkpoint

    def next_attempt(self, round_number: int) -> int:
        """See Store."""
        self._attempts[round_number] = self._attempts.get(round_number, 0) + 1
        return self._attempts[round_number]

    def note(self, event: str, **facts: object) -> None:
        """See Store."""
        self.notes.append((event, facts))


class CoordinatorStore:
    """The coordinator's durable state, one file a training."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = Database.open(path, create=not path.exists())
        self._clock = clock
        with self._database.writing() as connection:
            _metadata.create_all(connection)

    def remember(self, name: str, value: bytes) -> bytes:
        """Store a value once; the first one stands and is returned."""
        with self._database.writing() as connection:
            stored = connection.execute(sa.select(_values.c.value).where(_values.c.name == name)).scalar()
            if stored is not None:
                return bytes(stored)
            connection.execute(_values.insert().values(name=name, value=value))
        return value

    def recall(self, name: str) -> bytes | None:
        """What was remembered, or None."""
        with self._database.reading() as connection:
            stored = connection.execute(sa.select(_values.c.value).where(_values.c.name == name)).scalar()
        return None if stored is None else bytes(stored)

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a round's checkpoint and drop the ones before it, in one transaction."""
        with self._database.writing() as connection:
            connection.execute(_checkpoints.delete())
            connection.execute(
                _checkpoints.insert().values(
                    round=checkpoint.round, learner=checkpoint.learner, facts=json.dumps(checkpoint.facts)
                )
            )

    def latest(self) -> Checkpoint | None:
        """The last checkpoint, or None."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(_checkpoints)).first()
        return None if row is None else Checkpoint(row.round, bytes(row.learner), tuple(json.loads(row.facts)))

    def next_attempt(self, round_number: int) -> int:
        """A fresh attempt number, 1 and up, stored before it returns."""
        with self._database.writing() as connection:
            where = _attempts.c.round == round_number
            used = connection.execute(sa.select(_attempts.c.attempts).where(where)).scalar()
            if used is None:
                connection.execute(_attempts.insert().values(round=round_number, attempts=1))
                return 1
            connection.execute(_attempts.update().where(where).values(attempts=used + 1))
        return int(used) + 1

    def note(self, event: str, **facts: object) -> None:
        """Append to the audit log: each entry's hash covers the one before."""
        with self._database.writing() as connection:
            last = connection.execute(sa.select(_audit).order_by(_audit.c.sequence.desc()).limit(1)).first()
            sequence, before = (1, "") if last is None else (last.sequence + 1, last.hash)
            entry = json.dumps({"at": self._clock().isoformat(), "event": event, **facts}, sort_keys=True, default=str)
            digest = hashlib.sha256(f"{sequence}\n{before}\n{entry}".encode()).hexdigest()
            connection.execute(_audit.insert().values(sequence=sequence, entry=entry, hash=digest))

    def audit(self) -> list[dict[str, object]]:
        """The audit log, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(_audit.c.entry).order_by(_audit.c.sequence)).scalars()
            return [json.loads(entry) for entry in rows]

    def close(self) -> None:
        """Close the database."""
        self._database.close()
