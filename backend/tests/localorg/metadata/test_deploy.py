"""Deployments: what they build, what they refuse and where, and that a refused one leaves nothing."""

from __future__ import annotations

import io
import zipfile

import pytest

from localorg.errors import OrgError
from localorg.metadata import CodeProblem, Compilers, DeployOptions, deploy, publish, retrieve
from localorg.org import Org


def problems(result):
    return [(c.kind, c.full_name, c.problem) for c in result.failures]


def names(org):
    return {sobject.api_name for sobject in org.schema if sobject.custom}


def rows(org, soql, context=None):
    with org.transaction(context or org.admin_context().in_system_mode()) as transaction:
        return [dict(record) for record in transaction.query(soql)]


def test_an_object_with_its_fields_takes_records(org, package, xml):
    fields = (
        xml.text("Key__c", more="<externalId>true</externalId><unique>true</unique>")
        + "<fields><fullName>Size__c</fullName><label>Size</label><precision>9</precision><scale>2</scale>"
        "<type>Number</type></fields>"
        "<fields><fullName>Live__c</fullName><label>Live</label><defaultValue>true</defaultValue>"
        "<type>Checkbox</type></fields>"
        "<fields><fullName>Stage__c</fullName><label>Stage</label><type>Picklist</type><valueSet>"
        "<restricted>true</restricted><valueSetDefinition><sorted>false</sorted>"
        "<value><fullName>new</fullName><default>true</default><label>New</label></value>"
        "<value><fullName>old</fullName><default>false</default><label>Old</label></value>"
        "</valueSetDefinition></valueSet></fields>"
    )
    result = deploy(org, package({"objects/Block__c.object": xml.object(fields)}))
    assert problems(result) == []
    assert result.success
    created = {(c.kind, c.full_name) for c in result.successes if c.created}
    assert {("CustomObject", "Block__c"), ("CustomField", "Block__c.Key__c")} <= created
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        [saved] = transaction.insert("Block__c", [{"Name": "B", "Key__c": "k", "Size__c": "1.24"}])
        assert saved.success
        [twin] = transaction.insert("Block__c", [{"Name": "C", "Key__c": "k"}])
        assert twin.errors[0].status_code == "DUPLICATE_VALUE"
        [wrong] = transaction.insert("Block__c", [{"Name": "D", "Stage__c": "other"}])
        assert wrong.errors[0].status_code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    [row] = rows(org, "SELECT Size__c, Live__c, Stage__c FROM Block__c")
    assert row == {"Size__c": 1.24, "Live__c": True, "Stage__c": "new"}


def test_objects_may_refer_to_one_another_in_any_order(org, package, xml):
    lookup = (
        "<fields><fullName>{0}__c</fullName><label>{0}</label><referenceTo>{0}__c</referenceTo>"
        "<relationshipName>{1}s</relationshipName><type>Lookup</type></fields>"
    )
    files = {
        "objects/A__c.object": xml.object(lookup.format("B", "A"), label="A"),
        "objects/B__c.object": xml.object(lookup.format("A", "B"), label="B"),
    }
    assert deploy(org, package(files)).success
    assert rows(org, "SELECT Id, (SELECT Id FROM As__r) FROM B__c") == []


def test_one_bad_component_undoes_all(org, package, xml):
    before = {s.api_name: s for s in org.schema}
    files = {
        "objects/Good__c.object": xml.object(label="Good"),
        "objects/Bad__c.object": xml.object(
            "<fields><fullName>X__c</fullName><label>X</label><type>Text</type></fields>"
        ),
        "labels/CustomLabels.labels": f"<CustomLabels {xml.namespace}></CustomLabels>",
    }
    result = deploy(org, package(files))
    assert not result.success
    assert problems(result) == [("CustomField", "Bad__c.X__c", "Must specify 'length' for a CustomField of type Text")]
    assert {s.api_name: s for s in org.schema} == before
    with pytest.raises(OrgError, match="INVALID_TYPE"):
        rows(org, "SELECT Id FROM Good__c")
    assert deploy(org, package({"objects/Good__c.object": files["objects/Good__c.object"]})).success


