"""Scores written back to a local org, by both ways, also where its own rules refuse them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fedcrm.errors import AccessDenied
from fedcrm.salesforce import Extraction, RestExtractor, WriteBack

pytestmark = pytest.mark.slow


@pytest.fixture(params=["collections", "bulk"])
def way(request):
    return request.param


@pytest.fixture
def write(client, scores, way):
    back = WriteBack(client, bulk_from=1 if way == "bulk" else 10_000, patience=60)

    def write(rows, **more):
        return back.upsert(scores, "Key__c", rows, **more)

    return write


def some(count: int, way: str):
    return [
        {
            "Key__c": f"{way}-{i:04}",
            "Value__c": i / 8 if i % 5 else None,
            "Why__c": f'because, "of" {i}\nand 漢字' if i % 3 else None,
            "At__c": datetime(2026, 5, 1, 12, 0, i % 60, tzinfo=UTC),
            "Sure__c": i % 2 == 0,
        }
        for i in range(count)
    ]


def stored(client, scores, way):
    fields = ("Key__c", "Value__c", "Why__c", "At__c", "Sure__c", "Id")
    found = []
    for block in RestExtractor(client).blocks(Extraction(scores, fields, where=f"Key__c LIKE '{way}-%'")):
        columns = [
            [None if gone else v for v, gone in zip(c.values.tolist(), c.missing, strict=True)]
            for c in block.values.values()
        ]
        found += list(zip(*columns, strict=True))
    return sorted(found)


def test_rows_are_stored_as_they_were_written_and_twice_changes_nothing(write, client, scores, way):
    rows = some(450, way)
    first = write(rows)
    before = stored(client, scores, way)
    second = write(rows)
    assert (first.saved, first.created, first.failed) == (450, 450, ())
    assert (second.saved, second.created, second.failed) == (450, 0, ())
    assert stored(client, scores, way) == before
    plain = [tuple(v.replace(tzinfo=None) if isinstance(v, datetime) else v for v in r.values()) for r in rows]
    assert [row[:-1] for row in before] == plain


def test_a_customers_rule_refuses_rows_and_each_is_reported(write, client, scores, way, faults, tmp_path):
    rows = some(30, f"rule-{way}")
    refused = rows[7]["Key__c"]
    rule = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Not on a Sunday"}
    faults.plant(kind="refuse_row", object=scores, field="Key__c", value=refused, times=1, **rule)
    report = write(rows, failures=tmp_path / "rest.csv")
    (failure,) = report.failed
    assert (failure.key, failure.code, failure.message) == (refused, rule["code"], rule["message"])
    assert report.saved == 29
    assert "Not on a Sunday" in (tmp_path / "rest.csv").read_text()
    assert (write(rows).created, write(rows).failed) == (1, ())


def test_a_locked_row_is_written_in_the_end(write, scores, way, faults):
    rows = some(30, f"lock-{way}")
    lock = {"code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}
    faults.plant(kind="refuse_row", object=scores, field="Key__c", value=rows[3]["Key__c"], times=2, **lock)
    assert write(rows).saved == 30
    assert not faults.left()


PASSING = {
    "overload": {"status": 503, "code": "SERVER_UNAVAILABLE", "times": 2},
    "an ended session": {"kind": "expire"},
    "a gateway that gave up when all was done": {"status": 503, "code": "", "after": True},
    "a cut reply": {"kind": "cut", "bytes": 5},
}


@pytest.mark.parametrize("what", PASSING)
@pytest.mark.parametrize(
    "step", ["/composite|/batches$", r"/jobs/ingest$|/composite", r"/ingest/\w+$|/composite", "Results|/composite"]
)
def test_a_passing_fault_at_any_step_loses_and_doubles_nothing(write, client, scores, way, faults, what, step):
    rows = some(25, f"{what} {step}"[:40].replace("'", "") + way)
    faults.plant(path=step, **PASSING[what])
    report = write(rows)
    assert (report.saved, report.failed) == (25, ())
    assert client.count(scores, f"Key__c IN ({', '.join(repr(r['Key__c']) for r in rows)})") == 25


def test_a_value_the_field_cannot_hold_is_the_rows_own_failure(write, way):
    rows = some(3, f"long-{way}")
    rows[1]["Why__c"] = "x" * 40_000
    report = write(rows)
    assert [(f.key, f.code) for f in report.failed] == [(rows[1]["Key__c"], "STRING_TOO_LONG")]
    assert report.saved == 2


def test_an_object_of_another_org_is_not_there(local_orgs, scores):
    with pytest.raises(AccessDenied):
        WriteBack(local_orgs.client(1)).upsert(scores, "Key__c", some(1, "x"))
