"""A class that would not compile on the platform is refused here, in the platform's words, at its line and column."""

import pytest

from localorg.apex.program import ClassSource, Program
from localorg.schema import Schema, standard_objects

SCHEMA = Schema(standard_objects())


def problems(*bodies):
    sources = [ClassSource(body.split("class ")[1].split()[0], body) for body in bodies]
    return Program(sources, SCHEMA).check()


def problem_in(body):
    [found] = problems("public class Sample {\n" + body + "\n}")
    return found.message


def message_of(statement):
    return problem_in(f"void run() {{\n{statement}\n}}")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("Nothing x;", "Invalid type: Nothing"),
        ("x = 1;", "Variable does not exist: x"),
        ("Integer x = 'a';", "Illegal assignment from String to Integer"),
        ("Integer x = 1; Integer X = 2;", "Duplicate variable: X"),
        ("missing(1);", "Method does not exist or incorrect signature: void missing(Integer) from the type Sample"),
        ("'a'.nothing();", "Method does not exist or incorrect signature: void nothing() from the type String"),
        ("Integer x = 5; x.foo = 1;", "Variable does not exist: foo"),
        ("if (1) { }", "Condition expression must be of type Boolean: Integer"),
        ("Boolean x = 1 && true;", "AND operator can only be applied to Boolean expressions: Integer"),
        ("Integer x = 1 - 'a';", "Arithmetic expressions must use numeric arguments"),
        ("Boolean x = 1 == 'a';", "Comparison arguments must be compatible types: Integer, String"),
        ("return 1;", "Return value is not allowed: void method or constructor"),
        ("throw 'a';", "Throw expression must be of type exception: String"),
        ("break;", "Break statement must be in loop"),
        ("return; Integer x = 1;", "Unreachable statement"),
        ("insert 1;", "DML requires SObject or SObject list type: Integer"),
        ("Account a = new Account(Nothing__c = 1);", "Field does not exist: Nothing__c on Account"),
        ("Account a; a.Nothing__c = 1;", "Variable does not exist: Nothing__c"),
        ("for (String s : 5) { }", "Loop must iterate over collection: Integer"),
        ("for (Integer i : new List<String>()) { }", "Loop variable must be of type String"),
        ("Sample s = (Sample) 5;", "Incompatible types since an instance of Integer is never an instance of Sample"),
        ("new Sample(1);", "Constructor not defined: [Sample].<Constructor>(Integer)"),
        ("Integer i = 3000000000;", "Illegal integer: 3000000000"),
        ("1 + 1;", "Expression cannot be a statement."),
        ("final Integer x = 1; x = 2;", "Final variable has already been initialized: x"),
        ("Integer number = 1;", "Identifier name is reserved: number"),
        ("Integer x_ = 1;", "Invalid character in identifier: x_"),
        ("Contact c = [SELECT Id FROM Account];", "Illegal assignment from List<Account> to Contact"),
    ],
)
def test_a_statement_is_refused_in_the_platforms_words(statement, message):
    assert message_of(statement) == message


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("SELECT Nothing__c FROM Account", "No such column 'Nothing__c' on entity 'Account'"),
        ("SELECT Id FROM Nothing__c", "sObject type 'Nothing__c' is not supported"),
        ("SELECT Id, (SELECT Id FROM Nothings) FROM Account", "Nothings"),
        ("SELECT Id FROM Account WHERE Name = :missing", "Variable does not exist: missing"),
    ],
)
def test_soql_is_checked_against_the_schema_when_the_class_compiles(query, part):
    assert part in message_of(f"List<SObject> rows = [{query}];")


def test_an_error_has_line_and_column():
    [found] = problems("public class Sample {\n    void run() {\n        Integer x = 'a';\n    }\n}")
    assert (found.class_name, found.line, found.column) == ("Sample", 3, 21)


def test_a_method_that_may_end_without_a_value_is_refused():
    assert problem_in("Integer f(Boolean b) { if (b) { return 1; } }").startswith("Missing return statement")
    assert problems("public class Fine { Integer f(Boolean b) { if (b) { return 1; } else { return 2; } } }") == []
    assert problems("public class Fine { Integer f() { while (true) { } } }") == []


