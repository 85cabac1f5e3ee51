"""Cases, opportunities and leads of a seeded org: dated as life would date them, decided as the documents say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from localorg.seed import Table, plant
from localorg.seed.signals import CONVERSION, ESCALATION, WIN
from localorg.seed.table import Column

RANKS = ("Low", "Medium", "High")


@pytest.fixture(scope="module")
def seeded(org_of_module):
    count = 800
    rows = tuple({"Plan": ("a", "b", "c")[n % 3]} for n in range(count))
    outcomes = tuple(n % 4 == 0 for n in range(count))
    table = Table("plans", "churn", (Column("Plan", "choice", ("a", "b", "c")),), rows, outcomes, tuple(range(count)))
    plant(org_of_module, table, seed=1)
    return org_of_module


def rows(org, soql):
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        return [dict(record) for record in transaction.query(soql)]


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)


def pasts(org, soql, parent):
    found = {}
    for row in rows(org, soql):
        found.setdefault(row[parent], []).append(row)
    return found


def area_under_curve(odds, outcomes):
    """Share of pairs, one of each kind, that the odds put in the right order."""
    hits = [odd for odd, outcome in zip(odds, outcomes, strict=True) if outcome]
    rest = [odd for odd, outcome in zip(odds, outcomes, strict=True) if not outcome]
    return sum((hit > other) + 0.5 * (hit == other) for hit in hits for other in rest) / (len(hits) * len(rest))


def test_there_is_about_as_much_of_everything_as_the_documents_say(seeded):
    counts = {name: len(rows(seeded, f"SELECT Id FROM {name}")) for name in ("Case", "Opportunity", "Lead")}
    assert 300 <= counts["Case"] <= 600
    assert 150 <= counts["Opportunity"] <= 300
    assert 150 <= counts["Lead"] <= 300


def test_a_case_escalates_within_a_fortnight_and_as_its_facts_foretell(seeded):
    changes = pasts(
        seeded,
        "SELECT CaseId, Field, OldValue, NewValue, CreatedDate FROM CaseHistory ORDER BY CreatedDate, Id",
        "CaseId",
    )
    fields = "Id, Priority, Origin, Type, Reason, IsEscalated, IsClosed, CreatedDate, ClosedDate"
    odds, outcomes, still_open = [], [], 0
    for case in rows(seeded, f"SELECT {fields}, Account.NumberOfEmployees FROM Case"):
        made, past = moment(case["CreatedDate"]), changes[case["Id"]]
        raised = [
            change
            for change in past
            if (change["Field"] == "IsEscalated" and change["NewValue"] == "true")
            or (change["Field"] == "Priority" and RANKS.index(change["NewValue"]) > RANKS.index(change["OldValue"]))
        ]
        assert len(raised) <= 1
        assert case["IsEscalated"] is any(change["Field"] == "IsEscalated" for change in raised)
        assert all(timedelta(0) < moment(change["CreatedDate"]) - made < timedelta(days=14) for change in raised)
        closings = [change for change in past if change["Field"] == "Status" and change["NewValue"] == "Closed"]
        assert [change["CreatedDate"] for change in closings] == [case["ClosedDate"]] * case["IsClosed"]
        still_open += not case["IsClosed"]
        if seeded.clock.now() - made > timedelta(days=14):
            first = next((change["OldValue"] for change in past if change["Field"] == "Priority"), case["Priority"])
            odds.append(ESCALATION.odds({**case, **case["Account"], "Priority": first}))
            outcomes.append(bool(raised))
    assert still_open
    assert 0.2 < sum(outcomes) / len(outcomes) < 0.45
    assert 0.7 < area_under_curve(odds, outcomes) < 0.84


def test_an_opportunity_was_open_until_it_closed_and_is_won_as_its_facts_foretell(seeded):
    stages = pasts(
        seeded,
        "SELECT OpportunityId, StageName, CloseDate, Amount, CreatedDate FROM OpportunityHistory ORDER BY CreatedDate",
        "OpportunityId",
    )
    fields = "Id, Amount, Type, LeadSource, StageName, CloseDate, IsClosed, IsWon, CreatedDate, Account.Industry"
    odds, outcomes, still_open = [], [], 0
    today = seeded.clock.now().date().isoformat()
    for deal in rows(seeded, f"SELECT {fields}, Account.NumberOfEmployees FROM Opportunity"):
        past = stages[deal["Id"]]
        assert past[0]["CreatedDate"] == deal["CreatedDate"]
        assert past[0]["StageName"] == "Prospecting"
        assert (past[-1]["StageName"], past[-1]["CloseDate"]) == (deal["StageName"], deal["CloseDate"])
        assert {snapshot["Amount"] for snapshot in past} == {deal["Amount"]}
        assert all(not snapshot["StageName"].startswith("Closed") for snapshot in past[:-1])
        still_open += not deal["IsClosed"]
        if deal["IsClosed"]:
            assert past[-1]["CreatedDate"][:10] == deal["CloseDate"] <= today
            assert past[-1]["CreatedDate"] > deal["CreatedDate"]
            account = deal["Account"]
            odds.append(WIN.odds({**account, **deal}))
            outcomes.append(deal["IsWon"])
    assert still_open
    assert 0.3 < sum(outcomes) / len(outcomes) < 0.6
    assert 0.68 < area_under_curve(odds, outcomes) < 0.86


def test_a_lead_converts_within_ninety_days_and_as_its_facts_foretell(seeded):
    accounts = {row["Id"]: row["CreatedDate"] for row in rows(seeded, "SELECT Id, CreatedDate FROM Account")}
    contacts = {row["Id"]: row for row in rows(seeded, "SELECT Id, AccountId, CreatedDate FROM Contact")}
    became = "IsConverted, ConvertedDate, ConvertedAccountId, ConvertedContactId, Status, CreatedDate"
    odds, outcomes, still_open = [], [], 0
    for lead in rows(seeded, f"SELECT Rating, LeadSource, Title, Industry, NumberOfEmployees, {became} FROM Lead"):
        made = moment(lead["CreatedDate"])
        assert lead["IsConverted"] is (lead["ConvertedDate"] is not None) is (lead["Status"] == "Closed - Converted")
        if lead["IsConverted"]:
            day = datetime.fromisoformat(lead["ConvertedDate"]).date()
            assert timedelta(0) < day - made.date() < timedelta(days=89)
            contact = contacts[lead["ConvertedContactId"]]
            assert contact["AccountId"] == lead["ConvertedAccountId"]
            assert contact["CreatedDate"][:10] == lead["ConvertedDate"] > accounts[contact["AccountId"]][:10]
        elif seeded.clock.now() - made < timedelta(days=90):
            still_open += 1
        if seeded.clock.now() - made > timedelta(days=90):
            odds.append(CONVERSION.odds(lead))
            outcomes.append(lead["IsConverted"])
    assert still_open
    assert 0.2 < sum(outcomes) / len(outcomes) < 0.5
    assert 0.68 < area_under_curve(odds, outcomes) < 0.86


def test_an_outcome_that_has_not_come_yet_has_left_no_trace(seeded):
    now = seeded.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    for name in ("CaseHistory", "OpportunityHistory", "OpportunityFieldHistory", "LeadHistory", "Contact", "Task"):
        assert rows(seeded, f"SELECT CreatedDate FROM {name} WHERE CreatedDate > {now[:-5]}Z") == []
    for deal in rows(seeded, "SELECT CloseDate FROM Opportunity WHERE IsClosed = true"):
        assert deal["CloseDate"] <= now[:10]


def test_what_is_done_for_a_record_comes_after_it_was_made(seeded):
    for name in ("Opportunity", "Case", "Lead"):
        made = {row["Id"]: row["CreatedDate"] for row in rows(seeded, f"SELECT Id, CreatedDate FROM {name}")}
        link = "WhoId" if name == "Lead" else "WhatId"
        done = [task for task in rows(seeded, f"SELECT {link}, CreatedDate FROM Task") if task[link] in made]
        assert done
        assert all(task["CreatedDate"] >= made[task[link]] for task in done)
