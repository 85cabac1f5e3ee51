"""Everything an administrator can get wrong, against a local org: one clear line with the remedy, and a way on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fedcrm import cli
from fedcrm.errors import (
    AccessDenied,
    CertificateExpired,
    LimitReached,
    LoginRefused,
    SchemaChanged,
    UnapprovedConsumer,
    WrongKey,
)
from fedcrm.salesforce import (
    Bulk2Extractor,
    Extraction,
    JwtBearer,
    RestExtractor,
    Secret,
    Snapshot,
    TokenEndpoint,
    schema_changes,
    take_snapshot,
)

pytestmark = pytest.mark.slow


def refused_login(local_orgs, **changed) -> LoginRefused:
    org = local_orgs.orgs[0]
    given = {"consumer_key": org["consumer_key"], "username": org["username"]}
    key = Secret(changed.pop("key", None) or Path(org["key_file"]).read_text())
    endpoint = TokenEndpoint(
        "org1", org["instance_url"], JwtBearer(key=key, **(given | changed)), ca_file=local_orgs.ca_file
    )
    with pytest.raises(LoginRefused) as refused:
        endpoint.log_in()
    assert "\n" not in str(refused.value)
    assert refused.value.remedy
    return refused.value


def test_a_key_that_is_not_the_apps(local_orgs):
    other = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert type(refused_login(local_orgs, key=other.decode())) is WrongKey


def test_a_user_nobody_approved(local_orgs):
    assert type(refused_login(local_orgs, username="stranger@example.com")) is UnapprovedConsumer


def test_another_orgs_user(local_orgs):
    assert type(refused_login(local_orgs, username=local_orgs.orgs[1]["username"])) is UnapprovedConsumer


def test_a_consumer_key_nobody_knows(local_orgs):
    assert "consumer key" in refused_login(local_orgs, consumer_key="3MVGnobody").remedy


@pytest.fixture
def clock(client):
    """Moves the orgs' clock; back in the end."""
    yield lambda seconds: client.session.post("/_local/clock", json={"advance_s": seconds})
    client.session.delete("/_local/clock")


def test_a_certificate_past_its_end(local_orgs, clock):
    clock(50 * 365 * 86400)
    assert type(refused_login(local_orgs)) is CertificateExpired


def test_a_clock_an_hour_off(local_orgs, clock):
    clock(3600)
    assert "clock" in refused_login(local_orgs).remedy


def test_an_org_whose_calls_are_used_up(local_orgs, client):
    client.limits()
    allowance = {"org": local_orgs.orgs[0]["alias"]}
    client.session.post("/_local/allowance", json={**allowance, "daily_calls": 1})
    try:
        client.session.budget.note("api-usage=0/100000")  # what it said yesterday
        with pytest.raises(LimitReached) as refused:
            client.limits()
        assert "24-hour window" in refused.value.remedy
    finally:
        local_orgs.client(1).session.post("/_local/allowance", json={**allowance, "daily_calls": 100_000})


OBJECT = """<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
  <label>Shift</label><pluralLabel>Shifts</pluralLabel><nameField><label>Name</label><type>Text</type></nameField>
  <deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
  {fields}
</CustomObject>"""
NUMBER = """<fields><fullName>{name}</fullName><label>{label}</label><type>Number</type><precision>9</precision>
  <scale>2</scale></fields>"""
PACKAGE = """<?xml version="1.0" encoding="UTF-8"?>
<Package xmlns="http://soap.sforce.com/2006/04/metadata">{types}<version>67.0</version></Package>"""
MEMBER = "<types><members>{member}</members><name>{kind}</name></types>"
RIGHTS = """<?xml version="1.0" encoding="UTF-8"?>
<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata">
  <fieldPermissions><editable>true</editable><field>Shift__c.Hours__c</field><readable>true</readable></fieldPermissions>
  <label>Shifts</label>
  <objectPermissions><allowCreate>true</allowCreate><allowDelete>true</allowDelete><allowEdit>true</allowEdit>
    <allowRead>true</allowRead><modifyAllRecords>true</modifyAllRecords><object>Shift__c</object>
    <viewAllRecords>true</viewAllRecords></objectPermissions>
</PermissionSet>"""


