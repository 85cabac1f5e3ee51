"""Where Apex meets the wire: anonymous blocks, test runs, Apex REST, invocable actions, @AuraEnabled methods.

All of it runs in an engine of `engines`, if there is one. Without, each answers with a failure that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from localorg.access import Context
from localorg.calls import ActionOutcome, RestCall
from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Json, Route
from localorg.http.engines import TestRun
from localorg.http.rest import V
from localorg.http.server import Server
from localorg.org import Org

__all__ = ["NOT_RUN", "ROUTES", "run_anonymous"]

NOT_RUN = "Apex is not executed by this local org: no Apex engine is installed"
_MOST_INPUTS = 200
# CumulusCI's first step of every deployment. Where nothing is scheduled it has nothing to do, which takes no engine.
_UNSCHEDULE = "for(CronTriggert:[SELECTIdFROMCronTrigger]){System.abortJob(t.Id);}"


def run_anonymous(server: Server, org: Org, context: Context, source: str) -> Json:
    """Run a block; the document has the platform's names and order."""
    engine = server.engines.execute_anonymous
    if engine is None:
        done = "".join(source.split()) == _UNSCHEDULE and _no_jobs(org)
        return {
            "line": -1,
            "column": -1,
            "compiled": done,
            "success": done,
            "compileProblem": None if done else NOT_RUN,
            "exceptionStackTrace": None,
            "exceptionMessage": None,
        }
    outcome = engine(org, context, source)
    return {
        "line": outcome.line,
        "column": outcome.column,
        "compiled": outcome.compiled,
        "success": outcome.success,
        "compileProblem": outcome.compile_problem,
        "exceptionStackTrace": outcome.exception_stack_trace,
        "exceptionMessage": outcome.exception_message,
    }


def _no_jobs(org: Org) -> bool:
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        return transaction.query("SELECT COUNT() FROM CronTrigger").total_size == 0


def _anonymous(call: Call) -> Response:
    if "AuthorApex" not in call.org.rights(call.context.user_id).permissions:
        raise OrgError("INSUFFICIENT_ACCESS", "insufficient access rights on entity: ExecuteAnonymous", status=403)
    source = call.query.get("anonymousBody") or call.body.form().get("anonymousBody", "")
    return json_answer(run_anonymous(call.server, call.org, call.context, source))


def _run_tests(call: Call) -> Response:
    engine = call.server.engines.run_tests
    if engine is None:
        raise OrgError("UNKNOWN_EXCEPTION", NOT_RUN, status=500)
    return json_answer(engine(call.org, call.context, _tests_asked(call)))


def _run_tests_now(call: Call) -> Response:
    engine = call.server.engines.run_tests_now
    if engine is None:
        raise OrgError("UNKNOWN_EXCEPTION", NOT_RUN, status=500)
    return json_answer(engine(call.org, call.context, _tests_asked(call)))


def _tests_asked(call: Call) -> TestRun:
    asked: Mapping[str, Any] = call.query if call.method == "GET" else call.body.object()
    tests = asked.get("tests") or []
    names = [name for name in str(asked.get("classNames") or asked.get("classnames") or "").split(",") if name]
    names += _class_names(call, str(asked.get("classids") or asked.get("classIds") or ""))
    methods: dict[str, Sequence[str]] = {}
    for test in tests if isinstance(tests, list) else []:
        name = str(test.get("className") or "")
        if not name:
            names += _class_names(call, str(test.get("classId", "")))
            name = names[-1] if names else ""
        elif name not in names:
            names.append(name)
        if test.get("testMethods"):
            methods[name] = [str(method) for method in test["testMethods"]]
    return TestRun(
        tuple(dict.fromkeys(names)),
        methods,
        str(asked.get("testLevel") or "RunSpecifiedTests"),
        int(asked.get("maxFailedTests", -1)),
    )


def _class_names(call: Call, ids: str) -> list[str]:
    wanted = [each for each in ids.split(",") if each]
    if not wanted:
        return []
    with call.transaction() as transaction:
        rows = transaction.query("SELECT Id, Name FROM ApexClass WHERE Id IN :ids", binds={"ids": wanted})
        return [str(row["Name"]) for row in rows]


def _apex_rest(call: Call) -> Response:
    engine = call.server.engines.apex_rest
    if engine is None:
        raise OrgError("UNKNOWN_EXCEPTION", NOT_RUN, status=500)
    path = "/" + call.params["path"]
    answer = engine(
        call.org,
        call.context,
        RestCall(call.method, path, call.query, call.headers, call.body.bytes()),
    )
    headers = {"Content-Type": "application/json;charset=UTF-8", **answer.headers}
    return Response(answer.body, answer.status, headers)


def _apex_actions(call: Call) -> Response:
    engine = call.server.engines.apex_actions
    names = {} if engine is None else engine(call.org, call.context)
    base = f"/services/data/v{call.version}/actions/custom/apex"
    return json_answer(
        {"actions": [{"label": k, "name": v, "type": "APEX", "url": f"{base}/{v}"} for k, v in names.items()]}
    )


def _apex_action(call: Call) -> Response:
    engine = call.server.engines.apex_action
    if engine is None:
        raise OrgError("UNKNOWN_EXCEPTION", NOT_RUN, status=500)
    name = call.params["name"]
    return _outcomes(name, engine(call.org, call.context, name, _inputs(call)))


def _flow_action(call: Call) -> Response:
    engine = call.server.engines.flow_action
    if engine is None:
        message = "Flows are not executed by this local org: no flow engine is installed"
        raise OrgError("UNKNOWN_EXCEPTION", message, status=500)
    name = call.params["name"]
    return _outcomes(name, engine(call.org, call.context, name, _inputs(call)))


def _inputs(call: Call) -> list[Json]:
    inputs = call.body.object().get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise OrgError("INVALID_API_INPUT", "The request needs a list of inputs")
    if len(inputs) > _MOST_INPUTS:
        raise OrgError("INVALID_API_INPUT", f"At most {_MOST_INPUTS} inputs a request")
    return inputs


def _outcomes(name: str, outcomes: Sequence[ActionOutcome]) -> Response:
    documents = [
        {
            "actionName": name,
            "errors": list(outcome.errors) or None,
            "invocationId": None,
            "isSuccess": outcome.success,
            "outcome": None,
            "outputValues": dict(outcome.outputs) if outcome.success else None,
            "sortOrder": -1,
            "version": 1,
        }
        for outcome in outcomes
    ]
    return json_answer(documents, 200 if all(outcome.success for outcome in outcomes) else 400)


def _aura(call: Call) -> Response:
    engine = call.server.engines.aura
    if engine is None:
        raise OrgError("UNKNOWN_EXCEPTION", NOT_RUN, status=500)
    text = call.body.text()
    parameters = call.body.object() if text.strip() else {}
    return json_answer(engine(call.org, call.context, call.params["class"], call.params["method"], parameters))


ROUTES = (
    Route("GET|POST", V + "/tooling/executeAnonymous", _anonymous),
    Route("GET|POST", V + "/tooling/runTestsAsynchronous", _run_tests),
    Route("GET|POST", V + "/tooling/runTestsSynchronous", _run_tests_now),
    Route("GET|POST|PUT|PATCH|DELETE", "/services/apexrest/{path:path}", _apex_rest),
    Route("GET", V + "/actions/custom/apex", _apex_actions),
    Route("POST", V + "/actions/custom/apex/{name}", _apex_action),
    Route("POST", V + "/actions/custom/flow/{name}", _flow_action),
    Route("POST", "/_local/aura/{class}/{method}", _aura),
)
