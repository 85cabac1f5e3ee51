"""Answers beside those the platform's guides print: every member they show is there, and of the same kind.

REST API Developer Guide: "Create a Record", "sObject Tree Response Body", "Execute a SOQL Query", "Get Record Count",
"Create Multiple Records with Fewer Round-Trips"; Bulk API 2.0 Developer Guide: "Get Information About a Query Job",
"Get Information About an Ingest Job"; SOAP API Developer Guide: "DescribeSObjectResult".
"""

from __future__ import annotations

import time

import pytest

V = "/services/data/v67.0"
PATH = f"{V}/sobjects/Account"
ID, WHEN, NAME = "001000000000001AAA", "2026-01-01T00:00:00.000+0000", {"Name": "Recorded"}
FAILED = {"statusCode": "REQUIRED_FIELD_MISSING", "message": "", "fields": [""]}
JOB = {
    "id": "750000000000001AAA", "operation": "query", "object": "Account", "createdById": "005000000000001AAA",
    "createdDate": WHEN, "systemModstamp": WHEN, "state": "JobComplete", "concurrencyMode": "Parallel",
    "contentType": "CSV", "apiVersion": 67.0, "jobType": "V2Query", "lineEnding": "LF", "columnDelimiter": "COMMA",
    "numberRecordsProcessed": 500, "retries": 0, "totalProcessingTime": 334,
}  # fmt: skip
INGEST = {
    **JOB, "contentUrl": "services/data/v67.0/jobs/ingest/750000000000001AAA/batches", "numberRecordsFailed": 0,
    "apiActiveProcessingTime": 0, "apexProcessingTime": 0,
}  # fmt: skip
FLAGS = ("createable", "custom", "deletable", "deprecatedAndHidden", "queryable", "retrieveable", "searchable",
        "triggerable", "undeletable", "updateable", "mergeable", "layoutable", "replicateable", "feedEnabled",
        "activateable", "customSetting", "hasSubtypes", "isSubtype", "mruEnabled")  # fmt: skip
FIELD_FLAGS = ("aggregatable", "aiPredictionField", "autoNumber", "calculated", "cascadeDelete", "caseSensitive",
              "createable", "custom", "defaultedOnCreate", "dependentPicklist", "deprecatedAndHidden",
              "displayLocationInDecimal", "encrypted", "externalId", "filterable", "formulaTreatNullNumberAsZero",
              "groupable", "highScaleNumber", "htmlFormatted", "idLookup", "nameField", "namePointing", "nillable",
              "permissionable", "polymorphicForeignKey", "queryByDistance", "restrictedDelete", "restrictedPicklist",
              "searchPrefilterable", "sortable", "unique", "updateable", "writeRequiresMasterRead")  # fmt: skip
FIELD = {
    **dict.fromkeys(FIELD_FLAGS, True), "name": "", "label": "", "type": "", "soapType": "", "byteLength": 18,
    "length": 18, "precision": 0, "scale": 0, "digits": 0, "referenceTo": [], "picklistValues": [],
    **dict.fromkeys(("calculatedFormula", "compoundFieldName", "controllerName", "defaultValue", "extraTypeInfo",
                     "defaultValueFormula", "filteredLookupInfo", "inlineHelpText", "mask", "maskType",
                     "referenceTargetField", "relationshipName", "relationshipOrder")),
}  # fmt: skip
DESCRIBED = {
    **dict.fromkeys(FLAGS, True), "name": "Account", "label": "", "labelPlural": "", "keyPrefix": "001",
    "fields": [FIELD],
    "childRelationships": [{"cascadeDelete": True, "childSObject": "", "deprecatedAndHidden": False, "field": "",
                            "junctionIdListNames": [], "junctionReferenceTo": [], "relationshipName": None,
                            "restrictedDelete": False}],
    "recordTypeInfos": [{"active": True, "available": True, "defaultRecordTypeMapping": False, "developerName": "",
                         "master": False, "name": "", "recordTypeId": "", "urls": {"layout": ""}}],
    "supportedScopes": [{"label": "", "name": "everything"}], "actionOverrides": [], "namedLayoutInfos": [],
    "urls": {"compactLayouts": "", "rowTemplate": "", "approvalLayouts": "", "uiDetailTemplate": "",
             "uiEditTemplate": "", "defaultValues": "", "describe": "", "uiNewRecord": "", "quickActions": "",
             "layouts": "", "sobject": ""},
    "listviewable": None, "lookupLayoutable": None, "networkScopeFieldName": None,
}  # fmt: skip


