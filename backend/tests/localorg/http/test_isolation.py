"""Two orgs of one process never see each other: not by id, job, locator, cursor, token or name."""

from __future__ import annotations

import pytest

V = "/services/data/v60.0"


def ready(served, kind, job, alias):
    for _ in range(200):
        state = served.call("GET", f"{V}/jobs/{kind}/{job}", alias=alias).json()["state"]
        if state not in ("UploadComplete", "InProgress"):
            return state
    raise AssertionError("the job never ended")


@pytest.fixture
def secret(served):
    """A record in org2 that org1 must never see."""
    made = served.call("POST", f"{V}/sobjects/Account", alias="org2", json={"Name": "Secret"})
    return made.json()["id"]


def test_a_record_of_another_org_is_unknown(served, secret):
    path = f"{V}/sobjects/Account/{secret}"
    assert served.call("GET", path, alias="org2").status_code == 200
    for method, body in (("GET", None), ("PATCH", {"Name": "Mine"}), ("DELETE", None)):
        assert served.call(method, path, json=body).status_code == 404
    found = served.call("GET", f"{V}/query", params={"q": "SELECT Name FROM Account WHERE Name = 'Secret'"}).json()
    assert found["totalSize"] == 0
    assert served.call("GET", path, alias="org2").json()["Name"] == "Secret"


def test_record_ids_of_two_orgs_never_meet(served):
    ids = {}
    for alias in ("org1", "org2"):
        made = [
            served.call("POST", f"{V}/sobjects/Lead", alias=alias, json={"LastName": "L", "Company": "C"})
            for _ in range(3)
        ]
        ids[alias] = {answer.json()["id"] for answer in made}
    assert not ids["org1"] & ids["org2"]


def test_a_job_and_its_results_belong_to_one_org(served, secret):
    query = {"operation": "query", "query": "SELECT Id, Name FROM Account"}
    job = served.call("POST", f"{V}/jobs/query", alias="org2", json=query).json()["id"]
    assert ready(served, "query", job, "org2") == "JobComplete"
    assert "Secret" in served.call("GET", f"{V}/jobs/query/{job}/results", alias="org2").text
    for path in ("", "/results", "/resultPages"):
        answer = served.call("GET", f"{V}/jobs/query/{job}{path}")
        assert answer.status_code == 404
        assert "Secret" not in answer.text
    assert served.call("DELETE", f"{V}/jobs/query/{job}").status_code == 404
    listed = served.call("GET", f"{V}/jobs/query").json()["records"]
    assert job not in [record["id"] for record in listed]


def test_a_locator_opens_only_its_own_job(served, secret):
    jobs = {}
    for alias in ("org1", "org2"):
        for n in range(3):
            served.call("POST", f"{V}/sobjects/Account", alias=alias, json={"Name": f"{alias} {n}"})
        query = {"operation": "query", "query": "SELECT Name FROM Account"}
        jobs[alias] = served.call("POST", f"{V}/jobs/query", alias=alias, json=query).json()["id"]
        ready(served, "query", jobs[alias], alias)
    first = served.call("GET", f"{V}/jobs/query/{jobs['org2']}/results", alias="org2", params={"maxRecords": 1})
    locator = first.headers["Sforce-Locator"]
    answer = served.call("GET", f"{V}/jobs/query/{jobs['org1']}/results", params={"locator": locator})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_cursor_opens_for_its_own_user_only(served):
    rows = [{"attributes": {"type": "Account"}, "Name": f"Paged {n}"} for n in range(200)]
    for _ in range(2):
        served.call("POST", f"{V}/composite/sobjects", alias="org2", json={"records": rows})
    page = served.call(
        "GET",
        f"{V}/query",
        alias="org2",
        params={"q": "SELECT Name FROM Account"},
        headers={"Sforce-Query-Options": "batchSize=200"},
    ).json()
    assert served.call("GET", page["nextRecordsUrl"], alias="org2").status_code == 200
    answer = served.call("GET", page["nextRecordsUrl"])
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_token_under_another_orgs_name_is_no_token(served):
    mine, other = served.org("org1"), served.org("org2")
    secret = mine["access_token"].split("!", 1)[1]
    for guess in (f"{other['org_id'][:15]}!{secret}", secret, f"!{secret}", other["org_id"], ""):
        answer = served.call("GET", f"{V}/limits", token=guess or "x")
        assert answer.status_code == 401
        assert answer.json()[0]["errorCode"] == "INVALID_SESSION_ID"


def test_an_orgs_own_host_name_takes_no_other_orgs_session(served):
    port = served.url.rsplit(":", 1)[1]
    host = {"Host": f"org2.localhost:{port}"}
    assert served.call("GET", f"{V}/limits", alias="org2", headers=host).status_code == 200
    assert served.call("GET", f"{V}/limits", alias="org1", headers=host).status_code == 401


def test_identity_urls_of_another_org_are_unknown(served):
    other = served.call("GET", "/services/oauth2/userinfo", alias="org2").json()
    path = f"/id/{other['organization_id']}/{other['user_id']}"
    assert served.call("GET", path, alias="org2").status_code == 200
    assert served.call("GET", path, alias="org1").status_code == 404
