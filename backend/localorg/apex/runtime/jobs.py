"""Batch, queueable and scheduled jobs: their rows, their transactions, their end.

Apex Developer Guide, "Asynchronous Apex". Each job is a row of AsyncApexJob (a schedule of CronTrigger) and a snapshot
of its object; `run_job` takes it through its transactions, whoever opens them: the background of an org or a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from localorg.apex.runtime.cron import Cron, CronError
from localorg.apex.runtime.data import Locator
from localorg.apex.runtime.snapshot import restore, snapshot
from localorg.apex.runtime.transaction import Runtime
from localorg.apex.runtime.values import moment_of, to_engine
from localorg.apex.types.model import ANY_RECORD, Record, Type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import ApexException, Fatal, apex_error, null_pointer
from localorg.apex.values.objects import ApexObject
from localorg.org import Transaction
from localorg.soql.ast import Bind, FieldPath, InList

__all__ = [
    "Job",
    "JobContext",
    "OpenRuntime",
    "abort",
    "enqueue",
    "enqueue_batch",
    "fire_next",
    "moment_of",
    "run_job",
    "schedule",
]

OpenRuntime = Callable[["Job"], AbstractContextManager[Runtime]]

_DEFAULT_SCOPE, _LARGEST_SCOPE = 200, 2000


@dataclass(frozen=True)
class Job:
    """One job to run. id: its AsyncApexJob; trigger: its CronTrigger; state: snapshot of the object."""

    id: str
    kind: str
    user_id: str
    namespace: str | None
    state: Any
    scope: int = _DEFAULT_SCOPE
    trigger: str | None = None


class JobContext:
    """Database.BatchableContext, QueueableContext and SchedulableContext."""

    def __init__(self, kind: str, job: Job) -> None:
        self.apex_name = kind
        self.job = job


# ---- asking for jobs ------------------------------------------------------------------------------------------------


def _class_id(rt: Runtime, instance: ApexObject) -> str | None:
    binds = {"n": instance.info.top.declaration.name}
    rows = rt.system.query("SELECT Id, NamespacePrefix FROM ApexClass WHERE Name = :n", binds=binds)
    return next((row["Id"] for row in rows if (row["NamespacePrefix"] or None) == rt.namespace), None)


def put_row(rt: Runtime, object_name: str, **values: Any) -> str:
    """A row that only the platform writes."""
    [saved] = rt.platform.insert(object_name, [{name: to_engine(value) for name, value in values.items()}])
    if saved.id is None:
        raise apex_error(
            "AsyncException", saved.errors[0].message if saved.errors else f"{object_name} cannot be stored"
        )
    return saved.id


def change_row(rt: Runtime, object_name: str, row_id: str, **values: Any) -> None:
    """Change one."""
    rt.platform.update(object_name, [{"Id": row_id, **{name: to_engine(value) for name, value in values.items()}}])


def _queued(rt: Runtime, job_type: str, instance: ApexObject, **more: Any) -> str:
    return put_row(
        rt, "AsyncApexJob", JobType=job_type, Status="Queued", ApexClassId=_class_id(rt, instance),
        JobItemsProcessed=0, TotalJobItems=0, NumberOfErrors=0, **more,
    )  # fmt: skip


def _need(instance: Any, interface: str) -> None:
    if instance is None:
        null_pointer()
    if not (isinstance(instance, ApexObject) and instance.implements(interface)):
        raise apex_error("AsyncException", f"Class does not implement {interface}")


def enqueue(rt: Runtime, instance: Any) -> str:
    """System.enqueueJob: the id of its AsyncApexJob."""
    _need(instance, "Queueable")
    rt.limits.count("queueable_jobs")
    row = _queued(rt, "Queueable", instance)
    rt.jobs.append(Job(row, "queueable", rt.user_id, rt.namespace, snapshot(instance)))
    return row


def enqueue_batch(rt: Runtime, instance: Any, scope: int | None) -> str:
    """Database.executeBatch."""
    _need(instance, "Database.Batchable")
    size = _DEFAULT_SCOPE if scope is None else scope
    if size < 1:
        raise apex_error("UnexpectedException", "Batch size must be greater than zero")
    if rt.kind == "batch" and rt.batch_phase != "finish" and rt.test is None:
        raise apex_error(
            "AsyncException",
            "Database.executeBatch cannot be called from a batch start, batch execute, or future method.",
        )
    row = _queued(rt, "BatchApex", instance)
    rt.jobs.append(Job(row, "batch", rt.user_id, rt.namespace, snapshot(instance), min(size, _LARGEST_SCOPE)))
    return row


def schedule(rt: Runtime, name: str, expression: str, instance: Any) -> str:
    """System.schedule: the id of its CronTrigger."""
    _need(instance, "Schedulable")
    if name is None or expression is None:
        null_pointer()
    try:
        cron = Cron.parse(expression)
    except CronError as error:
        raise apex_error("StringException", f"Illegal cron expression ({expression}): {error}") from None
    following = cron.after(rt.now(), rt.zone)
    if following is None:
        raise apex_error(
            "AsyncException", f"Based on configured schedule, the given trigger '{expression}' will never fire."
        )
    binds = {"n": name}
    taken = rt.system.query("SELECT Id FROM CronTrigger WHERE CronJobDetail.Name = :n", binds=binds)
    if next(iter(taken), None) is not None:
        raise apex_error("AsyncException", f'The Apex job named "{name}" is already scheduled for execution.')
    detail = put_row(rt, "CronJobDetail", Name=name, JobType="7")
    trigger = put_row(
        rt, "CronTrigger", CronJobDetailId=detail, CronExpression=expression, State="WAITING", NextFireTime=following,
        TimesTriggered=0, TimeZoneSidKey=rt.context.time_zone, OwnerId=rt.user_id, StartTime=rt.now(),
    )  # fmt: skip
    row = _queued(rt, "ScheduledApex", instance, CronTriggerId=trigger)
    rt.jobs.append(Job(row, "scheduled", rt.user_id, rt.namespace, snapshot(instance), trigger=trigger))
    return trigger


def abort(rt: Runtime, job_id: str) -> None:
    """System.abortJob: a batch or queueable by its AsyncApexJob, a schedule by its CronTrigger."""
    if job_id is None:
        null_pointer()
    if job_id[:3] == "08e":
        detail = next(
            iter(rt.system.query("SELECT CronJobDetailId FROM CronTrigger WHERE Id = :i", binds={"i": job_id})), None
        )
        if detail is None:
            raise apex_error("StringException", f"No such column or job: {job_id}")
        rt.platform.delete([job_id])
        rt.platform.delete([detail["CronJobDetailId"]])
        for row in rt.system.query("SELECT Id FROM AsyncApexJob WHERE CronTriggerId = :i", binds={"i": job_id}):
            change_row(rt, "AsyncApexJob", row["Id"], Status="Aborted", CompletedDate=rt.now())
        rt.jobs = [job for job in rt.jobs if job.trigger != job_id]
        return
    change_row(rt, "AsyncApexJob", job_id, Status="Aborted", CompletedDate=rt.now())
    rt.jobs = [job for job in rt.jobs if job.id != job_id]


# ---- running them ---------------------------------------------------------------------------------------------------


def run_job(job: Job, opened: OpenRuntime) -> None:
    """Take a job to its end. What it throws ends up in its row."""
    if job.kind == "batch":
        _Batch(job, opened).run()
    elif job.kind == "queueable":
        _run_once(job, opened, "QueueableContext", "Completed")
    else:
        _run_once(job, opened, "SchedulableContext", "Queued")


def _status(rt: Runtime, job: Job) -> str:
    row = next(iter(rt.system.query("SELECT Status FROM AsyncApexJob WHERE Id = :i", binds={"i": job.id})), None)
    return "Aborted" if row is None else str(row["Status"])


def _run_once(job: Job, opened: OpenRuntime, context: str, done: str) -> None:
    try:
        with opened(job) as rt:
            if _status(rt, job) == "Aborted":
                return
            change_row(rt, "AsyncApexJob", job.id, Status="Processing")
            instance = restore(rt, job.state)
            instance.call_typed("execute", context, JobContext(context, job))
            completed = rt.now() if done == "Completed" else None
            change_row(rt, "AsyncApexJob", job.id, Status=done, CompletedDate=completed)
    except (ApexException, Fatal) as error:
        _note_failure(job, opened, error, status="Failed" if done == "Completed" else done)
        raise


def _note_failure(job: Job, opened: OpenRuntime, error: BaseException, *, status: str | None) -> None:
    with opened(job) as rt:
        row = next(
            iter(
                rt.system.query(
                    "SELECT NumberOfErrors, ExtendedStatus FROM AsyncApexJob WHERE Id = :i", binds={"i": job.id}
                )
            ),
            None,
        )
        if row is None:
            return
        text = row["ExtendedStatus"] or f"First error: {getattr(error, 'x_message', None) or error}"
        values: dict[str, Any] = {"NumberOfErrors": (row["NumberOfErrors"] or 0) + 1, "ExtendedStatus": text[:255]}
        if status is not None:
            values |= {"Status": status, "CompletedDate": rt.now()}
        change_row(rt, "AsyncApexJob", job.id, **values)


class _Batch:
    """start, execute for each scope, finish: a transaction each. Without Database.Stateful each begins as enqueued."""

    def __init__(self, job: Job, opened: OpenRuntime) -> None:
        self.job = job
        self.opened = opened
        self.state = job.state
        self.first_error: BaseException | None = None

    def run(self) -> None:
        job = self.job
        try:
            scopes = self._start()
        except (ApexException, Fatal) as error:
            _note_failure(job, self.opened, error, status="Failed")
            raise
        for number, scope in enumerate(scopes, 1):
            if not self._execute(scope, number):
                return
        self._finish()
        if self.first_error is not None:
            raise self.first_error

    def _begin(self, rt: Runtime, phase: str) -> Any:
        rt.batch_phase = phase
        rt.job_id = self.job.id
        return restore(rt, self.state)

    def _keep(self, instance: ApexObject) -> None:
        if instance.implements("Database.Stateful"):
            self.state = snapshot(instance)

    def _start(self) -> list[Callable[[Runtime], ApexList]]:
        with self.opened(self.job) as rt:
            if _status(rt, self.job) == "Aborted":
                return []
            change_row(rt, "AsyncApexJob", self.job.id, Status="Preparing")
            instance = self._begin(rt, "start")
            found = instance.call("start", JobContext("Database.BatchableContext", self.job))
            if found is None:
                raise apex_error("UnexpectedException", "Start did not return a valid iterable object.")
            scopes = list(self._scopes(rt, found))
            change_row(rt, "AsyncApexJob", self.job.id, Status="Processing", TotalJobItems=len(scopes))
            self._keep(instance)
            return scopes

    def _scopes(self, rt: Runtime, found: Any) -> Iterator[Callable[[Runtime], ApexList]]:
        size = self.job.scope
        if isinstance(found, Locator):
            ids = [row.values["Id"] for row in found.rows(rt)]
            for start in range(0, len(ids), size):
                yield _locator_scope(found, ids[start : start + size])
            return
        values = list(rt.globals["each_of"](found))
        element: Type = found.element if isinstance(found, ApexList) else ANY_RECORD
        for start in range(0, len(values), size):
            yield _iterable_scope(str(element), [snapshot(each) for each in values[start : start + size]])

    def _execute(self, scope: Callable[[Runtime], ApexList], number: int) -> bool:
        try:
            with self.opened(self.job) as rt:
                if _status(rt, self.job) == "Aborted":
                    return False
                instance = self._begin(rt, "execute")
                instance.call("execute", JobContext("Database.BatchableContext", self.job), scope(rt))
                change_row(rt, "AsyncApexJob", self.job.id, JobItemsProcessed=number)
                self._keep(instance)
        except (ApexException, Fatal) as error:
            self.first_error = self.first_error or error
            _note_failure(self.job, self.opened, error, status=None)
            with self.opened(self.job) as rt:
                change_row(rt, "AsyncApexJob", self.job.id, JobItemsProcessed=number)
        return True

    def _finish(self) -> None:
        try:
            with self.opened(self.job) as rt:
                if _status(rt, self.job) == "Aborted":
                    return
                instance = self._begin(rt, "finish")
                change_row(rt, "AsyncApexJob", self.job.id, Status="Completed", CompletedDate=rt.now())
                instance.call("finish", JobContext("Database.BatchableContext", self.job))
        except (ApexException, Fatal) as error:
            _note_failure(self.job, self.opened, error, status="Failed")
            raise


def _locator_scope(locator: Locator, ids: list[str]) -> Callable[[Runtime], ApexList]:
    """The rows of one scope as they are when its turn comes."""
    where = InList(FieldPath(("Id",), 0), (Bind("scope", 0),), negated=False, position=0)
    query = replace(locator.query, where=where, limit=None, offset=None)

    def read(rt: Runtime) -> ApexList:
        part = Locator(
            query, locator.kind, {**locator.binds, "scope": ids}, user_mode=locator.user_mode, sharing=locator.sharing
        )
        rows = list(part.rows(rt))
        return ApexList(Record(locator.kind), rows)

    return read


def _iterable_scope(element: str, values: list[Any]) -> Callable[[Runtime], ApexList]:
    def read(rt: Runtime) -> ApexList:
        return ApexList(rt.names.written(element) or ANY_RECORD, [restore(rt, each) for each in values])

    return read


def fire_next(transaction: Transaction, job: Job) -> bool:
    """Set a schedule to its next time as it fires; False where it is no more."""
    binds = {"t": job.trigger}
    text = "SELECT CronExpression, TimeZoneSidKey, NextFireTime, TimesTriggered FROM CronTrigger WHERE Id = :t"
    row = next(iter(transaction.query(text, binds=binds)), None)
    if row is None or job.trigger is None:
        return False
    following = Cron.parse(row["CronExpression"]).after(transaction.now(), ZoneInfo(row["TimeZoneSidKey"] or "UTC"))
    changes = {
        "Id": job.trigger,
        "PreviousFireTime": row["NextFireTime"],
        "NextFireTime": None if following is None else to_engine(following),
        "TimesTriggered": (row["TimesTriggered"] or 0) + 1,
        "State": "WAITING" if following is not None else "DELETED",
    }
    transaction.update("CronTrigger", [changes])
    return True
