"""Custom metadata in Apex: rows of the org are read-only, records made in memory are not.

Apex Reference Guide, "Custom Metadata Type Methods"; Apex Developer Guide, "Custom Metadata Types Limitations".
"""

import pytest

from localorg.schema import FieldType, ObjectKind, custom_field, custom_object


@pytest.fixture(autouse=True)
def rule(org):
    """A type Rule__mdt with one record A."""
    with org.transaction(org.admin_context().as_platform()) as transaction:
        made = custom_object("Rule__mdt", transaction.new_key_prefix(), label="Rule", kind=ObjectKind.CUSTOM_METADATA)
        for field in (
            custom_field("Value__c", FieldType.STRING),
            custom_field("Days__c", FieldType.DOUBLE, precision=5, scale=0),
        ):
            made = made.with_field(field)
        transaction.save_object(made)
        row = {"DeveloperName": "A", "MasterLabel": "The A", "Value__c": "org", "Days__c": 3}
        assert transaction.upsert("Rule__mdt", "DeveloperName", [row])[0].success


@pytest.mark.parametrize(
    "made",
    [
        "Rule__mdt r = new Rule__mdt(DeveloperName = 'B', Value__c = 'mine', Days__c = 5);",
        "Rule__mdt r = new Rule__mdt(DeveloperName = 'B'); r.Value__c = 'mine'; r.Days__c = 4; r.Days__c++;",
        "Rule__mdt r = new Rule__mdt(); r.put('developername', 'B'); r.put('value__c', 'mine'); r.put('Days__c', 5);",
        """Rule__mdt r = (Rule__mdt) JSON.deserialize(
            '{"DeveloperName": "B", "Value__c": "mine", "Days__c": 5}', Rule__mdt.class);""",
        """Rule__mdt r = Rule__mdt.getInstance('A').clone();
        r.DeveloperName = 'B'; r.Value__c = 'mine'; r.Days__c += 2;""",
    ],
)
def test_a_record_in_memory_takes_values_and_stays_there(run, made):
    shown = "System.debug(r.DeveloperName + ' ' + r.Value__c + ' ' + r.Days__c.intValue());"
    assert run(made + shown) == ["B mine 5"]
    assert run("System.debug(Rule__mdt.getAll().keySet());") == ["{A}"]


def test_a_record_of_the_org_is_read_only(run):
    assert run("Rule__mdt r = Rule__mdt.getInstance('A'); r.Value__c = 'x';") == (
        "System.FinalException: Record is read-only"
    )


def test_no_statement_writes_custom_metadata(org, engine):
    outcome = engine.execute_anonymous(org.admin_context(), "insert new Rule__mdt(DeveloperName = 'B');")
    refused = outcome.exception if outcome.problem is None else outcome.problem.message
    assert "DML" in refused or "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" in refused
