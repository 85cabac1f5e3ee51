"""A running org, a running service and a browser: everything a person's score goes through."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from fedcrm.service import Scope, Service, read_settings
from localorg.http.serving import connection_document, identity_of, served_in_thread
from localorg.metadata import zip_source
from localorg.runtimes import Runtimes

from .browser import Browser
from .made_up import published
from .world import DATA, Org, ServiceProcess, User

REPOSITORY = Path(__file__).parents[4]
PACKAGE = REPOSITORY / "force-app/main/default"
TASK = "opportunity_win"


@dataclass
class World:
    """What the tests of a score share. rep: sees and asks for scores."""

    org: Org
    rep: User
    service: ServiceProcess
    key: str = field(repr=False)

    def new_deal(self, **changed: Any) -> str:
        """An opportunity of the rep's own. Before the service runs, or it is scored by the flow."""
        account = self.rep.create("Account", Name="Northwind", Industry="Banking", NumberOfEmployees=120)
        given = {
            "Name": "Deal",
            "AccountId": account,
            "StageName": "Proposal/Price Quote",
            "CloseDate": "2027-01-31",
            "Amount": 42000,
            "LeadSource": "Web",
            "Type": "New Customer",
        }
        return self.rep.create("Opportunity", **(given | changed))

    def prediction(self, record_id: str) -> dict[str, Any] | None:
        """The stored score of a record."""
        key = self.org.told(f"OrgKeys.current().requirePaired().pseudonymOf(Id.valueOf('{record_id}'))")
        fields = "Score__c, Interval_Low__c, Interval_High__c, As_Of__c, Model_Version__c, Status__c, Explanation__c"
        rows = self.org.query(f"SELECT {fields} FROM Prediction__c WHERE Entity_Key__c = '{key}:{TASK}'")
        return rows[0] if rows else None

    def asked_directly(self, record_id: str, as_of: str) -> dict[str, Any]:
        """What the service says of a record whose vector the org computes for the same moment."""
        moment = f"Datetime.valueOfGmt('{as_of[:19].replace('T', ' ')}')"
        vector = self.org.told(
            f"JSON.serialize(new FeatureVectorBuilder(ModelTask.named('{TASK}'), FeatureDefinitions.ofTask('{TASK}'), "
            f"10000).build(new Map<Id, Datetime>{{ Id.valueOf('{record_id}') => {moment} }}).values()[0])"
        )
        body = {
            "org_id": self.org.org_id,
            "task": TASK,
            "records": [
                {
                    "pseudonym": "ab" * 16,
                    "vocabulary_digest": self.org.told(f"FeatureDefinitions.ofTask('{TASK}').digest"),
                    "as_of": as_of[:19] + "Z",
                    "vector": json.loads(vector),
                }
            ],
        }
        answer = requests.post(
            self.service.url + "/v1/predictions",
            json=body,
            headers={"X-FedCRM-Key": self.key},
            verify=self.org.ca_file,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["results"][0]["prediction"]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("score")
    with (
        pytest.MonkeyPatch.context() as patch,
        served_in_thread(home / "org", prepare=Runtimes.install) as (server, url),
    ):
        document = connection_document(server, url)
        patch.setenv("REQUESTS_CA_BUNDLE", str(document["ca_file"]))
        [made] = document["orgs"]  # type: ignore[misc]  # the document is JSON
        org = Org(url, str(document["ca_file"]), made["access_token"])
        org.org_id = made["org_id"]
        org.deploy(zip_source(PACKAGE, skip={"connectedApps"}))
        [admin] = org.query(f"SELECT Id FROM User WHERE Username = '{made['username']}'")
        for each in ("FedCRM_Admin", "FedCRM_Scoring_User"):
            org.give(admin["Id"], each)
        # The service shows a certificate of the CA that the org trusts: its own, which is good for localhost.
        identity = identity_of(server)
        service = ServiceProcess(home / "service", identity.certificate_file, identity.key_file)
        key = _paired(org, service, home)
        rep = org.new_user("Rep", "FedCRM_Viewer", "FedCRM_Scoring_User")
        yield World(org, rep, service, key)
        service.stop()


def _paired(org: Org, service: ServiceProcess, home: Path) -> str:
    """Both ways: the org has a transport key, the service knows the org, and the org holds the key to call with."""
    transport_key = base64.b64encode(os.urandom(32)).decode()
    paired = org.ok("POST", "/services/apexrest/fedcrm/pairing", json={"key_id": "first", "key": transport_key})
    assert paired["is_paired"]
    settings = read_settings(data=service.directory)
    Service.make_storage_key(settings)
    opened = Service.open(settings)
    try:
        opened.tenants.register(org.org_id, "Northwind")
        vocabulary = org.told(f"FeatureDefinitions.ofTask('{TASK}').toJson()")
        digest = org.told(f"FeatureDefinitions.ofTask('{TASK}').digest")
        published(opened, org.org_id, vocabulary, digest, home / "models")
        code = opened.tenants.new_pairing_code(Scope.PREDICT, 15, org.org_id).reveal()
    finally:
        opened.close()
    service.start()
    answer = requests.post(
        service.url + "/v1/pairing",
        json={"code": code, "org_id": org.org_id, "name": "Northwind"},
        verify=org.ca_file,
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    key = str(answer.json()["api_key"])
    _point_at(org, service.url)
    org.ok(
        "POST",
        f"{DATA}/named-credentials/credential",
        json={
            "externalCredential": "FedCRM_Node",
            "principalName": "Scoring",
            "principalType": "NamedPrincipal",
            "credentials": {"Key": {"value": key, "encrypted": True}},
        },
    )
    return key


def _point_at(org: Org, url: str) -> None:
    """Enter the node's address in the named credential, as an admin does after installation."""
    shipped = (PACKAGE / "namedCredentials/FedCRM_Node.namedCredential-meta.xml").read_text("utf-8")
    changed = shipped.replace("https://fedcrm-node.example.com", url)
    assert changed != shipped
    org.change("NamedCredential", "namedCredentials/FedCRM_Node.namedCredential", changed)


class Page:
    """The component as the rep sees it."""

    def __init__(self, browser: Browser, world: World) -> None:
        self.do = browser.do
        self._world = world

    def open(self, record_id: str, *, sign: str, user: User | None = None, **more: Any) -> None:
        """Load the record's page; sign: a pattern that is on it when it is there."""
        who = user or self._world.rep
        session = {"instanceUrl": who.url, "accessToken": who.token, "caFile": who.ca_file}
        self.do("open", session=session, recordId=record_id, sign=sign, **more)


@pytest.fixture(scope="session")
def browser(world: World) -> Iterator[Browser]:
    subprocess.run(
        ["npx", "rollup", "-c", "force-app/test/preview/rollup.config.mjs", "--silent"], cwd=REPOSITORY, check=True
    )
    started = Browser(REPOSITORY)
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, world: World) -> Page:
    return Page(browser, world)
