"""Shapes that clients read: error bodies, describe documents, job documents, headers. From the platform's documents
and from what simple-salesforce, CumulusCI and jsforce take out of the answers."""

from __future__ import annotations

import gzip
import json
import time

import pytest

V = "/services/data/v60.0"


def finished(served, kind, job, version="60.0"):
    for _ in range(500):
        info = served.call("GET", f"/services/data/v{version}/jobs/{kind}/{job}").json()
        if info["state"] not in ("UploadComplete", "InProgress"):
            return info
        time.sleep(0.01)
    raise AssertionError(info)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{V}/query?q=SELECT", 400, "MALFORMED_QUERY"),
        ("GET", f"{V}/query?q=SELECT+Nope+FROM+Account", 400, "INVALID_FIELD"),
        ("GET", f"{V}/query?q=SELECT+Id+FROM+Nope", 400, "INVALID_TYPE"),
        ("GET", f"{V}/query/01g000000000000AAA-2000", 400, "INVALID_QUERY_LOCATOR"),
        ("GET", f"{V}/sobjects/Nope/describe", 404, "NOT_FOUND"),
        ("GET", f"{V}/sobjects/Account/001000000000000AAA", 404, "NOT_FOUND"),
        ("GET", f"{V}/nowhere", 404, "NOT_FOUND"),
        ("GET", "/services/data/v99.0/limits", 404, "NOT_FOUND"),
        ("GET", "/elsewhere", 404, "NOT_FOUND"),
        ("GET", f"{V}/search?q=FIND+%7Bx%7D", 400, "MALFORMED_SEARCH"),
        ("GET", f"{V}/jobs/query/750000000000000AAA", 404, "NOT_FOUND"),
        ("POST", f"{V}/sobjects/Account", 400, "JSON_PARSER_ERROR"),
    ],
)
def test_every_refusal_is_the_rest_array(served, method, path, status, code):
    answer = served.call(method, path, data="{" if method == "POST" else None)
    assert answer.status_code == status
    (error,) = answer.json()
    assert error["errorCode"] == code
    assert error["message"]
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert answer.headers["X-Local-Org"] == "1"


