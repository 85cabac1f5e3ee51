"""Bulk API 1.0: jobs of batches, in XML, JSON or CSV, with PK chunking for queries.

Old, and still what salesforce-bulk and CumulusCI speak. It compares Content-Type to the letter, wants XML
answers for XML jobs and JSON for JSON ones, and its errors are 400 with an `<error>` document.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from typing import Any

from starlette.responses import Response, StreamingResponse

from localorg.errors import OrgError
from localorg.http.answers import exactly, json_answer, xml_answer, xml_of
from localorg.http.bulk1_rows import batch_rows, results_document
from localorg.http.calls import Call, Json, Route
from localorg.http.faults import Kind
from localorg.http.jobs import Job, fresh_id
from localorg.http.loading import CHUNK, check_target
from localorg.http.rows import Operation, save_rows
from localorg.http.selecting import bulk_query, chunk_bounds, selected
from localorg.http.server import Server
from localorg.http.spool import Spool, write_spool
from localorg.metadata.xmltree import XmlProblem, parse
from localorg.records import SaveResult

__all__ = ["ROUTES"]

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
_JOB = "/services/async/{version}/job"
_CONTENT = {"CSV": "text/csv", "XML": "application/xml", "JSON": "application/json"}
_QUERIES = ("query", "queryAll")
_MOST_ROWS = 10_000
_PATIENCE = 0.3  # s: a short batch is done when its caller looks for the first time
_log = logging.getLogger("localorg")


def refusal(error: OrgError) -> Response:
    """`<error>` with the async API's own codes."""
    code = {"INVALID_SESSION_ID": "InvalidSessionId", "NOT_FOUND": "InvalidUrl"}.get(error.code, error.code)
    message = "Invalid session id" if code == "InvalidSessionId" else error.message
    inner = xml_of(code, "exceptionCode") + xml_of(message, "exceptionMessage")
    status = 400 if error.status < 500 and error.status != 403 else error.status
    return xml_answer(inner, "error", NAMESPACE, status)


def _create(call: Call) -> Response:
    asked, as_json = _asked(call)
    operation = str(asked.get("operation", ""))
    if operation not in set(Operation) | set(_QUERIES):
        raise OrgError("InvalidJob", f"Unable to find operation: {operation}")
    content = str(asked.get("contentType", "XML")).upper()
    if content not in _CONTENT:
        raise OrgError("InvalidJob", f"Content type is not supported: {content}")
    if operation in _QUERIES:
        sobject = call.org.schema.get(str(asked.get("object", "")))
        if sobject is None:
            raise OrgError("InvalidJob", f"Unable to find object: {asked.get('object')}")
        name = sobject.api_name
    else:
        try:
            name = check_target(call.org, call.context, Operation(operation), asked).api_name
        except OrgError as refused:
            raise OrgError("InvalidJob", refused.message) from refused
    document: Json = {
        "id": fresh_id("750"),
        "operation": operation,
        "object": name,
        "createdById": call.context.user_id,
        "createdDate": call.server.clock.soap_stamp(),
        "systemModstamp": call.server.clock.soap_stamp(),
        "state": "Open",
        # simple-salesforce sends 0 and 1.
        "concurrencyMode": "Serial" if str(asked.get("concurrencyMode")) in ("Serial", "1") else "Parallel",
        "contentType": content,
        "apiVersion": float(call.version),
    }
    if operation == "upsert":
        document["externalIdFieldName"] = asked["externalIdFieldName"]
    call.server.jobs.add(
        document["id"],
        call.org.org_id,
        "bulk1",
        document,
        batches=[],
        chunk=_chunk_size(call.headers.get("sforce-enable-pkchunking", "")),
        json=as_json,
    )
    return _shown(_with_counts(document, []), "jobInfo", as_json=as_json, status=201)


def _chunk_size(header: str) -> int:
    """Rows a PK chunk holds; 0: no chunking."""
    if not header or header.strip().lower() == "false":
        return 0
    found = re.search(r"chunkSize=(\d+)", header)
    return min(max(int(found[1]), 1), 250_000) if found else 100_000


