"""A running org, a running service and a browser: everything a person's score goes through."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator
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
from .made_up import Trained, published
from .world import DATA, Org, ServiceProcess, User

REPOSITORY = Path(__file__).parents[4]
PACKAGE = REPOSITORY / "force-app/main/default"
TASK = "opportunity_win"
VIEW = "FedCRM_View_Scores"


@dataclass
class World:
    """What the tests of a score share. rep: sees and asks for scores. other: an org in which nothing is installed."""

    org: Org
    other: Org
    rep: User
    service: ServiceProcess
    key: str = field(repr=False)
    trained: Trained = field(repr=False)
    settled: Callable[[], object] = field(repr=False)

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

    def enter_key(self, key: str) -> None:
        """Let the org call its node with another key."""
        _enter_key(self.org, key)

    def vocabulary(self, task: str = TASK) -> tuple[str, str]:
        """A task's vocabulary as the org tells it (JSON), and its digest."""
        told = f"FeatureDefinitions.ofTask('{task}')"
        return self.org.told(f"{told}.toJson()"), self.org.told(f"{told}.digest")

    def prediction(self, record_id: str, task: str = TASK) -> dict[str, Any] | None:
        """The stored score of a record."""
        key = self.org.told(f"OrgKeys.current().requirePaired().pseudonymOf(Id.valueOf('{record_id}'))")
        fields = "Score__c, Interval_Low__c, Interval_High__c, As_Of__c, Model_Version__c, Status__c, Explanation__c"
        rows = self.org.query(f"SELECT {fields} FROM Prediction__c WHERE Entity_Key__c = '{key}:{task}'")
        return rows[0] if rows else None

    def asked_directly(self, record_id: str, as_of: str, task: str = TASK) -> dict[str, Any]:
        """What the service says of a record whose vector the org computes for the same moment."""
        moment = f"Datetime.valueOfGmt('{as_of[:19].replace('T', ' ')}')"
        vector = self.org.told(
            f"JSON.serialize(new FeatureVectorBuilder(ModelTask.named('{task}'), FeatureDefinitions.ofTask('{task}'), "
            f"10000).build(new Map<Id, Datetime>{{ Id.valueOf('{record_id}') => {moment} }}).values()[0])"
        )
        body = {
            "org_id": self.org.org_id,
            "task": task,
            "records": [
                {
                    "pseudonym": "ab" * 16,
                    "vocabulary_digest": self.vocabulary(task)[1],
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


def install(org: Org) -> None:
    """Deploy the package into an org."""
    org.deploy(zip_source(PACKAGE, skip={"connectedApps"}))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("score")
    runtimes: list[Runtimes] = []
    opening = served_in_thread(home / "org", orgs=2, prepare=lambda server: runtimes.append(Runtimes.install(server)))
    with opening as (server, url):
        document = connection_document(server, url)
        org, other = (
            Org(url, str(document["ca_file"]), made["access_token"], org_id=made["org_id"])
            for made in document["orgs"]  # type: ignore[attr-defined]  # the document is JSON
        )
        install(org)
        [admin] = org.query("SELECT Id FROM User WHERE Username LIKE 'admin@%'")
        for each in ("FedCRM_Admin", "FedCRM_Scoring_User"):
            org.give(admin["Id"], each)
        # The service shows a certificate of the CA that the org trusts: its own, which is good for localhost.
        identity = identity_of(server)
        service = ServiceProcess(home / "service", identity.certificate_file, identity.key_file)
        key, trained = _paired(org, service, home)
        rep = org.new_user("Rep", "FedCRM_Viewer", "FedCRM_Scoring_User")
        inside = server.registry.org(org.org_id)
        assert inside is not None
        # What a commit set off runs in the background; a test waits until all of it was done.
        yield World(org, other, rep, service, key, trained, lambda: runtimes[0].run_pending(inside))
        service.stop()


def _paired(org: Org, service: ServiceProcess, home: Path) -> tuple[str, Trained]:
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
        trained = published(opened, org.org_id, TASK, vocabulary, digest, home / "models")
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
    _enter_key(org, key)
    return key, trained


def _enter_key(org: Org, key: str) -> None:
    """Give the principal its secret, as an admin does after installation."""
    org.ok(
        "PUT",
        f"{DATA}/named-credentials/credential",
        json={
            "externalCredential": "FedCRM_Node",
            "principalName": "Scoring",
            "principalType": "NamedPrincipal",
            "credentials": {"Key": {"value": key, "encrypted": True}},
        },
    )


def _point_at(org: Org, url: str) -> None:
    """Enter the node's address in the named credential, as an admin does after installation."""
    shipped = (PACKAGE / "namedCredentials/FedCRM_Node.namedCredential-meta.xml").read_text("utf-8")
    changed = shipped.replace("https://fedcrm-node.example.com", url)
    assert changed != shipped
    org.change("NamedCredential", "namedCredentials/FedCRM_Node.namedCredential", changed)


class Page:
    """The component as one of the org's users sees it."""

    def __init__(self, browser: Browser, world: World) -> None:
        self.do = browser.do
        self._world = world

    def open(self, record_id: str, *, sign: str, user: User | None = None, **more: Any) -> None:
        """Load the record's page; sign: a pattern that is on it once the component has settled."""
        who = user or self._world.rep
        # Lightning hands a component the custom permissions of its user; the preview is told them.
        held = self._world.org.custom_permissions(who.user_id) if who.user_id else {VIEW}
        query = "" if VIEW in held else f"&deny={VIEW}"
        session = {"instanceUrl": who.url, "accessToken": who.token, "caFile": who.ca_file}
        self.do("open", session=session, recordId=record_id, sign=sign, query=query, **more)

    def look(
        self,
        name: str,
        record_id: str,
        *,
        sign: str,
        user: User | None = None,
        act: Callable[[], object] = lambda: None,
    ) -> None:
        """A state in both themes, wide and narrow: nothing inaccessible, nothing cut off, no fault in the page.

        act: what brings the state about after the page is there. FEDCRM_PICTURES: a directory to draw it into.
        """
        for theme, width in itertools.product(("slds1", "slds2"), (640, 320)):
            self.open(record_id, sign=sign, user=user, theme=theme, width=width)
            act()
            where = f"{name}, {theme}, {width} px"
            assert self.do("violations") == [], where
            assert self.do("overflow") == 0, where
            assert self.do("problems") == [], where
            if folder := os.environ.get("FEDCRM_PICTURES"):
                size = "wide" if width > 320 else "narrow"
                self.do("picture", file=f"{folder}/score-{name}-{theme}-{size}.png")


@pytest.fixture(scope="session")
def browser(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    place = {"FEDCRM_PREVIEW": str(tmp_path_factory.mktemp("preview"))}
    bundle = ["npx", "rollup", "-c", "force-app/test/preview/rollup.config.mjs", "--silent"]
    subprocess.run(bundle, cwd=REPOSITORY, env=os.environ | place, check=True)
    started = Browser(REPOSITORY, place)
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, world: World) -> Page:
    return Page(browser, world)


@pytest.fixture
def unscored(world: World) -> str:
    """An opportunity that was saved while the service was down, and the service up again."""
    world.service.stop()
    deal = world.new_deal()
    world.settled()
    world.service.start()
    return deal


@pytest.fixture(scope="session")
def deal(world: World) -> str:
    """An opportunity that the flow has scored."""
    made = world.new_deal()
    world.settled()
    return made
