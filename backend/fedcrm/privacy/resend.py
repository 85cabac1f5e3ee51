"""Noisy answers, kept encrypted until their round closes, so that an identical request gets identical integers.

Sending the same noisy integers again, under new keys and masks, reveals nothing new (post-processing), so it costs
nothing. Drawing *fresh* noise for a charge that has been answered would: two draws average. So an answer is on the
disk before it leaves, the first one wins, and when a round closes its contents go but the fact that it was answered
stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from fedcrm.errors import MechanismError, StorageError
from fedcrm.privacy.database import Database
from fedcrm.privacy.events import Event
from fedcrm.privacy.gaussian import RandomBytes

if TYPE_CHECKING:
    from fedcrm.privacy.ledger import Ledger

__all__ = ["NoisyAnswers", "release_once"]

_METADATA = sa.MetaData()
_ANSWER = sa.Table(
    "noisy_answer",
    _METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("training", sa.Text, nullable=False),
    sa.Column("round", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary),  # NULL once the round has closed
)
_CLOSED = sa.Table(
    "closed_round",
    _METADATA,
    sa.Column("training", sa.Text, primary_key=True),
    sa.Column("round", sa.Text, primary_key=True),
)


class NoisyAnswers:
    """A durable store of noisy integer vectors, sealed with AES-256-GCM under a key of the node."""

    def __init__(self, database: Database, key: bytes, *, random_bytes: RandomBytes = os.urandom) -> None:
        if len(key) != 32:
            raise MechanismError("noisy answers are sealed under a key of 32 bytes")
        self._database, self._random_bytes = database, random_bytes
        self._cipher = AESGCM(key)
        with database.writing() as connection:
            _METADATA.create_all(connection)

    def get(self, key: str) -> NDArray[np.int64] | None:
        """The answer kept under a key, or None where there was none yet.

        Raises MechanismError where its round has closed, StorageError where it cannot be unsealed.
        """
        with self._database.reading() as connection:
            row = connection.execute(_ANSWER.select().where(_ANSWER.c.key == key)).one_or_none()
        if row is None:
            return None
        if row.sealed is None:
            raise MechanismError(f"round {row.round!r} of {row.training!r} has closed: its answers are not given again")
        return self._unseal(row.sealed, key, row.training, row.round)

    def put(self, key: str, training: str, round_name: str, vector: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep an answer before it leaves, and return the one to send: the first that was kept under this key.

        vector: int64, one-dimensional. Raises MechanismError where the round has closed: the noise in `vector` must
        then never leave.
        """
        sealed = self._seal(vector, key, training, round_name)
        with self._database.writing() as connection:
            closed = _CLOSED.select().where(_CLOSED.c.training == training, _CLOSED.c.round == round_name)
            if connection.execute(closed).one_or_none() is not None:
                raise MechanismError(f"round {round_name!r} of {training!r} has closed: it is not answered any more")
            known = connection.execute(_ANSWER.select().where(_ANSWER.c.key == key)).one_or_none()
            if known is None:
                connection.execute(_ANSWER.insert().values(key=key, training=training, round=round_name, sealed=sealed))
                return vector
        if (known.training, known.round) != (training, round_name):
            raise MechanismError(f"key {key!r} has answered another round")
        return self._unseal(known.sealed, key, training, round_name)

    def close_round(self, training: str, round_name: str) -> None:
        """Remove a round's answers for good; closing twice is harmless."""
        with self._database.writing() as connection:
            closed = _CLOSED.select().where(_CLOSED.c.training == training, _CLOSED.c.round == round_name)
            if connection.execute(closed).one_or_none() is None:
                connection.execute(_CLOSED.insert().values(training=training, round=round_name))
            of_round = (_ANSWER.c.training == training, _ANSWER.c.round == round_name)
            connection.execute(_ANSWER.update().where(*of_round).values(sealed=None))

    def _seal(self, vector: NDArray[np.int64], key: str, training: str, round_name: str) -> bytes:
        nonce = self._random_bytes(12)
        plain = np.ascontiguousarray(vector, dtype="<i8").tobytes()
        return nonce + self._cipher.encrypt(nonce, plain, _context(key, training, round_name))

    def _unseal(self, sealed: bytes, key: str, training: str, round_name: str) -> NDArray[np.int64]:
        try:
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], _context(key, training, round_name))
        except InvalidTag as wrong:
            raise StorageError(f"the noisy answer under {key!r} was changed, or sealed under another key") from wrong
        return np.frombuffer(plain, dtype="<i8").astype(np.int64)


def release_once(
    ledger: Ledger,
    answers: NoisyAnswers,
    *,
    training: str,
    round_name: str,
    key: str,
    event: Event | None,
    draw: Callable[[], NDArray[np.int64]],
    reserve: bool = False,
) -> NDArray[np.int64]:
    """Answer a request: charge, draw, keep, return. The same key again returns the same integers and costs nothing.

    key:   digest of everything the answer depends on (contributors, model, structures, scales, weights, lanes).
    event: what is released; None where the participant has no data there, which costs nothing.
    draw:  exact integers plus fresh noise; called only after the charge is on the disk.

    A crash at any point is harmless: before the charge nothing happened; after it, the next call finds the charge
    paid and draws anew (nothing had left); after the answer is kept, that very answer is sent. Raises what
    Ledger.charge and NoisyAnswers.put raise; `draw` has then not been called or its result is lost unseen.
    """
    kept = answers.get(key)
    if kept is not None:
        return kept
    if event is not None:
        ledger.charge(event, training=training, key=key, reserve=reserve)
    return answers.put(key, training, round_name, draw())


def _context(key: str, training: str, round_name: str) -> bytes:
    """Bound to its place: a sealed answer moved to another row does not open."""
    return "\x00".join((key, training, round_name)).encode()