def _change(call: Call) -> Response:
    asked, as_json = _asked(call)
    state = asked.get("state")
    if state not in ("Closed", "Aborted"):
        raise OrgError("InvalidJobState", f"A job cannot become {state}")
    with call.server.jobs.editing(call.org.org_id, call.params["id"], "bulk1") as job:
        job = _present(job)
        if job.state == "Aborted" and state == "Closed":
            raise OrgError("InvalidJobState", "Closing already Aborted Job not allowed")
        job.document.update(state=state, systemModstamp=call.server.clock.soap_stamp())
    return _shown(_with_counts(job.document, job.private["batches"]), "jobInfo", as_json=as_json)


def _info(call: Call) -> Response:
    job = _job(call)
    return _shown(_with_counts(job.document, job.private["batches"]), "jobInfo", as_json=job.private["json"])


def _add_batch(call: Call) -> Response:
    content = call.body.bytes()
    with call.server.jobs.editing(call.org.org_id, call.params["id"], "bulk1") as held:
        job = _present(held)
        if job.state != "Open":
            raise OrgError("InvalidJobState", f"The job is {job.state}: no batch can be added")
        fault = call.server.faults.take(
            frozenset({Kind.FAIL_JOB}), org=call.org.alias, method=call.method, path=call.path
        )
        batches = _query_batches(call, job, content) if job.document["operation"] in _QUERIES else [_batch(call, job)]
        first = dict(batches[0])
        (job.folder / f"{first['id']}.request").write_bytes(content)
        if fault is not None:
            for batch in batches:
                batch.update(state="Failed", stateMessage=f"InternalServerError : {fault.message}")
        job.private["batches"].extend(batches)
    running = [
        call.server.work.submit(_run, call.server, job.org_id, job.id, batch["id"])
        for batch in batches
        if batch["state"] == "Queued"
    ]
    wait(running, timeout=_PATIENCE)
    return _shown(_public(first), "batchInfo", as_json=job.document["contentType"] == "JSON", status=201)


def _batch(call: Call, job: Job, **facts: object) -> Json:
    return {
        "id": fresh_id("751"),
        "jobId": job.id,
        "state": "Queued",
        "createdDate": call.server.clock.soap_stamp(),
        "systemModstamp": call.server.clock.soap_stamp(),
        "numberRecordsProcessed": 0,
        "numberRecordsFailed": 0,
        "totalProcessingTime": 0,
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
        **facts,
    }


def _query_batches(call: Call, job: Job, content: bytes) -> list[Json]:
    soql = content.decode("utf-8", "replace").strip()
    try:
        bulk_query(call.org, call.context, soql)
    except OrgError as refused:
        return [_batch(call, job, state="Failed", stateMessage=f"InvalidBatch : {refused.message}")]
    if not job.private["chunk"]:
        return [_batch(call, job, _soql=soql)]
    whole = _batch(call, job, state="NotProcessed")
    bounds = chunk_bounds(call.org, job.document["object"], job.private["chunk"])
    return [whole, *(_batch(call, job, _soql=soql, _from=low, _below=high) for low, high in bounds)]


