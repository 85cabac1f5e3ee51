"""What one metadata file names, another has to define: classes, fields, tabs, labels, permissions, picklist values."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

STANDARD_OBJECTS = {"Account", "Contact", "Opportunity", "Lead", "Case", "User", "UserExternalCredential"}
STANDARD_TABS = {"standard-Account", "standard-Opportunity", "standard-Lead", "standard-Case"}
CORE_FIELDS = {"Name", "OwnerId", "CreatedById", "LastModifiedById"}


def knows_field(package, name: str) -> bool:
    """Whether the package defines a field, or may leave it to the platform."""
    object_name, _, field = name.partition(".")
    if object_name in STANDARD_OBJECTS and not field.endswith("__c"):
        return True
    return field in package.fields.get(object_name, {}) or (object_name in package.fields and field in CORE_FIELDS)


def permission_set_problems(package) -> Iterator[str]:
    permissions = package.names("customPermissions", "customPermission")
    credentials = {
        f"{path.name.split('.')[0]}-{parameter.findtext('parameterName')}"
        for path in package.files("externalCredentials/*")
        for parameter in package.root(path).iter("externalCredentialParameters")
        if parameter.findtext("parameterType", "").endswith("Principal")
    }
    for path in package.files("permissionsets/*.xml"):
        root = package.root(path)
        named = {
            "class": ({e.text for e in root.iter("apexClass")}, set(package.classes)),
            "object": (
                {e.text for e in root.iterfind("objectPermissions/object")},
                set(package.fields) | STANDARD_OBJECTS,
            ),
            "tab": ({e.text for e in root.iterfind("tabSettings/tab")}, package.names("tabs", "tab")),
            "application": ({e.text for e in root.iter("application")}, package.names("applications", "app")),
            "custom permission": ({e.text for e in root.iterfind("customPermissions/name")}, permissions),
            "principal": ({e.text for e in root.iter("externalCredentialPrincipal")}, credentials),
            "setting": ({e.text for e in root.iterfind("customSettingAccesses/name")}, set(package.fields)),
        }
        for kind, (used, known) in named.items():
            yield from (f"{path.name}: no {kind} {name}" for name in sorted(used - known))
        for element in root.iterfind("fieldPermissions/field"):
            object_name, _, field = (element.text or "").partition(".")
            if not knows_field(package, f"{object_name}.{field}"):
                yield f"{path.name}: no field {element.text}"
                continue
            definition = package.fields.get(object_name, {}).get(field)
            if definition is not None and (
                definition.findtext("required") == "true" or definition.findtext("type") == "MasterDetail"
            ):
                yield f"{path.name}: {element.text} is required, and takes no permission"


def surface_problems(package) -> Iterator[str]:
    """Layouts, tabs, the application, list views, report types."""
    for path in package.files("layouts/*.xml"):
        object_name = path.name.split("-")[0]
        for element in package.root(path).iterfind("layoutSections/layoutColumns/layoutItems/field"):
            if not knows_field(package, f"{object_name}.{element.text}"):
                yield f"{path.name}: no field {element.text}"
    for path in package.files("tabs/*.xml"):
        if path.name.split(".")[0] not in package.fields:
            yield f"{path.name}: no object of this name"
    for path in package.files("applications/*.xml"):
        for element in package.root(path).iterfind("tabs"):
            if element.text not in STANDARD_TABS | package.names("tabs", "tab"):
                yield f"{path.name}: no tab {element.text}"
    for path in package.files("objects/*/listViews/*.xml"):
        root = package.root(path)
        used = [e.text or "" for e in root.iterfind("columns")] + [e.text or "" for e in root.iterfind("filters/field")]
        for name in used:
            if name.endswith("__c") and not knows_field(package, f"{path.parts[-3]}.{name}"):
                yield f"{path.name}: no field {name}"
    relationships = {
        f"{field.findtext('relationshipName')}__r": object_name
        for object_name, fields in package.fields.items()
        for field in fields.values()
        if field.findtext("relationshipName")
    }
    for path in package.files("reportTypes/*.xml"):
        for column in package.root(path).iter("columns"):
            table, name = column.findtext("table", ""), column.findtext("field", "")
            object_name = relationships.get(table.split(".")[-1]) if "." in table else table
            if object_name is None or not knows_field(package, f"{object_name}.{name}"):
                yield f"{path.name}: no field {table}.{name}"


def record_problems(package) -> Iterator[str]:
    """Custom metadata records: fields, picklist values, what a feature or a task names."""
    kinds = {"xsd:boolean": {"Checkbox"}, "xsd:double": {"Number"}, "xsd:string": {"Text", "Picklist", "LongTextArea"}}
    tasks = {path.name.split(".")[1] for path in package.files("customMetadata/Model_Task__mdt.*")}
    for path in package.files("customMetadata/*.xml"):
        kind, name = path.name.split(".")[:2]
        if len(name) > 40:
            yield f"{path.name}: a name of more than 40 characters"
        for values in package.root(path).iterfind("values"):
            field = package.fields.get(kind, {}).get(values.findtext("field", ""))
            value = values.find("value")
            if field is None or value is None:
                yield f"{path.name}: no field {values.findtext('field')}"
                continue
            type_name = field.findtext("type", "")
            declared = next((text for key, text in value.attrib.items() if key.endswith("type")), "")
            if type_name not in kinds.get(declared, set()):
                yield f"{path.name}: {values.findtext('field')} is a {type_name}, not {declared}"
            allowed = {e.text for e in field.iterfind("valueSet/valueSetDefinition/value/fullName")}
            if allowed and value.text not in allowed:
                yield f"{path.name}: {values.findtext('field')} cannot be {value.text}"
            if type_name == "Text" and len(value.text or "") > int(field.findtext("length", "0")):
                yield f"{path.name}: {values.findtext('field')} is too long"
            if values.findtext("field") == "Task__c" and value.text not in tasks:
                yield f"{path.name}: no task {value.text}"


def code_problems(package) -> Iterator[str]:
    """Labels, custom permissions and credentials that code and flows name."""
    labels = {e.text for path in package.files("labels/*.xml") for e in package.root(path).iterfind("labels/fullName")}
    permissions = package.names("customPermissions", "customPermission")
    permissions |= package.names("permissionsets", "permissionset")
    credentials = package.names("namedCredentials", "namedCredential")
    texts = dict(package.classes)
    texts |= {path.name: path.read_text() for path in package.files("flows/*.xml")}
    for name, text in texts.items():
        for label in re.findall(r"(?:System\.Label\.|\{!\$Label\.)(\w+)", text):
            if label not in labels:
                yield f"{name}: no label {label}"
        for credential in re.findall(r"callout:(\w+)", text):
            if credential not in credentials:
                yield f"{name}: no named credential {credential}"
        for permission in re.findall(r"'(FedCRM_(?:View|Request|Extract|Pair|Admin|Scoring|Integration)\w*)'", text):
            if permission not in permissions:
                yield f"{name}: no permission {permission}"
    for path in package.files("namedCredentials/*.xml"):
        for element in package.root(path).iter("externalCredential"):
            if element.text not in package.names("externalCredentials", "externalCredential"):
                yield f"{path.name}: no external credential {element.text}"
    for name in package.classes:
        if not (package.folder / "classes" / f"{name}.cls-meta.xml").exists():
            yield f"{name}: no metadata file beside the class"


def problems_of(package) -> list[str]:
    checks = (permission_set_problems, surface_problems, record_problems, code_problems)
    return [problem for check in checks for problem in check(package)]


def test_everything_that_is_named_exists(package):
    assert problems_of(package) == []


def test_every_file_has_the_same_api_version(package):
    versions = {
        element.text
        for pattern in ("classes/*.xml", "flows/*.xml")
        for path in package.files(pattern)
        for element in package.root(path).iter("apiVersion")
    }
    assert versions == {"67.0"}


def test_no_profile_secret_or_key_is_in_the_metadata(package):
    assert not (package.folder / "profiles").exists()
    for path in package.files("**/*-meta.xml"):
        root = package.root(path)
        assert not [e.tag for e in root.iter() if e.tag in ("consumerKey", "consumerSecret", "password", "oauthToken")]


def test_the_node_cannot_see_whom_a_prediction_is_about(package):
    root = package.root(package.folder / "permissionsets/FedCRM_Integration.permissionset-meta.xml")
    readable = {element.text for element in root.iterfind("fieldPermissions/field")}
    links = {
        f"Prediction__c.{name}"
        for name, field in package.fields["Prediction__c"].items()
        if field.findtext("type") == "Lookup"
    }
    assert len(links) == 4
    assert not links & readable
    assert not {e.text for e in root.iterfind("objectPermissions/object")} & STANDARD_OBJECTS


def test_a_connected_app_ships_in_source_but_not_in_a_package(package):
    assert package.files("connectedApps/*.xml")
    ignored = (package.folder.parents[2] / ".forceignore").read_text().splitlines()
    assert "**/connectedApps/**" in ignored


@pytest.mark.parametrize(
    ("name", "before", "after", "problem"),
    [
        ("permissionsets/FedCRM_Viewer.permissionset-meta.xml", "PredictionController", "Missing", "no class Missing"),
        ("permissionsets/FedCRM_Viewer.permissionset-meta.xml", "Lead.FedCRM_Score__c", "Lead.Gone__c", "no field"),
        (
            "permissionsets/FedCRM_Admin.permissionset-meta.xml",
            "Prediction__c.Score__c",
            "Prediction__c.Entity_Key__c",
            "is required",
        ),
        (
            "permissionsets/FedCRM_Scoring_User.permissionset-meta.xml",
            "FedCRM_Node-Scoring",
            "FedCRM_Node-Root",
            "no principal",
        ),
        ("layouts/Prediction__c-Prediction Layout.layout-meta.xml", "Baseline__c", "Baselin__c", "no field Baselin__c"),
        ("applications/FedCRM.app-meta.xml", "Prediction__c", "Predictions__c", "no tab"),
        (
            "customMetadata/Feature_Definition__mdt.churn_account_type.md-meta.xml",
            ">History<",
            ">Memory<",
            "cannot be Memory",
        ),
        (
            "customMetadata/Feature_Definition__mdt.churn_account_type.md-meta.xml",
            ">churn<",
            ">churns<",
            "no task churns",
        ),
        ("classes/ScoreRecordAction.cls", "FedCRM_No_Access", "FedCRM_Nope", "no label FedCRM_Nope"),
        ("classes/PredictionClient.cls", "callout:FedCRM_Node", "callout:Node", "no named credential Node"),
        ("reportTypes/FedCRM_Opportunities_with_Predictions.reportType-meta.xml", "Score__c", "Skore__c", "Skore__c"),
    ],
)
def test_a_planted_defect_is_found(spoiled, name, before, after, problem):
    assert any(problem in line for line in problems_of(spoiled(name, before, after)))
