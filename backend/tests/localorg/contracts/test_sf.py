"""Contract: the `sf` command (npm, pinned): logins, queries, bulk, deployment, scratch orgs, a CumulusCI flow."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sf(run, up, sf_path):
    """The command, logged in by JWT as `local`, which is also its Dev Hub."""

    def runs(*arguments, **changed):
        return run("sf", *arguments, PATH=sf_path, **changed)

    login = runs(
        "org", "login", "jwt", "--username", up.org["username"], "--client-id", up.org["consumer_key"],
        "--jwt-key-file", up.org["key_file"], "--instance-url", up.org["instance_url"],
        "--alias", "local", "--set-default-dev-hub", "--json",
    )  # fmt: skip
    assert login.code == 0, login.out
    assert login.json()["result"]["orgId"] == up.org["org_id"]
    return runs


def test_a_token_logs_in_too(run, sf_path, up, sf):
    answer = run(
        "sf", "org", "login", "access-token", "--instance-url", up.org["instance_url"], "--no-prompt",
        "--alias", "bytoken", "--json", PATH=sf_path, SF_ACCESS_TOKEN=up.org["access_token"],
    )  # fmt: skip
    assert answer.code == 0, answer.out


def test_a_package_is_deployed_loaded_exported_and_retrieved(sf, project):
    deployed = sf("project", "deploy", "start", "-o", "local", "--source-dir", "force-app", "--json")
    assert deployed.code == 0, deployed.out
    names = {file["fullName"] for file in deployed.json()["result"]["files"]}
    assert names == {"Thing__c", "Thing__c.Key__c"}
    for _ in range(2):  # the second time changes nothing
        loaded = sf("data", "upsert", "bulk", "-o", "local", "-s", "Thing__c", "-i", "Key__c", "-f", "things.csv",
                    "-w", "2", "--json")  # fmt: skip
        assert loaded.code == 0, loaded.out
    exported = sf("data", "export", "bulk", "-o", "local", "-q", "SELECT Name, Key__c FROM Thing__c", "--output-file",
                  "out.csv", "-w", "2")  # fmt: skip
    assert exported.code == 0, exported.out
    assert (project / "out.csv").read_text().replace('"', "").splitlines() == ["Name,Key__c", "One,k1", "Two,k2"]
    queried = sf("data", "query", "-o", "local", "-q", "SELECT Key__c, Owner.Name FROM Thing__c", "--json")
    assert [row["Owner"]["Name"] for row in queried.json()["result"]["records"]] == ["Local Admin"] * 2
    retrieved = sf("project", "retrieve", "start", "-o", "local", "--metadata", "CustomObject:Thing__c", "--json")
    assert retrieved.code == 0, retrieved.out
    assert {file["fullName"] for file in retrieved.json()["result"]["files"]} >= names


def test_a_broken_file_fails_with_its_place(sf, project):
    path = project / "force-app/main/default/objects/Thing__c/fields/Bad__c.field-meta.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<CustomField xmlns="http://soap.sforce.com/2006/04/metadata">\n'
        "    <fullName>Bad__c</fullName>\n    <label>Bad</label>\n    <type>Text</type>\n</CustomField>\n"
    )
    try:
        failed = sf("project", "deploy", "start", "-o", "local", "--source-dir", "force-app", "--json")
    finally:
        path.unlink()
    assert failed.code != 0
    (failure,) = failed.json()["result"]["details"]["componentFailures"]
    assert failure["problem"] == "Must specify 'length' for a CustomField of type Text"


def test_a_scratch_org_comes_and_goes(sf):
    made = sf("org", "create", "scratch", "-v", "local", "-f", "orgs/dev.json", "-a", "scr", "-y", "1", "--json")
    assert made.code == 0, made.out
    scratch = made.json()["result"]["orgId"]
    found = sf("data", "query", "-o", "scr", "-q", "SELECT Id FROM Organization", "--json").json()
    assert found["result"]["records"][0]["Id"] == scratch
    deleted = sf("org", "delete", "scratch", "-o", "scr", "-p", "--json")
    assert deleted.code == 0, deleted.out
    left = sf("data", "query", "-o", "local", "-q", "SELECT Id FROM ActiveScratchOrg", "--json").json()
    assert left["result"]["totalSize"] == 0


APEX_TEST = """@IsTest
private class SumTest {
    @IsTest
    static void it_should_hold() {
        System.assertEquals(2, 1 + 1);
    }
    @IsTest
    static void it_should_not_hold() {
        System.assertEquals(3, 1 + 1, 'sums');
    }
}
"""


def test_apex_tests_run_and_their_outcomes_are_told(sf, project):
    folder = project / "force-app/main/default/classes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SumTest.cls").write_text(APEX_TEST)
    (folder / "SumTest.cls-meta.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<ApexClass xmlns="http://soap.sforce.com/2006/04/metadata">\n'
        "    <apiVersion>67.0</apiVersion>\n    <status>Active</status>\n</ApexClass>\n"
    )
    try:
        deployed = sf("project", "deploy", "start", "-o", "local", "--source-dir", str(folder), "--json")
        assert deployed.code == 0, deployed.out
        ran = sf("apex", "run", "test", "-o", "local", "--class-names", "SumTest", "-w", "2", "--json").json()
    finally:
        for name in ("SumTest.cls", "SumTest.cls-meta.xml"):
            (folder / name).unlink()
    result = ran["result"]
    assert (result["summary"]["testsRan"], result["summary"]["passing"], result["summary"]["failing"]) == (2, 1, 1)
    (failure,) = [test for test in result["tests"] if test["Outcome"] == "Fail"]
    assert failure["MethodName"] == "it_should_not_hold"
    assert "Assertion Failed: sums: Expected: 3, Actual: 2" in failure["Message"]


def test_a_cumulusci_flow_sets_up_a_scratch_org(run, sf, sf_path, cci_program):
    done = run(cci_program, "flow", "run", "dev_org", "--org", "dev", PATH=sf_path)
    assert done.code == 0, done.out
    assert "Completed flow 'dev_org' on org dev successfully" in done.out
    assert "Account: 5 successes, 0 errors" in done.out
    gone = run(cci_program, "org", "scratch_delete", "dev", PATH=sf_path)
    assert gone.code == 0, gone.out
