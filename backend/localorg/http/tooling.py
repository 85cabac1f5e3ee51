"""Tooling API: queries over setup objects, their describe documents and single rows."""

from __future__ import annotations

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.http.query import answer_query
from localorg.http.rest import ROUTES as REST_ROUTES
from localorg.http.rest import V

__all__ = ["ROUTES"]

_T = V + "/tooling"


def _query(call: Call) -> Response:
    soql = call.query.get("q", "")
    if not soql:
        raise OrgError("MALFORMED_QUERY", "A query must be specified in the q parameter")
    answer = answer_query(call, soql)
    records = answer["records"]
    return json_answer(
        {
            "size": len(records),
            "totalSize": answer["totalSize"],
            "done": answer["done"],
            "queryLocator": None,
            **({"nextRecordsUrl": answer["nextRecordsUrl"]} if "nextRecordsUrl" in answer else {}),
            "entityTypeName": records[0]["attributes"]["type"] if records else None,
            "records": records,
        }
    )


def _source_tracking(call: Call) -> Response:
    """Only scratch orgs track source: elsewhere tools take this 404 for "no"."""
    entry = call.server.registry.entry(call.org.org_id)
    if entry is None or not entry.hub:
        raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
    with call.transaction() as transaction:
        return json_answer(transaction.describe("SourceMember", call.version))


def _resources(call: Call) -> Response:
    base = f"/services/data/v{call.version}/tooling"
    names = ("query", "sobjects", "executeAnonymous", "runTestsAsynchronous", "runTestsSynchronous")
    return json_answer({name: f"{base}/{name}" for name in names})


# Rows of setup objects are rows like any other; only the path is longer.
_ROWS = tuple(
    Route(route.methods, route.pattern.replace(V, _T, 1), route.handler)
    for route in REST_ROUTES
    if route.pattern.startswith(V + "/sobjects")
)

ROUTES = (
    Route("GET", _T, _resources),
    Route("GET", _T + "/query", _query),
    Route("GET", _T + "/sobjects/SourceMember/describe", _source_tracking),
    *_ROWS,
)
