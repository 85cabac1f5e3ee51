"""A mapping as metadata that an org can be given."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import pytest

from fedcrm.schema import Aggregate, FieldMapping, Kind, Known, SchemaMapping, vocabulary
from fedcrm.schema.definitions import definitions, deployable, fields_read

METADATA = "{http://soap.sforce.com/2006/04/metadata}"
FEE = FieldMapping(
    name="monthly_fee",
    tasks=("churn", "opportunity_win"),
    sobject="Abo__c",
    aggregate=Aggregate.SUM,
    source_field="Gebuehr__c",
    meaning="contract.monthly_value",
    link="Kunde__c",
    where="Status__c = aktiv; Art__r.Name in A|B",
    window_days=365,
    known=Known.DATED,
    date_field="Beginn__c",
    factor=0.01,
)
KIND = FieldMapping(
    name="colour", tasks=("churn",), sobject="Account", aggregate=Aggregate.VALUE, source_field="Farbe__c",
    known=Known.FIXED, because="chosen once", values={"Rot & Gold": "red"},
)  # fmt: skip
SILENT = FieldMapping("mood", ("churn",), "Account", Aggregate.VALUE, "Laune__c")
MAPPING = SchemaMapping("Nordlicht", (FEE, KIND, SILENT))


@pytest.fixture(scope="module")
def records():
    return {
        r.developer_name: r for r in definitions(MAPPING, vocabulary(), {"colour": Kind.CATEGORY, "mood": Kind.TEXT})
    }


def test_a_feature_becomes_one_definition_a_task_and_one_that_says_nothing_of_the_past_none(records):
    assert set(records) == {"churn_monthly_fee", "win_monthly_fee", "churn_colour"}
    fee = records["churn_monthly_fee"].values
    assert (fee["Feature__c"], fee["Kind__c"], fee["Unit__c"]) == ("contract.monthly_value", "Number", "currency")
    assert (fee["Source_Key__c"], fee["Entity_Key__c"], fee["As_Of_Rule__c"]) == ("Kunde__c", "Id", "Dated")
    assert (fee["Window_Days__c"], fee["Factor__c"]) == (365.0, 0.01)
    assert "Block__c" not in fee


def test_a_field_that_nobody_else_has_goes_into_the_organisations_own_block(records):
    colour = records["churn_colour"].values
    assert (colour["Block__c"], colour["Feature__c"], colour["Kind__c"]) == ("Nordlicht", "own.colour", "Category")
    assert colour["Value_Map__c"] == "Rot & Gold = red"


def test_every_field_that_a_feature_reads_is_named():
    assert fields_read(FEE) == ("Gebuehr__c", "Kunde__c", "Beginn__c", "Status__c", "Art__r.Name")


def test_the_zip_holds_what_its_manifest_names_and_reads_as_metadata(records):
    archive = zipfile.ZipFile(io.BytesIO(deployable(records.values(), [("Account", "Farbe__c")], namespace="fedcrm")))
    manifest = ElementTree.fromstring(archive.read("package.xml"))
    named = {
        t.find(f"{METADATA}name").text: [m.text for m in t.findall(f"{METADATA}members")]
        for t in manifest.findall(f"{METADATA}types")
    }
    assert named["CustomMetadata"] == sorted(f"fedcrm__Feature_Definition.{name}" for name in records)
    for member in named["CustomMetadata"]:
        record = ElementTree.fromstring(archive.read(f"customMetadata/{member}.md"))
        fields = [v.find(f"{METADATA}field").text for v in record.findall(f"{METADATA}values")]
        assert fields
        assert all(f.startswith("fedcrm__") for f in fields)
    rights = ElementTree.fromstring(archive.read("permissionsets/FedCRM_Extractor_Local.permissionset"))
    assert rights.find(f"{METADATA}fieldPermissions/{METADATA}field").text == "Account.Farbe__c"
    assert rights.find(f"{METADATA}objectPermissions/{METADATA}viewAllRecords").text == "true"


def test_the_same_mapping_gives_the_same_bytes(records):
    assert deployable(records.values(), [("Account", "Farbe__c")]) == deployable(
        records.values(), [("Account", "Farbe__c")]
    )
