"""SFDX source: an object in pieces builds what the same object in one file builds."""

from __future__ import annotations

import pytest

from localorg.metadata import deploy, read_source, zip_source
from localorg.metadata.xmltree import XmlProblem

NS = 'xmlns="http://soap.sforce.com/2006/04/metadata"'


@pytest.fixture
def source(tmp_path):
    files = {
        "objects/Thing__c/Thing__c.object-meta.xml": f"<CustomObject {NS}><deploymentStatus>Deployed</deploymentStatus>"
        "<label>Thing</label><nameField><label>Name</label><type>Text</type></nameField>"
        "<pluralLabel>Things</pluralLabel><sharingModel>Private</sharingModel></CustomObject>",
        "objects/Thing__c/fields/Key__c.field-meta.xml": f"<CustomField {NS}><fullName>Key__c</fullName>"
        "<label>K &amp; L</label><length>20</length><type>Text</type></CustomField>",
        "objects/Account/fields/Extra__c.field-meta.xml": f"<CustomField {NS}><fullName>Extra__c</fullName>"
        "<label>Extra</label><length>20</length><type>Text</type></CustomField>",
        "classes/Good.cls": "public with sharing class Good {}",
        "classes/Good.cls-meta.xml": f"<ApexClass {NS}><apiVersion>67.0</apiVersion></ApexClass>",
        "permissionsets/P.permissionset-meta.xml": f"<PermissionSet {NS}><label>P</label><classAccesses>"
        "<apexClass>Good</apexClass><enabled>true</enabled></classAccesses></PermissionSet>",
        "staticresources/logo.png": "png",
        "staticresources/logo.resource-meta.xml": f"<StaticResource {NS}><cacheControl>Private</cacheControl>"
        "<contentType>image/png</contentType></StaticResource>",
        "lwc/panel/panel.js": "export default class {}",
        "lwc/panel/panel.js-meta.xml": f"<LightningComponentBundle {NS}><isExposed>false</isExposed>"
        "</LightningComponentBundle>",
        "lwc/panel/__tests__/panel.test.js": "import x from '@salesforce/label/c.Gone';",
        "connectedApps/A.connectedApp-meta.xml": f"<ConnectedApp {NS}><label>A</label></ConnectedApp>",
    }
    folder = tmp_path / "default"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_a_source_folder_deploys(org, source):
    result = deploy(org, zip_source(source, skip={"connectedApps"}))
    assert [(c.kind, c.full_name, c.problem) for c in result.components if c.problem] == []
    field = org.schema.object("Thing__c").get("Key__c")
    assert (field.label, org.schema.object("Thing__c").sharing.value) == ("K & L", "Private")
    assert org.schema.object("Account").get("Extra__c") is not None
    assert not deploy(org, zip_source(source)).success


def test_components_keep_their_names_and_lose_their_pieces(source):
    package = read_source(source)
    assert {(s.kind.name, s.full_name) for s in package.sources} == {
        ("CustomObject", "Thing__c"), ("CustomObject", "Account"), ("ApexClass", "Good"), ("PermissionSet", "P"),
        ("StaticResource", "logo"), ("LightningComponentBundle", "panel"), ("ConnectedApp", "A"),
    }  # fmt: skip
    assert package.strangers == ()
    bundle = next(s for s in package.sources if s.kind.bundle)
    assert sorted(bundle.files) == ["lwc/panel/panel.js", "lwc/panel/panel.js-meta.xml"]


def test_a_broken_object_file_says_where(source):
    (source / "objects/Thing__c/fields/Key__c.field-meta.xml").write_text("<CustomField>\n<oops")
    with pytest.raises(XmlProblem) as broken:
        zip_source(source)
    assert broken.value.line == 2
