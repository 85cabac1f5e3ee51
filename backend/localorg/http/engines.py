"""Where the Apex and flow runtimes plug in. An empty place answers with a failure that says nothing ran.

The wire side knows the shapes below and nothing of any language; a runtime fills a place with a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localorg.access import Context
from localorg.calls import ActionOutcome, RestAnswer, RestCall
from localorg.metadata import Compilers
from localorg.org import Org, Transaction

__all__ = ["AnonymousOutcome", "Engines", "TestRun"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnonymousOutcome:
    """What `executeAnonymous` answers. line, column: 1-based, -1 where there is none."""

    compiled: bool
    success: bool
    compile_problem: str | None = None
    exception_message: str | None = None
    exception_stack_trace: str | None = None
    line: int = -1
    column: int = -1
    log: str = ""


@dataclass(frozen=True, slots=True)
class TestRun:
    """Which tests to run: class names and, where a class has some, its method names.

    classes:    names as the caller gave them; empty with level RunLocalTests or RunAllTestsInOrg.
    methods:    by class name, a subset of its test methods.
    test_level: RunSpecifiedTests, RunLocalTests or RunAllTestsInOrg.
    max_failed_tests: stop after so many failures; -1: never.
    """

    __test__ = False

    classes: Sequence[str] = ()
    methods: Mapping[str, Sequence[str]] = field(default_factory=dict)
    test_level: str = "RunSpecifiedTests"
    max_failed_tests: int = -1


@dataclass(slots=True)
class Engines:
    """One place a kind of execution; None: nothing in this server runs it.

    execute_anonymous: (org, context, source).
    run_tests:         (org, context, run): starts it, returns the AsyncApexJob id; results are rows of ApexTest*.
    run_tests_now:     the same, but returns the platform's synchronous result document when all have ended.
    deploy_tests:      (transaction, class names, test level): run inside a deployment before it commits; the deploy
                       result's runTestResult document.
    compilers:         what a deployment compiles with.
    apex_rest:         (org, context, request).
    apex_action:       (org, context, class name, inputs): one outcome an input, in order.
    apex_actions:      (org, context): name by label of the invocable classes there are.
    flow_action:       (org, context, flow name, inputs): likewise.
    aura:              (org, context, class, method, parameters): the return value; raises OrgError.
    """

    execute_anonymous: Callable[[Org, Context, str], AnonymousOutcome] | None = None
    run_tests: Callable[[Org, Context, TestRun], str] | None = None
    run_tests_now: Callable[[Org, Context, TestRun], Json] | None = None
    deploy_tests: Callable[[Transaction, Sequence[str], str], Json] | None = None
    compilers: Compilers = field(default_factory=Compilers)
    apex_rest: Callable[[Org, Context, RestCall], RestAnswer] | None = None
    apex_action: Callable[[Org, Context, str, Sequence[Json]], list[ActionOutcome]] | None = None
    apex_actions: Callable[[Org, Context], Mapping[str, str]] | None = None
    flow_action: Callable[[Org, Context, str, Sequence[Json]], list[ActionOutcome]] | None = None
    aura: Callable[[Org, Context, str, str, Json], object] | None = None
