"""Apex of a whole org: anonymous blocks, tests, jobs, REST, actions, controllers; and what failures leave behind."""

import json
import time
from datetime import timedelta

import pytest

from localorg.apex.engine import Engine
from localorg.apex.entries import AuraFailure
from localorg.apex.runtime.services import CalloutRefused, OutgoingResponse, Services
from localorg.calls import RestCall
from localorg.errors import OrgError


def count(org, soql):
    with org.transaction(org.admin_context()) as transaction:
        return transaction.query(soql).total_size


# ---- anonymous blocks


def test_a_block_commits_and_shows_its_debug_lines(org, run):
    assert run("insert new Account(Name = 'Acme'); System.debug('done');") == ["done"]
    assert count(org, "SELECT COUNT() FROM Account WHERE Name = 'Acme'") == 1


def test_an_unhandled_exception_rolls_everything_back(org, run):
    assert run("insert new Account(Name = 'Acme'); Integer x = 1 / 0;") == "System.MathException: Divide by 0"
    assert count(org, "SELECT COUNT() FROM Account") == 0


def test_a_block_that_does_not_compile_says_where(org, engine):
    outcome = engine.execute_anonymous(org.admin_context(), "Integer x = 1;\nx = 'a';")
    assert (outcome.problem.message, outcome.problem.line) == ("Illegal assignment from String to Integer", 2)


def test_a_block_may_declare_methods_and_classes(run):
    block = """
    Integer twice(Integer x) { return 2 * x; }
    class Box { public Integer value = 4; }
    System.debug(twice(new Box().value));
    """
    assert run(block) == ["8"]


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        ("Map<Id, List<Integer>> m = new Map<Id, List<Integer>>(); System.debug(m);", "{}"),
        ("List<Account> rows = [SELECT Id FROM Account];\nSystem.debug(rows.size());", "0"),
        ("Set<Id> ids = new Set<Id>(); for (Integer i : new Integer[]{1, 2}) { System.debug(i); }", "1"),
    ],
)
def test_a_block_may_begin_with_a_generic_type(run, block, shown):
    assert run(block)[0] == shown


@pytest.mark.parametrize(
    ("block", "message", "line", "column"),
    [
        ("Integer x = 'a';", "Illegal assignment from String to Integer", 1, 13),
        ("Integer x = 1;\nInteger y = ;", "Unexpected token '='.", 2, 11),
        ("Integer x = 1", "Missing ';' at '<EOF>'", 1, 14),
    ],
)
def test_a_blocks_error_has_its_place(org, engine, block, message, line, column):
    problem = engine.execute_anonymous(org.admin_context(), block).problem
    assert (problem.message, problem.line, problem.column) == (message, line, column)


def test_a_blocks_classes_are_its_own(run):
    run("class Box { Integer size() { return 1; } } Box box = new Box(); System.debug(box.size());")
    other = "class Box { String name() { return 'other'; } } Box box = new Box(); System.debug(box.name());"
    assert run(other) == ["other"]


def test_an_inner_class_that_does_not_compile_is_the_blocks_problem(org, engine):
    block = "class Box { Integer size() { return 'one'; } } Box box = new Box();"
    assert engine.execute_anonymous(org.admin_context(), block).problem.line == 1


def test_statics_belong_to_one_transaction(org, deploy, run):
    deploy(org, Counter="public class Counter { public static Integer count = 0; }")
    assert run("Counter.count++; System.debug(Counter.count);") == ["1"]
    assert run("Counter.count++; System.debug(Counter.count);") == ["1"]


# ---- tests


TEST = """
@IsTest private class SampleTest {
    @IsTest static void passes() {
        insert new Account(Name = 'test');
        Assert.areEqual(1, [SELECT COUNT() FROM Account]);
    }
    @IsTest static void fails() { Assert.areEqual(1, Sample.two(), 'not one'); }
    @IsTest static void cannot_catch() { try { Assert.fail(); } catch (Exception e) { } }
}
"""
SAMPLE = """public class Sample {
    public static Integer two() {
        return 2;
    }
    static void never() {
        two();
    }
}"""


def test_tests_see_no_data_of_the_org_and_leave_none(org, deploy, run, engine):
    run("insert new Account(Name = 'real');")
    deploy(org, Sample=SAMPLE, SampleTest=TEST)
    report = engine.run_tests(org.admin_context())
    by_name = {outcome.method: outcome for outcome in report.outcomes}
    assert by_name["passes"].passed
    assert by_name["fails"].message == "System.AssertException: Assertion Failed: not one: Expected: 1, Actual: 2"
    assert by_name["fails"].stack == "Class.SampleTest.fails: line 7, column 1"
    assert not by_name["cannot_catch"].passed
    assert count(org, "SELECT COUNT() FROM Account") == 1


