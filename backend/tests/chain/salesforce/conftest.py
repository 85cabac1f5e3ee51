"""Two local orgs in a process of their own, over TLS, and FedCRM's clients of them."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedcrm.salesforce import Client, JwtBearer, OrgSession, Retry, Secret, TokenEndpoint

BACKEND = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class LocalOrgs:
    """What `localorg up --json` says, and the means to make trouble."""

    ca_file: str
    orgs: tuple[dict[str, str], ...]

    def endpoint(self, number: int = 0, **more: Any) -> TokenEndpoint:
        org = self.orgs[number]
        key = Secret(Path(org["key_file"]).read_text())
        grant = JwtBearer(more.pop("consumer_key", org["consumer_key"]), more.pop("username", org["username"]), key)
        retry = more.pop("retry", QUICK)
        return TokenEndpoint(org["alias"], org["instance_url"], grant, ca_file=self.ca_file, retry=retry, **more)

    def client(self, number: int = 0, *, reserve: float = 0.1) -> Client:
        retry = QUICK
        endpoint = self.endpoint(number)
        return Client(OrgSession(endpoint, ca_file=self.ca_file, retry=retry, reserve=reserve))


# Real waiting, but a hundredth of it.
QUICK = Retry(attempts=4, base=0.01, cap=0.1)


def localorg(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(BACKEND)}
    command = [sys.executable, "-m", "localorg.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="session")
def local_orgs(tmp_path_factory) -> Iterator[LocalOrgs]:
    data = tmp_path_factory.mktemp("orgs")
    started = json.loads(localorg("up", "--orgs", "2", "--data", str(data), "--json"))
    yield LocalOrgs(started["ca_file"], tuple(started["orgs"]))
    localorg("down", "--data", str(data))


class Faults:
    """Trouble in the first org."""

    def __init__(self, local_orgs: LocalOrgs) -> None:
        self._session, self._alias = local_orgs.client().session, local_orgs.orgs[0]["alias"]

    def plant(self, **what: Any) -> None:
        self._session.post("/_local/faults", json={"org": self._alias, **what})

    def left(self) -> list[Any]:
        """What has not struck."""
        return self._session.get("/_local/faults").json()

    def clear(self) -> None:
        self._session.delete("/_local/faults")


@pytest.fixture
def faults(local_orgs) -> Iterator[Faults]:
    made = Faults(local_orgs)
    yield made
    made.clear()


@pytest.fixture
def client(local_orgs) -> Iterator[Client]:
    made = local_orgs.client()
    yield made
    made.session.close()


OBJECT = """<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <label>Score</label><pluralLabel>Scores</pluralLabel>
  <nameField><label>Number</label><type>AutoNumber</type><displayFormat>S-{0}</displayFormat></nameField>
  <deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Key__c</fullName><label>Key</label><type>Text</type><length>80</length>
    <externalId>true</externalId><unique>true</unique><caseSensitive>false</caseSensitive></fields>
  <fields><fullName>Value__c</fullName><label>Value</label><type>Number</type><precision>18</precision>
    <scale>6</scale></fields>
  <fields><fullName>Why__c</fullName><label>Why</label><type>LongTextArea</type><length>32768</length>
    <visibleLines>3</visibleLines></fields>
  <fields><fullName>At__c</fullName><label>At</label><type>DateTime</type></fields>
  <fields><fullName>Sure__c</fullName><label>Sure</label><type>Checkbox</type><defaultValue>false</defaultValue></fields>
</CustomObject>"""
RIGHTS = """<?xml version="1.0" encoding="UTF-8"?>
<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata">
  {fields}<label>Scores</label>
  <objectPermissions><allowCreate>true</allowCreate><allowDelete>true</allowDelete><allowEdit>true</allowEdit>
    <allowRead>true</allowRead><modifyAllRecords>true</modifyAllRecords><object>Score__c</object>
    <viewAllRecords>true</viewAllRecords></objectPermissions>
</PermissionSet>"""
RIGHT = """<fieldPermissions><editable>true</editable><field>Score__c.{name}</field><readable>true</readable>
  </fieldPermissions>"""
PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">
  <types><members>Score__c</members><name>CustomObject</name></types>
  <types><members>Scores</members><name>PermissionSet</name></types><version>67.0</version>
</Package>"""
ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/04/metadata">
<env:Header><SessionHeader><sessionId>{token}</sessionId></SessionHeader></env:Header>
<env:Body>{body}</env:Body></env:Envelope>"""


@pytest.fixture(scope="session")
def deploy() -> Callable[[Client, dict[str, str]], None]:
    """Deploys files over the Metadata API."""
    return _deploy


def _deploy(client: Client, files: dict[str, str]) -> None:
    """Deploy files over the Metadata API, as any tool would."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)

    def call(body: str) -> str:
        text = ENVELOPE.format(token=client.session.token.value.reveal(), body=body)
        headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        return client.session.post("/services/Soap/m/67.0", data=text.encode(), headers=headers).text

    options = (
        "<DeployOptions><rollbackOnError>true</rollbackOnError><singlePackage>true</singlePackage></DeployOptions>"
    )
    zipped = base64.b64encode(packed.getvalue()).decode()
    answer = call(f"<deploy><ZipFile>{zipped}</ZipFile>{options}</deploy>")
    job = re.search(r"<id>(\w+)</id>", answer)[1]
    for _ in range(100):
        body = f"<asyncProcessId>{job}</asyncProcessId><includeDetails>true</includeDetails>"
        answer = call(f"<checkDeployStatus>{body}</checkDeployStatus>")
        if "<done>true</done>" in answer:
            break
        time.sleep(0.1)
    assert "<status>Succeeded</status>" in answer, answer


@pytest.fixture(scope="session")
def scores(local_orgs) -> str:
    """A custom object with an external id in the first org; as on the platform, nobody sees its fields until told."""
    client = local_orgs.client()
    fields = "".join(RIGHT.format(name=name) for name in ("At__c", "Key__c", "Sure__c", "Value__c", "Why__c"))
    rights = RIGHTS.format(fields=fields)
    _deploy(
        client,
        {"package.xml": PACKAGE, "objects/Score__c.object": OBJECT, "permissionsets/Scores.permissionset": rights},
    )
    (found,) = client.query("SELECT Id FROM PermissionSet WHERE Name = 'Scores'")
    assigned = {"PermissionSetId": found["Id"], "AssigneeId": client.session.token.user_id}
    client.session.post(f"{client.base}/sobjects/PermissionSetAssignment", json=assigned)
    return "Score__c"