@pytest.fixture(scope="module")
def shifts(local_orgs, deploy):
    """An object with two fields, one of which the user may read, and 30 records."""
    client = local_orgs.client()
    fields = NUMBER.format(name="Hours__c", label="Hours") + NUMBER.format(name="Pay__c", label="Pay")
    types = MEMBER.format(member="Shift__c", kind="CustomObject") + MEMBER.format(member="Shifts", kind="PermissionSet")
    files = {
        "package.xml": PACKAGE.format(types=types),
        "objects/Shift__c.object": OBJECT.format(fields=fields),
        "permissionsets/Shifts.permissionset": RIGHTS,
    }
    deploy(client, files)
    (found,) = client.query("SELECT Id FROM PermissionSet WHERE Name = 'Shifts'")
    assigned = {"PermissionSetId": found["Id"], "AssigneeId": client.session.token.user_id}
    client.session.post(f"{client.base}/sobjects/PermissionSetAssignment", json=assigned)
    records = [{"attributes": {"type": "Shift__c"}, "Name": f"s{i}", "Hours__c": i} for i in range(30)]
    client.session.post(f"{client.base}/composite/sobjects", json={"records": records})
    return client


def test_a_field_without_field_level_security_is_named_before_a_row_is_read(shifts):
    with pytest.raises(AccessDenied) as refused:
        next(Bulk2Extractor(shifts).blocks(Extraction("Shift__c", ("Name", "Hours__c", "Pay__c"))))
    assert refused.value.fields == ("Pay__c",)
    assert "permission set" in refused.value.remedy


def test_a_field_that_is_deleted_under_an_extraction_stops_it_and_the_snapshot_says_what_changed(shifts, deploy):
    before = take_snapshot(shifts, ["Shift__c"])
    assert before.measured["Shift__c"]["records"] == 30
    assert before.measured["Shift__c"]["fill_rates"]["Hours__c"] == 1.0
    blocks = RestExtractor(shifts).blocks(Extraction("Shift__c", ("Name", "Hours__c")))
    assert len(next(blocks)) == 30
    gone = PACKAGE.format(types=MEMBER.format(member="Shift__c.Hours__c", kind="CustomField"))
    deploy(shifts, {"package.xml": PACKAGE.format(types=""), "destructiveChanges.xml": gone})
    with pytest.raises(SchemaChanged) as refused:
        list(blocks)
    assert refused.value.changes == ("Hours__c is gone",)
    after = Snapshot.from_json(take_snapshot(shifts, ["Shift__c"]).to_json())
    assert schema_changes(before, after) == ("Shift__c.Hours__c: gone",)


def test_the_commands_work_from_end_to_end(local_orgs, tmp_path, monkeypatch, capsys):
    org = local_orgs.orgs[0]
    monkeypatch.setenv("FEDCRM_ORGS", str(tmp_path / "orgs"))

    def fedcrm(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fedcrm", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    options = ["--login-url", org["instance_url"], "--consumer-key", org["consumer_key"], "--username", org["username"]]
    trust = ["--key-file", org["key_file"], "--ca-file", local_orgs.ca_file]
    status, _, err = fedcrm("org", "add", "north", *options, *trust)
    assert (status, err) == (0, "")
    checked = json.loads(fedcrm("org", "check", "north", "--json")[1])
    assert checked["good"], checked
    assert {f["what"] for f in checked["findings"]} >= {"login", "clock", "scopes", "API calls", "Account", "Case"}
    status, _, err = fedcrm("schema", "snapshot", "--org", "north", "--out", str(tmp_path / "s.json"))
    assert (status, err) == (0, "")
    taken = Snapshot.from_json((tmp_path / "s.json").read_text("utf-8"))
    assert {"Account", "Contact", "Opportunity", "Case", "Lead", "Task"} <= set(taken.objects)
    industry = taken.objects["Account"]["fields"]["Industry"]
    assert (industry["type"], len(industry["picklist"]) > 5) == ("picklist", True)
    assert taken.objects["Contact"]["fields"]["AccountId"]["relationship"] == "Account"
    status, _, err = fedcrm("org", "add", "south", *options, *trust[:2])
    assert (status, "--ca-file" in err) == (1, True)
    assert fedcrm("org", "remove", "north")[0] == 0
