"""What a query finds: SOQL's rules on null, case, time and types, as its reference states them."""

import csv
import io
import re
import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localorg.access import Context
from localorg.errors import OrgError
from localorg.schema import FieldType, PicklistValue, custom_field
from localorg.soql import csv_header


@pytest.fixture
def system(org):
    """A transaction in system mode over a few rows."""
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        choices = tuple(PicklistValue(value) for value in "abc")
        transaction.save_field("Account", custom_field("Tags__c", FieldType.MULTIPICKLIST, picklist=choices))
        transaction.save_field("Account", custom_field("Big__c", FieldType.DOUBLE, precision=18, scale=2))
        accounts = transaction.insert(
            "Account",
            [
                {"Name": "Acme", "Industry": "Banking", "AnnualRevenue": 100, "Tags__c": "a;b", "Site": "Zürich"},
                {"Name": "acme", "AnnualRevenue": 250.5, "Tags__c": "c"},
                {"Name": "100% _sure_", "Industry": "Retail", "Site": "ZÜRICH"},
                {"Name": "O'Neil \\ Sons"},
            ],
        )
        ids = [saved.id for saved in accounts]
        transaction.update("Account", [{"Id": ids[1], "ParentId": ids[0]}])
        transaction.insert(
            "Contact",
            [
                {"LastName": "One", "FirstName": "A", "AccountId": ids[0]},
                {"LastName": "Two", "AccountId": ids[0], "HasOptedOutOfEmail": True},
                {"LastName": "Three", "AccountId": ids[1]},
                {"LastName": "Nobody"},
            ],
        )
        transaction.ids = ids
        yield transaction


def found(transaction, condition, **more):
    records = transaction.query(f"SELECT Name FROM Account WHERE {condition} ORDER BY Id", **more)
    return [record["Name"] for record in records]


ALL = ["Acme", "acme", "100% _sure_", "O'Neil \\ Sons"]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("Name = 'ACME'", ["Acme", "acme"]),
        ("Name != 'ACME'", ["100% _sure_", "O'Neil \\ Sons"]),
        ("Industry = 'Banking'", ["Acme"]),
        ("Industry != 'Banking'", ["acme", "100% _sure_", "O'Neil \\ Sons"]),  # also rows without one
        ("Industry = null", ["acme", "O'Neil \\ Sons"]),
        ("Industry != null", ["Acme", "100% _sure_"]),
        ("Industry = ''", ["acme", "O'Neil \\ Sons"]),
        ("Industry IN ('banking', 'retail')", ["Acme", "100% _sure_"]),
        ("Industry IN ('banking', null)", ["Acme", "acme", "O'Neil \\ Sons"]),
        ("Industry NOT IN ('banking')", ["acme", "100% _sure_", "O'Neil \\ Sons"]),
        ("NOT Industry = 'Banking'", ["acme", "100% _sure_", "O'Neil \\ Sons"]),
        ("AnnualRevenue > 100", ["acme"]),
        ("AnnualRevenue >= 1e2 AND AnnualRevenue < 250.51", ["Acme", "acme"]),
        ("AnnualRevenue <= -5", []),
        ("Name LIKE 'a%'", ["Acme", "acme"]),
        ("Name LIKE '100\\% \\_sure\\_'", ["100% _sure_"]),
        ("Name LIKE '____'", ["Acme", "acme"]),
        ("(NOT Name LIKE '%me')", ["100% _sure_", "O'Neil \\ Sons"]),
        ("Name = 'O\\'Neil \\\\ Sons'", ["O'Neil \\ Sons"]),
        ("Site = 'zürich'", ["Acme", "100% _sure_"]),
        ("Site LIKE 'zÜr%'", ["Acme", "100% _sure_"]),
        ("Site IN ('ZüRICH')", ["Acme", "100% _sure_"]),
        ("Tags__c INCLUDES ('a')", ["Acme"]),
        ("Tags__c INCLUDES ('b;a', 'c')", ["Acme", "acme"]),
        ("Tags__c INCLUDES ('a;c')", []),
        ("Tags__c EXCLUDES ('a')", ["acme", "100% _sure_", "O'Neil \\ Sons"]),
        ("Tags__c = 'a;b'", ["Acme"]),
        ("Parent.Name = 'Acme'", ["acme"]),
        ("Parent.Name = null", ["Acme", "100% _sure_", "O'Neil \\ Sons"]),
        ("Parent.IsDeleted = false", ALL),  # a parent that is not there has every boolean false
        ("CreatedBy.Profile.Name = 'system administrator'", ALL),
        ("Account.Name = 'acme' AND Account.Industry = 'Banking'", ["Acme"]),
        ("Id IN (SELECT AccountId FROM Contact)", ["Acme", "acme"]),
        ("Id NOT IN (SELECT AccountId FROM Contact)", ["100% _sure_", "O'Neil \\ Sons"]),
        ("Id IN (SELECT AccountId FROM Contact WHERE HasOptedOutOfEmail = true)", ["Acme"]),
        ("CreatedDate = TODAY AND CreatedDate >= YESTERDAY AND CreatedDate < TOMORROW", ALL),
        ("CreatedDate > TODAY", []),
        ("CreatedDate < TODAY OR CreatedDate != LAST_N_DAYS:1", []),
        ("CreatedDate IN (TODAY, 2020-01-01T00:00:00Z)", ALL),
        ("CreatedDate = 2026-11-24T13:00:00+01:00", ALL),
        ("CreatedDate >= 2026-11-24T12:00:00.001Z", []),
        ("DAY_ONLY(CreatedDate) = 2026-11-24", ALL),
        ("CALENDAR_YEAR(CreatedDate) = 2026 AND HOUR_IN_DAY(CreatedDate) = 12", ALL),
        ("OwnerId = '005000000000000'", []),
    ],
)
def test_a_condition_finds_these_rows(system, condition, names):
    assert found(system, condition) == names


