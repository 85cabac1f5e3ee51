import pytest

from localorg.schema import FieldType, Schema, custom_field, describe_global, describe_object, standard_objects

SCHEMA = Schema(standard_objects())

# The keys of a real org's answer that the clients read (simple-salesforce, CumulusCI, sf, jsforce's types).
SUMMARY_KEYS = {
    "activateable", "createable", "custom", "customSetting", "deletable", "deprecatedAndHidden", "feedEnabled",
    "hasSubtypes", "isInterface", "isSubtype", "keyPrefix", "label", "labelPlural", "layoutable", "mergeable",
    "mruEnabled", "name", "queryable", "replicateable", "retrieveable", "searchable", "triggerable", "undeletable",
    "updateable", "urls",
}  # fmt: skip
FIELD_KEYS = {
    "aggregatable", "autoNumber", "byteLength", "calculated", "calculatedFormula", "cascadeDelete", "caseSensitive",
    "compoundFieldName", "controllerName", "createable", "custom", "defaultValue", "defaultValueFormula",
    "defaultedOnCreate", "dependentPicklist", "deprecatedAndHidden", "digits", "encrypted", "externalId",
    "extraTypeInfo", "filterable", "groupable", "idLookup", "inlineHelpText", "label", "length", "name", "nameField",
    "namePointing", "nillable", "permissionable", "picklistValues", "precision", "referenceTo", "relationshipName",
    "relationshipOrder", "restrictedDelete", "restrictedPicklist", "scale", "soapType", "sortable", "type", "unique",
    "updateable",
}  # fmt: skip


def described(name):
    document = describe_object(SCHEMA, SCHEMA.object(name), "67.0")
    return document, {item["name"]: item for item in document["fields"]}


def test_the_documents_have_the_keys_that_clients_read():
    document, fields = described("Account")
    assert document.keys() >= SUMMARY_KEYS | {"fields", "childRelationships", "recordTypeInfos", "supportedScopes"}
    assert all(item.keys() >= FIELD_KEYS for item in fields.values())
    listing = describe_global(SCHEMA, "67.0")
    assert listing["sobjects"][0].keys() >= SUMMARY_KEYS
    assert {"Account", "OpportunityFieldHistory", "CampaignMember"} <= {item["name"] for item in listing["sobjects"]}


@pytest.mark.parametrize(
    ("name", "field", "facts"),
    [
        ("Account", "Id", {"type": "id", "nillable": False, "createable": False, "soapType": "tns:ID", "length": 18}),
        ("Account", "Name", {"type": "string", "nillable": False, "nameField": True, "length": 255, "custom": False}),
        ("Account", "BillingAddress", {"type": "address", "createable": False, "queryByDistance": True}),
        ("Account", "BillingCity", {"compoundFieldName": "BillingAddress", "createable": True}),
        ("Account", "Industry", {"type": "picklist", "restrictedPicklist": False, "nillable": True}),
        ("Account", "Description", {"type": "textarea", "filterable": False, "sortable": False, "length": 32000}),
        ("Contact", "AccountId", {"type": "reference", "referenceTo": ["Account"], "relationshipName": "Account"}),
        ("Contact", "Name", {"createable": False, "updateable": False, "nameField": True}),
        (
            "Contact",
            "DoNotCall",
            {"type": "boolean", "nillable": False, "defaultValue": False, "defaultedOnCreate": True},
        ),
        ("Lead", "Company", {"nillable": False, "createable": True}),
        ("Opportunity", "Amount", {"type": "currency", "precision": 18, "scale": 2, "soapType": "xsd:double"}),
        ("Opportunity", "IsWon", {"type": "boolean", "createable": False}),
        ("Opportunity", "CloseDate", {"type": "date", "nillable": False}),
        ("Case", "CaseNumber", {"autoNumber": True, "createable": False}),
        ("Task", "WhoId", {"polymorphicForeignKey": True, "namePointing": True, "referenceTo": ["Contact", "Lead"]}),
        ("User", "Username", {"idLookup": True, "unique": True}),
    ],
)
def test_a_standard_field_is_described_as_the_platform_does(name, field, facts):
    shown = described(name)[1][field]
    assert {key: shown[key] for key in facts} == facts


