"""The flows of one org: found among its metadata, started by saved records or by name.

A record-triggered flow's immediate path runs inside the transaction that saved the record; a failure there refuses the
record. Its AsyncAfterCommit path is kept with the transaction and runs after it, in one of its own.
"""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from localorg.access import Context
from localorg.apex.engine import Engine
from localorg.apex.entries import call_action
from localorg.apex.faults import CompileError
from localorg.apex.values.exceptions import ApexException, Fatal
from localorg.errors import OrgError
from localorg.flow.definition import Action, Flow, FlowProblem, Subflow, Trigger
from localorg.flow.interview import FlowFault, Interview, conditions_hold, resolve_plain, run_interviews
from localorg.flow.reader import read_flow
from localorg.org import Org, Transaction
from localorg.records import Operation, RowError, RowsRefused, SavedBatch
from localorg.schema import FieldType, SObjectType
from localorg.worker import Worker

__all__ = ["FlowEngine", "FlowOutcome"]

_STORED = "component:Flow:"
_JOB_KEY = "flow.job."
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class FlowOutcome:
    """One interview started by name: its output variables, or why it failed."""

    success: bool
    outputs: Mapping[str, Any]
    error: str | None = None


class FlowEngine:
    """Flows for one org. Safe to use from many threads.

    apex: runs the actions flows call.
    """

    def __init__(self, org: Org, apex: Engine) -> None:
        self.org = org
        self.apex = apex
        self._read: dict[tuple[str, str], Flow] = {}
        self._counter = itertools.count()
        self._depth = threading.local()
        self._worker = Worker(f"flow-{org.alias}", self._step)
        org.saved_hooks.append(self._saved)
        org.committed_hooks.append(lambda _org, _batches: self._worker.wake())

    # ---- definitions --------------------------------------------------------------------------------------------

    def check(self, transaction: Transaction, namespace: str | None, name: str, text: bytes | str) -> list[FlowProblem]:
        """What is wrong with a flow that is being deployed, its references to other flows and classes included."""
        plain = name.removeprefix(f"{namespace}__") if namespace else name
        try:
            flow = read_flow(text, plain, namespace)
        except FlowProblem as problem:
            return [problem]
        return list(self._missing(transaction, flow))

    def _missing(self, transaction: Transaction, flow: Flow) -> Iterator[FlowProblem]:
        if flow.trigger is not None:
            object_ = transaction.schema.get(flow.trigger.object, within=flow.namespace)
            if object_ is None:
                yield FlowProblem(f"There is no object {flow.trigger.object}")
            else:
                for each in flow.trigger.filters:
                    if transaction.schema.field_of(object_, each.left, within=flow.namespace) is None:
                        yield FlowProblem(f"The field {each.left} on the object {object_.api_name} does not exist")
        known = set(self.flows(transaction))
        for element in flow.elements.values():
            if isinstance(element, Subflow) and not known & {*_names(element.flow, flow.namespace)}:
                yield FlowProblem(f"{element.name}: there is no flow {element.flow}")
            if isinstance(element, Action):
                yield from self._missing_action(transaction, element, flow.namespace)

    def _missing_action(
        self, transaction: Transaction, element: Action, namespace: str | None
    ) -> Iterator[FlowProblem]:
        try:
            self._invocable(transaction, element.class_name, namespace)
        except OrgError as missing:
            yield FlowProblem(f"{element.name}: {missing.message}")

    def _invocable(self, transaction: Transaction, name: str, namespace: str | None) -> Any:
        try:
            return self.apex.invocable(transaction, name)
        except OrgError:
            if namespace is None:
                raise
            return self.apex.invocable(transaction, f"{namespace}__{name}")

    def flows(self, transaction: Transaction) -> dict[str, Flow]:
        """Active flows by full name, as the transaction sees them; one that cannot be read is left out."""
        found: dict[str, Flow] = {}
        for key, document in transaction.settings_under(_STORED).items():
            name, content = key.removeprefix(_STORED), document["content"]
            flow = self._read.get((name, content))
            if flow is None:
                namespace = document.get("namespace") or None
                plain = name.removeprefix(f"{namespace}__") if namespace else name
                try:
                    flow = read_flow(base64.b64decode(content), plain, namespace)
                except FlowProblem:
                    continue  # its deployment was told
                self._read[name, content] = flow
            if flow.active:
                found[name] = flow
        return found

    # ---- saved records ------------------------------------------------------------------------------------------

    def _saved(self, transaction: Transaction, batch: SavedBatch) -> None:
        if batch.operation not in (Operation.INSERT, Operation.UPDATE):
            return
        flows = [each for each in self.flows(transaction).items() if self._is_triggered(transaction, each[1], batch)]
        if not flows:
            return
        rows = _shown(batch)
        for name, flow in flows:
            trigger = flow.trigger
            assert trigger is not None  # noqa: S101 - _is_triggered has looked
            fitting = [row for row in rows if _fits(trigger, *row)]
            if fitting and trigger.later is not None:
                key = f"{_JOB_KEY}{time.time_ns():020d}.{next(self._counter):06d}"
                ids = [new["Id"] for new, _ in fitting]
                transaction.put_setting(key, {"flow": name, "user": transaction.context.user_id, "ids": ids})
            if fitting and trigger.now is not None:
                self._run_now(transaction, flow, trigger.now, fitting)

    @staticmethod
    def _is_triggered(transaction: Transaction, flow: Flow, batch: SavedBatch) -> bool:
        trigger = flow.trigger
        if trigger is None:
            return False
        wanted = trigger.on_create if batch.operation is Operation.INSERT else trigger.on_update
        object_ = transaction.schema.get(trigger.object, within=flow.namespace)
        return wanted and object_ is not None and object_.api_name == batch.sobject.api_name

    def _run_now(
        self,
        transaction: Transaction,
        flow: Flow,
        first: str,
        rows: Sequence[tuple[dict[str, Any], dict[str, Any] | None]],
    ) -> None:
        depth = getattr(self._depth, "value", 0)
        if depth >= _DEEPEST:
            raise RowsRefused(
                {new["Id"]: RowError("CANNOT_EXECUTE_FLOW_TRIGGER", "Maximum flow depth exceeded") for new, _ in rows}
            )
        self._depth.value = depth + 1
        try:
            interviews = [Interview.of(flow, {}, record=new, prior=old) for new, old in rows]
            run_interviews(self._world(transaction), interviews, first)
        except FlowFault as fault:
            message = f'We can\'t save this record because the "{flow.name}" process failed. {fault}'
            errors = {new["Id"]: RowError("CANNOT_EXECUTE_FLOW_TRIGGER", message) for new, _ in rows}
            raise RowsRefused(errors) from fault
        finally:
            self._depth.value = depth

    def _world(self, transaction: Transaction, mode: str = "SystemModeWithoutSharing") -> _World:
        context = transaction.context
        if mode in ("", "DefaultMode"):
            context = context.in_user_mode()
        else:
            context = context.in_system_mode(sharing=mode == "SystemModeWithSharing")
        return _World(self, transaction.acting_as(context), transaction)

    # ---- by name ------------------------------------------------------------------------------------------------

    def start(self, context: Context, name: str, inputs: Sequence[Mapping[str, Any]]) -> list[FlowOutcome]:
        """Run an autolaunched flow once for each set of inputs. Raises OrgError NOT_FOUND."""
        try:
            with self.org.transaction(context) as transaction:
                flow = self.flows(transaction).get(name)
                if flow is None or flow.trigger is not None or flow.process != "AutoLaunchedFlow":
                    raise OrgError("NOT_FOUND", f"The requested resource does not exist: {name}", status=404)
                interviews = [Interview.of(flow, each) for each in inputs]
                run_interviews(self._world(transaction, flow.mode), interviews, flow.first)
                return [FlowOutcome(True, each.outputs) for each in interviews]
        except FlowFault as fault:
            return [FlowOutcome(False, {}, str(fault)) for _ in inputs]

    # ---- later paths --------------------------------------------------------------------------------------------

    def start_background(self) -> None:
        """Run later paths as they come, in a thread of their own."""
        self._worker.start()

    def stop_background(self) -> None:
        """End the thread when its present path is done."""
        self._worker.stop()

    def run_pending(self) -> int:
        """Run every later path that is waiting; how many runs there were."""
        return self._worker.run_due()

    def _step(self) -> bool:
        key, job = self._next()
        if job is None:
            return False
        self._run_later(job)
        with self.org.transaction(self.org.admin_context().as_platform()) as transaction:
            transaction.put_setting(key, None)
        return True

    def _next(self) -> tuple[str, dict[str, Any] | None]:
        with self.org.snapshot(self.org.admin_context().as_platform()) as transaction:
            return next(iter(sorted(transaction.settings_under(_JOB_KEY).items())), ("", None))

    def _run_later(self, job: Mapping[str, Any]) -> None:
        """One run for all records of one save. What fails is the flow's own affair: the records are committed."""
        try:
            context = self.org.context_for(job["user"])
            with self.org.transaction(context) as transaction:
                flow = self.flows(transaction).get(job["flow"])
                if flow is None or flow.trigger is None or flow.trigger.later is None:
                    return
                world = self._world(transaction)
                rows = _fresh(world.transaction, flow.trigger.object, flow.namespace, job["ids"])
                interviews = [Interview.of(flow, {}, record=row) for row in rows]
                run_interviews(world, interviews, flow.trigger.later)
        except (FlowFault, OrgError):
            return


