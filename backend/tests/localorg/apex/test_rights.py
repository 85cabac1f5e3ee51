"""Who sees and changes what: user and system mode, sharing, runAs, as an API user would meet them."""

import pytest

ACCOUNTS = "Account a = new Account(Name = 'Acme', Industry = 'Energy'); insert as system a;"
COUNT = "public static Integer count() { return [SELECT COUNT() FROM Account WITH SYSTEM_MODE]; }"
READERS = {
    "Shared": f"public with sharing class Shared {{ {COUNT} }}",
    "Unshared": f"public without sharing class Unshared {{ {COUNT} }}",
    "Inherited": f"public inherited sharing class Inherited {{ {COUNT} }}",
    "FromUnshared": """public without sharing class FromUnshared {
        public static Integer count() { return Inherited.count(); }
    }""",
}


@pytest.fixture
def outsider(org):
    """A user of the profile with no rights at all."""
    with org.transaction(org.admin_context().as_platform()) as transaction:
        [profile] = transaction.query("SELECT Id FROM Profile WHERE Name = 'Minimum Access - Salesforce'")
        row = {
            "Username": "outsider@example.com", "LastName": "Outsider", "Email": "o@example.com", "Alias": "out",
            "ProfileId": profile["Id"], "TimeZoneSidKey": "UTC", "LocaleSidKey": "en_US", "IsActive": True,
            "LanguageLocaleKey": "en_US", "EmailEncodingKey": "UTF-8",
        }  # fmt: skip
        [saved] = transaction.insert("User", [row])
        assert saved.success, saved.errors
    return org.context_for(saved.id)


@pytest.fixture
def private(org):
    """Accounts are private: only their owner sees them."""
    with org.transaction(org.admin_context().as_platform()) as transaction:
        account = transaction.schema.object("Account")
        transaction.save_object(account.altered(sharing=type(account.sharing).PRIVATE))


def test_user_mode_hides_an_object_without_rights(run, outsider):
    run(ACCOUNTS)
    answer = run("List<Account> rows = [SELECT Name FROM Account WITH USER_MODE];", context=outsider)
    assert answer.startswith("System.QueryException: ")
    assert "sObject type 'Account' is not supported" in answer


def test_from_api_67_on_user_mode_is_what_holds_where_nothing_is_said(run, outsider):
    run(ACCOUNTS)
    assert run("List<Account> rows = [SELECT Name FROM Account];", context=outsider).startswith("System.QueryException")
    assert run("insert new Account(Name = 'x');", context=outsider).startswith("System.DmlException")


def test_before_it_was_system_mode(org, run, outsider):
    run(ACCOUNTS)
    body = "public class Old { public static Integer count() { return [SELECT COUNT() FROM Account]; } }"
    with org.transaction(org.admin_context().as_platform()) as transaction:
        transaction.insert("ApexClass", [{"Name": "Old", "Body": body, "ApiVersion": 62.0, "Status": "Active"}])
    assert run("System.debug(Old.count());", context=outsider) == ["1"]


def test_system_mode_reads_and_writes_without_rights(run, outsider):
    block = "insert as system new Account(Name = 'x'); System.debug([SELECT COUNT() FROM Account WITH SYSTEM_MODE]);"
    assert run(block, context=outsider) == ["1"]


def test_access_levels_choose_the_mode_of_a_call(run, outsider):
    block = """
    Database.insert(new Account(Name = 'x'), AccessLevel.SYSTEM_MODE);
    System.debug(Database.countQuery('SELECT COUNT() FROM Account', AccessLevel.SYSTEM_MODE));
    Database.query('SELECT Id FROM Account', AccessLevel.USER_MODE);
    """
    assert run(block, context=outsider).startswith("System.QueryException")


def test_sharing_keywords_decide_which_rows_are_seen(org, deploy, run, outsider, private):
    deploy(org, **READERS)
    run(ACCOUNTS)
    block = (
        "System.debug(Shared.count()); System.debug(Unshared.count()); System.debug(Inherited.count()); "
        "System.debug(FromUnshared.count());"
    )
    shared, unshared, inherited, from_unshared = run(block, context=outsider)
    assert (shared, unshared, from_unshared) == ("0", "1", "1")
    assert inherited == "0"


def test_a_class_without_a_keyword_shares_from_api_67_on(org, deploy, run, outsider, private):
    deploy(org, Silent=READERS["Shared"].replace("with sharing class Shared", "class Silent"))
    run(ACCOUNTS)
    assert run("System.debug(Silent.count());", context=outsider) == ["0"]


def test_strip_inaccessible_refuses_an_object_and_names_removed_fields(run, outsider):
    block = "Security.stripInaccessible(AccessType.READABLE, new List<Account>{ new Account(Name = 'x') });"
    assert run(block, context=outsider) == "System.NoAccessException: No access to entity: Account"


def test_describe_answers_for_the_running_user(run, outsider):
    block = (
        "System.debug(Account.SObjectType.getDescribe().isAccessible()); "
        "System.debug(Schema.SObjectType.Account.isCreateable());"
    )
    assert run(block) == ["true", "true"]
    assert run(block, context=outsider) == ["false", "false"]


def test_an_apex_class_is_granted_before_it_is_called_from_outside(org, deploy, engine, outsider):
    from localorg.calls import RestCall
    from localorg.errors import OrgError

    body = "@RestResource(urlMapping='/x') global class Open { @HttpGet global static String read() { return 'ok'; } }"
    deploy(org, Open=body)
    with pytest.raises(OrgError) as refused:
        engine.invoke_rest(outsider, RestCall("GET", "/x"))
    assert (refused.value.code, refused.value.status) == ("FORBIDDEN", 403)
    with org.transaction(org.admin_context().as_platform()) as transaction:
        of_profile = "IsOwnedByProfile = true AND Profile.Name = 'Minimum Access - Salesforce'"
        [parent] = transaction.query(f"SELECT Id FROM PermissionSet WHERE {of_profile}")
        [entity] = transaction.query("SELECT Id FROM ApexClass WHERE Name = 'Open'")
        row = {"ParentId": parent["Id"], "SetupEntityId": entity["Id"]}
        assert transaction.insert("SetupEntityAccess", [row])[0].success
    assert engine.invoke_rest(outsider, RestCall("GET", "/x")).body == b'"ok"'
