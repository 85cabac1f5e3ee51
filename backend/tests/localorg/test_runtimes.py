"""Apex and flows in a served process: what is deployed over the wire runs over the wire, also after a restart."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.slow
BACKEND = Path(__file__).resolve().parents[2]
VERSION = "/services/data/v67.0"
META = """<?xml version="1.0" encoding="UTF-8"?>
<ApexClass xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>67.0</apiVersion><status>Active</status>
</ApexClass>"""
MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
  <types><members>*</members><name>ApexClass</name></types><version>67.0</version>
</Package>"""
COUNTER = """@RestResource(urlMapping='/count/*')
global with sharing class Counter implements Queueable {
    @HttpPost global static Integer count(String name) {
        insert new Account(Name = name);
        System.enqueueJob(new Counter());
        return [SELECT COUNT() FROM Account];
    }
    public void execute(QueueableContext context) { insert new Account(Name = 'later'); }
}"""
COUNTER_TEST = """@IsTest
private class CounterTest {
    @IsTest static void counts() { System.assertEquals(1, Counter.count('one')); }
}"""


def localorg(*words):
    environment = {**os.environ, "PYTHONPATH": str(BACKEND)}
    command = [sys.executable, "-m", "localorg.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


class Running:
    def __init__(self, data):
        document = json.loads(localorg("up", "--orgs", "1", "--data", str(data), "--json"))
        (self.org,) = document["orgs"]
        self.ca = document["ca_file"]

    def call(self, method, path, **more):
        headers = {"Authorization": f"Bearer {self.org['access_token']}"}
        url = self.org["instance_url"] + path
        return requests.request(method, url, headers=headers, verify=self.ca, timeout=60, **more)

    def names(self):
        found = self.call("GET", f"{VERSION}/query", params={"q": "SELECT Name FROM Account ORDER BY CreatedDate"})
        return [row["Name"] for row in found.json()["records"]]

    def deploy(self, **bodies):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("package.xml", MANIFEST)
            for name, body in bodies.items():
                archive.writestr(f"classes/{name}.cls", body)
                archive.writestr(f"classes/{name}.cls-meta.xml", META)
        options = {"deployOptions": {"testLevel": "RunLocalTests"}}
        parts = {"json": (None, json.dumps(options)), "file": ("deploy.zip", out.getvalue())}
        path = f"{VERSION}/metadata/deployRequest"
        job = self.call("POST", path, files=parts).json()["id"]
        for _ in range(600):
            result = self.call("GET", f"{path}/{job}", params={"includeDetails": "true"}).json()["deployResult"]
            if result["done"]:
                return result
            time.sleep(0.05)
        raise AssertionError(result)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    yield tmp_path / "data"
    localorg("down", "--data", str(tmp_path / "data"))


def test_deployed_apex_is_compiled_tested_called_and_its_jobs_run(data):
    running = Running(data)
    broken = running.deploy(Counter=COUNTER.replace("Integer count", "Strin count"))
    (failure,) = broken["details"]["componentFailures"]
    assert (failure["componentType"], failure["lineNumber"]) == ("ApexClass", 3)

    result = running.deploy(Counter=COUNTER, CounterTest=COUNTER_TEST)
    assert result["status"] == "Succeeded", result
    assert result["details"]["runTestResult"]["numTestsRun"] == 1
    answer = running.call("POST", "/services/apexrest/count", json={"name": "one"})
    assert (answer.status_code, answer.json()) == (200, 1)
    for _ in range(200):
        if len(running.names()) == 2:
            break
        time.sleep(0.05)
    assert running.names() == ["one", "later"]

    localorg("down", "--data", str(data))
    again = Running(data)
    assert again.call("POST", "/services/apexrest/count", json={"name": "three"}).json() == 3


def test_a_removed_org_takes_its_threads_along(data):
    running = Running(data)
    scratch = {"Edition": "Developer", "Username": "scratch@example.com", "OrgName": "Scratch", "DurationDays": 1}
    made = running.call("POST", f"{VERSION}/sobjects/ScratchOrgInfo", json=scratch)
    assert made.status_code == 201, made.text
    query = {"q": "SELECT Id FROM ActiveScratchOrg"}
    for _ in range(200):
        found = running.call("GET", f"{VERSION}/query", params=query).json()["records"]
        if found:
            break
        time.sleep(0.05)
    (active,) = found
    assert running.call("DELETE", f"{VERSION}/sobjects/ActiveScratchOrg/{active['Id']}").status_code == 204
    time.sleep(1)
    assert "Traceback" not in (data / "server.log").read_text()