def _names(name: str, namespace: str | None) -> tuple[str, ...]:
    return (name,) if namespace is None else (f"{namespace}__{name}", name)


def _shown(batch: SavedBatch) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """New and old values as a flow sees them: checkboxes are booleans."""
    old: Sequence[Mapping[str, Any] | None] = batch.old or [None] * len(batch.new)
    booleans = [each.api_name for each in batch.sobject if each.type is FieldType.BOOLEAN]
    return [
        (_with(new, booleans), None if was is None else _with(was, booleans))
        for new, was in zip(batch.new, old, strict=True)
    ]


def _with(row: Mapping[str, Any], booleans: Sequence[str]) -> dict[str, Any]:
    return {**row, **{name: bool(row[name]) for name in booleans if row.get(name) is not None}}


def _fits(trigger: Trigger, new: dict[str, Any], old: dict[str, Any] | None) -> bool:
    """Whether a saved row meets the entry conditions, and where it matters did not before."""

    def holds(row: dict[str, Any]) -> bool:
        return conditions_hold(
            trigger.filters,
            trigger.any_of,
            lambda name: _named(row, name),
            resolve_plain,
            lambda name: old is None or _named(new, name) != _named(old, name),
        )

    return holds(new) and not (trigger.became and old is not None and holds(old))


