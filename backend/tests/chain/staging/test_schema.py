"""A reviewed mapping checked against an org with fields of its own, deployed into it, and extracted by."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import zipfile

import pytest

from fedcrm.salesforce import deploy

pytestmark = pytest.mark.slow

METADATA = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
ABO = f"""<?xml version="1.0" encoding="UTF-8"?>
<CustomObject {METADATA}>
  <label>Abo</label><pluralLabel>Abos</pluralLabel>
  <nameField><label>Nummer</label><type>AutoNumber</type><displayFormat>A-{{0}}</displayFormat></nameField>
  <deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>
  <fields><fullName>Kunde__c</fullName><label>Kunde</label><type>Lookup</type><referenceTo>Account</referenceTo>
    <relationshipName>Abos</relationshipName><relationshipLabel>Abos</relationshipLabel></fields>
  <fields><fullName>Gebuehr__c</fullName><label>Gebühr in Cent</label><type>Number</type><precision>12</precision>
    <scale>0</scale></fields>
  <fields><fullName>Beginn__c</fullName><label>Beginn</label><type>Date</type></fields>
  <fields><fullName>Status__c</fullName><label>Status</label><type>Text</type><length>20</length></fields>
</CustomObject>"""
ACCOUNT = f"""<?xml version="1.0" encoding="UTF-8"?>
<CustomObject {METADATA}>
  <fields><fullName>Farbe__c</fullName><label>Farbe</label><type>Text</type><length>40</length></fields>
</CustomObject>"""
READ = "<fieldPermissions><editable>true</editable><field>{0}</field><readable>true</readable></fieldPermissions>"
FIELDS = ("Abo__c.Beginn__c", "Abo__c.Gebuehr__c", "Abo__c.Kunde__c", "Abo__c.Status__c", "Account.Farbe__c")
SALES = f"""<?xml version="1.0" encoding="UTF-8"?>
<PermissionSet {METADATA}>
  {"".join(map(READ.format, FIELDS))}<label>Sales</label>
  <objectPermissions><allowCreate>true</allowCreate><allowDelete>false</allowDelete><allowEdit>true</allowEdit>
    <allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>Abo__c</object>
    <viewAllRecords>false</viewAllRecords></objectPermissions>
</PermissionSet>"""
MANIFEST = f"""<?xml version="1.0" encoding="UTF-8"?>
<Package {METADATA}>
  <types><members>Abo__c</members><name>CustomObject</name></types>
  <types><members>Account.Farbe__c</members><name>CustomField</name></types>
  <types><members>Sales</members><name>PermissionSet</name></types><version>67.0</version>
</Package>"""
MAPPING = """
version = 1
organisation = "Nordlicht"
reviewed_by = "A. Admin"

[[feature]]
name = "monthly_fee"
tasks = ["churn"]
means = "contract.monthly_value"
object = "Abo__c"
field = "Gebuehr__c"
link = "Kunde__c"
aggregate = "sum"
where = "Status__c = aktiv"
window_days = 3000
known = "dated"
date = "Beginn__c"
empty = "zero"
factor = 0.01

[[feature]]
name = "colour"
tasks = ["churn"]
object = "Account"
field = "Farbe__c"
known = "fixed"
because = "chosen when the account is made"

