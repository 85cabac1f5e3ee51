"""What a ledger's entries add up to, and whether one more charge fits: the filter itself, without any database."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fedcrm.errors import BudgetExceeded, LedgerCorrupted, MechanismError
from fedcrm.privacy.accountant import Cost, gdp_epsilon
from fedcrm.privacy.budget import ROUNDING, TrainingBudget
from fedcrm.privacy.chain import Entry, Head
from fedcrm.privacy.events import Event, event_from_json

__all__ = ["Account", "Books", "Charge"]


@dataclass(frozen=True, slots=True)
class Charge:
    """One release's price, written before its noise was drawn and never refunded.

    sequence:   place in the chain, from 1; hash: of that entry, in hex.
    key:        names the request it paid for.
    training:   whose limit it counts against; period: likewise.
    reserve:    whether it was paid from the share kept for retries.
    charged_at: UTC.
    """

    sequence: int
    hash: str
    key: str
    training: str
    period: str
    event: Event
    reserve: bool
    charged_at: datetime


@dataclass(slots=True)
class Account:
    """A limit and what counts against it. rounds and reserve add up to the cost; charges is their number."""

    budget: TrainingBudget
    rounds: Cost = field(default_factory=Cost)
    reserve: Cost = field(default_factory=Cost)
    charges: int = 0

    @property
    def cost(self) -> Cost:
        """Everything spent."""
        return self.rounds + self.reserve

    def add(self, cost: Cost, *, reserve: bool) -> None:
        """Count a charge."""
        if reserve:
            self.reserve += cost
        else:
            self.rounds += cost
        self.charges += 1

    def check(self, cost: Cost, *, reserve: bool, organisation: str, scope: str) -> None:
        """Raise BudgetExceeded where the cost would pass this limit.

        A charge may not take what is kept for retries, nor a retry what is kept for rounds.
        """
        budget = self.budget
        part, limit = (self.reserve, budget.reserve_mu_squared) if reserve else (self.rounds, budget.learning_mu**2)
        of_part = part.mu_squared + cost.mu_squared
        if cost.mu_squared > 0 and of_part > limit * (1 + ROUNDING):
            if reserve:
                raise BudgetExceeded(
                    organisation=organisation, would_be=of_part, limit=limit, unit="mu^2", scope="reserve"
                )
            # In the unit people set: what the whole would be quoted as with everything else spent.
            mu = math.sqrt(of_part + budget.reserve_mu_squared)
            quoted = budget.pure_epsilon + gdp_epsilon(mu, budget.delta - budget.extra_delta)
            above = math.nextafter(budget.epsilon, math.inf)
            raise BudgetExceeded(
                organisation=organisation, would_be=max(quoted, above), limit=budget.epsilon, scope=scope
            )
        would, limits = self.cost + cost, budget.limits
        for unit, value, most in (
            ("pure epsilon", would.pure_epsilon, limits.pure_epsilon),
            ("delta", would.delta, limits.delta),
            ("samples", would.samples, limits.samples),
        ):
            if value > most * (1 + ROUNDING):
                raise BudgetExceeded(organisation=organisation, would_be=value, limit=most, unit=unit, scope=scope)


@dataclass(slots=True)
class Books:
    """The state that a chain's entries describe, built by entering them one after the other."""

    organisation: str = ""
    unit: str = ""
    period: str = ""
    periods: dict[str, Account] = field(default_factory=dict)
    trainings: dict[str, Account] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    head: Head = field(default_factory=lambda: Head(0, ""))

    @classmethod
    def read(cls, entries: Iterable[Entry]) -> Books:
        """Enter everything. Raises LedgerCorrupted at the first entry that makes no sense."""
        books = cls()
        for entry in entries:
            books.enter(entry)
        if books.head.sequence == 0:
            raise LedgerCorrupted(sequence=1, reason="missing")
        return books

    @property
    def current(self) -> Account:
        """The account of the period that charges go to now."""
        return self.periods[self.period]

    def check(self, cost: Cost, *, training: str, reserve: bool) -> None:
        """Raise BudgetExceeded where a charge would pass its training's or the period's limit."""
        account = self.trainings[training]
        account.check(cost, reserve=reserve, organisation=self.organisation, scope="training")
        self.current.check(cost, reserve=False, organisation=self.organisation, scope="period")

    def enter(self, entry: Entry) -> None:
        """Take in the next entry, whose place in the chain has been checked.

        Raises LedgerCorrupted where its contents make no sense or pass a limit; the books stay as they were.
        """
        try:
            body = json.loads(entry.body)
            self._enter(entry, body)
        except BudgetExceeded as beyond:
            raise LedgerCorrupted(sequence=entry.sequence, reason=f"beyond a limit ({beyond})") from beyond
        except (MechanismError, ValueError, KeyError, TypeError) as wrong:
            raise LedgerCorrupted(sequence=entry.sequence, reason=f"cannot be understood ({wrong!r})") from wrong
        self.head = Head(entry.sequence, entry.hash)

    def _enter(self, entry: Entry, body: Mapping[str, object]) -> None:
        if (entry.kind == "ledger") != (entry.sequence == 1):
            raise ValueError("a ledger begins once, at its beginning")
        if entry.kind == "ledger":
            if body["format"] != 1:
                raise ValueError(f"format {body['format']!r} is newer than this program")
            account = Account(_budget(body))
            self.organisation, self.unit, self.period = (
                str(body["organisation"]),
                str(body["unit"]),
                str(body["period"]),
            )
            self.periods[self.period] = account
        elif entry.kind == "period":
            name = str(body["period"])
            if name in self.periods:
                raise ValueError(f"period {name!r} begins twice")
            self.periods[name] = Account(_budget(body))
            self.period = name
        elif entry.kind == "training":
            name = str(body["training"])
            if name in self.trainings:
                raise ValueError(f"training {name!r} is opened twice")
            self.trainings[name] = Account(_budget(body))
        elif entry.kind == "charge":
            self._enter_charge(entry, body)
        else:
            raise ValueError(f"unknown kind {entry.kind!r}")

    def _enter_charge(self, entry: Entry, body: Mapping[str, object]) -> None:
        event, reserve = body["event"], body["reserve"]
        if entry.key is None or not isinstance(event, dict) or not isinstance(reserve, bool):
            raise ValueError("a charge has a key, an event and says where it is paid from")
        charge = Charge(
            sequence=entry.sequence,
            hash=entry.hash,
            key=entry.key,
            training=str(body["training"]),
            period=str(body["period"]),
            event=event_from_json(event),
            reserve=reserve,
            charged_at=datetime.fromisoformat(entry.recorded_at),
        )
        if charge.period != self.period or charge.key in self.charges:
            raise ValueError("a charge belongs to the period it was made in and has a key of its own")
        cost = charge.event.cost
        self.check(cost, training=charge.training, reserve=reserve)
        self.trainings[charge.training].add(cost, reserve=reserve)
        self.current.add(cost, reserve=False)
        self.charges[charge.key] = charge


def _budget(body: Mapping[str, object]) -> TrainingBudget:
    raw = body["budget"]
    if not isinstance(raw, dict):
        raise TypeError("a budget has named fields")
    return TrainingBudget.from_json(raw)
