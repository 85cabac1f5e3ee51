"""Caps on attempts, so that a coordinator that voids them cannot drain a budget.

Every attempt the coordinator asks for counts, whether it costs a charge or not; the same attempt again counts once. One
that the participant's own crash interrupted is forgiven, as often in a round as it has attempts and no more, so whoever
can make it crash gains no endless supply. Counters are as durable as the ledger beside which they lie.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from fedcrm.errors import SettingsError, TrainingStopped
from fedcrm.privacy.database import Database
from fedcrm.privacy.ledger import utc_now

__all__ = ["AttemptCap"]

_METADATA = sa.MetaData()
_ATTEMPT = sa.Table(
    "attempt",
    _METADATA,
    sa.Column("training", sa.Text, primary_key=True),
    sa.Column("round", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Text, primary_key=True),
    sa.Column("night", sa.Text, nullable=False, index=True),
    sa.Column("charges", sa.Boolean, nullable=False),
)
_FORGIVEN = sa.Table(
    "forgiven_attempt",
    _METADATA,
    sa.Column("training", sa.Text, primary_key=True),
    sa.Column("round", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Text, primary_key=True),
)


class AttemptCap:
    """Admits attempts until a round has had per_round of them, or a night charges_per_night that cost something.

    A night runs from noon to noon, UTC, so that a training that passes midnight stays in one.
    """

    def __init__(
        self,
        database: Database,
        *,
        per_round: int = 6,
        charges_per_night: int = 400,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if per_round < 1 or charges_per_night < 1:
            raise SettingsError("a cap on attempts or charges is at least 1")
        self._database, self._clock = database, clock
        self.per_round, self.charges_per_night = per_round, charges_per_night
        with database.writing() as connection:
            _METADATA.create_all(connection)

    def admit(self, training: str, round_name: str, attempt: str, *, charges: bool) -> None:
        """Count an attempt that the coordinator asks for, before anything is done for it.

        attempt: names it; one that was admitted before is admitted again and counts once.
        charges: whether it will need a charge, rather than repeat an answer.

        Raises TrainingStopped, with the reason and nothing counted, past a cap.
        """
        night = (self._clock() - timedelta(hours=12)).date().isoformat()
        of_round = (_ATTEMPT.c.training == training, _ATTEMPT.c.round == round_name)
        with self._database.writing() as connection:
            known = connection.execute(
                sa.select(_ATTEMPT.c.charges).where(*of_round, _ATTEMPT.c.attempt == attempt)
            ).one_or_none()
            if known is not None and (known.charges or not charges):
                return
            tried = _count(connection, *of_round, _ATTEMPT.c.attempt != attempt) - _forgiven(
                connection, training, round_name, besides=attempt
            )
            if tried >= self.per_round:
                raise TrainingStopped(
                    f"round {round_name} of {training} has had {tried} attempts, as many as this participant makes"
                )
            charged = _count(connection, _ATTEMPT.c.night == night, _ATTEMPT.c.charges.is_(True))
            if charges and charged >= self.charges_per_night:
                raise TrainingStopped(
                    f"{charged} charges were made in the night of {night}, as many as this participant makes"
                )
            if known is not None:
                connection.execute(
                    _ATTEMPT.update().where(*of_round, _ATTEMPT.c.attempt == attempt).values(charges=True, night=night)
                )
                return
            connection.execute(
                _ATTEMPT.insert().values(
                    training=training, round=round_name, attempt=attempt, night=night, charges=charges
                )
            )

    def forgive(self, training: str, round_name: str, attempt: str) -> bool:
        """No longer count an attempt that this participant's own crash interrupted; again changes nothing.

        Its charge, if it made one, stays counted for the night. Returns whether it is forgiven: not where it was
        never admitted, nor beyond per_round attempts of one round.
        """
        which = {"training": training, "round": round_name, "attempt": attempt}
        with self._database.writing() as connection:
            if not _count(connection, *(_ATTEMPT.c[name] == value for name, value in which.items())):
                return False
            known = sa.select(_FORGIVEN.c.attempt).where(*(_FORGIVEN.c[name] == value for name, value in which.items()))
            if connection.execute(known).one_or_none() is not None:
                return True
            if _forgiven(connection, training, round_name) >= self.per_round:
                return False
            connection.execute(_FORGIVEN.insert().values(**which))
            return True


def _forgiven(connection: sa.Connection, training: str, round_name: str, besides: str = "") -> int:
    of_round = (_FORGIVEN.c.training == training, _FORGIVEN.c.round == round_name, _FORGIVEN.c.attempt != besides)
    return int(connection.execute(sa.select(sa.func.count()).select_from(_FORGIVEN).where(*of_round)).scalar_one())


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(_ATTEMPT).where(*conditions)).scalar_one())
