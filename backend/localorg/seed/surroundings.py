"""What a living org has around its customers: people, tasks, meetings, cases, opportunities, leads.

All of it is drawn without knowing the table's outcomes, so none of it carries a sign of them. Cases,
opportunities and leads have outcomes of their own (`signals`). Nothing happens to a record before it exists
or in the future.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from localorg.errors import SettingsError
from localorg.seed.ends import case_life, conversion_of, lead_life, opportunity_life
from localorg.seed.lives import Life, Row, Writer
from localorg.seed.signals import CONVERSION, ESCALATION, WIN

__all__ = ["Customer", "Rates", "Surroundings"]

_FIRST = ("Ana", "Ben", "Chen", "Dana", "Emil", "Fatima", "Goran", "Hana", "Ivo", "Jun", "Kim", "Lena", "Mira", "Noor")
_LAST = ("Almeida", "Berg", "Costa", "Duarte", "Ek", "Fischer", "Garcia", "Hoang", "Ito", "Jensen", "Kaya", "Lopez")
_TRADES = ("Logistics", "Foods", "Systems", "Partners", "Energy", "Retail", "Media", "Health", "Motors", "Textiles")
_INDUSTRIES = ("Technology", "Healthcare", "Government", "Retail", "Manufacturing", "Finance", "Education", "Energy")
_TYPES = ("Customer - Direct", "Customer - Direct", "Customer - Channel", "Technology Partner")
_TITLES = ("CEO", "VP Sales", "Head of IT", "Buyer", "Clerk", "Engineer")
_SOURCES = ("Web", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_SALES = ("New Customer", "New Customer", "Existing Customer - Upgrade")
_ROLES = ("Decision Maker", "Business User", "Evaluator")
_CASES = {
    "Priority": ("High", "Medium", "Medium", "Low"),
    "Origin": ("Phone", "Phone", "Email", "Email", "Web"),
    "Type": ("Electrical", "Electronic", "Mechanical", "Structural", "Other"),
    "Reason": ("Breakdown", "Performance", "Installation", "Equipment Design", "Feedback", "Other"),
}
_MOST = 100
_RECENT = 720  # days that cases, opportunities and leads reach back


@dataclass(frozen=True, slots=True)
class Rates:
    """How much there is of what, on average, an account."""

    contacts: float = 1.0
    tasks: float = 1.2
    events: float = 0.2
    cases: float = 0.55
    opportunities: float = 0.28
    leads: float = 0.28

    @classmethod
    def given(cls, rates: Mapping[str, float]) -> Rates:
        """The usual ones, these apart. Raises SettingsError for a name that is none, or a rate not from 0 to 100."""
        known = [each.name for each in fields(cls)]
        for name, rate in rates.items():
            if name not in known:
                raise SettingsError(f"there is no rate {name!r}; one of {', '.join(known)}")
            if not 0 <= rate <= _MOST:
                raise SettingsError(f"the rate of {name} is from 0 to {_MOST} an account, not {rate}")
        return cls(**rates)


@dataclass(frozen=True, slots=True)
class Customer:
    """An account that things happen around. born: when it was made; facts: its standard fields."""

    id: str
    born: dt.datetime
    facts: Row


@dataclass(frozen=True, slots=True)
class _Contacts:
    """Ids of people by account, and of those that leads became, in the leads' order."""

    people: Mapping[str, Sequence[str]]
    converted: Sequence[str]