# From replies of a real org that CumulusCI keeps for its own tests (tests/shared_cassettes/GET_sobjects_*_describe).
ALWAYS_VISIBLE = {
    "Account": {"PhotoUrl", "LastActivityDate", "JigsawCompanyId", "Name", "OwnerId", "CreatedDate"},
    "Contact": {"FirstName", "Salutation", "LastName", "EmailBouncedDate", "IsEmailBounced", "IndividualId"},
    "Lead": {"Company", "Status", "IsConverted", "ConvertedAccountId", "IsUnreadByOwner", "EmailBouncedReason"},
    "Opportunity": {
        "StageName",
        "CloseDate",
        "IsWon",
        "ForecastCategoryName",
        "Pricebook2Id",
        "FiscalYear",
        "ContactId",
    },
    "Case": {"Status", "IsClosed", "CaseNumber", "ContactEmail", "Comments"},
    "Event": {"Subject", "StartDateTime", "DurationInMinutes", "ShowAs", "AccountId"},
    "OpportunityContactRole": {"Role", "IsPrimary", "ContactId"},
}
PERMISSIONABLE = {
    "Account": {"Industry", "BillingAddress", "AnnualRevenue", "CleanStatus"},
    "Contact": {"AccountId", "Email", "MailingAddress"},
    "Opportunity": {"Amount", "Probability", "ExpectedRevenue", "NextStep"},
    "Case": {"Priority", "ClosedDate", "IsEscalated", "Subject"},
    "Event": {"Location", "WhoId", "WhatId"},
}


@pytest.mark.parametrize("name", ALWAYS_VISIBLE)
def test_field_level_security_applies_to_the_fields_it_applies_to_on_the_platform(name):
    shown = described(name)[1]
    assert {field for field in ALWAYS_VISIBLE[name] if shown[field]["permissionable"]} == set()
    assert {field for field in PERMISSIONABLE.get(name, ()) if not shown[field]["permissionable"]} == set()


def test_what_can_be_grouped_by_is_what_a_real_org_says():
    shown = described("Opportunity")[1]
    names = (
        "Name",
        "StageName",
        "CloseDate",
        "IsWon",
        "AccountId",
        "Amount",
        "Probability",
        "CreatedDate",
        "Description",
    )
    assert [field for field in names if shown[field]["groupable"]] == [
        "Name", "StageName", "CloseDate", "IsWon", "AccountId",
    ]  # fmt: skip


def test_child_relationships_are_named_as_on_the_platform():
    document, _ = described("Account")
    named = {(item["relationshipName"], item["childSObject"], item["field"]) for item in document["childRelationships"]}
    assert {
        ("Contacts", "Contact", "AccountId"),
        ("Opportunities", "Opportunity", "AccountId"),
        ("Cases", "Case", "AccountId"),
        ("ChildAccounts", "Account", "ParentId"),
        ("Histories", "AccountHistory", "AccountId"),
    } <= named


@pytest.mark.parametrize(
    "name",
    [
        "Account",
        "AccountHistory",
        "Contact",
        "Lead",
        "LeadHistory",
        "Opportunity",
        "OpportunityContactRole",
        "OpportunityHistory",
        "OpportunityFieldHistory",
        "Case",
        "CaseHistory",
        "Task",
        "Event",
        "Campaign",
        "CampaignMember",
        "Individual",
        "User",
        "Profile",
        "PermissionSet",
        "PermissionSetAssignment",
        "RecordType",
        "Organization",
        "Group",
        "Product2",
        "Pricebook2",
        "PricebookEntry",
        "OpportunityLineItem",
        "Quote",
        "Contract",
        "Order",
        "Asset",
        "EmailMessage",
        "UserExternalCredential",
        "AsyncApexJob",
        "CronTrigger",
        "ApexClass",
        "EntityDefinition",
        "FieldDefinition",
    ],
)
def test_the_object_is_there_and_all_it_refers_to_is_there(name):
    for field in SCHEMA.object(name):
        if not field.loose:
            assert all(SCHEMA.get(target) for target in field.reference_to if target not in ("BusinessHours",))


def test_every_opportunity_stage_says_what_it_means():
    stages = {value.value: value for value in SCHEMA.object("Opportunity").get("StageName").picklist}
    assert stages["Closed Won"].won
    assert stages["Closed Lost"].closed
    assert not stages["Closed Lost"].won
    assert all(value.probability is not None and value.forecast for value in stages.values())


def test_a_custom_field_is_described_with_what_its_definition_says():
    field = custom_field("Key__c", FieldType.STRING, label="Key", length=40, external_id=True, unique=True, help="why")
    sobject = SCHEMA.object("Account").with_field(field)
    [shown] = [
        item
        for item in describe_object(SCHEMA.with_object(sobject), sobject, "67.0")["fields"]
        if item["name"] == "Key__c"
    ]
    facts = {
        "custom": True,
        "externalId": True,
        "unique": True,
        "idLookup": True,
        "length": 40,
        "inlineHelpText": "why",
    }
    assert {key: shown[key] for key in facts} == facts
