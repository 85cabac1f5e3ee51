"""The Apex of one org: compiled on demand, run for whoever asks, its jobs kept in the org and run in the background.

Everything here opens its own transactions and commits them; a program's unhandled exception rolls all of it back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from localorg.access import Context
from localorg.apex.background import Background, keep_jobs
from localorg.apex.entries import (
    call_action,
    call_aura,
    call_rest,
    find_resource,
    invocables,
)
from localorg.apex.faults import CompileError, Problem
from localorg.apex.program import ANONYMOUS, ClassSource, Program
from localorg.apex.runtime import jobs
from localorg.apex.runtime.isolation import copy_of, hide_data
from localorg.apex.runtime.services import Services
from localorg.apex.runtime.testing import ClassCoverage, TestOutcome, run_class, test_methods, trace_of
from localorg.apex.runtime.transaction import DebugLine, Runtime
from localorg.apex.types.classes import ClassInfo, MethodInfo
from localorg.apex.values.exceptions import ApexException, Fatal
from localorg.calls import ActionOutcome, RestAnswer, RestCall
from localorg.errors import OrgError
from localorg.org import Org, Transaction
from localorg.records import SavedBatch

__all__ = ["AnonymousOutcome", "Engine", "TestReport", "load_program"]

_FRAMES = 1250
_MOST_PROGRAMS = 8
_STACK_FAULT = "System.LimitException: Maximum stack depth reached: 1001"


@dataclass(frozen=True)
class AnonymousOutcome:
    """What executeAnonymous answers. problem: why it did not compile; exception: what it threw, with its trace."""

    problem: Problem | None = None
    exception: str | None = None
    stack: str | None = None
    debug: Sequence[DebugLine] = ()

    @property
    def success(self) -> bool:
        """Compiled and ran to its end."""
        return self.problem is None and self.exception is None


@dataclass(frozen=True)
class TestReport:
    """Results of test methods, and the coverage they left on every class that is no test."""

    __test__ = False

    outcomes: Sequence[TestOutcome]
    coverage: Sequence[ClassCoverage] = field(default=())


def load_program(transaction: Transaction, namespace: str | None) -> Program:
    """All classes of a namespace as the transaction sees them."""
    platform = transaction.acting_as(transaction.context.as_platform())
    rows = platform.query("SELECT Name, Body, ApiVersion, NamespacePrefix FROM ApexClass")
    sources = [
        ClassSource(row["Name"], row["Body"] or "", float(row["ApiVersion"] or 67))
        for row in rows
        if (row["NamespacePrefix"] or None) == namespace
    ]
    return Program(sources, transaction.schema, namespace)


class Engine:
    """Apex for one org. Safe to use from many threads.

    services: callouts, chance, labels; see `runtime.services`.
    """

    def __init__(self, org: Org, services: Services | None = None) -> None:
        self.org = org
        self.services = services or Services()
        self._programs: dict[tuple[int, str | None], Program] = {}
        self._guard = threading.Lock()
        self._background = Background(self)
        # One frame of Apex is one of Python: room for the platform's 1,000 and for those who call us.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))
        org.committed_hooks.append(self._committed)

    def _committed(self, _org: Org, batches: list[SavedBatch]) -> None:
        if any(batch.sobject.api_name == "ApexClass" for batch in batches):
            with self._guard:
                self._programs.clear()

    def program(self, transaction: Transaction, namespace: str | None) -> Program:
        """The compiled classes, as last committed."""
        with self._guard:
            key = (id(transaction.org), namespace)  # the org itself, or a copy that runs its tests
            found = self._programs.get(key)
            if found is None or found.schema is not transaction.schema:
                if len(self._programs) >= _MOST_PROGRAMS:
                    self._programs.clear()
                found = self._programs[key] = load_program(transaction, namespace)
            return found

    def namespaces(self, transaction: Transaction) -> list[str | None]:
        """Namespaces that have classes; the org's own first."""
        platform = transaction.acting_as(transaction.context.as_platform())
        found = {row["NamespacePrefix"] or None for row in platform.query("SELECT NamespacePrefix FROM ApexClass")}
        own = self.org.namespace
        return [own, *sorted((each for each in found if each != own), key=str)]

    # ---- compiling ----------------------------------------------------------------------------------------------

    def compile(self, transaction: Transaction, namespace: str | None) -> list[Problem]:
        """Check every class as an open deployment has left them; each broken class's first problem."""
        return load_program(transaction, namespace).check()

    # ---- running ------------------------------------------------------------------------------------------------

    @contextmanager
    def opened(
        self, context: Context, namespace: str | None, kind: str, *, asynchronous: bool = False
    ) -> Iterator[Runtime]:
        """A transaction of Apex; on exit its jobs are kept, it commits, and the background hears of them."""
        with self.org.transaction(context) as transaction:
            program = self.program(transaction, namespace)
            rt = Runtime(program, transaction, self.services, jobs, kind=kind, asynchronous=asynchronous)
            yield rt
            keep_jobs(rt)
        self._background.wake()

    @contextmanager
    def joined(self, transaction: Transaction, namespace: str | None, kind: str) -> Iterator[Runtime]:
        """Apex inside a transaction that somebody else has opened: a flow's, as it saves."""
        rt = Runtime(self.program(transaction, namespace), transaction, self.services, jobs, kind=kind)
        rt.undoes_writes = True
        try:
            yield rt
        except BaseException:
            if rt.before_writes is not None:
                transaction.roll_back(rt.before_writes)
            raise
        keep_jobs(rt)

    def execute_anonymous(self, context: Context, text: str, *, namespace: str | None = None) -> AnonymousOutcome:
        """Run a block as a user, with their rights on records and none on fields: Apex is system code."""
        debug: Sequence[DebugLine] = ()
        try:
            with self.opened(context, namespace or self.org.namespace, "anonymous") as rt:
                debug = rt.debug
                info = rt.program.anonymous(text)
                rt.load(info)().c().m_run__anonymous()
        except CompileError as error:
            # Statements are read in braces of their own: the first line's columns stand one too far.
            column = error.at.column - (error.at.line == 1)
            problem = Problem(ANONYMOUS, error.message, error.at.line, column)
            return AnonymousOutcome(problem)
        except (ApexException, Fatal) as error:
            return AnonymousOutcome(exception=str(error), stack=trace_of(error), debug=debug)
        except RecursionError as error:
            return AnonymousOutcome(exception=_STACK_FAULT, stack=trace_of(error, at_most=5), debug=debug)
        return AnonymousOutcome(debug=debug)

    def invoke_rest(self, context: Context, call: RestCall) -> RestAnswer:
        """Answer a call to /services/apexrest. Raises OrgError NOT_FOUND, METHOD_NOT_ALLOWED, FORBIDDEN."""
        with self.org.snapshot(context) as transaction:
            namespace, info = self._resource(transaction, call.path)
            self._check_access(transaction, info, namespace)
        try:
            with self.opened(context, namespace, "rest") as rt:
                return call_rest(rt, rt.program.classes[info.key], call)
        except (ApexException, Fatal) as error:
            raise OrgError("APEX_ERROR", f"{error}\n\n{trace_of(error)}", status=500) from error
        except RecursionError as error:
            raise OrgError("APEX_ERROR", _STACK_FAULT, status=500) from error

    def _resource(self, transaction: Transaction, path: str) -> tuple[str | None, ClassInfo]:
        for namespace in self.namespaces(transaction):
            info = find_resource(self.program(transaction, namespace), path)
            if info is not None:
                return namespace, info
        raise OrgError("NOT_FOUND", "Could not find a match for URL", status=404)

    def invoke_action(
        self, context: Context, class_name: str, inputs: Sequence[Mapping[str, Any]]
    ) -> list[ActionOutcome]:
        """Run a class's @InvocableMethod for all inputs in one transaction. Raises OrgError where there is none."""
        with self.org.snapshot(context) as transaction:
            namespace, info, method = self.invocable(transaction, class_name)
            self._check_access(transaction, info, namespace)
        try:
            with self.opened(context, namespace, "action") as rt:
                return call_action(rt, info, method, inputs)
        except (ApexException, Fatal) as error:
            return self._failed(inputs, f"An Apex error occurred: {error}")
        except RecursionError:
            return self._failed(inputs, f"An Apex error occurred: {_STACK_FAULT}")

    @staticmethod
    def _failed(inputs: Sequence[Mapping[str, Any]], message: str) -> list[ActionOutcome]:
        error = {"statusCode": "UNKNOWN_EXCEPTION", "message": message, "fields": []}
        return [ActionOutcome(success=False, errors=[error]) for _ in inputs]

    def invocable(self, transaction: Transaction, name: str) -> tuple[str | None, ClassInfo, MethodInfo]:
        """A class with an @InvocableMethod, its namespace first. Raises OrgError NOT_FOUND."""
        for namespace in self.namespaces(transaction):
            program = self.program(transaction, namespace)
            plain = name.removeprefix(f"{namespace}__") if namespace else name
            for info, method in invocables(program):
                if info.key == plain.lower():
                    return namespace, info, method
        raise OrgError("NOT_FOUND", f"The requested resource does not exist: {name}", status=404)

    def actions(self, context: Context) -> dict[str, str]:
        """Invocable classes: label by API name."""
        found = {}
        with self.org.snapshot(context) as transaction:
            for namespace in self.namespaces(transaction):
                prefix = f"{namespace}__" if namespace else ""
                for info, method in invocables(self.program(transaction, namespace)):
                    found[prefix + info.name] = method.annotations["invocablemethod"].get("label", info.name)
        return found

    def invoke_aura(self, context: Context, class_name: str, method: str, given: Mapping[str, Any]) -> Any:
        """Run an @AuraEnabled method as a user. Raises AuraFailure (an OrgError) with what a component sees."""
        with self.org.snapshot(context) as transaction:
            for namespace in self.namespaces(transaction):
                plain = class_name.removeprefix(f"{namespace}.") if namespace else class_name
                info = self.program(transaction, namespace).find(plain)
                if info is not None:
                    break
            else:
                raise OrgError("NOT_FOUND", f"Apex class {class_name} does not exist", status=404)
            self._check_access(transaction, info, namespace)
        with self.opened(context, namespace, "aura") as rt:
            return call_aura(rt, info, method, given)

    def _check_access(self, transaction: Transaction, info: ClassInfo, namespace: str | None) -> None:
        """Classes are granted by permission sets; who may author Apex may run all."""
        rights = transaction.rights
        if rights.permissions & {"AuthorApex", "ModifyAllData"}:
            return
        platform = transaction.acting_as(transaction.context.as_platform())
        binds = {"n": info.top.declaration.name}
        rows = platform.query("SELECT Id, NamespacePrefix FROM ApexClass WHERE Name = :n", binds=binds)
        if not any(row["Id"] in rights.entities and (row["NamespacePrefix"] or None) == namespace for row in rows):
            raise OrgError("FORBIDDEN", f"You do not have access to the Apex class named: {info.name}", status=403)

    # ---- tests --------------------------------------------------------------------------------------------------

    def run_tests(
        self,
        context: Context,
        names: Sequence[str] | None = None,
        methods: Mapping[str, Sequence[str]] | None = None,
        *,
        namespace: str | None = None,
    ) -> TestReport:
        """Run test classes on a copy of the org.

        names:   classes; None runs every test class. methods: by class name, some of its methods only.
        Raises OrgError INVALID_INPUT where a class or method is not there.
        """
        space = namespace or self.org.namespace
        outcomes: list[TestOutcome] = []
        with self.org.snapshot(context) as transaction:
            program = self.program(transaction, space)
            chosen = _chosen(program, names, methods or {})
        for with_data in (False, True):
            classes = [each for each in chosen if _sees_all(each[0]) == with_data]
            if classes:
                with copy_of(self.org, with_data=with_data) as copied:
                    outcomes += self._run_on(copied, context, space, classes)
        order = {info.name: number for number, (info, _) in enumerate(chosen)}
        outcomes.sort(key=lambda each: order[each.class_name])
        return TestReport(outcomes, coverage_of(program, outcomes))

    def chosen_tests(
        self,
        context: Context,
        names: Sequence[str] | None = None,
        methods: Mapping[str, Sequence[str]] | None = None,
        *,
        namespace: str | None = None,
    ) -> dict[str, list[str]]:
        """Method names by class of what `run_tests` would run. Raises OrgError INVALID_INPUT."""
        with self.org.snapshot(context) as transaction:
            program = self.program(transaction, namespace or self.org.namespace)
            chosen = _chosen(program, names, methods or {})
        return {info.name: [each.name for each in found] for info, found in chosen}

    def run_tests_within(
        self, transaction: Transaction, names: Sequence[str] | None = None, *, namespace: str | None = None
    ) -> TestReport:
        """Run tests as an open deployment has left the org; the deployment is afterwards as it was.

        Raises OrgError INVALID_INPUT where a class is not there.
        """
        program = load_program(transaction, namespace or self.org.namespace)
        mark = transaction.savepoint()
        hide_data(transaction)
        outcomes: list[TestOutcome] = []
        for info, methods in _chosen(program, names, {}):
            outcomes += run_class(program, transaction, self.services, info, methods)
        transaction.roll_back(mark)
        return TestReport(outcomes, coverage_of(program, outcomes))

    def _run_on(
        self, org: Org, context: Context, namespace: str | None, classes: Sequence[tuple[ClassInfo, list[MethodInfo]]]
    ) -> list[TestOutcome]:
        outcomes: list[TestOutcome] = []
        with org.transaction(context) as transaction:
            program = load_program(transaction, namespace)
            for info, methods in classes:
                again = program.classes[info.key]
                wanted = {method.python for method in methods}
                mine = [method for method in test_methods(again) if method.python in wanted]
                outcomes += run_class(program, transaction, self.services, again, mine)
        return outcomes

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def start_background(self) -> None:
        """Run jobs as they come, in a thread of their own, until `stop_background`."""
        self._background.start()

    def stop_background(self) -> None:
        """End the thread when its present job is done."""
        self._background.stop()

    def run_pending_jobs(self) -> int:
        """Run every job that is due now, those they enqueue too; how many ran."""
        return self._background.run_due()


