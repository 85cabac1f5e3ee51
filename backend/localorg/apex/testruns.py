"""Test runs as the Tooling API shows them: rows while they run, and one document when they have ended.

Tooling API: runTestsAsynchronous (AsyncApexJob, ApexTestQueueItem, ApexTestRunResult, ApexTestResult, ApexCodeCoverage,
ApexCodeCoverageAggregate, ApexOrgWideCoverage), runTestsSynchronous, and the runTestResult of a deployment.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from localorg.access import Context
from localorg.apex.engine import Engine, TestReport
from localorg.apex.runtime.testing import TestOutcome
from localorg.org import Transaction
from localorg.records import SaveResult

__all__ = ["class_ids", "document", "start_run"]

Json = dict[str, Any]


def document(report: TestReport, class_ids: Mapping[str, str], namespace: str | None = None) -> Json:
    """A report as runTestsSynchronous and a deployment answer it. class_ids: by class name; times in milliseconds."""
    failures = [each for each in report.outcomes if not each.passed]
    return {
        "apexLogId": None,
        "codeCoverage": [
            {
                "id": class_ids.get(each.name),
                "name": each.name,
                "namespace": namespace,
                "numLocations": len(each.covered) + len(each.uncovered),
                "numLocationsNotCovered": len(each.uncovered),
                "locationsNotCovered": [
                    {"line": line, "column": 0, "numExecutions": 0, "time": -1.0} for line in sorted(each.uncovered)
                ],
                "type": "Class",
            }
            for each in report.coverage
        ],
        "codeCoverageWarnings": [],
        "failures": [
            {
                **_identity(each, class_ids, namespace),
                "message": each.message,
                "stackTrace": each.stack,
                "packageName": each.class_name,
                "type": "Class",
            }
            for each in failures
        ],
        "numFailures": len(failures),
        "numTestsRun": len(report.outcomes),
        "successes": [_identity(each, class_ids, namespace) for each in report.outcomes if each.passed],
        "totalTime": float(sum(each.milliseconds for each in report.outcomes)),
    }


def _identity(outcome: TestOutcome, class_ids: Mapping[str, str], namespace: str | None) -> Json:
    return {
        "id": class_ids.get(outcome.class_name),
        "methodName": outcome.method,
        "name": outcome.class_name,
        "namespace": namespace,
        "time": float(outcome.milliseconds),
    }


def start_run(
    engine: Engine,
    context: Context,
    names: Sequence[str] | None = None,
    methods: Mapping[str, Sequence[str]] | None = None,
    *,
    namespace: str | None = None,
    wait: bool = False,
) -> str:
    """Run tests in a thread of their own; the id of the AsyncApexJob their rows hang on.

    wait: return when they have ended. Raises OrgError INVALID_INPUT for what is not there.
    """
    chosen = engine.chosen_tests(context, names, methods, namespace=namespace)
    run = _Run(engine, context, chosen, namespace)
    job = run.begin()
    thread = threading.Thread(target=run.work, name=f"apex-tests-{job}", daemon=True)
    thread.start()
    if wait:
        thread.join()
    return job


class _Run:
    """One run. chosen: test methods by class, in order."""

    def __init__(
        self, engine: Engine, context: Context, chosen: Mapping[str, Sequence[str]], namespace: str | None
    ) -> None:
        self.engine = engine
        self.context = context
        self.chosen = chosen
        self.namespace = namespace
        self.job = ""
        self.result = ""
        self.items: dict[str, str] = {}
        self.class_ids: dict[str, str] = {}

    def begin(self) -> str:
        """The rows that say what will run."""
        with self.engine.org.transaction(self.context.as_platform()) as transaction:
            self.class_ids = class_ids(transaction, self.namespace or self.engine.org.namespace)
            now = _now(transaction)
            self.job = _put(transaction, "AsyncApexJob", JobType="TestRequest", Status="Processing",
                            JobItemsProcessed=0, TotalJobItems=len(self.chosen), NumberOfErrors=0)  # fmt: skip
            self.result = _put(
                transaction, "ApexTestRunResult", AsyncApexJobId=self.job, UserId=self.context.user_id,
                Status="Processing", StartTime=now, ClassesEnqueued=len(self.chosen), ClassesCompleted=0,
                Source="Tooling API",
                MethodsEnqueued=sum(map(len, self.chosen.values())), MethodsCompleted=0, MethodsFailed=0,
            )  # fmt: skip
            for name in self.chosen:
                self.items[name] = _put(
                    transaction, "ApexTestQueueItem", ApexClassId=self.class_ids.get(name), Status="Processing",
                    ParentJobId=self.job, TestRunResultId=self.result,
                )  # fmt: skip
        return self.job

    def work(self) -> None:
        """Run them and write what came of them."""
        names, methods = list(self.chosen), {name: list(wanted) for name, wanted in self.chosen.items()}
        report = self.engine.run_tests(self.context, names, methods, namespace=self.namespace)
        with self.engine.org.transaction(self.context.as_platform()) as transaction:
            for outcome in report.outcomes:
                self._write(transaction, outcome)
            self._write_coverage(transaction, report)
            for name, item in self.items.items():
                mine = [outcome.passed for outcome in report.outcomes if outcome.class_name == name]
                transaction.update(
                    "ApexTestQueueItem",
                    [{"Id": item, "Status": "Completed", "ExtendedStatus": f"({sum(mine)}/{len(mine)})"}],
                )
            self._end(transaction, report)

    def _write(self, transaction: Transaction, outcome: TestOutcome) -> None:
        _put(
            transaction, "ApexTestResult", TestTimestamp=_now(transaction),
            Outcome="Pass" if outcome.passed else "Fail", MethodName=outcome.method, Message=outcome.message,
            ApexClassId=self.class_ids.get(outcome.class_name), StackTrace=outcome.stack, AsyncApexJobId=self.job,
            QueueItemId=self.items[outcome.class_name],
            ApexTestRunResultId=self.result, RunTime=outcome.milliseconds,
        )  # fmt: skip
        for name, lines in outcome.coverage.items():
            found = next((each for each in self.class_ids if each.lower() == name), None)
            if found is not None and found != outcome.class_name:
                _put(
                    transaction, "ApexCodeCoverage", ApexTestClassId=self.class_ids.get(outcome.class_name),
                    ApexClassOrTriggerId=self.class_ids[found], TestMethodName=outcome.method,
                    NumLinesCovered=len(lines), NumLinesUncovered=0,
                    Coverage=json.dumps({"coveredLines": sorted(lines), "uncoveredLines": []}),
                )  # fmt: skip

    def _write_coverage(self, transaction: Transaction, report: TestReport) -> None:
        """The aggregate of the last run replaces what was there."""
        for every in ("SELECT Id FROM ApexCodeCoverageAggregate", "SELECT Id FROM ApexOrgWideCoverage"):
            old = [row["Id"] for row in transaction.query(every)]
            if old:
                transaction.delete(old)
        covered = sum(len(each.covered) for each in report.coverage)
        lines_in_all = covered + sum(len(each.uncovered) for each in report.coverage)
        _put(transaction, "ApexOrgWideCoverage", PercentCovered=100 * covered // max(1, lines_in_all))
        for each in report.coverage:
            lines = {"coveredLines": sorted(each.covered), "uncoveredLines": sorted(each.uncovered)}
            _put(
                transaction, "ApexCodeCoverageAggregate", ApexClassOrTriggerId=self.class_ids.get(each.name),
                NumLinesCovered=len(each.covered), NumLinesUncovered=len(each.uncovered), Coverage=json.dumps(lines),
            )  # fmt: skip

    def _end(self, transaction: Transaction, report: TestReport) -> None:
        failed = sum(not outcome.passed for outcome in report.outcomes)
        now = _now(transaction)
        transaction.update(
            "ApexTestRunResult",
            [
                {
                    "Id": self.result, "Status": "Failed" if failed else "Completed", "EndTime": now,
                    "TestTime": sum(outcome.milliseconds for outcome in report.outcomes),
                    "ClassesCompleted": len(self.chosen), "MethodsCompleted": len(report.outcomes),
                    "MethodsFailed": failed,
                }
            ],
        )  # fmt: skip
        values = {"Id": self.job, "Status": "Completed", "JobItemsProcessed": len(self.chosen), "CompletedDate": now}
        transaction.update("AsyncApexJob", [values])


def class_ids(transaction: Transaction, namespace: str | None) -> dict[str, str]:
    """Ids of a namespace's classes by name."""
    platform = transaction.acting_as(transaction.context.as_platform())
    rows = platform.query("SELECT Id, Name, NamespacePrefix FROM ApexClass")
    return {row["Name"]: row["Id"] for row in rows if (row["NamespacePrefix"] or None) == namespace}


def _now(transaction: Transaction) -> str:
    return f"{transaction.now():%Y-%m-%dT%H:%M:%S.000+0000}"


def _put(transaction: Transaction, object_name: str, **values: Any) -> str:
    saved: SaveResult
    [saved] = transaction.insert(object_name, [values])
    if saved.id is None:
        raise ValueError(f"{object_name} cannot be stored: {saved.errors}")
    return saved.id