def test_ids_are_found_in_both_forms(system):
    first = system.ids[0]
    for written in (first, first[:15]):
        assert found(system, f"Id = '{written}'") == ["Acme"]
        assert found(system, f"ParentId IN ('{written}')") == ["acme"]


@pytest.mark.parametrize(
    ("condition", "value", "names"),
    [
        ("Name = :v", "ACME", ["Acme", "acme"]),
        ("Name IN :v", ["acme", "nobody"], ["Acme", "acme"]),
        ("Name IN :v", [], []),
        ("Name NOT IN :v", [], ALL),
        ("Name IN :v", {f"n{i}" for i in range(500)} | {"Acme"}, ["Acme", "acme"]),
        ("Site IN :v", ["zürich"], ["Acme", "100% _sure_"]),
        ("AnnualRevenue = :v", Decimal("250.5"), ["acme"]),
        ("AnnualRevenue = :v", 100, ["Acme"]),
        ("Industry = :v", None, ["acme", "O'Neil \\ Sons"]),
        ("CreatedDate > :v", datetime(2026, 11, 24, 11), ALL),
        ("CreatedDate > :v", date(2026, 11, 25), []),
        ("Name LIKE :v", "a%", ["Acme", "acme"]),
    ],
)
def test_a_bind_stands_for_a_value_or_a_collection(system, condition, value, names):
    assert found(system, condition, binds={"V": value}) == names


def test_an_unknown_bind_is_refused(system):
    with pytest.raises(OrgError) as refused:
        found(system, "Name = :other", binds={"v": 1})
    assert refused.value.code == "MALFORMED_QUERY"


def test_limit_and_offset_may_be_bound(system):
    records = system.query("SELECT Name FROM Account ORDER BY Id LIMIT :n OFFSET :o", binds={"n": 2, "o": 1})
    assert [record["Name"] for record in records] == ALL[1:3]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("AnnualRevenue", ["100% _sure_", "O'Neil \\ Sons", "Acme", "acme"]),  # null first ascending
        ("AnnualRevenue DESC", ["acme", "Acme", "100% _sure_", "O'Neil \\ Sons"]),  # and last descending
        ("AnnualRevenue NULLS LAST", ["Acme", "acme", "100% _sure_", "O'Neil \\ Sons"]),
        ("Parent.Name NULLS LAST, Name DESC", ["acme", "O'Neil \\ Sons", "Acme", "100% _sure_"]),
        ("Name", ["100% _sure_", "Acme", "acme", "O'Neil \\ Sons"]),
    ],
)
def test_rows_come_in_order(system, order, names):
    assert [record["Name"] for record in system.query(f"SELECT Name FROM Account ORDER BY {order}")] == names


