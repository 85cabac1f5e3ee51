"""Running @IsTest classes: each in a transaction of its own that is never committed, over an org without its data.

Apex Developer Guide, "Testing Apex". A test sees no rows but setup rows and what it makes, unless its class says
SeeAllData. Every method begins where @TestSetup left off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from localorg.apex.program import Program
from localorg.apex.runtime import jobs
from localorg.apex.runtime.limits import Counters
from localorg.apex.runtime.services import Services
from localorg.apex.runtime.transaction import Runtime
from localorg.apex.types.classes import ClassInfo, MethodInfo
from localorg.apex.values.exceptions import ApexException, Fatal, apex_error, apex_frames
from localorg.org import Transaction

__all__ = ["ClassCoverage", "TestOutcome", "TestState", "run_class", "test_methods", "trace_of"]

_DEEPEST_CHAIN = 50


@dataclass
class TestState:
    """What a running test may touch. mocks: by interface; run_jobs: takes the jobs asked for to their end."""

    run_jobs: Callable[[Runtime], None]
    mocks: dict[str, Any] = field(default_factory=dict)
    started: bool = False
    outer: Counters | None = None

    def start(self, rt: Runtime) -> None:
        """Test.startTest: a fresh set of limits."""
        if self.started:
            raise apex_error("FinalException", "Testing already started")
        self.started = True
        self.outer = rt.limits
        rt.use_limits(Counters(asynchronous=rt.limits.asynchronous))

    def stop(self, rt: Runtime) -> None:
        """Test.stopTest: jobs run now, then the limits from before hold again."""
        if self.outer is None:
            raise apex_error("FinalException", "Testing has not started")
        self.run_jobs(rt)
        rt.use_limits(self.outer)


@dataclass(frozen=True)
class TestOutcome:
    """One test method's result. milliseconds: how long it ran; lines: covered lines by lowered class name."""

    class_name: str
    method: str
    passed: bool
    message: str | None
    stack: str | None
    milliseconds: int
    coverage: Mapping[str, frozenset[int]]
    is_setup: bool = False


@dataclass(frozen=True)
class ClassCoverage:
    """Statement coverage of one class: executable lines covered and not."""

    name: str
    covered: frozenset[int]
    uncovered: frozenset[int]


def test_methods(info: ClassInfo) -> list[MethodInfo]:
    """The class's test methods, in order."""
    if not info.is_test:
        return []
    return [
        method
        for methods in info.methods.values()
        for method in methods
        if method.static and "istest" in method.annotations and not method.parameters
    ]


def run_class(
    program: Program,
    transaction: Transaction,
    services: Services,
    info: ClassInfo,
    methods: Sequence[MethodInfo],
) -> Iterator[TestOutcome]:
    """Results as methods end. The transaction is left as it was found."""
    begin = transaction.savepoint()
    setups = [m for ms in info.methods.values() for m in ms if m.static and "testsetup" in m.annotations]
    runner = _Runner(program, transaction, services)
    for method in setups:
        outcome = runner.run(info, method, is_setup=True)
        if not outcome.passed:
            transaction.roll_back(begin)
            for each in methods:
                yield TestOutcome(info.name, each.name, False, outcome.message, outcome.stack, 0, {})
            return
    prepared = transaction.savepoint()
    for method in methods:
        yield runner.run(info, method)
        transaction.roll_back(prepared)
    transaction.roll_back(begin)


class _Runner:
    def __init__(self, program: Program, transaction: Transaction, services: Services) -> None:
        self.program = program
        self.transaction = transaction
        self.services = services
        self.covered: dict[str, set[int]] = {}

    def run(self, info: ClassInfo, method: MethodInfo, *, is_setup: bool = False) -> TestOutcome:
        self.covered = {}
        started = time.perf_counter()
        rt = Runtime(self.program, self.transaction, self.services, jobs, kind="test")
        rt.test = TestState(self._run_jobs)
        message = stack = None
        try:
            rt.call_static(info, method.python)
        except (ApexException, Fatal) as error:
            message, stack = str(error), trace_of(error)
        except RecursionError as error:
            message, stack = "System.LimitException: Maximum stack depth reached: 1001", trace_of(error, at_most=5)
        self._collect(rt)
        took = int((time.perf_counter() - started) * 1000)
        lines = {name: frozenset(found) for name, found in self.covered.items()}
        return TestOutcome(info.name, method.name, message is None, message, stack, took, lines, is_setup)

    def _collect(self, rt: Runtime) -> None:
        for name, marks in rt.coverage.items():
            self.covered.setdefault(name, set()).update(line for line, mark in enumerate(marks) if mark)

    def _run_jobs(self, rt: Runtime) -> None:
        """In order, with what they enqueue themselves (a queueable may chain one more)."""
        error: BaseException | None = None
        for _ in range(_DEEPEST_CHAIN):
            if not rt.jobs:
                break
            job = rt.jobs.pop(0)
            opened = self._opener(rt)
            try:
                jobs.run_job(job, opened)
            except (ApexException, Fatal) as failed:
                error = error or failed
        if error is not None:
            raise error

    def _opener(self, test: Runtime) -> jobs.OpenRuntime:
        @contextmanager
        def opened(job: jobs.Job) -> Iterator[Runtime]:
            """A job's transaction inside the test's: its statics are the test's, its limits are its own."""
            mark = self.transaction.savepoint()
            with test.lent_to(job.kind):
                if job.user_id != test.user_id:
                    test.become(job.user_id)
                try:
                    yield test
                except BaseException:
                    self.transaction.roll_back(mark)
                    raise

        return opened


def trace_of(error: BaseException, at_most: int = 50) -> str:
    """The stack trace as the platform prints it."""
    frames = getattr(error, "x_frames", None) or apex_frames(error.__traceback__)
    return "\n".join(f"{where}: line {line}, column 1" for where, line in frames[:at_most])
