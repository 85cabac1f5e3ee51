"""What an org may have beside the ordinary: person accounts, several currencies, record types, encrypted fields."""

from __future__ import annotations

import pytest

from localorg.schema import Field, FieldType, RecordType

pytestmark = pytest.mark.slow


def extend(workshop, name: str, *fields: Field) -> None:
    """Give a standard object fields that only some editions have."""
    with workshop.org.transaction(workshop.admin.as_platform()) as transaction:
        transaction.savepoint()
        for field in fields:
            transaction.save_field(name, field)


def settle(workshop, task: str, **values: object) -> None:
    """Set fields of a task's custom metadata, as its deployment would."""
    with workshop.org.transaction(workshop.admin.as_platform()) as transaction:
        (row,) = transaction.query(f"SELECT Id FROM Model_Task__mdt WHERE DeveloperName = '{task}'")
        [saved] = transaction.update("Model_Task__mdt", [{"Id": row["Id"], **values}])
        assert saved.success, saved.errors


@pytest.fixture
def definition(workshop):
    """Puts a definition of the task `churn` into the org for one test."""
    made: list[str] = []

    def put(**values: object) -> None:
        whole = {
            "DeveloperName": "churn_own",
            "MasterLabel": "Own",
            "Task__c": "churn",
            "Feature__c": "own.field",
            "Active__c": True,
            "Kind__c": "Category",
            "Source_Object__c": "Account",
            "Source_Key__c": "Id",
            "Aggregate__c": "Value",
            "As_Of_Rule__c": "Fixed",
        }
        made.extend(workshop.insert("Feature_Definition__mdt", [whole | values]))

    yield put
    with workshop.org.transaction(workshop.admin.as_platform()) as transaction:
        transaction.delete(made)


def test_a_person_account_is_an_account_like_others_unless_its_person_wants_to_be_forgotten(workshop):
    extend(
        workshop,
        "Account",
        Field("IsPersonAccount", FieldType.BOOLEAN, "Is Person Account", default=False, always_visible=True),
        Field(
            "PersonIndividualId",
            FieldType.REFERENCE,
            "Individual",
            reference_to=("Individual",),
            relationship_name="PersonIndividual",
            always_visible=True,
        ),
    )
    people = [{"LastName": "Open"}, {"LastName": "Out", "HasOptedOutProcessing": True}]
    people.append({"LastName": "Gone", "ShouldForget": True})
    individuals = workshop.insert("Individual", people)
    rows = [{"Name": f"Person {n}", "IsPersonAccount": True, "PersonIndividualId": n} for n in individuals]
    accounts = workshop.insert("Account", [*rows, {"Name": "Company"}])

    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
    assert set(workshop.vectors(run)) == {workshop.pseudonym(accounts[0]), workshop.pseudonym(accounts[3])}
    (counted,) = workshop.query(f"SELECT Entities_Excluded__c FROM Extraction_Run__c WHERE Id = '{run['Id']}'")
    assert counted["Entities_Excluded__c"] == 2

    workshop.run("ExtractionRuns.withdrawAll(null);")
    settle(workshop, "churn", Consent_Filter__c="IsPersonAccount = false")
    only = workshop.vectors(workshop.extract("churn", "Scoring"))
    settle(workshop, "churn", Consent_Filter__c=None)
    assert set(only) == {workshop.pseudonym(accounts[3])}


def test_a_task_takes_the_records_of_its_record_types_alone(workshop):
    with workshop.org.transaction(workshop.admin.as_platform()) as transaction:
        transaction.savepoint()
        made = {
            name: transaction.save_record_type("Case", RecordType(name, name, "", True)).id
            for name in ("Complaint", "Question")
        }
    kinds = [made["Complaint"], made["Question"], None, made["Complaint"]]
    cases = workshop.insert("Case", [{"Status": "New", "RecordTypeId": kind} for kind in kinds])
    settle(workshop, "case_escalation", Record_Types__c="Complaint")
    run = workshop.extract("case_escalation", "Scoring")
    settle(workshop, "case_escalation", Record_Types__c=None)
    assert run["Status__c"] == "Completed", run["Message__c"]
    assert set(workshop.vectors(run)) == {workshop.pseudonym(cases[0]), workshop.pseudonym(cases[3])}


def test_encrypted_text_is_no_feature_and_the_run_says_which_field_it_is(workshop, definition):
    extend(workshop, "Account", Field("Secret__c", FieldType.ENCRYPTED, "Secret", length=20, custom=True))
    definition(Field__c="Secret__c")
    run = workshop.extract("churn", "Scoring")
    assert (run["Status__c"], run["Blocks__c"]) == ("Stopped", None)
    assert "churn_own: Account.Secret__c is encrypted text." in str(run["Message__c"])


def test_a_field_that_the_platform_encrypts_at_rest_is_read_but_never_looked_for(workshop, definition):
    extend(
        workshop,
        "Account",
        Field("Colour__c", FieldType.STRING, "Colour", length=20, custom=True, encrypted=True, always_visible=True),
        Field("Since__c", FieldType.DATE, "Since", custom=True, encrypted=True, always_visible=True),
    )
    (account,) = workshop.insert("Account", [{"Name": "Shielded", "Colour__c": "red", "Since__c": "2020-01-01"}])
    definition(Field__c="Colour__c")
    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
    assert workshop.vectors(run)[workshop.pseudonym(account)]["own.field"] == "red"

    definition(DeveloperName="churn_since", Feature__c="own.since", Aggregate__c="Days_Since_First", Kind__c="Number",
               Date_Field__c="Since__c", As_Of_Rule__c="Dated")  # fmt: skip
    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Stopped"
    assert "churn_since: Account.Since__c is encrypted; no query can look for its values." in str(run["Message__c"])


def test_money_in_several_currencies_is_refused_by_name_and_tasks_without_money_run(workshop):
    with workshop.org.transaction(workshop.admin.as_platform()) as transaction:
        transaction.savepoint()
        # What makes an org one of several currencies is that it has this object.
        transaction.save_object(transaction.schema.object("CaseStatus").altered(api_name="CurrencyType"))
    run = workshop.extract("churn", "Scoring")
    assert (run["Status__c"], run["Blocks__c"]) == ("Stopped", None)
    assert "This org has several currencies." in str(run["Message__c"])
    assert "opportunity.open_value" in str(run["Message__c"])
    run = workshop.extract("case_escalation", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
