"""A local org with the package in it, whose Apex runs; FedCRM meets it over HTTPS, tests put facts into its past."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import importlib.util
import io
import json
import random
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedcrm.cli import app
from fedcrm.errors import FedCRMError, RequestRefused
from fedcrm.salesforce import (
    Client,
    JwtBearer,
    Orgs,
    OrgSession,
    RegisteredOrg,
    Retry,
    Secret,
    SessionToken,
    TokenEndpoint,
    deploy,
)
from localorg.apex.runtime.services import OutgoingRequest, OutgoingResponse
from localorg.http.server import Server
from localorg.http.serving import connection_document, served_in_thread
from localorg.http.sessions import Grant
from localorg.metadata import publish, zip_source
from localorg.org import Org
from localorg.records import LeadConversion
from localorg.runtimes import Runtimes

for _name in ("raw_rows", "invented_orgs"):
    _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    sys.modules[_name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_name])
from invented_orgs import OBJECTS, InventedOrg  # noqa: E402 - made above
from raw_rows import RawRows  # noqa: E402 - made above

PACKAGE = Path(__file__).resolve().parents[4] / "force-app" / "main" / "default"
HISTORY = PACKAGE.parents[2] / "unpackaged" / "history"
PERMISSION_SETS = ("FedCRM_Admin", "FedCRM_Extractor", "FedCRM_Integration", "FedCRM_Scoring_User")
QUICK = Retry(attempts=4, base=0.01, cap=0.1)


@dataclass
class PackagedOrg:
    """An org with the package, and the ways into it.

    facts:     as `localorg up --json` says them.
    org:       its inside, for facts of the past, which no API lets anybody write.
    orgs:      the node's directory, in which it is registered under its alias.
    """

    facts: dict[str, str]
    ca_file: str
    org: Org
    server: Server
    runtimes: Runtimes
    orgs: Path
    accounts: tuple[str, ...] = ()

    @property
    def alias(self) -> str:
        return self.facts["alias"]

    def client(self) -> Client:
        key = Secret(Path(self.facts["key_file"]).read_text())
        grant = JwtBearer(self.facts["consumer_key"], self.facts["username"], key, None)
        endpoint = TokenEndpoint(self.alias, self.facts["instance_url"], grant, ca_file=self.ca_file, retry=QUICK)
        return Client(OrgSession(endpoint, ca_file=self.ca_file, reserve=0.0, retry=QUICK))

    def register(self, directory: Path) -> Orgs:
        """Put it into a node's directory of orgs."""
        key = Secret(Path(self.facts["key_file"]).read_text())
        grant = JwtBearer(self.facts["consumer_key"], self.facts["username"], key, None)
        ca = Path(self.ca_file).read_text()
        registry = Orgs.open(directory) if Orgs.exists(directory) else Orgs.create(directory)
        registry.add(
            RegisteredOrg(self.alias, self.facts["instance_url"], grant, self.facts["org_id"][:15], ca=ca, reserve=0.0)
        )
        return registry

    def node_user(self, directory: Path) -> Orgs:
        """A node's directory in which the alias `node` logs in as a user with the permission set Integration alone."""
        client = self.client()
        (profile,) = client.query("SELECT Id FROM Profile WHERE Name LIKE 'Minimum Access%' LIMIT 1")
        user = {
            "Username": f"node.{len(list(directory.parent.glob('*')))}@{self.alias}.example",
            "LastName": "Node",
            "IsActive": True,
            "Alias": "node",
            "Email": "node@example.com",
            "ProfileId": profile["Id"],
            "TimeZoneSidKey": "Europe/Berlin",
            "LocaleSidKey": "en_US",
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "en_US",
        }
        user_id = client.session.post(f"{client.base}/sobjects/User", json=user).json()["id"]
        (granted,) = client.query("SELECT Id FROM PermissionSet WHERE Name = 'FedCRM_Integration'")
        assigned = {"PermissionSetId": granted["Id"], "AssigneeId": user_id}
        client.session.post(f"{client.base}/sobjects/PermissionSetAssignment", json=assigned)
        client.session.close()
        token = self.server.sessions.issue(Grant(self.facts["org_id"], user_id, self.facts["consumer_key"], "api"))
        registry = Orgs.create(directory)
        ca = Path(self.ca_file).read_text()
        grant = SessionToken(Secret(token))
        registry.add(RegisteredOrg("node", self.facts["instance_url"], grant, self.facts["org_id"][:15], ca=ca))
        return registry

    def put(self, name: str, rows: list[dict[str, Any]]) -> list[str]:
        """Records as they were made at their own times. Returns their ids."""
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            saved = transaction.insert(name, rows)
            assert all(one.success for one in saved), [one.errors for one in saved if not one.success][:3]
        return [one.id for one in saved]

    def put_customers(self, count: int) -> None:
        """Accounts of which the small ones fall silent."""
        rng, now = random.Random(4), dt.datetime.now(dt.UTC)

        def ago(days: int) -> str:
            return (now - dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

        sizes = [rng.randint(1, 1000) for _ in range(count)]
        rows = [
            {
                "Name": f"A{n}",
                "NumberOfEmployees": size,
                "Industry": rng.choice(("Energy", "Banking")),
                "CreatedDate": ago(900),
            }
            for n, size in enumerate(sizes)
        ]
        tasks = []
        for account, size in zip(self.put("Account", rows), sizes, strict=True):
            stays = rng.random() < (0.85 if size > 400 else 0.2)
            tasks += [
                {"WhatId": account, "Subject": "Call", "Status": "Completed", "CreatedDate": ago(day)}
                for day in range(5 if stays else 290, 460, 60)
            ]
        self.put("Task", tasks)

    @contextmanager
    def field_deleted(self) -> Iterator[None]:
        """A feature of churn reads a field, Account.Gone__c, that the org no longer has."""
        definition = {
            "DeveloperName": "churn_own_gone",
            "MasterLabel": "Gone",
            "Task__c": "churn",
            "Feature__c": "own.gone",
            "Active__c": True,
            "Kind__c": "Number",
            "Source_Object__c": "Account",
            "Source_Key__c": "Id",
            "Aggregate__c": "Value",
            "Field__c": "Gone__c",
            "As_Of_Rule__c": "Fixed",
        }
        made = self.put("Feature_Definition__mdt", [definition])
        try:
            yield
        finally:
            self.remove(made)

    def change(self, name: str, rows: list[dict[str, Any]]) -> None:
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            saved = transaction.update(name, rows)
            assert all(one.success for one in saved), [one.errors for one in saved if not one.success][:3]

    def rows(self, soql: str) -> list[dict[str, Any]]:
        """What the administrator sees over REST."""
        client = self.client()
        try:
            return [dict(row) for row in client.query(soql)]
        finally:
            client.session.close()

    def convert(self, lead: str) -> None:
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            (status,) = transaction.query("SELECT ApiName FROM LeadStatus WHERE IsConverted = TRUE LIMIT 1")
            transaction.convert_lead(LeadConversion(lead, status["ApiName"]))

    def remove(self, ids: list[str]) -> None:
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            assert all(one.success for one in transaction.delete(ids))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST to the REST API as the administrator; the answer, whatever its status."""
        client = self.client()
        try:
            return client.session.post(client.base + path, json=body).json()
        except RequestRefused as refused:
            return str(refused)
        finally:
            client.session.close()

    @contextmanager
    def node_double(self) -> Iterator[list[Any]]:
        """A node that notes what it is asked and is never at home."""
        asked: list[Any] = []
        engine = self.runtimes.apex_of(self.org)
        services = engine.services

        def answer(request: OutgoingRequest) -> OutgoingResponse:
            asked.append(json.loads(request.body))
            return OutgoingResponse(503, "Service Unavailable", {}, b"{}")

        engine.services = dataclasses.replace(services, callout=answer)
        try:
            yield asked
        finally:
            engine.services = services

    def empty(self, *names: str) -> None:
        """Delete every record of these objects for good."""
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            for name in names:
                ids = [row["Id"] for row in transaction.query(f"SELECT Id FROM {name}")]
                if ids:
                    transaction.delete(ids)
                    transaction.purge(ids)

    def wipe(self) -> None:
        """No records, no runs, no memory of either in the org."""
        self.empty("Prediction__c", "Feature_Block__c", "Extraction_Run__c", *OBJECTS)

    def raw(self, task: str) -> RawRows:
        """The task recomputed from raw rows, with the key that the org keeps to itself."""
        return RawRows(self.rows, base64.b64decode(self.rows_of_setting()["Pseudonym_Key__c"]), task)

    def assign(self, *names: str) -> None:
        """Give the administrator permission sets."""
        client = self.client()
        listed = ", ".join(f"'{name}'" for name in names)
        for found in client.query(f"SELECT Id FROM PermissionSet WHERE Name IN ({listed})"):
            assigned = {"PermissionSetId": found["Id"], "AssigneeId": client.session.token.user_id}
            client.session.post(f"{client.base}/sobjects/PermissionSetAssignment", json=assigned)
        client.session.close()

    def unassign(self, name: str) -> None:
        held = f"SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = '{name}'"
        self.remove([row["Id"] for row in self.rows(held)])

    def set_block_size(self, entities: int) -> None:
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            (row,) = transaction.query("SELECT DeveloperName, MasterLabel FROM Extraction_Setting__mdt")
            values = {"Entities_Per_Block__c": entities, **row}
            values = {name: value for name, value in values.items() if name != "attributes"}
            [saved] = transaction.upsert("Extraction_Setting__mdt", "DeveloperName", [values])
            assert saved.success, saved.errors

    def rows_of_setting(self) -> dict[str, Any]:
        """The protected setting with the org's keys, as nobody outside may see it."""
        fields = "Pseudonym_Key__c, Transport_Key__c, Transport_Key_Id__c"
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            (row,) = transaction.query(f"SELECT {fields} FROM FedCRM_Key__c")
        return dict(row)

    def finish_jobs(self) -> None:
        """Run whatever waits."""
        self.runtimes.apex_of(self.org).run_pending_jobs()

    @contextmanager
    def jobs_held(self) -> Iterator[None]:
        """Jobs that are begun wait."""
        engine = self.runtimes.apex_of(self.org)
        engine.stop_background()
        try:
            yield
        finally:
            engine.start_background()

    def plant(self, faults: list[dict[str, Any]]) -> None:
        """Trouble on the wire, once each, in this order where they fit the same calls."""
        client = self.client()
        client.session.post("/_local/faults", json=[{"org": self.alias, **fault} for fault in faults])
        client.session.close()

    def apex(self, text: str) -> str:
        """Run a block of Apex as the administrator; what it debugged."""
        outcome = self.runtimes.engines().execute_anonymous(self.org, self.org.admin_context(), text)
        assert outcome.success, (outcome.compile_problem, outcome.exception_message, outcome.exception_stack_trace)
        return outcome.log


class Command:
    """The `fedcrm` command with the node's directory of orgs."""

    def __init__(self, orgs: Path) -> None:
        self._orgs = orgs

    def __call__(self, *words: object) -> tuple[int, str]:
        """Exit status and what was said; a refusal as its one line."""
        done = CliRunner().invoke(app, [*map(str, words), "--orgs", str(self._orgs)])
        if isinstance(done.exception, FedCRMError):
            return done.exception.exit_status, str(done.exception)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output


@pytest.fixture(scope="session")
def packaged_orgs(tmp_path_factory) -> Iterator[tuple[PackagedOrg, ...]]:
    data, orgs = tmp_path_factory.mktemp("local-orgs"), tmp_path_factory.mktemp("node") / "orgs"
    held: list[Runtimes] = []
    with served_in_thread(data, orgs=3, prepare=lambda server: held.append(Runtimes.install(server))) as (server, url):
        document = connection_document(server, url)
        made = tuple(
            PackagedOrg(facts, document["ca_file"], server.registry.org(facts["org_id"]), server, held[0], orgs)
            for facts in document["orgs"]
        )
        yield made


@pytest.fixture(scope="session")
def packaged(packaged_orgs) -> PackagedOrg:
    """The first org: package deployed over the Metadata API, permission sets assigned."""
    packaged = packaged_orgs[0]
    install(packaged)
    packaged.register(packaged.orgs)
    return packaged


def install(packaged: PackagedOrg) -> float:
    """Deploy the package and assign its permission sets to the administrator; seconds the deployment took."""
    client = packaged.client()
    began = dt.datetime.now()
    deploy(client, zip_source(PACKAGE, skip={"connectedApps"}))
    took = (dt.datetime.now() - began).total_seconds()
    client.session.close()
    packaged.assign(*PERMISSION_SETS)
    return took


INSTALL = """<InstalledPackage xmlns="http://soap.sforce.com/2006/04/metadata"><versionNumber>0.1</versionNumber>
</InstalledPackage>"""
MANIFEST = """<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>fedcrm</members>
<name>InstalledPackage</name></types><version>67.0</version></Package>"""


@pytest.fixture(scope="module")
def two_orgs(tmp_path_factory) -> Iterator[dict[str | None, PackagedOrg]]:
    """By namespace: an org with the package deployed as it is, and one that has it installed."""
    data, orgs = tmp_path_factory.mktemp("two-orgs"), tmp_path_factory.mktemp("node-of-two") / "orgs"
    held: list[Runtimes] = []
    with served_in_thread(data, orgs=2, prepare=lambda server: held.append(Runtimes.install(server))) as (server, url):
        document = connection_document(server, url)
        plain, managed = (
            PackagedOrg(facts, document["ca_file"], server.registry.org(facts["org_id"]), server, held[0], orgs)
            for facts in document["orgs"]
        )
        install(plain)
        publish(managed.org, "fedcrm", zip_source(PACKAGE, skip={"connectedApps"}))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("package.xml", MANIFEST)
            archive.writestr("installedPackages/fedcrm.installedPackage", INSTALL)
        client = managed.client()
        deploy(client, packed.getvalue())
        client.session.close()
        managed.assign(*PERMISSION_SETS)
        yield {None: plain, "fedcrm": managed}


@pytest.fixture
def fedcrm(packaged) -> Command:
    return Command(packaged.orgs)


@pytest.fixture(scope="session")
def invent():
    """(packaged, seed): fills an org with an invented past."""
    return InventedOrg


def _keep_history(org: PackagedOrg) -> PackagedOrg:
    client = org.client()
    deploy(client, zip_source(HISTORY, skip=()))
    client.session.close()
    return org


@pytest.fixture(scope="session")
def keep_history():
    """Switches an org's field histories on that docs/package.md asks an admin to switch on, as he does it."""
    return _keep_history


@pytest.fixture(scope="session")
def tracked(packaged) -> PackagedOrg:
    """The first org with those histories on."""
    return _keep_history(packaged)


@pytest.fixture
def command_of():
    """A node's directory of orgs -> the `fedcrm` command over it."""
    return Command


@pytest.fixture(scope="session")
def installed():
    return install