class Surroundings:
    """Draws and writes what lies around records.

    rng: all draws come from it; now: UTC, nothing happens later.
    """

    def __init__(self, writer: Writer, rng: random.Random, now: dt.datetime, rates: Rates) -> None:
        self._writer = writer
        self.rng = rng
        self.now = now
        self._rates = rates
        # This org's own, in the log odds of escalation, win and conversion.
        self._offsets = tuple(rng.uniform(-0.3, 0.3) for _ in range(3))

    def company(self, number: int) -> Row:
        """Standard fields of an account."""
        rng = self.rng
        employees = int(10 ** rng.gauss(2.3, 0.6)) + 1
        return {
            "Name": f"{rng.choice(_LAST)} {rng.choice(_TRADES)} {number}",
            "Type": rng.choice(_TYPES),
            "Industry": rng.choice(_INDUSTRIES),
            "NumberOfEmployees": employees,
            "AnnualRevenue": round(employees * rng.uniform(60_000, 240_000), -3),
        }

    def parents(self, born: Sequence[dt.datetime]) -> list[str]:
        """Ids of accounts for records that belong to somebody: one for four of them, older than each."""
        lives = [
            Life({**self.company(at), "CreatedDate": min(born[at : at + 4]) - dt.timedelta(days=30)})
            for at in range(0, len(born), 4)
        ]
        ids = self._writer.write("Account", lives)
        return [ids[at // 4] for at in range(len(born))]

    def around_accounts(self, customers: Sequence[Customer]) -> None:
        """People, tasks, meetings, cases, opportunities and leads of these accounts."""
        leads = self._many(customers, self._rates.leads)
        conversions = [self._lead(customer) for customer in leads]
        contacts = self._contacts(customers, [(c, when) for c, (_, when) in zip(leads, conversions, strict=True)])
        spans = [(customer.id, customer.born) for customer in customers]
        self._activities(spans, who=False, tasks=self._rates.tasks, events=self._rates.events)
        self._cases(self._many(customers, self._rates.cases))
        self._opportunities(self._many(customers, self._rates.opportunities), contacts.people)
        self._leads(leads, conversions, contacts.converted)

    def around(self, name: str, ids: Sequence[str], born: Sequence[dt.datetime]) -> None:
        """Tasks, and meetings where it is no person, of records of another object."""
        who = name == "Lead"
        events = 0.0 if who else self._rates.events
        self._activities(list(zip(ids, born, strict=True)), who=who, tasks=self._rates.tasks, events=events)

    def _contacts(
        self, customers: Sequence[Customer], conversions: Sequence[tuple[Customer, dt.datetime | None]]
    ) -> _Contacts:
        """People of the accounts, and those that leads became."""
        lives = [
            Life({**self.person(), "AccountId": customer.id, "CreatedDate": self._after(customer.born)})
            for customer in self._many(customers, self._rates.contacts)
        ]
        own = len(lives)
        lives += [
            Life({**self.person(), "AccountId": customer.id, "CreatedDate": when})
            for customer, when in conversions
            if when is not None
        ]
        ids = self._writer.write("Contact", lives)
        people: dict[str, list[str]] = {}
        for life, contact in zip(lives[:own], ids[:own], strict=True):
            people.setdefault(life.row["AccountId"], []).append(contact)
        return _Contacts(people, ids[own:])

    def _activities(
        self, records: Sequence[tuple[str, dt.datetime]], *, who: bool, tasks: float, events: float
    ) -> None:
        link = "WhoId" if who else "WhatId"
        done, met = [], []
        for record, born in records:
            for _ in range(self._count(tasks)):
                when = self._after(born)
                what = {"Subject": self.rng.choice(("Call", "Email", "Send Quote")), "Status": "Completed"}
                done.append(Life({link: record, **what, "ActivityDate": when.date(), "CreatedDate": when}))
            for _ in range(self._count(events)):
                start = self._after(born)
                end = start + dt.timedelta(minutes=30)
                times = {"StartDateTime": start, "ActivityDateTime": start, "EndDateTime": end, "CreatedDate": start}
                met.append(Life({link: record, "Subject": "Meeting", "DurationInMinutes": 30, **times}))
        self._writer.write("Task", done)
        self._writer.write("Event", met)

    def _cases(self, customers: Sequence[Customer]) -> None:
        lives = []
        for customer in customers:
            facts = {name: self.rng.choice(values) for name, values in _CASES.items()}
            row: Row = {**facts, "AccountId": customer.id, "Status": "New", "CreatedDate": self._lately(customer.born)}
            row["Subject"] = f"{row['Reason']}: {row['Type'].lower()}"
            escalates = self.rng.random() < ESCALATION.odds({**customer.facts, **facts}, self._offsets[0])
            lives.append(case_life(self.rng, row, self.now, escalates=escalates))
        ids = self._writer.write("Case", lives)
        self._activities(
            [(case, life.row["CreatedDate"]) for case, life in zip(ids, lives, strict=True)],
            who=False, tasks=0.3, events=0.0,
        )  # fmt: skip

    def _opportunities(self, customers: Sequence[Customer], people: Mapping[str, Sequence[str]]) -> None:
        lives = []
        for number, customer in enumerate(customers, 1):
            facts = {
                "Type": self.rng.choice(_SALES),
                "LeadSource": self.rng.choice(_SOURCES),
                "Amount": round(self.rng.lognormvariate(9, 1), 2),
            }
            made = self._lately(customer.born)
            row = {**facts, "Name": f"Deal {number}", "AccountId": customer.id, "CreatedDate": made}
            wins = self.rng.random() < WIN.odds({**customer.facts, **facts}, self._offsets[1])
            lives.append(opportunity_life(self.rng, row, self.now, wins=wins))
        ids = self._writer.write("Opportunity", lives)
        born = [life.row["CreatedDate"] for life in lives]
        roles = []
        for opportunity, life, made in zip(ids, lives, born, strict=True):
            for contact in people.get(life.row["AccountId"], ()):
                role = {"OpportunityId": opportunity, "ContactId": contact, "Role": self.rng.choice(_ROLES)}
                roles.append(Life({**role, "CreatedDate": made}))
        self._writer.write("OpportunityContactRole", roles)
        self._activities(list(zip(ids, born, strict=True)), who=False, tasks=0.5, events=0.1)

    def _lead(self, customer: Customer) -> tuple[Row, dt.datetime | None]:
        """A lead, and when it converts, if it has."""
        rng = self.rng
        facts = {
            **self.person(),
            "Industry": rng.choice(_INDUSTRIES),
            "NumberOfEmployees": int(10 ** rng.gauss(2.3, 0.6)) + 1,
            "Rating": rng.choice(("Hot", "Warm", "Warm", "Cold")),
            "LeadSource": rng.choice(_SOURCES),
        }
        facts["AnnualRevenue"] = round(facts["NumberOfEmployees"] * rng.uniform(60_000, 240_000), -3)
        made = self._lately(customer.born)
        row = {**facts, "Company": f"{rng.choice(_LAST)} {rng.choice(_TRADES)}", "CreatedDate": made}
        when = conversion_of(rng, made)
        converts = rng.random() < CONVERSION.odds(facts, self._offsets[2]) and when <= self.now
        return row, when if converts else None

    def _leads(
        self,
        customers: Sequence[Customer],
        leads: Sequence[tuple[Row, dt.datetime | None]],
        contacts: Sequence[str],
    ) -> None:
        became = iter(contacts)
        lives = []
        for customer, (row, when) in zip(customers, leads, strict=True):
            into = {} if when is None else {"ConvertedAccountId": customer.id, "ConvertedContactId": next(became)}
            lives.append(lead_life(self.rng, row, self.now, converts=when, into=into))
        ids = self._writer.write("Lead", lives)
        # What was done for a lead that converted would have moved to its contact.
        spans = [
            (lead, life.row["CreatedDate"])
            for lead, life, (_, when) in zip(ids, lives, leads, strict=True)
            if when is None
        ]
        self._activities(spans, who=True, tasks=0.5, events=0.1)

    def _many(self, customers: Sequence[Customer], rate: float) -> list[Customer]:
        return [customer for customer in customers for _ in range(self._count(rate))]

    def _count(self, rate: float) -> int:
        """Poisson (Knuth, TAOCP 3.4.1)."""
        limit, number, product = math.exp(-rate), 0, self.rng.random()
        while product > limit:
            number += 1
            product *= self.rng.random()
        return number

    def _after(self, moment: dt.datetime) -> dt.datetime:
        """A moment between then and now."""
        return moment + dt.timedelta(seconds=self.rng.randrange(max(1, int((self.now - moment).total_seconds()) - 1)))

    def _lately(self, born: dt.datetime) -> dt.datetime:
        """A moment of the last two years in which there was this account."""
        return self._after(max(born, self.now - dt.timedelta(days=_RECENT)))

    def person(self) -> Row:
        """Name and title of somebody."""
        rng = self.rng
        return {"FirstName": rng.choice(_FIRST), "LastName": rng.choice(_LAST), "Title": rng.choice(_TITLES)}
