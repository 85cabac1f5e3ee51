"""Rows written back: each row's fate by its key, and twice is as good as once."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fedcrm.errors import AccessDenied, InputError, SettingsError
from fedcrm.salesforce.writeback import RowFailure, WriteBack

TYPES = {
    "Id": "id",
    "Key__c": "string",
    "Amount__c": "double",
    "Note__c": "string",
    "Day__c": "date",
    "At__c": "datetime",
    "Yes__c": "boolean",
}


@pytest.fixture(params=["collections", "bulk"])
def way(request):
    return request.param


@pytest.fixture
def write(client, org, way):
    """Upserts by Key__c, by either way."""
    org.types = dict(TYPES)
    back = WriteBack(client, bulk_from=1 if way == "bulk" else 10_000, job_bytes=6_000)

    def write(rows, **more):
        return back.upsert("Account", "Key__c", rows, **more)

    return write


def some(count):
    return [{"Key__c": f"k{i}", "Amount__c": i / 4, "Note__c": f'"n", {i}\nx' if i % 2 else None} for i in range(count)]


def test_every_row_is_in_the_org_and_twice_changes_nothing(write, org):
    first = write(some(220))
    before = [dict(row) for row in org.rows]
    second = write(some(220))
    assert (first.saved, first.created, first.failed) == (220, 220, ())
    assert (second.saved, second.created, second.failed) == (220, 0, ())
    assert org.rows == before
    assert [row["Note__c"] for row in org.rows] == [row["Note__c"] for row in some(220)]
    assert [float(row["Amount__c"]) for row in org.rows] == [row["Amount__c"] for row in some(220)]


def test_each_refused_row_is_reported_with_its_key_and_the_others_are_saved(write, org):
    org.row_errors = {"k3": ["FIELD_CUSTOM_VALIDATION_EXCEPTION"] * 9, "k7": ["STRING_TOO_LONG"] * 9}
    report = write(some(10))
    assert (report.saved, len(org.rows)) == (8, 8)
    assert report.failed == (
        RowFailure("k3", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "planted", ("Amount__c",)),
        RowFailure("k7", "STRING_TOO_LONG", "planted", ("Amount__c",)),
    )


def test_a_row_that_was_locked_is_sent_again_and_alone(write, org, waits):
    org.row_errors = {"k3": ["UNABLE_TO_LOCK_ROW"] * 2}
    report = write(some(10))
    assert (report.saved, report.failed) == (10, ())
    assert len(waits) >= 2


def test_a_row_that_stays_locked_is_reported_in_the_end(write, org):
    org.row_errors = {"k3": ["UNABLE_TO_LOCK_ROW"] * 99}
    report = write(some(10))
    assert [(f.key, f.code) for f in report.failed] == [("k3", "UNABLE_TO_LOCK_ROW")]
    assert report.saved == 9


def test_the_rest_goes_into_a_csv_that_can_be_corrected_and_written_again(write, org, tmp_path):
    org.row_errors = {"k1": ["STRING_TOO_LONG"]}
    path = tmp_path / "rest.csv"
    write(some(3), failures=path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["Key__c"], r["error_code"], r["Note__c"]) for r in rows] == [("k1", "STRING_TOO_LONG", '"n", 1\nx')]
    assert path.stat().st_mode & 0o777 == 0o600
    write(some(3), failures=path)
    assert path.read_text().splitlines() == ["error_code,error_message,Key__c,Amount__c,Note__c"]


def test_values_of_every_kind_arrive_as_the_platform_writes_them(write, org, way):
    row = {
        "Key__c": "k",
        "Amount__c": np.float32(0.5),
        "Note__c": "",
        "Day__c": date(2026, 2, 3),
        "At__c": datetime(2026, 2, 3, 4, 5, 6, 789_000, UTC),
        "Yes__c": True,
    }
    write([row])
    (found,) = org.rows
    assert (found["Day__c"], found["At__c"]) == ("2026-02-03", "2026-02-03T04:05:06.789Z")
    assert found["Yes__c"] in (True, "true")
    assert float(found["Amount__c"]) == 0.5
    assert not found["Note__c"]


def test_numpy_dates_and_times_without_a_zone_are_utc(write, org):
    write([{"Key__c": "k", "Day__c": np.datetime64("2026-02-03"), "At__c": np.datetime64("2026-02-03T04:05:06.789")}])
    (found,) = org.rows
    assert (found["Day__c"], found["At__c"]) == ("2026-02-03", "2026-02-03T04:05:06.789Z")


def test_a_missing_number_empties_the_field(write, org):
    write([{"Key__c": "k", "Amount__c": 1.0}])
    write([{"Key__c": "k", "Amount__c": float("nan")}])
    assert org.rows == [{"Key__c": "k", "Amount__c": None}]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"Key__c": "a"}, {"Key__c": "A"}], "a second time"),
        ([{"Key__c": "a"}, {"Key__c": None}], "no key"),
        ([{"Key__c": ""}], "no key"),
        ([{"Key__c": "a", "Amount__c": 1.0}, {"Key__c": "b", "Note__c": "x"}], "other fields"),
        ([{"Key__c": "a", "Amount__c": 1.0}, {"Key__c": "b", "Amount__c": float("inf")}], "row 2 has inf in Amount__c"),
        ([{"Key__c": "a", "Note__c": "#N/A"}], "#N/A"),  # which empties a field in a bulk job
    ],
)
def test_rows_that_cannot_be_told_apart_are_refused_before_any_is_sent(write, org, rows, why):
    with pytest.raises(InputError, match=why):
        write(rows)
    assert not [r for r in org.requests if r.method in ("PATCH", "PUT")]


def test_keys_that_differ_in_capitals_are_two_where_the_field_says_so(write, org):
    org.case_sensitive.add("Key__c")
    assert write([{"Key__c": "a"}, {"Key__c": "A"}]).saved == 2


def test_a_field_that_may_not_be_written_is_named_before_any_row_is_sent(write, org):
    org.types["CreatedDate"] = "datetime"
    with pytest.raises(AccessDenied, match="write") as refused:
        write([{"Key__c": "a", "CreatedDate": "x", "Hidden__c": 1}])
    assert refused.value.fields == ("CreatedDate", "Hidden__c")


def test_a_field_that_is_no_external_id_finds_no_rows(client, org):
    org.types = dict(TYPES)
    with pytest.raises(SettingsError, match="external id"):
        WriteBack(client).upsert("Account", "Note__c", [{"Note__c": "a"}])


def test_no_rows_are_no_calls(write, org):
    report = write([])
    assert (report.saved, report.failed) == (0, ())


def test_a_lost_reply_to_a_collection_is_sent_again_for_the_key_makes_it_repeatable(client, org, plant):
    org.types = dict(TYPES)
    plant("/composite", cut_after=-1)
    report = WriteBack(client).upsert("Account", "Key__c", some(5))
    assert (report.saved, len(org.rows)) == (5, 5)


@pytest.mark.parametrize(
    "fault",
    [
        {"path": "/batches$", "cut_after": -1},
        {"path": "/batches$", "status": 503, "html": True},
        {"path": "/jobs/ingest$", "cut_after": -1},
        {"path": "/jobs/ingest/750\\w+$", "cut_after": -1},
        {"path": "/successfulResults", "cut_after": 60},
        {"path": "/failedResults", "cut_after": 5},
        {"path": "/services/data", "status": 401, "code": "INVALID_SESSION_ID"},
    ],
)
def test_a_bulk_job_survives_a_break_at_each_of_its_steps(client, org, plant, fault):
    org.types = dict(TYPES)
    org.row_errors = {"k1": ["STRING_TOO_LONG"] * 9}
    plant(**fault)
    report = WriteBack(client, bulk_from=1).upsert("Account", "Key__c", some(5))
    assert (report.saved, len(org.rows), [f.key for f in report.failed]) == (4, 4, ["k1"])


def test_many_rows_are_cut_into_jobs_of_a_size_the_platform_takes(client, org):
    org.types = dict(TYPES)
    WriteBack(client, bulk_from=1, job_bytes=1_000).upsert("Account", "Key__c", some(200))
    uploads = org.sent("PUT", "/batches")
    assert len(uploads) > 3
    assert all(len(u.body) <= 1_000 for u in uploads)
    assert len(org.rows) == 200


def test_two_thousand_rows_are_bulk_and_fewer_are_collections(client, org):
    org.types = dict(TYPES)
    WriteBack(client).upsert("Account", "Key__c", some(1_999))
    assert not org.sent("PUT", "/batches")
    org.rows = []
    WriteBack(client).upsert("Account", "Key__c", some(2_000))
    assert len(org.sent("PUT", "/batches")) == 1