def test_check_only_says_the_same_and_leaves_nothing(org, package, xml):
    content = package({"objects/Block__c.object": xml.object()})
    result = deploy(org, content, DeployOptions(check_only=True))
    assert result.success
    assert names(org) == set()
    assert deploy(org, content).success
    assert names(org) == {"Block__c"}


def test_without_rollback_the_good_components_stay(org, package, xml):
    bad = "<fields><fullName>X__c</fullName><label>X</label><type>Text</type></fields>"
    files = {"objects/Block__c.object": xml.object(xml.text("Good__c") + bad)}
    result = deploy(org, package(files), DeployOptions(rollback_on_error=False))
    assert not result.success
    assert org.schema.object("Block__c").get("Good__c") is not None
    assert org.schema.object("Block__c").get("X__c") is None


@pytest.mark.parametrize(
    ("files", "problem", "line"),
    [
        (
            {"objects/Block__c.object": "<CustomObject @NS>\n  <colour>red</colour></CustomObject>"},
            "Element {http://soap.sforce.com/2006/04/metadata}colour invalid at this location in type CustomObject",
            2,
        ),
        (
            {"objects/Block__c.object": "<CustomObject @NS>\n<label>"},
            "Error parsing file: no element found: line 2, column 7",
            2,
        ),
        (
            {"objects/Block__c.object": '<!DOCTYPE x [<!ENTITY a "b">]>\n<CustomObject/>'},
            "Error parsing file: document types and entities are not allowed",
            1,
        ),
        (
            {"objects/Nothing.object": "<CustomObject @NS/>"},
            "Entity of type 'CustomObject' named 'Nothing' cannot be found",
            1,
        ),
        (
            {"permissionsets/P.permissionset": "<PermissionSet @NS><label>P</label>\n"
             "<fieldPermissions><editable>true</editable><field>Account.Gone__c</field><readable>true</readable></fieldPermissions></PermissionSet>"},
            "In field: field - no CustomField named Account.Gone__c found",
            2,
        ),
        (
            {"permissionsets/P.permissionset": "<PermissionSet @NS><label>P</label>\n"
             "<objectPermissions><allowEdit>true</allowEdit><object>Account</object></objectPermissions></PermissionSet>"},
            "Permission Edit Account depends on permission(s): Read Account",
            2,
        ),
        (
            {"permissionsets/P.permissionset": "<PermissionSet @NS><label>P</label>\n\n"
             "<classAccesses><apexClass>Gone</apexClass><enabled>true</enabled></classAccesses></PermissionSet>"},
            "In field: apexClass - no ApexClass named Gone found",
            3,
        ),
        (
            {"customMetadata/Gone.X.md": "<CustomMetadata @NS><label>X</label></CustomMetadata>"},
            "In field: CustomMetadata - no CustomObject named Gone__mdt found",
            1,
        ),
        (
            {"tabs/Gone__c.tab": "<CustomTab @NS>\n"
             "<customObject>true</customObject><motif>Custom1: Heart</motif></CustomTab>"},
            "In field: customObject - no CustomObject named Gone__c found",
            1,
        ),
        (
            {"connectedApps/App.connectedApp": "<ConnectedApp @NS><label>A</label></ConnectedApp>"},
            "You can't create a connected app. To enable connected app creation, contact Salesforce Customer Support.",
            1,
        ),
    ],
)  # fmt: skip
def test_what_the_platform_refuses_is_refused_with_its_place(org, package, xml, files, problem, line):
    files = {path: text.replace("@NS", xml.namespace) for path, text in files.items()}
    result = deploy(org, package(files))
    assert [(c.problem, c.line) for c in result.failures] == [(problem, line)]
    assert result.failures[0].file_name == next(iter(files))
    assert names(org) == set()