def test_coverage_counts_statements(org, deploy, engine):
    deploy(org, Sample=SAMPLE, SampleTest=TEST)
    [coverage] = engine.run_tests(org.admin_context()).coverage
    assert (coverage.name, set(coverage.covered), set(coverage.uncovered)) == ("Sample", {3}, {6})


def test_a_test_class_may_ask_for_the_orgs_data(org, deploy, run, engine):
    run("insert new Account(Name = 'real');")
    body = """@IsTest(SeeAllData=true) private class All {
        @IsTest static void f() { Assert.areEqual(1, [SELECT COUNT() FROM Account]); }
    }"""
    deploy(org, All=body)
    [outcome] = engine.run_tests(org.admin_context(), ["All"]).outcomes
    assert outcome.passed, outcome.message


def test_an_unknown_test_is_refused(org, deploy, engine):
    deploy(org, Sample=SAMPLE, SampleTest=TEST)
    with pytest.raises(OrgError) as refused:
        engine.run_tests(org.admin_context(), ["Nothing"])
    assert refused.value.code == "INVALID_INPUT"
    with pytest.raises(OrgError):
        engine.run_tests(org.admin_context(), ["SampleTest"], {"SampleTest": ["nothing"]})


def test_a_class_that_does_not_compile_fails_its_tests_only(org, deploy, engine):
    good = "@IsTest private class Good { @IsTest static void f() { } }"
    bad = "@IsTest private class Bad { @IsTest static void f() { Integer x = 'a'; } }"
    deploy(org, Good=good, Bad=bad)
    passed = {outcome.class_name: outcome.passed for outcome in engine.run_tests(org.admin_context()).outcomes}
    assert passed == {"Good": True, "Bad": False}


# ---- jobs


CHAIN = """
public class Chain implements Queueable {
    private final Integer left;
    public Chain(Integer left) { this.left = left; }
    public void execute(QueueableContext context) {
        insert new Account(Name = 'chain ' + left);
        if (left > 0) { System.enqueueJob(new Chain(left - 1)); }
    }
}
"""
BATCH = """
public class Rename implements Database.Batchable<SObject> {
    public Database.QueryLocator start(Database.BatchableContext c) {
        return Database.getQueryLocator([SELECT Id, Name FROM Account ORDER BY Name]);
    }
    public void execute(Database.BatchableContext c, List<Account> rows) {
        for (Account row : rows) {
            if (row.Name == 'a3') { throw new IllegalArgumentException('not this one'); }
            row.Name += '!';
        }
        update rows;
    }
    public void finish(Database.BatchableContext c) { insert new Contact(LastName = 'finished'); }
}
"""


def test_a_queueable_runs_after_its_transaction_and_may_chain(org, deploy, run, engine):
    deploy(org, Chain=CHAIN)
    run("System.enqueueJob(new Chain(2));")
    assert count(org, "SELECT COUNT() FROM Account") == 0
    assert engine.run_pending_jobs() == 3
    assert count(org, "SELECT COUNT() FROM Account") == 3
    assert count(org, "SELECT COUNT() FROM AsyncApexJob WHERE Status = 'Completed'") == 3


def test_a_job_of_a_failed_transaction_never_runs(org, deploy, run, engine):
    deploy(org, Chain=CHAIN)
    run("System.enqueueJob(new Chain(0)); Integer x = 1 / 0;")
    assert engine.run_pending_jobs() == 0


def test_a_failing_scope_is_rolled_back_alone(org, deploy, run, engine):
    deploy(org, Rename=BATCH)
    made = """
    List<Account> rows = new List<Account>();
    for (Integer i = 0; i < 6; i++) { rows.add(new Account(Name = 'a' + i)); }
    """
    run(f"{made} insert rows;")
    run("Database.executeBatch(new Rename(), 2);")
    engine.run_pending_jobs()
    assert count(org, "SELECT COUNT() FROM Account WHERE Name LIKE '%!'") == 4
    assert count(org, "SELECT COUNT() FROM Contact") == 1
    with org.transaction(org.admin_context()) as transaction:
        [job] = transaction.query(
            "SELECT Status, TotalJobItems, JobItemsProcessed, NumberOfErrors, ExtendedStatus FROM AsyncApexJob"
        )
    assert (job["Status"], job["TotalJobItems"], job["JobItemsProcessed"], job["NumberOfErrors"]) == (
        "Completed",
        3,
        3,
        1,
    )
    assert job["ExtendedStatus"] == "First error: not this one"


def test_a_schedule_fires_when_its_time_has_come_and_again(org, clock, deploy, run, engine):
    body = """public class Night implements Schedulable {
        public void execute(SchedulableContext context) { insert new Account(Name = 'night'); }
    }"""
    deploy(org, Night=body)
    run("System.schedule('nightly', '0 0 2 * * ?', new Night());")
    assert engine.run_pending_jobs() == 0
    clock.move(timedelta(days=1))
    assert engine.run_pending_jobs() == 1
    assert engine.run_pending_jobs() == 0
    clock.move(timedelta(days=1))
    engine.run_pending_jobs()
    assert count(org, "SELECT COUNT() FROM Account WHERE Name = 'night'") == 2


