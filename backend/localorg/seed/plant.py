"""Rows of a table as records of an org, with the standard records around them that a living org would have.

Dates are consistent: nothing happens to a record before it exists or in the future, cases close after they
open, opportunities close after they are created. How much happens around a record depends a little on how it
will end, as it does in life.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from localorg.errors import OrgError
from localorg.metadata import deploy
from localorg.org import Org, Transaction
from localorg.records import SaveResult
from localorg.seed.build import PERMISSION_SET, package_of_dialect
from localorg.seed.dialect import Dialect, LocalField, dialect_of
from localorg.seed.table import Table

__all__ = ["Planted", "plant"]

_CHUNK = 2000
_YEARS = 3
_FIRST = ("Ana", "Ben", "Chen", "Dana", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kim", "Lena", "Mira", "Noor")
_LAST = ("Almeida", "Berg", "Costa", "Duarte", "Ek", "Fischer", "Garcia", "Hoang", "Ito", "Jensen", "Kaya", "Lopez")
_TRADES = ("Logistics", "Foods", "Systems", "Partners", "Energy", "Retail", "Media", "Health", "Motors", "Textiles")
_STAGES = ("Prospecting", "Qualification", "Proposal/Price Quote", "Negotiation/Review")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Planted:
    """What was made: rows by object, and the dialect they are in."""

    dialect: Dialect
    counts: dict[str, int] = field(default_factory=dict)


def plant(org: Org, table: Table, *, seed: int) -> Planted:
    """Deploy the org's own fields and fill them; all or nothing. Raises OrgError where the org refuses."""
    dialect = dialect_of(table, org.alias, seed)
    deployed = deploy(org, package_of_dialect(table, dialect))
    if not deployed.success:
        first = deployed.failures[0] if deployed.failures else None
        raise OrgError("INVALID_INPUT", f"the org's fields do not deploy: {first.problem if first else deployed.error}")
    planted = Planted(dialect)
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        _assign(transaction, org.admin_id)
        _Garden(transaction, table, dialect, seed, planted.counts).plant()
    return planted


def _assign(transaction: Transaction, user_id: str) -> None:
    (granted,) = transaction.query("SELECT Id FROM PermissionSet WHERE Name = :name", binds={"name": PERMISSION_SET})
    held = transaction.query(
        "SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = :user AND PermissionSetId = :granted",
        binds={"user": user_id, "granted": granted["Id"]},
    )
    if not list(held):
        _done(
            transaction.insert("PermissionSetAssignment", [{"AssigneeId": user_id, "PermissionSetId": granted["Id"]}])
        )


