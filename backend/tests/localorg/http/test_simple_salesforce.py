"""Contract: an unmodified simple-salesforce, every method of it that a local org serves."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
import requests
from simple_salesforce import SalesforceLogin
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)


@pytest.fixture
def sf(salesforce):
    return salesforce()


def test_it_logs_in_by_jwt_with_its_own_code(served, monkeypatch, sf):
    """Its login host is fixed; a session that carries that host to ours shows that nothing else is in the way."""
    org = served.org()

    class Redirected(requests.Session):
        def post(self, url, *args, **kwargs):
            return super().post(url.replace("https://login.salesforce.com", served.url), *args, **kwargs)

    token, instance = SalesforceLogin(
        username=org["username"],
        consumer_key=org["consumer_key"],
        privatekey_file=org["key_file"],
        session=Redirected(),
    )
    assert token.startswith(org["org_id"][:15])
    assert f"https://{instance}" == served.url


def test_a_record_lives_and_dies(sf):
    made = sf.Account.create({"Name": "Acme", "NumberOfEmployees": 7, "AnnualRevenue": 1.5e6})
    assert made["success"] is True
    read = sf.Account.get(made["id"])
    assert (read["Name"], read["NumberOfEmployees"], read["AnnualRevenue"]) == ("Acme", 7, 1500000.0)
    assert sf.Account.update(made["id"], {"Name": "Acme 2"}) == 204
    assert sf.Account.get(made["id"])["Name"] == "Acme 2"
    assert sf.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.get(made["id"])
    names = sf.query_all("SELECT Name, IsDeleted FROM Account WHERE Name = 'Acme 2'", include_deleted=True)
    assert [(r["Name"], r["IsDeleted"]) for r in names["records"]] == [("Acme 2", True)]


def test_errors_arrive_as_its_own_classes(sf, served, salesforce):
    with pytest.raises(SalesforceMalformedRequest) as wrong:
        sf.query("SELECT Nope FROM Account")
    assert wrong.value.content[0]["errorCode"] == "INVALID_FIELD"
    with pytest.raises(SalesforceMalformedRequest) as missing:
        sf.Account.create({})
    assert missing.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert missing.value.content[0]["fields"] == ["Name"]
    with pytest.raises(SalesforceResourceNotFound):
        sf.Nothing__c.describe()
    served.call("POST", "/_local/faults", json={"kind": "limit", "path": "/limits"})
    with pytest.raises(SalesforceRefusedRequest):
        sf.limits()
    served.call("POST", "/_local/faults", json={"kind": "expire", "path": "/limits"})
    other = salesforce()
    other.session_id = served.login().json()["access_token"]
    other.headers["Authorization"] = f"Bearer {other.session_id}"
    with pytest.raises(SalesforceExpiredSession):
        other.limits()


def test_queries_page_through_everything(sf):
    rows = [{"LastName": f"Paged {n:04}"} for n in range(450)]
    results = sf.bulk.Contact.insert(rows, batch_size=10000)
    assert all(result["success"] for result in results)
    query = "SELECT Id, LastName FROM Contact WHERE LastName LIKE 'Paged %' ORDER BY LastName"
    first = sf.restful("query", params={"q": query})
    assert first["totalSize"] == 450
    seen = [r["LastName"] for r in sf.query_all_iter(query)]
    assert seen == [row["LastName"] for row in rows]
    sf.headers["Sforce-Query-Options"] = "batchSize=200"
    page = sf.query(query)
    assert (page["done"], len(page["records"])) == (False, 200)
    again = sf.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    assert again["records"][0]["LastName"] == "Paged 0200"
    # A page can be had again, as after a cut connection.
    assert sf.query_more(page["nextRecordsUrl"], identifier_is_url=True) == again
    assert sf.query("SELECT COUNT() FROM Contact WHERE LastName LIKE 'Paged %'")["totalSize"] == 450


def test_describe_and_its_cache(sf, served):
    names = {item["name"] for item in sf.describe()["sobjects"]}
    assert {"Account", "Contact", "Lead", "Opportunity", "Case", "User"} <= names
    fields = {field["name"]: field for field in sf.Account.describe()["fields"]}
    assert fields["Name"]["nillable"] is False
    assert fields["OwnerId"]["referenceTo"] == ["User"]
    assert sf.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    path = "/services/data/v60.0/sobjects/Account/describe"
    seen = served.call("GET", path).headers["Last-Modified"]
    assert served.call("GET", path, headers={"If-Modified-Since": seen}).status_code == 304
    assert sf.is_sandbox() is True


def test_limits_and_usage_are_told(sf):
    limits = sf.limits()
    assert limits["DailyApiRequests"]["Max"] == 100_000
    before = limits["DailyApiRequests"]["Remaining"]
    sf.query("SELECT Id FROM User")
    assert sf.limits()["DailyApiRequests"]["Remaining"] == before - 2
    assert sf.api_usage["api-usage"].total == 100_000


def test_updated_and_deleted_lists(sf):
    import datetime as dt

    now = dt.datetime.now(dt.UTC)
    made = sf.Lead.create({"LastName": "Fresh", "Company": "C"})["id"]
    window = (now - dt.timedelta(minutes=5), now + dt.timedelta(minutes=5))
    assert made in sf.Lead.updated(*window)["ids"]
    sf.Lead.delete(made)
    assert made in [row["id"] for row in sf.Lead.deleted(*window)["deletedRecords"]]


def test_collections_and_composite_through_restful(sf):
    body = {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Account"}, "Name": "First"},
            {"attributes": {"type": "Account"}},
            {"attributes": {"type": "Contact"}, "LastName": "Third"},
        ],
    }
    results = sf.restful("composite/sobjects", method="POST", json=body)
    assert [result["success"] for result in results] == [True, False, True]
    assert results[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    body["allOrNone"] = True
    undone = sf.restful("composite/sobjects", method="POST", json=body)
    assert [r["errors"][0]["statusCode"] for r in undone] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    ]
    assert sf.query("SELECT COUNT() FROM Account WHERE Name = 'First'")["totalSize"] == 1
    ids = [results[0]["id"], results[2]["id"]]
    gone = sf.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids)})
    assert [row["success"] for row in gone] == [True, True]


def test_a_composite_that_fails_leaves_nothing(sf):
    requests_ = [
        {
            "method": "POST",
            "url": "/services/data/v60.0/sobjects/Account",
            "referenceId": "a",
            "body": {"Name": "Composed"},
        },
        {
            "method": "POST",
            "url": "/services/data/v60.0/sobjects/Contact",
            "referenceId": "c",
            "body": {"LastName": "L", "AccountId": "@{a.id}"},
        },
        {"method": "POST", "url": "/services/data/v60.0/sobjects/Contact", "referenceId": "x", "body": {}},
    ]
    answer = sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": requests_})
    codes = [part["httpStatusCode"] for part in answer["compositeResponse"]]
    assert codes == [400, 400, 400]
    assert answer["compositeResponse"][0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert sf.query("SELECT COUNT() FROM Account WHERE Name = 'Composed'")["totalSize"] == 0
    answer = sf.restful("composite", method="POST", json={"allOrNone": False, "compositeRequest": requests_})
    assert [part["httpStatusCode"] for part in answer["compositeResponse"]] == [201, 201, 400]
    assert (
        sf.query("SELECT Account.Name FROM Contact WHERE LastName = 'L'")["records"][0]["Account"]["Name"] == "Composed"
    )


def test_a_tree_brings_parents_and_children(sf):
    tree = {
        "records": [
            {
                "attributes": {"type": "Account", "referenceId": "a1"},
                "Name": "Rooted",
                "Contacts": {"records": [{"attributes": {"type": "Contact", "referenceId": "c1"}, "LastName": "Leaf"}]},
            }
        ]
    }
    answer = sf.restful("composite/tree/Account", method="POST", json=tree)
    assert answer["hasErrors"] is False
    assert {r["referenceId"] for r in answer["results"]} == {"a1", "c1"}
    assert (
        sf.query("SELECT Account.Name FROM Contact WHERE LastName = 'Leaf'")["records"][0]["Account"]["Name"]
        == "Rooted"
    )


def test_bulk_one_inserts_updates_upserts_queries_and_deletes(sf):
    made = sf.bulk.Account.insert([{"Name": f"B1 {n}"} for n in range(5)] + [{"Name": ""}])
    assert [row["success"] for row in made] == [True] * 5 + [False]
    assert made[5]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    ids = [row["id"] for row in made[:5]]
    assert all(row["success"] for row in sf.bulk.Account.update([{"Id": i, "Site": "HQ"} for i in ids]))
    found = sf.bulk.Account.query("SELECT Id, Site FROM Account WHERE Name LIKE 'B1 %'")
    assert {row["Id"] for row in found} == set(ids)
    assert {row["Site"] for row in found} == {"HQ"}
    assert all(row["success"] for row in sf.bulk.Account.delete([{"Id": i} for i in ids]))
    assert len(sf.bulk.Account.query_all("SELECT Id FROM Account WHERE Name LIKE 'B1 %'")) == 5


def test_bulk_two_loads_and_reports_each_row(sf):
    rows = [{"LastName": "Good"}, {"LastName": "x" * 200}, {"LastName": 'Comma, "quote"'}]
    done = sf.bulk2.Contact.insert(records=rows, wait=0)
    assert [(job["numberRecordsTotal"], job["numberRecordsFailed"]) for job in done] == [(3, 1)]
    results = sf.bulk2.Contact.get_all_ingest_records(done[0]["job_id"])
    assert [row["LastName"] for row in results["successfulRecords"]] == ["Good", rows[2]["LastName"]]
    assert results["failedRecords"][0]["sf__Error"].startswith("STRING_TOO_LONG:")
    assert results["unprocessedRecords"] == []


def test_bulk_two_pages_a_query(sf):
    sf.bulk2.Lead.insert(records=[{"LastName": f"Q {n}", "Company": 'A "b", c'} for n in range(25)], wait=0)
    pages = list(
        sf.bulk2.Lead.query(
            "SELECT LastName, Company, IsConverted FROM Lead WHERE LastName LIKE 'Q %'", max_records=10, wait=0
        )
    )
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert [len(list(csv.reader(io.StringIO(page)))) - 1 for page in pages] == [10, 10, 5]
    assert len(rows) == 25
    assert {(row["Company"], row["IsConverted"]) for row in rows} == {('A "b", c', "false")}


def test_bulk_two_download_and_upsert(sf, tmp_path):
    sf.bulk2.Product2.insert(records=[{"Name": "P", "ProductCode": "1"}], wait=0)
    files = sf.bulk2.Product2.download("SELECT Id, Name FROM Product2 WHERE Name = 'P'", path=str(tmp_path), wait=0)
    (file,) = files
    with Path(file["file"]).open(encoding="utf-8") as text:
        (row,) = list(csv.DictReader(text))
    done = sf.bulk2.Product2.upsert(records=[{"Id": row["Id"], "Name": "P2"}], external_id_field="Id", wait=0)
    assert done[0]["numberRecordsFailed"] == 0
    assert sf.Product2.get(row["Id"])["Name"] == "P2"


def test_tooling_and_apex_answer_honestly(sf):
    assert sf.toolingexecute("query", params={"q": "SELECT Id, Name FROM ApexClass"})["size"] == 0
    refused = sf.toolingexecute("executeAnonymous", params={"anonymousBody": "System.debug(1);"})
    assert refused["success"] is False
    assert "not executed" in refused["compileProblem"]


def test_a_password_can_be_set(sf, served):
    user = sf.query("SELECT Id FROM User")["records"][0]["Id"]
    assert sf.set_password(user, "correct horse battery") is None
    envelope_host = served.url.removeprefix("https://")
    from simple_salesforce.login import soap_login

    body = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body><n1:login '
        f'xmlns:n1="urn:partner.soap.sforce.com"><n1:username>{served.org()["username"]}</n1:username>'
        "<n1:password>correct horse battery</n1:password></n1:login></env:Body></env:Envelope>"
    )
    token, instance = soap_login(f"{served.url}/services/Soap/u/60.0", body, {"content-type": "text/xml"}, None)
    assert instance == envelope_host
    assert token.startswith(served.org()["org_id"][:15])


def test_a_package_deploys_and_its_status_is_read(sf, tmp_path):
    import zipfile

    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "package.xml",
            (
                '<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Hello</members>'
                "<name>CustomLabels</name></types><version>60.0</version></Package>"
            ).replace("<members>Hello</members>", "<members>*</members>"),
        )
        archive.writestr(
            "labels/CustomLabels.labels",
            (
                '<CustomLabels xmlns="http://soap.sforce.com/2006/04/metadata"><labels><fullName>Hello</fullName>'
                "<language>en_US</language><protected>false</protected><shortDescription>h</shortDescription>"
                "<value>Hi</value></labels></CustomLabels>"
            ),
        )
    begun = sf.deploy(str(path), sandbox=True)
    for _ in range(50):
        status = sf.checkDeployStatus(begun["asyncId"])
        if status["state"] in ("Succeeded", "Failed"):
            break
        time.sleep(0.05)
    assert status["state"] == "Succeeded", status


def test_what_was_deployed_is_retrieved(sf):
    import io
    import zipfile

    request, _ = sf.mdapi.retrieve("retrieveRequest", unpackaged={"CustomLabel": ["Hello"], "Profile": ["Admin"]})
    state, error, messages, archive = sf.mdapi.retrieve_zip(request)
    assert (state, error, messages) == ("Succeeded", None, [])
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert b"<value>Hi</value>" in files.read("unpackaged/labels/CustomLabels.labels")
        assert b"<userLicense>Salesforce</userLicense>" in files.read("unpackaged/profiles/Admin.profile")
        assert b"<members>Hello</members>" in files.read("unpackaged/package.xml")
