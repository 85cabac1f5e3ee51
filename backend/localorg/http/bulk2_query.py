"""Bulk API 2.0, query jobs: created, run in the background, read page by page with locators.

The result is one spool file; a locator is its row number, dressed up and bound to the job. A crash while a
job runs starts it again when the server does: the query is in the job.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Json, Route
from localorg.http.faults import Fault, Kind, strike
from localorg.http.jobs import Job, fresh_id
from localorg.http.rest import V
from localorg.http.selecting import bulk_query, selected
from localorg.http.server import Server
from localorg.http.spool import DELIMITERS, LINE_ENDINGS, Spool, gzipped, write_spool

__all__ = ["ROUTES", "resume"]

JOB_PREFIX = "750"
_PAGE = 50_000  # rows, where a caller names no maxRecords: the platform's is by size
_PAGES_A_CALL = 5
_log = logging.getLogger("localorg")


def _create(call: Call) -> Response:
    asked = call.body.object()
    operation = asked.get("operation")
    if operation not in ("query", "queryAll"):
        raise OrgError("INVALIDJOB", f"Operation: {operation} is not supported for query jobs")
    delimiter, ending = asked.get("columnDelimiter", "COMMA"), asked.get("lineEnding", "LF")
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
        raise OrgError("INVALIDJOB", "columnDelimiter or lineEnding is not supported")
    if asked.get("contentType", "CSV") != "CSV":
        raise OrgError("INVALIDJOB", "Content type not supported: only CSV")
    soql = str(asked.get("query", ""))
    query = bulk_query(call.org, call.context, soql)
    document: Json = {
        "id": fresh_id(JOB_PREFIX),
        "operation": operation,
        "object": query.object_name,
        "createdById": call.context.user_id,
        "createdDate": call.server.clock.rest_stamp(),
        "systemModstamp": call.server.clock.rest_stamp(),
        "state": "UploadComplete",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(call.version),
        "lineEnding": ending,
        "columnDelimiter": delimiter,
    }
    fault = call.server.faults.take(frozenset({Kind.FAIL_JOB}), org=call.org.alias, method=call.method, path=call.path)
    job = call.server.jobs.add(document["id"], call.org.org_id, "query", document, soql=soql)
    _schedule(call.server, job, fault)
    return json_answer(document)


def _schedule(server: Server, job: Job, fault: Fault | None = None) -> None:
    server.work.submit(_run, server, job, fault)


def _run(server: Server, job: Job, fault: Fault | None) -> None:
    started = server.clock.now()
    try:
        org = server.registry.org(job.org_id)
        current = server.jobs.get(job.org_id, job.id, "query")
        if org is None or current is None or current.state == "Aborted":
            return
        job = current
        job.document["state"] = "InProgress"
        server.jobs.save(job)
        strike(fault)
        context = org.context_for(job.document["createdById"])
        with selected(org, context, job.private["soql"], deleted=job.document["operation"] == "queryAll") as result:
            delimiter = DELIMITERS[job.document["columnDelimiter"]]
            spool = write_spool(
                job.folder / "result.csv",
                result.header(delimiter),
                result.lines(delimiter),
                line_end=LINE_ENDINGS[job.document["lineEnding"]],
            )
        job.document.update(state="JobComplete", numberRecordsProcessed=spool.rows)
    except OrgError as refused:
        job.document.update(state="Failed", errorMessage=f"{refused.code} : {refused.message}")
    except Exception:  # noqa: BLE001 - a job that dies unseen would be polled for ever
        _log.exception("query job %s failed", job.id)
        job.document.update(state="Failed", errorMessage="InternalServerError : the local org could not run the query")
    job.document["totalProcessingTime"] = round((server.clock.now() - started).total_seconds() * 1000)
    job.document["systemModstamp"] = server.clock.rest_stamp()
    current = server.jobs.get(job.org_id, job.id, "query")
    if current is not None and current.state != "Aborted":
        server.jobs.save(job)


def resume(server: Server) -> None:
    """Run the query jobs again that the last process left unfinished."""
    for job in server.jobs.unfinished("query"):
        _schedule(server, job)


def _info(call: Call) -> Response:
    counts = {"numberRecordsProcessed": 0, "retries": 0, "totalProcessingTime": 0}
    return json_answer({"jobType": "V2Query", **counts, "isPkChunkingSupported": True, **_job(call).document})


def _list(call: Call) -> Response:
    jobs = [{"jobType": "V2Query", **job.document} for job in call.server.jobs.all(call.org.org_id, "query")]
    return json_answer({"done": True, "records": jobs, "nextRecordsUrl": None})


def _change(call: Call) -> Response:
    job = _job(call)
    if call.body.object().get("state") != "Aborted":
        raise OrgError("INVALIDJOBSTATE", "A query job can only be aborted")
    if job.state in ("JobComplete", "Failed"):
        raise OrgError("INVALIDJOBSTATE", f"Aborting already {job.state} Job not allowed")
    job.document.update(state="Aborted", systemModstamp=call.server.clock.rest_stamp())
    call.server.jobs.save(job)
    return json_answer(job.document)


def _delete(call: Call) -> Response:
    job = _job(call)
    if job.state not in ("JobComplete", "Failed", "Aborted"):
        raise OrgError("INVALIDJOBSTATE", f"Deleting {job.state} Job not allowed")
    call.server.jobs.remove(job)
    return nothing()


def _results(call: Call) -> Response:
    job, spool = _finished(call)
    first = _row_of(call, job, call.query.get("locator", ""))
    count = _count_of(call, spool)
    following = first + count
    pieces: Iterator[bytes] = spool.page(first, count)
    headers = {
        "Sforce-NumberOfRecords": str(max(0, min(count, spool.rows - first))),
        "Sforce-Locator": _locator(job, following) if following < spool.rows else "null",
        "Content-Type": "text/csv",
    }
    if "gzip" in call.headers.get("accept-encoding", ""):
        pieces = gzipped(pieces)
        headers["Content-Encoding"] = "gzip"
    return StreamingResponse(pieces, headers=headers)


def _pages(call: Call) -> Response:
    if float(call.version) < 58:
        raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
    job, spool = _finished(call)
    count = _count_of(call, spool)
    first = _row_of(call, job, call.query.get("locator", ""))
    starts = list(range(first, max(spool.rows, 1), count))[:_PAGES_A_CALL]
    following = starts[-1] + count if starts else spool.rows
    base = f"/services/data/v{call.version}/jobs/query/{job.id}"
    limit = f"maxRecords={count}"
    return json_answer(
        {
            "resultPages": [
                {"resultUrl": f"{base}/results?{limit}" + (f"&locator={_locator(job, at)}" if at else "")}
                for at in starts
            ],
            "nextRecordsUrl": f"{base}/resultPages?{limit}&locator={_locator(job, following)}"
            if following < spool.rows
            else None,
            "done": following >= spool.rows,
        }
    )


def _finished(call: Call) -> tuple[Job, Spool]:
    job = _job(call)
    if job.state != "JobComplete":
        raise OrgError("INVALIDJOBSTATE", f"Results are not available: the job is {job.state}")
    if float(call.version) != job.document["apiVersion"]:
        message = f"This job was created with API version {job.document['apiVersion']}; ask for its results with it"
        raise OrgError("API_VERSION_MISMATCH", message, status=409)
    return job, Spool(job.folder / "result.csv", job.document["numberRecordsProcessed"])


def _count_of(call: Call, spool: Spool) -> int:
    asked = call.query.get("maxRecords")
    if asked is None:
        return max(1, min(_PAGE, spool.rows or 1))
    if not asked.isdecimal() or int(asked) < 1:
        raise OrgError("INVALID_QUERY_LOCATOR", f"maxRecords must be a positive number, not {asked}")
    return int(asked)


def _locator(job: Job, row: int) -> str:
    return base64.urlsafe_b64encode(f"{job.id[3:15]}:{row}".encode()).decode().rstrip("=")


def _row_of(call: Call, job: Job, locator: str) -> int:
    if not locator:
        return 0
    lost = call.server.faults.take(
        frozenset({Kind.LOSE_LOCATOR}), org=call.org.alias, method=call.method, path=call.path
    )
    try:
        text = base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    mark, _, row = text.partition(":")
    if lost is not None or mark != job.id[3:15] or not row.isdecimal():
        raise OrgError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return int(row)


def _job(call: Call) -> Job:
    return call.server.jobs.wanted(call.org.org_id, call.params["id"], "query")


ROUTES = (
    Route("POST", V + "/jobs/query", _create),
    Route("GET", V + "/jobs/query", _list),
    Route("GET", V + "/jobs/query/{id}", _info),
    Route("PATCH", V + "/jobs/query/{id}", _change),
    Route("DELETE", V + "/jobs/query/{id}", _delete),
    Route("GET", V + "/jobs/query/{id}/results", _results),
    Route("GET", V + "/jobs/query/{id}/resultPages", _pages),
)