def test_a_job_whose_class_is_gone_fails_and_the_next_one_runs(org, deploy, run, engine):
    deploy(org, Chain=CHAIN)
    run("System.enqueueJob(new Chain(0));")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        [row] = transaction.query("SELECT Id FROM ApexClass")
        transaction.delete([row["Id"]], all_or_none=True)
    engine.run_pending_jobs()
    assert count(org, "SELECT COUNT() FROM AsyncApexJob WHERE Status = 'Failed'") == 1


def test_the_background_runs_jobs_on_real_time(org, deploy, run, engine):
    deploy(org, Chain=CHAIN)
    engine.start_background()
    try:
        run("System.enqueueJob(new Chain(1));")
        deadline = time.monotonic() + 30
        while count(org, "SELECT COUNT() FROM Account") < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        engine.stop_background()
    assert count(org, "SELECT COUNT() FROM Account") == 2


def test_an_aborted_job_does_not_run(org, deploy, run, engine):
    deploy(org, Chain=CHAIN)
    run("Id job = System.enqueueJob(new Chain(0)); System.abortJob(job);")
    run("System.abortJob(System.enqueueJob(new Chain(0)));")
    engine.run_pending_jobs()
    assert count(org, "SELECT COUNT() FROM Account") == 0
    assert count(org, "SELECT COUNT() FROM AsyncApexJob WHERE Status = 'Aborted'") == 2


def test_a_job_waits_for_the_next_process(org, deploy, run):
    deploy(org, Chain=CHAIN)
    run("System.enqueueJob(new Chain(0));")
    later = Engine(org)
    assert later.run_pending_jobs() == 1
    assert count(org, "SELECT COUNT() FROM Account") == 1


def test_a_job_that_was_in_the_middle_when_the_process_ended_has_failed(org, deploy, run):
    deploy(org, Chain=CHAIN)
    run("System.enqueueJob(new Chain(0));")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        [row] = transaction.query("SELECT Id FROM AsyncApexJob")
        transaction.update("AsyncApexJob", [{"Id": row["Id"], "Status": "Processing"}])
    later = Engine(org)
    later.start_background()
    later.stop_background()
    assert count(org, "SELECT COUNT() FROM Account") == 0
    with org.transaction(org.admin_context()) as transaction:
        [job] = transaction.query("SELECT Status, ExtendedStatus FROM AsyncApexJob")
    assert job == {"Status": "Failed", "ExtendedStatus": "The org was stopped while the job ran"}


def test_a_jobs_object_travels_without_what_is_transient(org, deploy, run, engine):
    body = """
    public class Carrier implements Queueable {
        private Map<String, List<Decimal>> numbers = new Map<String, List<Decimal>>{ 'a' => new List<Decimal>{ 1.50 } };
        private transient String secret = 'here';
        private Account record = new Account(Name = 'carried');
        private Carrier self;
        public Carrier() { self = this; }
        public void execute(QueueableContext context) {
            record.Description = numbers + ' ' + secret + ' ' + (self === this);
            insert record;
        }
    }
    """
    deploy(org, Carrier=body)
    run("System.enqueueJob(new Carrier());")
    engine.run_pending_jobs()
    with org.transaction(org.admin_context()) as transaction:
        [row] = transaction.query("SELECT Description FROM Account")
    assert row["Description"] == "{a=(1.50)} null true"


# ---- callouts


CALL = """
HttpRequest request = new HttpRequest();
request.setEndpoint('callout:Node/v1/predictions');
request.setMethod('POST');
request.setBody('{}');
System.debug(new Http().send(request).getBody());
"""


def test_a_callout_goes_through_the_services_handed_in(org):
    asked = []

    def answer(request):
        asked.append((request.method, request.url, request.body))
        return OutgoingResponse(200, "OK", {}, b"answered")

    engine = Engine(org, Services(callout=answer))
    outcome = engine.execute_anonymous(org.admin_context(), CALL)
    assert [line.text for line in outcome.debug] == ["answered"]
    assert asked == [("POST", "callout:Node/v1/predictions", b"{}")]


def test_a_refused_callout_is_a_callout_exception(org):
    def refuse(request):
        raise CalloutRefused("no credential")

    engine = Engine(org, Services(callout=refuse))
    assert engine.execute_anonymous(org.admin_context(), CALL).exception == "System.CalloutException: no credential"


def test_without_services_every_endpoint_is_unauthorized(org, engine):
    assert "Unauthorized endpoint" in engine.execute_anonymous(org.admin_context(), CALL).exception


