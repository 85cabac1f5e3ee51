"""What goes with an account when it is deleted, and what keeps it where it is."""

from __future__ import annotations

import pytest


@pytest.fixture
def work(org):
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        yield transaction


def saved(work, name, **values):
    [result] = work.insert(name, [values])
    assert result.success, result.errors
    return result.id


def count(work, name):
    return work.query(f"SELECT COUNT() FROM {name}").total_size


def test_an_account_takes_its_people_deals_and_activities_along_and_brings_them_back(work):
    account = saved(work, "Account", Name="Acme")
    contact = saved(work, "Contact", LastName="Ek", AccountId=account)
    deal = saved(work, "Opportunity", Name="Deal", StageName="Prospecting", CloseDate="2027-01-01", AccountId=account)
    saved(work, "OpportunityContactRole", OpportunityId=deal, ContactId=contact)
    saved(work, "Task", Subject="Call", WhatId=account)
    saved(work, "Task", Subject="Quote", WhatId=deal)
    names = ("Contact", "Opportunity", "OpportunityContactRole", "Task")
    before = [count(work, name) for name in names]
    assert work.delete([account])[0].success
    assert [count(work, name) for name in names] == [0, 0, 0, 0]
    assert work.undelete([account])[0].success
    assert [count(work, name) for name in names] == before == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Case", {"Subject": "Outage"}),
        ("Opportunity", {"Name": "Won", "StageName": "Closed Won", "CloseDate": "2026-11-01"}),
        ("Contract", {"Status": "Activated"}),
    ],
)
def test_an_account_stays_while_it_has_cases_won_deals_or_active_contracts(work, name, values):
    account = saved(work, "Account", Name="Acme")
    saved(work, "Contact", LastName="Ek", AccountId=account)
    kept = saved(work, name, AccountId=account, **values)
    [refused] = work.delete([account])
    assert refused.errors[0].status_code == "DELETE_FAILED"
    assert kept in refused.errors[0].message
    assert count(work, "Contact") == 1
    assert work.delete([kept])[0].success
    assert work.delete([account])[0].success


def test_a_contact_stays_while_it_has_cases(work):
    contact = saved(work, "Contact", LastName="Ek")
    case = saved(work, "Case", Subject="Outage", ContactId=contact)
    assert work.delete([contact])[0].errors[0].status_code == "DELETE_FAILED"
    assert work.delete([case, contact])[1].success