def test_without_an_order_rows_come_as_they_were_made(system):
    assert [record["Name"] for record in system.query("SELECT Name FROM Account")] == ALL


def test_a_record_nests_its_parents_and_an_absent_one_is_none(system):
    records = list(system.query("SELECT LastName, Account.Name, Account.Parent.Name, Owner.Name FROM Contact"))
    assert records[0] == {
        "LastName": "One",
        "Account": {"Name": "Acme", "Parent": None},
        "Owner": {"Name": "Local Admin"},
    }
    assert records[2]["Account"] == {"Name": "acme", "Parent": {"Name": "Acme"}}
    assert records[3]["Account"] is None
    assert (records[0].type, records[0]["Account"].type, records[0]["Owner"].type) == ("Contact", "Account", "User")


def test_sub_queries_give_each_parent_its_own_children(system):
    records = list(
        system.query("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC LIMIT 1) FROM Account")
    )
    assert [[child["LastName"] for child in record["Contacts"]] for record in records] == [["Two"], ["Three"], [], []]
    offset = system.query(
        "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName LIMIT 5 OFFSET 1) FROM Account"
    )
    assert [len(record["Contacts"]) for record in offset] == [1, 0, 0, 0]


def test_sub_queries_nest(system):
    [first, *_] = system.query(
        "SELECT Name, (SELECT Name, (SELECT LastName FROM Contacts) FROM ChildAccounts LIMIT 3) FROM Account"
    )
    assert first == {"Name": "Acme", "ChildAccounts": [{"Name": "acme", "Contacts": [{"LastName": "Three"}]}]}
    deep = "SELECT Id FROM ChildAccounts"
    for _ in range(6):
        deep = f"SELECT Id, ({deep}) FROM ChildAccounts"
    with pytest.raises(OrgError, match="nested"):
        system.query(f"SELECT Id, ({deep}) FROM Account")


def test_lines_of_csv_say_what_the_records_say(system):
    system.update("Account", [{"Id": system.ids[0], "Big__c": 0.1 + 0.2, "Site": 'two\nlines, "quoted" é'}])
    soql = "SELECT Id, Name, Site, AnnualRevenue, Big__c, IsDeleted, CreatedDate, Parent.Name, Industry FROM Account"
    result = system.query(soql)
    text = csv_header(result.compiled) + "\n" + "\n".join(result.csv_lines())
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    for line, record in zip(read, system.query(soql), strict=True):
        parent = record["Parent"]
        assert line["Id"] == record["Id"]
        assert line["Site"] == (record["Site"] or "")
        assert line["Big__c"] == ("" if record["Big__c"] is None else repr(record["Big__c"]))
        assert line["AnnualRevenue"] == ("" if record["AnnualRevenue"] is None else repr(record["AnnualRevenue"]))
        assert line["IsDeleted"] == "false"
        assert line["CreatedDate"] == "2026-11-24T12:00:00.000Z"
        assert line["Parent.Name"] == (parent["Name"] if parent else "")
    assert [line.split('"|"')[1] for line in system.query(soql).csv_lines("|")][1] == "acme"


def test_a_line_of_csv_may_have_more_columns_than_one_call_takes(system):
    names = [item.api_name for item in system.schema.object("User") if item.stored]
    assert len(names) > 60
    [line] = system.query(f"SELECT {', '.join(names)} FROM User").csv_lines()
    [cells] = csv.reader([line])
    assert len(cells) == len(names)


