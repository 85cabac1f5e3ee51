"""A seeded org, extracted: the dated outcome gives the table's labels, facts of half a year ago give its values."""

from __future__ import annotations

import random

import pytest

from localorg.org import Org
from localorg.seed import Table, plant
from localorg.seed.table import Column

pytestmark = pytest.mark.slow

COLUMNS = (
    Column("tenure", "number"),
    Column("MonthlyCharges", "number"),
    Column("Contract", "choice", ("Monthly", "One year", "Two year")),
    Column("Payment Method", "choice", ("Card", "Cheque", "Transfer")),
    Column("Partner", "choice", ("Yes", "No")),
)


def invented(count: int) -> Table:
    rng = random.Random(4)
    rows = tuple(
        {
            column.name: rng.choice(column.choices) if column.choices else str(round(rng.uniform(1, 90), 2))
            for column in COLUMNS
        }
        for _ in range(count)
    )
    outcomes = tuple(rng.random() < 0.3 for _ in rows)
    return Table("invented", "churn", COLUMNS, rows, outcomes, tuple(range(count)))


@pytest.fixture(scope="module")
def table():
    return invented(240)


@pytest.fixture(scope="module")
def about(workshop, table):
    """The org's description after seeding; its churn task reads the dated outcome, its columns are mapped."""
    org: Org = workshop.org
    found = plant(org, table, seed=6).description
    outcome = {
        "Outcome__c": "Field_Date",
        "Outcome_Field__c": found["outcome"]["field"],
        "Outcome_Date_Field__c": found["outcome"]["date_field"],
        "Label_Source__c": "Definitive",
    }
    with org.transaction(workshop.admin.as_platform()) as work:
        (task,) = work.query("SELECT Id FROM Model_Task__mdt WHERE DeveloperName = 'churn'")
        assert work.update("Model_Task__mdt", [{"Id": task["Id"], **outcome}])[0].success
    workshop.insert("Feature_Definition__mdt", [definition(found, n, each) for n, each in enumerate(found["columns"])])
    return found


def definition(about, number, column):
    own = column["object"] == "Account"
    row = {
        "DeveloperName": f"churn_table_{number}",
        "MasterLabel": column["column"],
        "Task__c": "churn",
        "Feature__c": f"table.{number}",
        "Block__c": "Table",
        "Active__c": True,
        "Kind__c": {"Number": "Number", "Picklist": "Category", "Checkbox": "Flag"}[column["type"]],
        "Decimals__c": 2,
        "Source_Object__c": column["object"],
        "Source_Key__c": "Id" if own else about["satellite"]["parent_field"],
        "Entity_Key__c": "Id",
        "Aggregate__c": "Count" if column["type"] == "Checkbox" else "Value",
        "Field__c": None if column["type"] == "Checkbox" else column["field"],
        "As_Of_Rule__c": "History" if column["changes"] else "Fixed",
        "Null_Policy__c": "Missing",
        "Factor__c": 1 / column["scale"],
    }
    if column["type"] == "Checkbox":
        row |= {"Filter__c": f"{column['field']} = true", "Null_Policy__c": "Zero"}
    if column["type"] == "Picklist":
        row["Value_Map__c"] = "; ".join(f"{theirs} = {ours}" for ours, theirs in column["values"].items())
    return row


def test_every_account_has_the_tables_label_and_the_tables_values(workshop, table, about):
    assert any(column["changes"] for column in about["columns"])
    run = workshop.extract("churn", "Training")
    assert run["Status__c"] == "Completed", run["Message__c"]
    vectors = workshop.vectors(run)
    accounts = workshop.query("SELECT Id, AccountNumber FROM Account")
    assert len(vectors) == len(accounts) == len(table.rows)
    present = 0
    for account in accounts:
        number = int(account["AccountNumber"])
        vector, given = vectors[workshop.pseudonym(account["Id"])], table.rows[number]
        assert vector["label"] == str(int(table.outcomes[number]))
        for at, column in enumerate(about["columns"]):
            got, wanted = vector[f"table.{at}"], given[column["column"]]
            if column["type"] == "Checkbox":
                assert got == str(int(column["values"][wanted]))
            elif got:
                present += 1
                assert (float(got) == float(wanted)) if column["type"] == "Number" else (got == wanted)
    assert present > 3 * len(accounts)


@pytest.mark.parametrize("task", ["case_escalation", "opportunity_win", "lead_conversion"])
def test_the_other_tasks_have_rows_of_both_kinds_and_live_records(workshop, about, task):
    training = workshop.vectors(workshop.extract(task, "Training"))
    positive = sum(vector["label"] == "1" for vector in training.values())
    assert len(training) > 40
    assert 0.15 < positive / len(training) < 0.65
    name, test = {
        "case_escalation": ("Case", "IsClosed = false"),
        "opportunity_win": ("Opportunity", "IsClosed = false"),
        "lead_conversion": ("Lead", "IsConverted = false"),
    }[task]
    live = {workshop.pseudonym(row["Id"]) for row in workshop.query(f"SELECT Id FROM {name} WHERE {test}")}
    assert live
    assert live <= workshop.vectors(workshop.extract(task, "Scoring")).keys()