@pytest.mark.parametrize("token", ["%%%NAMESPACE%%%", "%%%NAMESPACED_ORG%%%", "___NAMESPACE___"])
def test_a_namespace_token_left_in_fails(org, package, xml, token):
    result = deploy(org, package({"objects/Block__c.object": xml.object(xml.text(f"{token}X__c"))}))
    assert not result.success
    assert token in result.failures[0].problem
    assert names(org) == set()


def test_what_package_xml_names_must_be_in_the_zip(org, package, xml):
    manifest = (
        f"<Package {xml.namespace}><types><members>Gone</members><name>ApexClass</name></types>"
        "<version>67.0</version></Package>"
    )
    result = deploy(org, package({}, manifest=manifest))
    assert problems(result)[0][:2] == ("ApexClass", "Gone")
    assert "was not found in zipped directory" in result.failures[0].problem
    unknown = manifest.replace("ApexClass", "WarpDrive")
    result = deploy(org, package({}, manifest=unknown))
    assert problems(result) == [("", "package.xml", "Unknown type name 'WarpDrive' specified in package.xml")]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_what_is_no_zip_is_a_failed_deployment(org, content):
    result = deploy(org, content)
    assert not result.success
    assert "zip" in result.error


def test_names_in_a_zip_are_never_paths_of_this_machine(org, tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("package.xml", "<Package xmlns='http://soap.sforce.com/2006/04/metadata'/>")
        archive.writestr("../../escaped.txt", "x")
        archive.writestr("/etc/escaped", "x")
    result = deploy(org, out.getvalue())
    assert {c.problem for c in result.failures} == {
        "Unknown file or folder in the package: ../../escaped.txt",
        "Unknown file or folder in the package: etc/escaped",
    }


def test_a_permission_set_is_the_whole_of_its_file(org, package, xml):
    field = (
        "<fieldPermissions><editable>{0}</editable><field>Block__c.Key__c</field><readable>true</readable>"
        "</fieldPermissions>"
    )
    grants = (
        "<objectPermissions><allowCreate>true</allowCreate><allowDelete>false</allowDelete><allowEdit>true</allowEdit>"
        "<allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>Block__c</object>"
        "<viewAllRecords>false</viewAllRecords></objectPermissions>"
    )
    head = f"<PermissionSet {xml.namespace}><label>Blocks</label>"
    files = {
        "objects/Block__c.object": xml.object(xml.text("Key__c")),
        "permissionsets/Blocks.permissionset": head + field.format("true") + grants + "</PermissionSet>",
    }
    assert deploy(org, package(files)).success
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        [profile] = transaction.query("SELECT Id FROM Profile WHERE Name = 'Minimum Access - API Only Integrations'")
        [user] = transaction.insert("User", [{
            "Username": "node@acme.example", "LastName": "Node", "Email": "n@acme.example", "Alias": "node",
            "ProfileId": profile["Id"], "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US",
            "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "IsActive": True,
        }])  # fmt: skip
        assert user.success, user.errors
        [granted] = transaction.query("SELECT Id FROM PermissionSet WHERE Name = 'Blocks'")
        transaction.insert(
            "PermissionSetAssignment", [{"AssigneeId": user.id, "PermissionSetId": granted["Id"]}], all_or_none=True
        )
    node = org.context_for(user.id)
    with org.transaction(node) as transaction:
        [saved] = transaction.insert("Block__c", [{"Name": "B", "Key__c": "k"}])
        assert saved.success
    assert rows(org, "SELECT Key__c FROM Block__c", node) == [{"Key__c": "k"}]
    less = {"permissionsets/Blocks.permissionset": head + grants + "</PermissionSet>"}
    assert deploy(org, package(less)).success
    with pytest.raises(OrgError, match="INVALID_FIELD"):
        rows(org, "SELECT Key__c FROM Block__c", node)


def test_custom_metadata_records_are_rows_of_their_type(org, package, xml):
    mdt = (
        f"<CustomObject {xml.namespace}><label>Task</label><pluralLabel>Tasks</pluralLabel>"
        "<visibility>Public</visibility>"
        + xml.text("Mode__c")
        + "<fields><fullName>Days__c</fullName><label>Days</label><precision>4</precision><scale>0</scale>"
        "<type>Number</type></fields></CustomObject>"
    )
    record = (
        f"<CustomMetadata {xml.namespace} xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
        "xmlns:xsd='http://www.w3.org/2001/XMLSchema'><label>Churn</label><protected>false</protected>"
        "<values><field>Mode__c</field><value xsi:type='xsd:string'>slow</value></values>"
        "<values><field>Days__c</field><value xsi:type='xsd:double'>{0}</value></values></CustomMetadata>"
    )
    files = {"objects/Task__mdt.object": mdt, "customMetadata/Task.Churn.md": record.format("90.0")}
    result = deploy(org, package(files))
    assert problems(result) == []
    soql = "SELECT DeveloperName, MasterLabel, Mode__c, Days__c FROM Task__mdt"
    assert rows(org, soql) == [{"DeveloperName": "Churn", "MasterLabel": "Churn", "Mode__c": "slow", "Days__c": 90.0}]
    assert deploy(org, package({"customMetadata/Task.Churn.md": record.format("30")})).success
    assert [row["Days__c"] for row in rows(org, soql)] == [30.0]
    result = deploy(org, package({"customMetadata/Task.Churn.md": record.format("many")}))
    assert "value not of required type: many" in result.failures[0].problem


def test_destructive_changes_remove_and_warn(org, package, xml):
    files = {"objects/Block__c.object": xml.object(xml.text("Key__c") + xml.text("Old__c"))}
    assert deploy(org, package(files)).success
    gone = (
        f"<Package {xml.namespace}><types><members>Block__c.Old__c</members><members>Block__c.Never__c</members>"
        "<name>CustomField</name></types></Package>"
    )
    empty = f"<Package {xml.namespace}><version>67.0</version></Package>"
    result = deploy(org, package({"destructiveChanges.xml": gone}, manifest=empty))
    assert result.success
    assert [(c.full_name, c.deleted, c.warning) for c in result.components] == [
        ("Block__c.Old__c", True, False),
        ("Block__c.Never__c", False, True),
    ]
    assert [f.api_name for f in org.schema.object("Block__c") if f.custom] == ["Key__c"]
    whole = f"<Package {xml.namespace}><types><members>Block__c</members><name>CustomObject</name></types></Package>"
    assert deploy(org, package({"destructiveChanges.xml": whole}, manifest=empty)).success
    assert names(org) == set()


def test_what_is_retrieved_builds_the_same_org(org, tmp_path, package, xml, clock):
    fields = xml.text("Key__c", more="<externalId>true</externalId>") + (
        "<recordTypes><fullName>Big</fullName><active>true</active><label>Big one</label></recordTypes>"
        "<validationRules><fullName>NoX</fullName><active>true</active>"
        "<errorConditionFormula>Name = &quot;X&quot;</errorConditionFormula><errorMessage>No X</errorMessage>"
        "</validationRules>"
    )
    files = {
        "objects/Block__c.object": xml.object(fields),
        "objects/Account.object": f"<CustomObject {xml.namespace}>{xml.text('Extra__c')}</CustomObject>",
        "permissionsets/P.permissionset": f"<PermissionSet {xml.namespace}><label>P</label></PermissionSet>",
    }
    assert deploy(org, package(files)).success
    wanted = {"CustomObject": ["Block__c", "Account"], "PermissionSet": ["*"]}
    retrieved = retrieve(org, wanted, version="67.0")
    assert retrieved.problems == ()
    other = Org.create(tmp_path, alias="twin", number=77, clock=clock)
    result = deploy(other, retrieved.content)
    assert problems(result) == []
    for name in ("Block__c", "Account"):
        mine, theirs = org.schema.object(name), other.schema.object(name)
        assert {f.api_name: f for f in mine} == {f.api_name: f for f in theirs}
        assert [r.developer_name for r in mine.record_types] == [r.developer_name for r in theirs.record_types]
        assert mine.validation_rules == theirs.validation_rules
    missing = retrieve(org, {"CustomObject": ["Gone__c"]}, version="67.0").problems
    assert missing == ("Entity of type 'CustomObject' named 'Gone__c' cannot be found",)


def test_an_org_with_a_namespace_holds_the_package_under_it(tmp_path, package, xml, clock):
    org = Org.create(tmp_path, alias="scratch", number=78, namespace="fedcrm", clock=clock)
    files = {
        "objects/Block__c.object": xml.object(xml.text("Key__c")),
        "objects/Account.object": f"<CustomObject {xml.namespace}>{xml.text('Extra__c')}</CustomObject>",
    }
    assert deploy(org, package(files)).success
    assert names(org) == {"fedcrm__Block__c"}
    assert org.schema.object("Account").get("fedcrm__Extra__c") is not None
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        [saved] = transaction.insert("fedcrm__Block__c", [{"Name": "B", "fedcrm__Key__c": "k"}])
        assert saved.success
    assert rows(org, "SELECT Key__c FROM Block__c") in ([{"Key__c": "k"}], [{"fedcrm__Key__c": "k"}])


def test_an_installed_package_lies_beside_the_orgs_own_names(org, package, xml):
    app = f"<ConnectedApp {xml.namespace}><contactEmail>a@b.example</contactEmail><label>A</label></ConnectedApp>"
    inner = {"objects/Block__c.object": xml.object(xml.text("Key__c")), "connectedApps/App.connectedApp": app}
    install = {
        "installedPackages/fedcrm.installedPackage": f"<InstalledPackage {xml.namespace}>"
        "<versionNumber>1.0</versionNumber></InstalledPackage>"
    }
    assert "is not known here" in deploy(org, package(install)).failures[0].problem
    publish(org, "fedcrm", package(inner))
    result = deploy(org, package(install))
    assert problems(result) == []
    assert deploy(org, package({"objects/Block__c.object": xml.object(label="Mine")})).success
    assert names(org) == {"fedcrm__Block__c", "Block__c"}


def test_a_class_that_does_not_compile_fails_its_deployment(org, package, xml):
    meta = f"<ApexClass {xml.namespace}><apiVersion>67.0</apiVersion><status>Active</status></ApexClass>"
    files = {
        "classes/Good.cls": "public with sharing class Good { String url = 'http://x//y'; }",
        "classes/Good.cls-meta.xml": meta,
    }
    seen = []

    def compiler(transaction, namespace, deployed):
        bodies = {row["Name"]: row["Body"] for row in transaction.query("SELECT Name, Body FROM ApexClass")}
        seen.append((namespace, list(deployed), bodies["Good"][:6]))
        return [CodeProblem("Good", "Variable does not exist: x", 3, 5)]

    assert deploy(org, package(files)).success
    result = deploy(org, package(files), compilers=Compilers(apex=compiler))
    assert seen == [("", ["Good"], "public")]
    (failure,) = result.failures
    assert (failure.kind, failure.file_name, failure.line, failure.column) == ("ApexClass", "classes/Good.cls", 3, 5)
    files["classes/Good.cls"] = "public class Other {}"
    (failure,) = deploy(org, package(files)).failures
    assert failure.problem == "Invalid class name: Other, the file is Good"
    assert (failure.line, failure.column) == (1, 8)


def test_lightning_modules_import_only_what_is_there(org, package, xml):
    meta = (
        f"<LightningComponentBundle {xml.namespace}><apiVersion>67.0</apiVersion><isExposed>false</isExposed>"
        "</LightningComponentBundle>"
    )
    script = "import { LightningElement } from 'lwc';\nimport hello from '@salesforce/label/c.Hello';\n"
    bundle = {
        "lwc/panel/panel.js": script,
        "lwc/panel/panel.js-meta.xml": meta,
        "lwc/panel/panel.html": "<template></template>",
    }
    (failure,) = deploy(org, package(bundle)).failures
    assert (failure.problem, failure.line) == ("Invalid label reference: c.Hello", 2)
    label = (
        f"<CustomLabels {xml.namespace}><labels><fullName>Hello</fullName><language>en_US</language>"
        "<protected>false</protected><shortDescription>h</shortDescription><value>Hi</value></labels></CustomLabels>"
    )
    assert deploy(org, package({**bundle, "labels/CustomLabels.labels": label})).success


def test_credentials_deploy_together_and_refuse_alone(org, package, xml):
    external = (
        f"<ExternalCredential {xml.namespace}><authenticationProtocol>Custom</authenticationProtocol>"
        "<externalCredentialParameters><parameterName>Scoring</parameterName>"
        "<parameterType>NamedPrincipal</parameterType><sequenceNumber>1</sequenceNumber></externalCredentialParameters>"
        "<label>Node</label></ExternalCredential>"
    )
    named = (
        f"<NamedCredential {xml.namespace}><label>Node</label><namedCredentialParameters>"
        "<parameterName>Url</parameterName><parameterType>Url</parameterType>"
        "<parameterValue>https://node.example</parameterValue></namedCredentialParameters>"
        "<namedCredentialParameters><externalCredential>Node</externalCredential><parameterName>ec</parameterName>"
        "<parameterType>Authentication</parameterType></namedCredentialParameters>"
        "<namedCredentialType>SecuredEndpoint</namedCredentialType></NamedCredential>"
    )
    rights = (
        f"<PermissionSet {xml.namespace}><externalCredentialPrincipalAccesses><enabled>true</enabled>"
        "<externalCredentialPrincipal>Node-Scoring</externalCredentialPrincipal></externalCredentialPrincipalAccesses>"
        "<label>U</label></PermissionSet>"
    )
    (failure,) = deploy(org, package({"namedCredentials/Node.namedCredential": named})).failures
    assert failure.problem == "In field: externalCredential - no ExternalCredential named Node found"
    files = {
        "namedCredentials/Node.namedCredential": named,
        "externalCredentials/Node.externalCredential": external,
        "permissionsets/U.permissionset": rights,
    }
    assert problems(deploy(org, package(files))) == []
    assert rows(org, "SELECT DeveloperName, Endpoint FROM NamedCredential") == [
        {"DeveloperName": "Node", "Endpoint": "https://node.example"}
    ]
    assert len(rows(org, "SELECT Id FROM SetupEntityAccess")) == 1


def test_a_standard_fields_history_is_switched_on_and_off(org, package, xml):
    def deployed(flag):
        field = f"<fields><fullName>Title</fullName><trackHistory>{flag}</trackHistory></fields>"
        content = f"<CustomObject {xml.namespace}><enableHistory>true</enableHistory>{field}</CustomObject>"
        assert deploy(org, package({"objects/Contact.object": content})).success

    contact = None
    for flag, title in (("true", "Clerk"), ("false", "CEO"), ("true", "Owner")):
        deployed(flag)
        with org.transaction(org.admin_context()) as transaction:
            if contact is None:
                contact = transaction.insert("Contact", [{"LastName": "Somebody", "Title": "Boy"}])[0].id
            assert transaction.update("Contact", [{"Id": contact, "Title": title}])[0].success
    found = rows(org, "SELECT Field, OldValue, NewValue FROM ContactHistory ORDER BY CreatedDate, Id")
    assert [(row["OldValue"], row["NewValue"]) for row in found if row["Field"] == "Title"] == [
        ("Boy", "Clerk"),
        ("CEO", "Owner"),
    ]