def test_a_sub_query_may_name_parents_and_filter(system):
    [record] = system.query(
        "SELECT Id, (SELECT Account.Name FROM Contacts WHERE Account.Industry = 'Banking' AND LastName = 'One') "
        "FROM Account WHERE Name = 'Acme' AND Industry != null"
    )
    assert record["Contacts"] == [{"Account": {"Name": "Acme"}}]


def test_aggregates_group_and_name_what_has_no_name(system):
    records = list(
        system.query(
            "SELECT Account.Name, COUNT(Id), COUNT(FirstName) first, COUNT_DISTINCT(LastName) FROM Contact "
            "GROUP BY Account.Name ORDER BY COUNT(Id) DESC, Account.Name NULLS LAST"
        )
    )
    # Two accounts differ in case alone: grouping, like comparing, does not tell them apart.
    assert [dict(record) for record in records] == [
        {"Name": "Acme", "expr0": 3, "first": 1, "expr1": 3},
        {"Name": None, "expr0": 1, "first": 0, "expr1": 1},
    ]
    assert records[0].type == "AggregateResult"


def test_sums_keep_their_type_and_an_empty_one_is_null(system):
    [record] = system.query("SELECT SUM(AnnualRevenue), AVG(AnnualRevenue) a, MAX(Name) FROM Account")
    assert dict(record) == {"expr0": 350.5, "a": 175.25, "expr1": "O'Neil \\ Sons"}
    [empty] = system.query("SELECT SUM(AnnualRevenue) s, COUNT(Id) c FROM Account WHERE Name = 'none'")
    assert dict(empty) == {"s": None, "c": 0}


def test_having_filters_groups(system):
    records = system.query(
        "SELECT Industry, COUNT(Id) n FROM Account GROUP BY Industry HAVING COUNT(Id) > 1 AND Industry = null"
    )
    assert [dict(record) for record in records] == [{"Industry": None, "n": 2}]


def test_date_functions_group_in_the_users_time_zone_where_asked_to(org, system):
    home = system.acting_as(Context(org.admin_id, time_zone="Asia/Tokyo").in_system_mode())
    query = "SELECT DAY_IN_MONTH({0}) d, HOUR_IN_DAY({0}) h FROM Lead GROUP BY DAY_IN_MONTH({0}), HOUR_IN_DAY({0})"
    home.insert("Lead", [{"LastName": "x", "Company": "y"}])
    assert [dict(r) for r in home.query(query.format("CreatedDate"))] == [{"d": 24, "h": 12}]
    assert [dict(r) for r in home.query(query.format("convertTimezone(CreatedDate)"))] == [{"d": 24, "h": 21}]


def test_a_date_literal_is_a_day_of_the_user(org, system):
    """Noon in UTC is already tomorrow in Kiritimati (UTC+14)."""
    there = system.acting_as(Context(org.admin_id, time_zone="Pacific/Kiritimati").in_system_mode())
    assert found(there, "CreatedDate = TODAY") == ALL
    org.clock.move(timedelta(hours=-3))  # 09:00 UTC, 23:00 of the same day there
    assert found(there, "CreatedDate = TODAY") == []
    assert found(there, "CreatedDate = TOMORROW") == ALL


def test_count_without_a_field_is_a_total_without_rows(system):
    result = system.query("SELECT COUNT() FROM Contact WHERE AccountId != null")
    assert (result.total_size, list(result)) == (3, [])


def test_the_total_counts_what_limit_leaves(system):
    assert system.query("SELECT Id FROM Contact").total_size == 4
    assert system.query("SELECT Id FROM Contact LIMIT 2").total_size == 2


def test_fields_all_selects_everything_and_needs_a_limit(system):
    [record] = system.query("SELECT FIELDS(ALL) FROM Account WHERE Name = 'O\\'Neil \\\\ Sons' LIMIT 200")
    assert {"Id", "Name", "Tags__c", "BillingAddress", "IsDeleted"} <= set(record)
    [custom] = system.query("SELECT Id, FIELDS(CUSTOM) FROM Account LIMIT 1")
    assert set(custom) == {"Id", "Tags__c", "Big__c"}
    for limit in ("", " LIMIT 201"):
        with pytest.raises(OrgError, match="LIMIT of at most 200"):
            system.query(f"SELECT FIELDS(ALL) FROM Account{limit}")


