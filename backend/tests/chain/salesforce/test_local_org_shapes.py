"""The shapes the clients read: error bodies, describe documents and headers have what the code looks at."""

from __future__ import annotations

import pytest
import requests

pytestmark = pytest.mark.slow

FIELD = {"name", "label", "type", "inlineHelpText", "length", "precision", "scale", "nillable", "custom", "unique"}
FIELD |= {
    "externalId",
    "idLookup",
    "caseSensitive",
    "calculated",
    "createable",
    "updateable",
    "aggregatable",
    "restrictedPicklist",
}
FIELD |= {"picklistValues", "referenceTo", "relationshipName", "compoundFieldName"}
OBJECT = {"name", "label", "labelPlural", "keyPrefix", "custom", "createable", "updateable", "queryable", "fields"}
OBJECT |= {"childRelationships", "recordTypeInfos"}


@pytest.fixture
def get(client, local_orgs):
    """A bare request with this session's token, whatever comes back."""

    def get(path, method="GET", token=None, **more):
        headers = {"Authorization": f"Bearer {token or client.session.token.value.reveal()}"}
        headers["X-SFDC-Session"] = headers["Authorization"].removeprefix("Bearer ")
        address = client.session.instance_url + path
        return requests.request(method, address, headers=headers, verify=local_orgs.ca_file, timeout=30, **more)

    return get


@pytest.mark.parametrize("name", ["Account", "Contact", "Case", "Opportunity", "Task"])
def test_a_describe_document_has_every_fact_that_is_read(client, get, name):
    found = get(f"{client.base}/sobjects/{name}/describe").json()
    assert found.keys() >= OBJECT
    for field in found["fields"]:
        assert field.keys() >= FIELD, field["name"]
        for value in field["picklistValues"]:
            assert value.keys() >= {"value", "label", "active", "defaultValue"}
    for child in found["childRelationships"]:
        assert child.keys() >= {"childSObject", "field", "relationshipName"}
    for kind in found["recordTypeInfos"]:
        assert kind.keys() >= {"developerName", "master"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/query?q=SELECT Nonsense__c FROM Account", 400, "INVALID_FIELD"),
        ("/query?q=SELECT Id FROM Nonsense__c", 400, "INVALID_TYPE"),
        ("/query?q=SELECT Id FROM", 400, "MALFORMED_QUERY"),
        ("/query/01gNONSENSE00000-2000", 400, "INVALID_QUERY_LOCATOR"),
        ("/sobjects/Nonsense__c/describe", 404, "NOT_FOUND"),
        ("/jobs/query/750NONSENSE00000", 404, "NOT_FOUND"),
        ("/nonsense", 404, "NOT_FOUND"),
    ],
)
def test_an_error_of_rest_is_an_array_with_a_message_and_a_code(client, get, path, status, code):
    found = get(client.base + path)
    assert found.status_code == status
    (entry,) = found.json()
    assert (entry["errorCode"], bool(entry["message"])) == (code, True)


def test_the_words_that_name_a_missing_field_are_the_ones_looked_for(client, get):
    (entry,) = get(f"{client.base}/query?q=SELECT Nonsense__c FROM Account").json()
    assert "No such column 'Nonsense__c' on entity 'Account'" in entry["message"]
    (entry,) = get(f"{client.base}/query?q=SELECT Id FROM Nonsense__c").json()
    assert "sObject type 'Nonsense__c' is not supported" in entry["message"]


def test_an_ended_session_is_told_in_each_apis_own_way(client, get):
    rest = get(f"{client.base}/limits", token="00D!gone")
    assert (rest.status_code, rest.json()[0]["errorCode"]) == (401, "INVALID_SESSION_ID")
    bulk = get("/services/async/67.0/job/750000000000000AAA", token="00D!gone")
    assert (bulk.status_code, "<exceptionCode>InvalidSessionId</exceptionCode>" in bulk.text) == (400, True)


def test_a_refused_login_is_an_object_with_error_and_description(get):
    found = get("/services/oauth2/token", method="POST", data={"grant_type": "nonsense"})
    assert (found.status_code, found.json().keys() >= {"error", "error_description"}) == (400, True)


def test_every_reply_says_how_many_calls_are_used(client, get):
    assert get(f"{client.base}/limits").headers["Sforce-Limit-Info"].startswith("api-usage=")
    found = get(f"{client.base}/limits").json()
    for name in ("DailyApiRequests", "DataStorageMB"):
        assert found[name].keys() >= {"Max", "Remaining"}


def test_a_page_of_bulk_results_says_how_many_rows_it_has_and_where_the_next_begins(client, get):
    job = get(f"{client.base}/jobs/query", method="POST", json={"operation": "query", "query": "SELECT Id FROM User"})
    assert job.json().keys() >= {"id", "state"}
    for _ in range(100):
        state = get(f"{client.base}/jobs/query/{job.json()['id']}").json()["state"]
        if state == "JobComplete":
            break
    found = get(f"{client.base}/jobs/query/{job.json()['id']}/results?maxRecords=1")
    assert found.headers["Sforce-NumberOfRecords"] == "1"
    assert found.headers["Sforce-Locator"]
    assert found.text.startswith('"Id"\n')
