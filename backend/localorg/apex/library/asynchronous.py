"""Jobs as programs ask for them: Queueable, Schedulable, Database.Batchable and the calls that start and stop them.

Apex Reference Guide: System Class, Database Class, Queueable, Schedulable and Batchable interfaces.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.library.database import DATABASE
from localorg.apex.library.system import SYSTEM
from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import apex_error

platform_type("Queueable", interface=True).demands("void execute(QueueableContext)")
platform_type("Schedulable", interface=True).demands("void execute(SchedulableContext)")
platform_type("Database.Batchable", parameters=("T",), interface=True).demands(
    "Iterable<T> start(Database.BatchableContext)",
    "void execute(Database.BatchableContext, List<T>)",
    "void finish(Database.BatchableContext)",
)
for _marker in ("Database.Stateful", "Database.AllowsCallouts", "Database.RaisesPlatformEvents"):
    platform_type(_marker, interface=True)

BATCH_CONTEXT = platform_type("Database.BatchableContext")
QUEUE_CONTEXT = platform_type("QueueableContext")
SCHEDULE_CONTEXT = platform_type("SchedulableContext")
BATCH_CONTEXT.method("Id getJobId()")(lambda context: context.job.id)
BATCH_CONTEXT.method("Id getChildJobId()")(lambda context: context.job.id)
QUEUE_CONTEXT.method("Id getJobId()")(lambda context: context.job.id)
SCHEDULE_CONTEXT.method("Id getTriggerId()")(lambda context: context.job.trigger)


@SYSTEM.static("Id enqueueJob(Queueable)", runtime=True)
def _enqueue(rt: Any, instance: Any) -> str:
    return rt.scheduling.enqueue(rt, instance)  # type: ignore[no-any-return]  # an id


@SYSTEM.static("Id enqueueJob(Queueable, Integer)", runtime=True)
def _enqueue_later(rt: Any, instance: Any, minutes: int) -> str:
    if not 0 <= minutes <= 10:
        raise apex_error("AsyncException", "Delay must be between 0 and 10 minutes")
    return _enqueue(rt, instance)


@SYSTEM.static("Id schedule(String, String, Schedulable)", runtime=True)
def _schedule(rt: Any, name: str, expression: str, instance: Any) -> str:
    return rt.scheduling.schedule(rt, name, expression, instance)  # type: ignore[no-any-return]  # an id


@SYSTEM.static("void abortJob(String)", runtime=True)
def _abort(rt: Any, job_id: str) -> None:
    rt.scheduling.abort(rt, job_id)


@DATABASE.static("Id executeBatch(Object)", runtime=True)
def _execute_batch(rt: Any, instance: Any, scope: int | None = None) -> str:
    return rt.scheduling.enqueue_batch(rt, instance, scope)  # type: ignore[no-any-return]  # an id


DATABASE.static("Id executeBatch(Object, Integer)", runtime=True)(_execute_batch)