def test_a_compound_address_comes_as_its_parts(system):
    system.insert("Account", [{"Name": "addressed", "BillingCity": "Bern", "BillingPostalCode": "3000"}])
    [record] = system.query("SELECT BillingAddress FROM Account WHERE Name = 'addressed'")
    assert record["BillingAddress"]["city"] == "Bern"
    assert record["BillingAddress"]["postalCode"] == "3000"
    assert record["BillingAddress"]["street"] is None


def test_a_lookup_to_several_objects_tells_which(system):
    first = system.ids[0]
    system.insert("Task", [{"Subject": "a", "WhatId": first}, {"Subject": "b"}])
    records = list(system.query("SELECT Subject, What.Name, What.Type FROM Task"))
    assert records[0]["What"] == {"Name": "Acme", "Type": "Account"}
    assert records[1]["What"] is None
    assert [dict(r) for r in system.query("SELECT Subject FROM Task WHERE What.Type = 'Account'")] == [{"Subject": "a"}]


def test_deleted_rows_are_only_in_query_all(system):
    system.delete([system.ids[3]])
    assert found(system, "Name != null") == ALL[:3]
    assert found(system, "Name != null", include_deleted=True) == ALL
    assert [r["Name"] for r in system.query("SELECT Name FROM Account WHERE IsDeleted = true ALL ROWS")] == [ALL[3]]


