"""Programs that would never end or take all memory: each meets the platform's limit, and the org goes on.

Apex Developer Guide, "Execution Governors and Limits".
"""

import time

import pytest

from localorg.apex.runtime.limits import LIMITS, Limit

HEAP = "System.LimitException: Apex heap size too large: "


@pytest.fixture
def short(monkeypatch):
    """A fifth of a second of CPU instead of ten."""
    monkeypatch.setitem(LIMITS, "cpu_time", Limit(200, 200, LIMITS["cpu_time"].message))


@pytest.mark.parametrize(
    "block",
    [
        "while (true) { }",
        "for (;;) { continue; }",
        "Integer i = 0; do { i++; } while (i != -1);",
        "while (true) { try { throw new IllegalArgumentException(); } catch (Exception e) { } }",
        "List<Integer> rows = new List<Integer>{ 1 }; while (true) { rows.add(1); }",
        "List<Object> deep = new List<Object>(); while (true) { deep = new List<Object>{ deep }; }",
        """class Order implements Comparator<Integer> {
            public Integer compare(Integer a, Integer b) { Integer x = 0; while (x >= 0) { x = 1; } return x; }
        }
        List<Integer> rows = new List<Integer>{ 2, 1 }; rows.sort(new Order());""",
    ],
)
def test_a_loop_without_end_meets_the_cpu_limit(run, short, block):
    began = time.thread_time()
    assert run(block) == "System.LimitException: Apex CPU time limit exceeded"
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "block",
    [
        "String s = 'a'; while (true) { s += s; }",
        "String s = 'a'; while (true) { s = s + s; }",
        "String s = 'a'; while (true) { s = s.replace('a', 'aaaaaaaaaa'); }",
        "String s = 'a'; while (true) { s = s.replaceAll('a', 'aaaaaaaaaa'); }",
        "String s = '\\''; while (true) { s = String.escapeSingleQuotes(s); }",
        "String s = 'a'; while (true) { s = String.join(new List<String>{ s, s, s, s }, ','); }",
        "String s = 'a'; while (true) { s = String.format('{0}{0}{0}{0}', new List<Object>{ s }); }",
        "String s = 'a'; while (true) { s = JSON.serialize(new List<Object>{ s, s }); }",
        "Blob b = Blob.valueOf('a'); while (true) { b = Blob.valueOf(EncodingUtil.convertToHex(b)); }",
        "String s = 'a'.repeat(2000000000);",
        "String s = 'a'.leftPad(2000000000, 'bc');",
        "List<Integer> rows = new Integer[2000000000];",
        "List<Integer> rows = new List<Integer>{ 1 }; while (true) { rows.addAll(rows.clone()); }",
        "Object two = 'a'; while (true) { two = new List<Object>{ two, two }; String shown = '' + two; }",
    ],
)
def test_what_grows_without_end_meets_the_heap_limit(run, block):
    assert run(block).startswith(HEAP)


def test_recursion_of_the_platforms_depth_runs(run):
    block = "Integer f(Integer x) { return x == 0 ? 0 : 1 + f(x - 1); } System.debug(f(990));"
    assert run(block) == ["990"]


@pytest.mark.parametrize(
    "block",
    [
        "Integer f(Integer x) { return f(x + 1); } f(1);",
        "class A { A next; A() { next = new A(); } } new A();",
        "class A { Integer a { get { return b; } } Integer b { get { return a; } } } System.debug(new A().a);",
        "class A { public override String toString() { return String.valueOf(this); } } System.debug(new A());",
        "List<Object> own = new List<Object>(); own.add(own); System.debug(JSON.serialize(own));",
    ],
)
def test_recursion_without_end_meets_the_stack_limit(run, block):
    assert run(block) == "System.LimitException: Maximum stack depth reached: 1001"


def test_a_limit_cannot_be_caught_and_runs_no_finally(org, engine):
    block = """
    try {
        for (Integer i = 0; i < 101; i++) { List<Account> rows = [SELECT Id FROM Account]; }
    } catch (Exception e) { System.debug('caught'); } finally { System.debug('finally'); }
    """
    outcome = engine.execute_anonymous(org.admin_context(), block)
    assert outcome.exception == "System.LimitException: Too many SOQL queries: 101"
    assert list(outcome.debug) == []


def test_too_many_rows_of_dml_are_refused(run):
    block = """
    List<Account> rows = new List<Account>();
    for (Integer i = 0; i < 10001; i++) { rows.add(new Account(Name = 'a')); }
    insert rows;
    """
    assert run(block) == "System.LimitException: Too many DML rows: 10001"


def test_an_expression_nested_too_deeply_is_a_problem_of_its_class_alone(org, deploy, engine):
    deploy(
        org, Deep=f"public class Deep {{ Integer f() {{ return {' + '.join(['1'] * 5000)}; }} }}", Fine="class Fine { }"
    )
    with org.transaction(org.admin_context()) as transaction:
        [problem] = engine.compile(transaction, None)
    assert (problem.class_name, problem.message.split(":")[0]) == ("Deep", "Not supported by the local org")