# ---- REST


RESOURCE = """
@RestResource(urlMapping='/things/*')
global class Things {
    global class Thing { public String name; public Integer size; }
    @HttpGet global static Thing read() {
        Thing found = new Thing();
        found.name = RestContext.request.requestURI.substringAfterLast('/');
        found.size = Integer.valueOf(RestContext.request.params.get('size'));
        return found;
    }
    @HttpPost global static String make(String name, List<Integer> sizes) {
        RestContext.response.statusCode = 201;
        return name + sizes.size();
    }
    @HttpDelete global static void fail() { Integer x = 1 / 0; }
}
"""


def test_a_resource_answers_by_method_and_path(org, deploy, engine):
    deploy(org, Things=RESOURCE)
    admin = org.admin_context()
    read = engine.invoke_rest(admin, RestCall("GET", "/things/bolt", {"size": "3"}))
    assert (read.status, json.loads(read.body)) == (200, {"name": "bolt", "size": 3})
    made = engine.invoke_rest(admin, RestCall("POST", "/things", body=b'{"name": "nut", "sizes": [1, 2]}'))
    assert (made.status, json.loads(made.body)) == (201, "nut2")


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (RestCall("GET", "/nothing"), "NOT_FOUND", 404),
        (RestCall("PUT", "/things/1"), "METHOD_NOT_ALLOWED", 405),
        (RestCall("DELETE", "/things/1"), "APEX_ERROR", 500),
        (RestCall("POST", "/things", body=b"{"), "JSON_PARSER_ERROR", 400),
        (RestCall("POST", "/things", body=b'{"colour": 1}'), "JSON_PARSER_ERROR", 400),
    ],
)
def test_a_resource_refuses_as_the_platform_does(org, deploy, engine, call, code, status):
    deploy(org, Things=RESOURCE)
    with pytest.raises(OrgError) as refused:
        engine.invoke_rest(org.admin_context(), call)
    assert (refused.value.code, refused.value.status) == (code, status)


# ---- actions and controllers


ACTION = """
public class Score {
    public class Request {
        @InvocableVariable(required=true) public Id recordId;
        @InvocableVariable public Integer factor;
    }
    public class Result {
        @InvocableVariable public Decimal score;
        @InvocableVariable public String note;
    }
    @InvocableMethod(label='Score records') public static List<Result> run(List<Request> requests) {
        List<Result> results = new List<Result>();
        for (Request request : requests) {
            Result result = new Result();
            result.score = 1.5 * request.factor;
            result.note = String.valueOf(request.recordId).left(3);
            results.add(result);
        }
        return results;
    }
    @AuraEnabled(cacheable=true) public static Map<String, Object> show(String name, List<Integer> numbers) {
        if (name == null) {
            throw new AuraHandledException('Give a name');
        }
        return new Map<String, Object>{ 'name' => name, 'count' => numbers.size() };
    }
    public static String hidden() { return 'no'; }
}
"""
ID = "001010000000001AAA"


def test_an_action_takes_all_inputs_at_once(org, deploy, engine):
    deploy(org, Score=ACTION)
    inputs = [{"recordId": ID, "factor": 2}, {"recordId": ID, "factor": 4}]
    outcomes = engine.invoke_action(org.admin_context(), "Score", inputs)
    assert [outcome.outputs for outcome in outcomes] == [{"score": 3, "note": "001"}, {"score": 6, "note": "001"}]
    assert engine.actions(org.admin_context()) == {"Score": "Score records"}


def test_an_actions_exception_fails_every_input(org, deploy, engine):
    deploy(org, Score=ACTION)
    [outcome] = engine.invoke_action(org.admin_context(), "Score", [{"recordId": ID}])
    assert not outcome.success
    assert "System.NullPointerException" in outcome.errors[0]["message"]


def test_an_action_refuses_inputs_it_does_not_know(org, deploy, engine):
    deploy(org, Score=ACTION)
    with pytest.raises(OrgError):
        engine.invoke_action(org.admin_context(), "Score", [{"recordId": ID, "colour": "red"}])
    with pytest.raises(OrgError):
        engine.invoke_action(org.admin_context(), "Nothing", [{}])


def test_a_controller_answers_and_fails_as_a_component_expects(org, deploy, engine):
    deploy(org, Score=ACTION)
    admin = org.admin_context()
    assert engine.invoke_aura(admin, "Score", "show", {"name": "x", "numbers": [1, 2]}) == {"name": "x", "count": 2}
    with pytest.raises(AuraFailure) as failed:
        engine.invoke_aura(admin, "Score", "show", {})
    assert failed.value.document["message"] == "Give a name"
    assert failed.value.document["exceptionType"] == "System.AuraHandledException"
    with pytest.raises(OrgError):
        engine.invoke_aura(admin, "Score", "hidden", {})
