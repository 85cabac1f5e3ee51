"""Composite resources: several requests in one call, collections of records, trees.

Subrequests go through the same routes as the caller's own requests; with `allOrNone` they share one
transaction, and the first refusal undoes them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Body, Call, Json, Route
from localorg.http.records_json import record_document
from localorg.http.rest import V, sobject_of
from localorg.http.rows import Operation, save_document, save_rows
from localorg.org import Transaction
from localorg.records import SaveResult

__all__ = ["ROUTES"]

_MOST_REQUESTS = 25
_MOST_RECORDS = 200
_REFERENCE = re.compile(r"@\{([^}]+)\}")


class _Undo(Exception):
    """Leaves a composite's transaction so that it rolls back."""


def _undo_if(failed: bool) -> None:
    if failed:
        raise _Undo


def _composite(call: Call) -> Response:
    asked = call.body.object()
    requests = asked.get("compositeRequest")
    if not isinstance(requests, list) or not 0 < len(requests) <= _MOST_REQUESTS:
        raise OrgError("BAD_REQUEST", f"compositeRequest must have 1 to {_MOST_REQUESTS} requests")
    names = [request.get("referenceId") for request in requests]
    if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
        raise OrgError("BAD_REQUEST", "Each request needs a referenceId of its own")
    return json_answer({"compositeResponse": _in_turn(call, requests, all_or_none=bool(asked.get("allOrNone")))})


def _in_turn(call: Call, requests: Sequence[Json], *, all_or_none: bool) -> list[Json]:
    answers: list[Json] = []
    known: dict[str, Any] = {}
    failed: set[str] = set()
    try:
        with ExitStack() as stack:
            within: Transaction | None = None
            if all_or_none:
                within = stack.enter_context(call.transaction())
            for request in requests:
                answer = _subrequest(call, request, known, failed, within)
                answers.append(answer)
                if answer["httpStatusCode"] >= 400:
                    failed.add(request["referenceId"])
                    _undo_if(all_or_none)
                known[request["referenceId"]] = answer["body"]
    except _Undo:
        return [_undone(answer) for answer in answers] + [
            _halted(request["referenceId"]) for request in requests[len(answers) :]
        ]
    return answers


def _subrequest(
    call: Call, request: Json, known: Mapping[str, Any], failed: set[str], within: Transaction | None
) -> Json:
    reference = request["referenceId"]
    text = json.dumps([request.get("url", ""), request.get("body")])
    if {name.split(".", 1)[0] for name in _REFERENCE.findall(text)} & failed:
        return _answer(reference, 400, [{"errorCode": "PROCESSING_HALTED", "message": "Invalid reference specified."}])
    try:
        url, body = _resolved(request.get("url", ""), known), _resolved(request.get("body"), known)
    except OrgError as refused:
        return _answer(reference, 400, [{"errorCode": refused.code, "message": refused.message}])
    response = _dispatch(call, str(request.get("method", "GET")), url, body, request.get("httpHeaders") or {}, within)
    document = json.loads(bytes(response.body)) if response.body else None
    headers = {"Location": response.headers["location"]} if "location" in response.headers else {}
    return {**_answer(reference, response.status_code, document), "httpHeaders": headers}


def _dispatch(
    call: Call, method: str, url: str, body: Any, headers: Mapping[str, str], within: Transaction | None
) -> Response:
    parts = urlsplit(url)
    inner = Call(
        call.server,
        method.upper(),
        parts.path,
        {},
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        {**{name.lower(): value for name, value in headers.items()}, "content-type": "application/json"},
        call.base_url,
        Body(),
        call.session,
        within,
    )
    if body is not None:
        inner.body.file.write(json.dumps(body).encode())
    try:
        return call.server.answer_within(inner)
    finally:
        inner.body.file.close()


