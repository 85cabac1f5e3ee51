"""PMD with the rules of the security review, and in `make scan` the Salesforce Graph Engine."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow  # needs npm and Java

# Findings that stand, by file, each with its reason. The rule goes by names: these hold names of things, no secrets.
JUSTIFIED = {
    "Run_Key__c.field-meta.xml": "names a run",
    "Block_Key__c.field-meta.xml": "names a block",
    "Key_Id__c.field-meta.xml": "names a transport key; the key itself is in a protected setting",
    "Entity_Key__c.field-meta.xml": "a pseudonym, or the name of a lookup field",
    "Source_Key__c.field-meta.xml": "the name of a lookup field",
    "Feedback_Key__c.field-meta.xml": "names a prediction and a user",
}


def scan(npm, folder):
    report = npm.read_json(["node", "backend/tests/package/scan_apex.mjs", str(folder)])
    assert report["rules"] > 30
    return {
        (finding["rule"], finding["file"].rsplit("/", 1)[-1])
        for finding in report["findings"]
        if not (finding["rule"] == "ProtectSensitiveData" and finding["file"].rsplit("/", 1)[-1] in JUSTIFIED)
    }


def test_the_scan_of_the_security_review_finds_nothing_that_is_not_justified(npm, package):
    assert scan(npm, package.folder) == set()


BAD = """public class Leaky {
    public List<Account> find(String name) {
        return Database.query('SELECT Id FROM Account WHERE Name = \\'' + name + '\\'');
    }
    public void call() {
        HttpRequest request = new HttpRequest();
        request.setEndpoint('http://node.example.com');
        request.setHeader('Authorization', 'Bearer 0123456789abcdef0123456789abcdef');
        new Http().send(request);
    }
    public void change(Account account) {
        account.Name = 'x';
        update account;
    }
}
"""


def test_the_scan_finds_injection_plain_http_a_credential_and_a_write_without_rights(npm, spoiled):
    leaky = spoiled("classes/Leaky.cls", "", BAD)
    (leaky.folder / "classes/Leaky.cls-meta.xml").write_text(
        (leaky.folder / "classes/OrgKeys.cls-meta.xml").read_text()
    )
    found = {rule for rule, file in scan(npm, leaky.folder) if file == "Leaky.cls"}
    assert {"ApexSOQLInjection", "ApexInsecureEndpoint", "ApexSuggestUsingNamedCred", "ApexCRUDViolation"} <= found