class _Garden:
    """One planting: what its steps share."""

    def __init__(
        self, transaction: Transaction, table: Table, dialect: Dialect, seed: int, counts: dict[str, int]
    ) -> None:
        self.transaction = transaction
        self.table = table
        self.dialect = dialect
        self.counts = counts
        seeds = f"{seed}/{transaction.org.alias}/{table.name}/rows"
        self.rng = random.Random(seeds)  # noqa: S311 - variety, not secrecy # nosec B311
        self.now = transaction.now().replace(microsecond=0)

    def plant(self) -> None:
        """Main records chunk by chunk, each with what surrounds it."""
        total = len(self.table.rows)
        for start in range(0, total, _CHUNK):
            numbers = range(start, min(start + _CHUNK, total))
            born = [self._born() for _ in numbers]
            parents = self._parents(numbers, born)
            rows = [self._main(n, when, parent) for n, when, parent in zip(numbers, born, parents, strict=True)]
            ids = self._insert(self.table.object_name, rows)
            if self.dialect.satellite:
                self._insert(self.dialect.satellite, [self._satellite(n, i) for n, i in zip(numbers, ids, strict=True)])
            surroundings = [self._around(n, i, when) for n, i, when in zip(numbers, ids, born, strict=True)]
            for name in ("Contact", "Opportunity", "Case", "Task", "Event"):
                self._insert(name, [row for one in surroundings for row in one.get(name, ())])

    def _born(self) -> dt.datetime:
        days = self.rng.randrange(60, 365 * _YEARS)
        return self.now - dt.timedelta(days=days, seconds=self.rng.randrange(86_400))

    def _parents(self, numbers: Sequence[int], born: Sequence[dt.datetime]) -> list[str | None]:
        """Accounts for rows that need one: an opportunity or a case belongs to somebody."""
        if self.table.object_name not in ("Opportunity", "Case"):
            return [None] * len(numbers)
        accounts = [
            {"Name": self._company(n), "CreatedDate": when - dt.timedelta(days=self.rng.randrange(1, 30))}
            for n, when in zip(numbers, born, strict=True)
            if n % 4 == 0
        ]
        ids = self._insert("Account", accounts)
        return [ids[min(at // 4, len(ids) - 1)] if ids else None for at in range(len(numbers))]

    def _main(self, number: int, born: dt.datetime, parent: str | None) -> Row:
        won = self.table.outcomes[number]
        row: Row = {"CreatedDate": born, self.dialect.outcome: won, **self._facts(number, satellite=False)}
        match self.table.object_name:
            case "Account":
                row |= {"Name": self._company(number), "Type": "Customer - Direct"}
            case "Lead":
                first, last = self._person()
                row |= {
                    "FirstName": first,
                    "LastName": last,
                    "Company": self._company(number),
                    "Status": "Closed - Converted"
                    if won
                    else self.rng.choice(("Open - Not Contacted", "Working - Contacted", "Closed - Not Converted")),
                }
            case "Opportunity":
                closed = min(self.now, born + dt.timedelta(days=self.rng.randrange(10, 180)))
                row |= {
                    "Name": f"{self._company(number)} {number}",
                    "AccountId": parent,
                    "StageName": "Closed Won" if won else "Closed Lost",
                    "CloseDate": closed.date(),
                }
            case _:
                row |= {"Subject": f"Request {number}", "AccountId": parent, "Status": "New", "Origin": "Web"}
                row |= {"IsEscalated": won}
        return row

    def _satellite(self, number: int, parent: str) -> Row:
        return {f"Parent_{self.table.object_name}__c": parent, **self._facts(number, satellite=True)}

    def _facts(self, number: int, *, satellite: bool) -> Row:
        given = self.table.rows[number]
        return {
            local.api_name: value
            for local in self.dialect.fields
            if local.satellite is satellite
            and (value := self._value(local, given[local.column.name])) is not None
            and self.rng.random() < local.fill
        }

    def _value(self, local: LocalField, value: str | None) -> object:
        if value is None or not value.strip():
            return None
        if local.type == "Number":
            return round(float(value) * local.scale, 4)
        return local.values.get(value) if local.values else value[:255]

    def _around(self, number: int, record_id: str, born: dt.datetime) -> dict[str, list[Row]]:
        won = self.table.outcomes[number]
        busy = 1.3 if won else 1.0
        found: dict[str, list[Row]] = {"Task": list(self._tasks(record_id, born, busy))}
        if self.table.object_name == "Account":
            found["Contact"] = [
                {"FirstName": f, "LastName": name, "AccountId": record_id, "CreatedDate": self._after(born)}
                for f, name in (self._person() for _ in range(self.rng.randrange(0, 3)))
            ]
            found["Opportunity"] = list(self._opportunities(record_id, born))
            found["Case"] = list(self._cases(record_id, born, busy))
        if self.table.object_name in ("Account", "Opportunity") and self.rng.random() < 0.2:
            start = self._after(born)
            found["Event"] = [
                {
                    "WhatId": record_id,
                    "Subject": "Meeting",
                    "StartDateTime": start,
                    "EndDateTime": start + dt.timedelta(minutes=30),
                    "DurationInMinutes": 30,
                    "ActivityDateTime": start,
                    "CreatedDate": start,
                }
            ]
        return found

    def _tasks(self, record_id: str, born: dt.datetime, busy: float) -> Iterator[Row]:
        who = self.table.object_name == "Lead"
        for _ in range(int(self.rng.random() * 2.5 * busy)):
            when = self._after(born)
            yield {
                "WhoId" if who else "WhatId": record_id,
                "Subject": self.rng.choice(("Call", "Email", "Send Quote")),
                "Status": "Completed",
                "ActivityDate": when.date(),
                "CreatedDate": when,
            }

    def _opportunities(self, account: str, born: dt.datetime) -> Iterator[Row]:
        for n in range(self.rng.randrange(0, 2)):
            made = self._after(born)
            close = made + dt.timedelta(days=self.rng.randrange(5, 120))
            stage = self.rng.choice(("Closed Won", "Closed Lost")) if close < self.now else self.rng.choice(_STAGES)
            yield {
                "Name": f"Deal {n + 1}",
                "AccountId": account,
                "StageName": stage,
                "CloseDate": close.date(),
                "Amount": round(self.rng.lognormvariate(8, 1), 2),
                "CreatedDate": made,
            }

    def _cases(self, account: str, born: dt.datetime, busy: float) -> Iterator[Row]:
        for _ in range(int(self.rng.random() * 1.5 * busy)):
            made = self._after(born)
            closed = made + dt.timedelta(days=self.rng.randrange(1, 20))
            yield {
                "AccountId": account,
                "Subject": self.rng.choice(("Invoice", "Outage", "Question", "Return")),
                "Status": "Closed" if closed < self.now else "New",
                "Origin": self.rng.choice(("Phone", "Email", "Web")),
                "CreatedDate": made,
            }

    def _after(self, moment: dt.datetime) -> dt.datetime:
        """A moment between then and now."""
        span = max(1, int((self.now - moment).total_seconds()) - 1)
        return moment + dt.timedelta(seconds=self.rng.randrange(span))

    def _company(self, number: int) -> str:
        return f"{self.rng.choice(_LAST)} {self.rng.choice(_TRADES)} {number}"

    def _person(self) -> tuple[str, str]:
        return self.rng.choice(_FIRST), self.rng.choice(_LAST)

    def _insert(self, name: str, rows: Sequence[Row]) -> list[str]:
        if not rows:
            return []
        ids = _done(self.transaction.insert(name, rows))
        self.counts[name] = self.counts.get(name, 0) + len(ids)
        return ids


def _done(results: Sequence[SaveResult]) -> list[str]:
    for result in results:
        if not result.success or result.id is None:
            error = result.errors[0]
            raise OrgError(error.status_code, f"a seeded row was refused: {error.message}", fields=error.fields)
    return [str(result.id) for result in results]