def _resolved(value: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _look_up(whole[1], known)
        return _REFERENCE.sub(lambda found: str(_look_up(found[1], known)), value)
    if isinstance(value, dict):
        return {key: _resolved(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, known) for item in value]
    return value


def _look_up(path: str, known: Mapping[str, Any]) -> Any:
    here: Any = known
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        elif isinstance(here, Mapping) and step in here:
            here = here[step]
        else:
            raise OrgError("PROCESSING_HALTED", f"Invalid reference specified. No value for {path} found.")
    return here


def _answer(reference: str, status: int, body: Any) -> Json:
    return {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": reference}


def _undone(answer: Json) -> Json:
    if answer["httpStatusCode"] >= 400:
        return answer
    return _halted(answer["referenceId"])


def _halted(reference: str) -> Json:
    message = "The transaction was rolled back since another operation in the same transaction failed."
    return _answer(reference, 400, [{"errorCode": "PROCESSING_HALTED", "message": message}])


def _batch(call: Call) -> Response:
    requests = call.body.object().get("batchRequests")
    if not isinstance(requests, list) or len(requests) not in range(1, _MOST_REQUESTS + 1):
        raise OrgError("BAD_REQUEST", f"batchRequests must have 1 to {_MOST_REQUESTS} requests")
    results: list[Json] = []
    failed = False
    for request in requests:
        path = str(request.get("url", "")).lstrip("/")
        url = f"/{path}" if path.startswith("services/") else f"/services/data/{path}"
        response = _dispatch(call, str(request.get("method", "GET")), url, request.get("richInput"), {}, call.within)
        body = json.loads(bytes(response.body)) if response.body else None
        failed = failed or response.status_code >= 400
        results.append({"statusCode": response.status_code, "result": body})
    return json_answer({"hasErrors": failed, "results": results})


def _save_collection(call: Call) -> Response:
    asked = call.body.object()
    operation = Operation.INSERT if call.method == "POST" else Operation.UPDATE
    return json_answer(_collection(call, operation, asked, None))


def _upsert_collection(call: Call) -> Response:
    sobject = sobject_of(call)
    field = call.org.schema.field(sobject, call.params["field"])
    return json_answer(_collection(call, Operation.UPSERT, call.body.object(), field.api_name))


def _collection(call: Call, operation: Operation, asked: Json, external_id: str | None) -> list[Json]:
    """Save records of one or several types, results in the caller's order; types are saved run by run."""
    records = asked.get("records")
    if not isinstance(records, list) or not records:
        raise OrgError("MISSING_ARGUMENT", "The records field is required")
    if len(records) > _MOST_RECORDS:
        message = f"record count of {len(records)} exceeds the limit of {_MOST_RECORDS}"
        raise OrgError("EXCEEDED_MAX_SIZE_REQUEST", message)
    all_or_none = bool(asked.get("allOrNone"))
    results: list[SaveResult] = []
    try:
        with call.transaction() as transaction:
            for name, run in _runs(call, records):
                saved = save_rows(
                    call.org,
                    call.context,
                    call.server.faults,
                    operation,
                    name,
                    run,
                    external_id=external_id,
                    all_or_none=all_or_none,
                    within=transaction,
                )
                results.extend(saved)
                _undo_if(all_or_none and not all(result.success for result in saved))
    except _Undo:
        return [save_document(result) if result.errors else _rolled_back() for result in results] + [
            _rolled_back() for _ in records[len(results) :]
        ]
    return [save_document(result, created=operation is Operation.UPSERT) for result in results]


def _runs(call: Call, records: Sequence[Json]) -> list[tuple[str, list[Json]]]:
    runs: list[tuple[str, list[Json]]] = []
    for record in records:
        attributes = record.get("attributes") if isinstance(record, dict) else None
        name = attributes.get("type") if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise OrgError("INVALID_INPUT", "Each record needs attributes with its type")
        api_name = call.org.schema.object(name).api_name
        row = {key: value for key, value in record.items() if key != "attributes"}
        if runs and runs[-1][0] == api_name:
            runs[-1][1].append(row)
        else:
            runs.append((api_name, [row]))
    return runs


def _rolled_back() -> Json:
    message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    error = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": message, "fields": []}
    return {"success": False, "errors": [error]}


def _delete_collection(call: Call) -> Response:
    ids = [each for each in call.query.get("ids", "").split(",") if each]
    if not ids:
        raise OrgError("MISSING_ARGUMENT", "The ids parameter is required")
    if len(ids) > _MOST_RECORDS:
        raise OrgError("EXCEEDED_MAX_SIZE_REQUEST", f"record count of {len(ids)} exceeds the limit of {_MOST_RECORDS}")
    all_or_none = call.query.get("allOrNone", "false").lower() == "true"
    with call.transaction() as transaction:
        results = transaction.delete(ids, all_or_none=all_or_none)
    return json_answer([save_document(result) for result in results])


def _read_collection(call: Call) -> Response:
    sobject = sobject_of(call)
    if call.method == "GET":
        ids = call.query.get("ids", "").split(",")
        names = call.query.get("fields", "Id").split(",")
    else:
        asked = call.body.object()
        ids, names = list(map(str, asked.get("ids", []))), list(map(str, asked.get("fields", ["Id"])))
    if len(ids) > 2000:
        raise OrgError("EXCEEDED_MAX_SIZE_REQUEST", f"record count of {len(ids)} exceeds the limit of 2000")
    for name in names:
        if not name.replace(".", "_").isidentifier():
            raise OrgError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.api_name}")
    wanted = dict.fromkeys(["Id", *names])
    soql = f"SELECT {', '.join(wanted)} FROM {sobject.api_name} WHERE Id IN :ids"  # noqa: S608 - names checked above
    with call.transaction() as transaction:
        found = {
            str(row["Id"]): record_document(row, call.version) for row in transaction.query(soql, binds={"ids": ids})
        }
    by_short = {key[:15]: value for key, value in found.items()}
    return json_answer([by_short.get(record_id[:15]) for record_id in ids])


def _tree(call: Call) -> Response:
    """Create records with their children nested in them, all or none."""
    records = call.body.object().get("records")
    if not isinstance(records, list) or not records:
        raise OrgError("MISSING_ARGUMENT", "The records field is required")
    made: list[Json] = []
    wrong: list[Json] = []
    try:
        with call.transaction() as transaction:
            _grow(call, transaction, records, None, made, wrong)
            _undo_if(bool(wrong))
    except _Undo:
        return json_answer({"hasErrors": True, "results": wrong}, 400)
    return json_answer({"hasErrors": False, "results": made}, 201)


def _grow(
    call: Call,
    transaction: Transaction,
    records: Sequence[Json],
    parent: tuple[str, str] | None,
    made: list[Json],
    wrong: list[Json],
) -> None:
    for record in records:
        attributes = record.get("attributes") or {}
        sobject = call.org.schema.object(str(attributes.get("type", "")))
        children = {k: v["records"] for k, v in record.items() if isinstance(v, dict) and "records" in v}
        row = {k: v for k, v in record.items() if k != "attributes" and k not in children}
        if parent is not None:
            row[parent[0]] = parent[1]
        (result,) = save_rows(
            call.org, call.context, call.server.faults, Operation.INSERT, sobject.api_name, [row], within=transaction
        )
        reference = attributes.get("referenceId")
        if not result.success or result.id is None:
            wrong.append({"referenceId": reference, "errors": save_document(result)["errors"]})
            continue
        made.append({"referenceId": reference, "id": result.id})
        for name, nested in children.items():
            relationship = call.org.schema.child(sobject, name)
            if relationship is None:
                raise OrgError("INVALID_FIELD", f"No such relationship '{name}' on {sobject.api_name}")
            _grow(call, transaction, nested, (relationship.field.api_name, result.id), made, wrong)


ROUTES = (
    Route("POST", V + "/composite", _composite),
    Route("POST", V + "/composite/batch", _batch),
    Route("POST", V + "/composite/tree/{object}", _tree),
    Route("POST|PATCH", V + "/composite/sobjects", _save_collection),
    Route("DELETE", V + "/composite/sobjects", _delete_collection),
    Route("PATCH", V + "/composite/sobjects/{object}/{field}", _upsert_collection),
    Route("GET|POST", V + "/composite/sobjects/{object}", _read_collection),
)