[[feature]]
name = "undecided"
tasks = ["churn"]
object = "Account"
field = "Farbe__c"
"""


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.fixture(scope="module")
def own(packaged_orgs, installed, keep_history):
    """The second org: with an object and a field of its own, and the package."""
    own = packaged_orgs[1]
    client = own.client()
    deploy(
        client,
        zipped(
            {
                "package.xml": MANIFEST,
                "objects/Abo__c.object": ABO,
                "objects/Account.object": ACCOUNT,
                "permissionsets/Sales.permissionset": SALES,
            }
        ),
    )
    client.session.close()
    installed(own)
    keep_history(own)
    own.assign("Sales")
    own.register(own.orgs)
    return own


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "north.toml"
    path.write_text(MAPPING, "utf-8")
    return path


def own_definitions(own):
    fields = "DeveloperName, Feature__c, Kind__c, Block__c, Field__c, As_Of_Rule__c"
    found = own.rows(f"SELECT {fields} FROM Feature_Definition__mdt")
    return {row["DeveloperName"]: row for row in found if row["Field__c"] in ("Gebuehr__c", "Farbe__c", "Weg__c")}


def test_a_wrong_entry_is_refused_and_the_org_stays_as_it_was(own, fedcrm, mapping):
    mapping.write_text(MAPPING.replace('"Gebuehr__c"', '"Gebuhr__c"'), "utf-8")
    for command in ("check", "apply"):
        status, said = fedcrm("schema", command, mapping, "--org", own.alias)
        assert status == 1
        assert "Abo__c has no field Gebuhr__c; was it renamed or deleted?" in said
    assert own_definitions(own) == {}


def test_a_dry_run_writes_the_zip_and_changes_nothing(own, fedcrm, mapping, tmp_path):
    status, said = fedcrm("schema", "apply", mapping, "--org", own.alias, "--dry-run", tmp_path / "out.zip")
    assert status == 0, said
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert "customMetadata/Feature_Definition.churn_monthly_fee.md" in archive.namelist()
    assert own_definitions(own) == {}


def test_a_deployment_that_the_org_refuses_leaves_nothing(own, fedcrm, mapping, tmp_path):
    fedcrm("schema", "snapshot", "--org", own.alias, "--out", tmp_path / "snapshot.json", "--no-fill")
    snapshot = json.loads((tmp_path / "snapshot.json").read_text())
    fields = snapshot["objects"]["Account"]["fields"]
    fields["Weg__c"] = fields["Farbe__c"]  # deleted in the org since
    (tmp_path / "snapshot.json").write_text(json.dumps(snapshot))
    mapping.write_text(MAPPING.replace('"Farbe__c"', '"Weg__c"'), "utf-8")
    words = ("schema", "apply", mapping, "--org", own.alias, "--snapshot", tmp_path / "snapshot.json")
    status, said = fedcrm(*words)
    assert status == 1
    assert "the deployment was refused" in said
    assert "Weg__c" in said
    assert own_definitions(own) == {}
    assert own.rows("SELECT Id FROM PermissionSet WHERE Name = 'FedCRM_Extractor_Local'") == []


def test_a_mapping_becomes_definitions_rights_and_features(own, fedcrm, mapping, tmp_path):
    status, said = fedcrm("schema", "check", mapping, "--org", own.alias)
    assert status == 0, said
    status, said = fedcrm("schema", "apply", mapping, "--org", own.alias)
    assert status == 0, said
    assert "2 feature definitions deployed" in said
    found = own_definitions(own)
    assert set(found) == {"churn_monthly_fee", "churn_colour"}
    assert found["churn_colour"]["Block__c"] == "Nordlicht"

    extraction = ("extract", "--org", own.alias, "--task", "churn", "--wait", "--out", tmp_path / "churn")
    assert fedcrm("org", "pair", own.alias)[0] == 0
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1200)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    accounts = own.put(
        "Account", [{"Name": f"K{n}", "CreatedDate": past, "Farbe__c": ("rot", None)[n % 2]} for n in range(12)]
    )
    for n, account in enumerate(accounts):
        for days in range(20, 700, 60):
            moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
            created = moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
            own.put("Task", [{"WhatId": account, "Subject": "Call", "Status": "Completed", "CreatedDate": created}])
            own.put(
                "Abo__c",
                [
                    {
                        "Kunde__c": account,
                        "Gebuehr__c": 1999 * n,
                        "Beginn__c": str(moment.date()),
                        "Status__c": "aktiv" if days % 120 == 20 else "gekündigt",
                    }
                ],
            )
    own.unassign("Sales")
    status, said = fedcrm(*extraction)
    assert status == 1
    assert "may not read Abo__c.Beginn__c, Abo__c.Gebuehr__c" in said
    assert "Assign the permission sets FedCRM Extractor and FedCRM_Extractor_Local" in said

    own.assign("FedCRM_Extractor_Local")
    status, said = fedcrm(*extraction)
    assert status == 0, said
    with gzip.open(tmp_path / "churn" / "data.csv.gz", "rt", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    raw = own.raw("churn")
    assert header[4:] == [one["Feature__c"] for one in raw.definitions]
    assert {"contract.monthly_value", "own.colour"} <= set(header)
    for entity, as_of, label in raw.training_rows(dt.datetime.now(dt.UTC)).values():
        (line,) = [line for line in lines if line[0] == raw.pseudonym(entity["Id"])]
        assert line[2] == label
        assert tuple(line[4:]) == raw.vector(entity, as_of)
    fees = {line[header.index("contract.monthly_value")] for line in lines}
    assert len(fees) > 5
