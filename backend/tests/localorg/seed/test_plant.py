"""Seeds: the same facts in every org, never under the same names, and nothing out of time."""

from __future__ import annotations

import csv
import gzip
import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from localorg.errors import SettingsError
from localorg.org import Org
from localorg.seed import dialect_of, plant, planted_before, read_table
from localorg.seed.lives import Writer


@pytest.fixture
def directory(tmp_path):
    rng = random.Random(1)
    folder = tmp_path / "set"
    folder.mkdir()
    about = {
        "name": "toy", "task": "churn", "label": "Churn", "positive": ["Yes"], "drop": ["id"], "missing": ["", "NA"],
        "numeric": "auto",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(about))
    with gzip.open(folder / "data.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "MonthlyCharges", "Contract", "Partner", "Note", "Churn"])
        for n in range(120):
            writer.writerow([
                n, "" if n % 10 == 0 else round(rng.uniform(10, 90), 2), rng.choice(["Monthly", "One year", "Two"]),
                rng.choice(["Yes", "No"]), f"note {n}", rng.choice(["Yes", "No"]),
            ])  # fmt: skip
    with gzip.open(folder / "participants.csv.gz", "wt", newline="") as file:
        file.write("participant\n" + "".join(f"{'AB'[n % 2]}\n" for n in range(120)))
    return folder


def rows(org, soql):
    with org.transaction(org.admin_context()) as transaction:
        return [dict(record) for record in transaction.query(soql)]


def test_each_participant_gets_its_own_rows(directory):
    mine, theirs = (read_table(directory, participant=n, of=2) for n in (0, 1))
    assert len(mine.rows) == len(theirs.rows) == 60
    assert [column.name for column in mine.columns] == ["MonthlyCharges", "Contract", "Partner", "Note"]
    assert [column.kind for column in mine.columns] == ["number", "choice", "choice", "text"]
    assert mine.rows[0]["MonthlyCharges"] is None
    dealt = [read_table(directory, participant=n, of=3) for n in range(3)]
    assert sum(len(table.rows) for table in dealt) == 120


def test_a_directory_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no data-set directory"):
        read_table(tmp_path, participant=0, of=1)


def test_orgs_name_the_same_fact_differently_and_the_same_org_always_alike(directory):
    table = read_table(directory, participant=0, of=2)
    dialects = [dialect_of(table, f"org{n}", 1) for n in range(1, 10)]
    names = [tuple((field.api_name, field.type) for field in dialect.fields) for dialect in dialects]
    assert len(set(names)) >= 6
    assert len({dialect.language for dialect in dialects}) >= 2
    assert {bool(dialect.satellite) for dialect in dialects} == {True, False}
    assert dialect_of(table, "org3", 1) == dialects[2]
    assert dialect_of(table, "org3", 2) != dialects[2]


def at_landmark(row, column, changes, moment):
    """A row's value then: the first change after it says what it was."""
    later = [change for change in changes if change["Field"] == column and change["CreatedDate"] > moment]
    return later[0]["OldValue"] if later else row[column]


@pytest.mark.parametrize("days", [272, 225, 180])
def test_at_every_landmark_records_hold_the_tables_own_values(directory, org, clock, days):
    table = read_table(directory, participant=0, of=2)
    planted = plant(org, table, seed=1)
    about = planted.description
    assert planted.new
    assert about["records"]["Account"] == 60
    moment = (clock.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    numbers = {row["Id"]: int(row["AccountNumber"]) for row in rows(org, "SELECT Id, AccountNumber FROM Account")}
    assert sorted(numbers.values()) == list(table.numbers)
    changed = 0
    for column in about["columns"]:
        owner, field = column["object"], column["field"]
        own = owner == "Account"
        key, past, parent = (
            ("Id", "AccountHistory", "AccountId")
            if own
            else (about["satellite"]["parent_field"], owner.replace("__c", "__History"), "ParentId")
        )
        changes = rows(org, f"SELECT {parent}, Field, OldValue, CreatedDate FROM {past} ORDER BY CreatedDate, Id")
        changed += len([change for change in changes if change["Field"] == field])
        assert column["changes"] or field not in {change["Field"] for change in changes}
        present = 0
        for row in rows(org, f"SELECT Id, {field}{'' if own else f', {key}'} FROM {owner}"):
            given = table.rows[table.numbers.index(numbers[row[key]])][column["column"]]
            value = at_landmark(row, field, [c for c in changes if c[parent] == row["Id"]], moment)
            if column["type"] == "Number":
                expected = given and round(float(given) * column["scale"], column["decimals"])
                value = value and float(value)
            else:
                expected = column["values"].get(given, given)
            present += value is not None
            assert value in (expected, None)
        assert present >= 0.5 * sum(row[column["column"]] is not None for row in table.rows)
    assert changed


def test_an_outcome_happens_within_half_a_year_of_every_landmark_and_its_record_is_older(directory, org, clock):
    table = read_table(directory, participant=0, of=2)
    about = plant(org, table, seed=1).description
    flag, date = about["outcome"]["field"], about["outcome"]["date_field"]
    found = rows(org, f"SELECT AccountNumber, CreatedDate, {flag}, {date} FROM Account")
    today = clock.now().date()
    for row in found:
        assert row[flag] is table.outcomes[table.numbers.index(int(row["AccountNumber"]))]
        assert row["CreatedDate"][:10] <= (today - timedelta(days=272)).isoformat()
        if row[flag]:
            assert (today - timedelta(days=180)).isoformat() < row[date] < (today - timedelta(days=91)).isoformat()
        else:
            assert row[date] is None


def test_an_org_is_seeded_once(directory, org):
    table = read_table(directory, participant=0, of=2)
    first = plant(org, table, seed=1)
    again = plant(org, table, seed=2)
    assert not again.new
    assert again.description == first.description
    with org.transaction(org.admin_context()) as transaction:
        assert transaction.query("SELECT COUNT() FROM Account").total_size == 60


def test_a_seeding_that_is_cut_off_leaves_the_org_as_it_was(directory, org, monkeypatch):
    table = read_table(directory, participant=0, of=2)
    write = Writer.write

    def cut(writer, name, lives):
        if name == "Task":
            raise KeyboardInterrupt
        return write(writer, name, lives)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            plant(org, table, seed=1)
    assert planted_before(org, "toy") is None
    assert rows(org, "SELECT Id FROM Account") == []
    assert [field.api_name for field in org.schema.object("Account") if field.custom] == []
    assert plant(org, table, seed=1).new


def test_nothing_around_an_account_depends_on_its_outcome(directory, tmp_path, clock):
    """The same rows with every label turned over have the same people, activities, cases and deals."""
    table = read_table(directory, participant=0, of=2)
    turned = replace(table, outcomes=tuple(not outcome for outcome in table.outcomes))
    seen = []
    for n, each in enumerate((table, turned)):
        org = Org.create(tmp_path / str(n), alias="same", number=7, clock=clock)
        about = plant(org, each, seed=3).description
        fields = ", ".join(c["field"] for c in about["columns"] if c["object"] == "Account")
        seen.append(
            [
                rows(org, f"SELECT {what} ORDER BY Id")
                for what in (
                    f"Name, Industry, Type, CreatedDate, LastActivityDate, {fields} FROM Account",
                    "AccountId, Title, CreatedDate FROM Contact",
                    "AccountId, ActivityDate, CreatedDate FROM Task",
                    "AccountId, StartDateTime FROM Event",
                    "AccountId, Priority, Status, IsEscalated, CreatedDate, ClosedDate FROM Case",
                    "AccountId, StageName, Amount, CloseDate, CreatedDate FROM Opportunity",
                    "Rating, Status, ConvertedDate, ConvertedAccountId, CreatedDate FROM Lead",
                    "AccountId, Field, CreatedDate FROM AccountHistory",
                )
            ]
        )
        org.close()
    assert all(seen[0])
    assert seen[0] == seen[1]


def test_nothing_happens_before_its_record_or_after_today(directory, org, clock):
    plant(org, read_table(directory, participant=0, of=2), seed=1)
    now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    for child, parent in (("Contact", "Account"), ("Opportunity", "Account"), ("Case", "Account")):
        found = rows(org, f"SELECT CreatedDate, {parent}.CreatedDate FROM {child}")
        assert found
        for row in found:
            assert row[parent]["CreatedDate"] <= row["CreatedDate"] <= now
    for row in rows(org, "SELECT CreatedDate, CloseDate, IsClosed FROM Opportunity"):
        assert row["CloseDate"] >= row["CreatedDate"][:10]
        assert not row["IsClosed"] or row["CloseDate"] <= now[:10]


def test_planting_is_repeatable(directory, tmp_path, clock):
    table = read_table(directory, participant=0, of=2)
    seen = []
    for n in (1, 2):
        org = Org.create(tmp_path / str(n), alias="same", number=7, clock=clock)
        plant(org, table, seed=3)
        seen.append(
            rows(org, "SELECT Name, CreatedDate FROM Account") + rows(org, "SELECT Subject, ActivityDate FROM Task")
        )
        org.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("task", "name", "field"),
    [
        ("lead_conversion", "Lead", "IsConverted"),
        ("win_probability", "Opportunity", "IsWon"),
        ("case_escalation", "Case", None),
    ],
)
def test_a_table_of_another_task_decides_the_platforms_own_outcome(directory, org, task, name, field):
    table = replace(read_table(directory, participant=0, of=2), task=task)
    about = plant(org, table, seed=1).description
    flag = about["outcome"]["field"]
    assert about["records"][name] == 60
    if field is not None:
        found = rows(org, f"SELECT {flag}, {field} FROM {name}")
        assert all(row[flag] is row[field] for row in found)
    else:
        found = rows(org, f"SELECT Id, {flag} FROM Case")
        raised = {row["CaseId"] for row in rows(org, "SELECT CaseId FROM CaseHistory WHERE Field = 'IsEscalated'")}
        raised |= {row["CaseId"] for row in rows(org, "SELECT CaseId FROM CaseHistory WHERE NewValue = 'High'")}
        assert all(row[flag] is (row["Id"] in raised) for row in found)
    assert sum(row[flag] for row in found) == sum(table.outcomes)
    assert rows(org, "SELECT Id FROM Task")


def test_an_org_with_a_namespace_is_seeded_alike(directory, tmp_path, clock):
    """The document has names without the org's own prefix, as its own tools may write them."""
    org = Org.create(tmp_path, alias="acme", number=8, namespace="fedcrm", clock=clock)
    about = plant(org, read_table(directory, participant=0, of=2), seed=1).description
    flag = about["outcome"]["field"]
    assert org.schema.object("Account").get(f"fedcrm__{flag}") is not None
    assert len(rows(org, f"SELECT Id FROM Account WHERE {flag} = true")) > 0
    assert len(rows(org, "SELECT Id FROM Account")) == 60
    org.close()
