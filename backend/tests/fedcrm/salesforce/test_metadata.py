"""A snapshot of a schema: complete, the same for the same org, and its differences in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fedcrm.errors import SettingsError
from fedcrm.salesforce.metadata import Snapshot, changes, take_snapshot


def at(day: int):
    return lambda: datetime(2026, 1, day, tzinfo=UTC)


@pytest.fixture
def table(org):
    org.types = {"Id": "id", "Name": "string", "OwnerId": "reference", "Yes__c": "boolean", "Long__c": "textarea"}
    row = {"Name": "x", "OwnerId": "005", "Yes__c": True}
    org.rows = [row | {"Id": str(i), "Long__c": "y" if i < 1 else None} for i in range(4)]
    return org


def test_a_snapshot_says_what_fields_are_called_mean_and_hold(client, table):
    taken = take_snapshot(client, ["Account"], now=at(1))
    account = taken.objects["Account"]
    assert account["fields"]["OwnerId"] == {
        "label": "OwnerId",
        "type": "reference",
        "reference_to": ["Owner"],
        "relationship": "Owner",
    }
    assert account["fields"]["Id"]["required"] is True
    assert account["fields"]["Yes__c"]["custom"] is True
    measured = taken.measured["Account"]
    assert (measured["records"], measured["visible"], measured["fill_rate_of"]) == (4, 4, 4)
    assert measured["fill_rates"]["Long__c"] == 0.25
    assert measured["fill_rates"]["Yes__c"] == 1.0


def test_the_same_org_gives_the_same_text_but_for_what_was_measured(client, table):
    first, second = (take_snapshot(client, ["Account"], now=at(day)) for day in (1, 2))
    assert first.to_json().replace("2026-01-01", "2026-01-02") == second.to_json()
    assert changes(first, second) == ()


def test_a_snapshot_is_read_again_as_it_was_written(client, table):
    taken = take_snapshot(client, ["Account"], now=at(1))
    assert Snapshot.from_json(taken.to_json()) == taken
    assert taken.to_json().endswith("}\n")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}'])
def test_what_is_no_snapshot_is_refused(text):
    with pytest.raises(SettingsError):
        Snapshot.from_json(text)


def test_what_administrators_changed_is_said_in_words(client, table):
    old = take_snapshot(client, ["Account"], fill=False, now=at(1))
    del table.types["Long__c"]
    table.types |= {"Name": "textarea", "New__c": "double"}
    client.describe("Account", fresh=True)
    new = take_snapshot(client, ["Account"], fill=False, now=at(2))
    assert changes(old, new) == (
        "Account.Long__c: gone",
        'Account.Name: type was "string", is "textarea"',
        "Account.New__c: new",
    )
    assert changes(old, replace(new, objects={})) == ("Account: gone",)


def test_an_object_that_the_user_does_not_see_is_named_and_the_rest_is_taken(client, table):
    taken = take_snapshot(client, ["Hidden__c", "Account"], fill=False, now=at(1))
    assert (taken.hidden, list(taken.objects)) == (("Hidden__c",), ["Account"])


def test_without_a_choice_the_business_objects_of_the_org_are_taken(client, table):
    assert list(take_snapshot(client, fill=False, now=at(1)).objects) == ["Account"]
