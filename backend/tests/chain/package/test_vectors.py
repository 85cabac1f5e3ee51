"""The shipped extractor, run in a local org, against its features computed a second time from the raw rows.

What is computed here knows nothing of the package but its definitions: plain Python over the rows that were put in.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
STAGES = {"Prospecting": (False, False), "Closed Won": (True, True), "Closed Lost": (True, False)}


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


class Account:
    """One account's rows, by object; each a pair of its moment and what matters of it."""

    def __init__(self, rng: random.Random, now: datetime, since: int = 0) -> None:
        def moments(most: int, days: int) -> list[datetime]:
            return [
                now - timedelta(seconds=rng.randrange(60, (since or days) * 86400))
                for _ in range(rng.randrange(most + 1))
            ]

        self.created = now - timedelta(seconds=rng.randrange(10 * 86400, 900 * 86400))
        self.industry = rng.choice(["Technology", "Banking", 'Odd, "quoted"', None])
        self.employees = rng.choice([None, 0, rng.randrange(1, 5000)])
        self.revenue = rng.choice([None, rng.randrange(10**9)])
        self.kind = rng.choice([None, "Customer - Direct", "Prospect", "Press"])
        self.tasks = moments(6, 200)
        self.contacts = [
            (m, rng.choice(["Chief Executive", "Clerk", "Director, Sales", None])) for m in moments(4, 400)
        ]
        self.cases = [(m, rng.choice(["High", "Low", "Medium"]), "New") for m in moments(4, 500)]
        self.events = moments(3, 200)
        self.opportunities = [
            (m, rng.choice(list(STAGES)), rng.choice([None, rng.randrange(10**6)])) for m in moments(3, 500)
        ]

    def vector(self, at: datetime, tracked: frozenset[str]) -> dict[str, str]:
        """What the definitions of `churn` say, in plain Python."""

        def since(moments: list[datetime], days: int | None = None) -> list[datetime]:
            return [m for m in moments if m <= at and (days is None or m > at - days * DAY)]

        def days(moments: list[datetime], pick) -> str:
            return str((at - pick(moments)) // DAY) if moments else ""

        known = [o for o in self.opportunities if o[0] <= at]
        still_open = [o for o in known if not STAGES[o[1]][0]]
        amounts = [o[2] for o in still_open if o[2] is not None]
        cases = [c for c in self.cases if c[0] <= at]
        recent = [c for c in cases if c[0] > at - 365 * DAY]
        urgent = sum(c[1] == "High" for c in recent)
        contacts = [c for c in self.contacts if c[0] <= at]
        executives = sum(c[1] in ("Chief Executive", "Director, Sales") for c in contacts)
        share = Decimal(urgent) / len(recent) if recent else None
        kinds = {None: "", "Customer - Direct": "customer", "Prospect": "prospect", "Press": "other"}
        return {
            "account.annual_revenue": "" if self.revenue is None else f"{self.revenue}.00",
            "account.employee_count": "" if self.employees is None else str(self.employees),
            "account.industry": self.industry or "",
            "account.tenure_days": days([self.created] if self.created <= at else [], min),
            "account.type": kinds[self.kind] if "Account.Type" in tracked else "",
            "activity.count_90d": str(len(since(self.tasks, 90))),
            "activity.days_since_last": days(since(self.tasks), max),
            "email.opens_90d": "0",
            "email.replies_90d": "0",
            "integration.asset_count": "0",
            "meeting.count_90d": str(len(since(self.events, 90))),
            "opportunity.days_since_change": days([o[0] for o in known], max),
            "opportunity.lost_count_365d": str(sum(o[1] == "Closed Lost" and o[0] > at - 365 * DAY for o in known)),
            "opportunity.open_count": str(len(still_open)),
            "opportunity.open_value": f"{sum(amounts)}.00",
            "opportunity.won_count": str(sum(o[1] == "Closed Won" for o in known)),
            "stakeholder.count": str(len(contacts)),
            "stakeholder.executive_count": str(executives) if "Contact.Title" in tracked else "",
            "support.cases_90d": str(sum(c[0] > at - 90 * DAY for c in cases)),
            "support.high_priority_share": ""
            if share is None
            else str(share.quantize(Decimal("0.0001"), ROUND_HALF_UP)),
            "support.open_cases": str(len(cases)),
            "web.responses_365d": "0",
        }


def seed(workshop, accounts: list[Account]) -> dict[str, Account]:
    """Put accounts into the org; by id."""
    ids = workshop.insert(
        "Account",
        [
            {
                "Name": f"Account {n}",
                "CreatedDate": stamp(a.created),
                "Industry": a.industry,
                "NumberOfEmployees": a.employees,
                "AnnualRevenue": a.revenue,
                "Type": a.kind,
            }
            for n, a in enumerate(accounts)
        ],
    )
    by_id = dict(zip(ids, accounts, strict=True))
    hang(workshop, by_id)
    return by_id


def hang(workshop, by_id: dict[str, Account]) -> None:
    """Everything that hangs on accounts."""
    rows: dict[str, list[dict[str, object]]] = {"Task": [], "Contact": [], "Case": [], "Event": [], "Opportunity": []}
    for key, a in by_id.items():
        for m in a.tasks:
            rows["Task"].append(
                {"WhatId": key, "Subject": "Call", "Status": "Completed", "Priority": "Normal", "CreatedDate": stamp(m)}
            )
        for m, title in a.contacts:
            rows["Contact"].append({"AccountId": key, "LastName": "x", "Title": title, "CreatedDate": stamp(m)})
        for m, priority, status in a.cases:
            rows["Case"].append({"AccountId": key, "Priority": priority, "Status": status, "CreatedDate": stamp(m)})
        for m in a.events:
            rows["Event"].append({"WhatId": key, "Subject": "Met", "StartDateTime": stamp(m), "DurationInMinutes": 30})
        for m, stage, amount in a.opportunities:
            rows["Opportunity"].append(
                {
                    "AccountId": key,
                    "Name": "o",
                    "StageName": stage,
                    "Amount": amount,
                    "CloseDate": "2030-01-01",
                    "CreatedDate": stamp(m),
                }
            )
    for name, found in rows.items():
        if found:
            workshop.insert(name, found)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def tracked_fields(workshop) -> frozenset[str]:
    """Fields of which the org keeps the changes, as Object.Field."""
    return frozenset(
        f"{name}.{row['QualifiedApiName']}"
        for name in ("Account", "Contact")
        for row in workshop.query(
            "SELECT QualifiedApiName, IsFieldHistoryTracked FROM FieldDefinition "
            f"WHERE EntityDefinitionId = '{name}' AND IsFieldHistoryTracked = TRUE"
        )
    )


def values_of(row: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in ("pseudonym", "as_of", "label", "label_source")}


@pytest.fixture(scope="module")
def accounts(workshop):
    rng = random.Random(8)
    return seed(workshop, [Account(rng, now()) for _ in range(450)])


def test_every_vector_of_a_run_is_what_plain_python_makes_of_the_raw_rows(workshop, accounts):
    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
    vectors = workshop.vectors(run)
    assert len(vectors) == run["Entities_Staged__c"] == len(accounts)
    tracked = tracked_fields(workshop)
    for key, account in accounts.items():
        row = vectors[workshop.pseudonym(key)]
        assert row["label"] == row["label_source"] == ""
        at = datetime.strptime(row["as_of"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert values_of(row) == account.vector(at, tracked)


def test_no_vector_of_the_past_changes_when_everything_after_it_does(workshop, accounts):
    moment = now() - 120 * DAY
    before = workshop.extract_at("churn", moment, "past-1")
    tracked = tracked_fields(workshop)
    for key, account in accounts.items():
        assert values_of(before[workshop.pseudonym(key)]) == account.vector(moment, tracked)
    rng = random.Random(9)
    hang(workshop, {key: Account(rng, now(), since=119) for key in accounts})
    with workshop.org.transaction(workshop.admin.in_system_mode()) as transaction:
        for name, changes in {
            "Case": {"Status": "Closed", "Priority": "Medium"},
            "Opportunity": {"StageName": "Closed Won", "Amount": 7},
        }.items():
            rows = [{"Id": row["Id"], **changes} for row in transaction.query(f"SELECT Id FROM {name}")]
            assert all(result.success for result in transaction.update(name, rows))
    after = workshop.extract_at("churn", moment, "past-2")
    assert {key: values_of(row) for key, row in after.items()} == {key: values_of(row) for key, row in before.items()}


@settings(max_examples=8, deadline=None)
@given(chance=st.integers(0, 2**32 - 1), days_ago=st.integers(0, 400))
def test_the_same_holds_for_any_accounts_at_any_moment(workshop, chance, days_ago):
    rng = random.Random(chance)
    fresh = seed(workshop, [Account(rng, now()) for _ in range(25)])
    moment = now() - days_ago * DAY
    vectors = workshop.extract_at("churn", moment, f"any-{uuid4()}")
    tracked = tracked_fields(workshop)
    for key, account in fresh.items():
        assert values_of(vectors[workshop.pseudonym(key)]) == account.vector(moment, tracked)


def test_a_second_run_takes_only_what_moved(workshop, accounts):
    workshop.extract("churn", "Scoring")
    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
    assert run["Entities_Staged__c"] < len(accounts)


def test_leads_are_labelled_by_what_happened_within_their_horizon(workshop):
    rng = random.Random(10)
    ages = [rng.randrange(1, 400) for _ in range(120)]
    rows = [
        {"LastName": f"Lead {n}", "Company": "c", "CreatedDate": stamp(now() - age * DAY)} for n, age in enumerate(ages)
    ]
    ids = workshop.insert("Lead", rows)
    run = workshop.extract("lead_conversion", "Training")
    assert run["Status__c"] == "Completed", run["Message__c"]
    vectors = workshop.vectors(run)
    for key, age in zip(ids, ages, strict=True):
        row = vectors.get(workshop.pseudonym(key))
        if age < 90:
            assert row is None
        elif age > 90:
            assert row is not None
            assert (row["label"], row["label_source"], row["lead.age_days"]) == ("0", "definitive", "0")
