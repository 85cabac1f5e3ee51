"""Test runs leave the rows that `sf apex run test` and CumulusCI read, and answer with the platform's document."""

from localorg.apex.testruns import document, start_run

SAMPLE = "public class Sample {\n    public static Integer two() {\n        return 2;\n    }\n}"
TEST = """
@IsTest private class SampleTest {
    @IsTest static void passes() { Assert.areEqual(2, Sample.two()); }
    @IsTest static void fails() { Assert.areEqual(1, Sample.two()); }
}
"""


def rows(org, soql):
    with org.transaction(org.admin_context().as_platform()) as transaction:
        return [dict(row) for row in transaction.query(soql)]


def test_an_asynchronous_run_leaves_its_results_as_rows(org, deploy, engine):
    deploy(org, Sample=SAMPLE, SampleTest=TEST)
    job = start_run(engine, org.admin_context(), ["SampleTest"], wait=True)
    results = rows(org, "SELECT MethodName, Outcome, Message, AsyncApexJobId FROM ApexTestResult ORDER BY MethodName")
    assert [(row["MethodName"], row["Outcome"]) for row in results] == [("fails", "Fail"), ("passes", "Pass")]
    assert {row["AsyncApexJobId"] for row in results} == {job}
    assert "Expected: 1, Actual: 2" in results[0]["Message"]
    [run] = rows(org, "SELECT Status, MethodsCompleted, MethodsFailed FROM ApexTestRunResult")
    assert run == {"Status": "Failed", "MethodsCompleted": 2, "MethodsFailed": 1}
    [item] = rows(org, "SELECT Status, ExtendedStatus FROM ApexTestQueueItem")
    assert item == {"Status": "Completed", "ExtendedStatus": "(1/2)"}
    [coverage] = rows(org, "SELECT NumLinesCovered, NumLinesUncovered FROM ApexCodeCoverageAggregate")
    assert coverage == {"NumLinesCovered": 1, "NumLinesUncovered": 0}
    assert rows(org, "SELECT PercentCovered FROM ApexOrgWideCoverage") == [{"PercentCovered": 100}]
    [result, _] = rows(org, "SELECT Id, (SELECT LimitContext FROM ApexTestResults) FROM ApexTestResult")
    assert not result["ApexTestResults"]


def test_a_synchronous_run_answers_with_one_document(org, deploy, engine):
    deploy(org, Sample=SAMPLE, SampleTest=TEST)
    answer = document(engine.run_tests(org.admin_context()), {"SampleTest": "01p000000000001AAA"})
    assert (answer["numTestsRun"], answer["numFailures"]) == (2, 1)
    assert answer["failures"][0]["methodName"] == "fails"
    assert answer["failures"][0]["stackTrace"] == "Class.SampleTest.fails: line 4, column 1"
    assert answer["successes"][0]["id"] == "01p000000000001AAA"
    [coverage] = answer["codeCoverage"]
    assert (coverage["name"], coverage["numLocations"], coverage["numLocationsNotCovered"]) == ("Sample", 1, 0)


def test_tests_inside_a_deployment_see_its_classes_and_leave_it_alone(org, deploy, engine):
    with org.transaction(org.admin_context()) as transaction:
        transaction.insert("Account", [{"Name": "real"}])
        platform = transaction.acting_as(transaction.context.as_platform())
        for name, body in {"Sample": SAMPLE, "SampleTest": TEST}.items():
            platform.insert("ApexClass", [{"Name": name, "Body": body, "ApiVersion": 67.0, "Status": "Active"}])
        report = engine.run_tests_within(transaction, ["SampleTest"])
        assert sorted(outcome.passed for outcome in report.outcomes) == [False, True]
        assert transaction.query("SELECT COUNT() FROM Account").total_size == 1
