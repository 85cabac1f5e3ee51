"""Apex and flows for every org of a server: one engine an org, made when the org is opened, its jobs run behind it.

The wire side has places for what runs code (`localorg.http.engines`); this fills all of them.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localorg.access import Context
from localorg.apex import testruns
from localorg.apex.callouts import CalloutService
from localorg.apex.engine import Engine
from localorg.apex.runtime.services import Services
from localorg.calls import ActionOutcome
from localorg.flow import FlowEngine
from localorg.http.engines import AnonymousOutcome, Engines, TestRun
from localorg.http.server import Server
from localorg.http.serving import identity_of
from localorg.metadata import CodeProblem, Compilers
from localorg.metadata.xmltree import Node, to_xml
from localorg.org import Org, Transaction

__all__ = ["Runtimes"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Runtime:
    apex: Engine
    flow: FlowEngine


class Runtimes:
    """The engines of one server's orgs. Callouts trust the machine's certificates and the server's own."""

    def __init__(self, server: Server) -> None:
        self._of: dict[str, _Runtime] = {}
        self._trust = ssl.create_default_context()
        self._trust.load_verify_locations(identity_of(server).ca_file)

    @classmethod
    def install(cls, server: Server) -> Runtimes:
        """Run code in every org of a server that has opened none yet."""
        runtimes = cls(server)
        server.engines = runtimes.engines()
        server.registry.opened.append(runtimes._open)
        server.registry.closing.append(runtimes._close)
        server.registry.orgs()  # what was waiting or scheduled when the last server ended goes on
        return runtimes

    def engines(self) -> Engines:
        """Everything a server can ask."""
        return Engines(
            execute_anonymous=self._anonymous,
            run_tests=self._run_tests,
            run_tests_now=self._run_tests_now,
            deploy_tests=self._deploy_tests,
            compilers=Compilers(apex=self._compile, flow=self._check_flow),
            apex_rest=lambda org, context, call: self._runtime(org).apex.invoke_rest(context, call),
            apex_action=lambda org, context, name, inputs: self._runtime(org).apex.invoke_action(context, name, inputs),
            apex_actions=lambda org, context: {
                label: name for name, label in self._runtime(org).apex.actions(context).items()
            },
            flow_action=self._start_flow,
            aura=lambda org, context, name, method, given: self._runtime(org).apex.invoke_aura(
                context, name, method, given
            ),
        )

    def run_pending(self, org: Org) -> int:
        """Run the later paths and jobs that are due in an org, or wait for them to end; how many this call ran."""
        runtime = self._runtime(org)
        return runtime.flow.run_pending() + runtime.apex.run_pending_jobs()

    def apex_of(self, org: Org) -> Engine:
        """The engine of an open org."""
        return self._runtime(org).apex

    # ---- an org's life ------------------------------------------------------------------------------------------

    def _open(self, org: Org) -> None:
        apex = Engine(org, Services(callout=CalloutService(org, self._trust)))
        self._of[org.org_id] = _Runtime(apex, FlowEngine(org, apex))
        apex.start_background()
        self._of[org.org_id].flow.start_background()

    def _close(self, org: Org) -> None:
        runtime = self._of.pop(org.org_id, None)
        if runtime is not None:
            runtime.flow.stop_background()
            runtime.apex.stop_background()

    def _runtime(self, org: Org) -> _Runtime:
        return self._of[org.org_id]

    # ---- deployments --------------------------------------------------------------------------------------------

    def _compile(self, transaction: Transaction, namespace: str, _: Sequence[str]) -> list[CodeProblem]:
        prefix = f"{namespace}__" if namespace else ""
        found = self._runtime(transaction.org).apex.compile(transaction, namespace or None)
        return [CodeProblem(prefix + each.class_name, each.message, each.line, each.column) for each in found]

    def _check_flow(self, transaction: Transaction, namespace: str, name: str, root: Node) -> list[CodeProblem]:
        found = self._runtime(transaction.org).flow.check(transaction, namespace or None, name, to_xml(root))
        return [CodeProblem(name, each.message, each.line) for each in found]

    def _deploy_tests(self, transaction: Transaction, names: Sequence[str], level: str) -> Json:
        wanted = list(names) if level == "RunSpecifiedTests" else None
        report = self._runtime(transaction.org).apex.run_tests_within(transaction, wanted)
        return testruns.document(report, testruns.class_ids(transaction, transaction.org.namespace))

    # ---- calls --------------------------------------------------------------------------------------------------

    def _anonymous(self, org: Org, context: Context, source: str) -> AnonymousOutcome:
        outcome = self._runtime(org).apex.execute_anonymous(context, source)
        problem = outcome.problem
        return AnonymousOutcome(
            compiled=problem is None,
            success=outcome.success,
            compile_problem=None if problem is None else problem.message,
            exception_message=outcome.exception,
            exception_stack_trace=outcome.stack,
            line=-1 if problem is None else problem.line,
            column=-1 if problem is None else problem.column,
            log="\n".join(each.text for each in outcome.debug),
        )

    def _run_tests(self, org: Org, context: Context, run: TestRun) -> str:
        names = list(run.classes) or None
        return testruns.start_run(self._runtime(org).apex, context, names, run.methods)

    def _run_tests_now(self, org: Org, context: Context, run: TestRun) -> Json:
        report = self._runtime(org).apex.run_tests(context, list(run.classes) or None, run.methods)
        with org.snapshot(context) as transaction:
            return testruns.document(report, testruns.class_ids(transaction, org.namespace))

    def _start_flow(self, org: Org, context: Context, name: str, inputs: Sequence[Json]) -> list[ActionOutcome]:
        found = self._runtime(org).flow.start(context, name, inputs)
        return [
            ActionOutcome(each.success, each.outputs, () if each.error is None else ({"message": each.error},))
            for each in found
        ]