def test_slashes_doubled_or_trailing_and_gzipped_bodies_are_taken(served):
    assert served.call("GET", f"/{V}//limits/").status_code == 200
    body = gzip.compress(json.dumps({"Name": "Zipped"}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert served.call("POST", f"{V}/sobjects/Account", data=body, headers=headers).status_code == 201
    bomb = gzip.compress(bytes(170 << 20), 1)
    assert served.call("POST", f"{V}/sobjects/Account", data=bomb, headers=headers).status_code == 413


def test_describe_documents_have_what_clients_read(served):
    document = served.call("GET", f"{V}/sobjects/Opportunity/describe").json()
    assert {
        "name", "label", "labelPlural", "keyPrefix", "custom", "customSetting", "queryable", "createable", "updateable",
        "deletable", "fields", "childRelationships", "recordTypeInfos", "urls",
    } <= set(document)  # fmt: skip
    for field in document["fields"]:
        assert {
            "name", "label", "type", "length", "precision", "scale", "digits", "nillable", "unique", "externalId",
            "idLookup", "createable", "updateable", "calculated", "custom", "defaultedOnCreate", "filterable",
            "sortable", "groupable", "aggregatable", "picklistValues", "referenceTo", "relationshipName",
            "restrictedPicklist", "inlineHelpText", "soapType", "autoNumber", "permissionable", "compoundFieldName",
        } <= set(field)  # fmt: skip
    stage = next(field for field in document["fields"] if field["name"] == "StageName")
    assert {"active", "defaultValue", "label", "value", "validFor"} <= set(stage["picklistValues"][0])
    assert document["recordTypeInfos"][-1]["name"] == "Master"
    overview = served.call("GET", f"{V}/sobjects").json()
    assert {"encoding", "maxBatchSize", "sobjects"} == set(overview)


def test_versions_run_from_thirty_one_to_sixty_seven(served):
    versions = served.session.get(f"{served.url}/services/data", timeout=10).json()
    assert versions[-1] == {"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"}
    assert "40.0" in {version["version"] for version in versions}
    for version in versions:
        assert served.call("GET", f"{version['url']}/limits").status_code == 200


def test_columns_are_described_for_sf(served):
    def described(soql):
        document = served.call("GET", f"{V}/query", params={"q": soql, "columns": "true"}).json()
        assert document["entityName"] == "Account"
        return {column["columnName"]: column for column in document["columnMetadata"]}

    named = described("SELECT Id, Owner.Name, Owner.Username, (SELECT LastName FROM Contacts) FROM Account")
    assert [column["columnName"] for column in named["Owner"]["joinColumns"]] == ["Name", "Username"]
    assert [column["columnName"] for column in named["Contacts"]["joinColumns"]] == ["LastName"]
    assert described("SELECT COUNT(Id) n FROM Account GROUP BY Name")["n"]["aggregate"] is True


def test_every_record_names_its_address_though_its_id_was_not_asked_for(served):
    made = served.call("POST", f"{V}/sobjects/Account", json={"Name": "Addressed"}).json()["id"]
    query = {"q": "SELECT Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name = 'Addressed'"}
    (record,) = served.call("GET", f"{V}/query", params=query).json()["records"]
    assert record["attributes"] == {"type": "Account", "url": f"{V}/sobjects/Account/{made}"}
    assert set(record) == {"attributes", "Name", "Owner", "Contacts"}
    assert record["Contacts"] is None


def test_a_query_job_in_every_state(served):
    served.call("POST", f"{V}/sobjects/Account", json={"Name": 'Say "hi",\nthere', "NumberOfEmployees": 3})
    body = {"operation": "query", "query": "SELECT Id, Name, NumberOfEmployees, Site, IsDeleted FROM Account"}
    made = served.call("POST", f"{V}/jobs/query", json=body).json()
    assert {"id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state", "concurrencyMode",
            "contentType", "apiVersion", "lineEnding", "columnDelimiter"} <= set(made)  # fmt: skip
    assert made["id"].startswith("750")
    info = finished(served, "query", made["id"])
    assert {"retries", "totalProcessingTime", "numberRecordsProcessed"} <= set(info)
    path = f"{V}/jobs/query/{made['id']}/results"
    answer = served.call("GET", path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["Sforce-Locator"] == "null"
    assert '"Say ""hi"",\nthere","3","","false"' in answer.text
    assert served.call("GET", path.replace("v60.0", "v59.0")).status_code == 409
    for wrong in ({"locator": "abc"}, {"maxRecords": "0"}, {"maxRecords": "x"}):
        assert served.call("GET", path, params=wrong).status_code == 400
    assert served.call("PATCH", path[: -len("/results")], json={"state": "Aborted"}).status_code == 400
    assert served.call("DELETE", path[: -len("/results")]).status_code == 204
    assert served.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT COUNT() FROM Account",
        "SELECT COUNT(Id) FROM Account GROUP BY Name",
        "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
        "SELECT Id FROM Account LIMIT 5 OFFSET 5",
        "SELECT BillingAddress FROM Account",
        "SELECT Nope FROM Account",
    ],
)
def test_what_bulk_queries_do_not_support_is_refused_at_creation(served, soql):
    answer = served.call("POST", f"{V}/jobs/query", json={"operation": "query", "query": soql})
    assert answer.status_code == 400


def test_result_pages_can_be_fetched_in_any_order(served):
    records = [{"attributes": {"type": "Account"}, "Name": f"Page {n:03}"} for n in range(70)]
    served.call("POST", f"{V}/composite/sobjects", json={"records": records})
    soql = "SELECT Name FROM Account WHERE Name LIKE 'Page %' ORDER BY Name"
    job = served.call("POST", f"{V}/jobs/query", json={"operation": "query", "query": soql}).json()["id"]
    finished(served, "query", job)
    pages, url = [], f"{V}/jobs/query/{job}/resultPages?maxRecords=10"
    while url:
        document = served.call("GET", url).json()
        pages += document["resultPages"]
        assert len(document["resultPages"]) <= 5
        url = document["nextRecordsUrl"]
    assert len(pages) == 7
    names = []
    for page in reversed(pages):
        names = served.call("GET", page["resultUrl"]).text.replace('"', "").splitlines()[1:] + names
    assert names == [f"Page {n:03}" for n in range(70)]
    assert served.call("GET", f"/services/data/v57.0/jobs/query/{job}/resultPages").status_code == 404


def ingest(served, operation, object_name, text, **more):
    body = {"operation": operation, "object": object_name, "contentType": "CSV", **more}
    job = served.call("POST", f"{V}/jobs/ingest", json=body).json()["id"]
    put = served.call("PUT", f"{V}/jobs/ingest/{job}/batches", data=text.encode(), headers={"Content-Type": "text/csv"})
    assert put.status_code == 201
    served.call("PATCH", f"{V}/jobs/ingest/{job}", json={"state": "UploadComplete"})
    return job, finished(served, "ingest", job)


def test_ingest_reads_csv_as_the_platform_does(served):
    made = served.call("POST", f"{V}/sobjects/Account", json={"Name": "Old", "Site": "HQ", "Fax": "1"}).json()["id"]
    _, info = ingest(served, "update", "Account", f'Id,Name,Site,Fax\n{made},"New, ""quoted""\nline",#N/A,\n')
    assert (info["state"], info["numberRecordsProcessed"], info["numberRecordsFailed"]) == ("JobComplete", 1, 0)
    read = served.call("GET", f"{V}/sobjects/Account/{made}").json()
    assert (read["Name"], read["Site"], read["Fax"]) == ('New, "quoted"\nline', None, "1")
    _, info = ingest(
        served, "insert", "Account", "Name;Site\r\nSemi;A\r\n", columnDelimiter="SEMICOLON", lineEnding="CRLF"
    )
    assert info["numberRecordsFailed"] == 0
    _, info = ingest(served, "insert", "Account", "Name,Nope\nA,B\n")
    assert (info["state"], info["errorMessage"]) == ("Failed", "InvalidBatch : Field name not found : Nope")
    _, info = ingest(served, "insert", "Account", "Name\nGood\nToo,many\n")
    assert info["state"] == "Failed"
    _, info = ingest(served, "hardDelete", "Account", f"Id\n{made}\n")
    assert info["numberRecordsFailed"] == 0
    query = {"q": f"SELECT Id FROM Account WHERE Id = '{made}'"}
    assert served.call("GET", f"{V}/queryAll", params=query).json()["totalSize"] == 0


def test_an_aborted_load_leaves_its_rows_unprocessed(served):
    body = {"operation": "insert", "object": "Account", "contentType": "CSV"}
    job = served.call("POST", f"{V}/jobs/ingest", json=body).json()["id"]
    path = f"{V}/jobs/ingest/{job}"
    served.call("PUT", f"{path}/batches", data=b"Name\nNever\n", headers={"Content-Type": "text/csv"})
    assert served.call("PUT", f"{path}/batches", data=b"Name\nTwice\n").status_code == 400
    assert served.call("PATCH", path, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert served.call("GET", f"{path}/unprocessedrecords").text == "Name\nNever\n"
    assert served.call("PATCH", path, json={"state": "UploadComplete"}).status_code == 400
    assert served.call("DELETE", path).status_code == 204


def test_lookups_by_external_id_in_every_family(served):
    user = served.call("GET", "/services/oauth2/userinfo").json()["preferred_username"]
    document = {"Name": "By key", "Owner": {"Username": user}}
    assert served.call("POST", f"{V}/sobjects/Account", json=document).status_code == 201
    _, info = ingest(served, "insert", "Account", f"Name,Owner.Username\nBy CSV,{user}\n")
    assert info["numberRecordsFailed"] == 0, info
    document["Owner"] = {"Username": "nobody@example.com"}
    refused = served.call("POST", f"{V}/sobjects/Account", json=document)
    assert refused.status_code == 400


def test_batches_and_read_collections(served):
    made = [served.call("POST", f"{V}/sobjects/Account", json={"Name": n}).json()["id"] for n in ("A1", "A2")]
    found = served.call(
        "POST", f"{V}/composite/sobjects/Account", json={"ids": [*made, "001000000000000"], "fields": ["Name"]}
    )
    assert [row and row["Name"] for row in found.json()] == ["A1", "A2", None]
    batch = {"batchRequests": [
        {"method": "GET", "url": f"v60.0/sobjects/Account/{made[0]}?fields=Name"},
        {"method": "PATCH", "url": f"v60.0/sobjects/Account/{made[1]}", "richInput": {"Name": "B2"}},
        {"method": "GET", "url": "v60.0/sobjects/Nope/1"},
    ]}  # fmt: skip
    answer = served.call("POST", f"{V}/composite/batch", json=batch).json()
    assert [part["statusCode"] for part in answer["results"]] == [200, 204, 404]
    assert answer["hasErrors"] is True
