"""What a field's deployed settings do to writes: details that may leave their master, history of standard fields."""

from __future__ import annotations

import pytest

from localorg.metadata import deploy

NS = 'xmlns="http://soap.sforce.com/2006/04/metadata"'


def saved(work, name, **values):
    [result] = work.insert(name, [values])
    assert result.success, result.errors
    return result.id


def detail(xml, name, flag):
    return xml.object(
        "<fields><fullName>Master__c</fullName><label>Master</label><referenceTo>Account</referenceTo>"
        f"<relationshipName>{name}</relationshipName>{flag}<type>MasterDetail</type></fields>"
        + xml.text("Key__c", more="<externalId>true</externalId><unique>true</unique>")
    )


@pytest.mark.parametrize("method", ["update", "upsert"])
def test_a_detail_changes_its_master_only_where_that_is_allowed(org, package, xml, method):
    allowed = "<reparentableMasterDetail>true</reparentableMasterDetail>"
    files = {
        "objects/Free__c.object": detail(xml, "Free", allowed),
        "objects/Bound__c.object": detail(xml, "Bound", ""),
    }
    assert deploy(org, package(files)).success
    with org.transaction(org.admin_context().in_system_mode()) as work:
        one, other = saved(work, "Account", Name="One"), saved(work, "Account", Name="Other")
        for name, free in (("Free__c", True), ("Bound__c", False)):
            row = saved(work, name, Key__c="k", Master__c=one)
            if method == "upsert":
                [result] = work.upsert(name, "Key__c", [{"Key__c": "k", "Master__c": other}])
            else:
                [result] = work.update(name, [{"Id": row, "Master__c": other}])
            assert result.success is free
            if not free:
                assert result.errors[0].status_code == "INVALID_FIELD_FOR_INSERT_UPDATE"
            [found] = work.query(f"SELECT Master__c FROM {name}")
            assert found["Master__c"] == (other if free else one)


def tracking(wanted):
    track = f"<fields><fullName>Industry</fullName><trackHistory>{wanted}</trackHistory><type>Picklist</type></fields>"
    return {"objects/Account.object": f"<CustomObject {NS}><enableHistory>true</enableHistory>{track}</CustomObject>"}


def test_history_of_a_standard_field_is_kept_from_the_deployment_that_switched_it_on(org, package):
    def changed(industry):
        with org.transaction(org.admin_context().in_system_mode()) as work:
            [account] = [row["Id"] for row in work.query("SELECT Id FROM Account")]
            [result] = work.update("Account", [{"Id": account, "Industry": industry}])
            assert result.success
            found = work.query("SELECT Field, OldValue, NewValue FROM AccountHistory WHERE Field = 'Industry'")
            return [(row["OldValue"], row["NewValue"]) for row in found]

    def tracked():
        soql = (
            "SELECT QualifiedApiName FROM FieldDefinition WHERE EntityDefinitionId = 'Account' "
            "AND IsFieldHistoryTracked = true"
        )
        with org.transaction(org.admin_context()) as work:
            return [row["QualifiedApiName"] for row in work.query(soql)]

    with org.transaction(org.admin_context().in_system_mode()) as work:
        saved(work, "Account", Name="Acme", Industry="Energy")
    assert changed("Retail") == []
    assert deploy(org, package(tracking("true"))).success
    assert tracked() == ["Industry"]
    assert changed("Media") == [("Retail", "Media")]
    assert deploy(org, package(tracking("false"))).success
    assert tracked() == []
    assert changed("Energy") == [("Retail", "Media")]


def test_history_of_an_object_that_keeps_none_is_refused(org, package):
    files = {
        "objects/Task.object": f"<CustomObject {NS}><fields><fullName>Subject</fullName>"
        "<trackHistory>true</trackHistory></fields></CustomObject>"
    }
    refused = deploy(org, package(files))
    assert [(each.full_name, each.problem) for each in refused.failures] == [
        ("Task.Subject", "Field history is not supported on Task")
    ]