def test_a_class_implements_what_it_promises():
    [found] = problems("public class Sample implements Comparable { }")
    assert found.message == "Class Sample must implement the method: Integer Comparable.compareTo(Object)"
    [found] = problems("public class Job implements Database.Batchable<SObject> { }")
    assert "Database.Batchable<SObject>.start(Database.BatchableContext)" in found.message


def test_overriding_takes_its_keywords():
    parent = "public virtual class Parent { public virtual void f() { } public void g() { } }"
    [missing] = problems(parent, "public class Child extends Parent { public void f() { } }")
    assert missing.message == "Method must use the override keyword: void f()"
    [final] = problems(parent, "public class Child extends Parent { public override void g() { } }")
    assert final.message == "Non-virtual, non-abstract methods cannot be overridden: void g()"
    [nothing] = problems(parent, "public class Child extends Parent { public override void h() { } }")
    assert nothing.message == "@Override specified for non-overriding method: void h()"


def test_only_virtual_and_abstract_classes_are_extended():
    [found] = problems("public class Parent { }", "public class Child extends Parent { }")
    assert found.message == "Non-virtual and non-abstract type cannot be extended: Parent"


def test_an_abstract_class_is_not_constructed():
    [found] = problems(
        "public abstract class Shape { }", "public class Sample { void run() { Shape s = new Shape(); } }"
    )
    assert found.message == "Abstract classes cannot be constructed: Shape"


def test_private_members_stay_inside_their_file_unless_a_test_may_see_them():
    secret = "public class Safe { private Integer code; @TestVisible private Integer seen; }"
    [found] = problems(secret, "public class Thief { void run() { Integer x = new Safe().code; } }")
    assert found.message == "Variable is not visible: Safe.code"
    assert problems(secret, "@IsTest private class Fine { void run() { Integer x = new Safe().seen; } }") == []


def test_static_and_instance_do_not_mix():
    assert problem_in("Integer x; static void run() { x = 1; }").startswith("Non static field 'x'")
    assert problem_in("void f() { } static void run() { f(); }").startswith("Non static method cannot be referenced")


def test_the_file_is_named_for_its_class():
    [found] = Program([ClassSource("Other", "public class Sample { }")], SCHEMA).check()
    assert found.message == "Class name must match file name: Sample"


@pytest.mark.parametrize(
    ("body", "feature"),
    [
        ("trigger T on Account (before insert) { }", "trigger"),
        ("public class Sample { @future static void run() { } }", "@future"),
        ("public class Sample { void f() { List<List<SObject>> x = [FIND 'a' RETURNING Account(Id)]; } }", "SOSL"),
        ("public class Sample { void f() { Messaging.SingleEmailMessage m; } }", "Messaging.SingleEmailMessage"),
        ("public class Sample { void f() { EventBus.publish(null); } }", "EventBus"),
        ("public class Sample { webservice static void run() { } }", "webservice"),
        ("public class Sample { void f() { Account a; Account b; merge a b; } }", "merge"),
    ],
)
def test_what_is_outside_the_subset_is_named_with_file_and_line(body, feature):
    [found] = Program([ClassSource("Sample", body)], SCHEMA).check()
    assert found.message.startswith("Not supported by the local org: ")
    assert feature.lower() in found.message.lower()
    assert "(Sample, line 1)" in found.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("public class Sample { void f() { Integer x = 5 } }", "Missing ';' at '}'"),
        ("public class Sample { void f( { } }", "Missing ')' at '{'"),
        ("public class Sample { void f() { }", "Missing '}' at '<EOF>'"),
    ],
)
def test_a_syntax_error_names_the_token(body, message):
    [found] = Program([ClassSource("Sample", body)], SCHEMA).check()
    assert found.message == message


def test_every_broken_class_is_reported_and_the_others_still_run():
    found = problems(
        "public class One { Integer x = 'a'; }",
        "public class Two { Nothing y; }",
        "public class Three { Integer z = 1; }",
    )
    assert sorted(problem.class_name for problem in found) == ["One", "Two"]