def check(recorded, answered, where="$"):
    """Every member of the recorded answer is in ours; null stands for any kind."""
    if recorded is None or answered is None:
        return
    if isinstance(recorded, dict):
        assert isinstance(answered, dict), where
        assert set(recorded) <= set(answered), f"{where}: {sorted(set(recorded) - set(answered))}"
        for name, value in recorded.items():
            check(value, answered[name], f"{where}.{name}")
    elif isinstance(recorded, list):
        assert isinstance(answered, list), where
        for number, each in enumerate(answered):
            for value in recorded:
                check(value, each, f"{where}[{number}]")
    elif isinstance(recorded, float | int) and not isinstance(recorded, bool):
        assert isinstance(answered, float | int), where
        assert not isinstance(answered, bool), where
    else:
        assert type(recorded) is type(answered), where


def rows(*several):
    return [{"attributes": {"type": "Account", "referenceId": f"ref{n}"}, **row} for n, row in enumerate(several)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "recorded"),
    [
        ("POST", PATH, NAME, 201, {"id": ID, "errors": [], "success": True}),
        ("POST", PATH, {}, 400, [{"message": "", "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["Name"]}]),
        ("POST", PATH, {"id": ID, **NAME}, 400, [{"message": "", "errorCode": "INVALID_FIELD"}]),
        ("GET", f"{V}/sobjects/Nope/describe", None, 404, [{"message": "", "errorCode": "NOT_FOUND"}]),
        (
            "GET", f"{V}/query?q=SELECT+Id,Name+FROM+Account", None, 200,
            {"totalSize": 1, "done": True, "records": [{"attributes": {"type": "Account", "url": ""}, "Name": "x"}]},
        ),
        (
            "POST", f"{V}/composite/tree/Account", {"records": rows(NAME, NAME)}, 201,
            {"hasErrors": False, "results": [{"referenceId": "ref1", "id": ID}]},
        ),
        (
            "POST", f"{V}/composite/tree/Account", {"records": rows({})}, 400,
            {"hasErrors": True, "results": [{"referenceId": "ref1", "errors": [FAILED]}]},
        ),
        (
            "POST", f"{V}/composite/sobjects", {"allOrNone": False, "records": rows(NAME)}, 200,
            [{"id": ID, "success": True, "errors": []}],
        ),
        (
            "POST", f"{V}/composite/sobjects", {"allOrNone": False, "records": rows({})}, 200,
            [{"success": False, "errors": [FAILED]}],
        ),
        (
            "GET", f"{V}/limits/recordCount?sObjects=Account", None, 200,
            {"sObjects": [{"count": 3, "name": "Account"}]},
        ),
        ("GET", f"{V}/limits", None, 200, {"DailyApiRequests": {"Max": 5000, "Remaining": 4937}}),
        ("GET", f"{PATH}/describe", None, 200, DESCRIBED),
    ],
)  # fmt: skip
def test_an_answer_has_what_the_guide_prints(served, method, path, body, status, recorded):
    answer = served.call(method, path, json=body) if body is not None else served.call(method, path)
    assert answer.status_code == status, answer.text
    check(recorded, answer.json())
    if status >= 400 and isinstance(recorded, list):
        assert [each["errorCode"] for each in answer.json()] == [each["errorCode"] for each in recorded]


def test_the_guides_error_for_an_id_in_a_new_record(served):
    (error,) = served.call("POST", PATH, json={"id": ID, **NAME}).json()
    assert error["message"] == "The Id field should not be specified in the sobject data."


def test_jobs_have_what_the_guide_prints_from_first_to_last(served):
    query = {"operation": "query", "query": "SELECT Id FROM Account"}
    ingest = {"operation": "insert", "object": "Account"}
    for kind, body, recorded in (("query", query, JOB), ("ingest", ingest, INGEST)):
        job = served.call("POST", f"{V}/jobs/{kind}", json=body).json()["id"]
        check(recorded, served.call("GET", f"{V}/jobs/{kind}/{job}").json())
        if kind == "ingest":
            path = f"{V}/jobs/ingest/{job}"
            assert served.call("PUT", f"{path}/batches", data="Name\nRecorded\n").status_code == 201
            served.call("PATCH", path, json={"state": "UploadComplete"})
        for _ in range(500):
            info = served.call("GET", f"{V}/jobs/{kind}/{job}").json()
            check(recorded, info)
            if info["state"] == "JobComplete":
                break
            time.sleep(0.01)
        assert (info["state"], info["jobType"]) == ("JobComplete", f"V2{kind.capitalize()}")
