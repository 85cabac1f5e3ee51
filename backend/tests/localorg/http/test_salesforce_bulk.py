"""Contract: an unmodified salesforce-bulk, which speaks Bulk API 1.0 at version 40.0."""

from __future__ import annotations

import csv
import io
import json

import pytest
import unicodecsv
from salesforce_bulk import CsvDictsAdapter, SalesforceBulk
from salesforce_bulk.salesforce_bulk import BulkApiError, BulkBatchFailed


@pytest.fixture
def bulk(served):
    org = served.org()
    return SalesforceBulk(sessionId=org["access_token"], host=org["instance_url"])


@pytest.fixture
def waited(monkeypatch):
    """Its polls sleep ten seconds; here they do not."""
    monkeypatch.setattr("salesforce_bulk.salesforce_bulk.time.sleep", lambda _: None)


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


def test_rows_go_in_as_csv_and_come_out_as_csv(bulk, waited):
    job = bulk.create_insert_job("Account", contentType="CSV", concurrency="Parallel")
    given = [{"Name": f"SB {n}", "Site": 'a "b", c\nd'} for n in range(3)]
    batch = bulk.post_batch(job, CsvDictsAdapter(iter(given)))
    bulk.wait_for_batch(job, batch)
    bulk.close_job(job)
    results = bulk.get_batch_results(batch, job)
    assert [(r.success, r.created, r.error) for r in results] == [("true", "true", "")] * 3
    assert bulk.job_status(job)["numberRecordsProcessed"] == "3"
    assert bulk.job_state(job) == "Closed"

    job = bulk.create_query_job("Account", contentType="CSV")
    batch = bulk.query(job, "SELECT Id, Name, Site, IsDeleted FROM Account WHERE Name LIKE 'SB %' ORDER BY Name")
    bulk.wait_for_batch(job, batch)
    bulk.close_job(job)
    (stream,) = bulk.get_all_results_for_query_batch(batch, job)
    found = list(unicodecsv.DictReader(stream, encoding="utf-8"))
    assert [row["Name"] for row in found] == ["SB 0", "SB 1", "SB 2"]
    assert {row["Site"] for row in found} == {given[0]["Site"]}
    assert {row["IsDeleted"] for row in found} == {"false"}
    assert bulk.get_query_batch_request(batch, job).startswith("SELECT Id, Name")


def test_json_and_xml_queries_have_their_own_results(bulk, waited):
    for content_type in ("JSON", "XML"):
        job = bulk.create_query_job("User", contentType=content_type)
        batch = bulk.query(job, "SELECT Id, Username FROM User", contentType=content_type)
        bulk.wait_for_batch(job, batch)
        (stream,) = bulk.get_all_results_for_query_batch(batch, job)
        body = stream.read()
        if content_type == "JSON":
            assert json.loads(body)[0]["attributes"]["type"] == "User"
        else:
            assert b"<records><type>User</type><Id>005" in body


def test_json_and_xml_batches_are_loaded(bulk, waited, salesforce):
    nil = '<Site xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
    bodies = {
        "JSON": json.dumps([{"attributes": {"type": "Account"}, "Name": "JS 1"}, {"Name": ""}]),
        "XML": '<sObjects xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
        f"<sObject><type>Account</type><Name>XM 1</Name>{nil}</sObject><sObject><Name></Name></sObject></sObjects>",
    }
    for content_type, body in bodies.items():
        job = bulk.create_insert_job("Account", contentType=content_type)
        batch = bulk.post_batch(job, body)
        bulk.wait_for_batch(job, batch)
        saved, refused = bulk.get_batch_results(batch, job)
        assert [saved.success, refused.success] == [True, False]
        assert "REQUIRED_FIELD_MISSING" in str(refused.error)
        assert bulk.get_query_batch_request(batch, job) == body
    names = salesforce().query("SELECT Name FROM Account WHERE Name IN ('JS 1', 'XM 1') ORDER BY Name")
    assert [row["Name"] for row in names["records"]] == ["JS 1", "XM 1"]


