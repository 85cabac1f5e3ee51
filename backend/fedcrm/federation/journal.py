"""What a participant must never forget about attempts: which manifest it accepted, which sum it answered for.

Durable before anything leaves; the database makes the claim atomic, so that a second answer under one key
is refused also after a crash or from a second process (fedcrm.secagg.AnswerJournal).
"""

from __future__ import annotations

import sqlalchemy as sa

from fedcrm.privacy import Database
from fedcrm.secagg import AttemptId, Step

__all__ = ["NodeJournal"]

_metadata = sa.MetaData()
_claims = sa.Table(
    "attempt_claims",
    _metadata,
    sa.Column("training", sa.String(200), primary_key=True),
    sa.Column("round", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.BigInteger, primary_key=True),
    sa.Column("step", sa.String(20), primary_key=True),
    sa.Column("digest", sa.LargeBinary(64), nullable=False),
)
_values = sa.Table(
    "node_values",
    _metadata,
    sa.Column("training", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)


class NodeJournal:
    """Claims of attempts, and the few values of a training that must survive a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as connection:
            _metadata.create_all(connection)

    def claim(self, attempt: AttemptId, step: Step, digest: bytes) -> bytes:
        """Store digest for (attempt, step) unless something is there; return what is stored now."""
        where = sa.and_(
            _claims.c.training == attempt.training,
            _claims.c.round == attempt.round,
            _claims.c.attempt == attempt.attempt,
            _claims.c.step == str(step),
        )
        with self._database.writing() as connection:
            stored = connection.execute(sa.select(_claims.c.digest).where(where)).scalar()
            if stored is not None:
                return bytes(stored)
            connection.execute(
                _claims.insert().values(
                    training=attempt.training,
                    round=attempt.round,
                    attempt=attempt.attempt,
                    step=str(step),
                    digest=digest,
                )
            )
        return digest

    def latest(self, training: str) -> tuple[int, int] | None:
        """(round, attempt) of the highest attempt with a manifest claim, or None."""
        query = (
            sa.select(_claims.c.round, _claims.c.attempt)
            .where(_claims.c.training == training, _claims.c.step == str(Step.MANIFEST))
            .order_by(_claims.c.round.desc(), _claims.c.attempt.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (int(row[0]), int(row[1]))

    def answered(self, training: str, round_number: int, attempt: int) -> bool:
        """Whether this attempt got its partial decryption."""
        query = sa.select(_claims.c.digest).where(
            _claims.c.training == training,
            _claims.c.round == round_number,
            _claims.c.attempt == attempt,
            _claims.c.step == str(Step.ANSWER),
        )
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def remember(self, training: str, name: str, value: bytes) -> bytes:
        """Store a value once; the first one stands and is returned."""
        with self._database.writing() as connection:
            stored = self._read(connection, training, name)
            if stored is None:
                connection.execute(_values.insert().values(training=training, name=name, value=value))
                stored = value
        return stored

    def recall(self, training: str, name: str) -> bytes | None:
        """What was remembered under this name, or None."""
        with self._database.reading() as connection:
            return self._read(connection, training, name)

    @staticmethod
    def _read(connection: sa.Connection, training: str, name: str) -> bytes | None:
        where = sa.and_(_values.c.training == training, _values.c.name == name)
        stored = connection.execute(sa.select(_values.c.value).where(where)).scalar()
        return None if stored is None else bytes(stored)
