"""Deployments over REST: the resource that needs no SOAP, beside the one that does."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest

OBJECT = """<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <label>Boat</label><pluralLabel>Boats</pluralLabel><nameField><label>Name</label><type>Text</type></nameField>
  <deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
</CustomObject>"""
MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
  <types><members>Boat__c</members><name>CustomObject</name></types><version>67.0</version>
</Package>"""
PATH = "/services/data/v67.0/metadata/deployRequest"


def package(text=OBJECT):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("package.xml", MANIFEST)
        archive.writestr("objects/Boat__c.object", text)
    return out.getvalue()


def deploy(served, content, alias="org1", **options):
    parts = {
        "json": (None, json.dumps({"deployOptions": {"singlePackage": True, **options}}), "application/json"),
        "file": ("deploy.zip", content, "application/zip"),
    }
    begun = served.call("POST", PATH, alias=alias, files=parts)
    assert begun.status_code == 201, begun.text
    for _ in range(200):
        path = f"{PATH}/{begun.json()['id']}"
        document = served.call("GET", path, alias=alias, params={"includeDetails": "true"}).json()
        if document["deployResult"]["done"]:
            return document["deployResult"]
        time.sleep(0.02)
    raise AssertionError(document)


def described(served, alias="org1"):
    return served.call("GET", "/services/data/v67.0/sobjects/Boat__c/describe", alias=alias).status_code


def test_a_zip_is_deployed_and_every_component_answered_for(served):
    result = deploy(served, package())
    assert (result["status"], result["success"], result["numberComponentsDeployed"]) == ("Succeeded", True, 1)
    (made,) = [one for one in result["details"]["componentSuccesses"] if one["componentType"] == "CustomObject"]
    assert (made["fullName"], made["created"]) == ("Boat__c", True)
    assert described(served) == 200


def test_only_checked_it_leaves_nothing(served):
    assert deploy(served, package(), "org2", checkOnly=True)["success"]
    assert described(served, "org2") == 404


def test_a_broken_component_is_named_with_its_line_and_nothing_is_deployed(served):
    result = deploy(served, package(OBJECT.replace("<label>Boat</label>", "<label>Boat</label>\n<oar/>")), "org2")
    assert (result["status"], result["success"]) == ("Failed", False)
    (failure,) = result["details"]["componentFailures"]
    assert (failure["fullName"], failure["lineNumber"]) == ("Boat__c", 4)
    assert "oar" in failure["problem"]
    assert described(served, "org2") == 404


def test_details_come_only_when_asked_for(served):
    parts = {"json": (None, json.dumps({"deployOptions": {}}), "application/json"), "file": ("z", package(), "a/b")}
    begun = served.call("POST", PATH, files=parts).json()
    assert begun["deployOptions"] == {}
    assert "details" not in served.call("GET", f"{PATH}/{begun['id']}").json()["deployResult"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"file": ("z", b"", "application/zip")}, "INVALID_MULTIPART_REQUEST"),
        ({"json": (None, "[]", "application/json"), "file": ("z", b"", "a/b")}, "JSON_PARSER_ERROR"),
        (
            {"json": (None, '{"deployOptions": {"testLevel": "All"}}', "application/json"), "file": ("z", b"", "a/b")},
            "JSON_PARSER_ERROR",
        ),
    ],
)
def test_a_request_that_is_none_is_refused(served, parts, code):
    refused = served.call("POST", PATH, files=parts)
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, code)


def test_what_is_no_zip_fails_and_an_unknown_deployment_is_not_found(served):
    assert deploy(served, b"--not a zip\r\n--")["status"] == "Failed"
    assert served.call("GET", f"{PATH}/0Af000000000001AAA").status_code == 404
    assert served.call("POST", PATH, json={}).json()[0]["errorCode"] == "INVALID_MULTIPART_REQUEST"