def test_failed_rows_carry_code_message_and_fields(bulk, waited):
    job = bulk.create_insert_job("Contact", contentType="CSV")
    batch = bulk.post_batch(
        job, CsvDictsAdapter(iter([{"LastName": "", "FirstName": "No"}, {"LastName": "Yes", "FirstName": ""}]))
    )
    bulk.wait_for_batch(job, batch)
    failed, saved = bulk.get_batch_results(batch, job)
    assert (failed.id, failed.success) == ("", "false")
    assert failed.error == "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
    assert saved.success == "true"
    assert bulk.batch_status(batch, job, reload=True)["numberRecordsFailed"] == "1"


def test_upsert_update_and_delete(bulk, waited, salesforce):
    sf = salesforce()
    made = sf.Product2.create({"Name": "Bulked"})["id"]
    for operation, row in (("upsert", {"Id": made, "Name": "Up"}), ("update", {"Id": made, "ProductCode": "7"})):
        maker = bulk.create_upsert_job if operation == "upsert" else bulk.create_update_job
        job = maker("Product2", *(["Id"] if operation == "upsert" else []), contentType="CSV")
        batch = bulk.post_batch(job, CsvDictsAdapter(iter([row])))
        bulk.wait_for_batch(job, batch)
        (result,) = bulk.get_batch_results(batch, job)
        assert (result.success, result.created) == ("true", "false")
    read = sf.Product2.get(made)
    assert (read["Name"], read["ProductCode"]) == ("Up", "7")
    job = bulk.create_delete_job("Product2", contentType="CSV")
    batch = bulk.post_batch(job, CsvDictsAdapter(iter([{"Id": made}])))
    bulk.wait_for_batch(job, batch)
    assert sf.query(f"SELECT COUNT() FROM Product2 WHERE Id = '{made}'")["totalSize"] == 0
    job = bulk.create_queryall_job("Product2", contentType="CSV")
    batch = bulk.query(job, f"SELECT Id FROM Product2 WHERE Id = '{made}'")
    bulk.wait_for_batch(job, batch)
    (stream,) = bulk.get_all_results_for_query_batch(batch, job)
    assert [row["Id"] for row in rows_of(stream.read())] == [made]


def test_pk_chunking_gives_one_batch_an_id_range_and_no_row_twice(bulk, waited, salesforce):
    sf = salesforce()
    sf.bulk.Lead.insert([{"LastName": f"PK {n:03}", "Company": "C"} for n in range(25)])
    job = bulk.create_query_job("Lead", contentType="CSV", pk_chunking=10)
    batch = bulk.query(job, "SELECT Id, LastName FROM Lead WHERE LastName LIKE 'PK %'")
    bulk.close_job(job)
    batches = bulk.get_batch_list(job)
    assert batches[0]["id"] == batch
    assert batches[0]["state"] == "NotProcessed"
    assert len(batches) >= 4
    seen: list[str] = []
    for one in batches[1:]:
        bulk.wait_for_batch(job, one["id"])
        for stream in bulk.get_all_results_for_query_batch(one["id"], job):
            seen += [row["LastName"] for row in rows_of(stream.read())]
    assert sorted(seen) == [f"PK {n:03}" for n in range(25)]


def test_refusals_have_the_async_apis_form(bulk, waited, served):
    with pytest.raises(BulkApiError, match="Unable to find object: Nothing__c"):
        bulk.create_insert_job("Nothing__c", contentType="CSV")
    job = bulk.create_query_job("Account", contentType="CSV")
    batch = bulk.query(job, "SELECT Nope FROM Account")
    with pytest.raises(BulkBatchFailed, match=r"(?s)InvalidBatch : .*No such column 'Nope'"):
        bulk.wait_for_batch(job, batch)
    bulk.abort_job(job)
    with pytest.raises(BulkApiError, match="InvalidJobState"):
        bulk.query(job, "SELECT Id FROM Account")
    stranger = SalesforceBulk(sessionId=served.org()["access_token"] + "x", host=served.url)
    with pytest.raises(BulkApiError, match="InvalidSessionId") as refused:
        stranger.create_query_job("Account")
    assert refused.value.status_code == 400