def _sees_all(info: ClassInfo) -> bool:
    return (info.annotation("istest") or {}).get("seealldata", "").lower() == "true"


def _chosen(
    program: Program, names: Sequence[str] | None, methods: Mapping[str, Sequence[str]]
) -> list[tuple[ClassInfo, list[MethodInfo]]]:
    if names is None:
        found = [(info, test_methods(info)) for info in program.classes.values()]
        return [(info, tests) for info, tests in found if tests]
    chosen = []
    for name in names:
        info = program.find(name)
        if info is None:
            raise OrgError("INVALID_INPUT", f"This class name's value is invalid: {name}")
        tests = test_methods(info)
        wanted = {each.lower() for each in methods.get(name, ())}
        if wanted:
            missing = wanted - {each.name.lower() for each in tests}
            if missing:
                raise OrgError("INVALID_INPUT", f"Test method does not exist: {name}.{min(missing)}")
            tests = [each for each in tests if each.name.lower() in wanted]
        chosen.append((info, tests))
    return chosen


def coverage_of(program: Program, outcomes: Sequence[TestOutcome]) -> list[ClassCoverage]:
    """Statement coverage of every class that is no test and could be compiled."""
    hit: dict[str, set[int]] = {}
    for outcome in outcomes:
        for name, found in outcome.coverage.items():
            hit.setdefault(name, set()).update(found)
    report = []
    for key, info in program.classes.items():
        if info.is_test:
            continue
        try:
            lines: set[int] = set().union(*program.statements(info).values())
        except CompileError:
            continue
        covered = lines & hit.get(key, set())
        report.append(ClassCoverage(info.name, frozenset(covered), frozenset(lines - covered)))
    return report
