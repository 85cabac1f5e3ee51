import pytest

from localorg.errors import OrgError
from localorg.schema import FieldType, ValidationRule, custom_field


@pytest.fixture
def work(org):
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        yield transaction


def rule(transaction, name, formula, message="no", **more):
    sobject = transaction.schema.object(name)
    added = ValidationRule(f"R{len(sobject.validation_rules)}", formula, message, **more)
    transaction.save_object(sobject.altered(validation_rules=(*sobject.validation_rules, added)))


def test_a_rule_refuses_the_rows_for_which_it_is_true(work):
    rule(work, "Account", "AnnualRevenue < 0", "Revenue cannot be negative", error_field="AnnualRevenue")
    good, bad = work.insert("Account", [{"Name": "a", "AnnualRevenue": 1}, {"Name": "b", "AnnualRevenue": -1}])
    assert good.success
    [error] = bad.errors
    assert error.status_code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert error.message == "Revenue cannot be negative"
    assert error.fields == ("AnnualRevenue",)
    [changed] = work.update("Account", [{"Id": good.id, "AnnualRevenue": -5}])
    assert not changed.success


def test_a_rule_sees_what_changes_and_what_was(work):
    rule(work, "Opportunity", 'ISCHANGED(StageName) && ISPICKVAL(PRIORVALUE(StageName), "Closed Won")')
    [saved] = work.insert("Opportunity", [{"Name": "o", "StageName": "Closed Won", "CloseDate": "2026-01-01"}])
    assert saved.success
    assert work.update("Opportunity", [{"Id": saved.id, "Amount": 5}])[0].success
    assert not work.update("Opportunity", [{"Id": saved.id, "StageName": "Prospecting"}])[0].success


def test_a_rule_may_look_at_parents_and_at_the_user(work):
    rule(work, "Contact", 'Account.Industry = "Banking" && $Profile.Name = "System Administrator"')
    bank, shop = work.insert("Account", [{"Name": "b", "Industry": "Banking"}, {"Name": "s", "Industry": "Retail"}])
    results = work.insert("Contact", [{"LastName": "x", "AccountId": bank.id}, {"LastName": "y", "AccountId": shop.id}])
    assert [result.success for result in results] == [False, True]


def test_a_rule_that_is_switched_off_refuses_nothing(work):
    rule(work, "Account", "TRUE", active=False)
    assert work.insert("Account", [{"Name": "a"}])[0].success


@pytest.mark.parametrize("formula", ["Nope__c = 1", "NOPE(Name)", "Name ="])
def test_a_rule_that_could_not_be_evaluated_is_refused_when_it_is_made(work, formula):
    with pytest.raises(OrgError) as refused:
        rule(work, "Account", formula)
    assert refused.value.code == "FIELD_INTEGRITY_EXCEPTION"


def formula_field(transaction, name, kind, formula, **more):
    transaction.save_field("Account", custom_field(name, kind, formula=formula, **more))


def test_a_formula_field_is_worked_out_when_it_is_read(work):
    formula_field(work, "Double__c", FieldType.DOUBLE, "AnnualRevenue * 2", precision=18, scale=2)
    formula_field(work, "Size__c", FieldType.STRING, 'IF(Double__c >= 100, "big " & Name, "small")')
    formula_field(work, "Up__c", FieldType.STRING, 'BLANKVALUE(Parent.Size__c, "-")')
    top = work.insert("Account", [{"Name": "top", "AnnualRevenue": 60}])[0].id
    work.insert("Account", [{"Name": "low", "AnnualRevenue": 1, "ParentId": top}])
    records = [
        dict(r) for r in work.query("SELECT Name, Double__c, Size__c, Up__c FROM Account ORDER BY Double__c DESC")
    ]
    assert records == [
        {"Name": "top", "Double__c": 120.0, "Size__c": "big top", "Up__c": "-"},
        {"Name": "low", "Double__c": 2.0, "Size__c": "small", "Up__c": "big top"},
    ]
    assert [r["Name"] for r in work.query("SELECT Name FROM Account WHERE Parent.Double__c > 100")] == ["low"]
    [group] = work.query("SELECT Size__c, COUNT(Id) n FROM Account WHERE Double__c < 100 GROUP BY Size__c")
    assert dict(group) == {"Size__c": "small", "n": 1}


def test_a_formula_field_cannot_be_written(work):
    formula_field(work, "Double__c", FieldType.DOUBLE, "AnnualRevenue * 2", precision=18, scale=2)
    [result] = work.insert("Account", [{"Name": "a", "Double__c": 4}])
    assert result.errors[0].status_code == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_a_formula_field_that_sql_cannot_work_out_is_refused(work):
    with pytest.raises(OrgError, match="not supported in a formula field"):
        formula_field(work, "Match__c", FieldType.BOOLEAN, 'REGEX(Name, "a+")')


def test_formula_fields_in_a_circle_are_refused_when_read(work):
    formula_field(work, "A__c", FieldType.STRING, "Name")
    formula_field(work, "B__c", FieldType.STRING, "A__c")
    formula_field(work, "A__c", FieldType.STRING, "B__c")
    with pytest.raises(OrgError):
        work.query("SELECT A__c FROM Account")
