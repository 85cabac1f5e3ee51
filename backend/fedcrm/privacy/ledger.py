"""The record of everything an organisation has released, and the filter that refuses what would be too much.

A charge is on the disk before its noise is drawn and is never refunded. The limits stand in the first entry, so they
are part of the chain: a period's, fixed when the node is created, and under it one for each training, fixed when
it is opened. Both are sums compared with constants, so they are privacy filters (fedcrm.privacy.accountant) whatever
a coordinator asks for next.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from fedcrm.errors import LedgerCorrupted, MechanismError, SettingsError
from fedcrm.privacy import chain
from fedcrm.privacy.accountant import Cost
from fedcrm.privacy.books import Account, Books, Charge
from fedcrm.privacy.budget import TrainingBudget
from fedcrm.privacy.chain import Head
from fedcrm.privacy.database import Database
from fedcrm.privacy.events import Event, event_to_json

__all__ = ["Ledger", "Receipt", "Spent", "utc_now"]


def utc_now() -> datetime:
    """The clock on the wall, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a charge that is on the disk.

    repeated: whether this charge had been made before, under the same key; it then cost nothing now, and fresh noise
              must not be drawn for it once an answer has left (fedcrm.privacy.resend).
    """

    charge: Charge
    repeated: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """What releases have cost, against what they may.

    epsilon_limit, delta: the limit as it is quoted.
    charges:              how many.
    """

    cost: Cost
    limits: Cost
    epsilon_limit: float
    delta: float
    charges: int

    @property
    def epsilon(self) -> float:
        """Epsilon spent, quoted at delta."""
        return self.cost.epsilon(self.delta)


class Ledger:
    """One organisation's ledger for one privacy unit. Safe to use from several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.database, self._clock = database, clock
        self._lock = threading.RLock()
        with database.reading() as connection:
            if not chain.has_chain(connection):
                raise SettingsError(f"{database.name}: there is no ledger in it")
            self._books = Books.read(chain.entries_after(connection, None))

    @classmethod
    def create(
        cls,
        url_or_path: str | Path,
        *,
        organisation: str,
        epsilon_budget: float,
        delta: float = 1e-5,
        unit: str = "record",
        period: str = "1",
        pure_share: float = 0.04,
        domain_delta_share: float = 0.1,
        clock: Callable[[], datetime] = utc_now,
    ) -> Ledger:
        """Start a ledger; its limits cannot be changed afterwards.

        epsilon_budget, delta: limit of the first governance period.
        unit:                  what a privacy unit is, one word ("record", "account").
        period:                the first period's name.

        Raises SettingsError on nonsense and where there is a ledger already, StorageError where it cannot be kept.
        """
        budget = TrainingBudget.plan(
            epsilon_budget, delta, pure_share=pure_share, domain_delta_share=domain_delta_share, reserve_share=0.0
        )
        for name, value in (("organisation", organisation), ("unit", unit), ("period", period)):
            if not value.strip():
                raise SettingsError(f"a ledger's {name} cannot be empty")
        body = {"format": 1, "organisation": organisation, "unit": unit, "period": period, "budget": budget.to_json()}
        database = Database.open(url_or_path, create=True)
        with _closed_on_error(database):
            with database.writing() as connection:
                chain.create_chain(
                    connection, database, kind="ledger", body=_canonical(body), recorded_at=clock().isoformat()
                )
            return cls(database, clock=clock)

    @classmethod
    def open(cls, url_or_path: str | Path, *, clock: Callable[[], datetime] = utc_now) -> Ledger:
        """Open a ledger and verify all of it.

        Raises SettingsError where there is none, LedgerCorrupted where its chain does not hold, StorageError where
        the database refuses.
        """
        database = Database.open(url_or_path)
        with _closed_on_error(database):
            return cls(database, clock=clock)

    # --- what it is ------------------------------------------------------------------------------

    @property
    def organisation(self) -> str:
        """Whose ledger this is."""
        return self._books.organisation

    @property
    def unit(self) -> str:
        """What a privacy unit is."""
        return self._books.unit

    @property
    def period(self) -> str:
        """Name of the governance period that charges go to now."""
        return self._current().period

    @property
    def period_budget(self) -> TrainingBudget:
        """The current period's limits."""
        return self._current().current.budget

    @property
    def epsilon_budget(self) -> float:
        """The current period's epsilon."""
        return self.period_budget.epsilon

    @property
    def delta(self) -> float:
        """At which the current period's epsilon is quoted."""
        return self.period_budget.delta

    # --- writing ---------------------------------------------------------------------------------

    def start_period(self, name: str, *, epsilon_budget: float, delta: float = 1e-5, pure_share: float = 0.04) -> None:
        """Begin a new governance period: a decision of the organisation, never of a program or a coordinator.

        Trainings go on; their own limits hold across periods. Raises SettingsError where the name was used.
        """
        budget = TrainingBudget.plan(epsilon_budget, delta, pure_share=pure_share, reserve_share=0.0)
        with self._appending() as (books, append):
            if name in books.periods or not name.strip():
                raise SettingsError(f"period {name!r}: the name is empty or was used before")
            append("period", None, {"period": name, "budget": budget.to_json()})

    def plan_training(self, epsilon: float, *, unit_rows: int = 1, reserve_share: float = 0.04) -> TrainingBudget:
        """A training's budget in proportion to the current period's. Raises SettingsError on nonsense."""
        return TrainingBudget.part_of(self.period_budget, epsilon, unit_rows=unit_rows, reserve_share=reserve_share)

    def open_training(self, training: str, budget: TrainingBudget) -> None:
        """Fix a training's limits; opening it again with the same ones changes nothing.

        Raises BudgetExceeded where what is left of the period could not pay for all of it (a training that cannot be
        finished is not begun), SettingsError where it was opened with other limits, MechanismError where the limits
        are more than the epsilon beside them.
        """
        if not training.strip():
            raise SettingsError("a training's name cannot be empty")
        if not budget.limits.epsilon(budget.delta) <= budget.epsilon:
            raise MechanismError(f"the limits of training {training!r} are more than epsilon {budget.epsilon:g}")
        with self._appending() as (books, append):
            known = books.trainings.get(training)
            if known is not None:
                if known.budget != budget:
                    raise SettingsError(f"training {training!r} was opened with another budget")
                return
            books.current.check(budget.limits, reserve=False, organisation=books.organisation, scope="period")
            append("training", None, {"training": training, "budget": budget.to_json()})

    def charge(self, event: Event, *, training: str, key: str, reserve: bool = False) -> Receipt:
        """Write down a release, before its noise is drawn.

        key:     names the request (training, round, what exactly was asked). The same key and event again is the
                 same charge: its receipt comes back and nothing is added.
        reserve: pay from the share that is kept for retries with fresh noise.

        When this returns, the charge is on the disk. Raises, with nothing changed: BudgetExceeded (its `scope` says
        whose limit), SettingsError for an unknown training, MechanismError for another event under a known key,
        StorageError, LedgerCorrupted.
        """
        with self._appending() as (books, append):
            if training not in books.trainings:
                raise SettingsError(f"training {training!r} has not been opened")
            known = books.charges.get(key)
            if known is not None:
                if (known.event, known.training) != (event, training):
                    raise MechanismError(f"key {key!r} has paid for another release")
                return Receipt(known, repeated=True)
            books.check(event.cost, training=training, reserve=reserve)
            body = {
                "training": training,
                "period": books.period,
                "reserve": reserve,
                "event": event_to_json(event),
            }
            append("charge", key, body)
        return Receipt(self._books.charges[key], repeated=False)

    # --- reading ---------------------------------------------------------------------------------

    def charged(self, key: str) -> Charge | None:
        """The charge made under a key, or None."""
        return self._current().charges.get(key)

    def budget(self, training: str) -> TrainingBudget:
        """A training's limits. Raises SettingsError where it was never opened."""
        return self._training(training).budget

    def trainings(self) -> tuple[str, ...]:
        """Trainings opened, oldest first."""
        return tuple(self._current().trainings)

    def spent(self, training: str | None = None) -> Spent:
        """Spent in the current period, or by one training over all periods."""
        if training is not None:
            return _spent(self._training(training))
        return _spent(self._current().current)

    def reserve_spent(self, training: str) -> Cost:
        """What retries have taken from a training's reserve."""
        return self._training(training).reserve

    def all_time(self) -> Spent:
        """Spent since the beginning, over all periods: composition does not end where a period does.

        delta and limits are the sums of the periods', epsilon_limit the sum of theirs.
        """
        books = self._current()
        periods = list(books.periods.values())
        return Spent(
            sum((p.cost for p in periods), Cost()),
            sum((p.budget.limits for p in periods), Cost()),
            sum(p.budget.epsilon for p in periods),
            sum(p.budget.delta for p in periods),
            len(books.charges),
        )

    def __iter__(self) -> Iterator[Charge]:
        """Charges in the order in which they were made."""
        return iter(tuple(self._current().charges.values()))

    def __len__(self) -> int:
        return len(self._current().charges)

    def verify(self) -> Head:
        """Check the whole chain anew and return where it ends.

        Raises LedgerCorrupted at the first entry that was changed, is missing, out of order or beyond a limit.
        """
        with self._lock, self.database.reading() as connection:
            books = Books.read(chain.entries_after(connection, None))
            known = self._books.head
            if books.head.sequence < known.sequence:
                raise LedgerCorrupted(sequence=books.head.sequence + 1, reason="missing from the end")
            self._books = books
            return books.head

    def close(self) -> None:
        """Give back the database. Closing twice is harmless."""
        self.database.close()

    # --- private ---------------------------------------------------------------------------------

    @contextmanager
    def _appending(self) -> Iterator[tuple[Books, Callable[[str, str | None, dict[str, object]], None]]]:
        """Books as they are, under the write lock, and a way to add to them; in memory only once on the disk."""
        with self._lock:
            added: list[chain.Entry] = []
            with self.database.writing() as connection:
                books = self._refresh(connection)

                def append(kind: str, key: str | None, body: dict[str, object]) -> None:
                    now = self._clock().isoformat()
                    last = books.head
                    added.append(
                        chain.append(connection, last, kind=kind, key=key, body=_canonical(body), recorded_at=now)
                    )

                yield books, append
            for entry in added:
                self._books.enter(entry)

    def _current(self) -> Books:
        with self._lock, self.database.reading() as connection:
            return self._refresh(connection)

    def _refresh(self, connection: sa.Connection) -> Books:
        """Take in what other processes have written since."""
        for entry in chain.entries_after(connection, self._books.head):
            self._books.enter(entry)
        return self._books

    def _training(self, training: str) -> Account:
        account = self._current().trainings.get(training)
        if account is None:
            raise SettingsError(f"training {training!r} has not been opened")
        return account


@contextmanager
def _closed_on_error(database: Database) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise


def _spent(account: Account) -> Spent:
    budget = account.budget
    return Spent(account.cost, budget.limits, budget.epsilon, budget.delta, account.charges)


def _canonical(body: dict[str, object]) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
