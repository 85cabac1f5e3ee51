"""Trouble on purpose: each kind of fault strikes as often as it was asked to, and then no more."""

from __future__ import annotations

import time

import pytest
import requests

V = "/services/data/v60.0"


def fault(served, **document):
    answer = served.call("POST", "/_local/faults", json=document)
    assert answer.status_code == 200, answer.text


def test_an_error_strikes_as_often_as_it_says(served):
    fault(served, path="/limits$", status=503, code="SERVER_UNAVAILABLE", times=2, headers={"Retry-After": "1"})
    answers = [served.call("GET", f"{V}/limits") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()[0]["errorCode"] == "SERVER_UNAVAILABLE"
    assert answers[0].headers["Retry-After"] == "1"
    assert {answer.headers["X-Local-Org"] for answer in answers} == {"1"}


def test_an_error_afterwards_has_done_the_thing(served):
    fault(served, path="/sobjects/Account", method="POST", status=500, code="UNKNOWN_EXCEPTION", after=True)
    assert served.call("POST", f"{V}/sobjects/Account", json={"Name": "Done anyway"}).status_code == 500
    query = {"q": "SELECT COUNT() FROM Account WHERE Name = 'Done anyway'"}
    assert served.call("GET", f"{V}/query", params=query).json()["totalSize"] == 1


def test_a_fault_for_one_org_spares_the_other(served):
    fault(served, path="/limits", org="org2", times=5)
    assert served.call("GET", f"{V}/limits", alias="org1").status_code == 200
    assert served.call("GET", f"{V}/limits", alias="org2").status_code == 503


def test_a_late_answer_is_late(served):
    fault(served, kind="delay", path="/limits", delay=0.3)
    begun = time.monotonic()
    assert served.call("GET", f"{V}/limits").status_code == 200
    assert time.monotonic() - begun >= 0.3


def finished_query(served, rows=300):
    records = [{"attributes": {"type": "Account"}, "Name": f"Cut {n:04}"} for n in range(200)]
    for _ in range(-(-rows // 200)):
        served.call("POST", f"{V}/composite/sobjects", json={"records": records})
    body = {"operation": "query", "query": "SELECT Id, Name FROM Account WHERE Name LIKE 'Cut %'"}
    job = served.call("POST", f"{V}/jobs/query", json=body).json()["id"]
    while served.call("GET", f"{V}/jobs/query/{job}").json()["state"] != "JobComplete":
        time.sleep(0.01)
    return job


def test_a_cut_breaks_the_connection_in_the_middle_of_the_body(served):
    job = finished_query(served)
    fault(served, kind="cut", path="/results", bytes=1000)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        served.call("GET", f"{V}/jobs/query/{job}/results", headers={"Accept-Encoding": "identity"})
    whole = served.call("GET", f"{V}/jobs/query/{job}/results", headers={"Accept-Encoding": "identity"})
    assert len(whole.text.splitlines()) == int(whole.headers["Sforce-NumberOfRecords"]) + 1


def test_a_truncated_csv_looks_whole_and_has_too_few_rows(served):
    job = finished_query(served)
    fault(served, kind="truncate", path="/results", bytes=1000)
    answer = served.call("GET", f"{V}/jobs/query/{job}/results", headers={"Accept-Encoding": "identity"})
    assert len(answer.content) == 1000
    assert len(answer.text.splitlines()) < int(answer.headers["Sforce-NumberOfRecords"])


def test_lost_locators_failed_jobs_and_maintenance(served):
    job = finished_query(served)
    page = served.call("GET", f"{V}/jobs/query/{job}/results", params={"maxRecords": 10})
    locator = {"locator": page.headers["Sforce-Locator"], "maxRecords": 10}
    fault(served, kind="lose_locator", path="/results")
    lost = served.call("GET", f"{V}/jobs/query/{job}/results", params=locator)
    assert (lost.status_code, lost.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")
    assert served.call("GET", f"{V}/jobs/query/{job}/results", params=locator).status_code == 200
    fault(served, kind="fail_job", path="/jobs/query", message="disk full")
    body = {"operation": "query", "query": "SELECT Id FROM Account"}
    failed = served.call("POST", f"{V}/jobs/query", json=body).json()["id"]
    for _ in range(100):
        info = served.call("GET", f"{V}/jobs/query/{failed}").json()
        if info["state"] == "Failed":
            break
    assert info["errorMessage"] == "InternalServerError : disk full"
    fault(served, kind="maintenance", path=V)
    down = served.call("GET", f"{V}/limits")
    assert (down.status_code, down.json()[0]["errorCode"]) == (503, "SERVER_UNAVAILABLE")


def test_a_customers_rule_refuses_the_rows_it_names(served):
    fault(
        served,
        kind="refuse_row",
        object="Account",
        field="Name",
        value="Refused",
        times=1,
        code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
        message="Names like this are not allowed",
    )
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in ("Kept", "Refused")]
    kept, refused = served.call("POST", f"{V}/composite/sobjects", json={"records": records}).json()
    assert kept["success"] is True
    assert refused["errors"] == [
        {
            "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "message": "Names like this are not allowed",
            "fields": ["Name"],
        }
    ]
    assert served.call("POST", f"{V}/sobjects/Account", json={"Name": "Refused"}).status_code == 201


def test_the_days_calls_can_run_out(served):
    used = served.server.usage.used(served.org("org2")["org_id"])
    served.call("POST", "/_local/allowance", json={"org": "org2", "daily_calls": used + 2})
    try:
        codes = [served.call("GET", f"{V}/limits", alias="org2").status_code for _ in range(3)]
        assert codes == [200, 200, 403]
        served.call("POST", "/_local/clock", json={"advance_s": 86400})
        fresh = served.login("org2", exp=time.time() + 86400 + 120).json()["access_token"]
        assert served.call("GET", f"{V}/limits", token=fresh).status_code == 200
    finally:
        served.call("DELETE", "/_local/clock")
        served.call("POST", "/_local/allowance", json={"org": "org2", "daily_calls": 100000})


def test_what_is_no_fault_is_refused(served):
    for document in ({"kind": "explode"}, {"path": "("}, {"times": 0}, {"colour": "red"}):
        assert served.call("POST", "/_local/faults", json=document).status_code == 400
    assert served.call("GET", "/_local/faults").json() == []
