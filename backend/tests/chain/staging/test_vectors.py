"""What the extractor measures, against the same worked out from the org's raw rows."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json

import pytest

pytestmark = pytest.mark.slow
TASKS = ("churn", "opportunity_win", "case_escalation", "lead_conversion")


@pytest.fixture
def extracted(tracked, fedcrm, tmp_path):
    """task, purpose -> (names of the features, lines by pseudonym) of a fresh extraction."""
    assert fedcrm("org", "pair", tracked.alias)[0] == 0

    def extract(task, purpose="training"):
        out = tmp_path / f"{task}-{purpose}"
        words = ("extract", "--org", tracked.alias, "--task", task, "--purpose", purpose, "--wait", "--out", out)
        status, said = fedcrm(*words)
        assert status == 0, said
        name = "data.csv.gz" if purpose == "training" else "vectors.csv.gz"
        with gzip.open(out / name, "rt", encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        return header, {line[0]: line for line in lines}

    return extract


def started(tracked, task, purpose):
    soql = f"SELECT Started_At__c FROM Extraction_Run__c WHERE Task__c = '{task}' AND Purpose__c = '{purpose}'"
    (newest,) = tracked.rows(f"{soql} ORDER BY Started_At__c DESC LIMIT 1")
    return dt.datetime.strptime(newest["Started_At__c"], "%Y-%m-%dT%H:%M:%S.%f%z")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_vectors_of_an_invented_org_are_those_of_its_raw_rows_bit_for_bit(tracked, extracted, invent, seed):
    tracked.wipe()
    invent(tracked, seed)
    for task in TASKS:
        header, lines = extracted(task)
        raw = tracked.raw(task)
        assert header[4:] == [one["Feature__c"] for one in raw.definitions]
        rows = raw.training_rows(started(tracked, task, "Training"))
        assert len(rows) >= 4, task
        assert lines.keys() == rows.keys(), task
        for pseudonym, (entity, as_of, label) in rows.items():
            line = lines[pseudonym]
            assert line[1:3] == [as_of.strftime("%Y-%m-%dT%H:%M:%SZ"), label]
            found = dict(zip(header[4:], line[4:], strict=True))
            assert found == dict(zip(header[4:], raw.vector(entity, as_of), strict=True)), (task, entity, as_of)


BUILD = """
Map<Id, Datetime> moments = new Map<Id, Datetime>();
for ({entity} entity : [SELECT Id FROM {entity} WHERE CreatedDate <= {moment}]) {{
    moments.put(entity.Id, Datetime.newInstance({milliseconds}L));
}}
FeatureVectorBuilder builder = new FeatureVectorBuilder(
    ModelTask.named('{task}'), FeatureDefinitions.ofTask('{task}'), 10000
);
System.debug(JSON.serialize(builder.build(moments)));
"""


def built(tracked, task, entity, moment):
    """What the package's own builder says of every entity that was there at a moment."""
    text = BUILD.format(
        task=task,
        entity=entity,
        moment=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        milliseconds=int(moment.timestamp()) * 1000,
    )
    return json.loads(tracked.apex(text).splitlines()[-1])


def test_whatever_happens_after_the_as_of_time_the_vector_stays(tracked, fedcrm, invent):
    fedcrm("org", "pair", tracked.alias)
    tracked.wipe()
    invented = invent(tracked, 5)
    moment = invented.now - dt.timedelta(days=300)
    entities = dict(zip(TASKS, ("Account", "Opportunity", "Case", "Lead"), strict=True))
    before = {task: built(tracked, task, entity, moment) for task, entity in entities.items()}
    assert all(before.values())
    for task, entity in entities.items():
        raw = tracked.raw(task)
        account = "Id" if entity in ("Account", "Lead") else "Id, AccountId"
        rows = {row["Id"]: row for row in tracked.rows(f"SELECT {account} FROM {entity}")}
        assert before[task] == {key: list(raw.vector(rows[key], moment)) for key in before[task]}

    later = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    for name in ("Task", "Asset", "EmailMessage", "CaseComment", "OpportunityContactRole", "CampaignMember"):
        tracked.remove([row["Id"] for row in tracked.rows(f"SELECT Id FROM {name} WHERE CreatedDate > {later}")])
    tracked.remove([row["Id"] for row in tracked.rows(f"SELECT Id FROM Event WHERE StartDateTime > {later}")])
    everything = {
        "Account": {"Type": "Technology Partner"},
        "Contact": {"Title": "President"},
        "Case": {
            "Priority": "Critical",
            "Status": "Escalated",
            "IsEscalated": True,
            "Type": "Structural",
            "Reason": "Breakdown",
        },
        "Opportunity": {"StageName": "Closed Won", "Amount": 777, "CloseDate": "2030-01-01"},
    }
    everything["Lead"] = {
        "Title": "President",
        "Rating": "Warm",
        "Industry": "Banking",
        "NumberOfEmployees": 8,
        "AnnualRevenue": 9,
    }
    for name, change in everything.items():
        open_ones = " WHERE IsConverted = FALSE" if name == "Lead" else ""
        found = tracked.rows(f"SELECT Id FROM {name}{open_ones}")
        tracked.change(name, [{"Id": row["Id"], **change} for row in found])
    for account in tracked.rows("SELECT Id FROM Account"):
        tracked.put("Task", [{"WhatId": account["Id"], "Subject": "New", "Status": "Completed"}])
        tracked.put("Contact", [{"AccountId": account["Id"], "LastName": "New", "Title": "CEO"}])
        tracked.put("Case", [{"AccountId": account["Id"], "Status": "New", "Priority": "High"}])
        deal = {"AccountId": account["Id"], "Name": "New", "StageName": "Prospecting", "CloseDate": "2031-01-01"}
        tracked.put("Opportunity", [deal])

    for task, entity in entities.items():
        names = [one["Feature__c"] for one in tracked.raw(task).definitions]
        after = built(tracked, task, entity, moment)
        assert after.keys() == before[task].keys()
        for key, cells in after.items():
            assert dict(zip(names, cells, strict=True)) == dict(zip(names, before[task][key], strict=True)), task
        assert built(tracked, task, entity, invented.now + dt.timedelta(days=1)) != before[task], task


def test_a_record_scored_on_demand_has_the_vector_of_the_nightly_block(tracked, extracted, invent):
    tracked.wipe()
    invent(tracked, 6)
    _, nightly = extracted("churn", "scoring")
    raw, night = tracked.raw("churn"), started(tracked, "churn", "Scoring")
    accounts = {raw.pseudonym(row["Id"]): row for row in tracked.rows("SELECT Id FROM Account")}
    assert nightly.keys() == accounts.keys()
    for pseudonym, line in nightly.items():
        assert line[1:] == [night.strftime("%Y-%m-%dT%H:%M:%SZ"), *raw.vector(accounts[pseudonym], night)]

    with tracked.node_double() as asked:
        inputs = [{"recordId": row["Id"], "task": "churn"} for row in accounts.values()]
        tracked.post("/actions/custom/apex/ScoreRecordAction", {"inputs": inputs})
    (request,) = [one for one in asked if one["task"] == "churn"]  # flows ask for what was just created
    assert {one["vocabulary_digest"] for one in request["records"]} == {
        tracked.rows("SELECT Vocabulary_Digest__c FROM Extraction_Run__c")[0]["Vocabulary_Digest__c"]
    }
    assert {one["pseudonym"]: one["vector"] for one in request["records"]} == {
        pseudonym: line[2:] for pseudonym, line in nightly.items()
    }
