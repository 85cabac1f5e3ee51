"""Jobs of one org in the background: taken one after another from where transactions have left them.

A job is kept as a setting of the org until it has run, a schedule until it is aborted, so a restart loses none; one
that was in the middle when the process ended has failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from typing import Protocol

from localorg.access import Context
from localorg.apex.faults import CompileError
from localorg.apex.runtime import jobs
from localorg.apex.runtime.jobs import Job
from localorg.apex.runtime.transaction import Runtime
from localorg.apex.values.exceptions import ApexException, Fatal
from localorg.errors import OrgError
from localorg.org import Org, Transaction
from localorg.worker import Worker

__all__ = ["Background", "keep_jobs"]

_JOB_KEY = "apex.job."


class Host(Protocol):
    """Whose jobs these are."""

    org: Org

    def opened(
        self, context: Context, namespace: str | None, kind: str, *, asynchronous: bool = False
    ) -> AbstractContextManager[Runtime]:
        """A transaction of Apex."""


def keep_jobs(rt: Runtime) -> None:
    """Store with a transaction the jobs its program has asked for."""
    for job in rt.jobs:
        rt.transaction.put_setting(_JOB_KEY + job.id, asdict(job))


class Background:
    """One org's thread of jobs."""

    def __init__(self, engine: Host) -> None:
        self.engine = engine
        self._worker = Worker(f"apex-{engine.org.alias}", self._step)
        self.wake = self._worker.wake
        self.stop = self._worker.stop
        self.run_due = self._worker.run_due

    def start(self) -> None:
        """Begin; what an earlier process left half done has failed."""
        if not self._worker.started:
            self._fail_interrupted()
            self._worker.start()

    def _step(self) -> bool:
        job = self._next()
        if job is not None:
            self._run(job)
        return job is not None

    def _platform(self) -> Context:
        return self.engine.org.admin_context().as_platform()

    def _next(self) -> Job | None:
        """The oldest job that is due: queued, or scheduled for now or earlier."""
        with self.engine.org.snapshot(self._platform()) as transaction:
            waiting = transaction.settings_under(_JOB_KEY)
            for document in waiting.values():
                job = Job(**document)
                if job.trigger is None or self._is_due(transaction, job.trigger):
                    return job
        return None

    def _is_due(self, transaction: Transaction, trigger: str) -> bool:
        rows = transaction.query("SELECT NextFireTime, State FROM CronTrigger WHERE Id = :t", binds={"t": trigger})
        row = next(iter(rows), None)
        if row is None:
            return True  # aborted: running it finds that out and forgets it
        return row["NextFireTime"] is not None and jobs.moment_of(row["NextFireTime"]) <= transaction.now()

    def _run(self, job: Job) -> None:
        try:
            if job.trigger is None or self._fire(job):
                jobs.run_job(job, self._opener)
        except (ApexException, Fatal, RecursionError, OrgError, CompileError):
            pass  # its AsyncApexJob row says so; the next job has nothing to do with it
        finally:
            if job.trigger is None:
                self._forget(job)

    def _fire(self, job: Job) -> bool:
        """Move a schedule on to its next time; False where it was aborted meanwhile."""
        with self.engine.org.transaction(self._platform()) as transaction:
            if jobs.fire_next(transaction, job):
                return True
        self._forget(job)
        return False

    def _forget(self, job: Job) -> None:
        with self.engine.org.transaction(self._platform()) as transaction:
            transaction.put_setting(_JOB_KEY + job.id, None)

    @contextmanager
    def _opener(self, job: Job) -> Iterator[Runtime]:
        context = self.engine.org.context_for(job.user_id)
        with self.engine.opened(context, job.namespace, job.kind, asynchronous=True) as rt:
            rt.job_id = job.id
            yield rt

    def _fail_interrupted(self) -> None:
        with self.engine.org.transaction(self._platform()) as transaction:
            text = "SELECT Id FROM AsyncApexJob WHERE Status IN ('Processing', 'Preparing')"
            for row in list(transaction.query(text)):
                values = {
                    "Id": row["Id"],
                    "Status": "Failed",
                    "ExtendedStatus": "The org was stopped while the job ran",
                }
                transaction.update("AsyncApexJob", [values])
                transaction.put_setting(_JOB_KEY + row["Id"], None)
