"""What the extractor measures, against the same worked out from the org's raw rows."""

from __future__ import annotations

import csv
import datetime as dt
import gzip

import pytest

pytestmark = pytest.mark.slow
TASKS = ("churn", "opportunity_win", "case_escalation")


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
        assert lines.keys() == rows.keys(), task
        for pseudonym, (entity, as_of, label) in rows.items():
            line = lines[pseudonym]
            assert line[1:3] == [as_of.strftime("%Y-%m-%dT%H:%M:%SZ"), label]
            found = dict(zip(header[4:], line[4:], strict=True))
            assert found == dict(zip(header[4:], raw.vector(entity, as_of), strict=True)), (task, entity, as_of)