def test_labels_and_formats_are_for_people(system):
    values = (PicklistValue("p1", "Private Bank"), PicklistValue("p2"))
    system.save_field("Account", custom_field("Kind__c", FieldType.PICKLIST, picklist=values))
    system.update("Account", [{"Id": system.ids[0], "Kind__c": "p1", "Big__c": 1234567.5}])
    [record] = system.query(f"SELECT toLabel(Kind__c), FORMAT(Big__c) b FROM Account WHERE Id = '{system.ids[0]}'")
    assert dict(record) == {"Kind__c": "Private Bank", "b": "1,234,567.50"}


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'"),
        ("SELECT Id FROM Nope", "INVALID_TYPE", "sObject type 'Nope' is not supported"),
        ("SELECT Nope.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Nope' in field path"),
        (
            "SELECT (SELECT Id FROM Nopes) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Nopes' in FROM",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 1",
            "INVALID_FIELD",
            "must be of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE AnnualRevenue = '1'",
            "INVALID_FIELD",
            "must be of type currency and should not",
        ),
        ("SELECT Id FROM Contact WHERE DoNotCall = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Account WHERE CreatedDate = 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Opportunity WHERE CloseDate = 2026-01-01T00:00:00Z",
            "INVALID_FIELD",
            "must be of type date and",
        ),
        ("SELECT Id FROM Opportunity WHERE CloseDate = 2026-13-01", "INVALID_FIELD", "must be of type date and"),
        ("SELECT Id FROM Account WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: short"),
        ("SELECT Id FROM Account WHERE Id LIKE '001%'", "INVALID_FIELD", "invalid operator on id field"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "field 'Description' can not be filtered"),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "field 'Description' can not be sorted"),
        ("SELECT Id FROM Account WHERE BillingAddress = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        (
            "SELECT COUNT(Id) FROM Account GROUP BY Name ORDER BY Site",
            "MALFORMED_QUERY",
            "Ordered field must be grouped",
        ),
        ("SELECT COUNT(Id) FROM Account GROUP BY AnnualRevenue", "INVALID_FIELD", "can not be grouped in a query call"),
        ("SELECT COUNT(Id) FROM Account GROUP BY CreatedDate", "INVALID_FIELD", "can not be grouped in a query call"),
        ("SELECT SUM(Name) FROM Account", "INVALID_FIELD", "does not support aggregate operator SUM"),
        ("SELECT Name, Name FROM Account", "INVALID_FIELD", "duplicate field selected: Name"),
        ("SELECT Name n FROM Account", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Account)",
            "MALFORMED_QUERY",
            "must be an id or reference",
        ),
        (
            "SELECT Id FROM Account WHERE Name IN (SELECT Id FROM Account)",
            "MALFORMED_QUERY",
            "id or reference field: Name",
        ),
        ("SELECT Id FROM Account WHERE Industry INCLUDES ('a')", "INVALID_FIELD", "invalid operator on picklist field"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        ("SELECT NOPE(Id) FROM Account", "MALFORMED_QUERY", "Invalid function name: NOPE"),
        ("SELECT HOUR_IN_DAY(CloseDate) FROM Opportunity", "MALFORMED_QUERY", "Invalid function HOUR_IN_DAY"),
        ("SELECT Id FROM Account WHERE Name = TODAY", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Account HAVING COUNT(Id) > 1", "MALFORMED_QUERY", ""),
        ("SELECT Id FROM Opportunity WHERE CloseDate = LAST_N_DAYS:99999999", "MALFORMED_QUERY", "beyond the calendar"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_in_the_platforms_words(system, soql, code, message):
    with pytest.raises(OrgError) as refused:
        system.query(soql)
    assert refused.value.code == code
    assert message in refused.value.message


def test_a_long_list_of_alternatives_is_no_deep_expression(system):
    many = " OR ".join(f"Name = 'n{i}'" for i in range(3000))
    assert found(system, f"{many} OR Name = 'Acme'") == ["Acme", "acme"]


def test_a_limit_beyond_every_number_is_no_limit(system):
    assert len(list(system.query("SELECT Id FROM Account LIMIT 99999999999999999999"))) == 4


def test_half_a_character_in_a_query_finds_nothing_and_breaks_nothing(system):
    assert found(system, "Name = '\\ud800'") == []
    assert found(system, "Name = :v", binds={"v": "\ud800"}) == []


def test_a_case_is_named_by_its_number_where_it_is_one_of_several_objects(system):
    [saved] = system.insert("Case", [{"Subject": "s"}])
    system.insert("Task", [{"Subject": "t", "WhatId": saved.id}])
    [record] = system.query("SELECT What.Name, What.Type FROM Task")
    assert record["What"] == {"Name": "00000001", "Type": "Case"}


NASTY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(value=NASTY)
def test_a_value_is_only_ever_a_value(org_of_module, value):
    """Whatever stands between the quotes, the query finds the row that holds it, and changes nothing."""
    with org_of_module.transaction(org_of_module.admin_context()) as transaction:
        savepoint = transaction.savepoint()
        written = value.replace("\\", "\\\\").replace("'", "\\'")
        [saved] = transaction.insert("Account", [{"Name": "x", "Tradestyle": value}])
        stored = value.strip() or None
        condition = f"Tradestyle = '{written.strip()}'" if stored else "Tradestyle = null"
        rows = list(transaction.query(f"SELECT Id, Tradestyle FROM Account WHERE {condition}"))
        assert {"Id": saved.id, "Tradestyle": stored} in rows
        assert transaction.query("SELECT COUNT() FROM User").total_size == 1
        transaction.roll_back(savepoint)


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.sampled_from(list("'\"\\;-)(/*= %_aN:,.")), max_size=25))
def test_no_text_makes_the_database_itself_complain(org_of_module, text):
    with org_of_module.snapshot(org_of_module.admin_context()) as transaction:
        for soql in (
            f"SELECT Id FROM Account WHERE Name = {text}",
            f"SELECT Id FROM Account WHERE {text} = 'a'",
            f"SELECT {text} FROM Account",
            f"SELECT Id FROM {text}",
            f"SELECT Id FROM Account ORDER BY {text}",
        ):
            assert run(transaction, soql) in (None, "MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE")


def run(transaction, soql):
    try:
        list(transaction.query(soql))
    except OrgError as refused:
        return refused.code
    except sqlite3.Error as broken:
        return f"{type(broken).__name__}: {re.sub(r'[0-9]+', 'n', str(broken))}"
    return None
