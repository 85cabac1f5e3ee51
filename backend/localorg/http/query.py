"""SOQL over REST: query, queryAll, their pages, `columns=true`, and a search that is refused.

A cursor is a row of the server's file (query, user, page size) and, while its caller pages on without a pause,
an open result. After a restart, or when a page is asked for again, the query is run anew up to that page: no
page is ever held in memory beyond its answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Json, Route
from localorg.http.cursors import Cursor
from localorg.http.faults import Kind
from localorg.http.jobs import fresh_id
from localorg.http.records_json import record_document
from localorg.http.rest import V
from localorg.soql import Column, Query, Record, ResultSet, parse
from localorg.soql.ast import FieldPath, SelectItem, SubQuery

__all__ = ["ROUTES", "answer_query"]

_PREFIX = "01g"


def _query(call: Call) -> Response:
    return _answer(call, deleted=False)


def _query_all(call: Call) -> Response:
    return _answer(call, deleted=True)


def _answer(call: Call, *, deleted: bool) -> Response:
    soql = call.query.get("q", "")
    if not soql and call.query.get("explain"):
        raise OrgError("NOT_FOUND", "Query plans are not given by a local org", status=404)
    if not soql:
        raise OrgError("MALFORMED_QUERY", "A query must be specified in the q parameter")
    if call.query.get("columns", "").lower() == "true":
        return json_answer(_columns(call, soql))
    return json_answer(answer_query(call, soql, deleted=deleted))


def answer_query(call: Call, soql: str, *, deleted: bool = False) -> Json:
    """Run a query and answer its first page."""
    query, shown = _with_id(parse(soql))
    with call.transaction() as transaction:
        result = transaction.query(query, include_deleted=deleted)
        if result.compiled.count_only:
            return {"totalSize": result.total_size, "done": True, "records": []}
        page = _page_size(call)
        records = result.take(page + 1)
        if len(records) <= page:
            documents = [_document(record, call.version, shown) for record in records]
            return {"totalSize": len(documents), "done": True, "records": documents}
        cursor = Cursor(
            fresh_id(_PREFIX), call.org.org_id, call.context.user_id, soql, deleted, result.total_size, page
        )
        result.close()
    call.server.cursors.add(cursor, call.server.clock.now().timestamp())
    return _page(call, cursor, 0)


def _more(call: Call) -> Response:
    cursor_id, _, at = call.params["locator"].rpartition("-")
    lost = call.server.faults.take(
        frozenset({Kind.LOSE_LOCATOR}), org=call.org.alias, method=call.method, path=call.path
    )
    cursor = call.server.cursors.get(
        cursor_id, call.org.org_id, call.context.user_id, call.server.clock.now().timestamp()
    )
    if lost is not None or cursor is None or not at.isdecimal() or int(at) > cursor.total:
        raise OrgError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return json_answer(_page(call, cursor, int(at)))


def _page(call: Call, cursor: Cursor, at: int) -> Json:
    query, shown = _with_id(parse(cursor.soql))
    result = call.server.cursors.take(cursor.id, at)
    if result is None:
        with call.transaction() as transaction:
            result = transaction.query(query, include_deleted=cursor.deleted)
            _skip(result, at)
    records = [_document(record, call.version, shown) for record in result.take(cursor.page)]
    following = at + len(records)
    done = following >= cursor.total or not records
    document: Json = {"totalSize": cursor.total, "done": done}
    if done:
        result.close()
    else:
        call.server.cursors.keep(cursor.id, following, result)
        document["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{cursor.id}-{following}"
    document["records"] = records
    return document


def _with_id(query: Query) -> tuple[Query, bool]:
    """The query with Id selected, since every record names its own address; and whether the caller asked for it."""
    paths = [item.item for item in query.select if isinstance(item.item, FieldPath)]
    plain = not query.group_by and all(isinstance(item.item, FieldPath | SubQuery) for item in query.select)
    if not plain or any(path.parts[-1].lower() == "id" and len(path.parts) <= 2 for path in paths):
        return query, True
    return replace(query, select=(*query.select, SelectItem(FieldPath(("Id",), 0)))), False


def _document(record: Record, version: str, shows_id: bool) -> Json:
    document = record_document(record, version)
    if not shows_id:
        del document["Id"]
    return document


def _skip(result: ResultSet, count: int) -> None:
    while count > 0:
        taken = len(result.take(min(count, 1000)))
        if not taken:
            return
        count -= taken


def _page_size(call: Call) -> int:
    for part in call.headers.get("sforce-query-options", "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "batchsize" and value.strip().isdecimal():
            return min(max(int(value), 200), 2000)
    return 2000


def _columns(call: Call, soql: str) -> Json:
    with call.transaction() as transaction:
        result = transaction.query(parse(soql))
        compiled = result.compiled
        shown = [_column(column) for column in result.columns]
        shown += [
            {
                **_described("reference", plan.relationship, custom=plan.relationship.endswith("__r")),
                "joinColumns": [_column(column) for column in plan.compiled.columns],
            }
            for plan in compiled.children
        ]
        result.close()
    return {
        "columnMetadata": _grouped(shown),
        "entityName": compiled.sobject.api_name,
        "groupBy": compiled.aggregate,
        "idSelected": any(column.path == ("Id",) for column in compiled.columns),
        "keyPrefix": compiled.sobject.key_prefix,
    }


def _column(column: Column) -> Json:
    *parents, name = column.path
    described = _described(column.type.value, name, custom=name.endswith("__c"), aggregate=column.function is not None)
    for parent in reversed(parents):
        described = {**_described("reference", parent, custom=parent.endswith("__r")), "joinColumns": [described]}
    return described


def _described(kind: str, name: str, *, custom: bool, aggregate: bool = False) -> Json:
    number = kind in ("currency", "double", "int", "percent")
    return {
        "aggregate": aggregate,
        "apexType": kind.capitalize(),
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": custom,
        "displayName": name,
        "foreignKeyName": None,
        "insertable": not aggregate,
        "joinColumns": [],
        "numberType": number,
        "textType": not number and kind != "boolean",
        "updatable": not aggregate,
    }


def _grouped(columns: list[Json]) -> list[Json]:
    """Columns of one parent under one entry."""
    merged: dict[str, Any] = {}
    for column in columns:
        held = merged.get(column["columnName"])
        if held is not None and held["joinColumns"] and column["joinColumns"]:
            held["joinColumns"] = _grouped([*held["joinColumns"], *column["joinColumns"]])
        else:
            merged[column["columnName"]] = column
    return list(merged.values())


def _search(_: Call) -> Response:
    raise OrgError("MALFORMED_SEARCH", "SOSL is not supported by a local org; use a query")


ROUTES = (
    Route("GET", V + "/query", _query),
    Route("GET", V + "/queryAll", _query_all),
    Route("GET", V + "/query/{locator}", _more),
    Route("GET", V + "/queryAll/{locator}", _more),
    Route("GET|POST", V + "/search", _search),
    Route("GET|POST", V + "/parameterizedSearch", _search),
)