def _run(server: Server, org_id: str, job_id: str, batch_id: str) -> None:
    job = server.jobs.get(org_id, job_id, "bulk1")
    org = server.registry.org(org_id)
    if job is None or org is None or job.state == "Aborted":
        return
    (batch,) = [b for b in job.private["batches"] if b["id"] == batch_id]
    started = server.clock.now()
    try:
        if job.document["operation"] in _QUERIES:
            context = org.context_for(job.document["createdById"])
            with selected(
                org,
                context,
                batch["_soql"],
                deleted=job.document["operation"] == "queryAll",
                low=batch.get("_from"),
                high=batch.get("_below"),
            ) as result:
                if job.document["contentType"] == "CSV":
                    count = write_spool(job.folder / f"{batch_id}.csv", result.header(), result.lines()).rows
                else:
                    count = result.write_documents(job.folder / f"{batch_id}.json")
            facts: Mapping[str, object] = {"numberRecordsProcessed": count, "_result": fresh_id("752")}
        else:
            facts = _load(server, job, batch_id)
        facts = {"state": "Completed", **facts}
    except OrgError as refused:
        facts = {"state": "Failed", "stateMessage": f"InvalidBatch : {refused.message}"}
    except Exception:  # noqa: BLE001 - a batch that dies unseen would be polled for ever
        _log.exception("batch %s failed", batch_id)
        facts = {"state": "Failed", "stateMessage": "InternalServerError : the local org could not run the batch"}
    with server.jobs.editing(org_id, job_id, "bulk1") as held:
        for each in () if held is None else held.private["batches"]:
            if each["id"] == batch_id:
                each.update(
                    facts,
                    systemModstamp=server.clock.soap_stamp(),
                    totalProcessingTime=round((server.clock.now() - started).total_seconds() * 1000),
                )


def _load(server: Server, job: Job, batch_id: str) -> Mapping[str, object]:
    org = server.registry.org(job.org_id)
    if org is None:
        raise OrgError("InvalidJob", "the org is gone")
    content = (job.folder / f"{batch_id}.request").read_bytes()
    rows = batch_rows(org, job.document["object"], job.document["contentType"], content)
    if len(rows) > _MOST_ROWS:
        raise OrgError("ExceededQuota", f"Records per batch exceeded: {len(rows)} > {_MOST_ROWS}")
    context = org.context_for(job.document["createdById"])
    results: list[SaveResult] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        good = [row for row in chunk if not isinstance(row, SaveResult)]
        saved = iter(
            save_rows(
                org,
                context,
                server.faults,
                Operation(job.document["operation"]),
                job.document["object"],
                good,
                external_id=job.document.get("externalIdFieldName"),
            )
        )
        results.extend(row if isinstance(row, SaveResult) else next(saved) for row in chunk)
    body = results_document(results, job.document["contentType"])
    (job.folder / f"{batch_id}.result").write_bytes(body)
    return {"numberRecordsProcessed": len(results), "numberRecordsFailed": sum(not r.success for r in results)}


def _batches(call: Call) -> Response:
    job = _job(call)
    shown = [_public(batch) for batch in job.private["batches"]]
    if job.private["json"]:
        return json_answer({"batchInfo": shown})
    return xml_answer(xml_of(shown, "batchInfo"), "batchInfoList", NAMESPACE)


def _batch_info(call: Call) -> Response:
    job, batch = _batch_of(call)
    return _shown(_public(batch), "batchInfo", as_json=job.document["contentType"] == "JSON")


def _request(call: Call) -> Response:
    job, batch = _batch_of(call)
    path = job.folder / f"{batch['id']}.request"
    if not path.exists():
        raise OrgError("InvalidBatch", "This batch has no request of its own")
    content_type = "text/plain" if job.document["operation"] in _QUERIES else _CONTENT[job.document["contentType"]]
    return exactly(path.read_bytes(), content_type)


def _result(call: Call) -> Response:
    job, batch = _batch_of(call)
    if batch["state"] != "Completed":
        raise OrgError("InvalidBatch", "Batch not completed")
    if job.document["operation"] not in _QUERIES:
        body = (job.folder / f"{batch['id']}.result").read_bytes()
        return exactly(body, _CONTENT[job.document["contentType"]])
    if job.document["contentType"] == "JSON":
        return exactly(json.dumps([batch["_result"]]), "application/json")
    return xml_answer(xml_of(batch["_result"], "result"), "result-list", NAMESPACE)