def _named(row: Mapping[str, Any], name: str) -> Any:
    """A field in any case, with or without a namespace."""
    lowered = name.lower()
    return next((v for k, v in row.items() if k.lower() == lowered or k.lower().endswith(f"__{lowered}")), None)


def _fresh(transaction: Transaction, name: str, namespace: str | None, ids: Sequence[str]) -> list[dict[str, Any]]:
    object_: SObjectType = transaction.schema.object(name, within=namespace)
    names = ", ".join(each.api_name for each in object_.fields if not each.type.is_compound)
    text = f"SELECT {names} FROM {object_.api_name} WHERE Id IN :ids"  # noqa: S608 - names of the schema
    return [dict(row) for row in transaction.query(text, binds={"ids": list(ids)})]


class _World:
    """What the interviews of one transaction reach."""

    def __init__(self, engine: FlowEngine, transaction: Transaction, outer: Transaction) -> None:
        self.engine = engine
        self.transaction = transaction
        self.outer = outer

    def flow(self, name: str, namespace: str | None) -> Flow:
        """A flow by name, in its own namespace first."""
        flows = self.engine.flows(self.transaction)
        for each in _names(name, namespace):
            if each in flows:
                return flows[each]
        raise FlowProblem(f"There is no active flow {name}")

    def act(
        self, class_name: str, namespace: str | None, inputs: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """An @InvocableMethod inside this transaction."""
        space, info, method = self.engine._invocable(self.outer, class_name, namespace)
        with self._runtime(space) as rt:
            results = call_action(rt, info, method, [_without_null(each) for each in inputs])
        return [each.outputs for each in results]

    @contextmanager
    def _runtime(self, namespace: str | None) -> Iterator[Any]:
        try:
            with self.engine.apex.joined(self.outer, namespace, "action") as rt:
                yield rt
        except (ApexException, Fatal, CompileError) as error:
            raise FlowFault(f"An Apex error occurred: {error}") from error

    def label(self, name: str) -> str | None:
        """A custom label."""
        return self.engine.apex.services.labels(self.transaction).get(name.lower())


def _without_null(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