def _query_result(call: Call) -> Response:
    job, batch = _batch_of(call)
    if batch.get("_result", "")[:15] != call.params["result"][:15]:
        raise OrgError("InvalidBatch", "Unable to find result")
    lost = call.server.faults.take(
        frozenset({Kind.LOSE_LOCATOR}), org=call.org.alias, method=call.method, path=call.path
    )
    if lost is not None:
        raise OrgError("InvalidBatch", "The result is no longer available")
    content = job.document["contentType"]
    if content == "CSV":
        spool = Spool(job.folder / f"{batch['id']}.csv", batch["numberRecordsProcessed"])
        return StreamingResponse(spool.page(0, spool.rows), headers={"Content-Type": "text/csv"})
    return StreamingResponse(
        _json_pieces(job.folder / f"{batch['id']}.json")
        if content == "JSON"
        else _xml_pieces(job.folder / f"{batch['id']}.json"),
        headers={"Content-Type": _CONTENT[content]},
    )


def _json_pieces(path: Any) -> Iterator[bytes]:
    yield b"["
    with path.open("rb") as file:
        for at, line in enumerate(file):
            yield (b",\n" if at else b"") + line.rstrip(b"\n")
    yield b"]"


def _xml_pieces(path: Any) -> Iterator[bytes]:
    yield b'<?xml version="1.0" encoding="UTF-8"?><queryResult xmlns="' + NAMESPACE.encode() + b'">'
    with path.open("rb") as file:
        for line in file:
            yield xml_of(_record_xml(json.loads(line)), "records").encode()
    yield b"</queryResult>"


def _record_xml(record: Mapping[str, Any]) -> Json:
    fields = {k: _record_xml(v) if isinstance(v, dict) else v for k, v in record.items() if k != "attributes"}
    return {"type": record["attributes"]["type"], **fields}


def _asked(call: Call) -> tuple[Mapping[str, Any], bool]:
    if "json" in call.headers.get("content-type", ""):
        return call.body.object(), True
    try:
        root = parse(call.body.bytes())
    except XmlProblem as broken:
        raise OrgError("InvalidJob", f"Unable to parse Job: {broken.message}") from broken
    return {child.tag: child.text.strip() for child in root}, False


def _with_counts(document: Json, batches: list[Json]) -> Json:
    def number(*states: str) -> int:
        return sum(batch["state"] in states for batch in batches)

    return {
        **document,
        "numberBatchesQueued": number("Queued"),
        "numberBatchesInProgress": number("InProgress"),
        "numberBatchesCompleted": number("Completed"),
        "numberBatchesFailed": number("Failed"),
        "numberBatchesTotal": len(batches),
        "numberRecordsProcessed": sum(batch["numberRecordsProcessed"] for batch in batches),
        "numberRetries": 0,
        "numberRecordsFailed": sum(batch["numberRecordsFailed"] for batch in batches),
        "totalProcessingTime": sum(batch["totalProcessingTime"] for batch in batches),
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    }


def _public(batch: Json) -> Json:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def _shown(document: Json, tag: str, *, as_json: bool, status: int = 200) -> Response:
    if as_json:
        return exactly(json.dumps(document), "application/json", status)
    return xml_answer("".join(xml_of(value, name) for name, value in document.items()), tag, NAMESPACE, status)


def _present(job: Job | None) -> Job:
    if job is None:
        raise OrgError("InvalidJob", "Unable to find job")
    return job


def _job(call: Call) -> Job:
    return _present(call.server.jobs.get(call.org.org_id, call.params["id"], "bulk1"))


def _batch_of(call: Call) -> tuple[Job, Json]:
    job = _job(call)
    for batch in job.private["batches"]:
        if batch["id"][:15] == call.params["batch"][:15]:
            return job, batch
    raise OrgError("InvalidBatch", "Unable to find batch")


ROUTES = tuple(
    Route(methods, _JOB + path, handler, refuse=refusal)
    for methods, path, handler in (
        ("POST", "", _create),
        ("POST", "/{id}", _change),
        ("GET", "/{id}", _info),
        ("POST", "/{id}/batch", _add_batch),
        ("GET", "/{id}/batch", _batches),
        ("GET", "/{id}/batch/{batch}", _batch_info),
        ("GET", "/{id}/batch/{batch}/request", _request),
        ("GET", "/{id}/batch/{batch}/result", _result),
        ("GET", "/{id}/batch/{batch}/result/{result}", _query_result),
    )
)
