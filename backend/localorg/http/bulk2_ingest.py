"""Bulk API 2.0, ingest jobs: opened, given one CSV, closed, worked off in chunks of 200 rows in the background.

Each chunk is a transaction of its own, as on the platform. Every row ends in exactly one of three files:
successful, failed (with its error) or unprocessed (the job was aborted, failed or cut off before it).
"""

from __future__ import annotations

import csv
import io
import logging
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from localorg.access import Context
from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.bulk2_query import JOB_PREFIX
from localorg.http.calls import Call, Json, Route
from localorg.http.faults import Fault, Kind, strike
from localorg.http.jobs import Job, fresh_id
from localorg.http.loading import CHUNK, CsvRows, check_target, error_text
from localorg.http.rest import V
from localorg.http.rows import Operation, save_rows
from localorg.http.server import Server
from localorg.http.spool import DELIMITERS, LINE_ENDINGS, read_csv
from localorg.org import Org
from localorg.records import SaveResult

__all__ = ["ROUTES", "resume"]

_LONGEST_UPLOAD = 150 << 20  # bytes
_FILES = {
    "successfulresults": ("successful.csv", ("sf__Id", "sf__Created")),
    "failedresults": ("failed.csv", ("sf__Id", "sf__Error")),
    "unprocessedrecords": ("unprocessed.csv", ()),
}
_log = logging.getLogger("localorg")


def _create(call: Call) -> Response:
    asked = call.body.object()
    operation = asked.get("operation")
    if operation not in set(Operation):
        raise OrgError("INVALIDJOB", f"Operation: {operation} is not supported for ingest jobs")
    if asked.get("contentType", "CSV") != "CSV":
        raise OrgError("INVALIDJOB", "Content type not supported: only CSV")
    delimiter, ending = asked.get("columnDelimiter", "COMMA"), asked.get("lineEnding", "LF")
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
        raise OrgError("INVALIDJOB", "columnDelimiter or lineEnding is not supported")
    sobject = check_target(call.org, call.context, Operation(operation), asked)
    job_id = fresh_id(JOB_PREFIX)
    document: Json = {
        "id": job_id,
        "operation": operation,
        "object": sobject.api_name,
        "createdById": call.context.user_id,
        "createdDate": call.server.clock.rest_stamp(),
        "systemModstamp": call.server.clock.rest_stamp(),
        "state": "Open",
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(call.version),
        "contentUrl": f"services/data/v{call.version}/jobs/ingest/{job_id}/batches",
        "lineEnding": ending,
        "columnDelimiter": delimiter,
    }
    if operation == "upsert":
        document["externalIdFieldName"] = asked["externalIdFieldName"]
    call.server.jobs.add(job_id, call.org.org_id, "ingest", document)
    return json_answer(document)


def _upload(call: Call) -> Response:
    job = _job(call)
    if job.state != "Open" or (job.folder / "upload.csv").exists():
        raise OrgError("INVALIDJOBSTATE", f"Data can be uploaded once, to an Open job; this one is {job.state}")
    if "text/csv" not in call.headers.get("content-type", "text/csv"):
        raise OrgError("INVALIDJOB", "Content-Type must be text/csv")
    draft = job.folder / "upload.new"
    call.body.file.seek(0)
    with draft.open("wb") as file:
        shutil.copyfileobj(call.body.file, file, 1 << 20)
    if draft.stat().st_size > _LONGEST_UPLOAD:
        draft.unlink()
        raise OrgError("REQUEST_TOO_LARGE", "The uploaded data exceeds 150 MB", status=413)
    draft.replace(job.folder / "upload.csv")
    return nothing(201)


def _change(call: Call) -> Response:
    job, state = _job(call), call.body.object().get("state")
    if state == "Aborted" and job.state not in ("JobComplete", "Failed"):
        job.document.update(state="Aborted", systemModstamp=call.server.clock.rest_stamp())
        call.server.jobs.save(job)
        return json_answer(job.document)
    if state != "UploadComplete" or job.state != "Open":
        raise OrgError("INVALIDJOBSTATE", f"A job that is {job.state} cannot become {state}")
    job.document.update(state="UploadComplete", systemModstamp=call.server.clock.rest_stamp())
    call.server.jobs.save(job)
    fault = call.server.faults.take(frozenset({Kind.FAIL_JOB}), org=call.org.alias, method=call.method, path=call.path)
    call.server.work.submit(_run, call.server, job, fault)
    return json_answer(job.document)


def _run(server: Server, job: Job, fault: Fault | None) -> None:
    started = server.clock.now()
    job.document["state"] = "InProgress"
    server.jobs.save(job)
    org = server.registry.org(job.org_id)
    if org is None:
        return
    try:
        strike(fault)
        done, failed = _load(server, org, job)
        aborted = _aborted(server, job)
        job.document.update(
            state="Aborted" if aborted else "JobComplete", numberRecordsProcessed=done, numberRecordsFailed=failed
        )
    except OrgError as refused:
        job.document.update(state="Failed", errorMessage=f"{refused.code} : {refused.message}")
    except Exception:  # noqa: BLE001 - a job that dies unseen would be polled for ever
        _log.exception("ingest job %s failed", job.id)
        job.document.update(state="Failed", errorMessage="InternalServerError : the local org could not load the rows")
    job.document.update(
        totalProcessingTime=round((server.clock.now() - started).total_seconds() * 1000),
        systemModstamp=server.clock.rest_stamp(),
    )
    server.jobs.save(job)


def _load(server: Server, org: Org, job: Job) -> tuple[int, int]:
    """Work the upload off; returns how many rows were processed, and how many of them failed."""
    context = org.context_for(job.document["createdById"])
    operation = Operation(job.document["operation"])
    delimiter = DELIMITERS[job.document["columnDelimiter"]]
    done = failed = 0
    with _Opened(job, delimiter) as rows:
        parse = CsvRows(org, job.document["object"], rows.header)
        while chunk := list(islice(rows.rows, CHUNK)):
            if _aborted(server, job):
                rows.unprocessed(chunk)
                for rest in rows.rows:
                    rows.unprocessed([rest])
                break
            for raw, result in zip(chunk, _save_chunk(server, org, context, operation, job, parse, chunk), strict=True):
                rows.result(raw, result)
                done += 1
                failed += not result.success
    return done, failed


def _save_chunk(
    server: Server,
    org: Org,
    context: Context,
    operation: Operation,
    job: Job,
    parse: CsvRows,
    chunk: Sequence[Sequence[str]],
) -> list[SaveResult]:
    parsed = [parse(raw) for raw in chunk]
    good = [row for row in parsed if not isinstance(row, SaveResult)]
    saved = iter(
        save_rows(
            org,
            context,
            server.faults,
            operation,
            job.document["object"],
            good,
            external_id=job.document.get("externalIdFieldName"),
        )
    )
    return [row if isinstance(row, SaveResult) else next(saved) for row in parsed]


class _Opened:
    """The upload being read and the three result files being written, closed together."""

    def __init__(self, job: Job, delimiter: str) -> None:
        self._folder = job.folder
        self._delimiter = delimiter
        self._line_end = LINE_ENDINGS[job.document["lineEnding"]]
        self._files: list[Any] = []
        self._writers: dict[str, Any] = {}
        self.header: list[str] = []
        self.rows: Iterator[list[str]] = iter(())

    def __enter__(self) -> _Opened:
        upload = self._folder / "upload.csv"
        if not upload.exists():
            upload.touch()
        source = upload.open(encoding="utf-8-sig", newline="")
        self._files.append(source)
        read = read_csv(source, delimiter=self._delimiter)
        first = next(read, None)
        if first is not None:
            self.header = first[0]
            self.rows = (row for _, row in _again(first, read))
        for name, extra in _FILES.values():
            file = (self._folder / name).open("w", encoding="utf-8", newline="")
            self._files.append(file)
            self._writers[name] = csv.writer(
                file, delimiter=self._delimiter, lineterminator=self._line_end, quoting=csv.QUOTE_ALL
            )
            self._writers[name].writerow([*extra, *self.header])
        return self

    def result(self, raw: Sequence[str], result: SaveResult) -> None:
        if result.success:
            self._writers["successful.csv"].writerow([result.id, str(result.created).lower(), *raw])
        else:
            self._writers["failed.csv"].writerow([result.id or "", error_text(result), *raw])

    def unprocessed(self, rows: Sequence[Sequence[str]]) -> None:
        self._writers["unprocessed.csv"].writerows(rows)

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()


def _again(first: tuple[list[str], list[str]], rest: Iterator[tuple[list[str], list[str]]]) -> Any:
    yield first
    yield from rest


def _aborted(server: Server, job: Job) -> bool:
    current = server.jobs.get(job.org_id, job.id, "ingest")
    return current is None or current.state == "Aborted"


def resume(server: Server) -> None:
    """Start what was closed and not begun; call failed what a crash cut off, since its rows must not load twice."""
    for job in server.jobs.unfinished("ingest"):
        if job.state == "UploadComplete":
            server.work.submit(_run, server, job, None)
        else:
            job.document.update(state="Failed", errorMessage="InternalServerError : the server ended during the job")
            server.jobs.save(job)


def _info(call: Call) -> Response:
    counts = {"retries": 0, "totalProcessingTime": 0, "apiActiveProcessingTime": 0, "apexProcessingTime": 0}
    counts |= {"numberRecordsProcessed": 0, "numberRecordsFailed": 0}
    return json_answer({"jobType": "V2Ingest", **counts, **_job(call).document})


def _list(call: Call) -> Response:
    jobs = [{"jobType": "V2Ingest", **job.document} for job in call.server.jobs.all(call.org.org_id, "ingest")]
    return json_answer({"done": True, "records": jobs, "nextRecordsUrl": None})


def _delete(call: Call) -> Response:
    job = _job(call)
    if job.state not in ("JobComplete", "Failed", "Aborted", "UploadComplete"):
        raise OrgError("INVALIDJOBSTATE", f"Deleting {job.state} Job not allowed")
    call.server.jobs.remove(job)
    return nothing()


def _results(call: Call) -> Response:
    job = _job(call)
    name, extra = _FILES.get(call.params["which"].lower(), ("", ()))
    if not name:
        raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
    if job.state not in ("JobComplete", "Failed", "Aborted"):
        raise OrgError("INVALIDJOBSTATE", f"Results are not available: the job is {job.state}")
    path = job.folder / name
    if not path.exists():
        # Nothing was begun: every uploaded row is unprocessed.
        upload = job.folder / "upload.csv"
        text = upload.read_bytes() if name == "unprocessed.csv" and upload.exists() else _header(extra)
        return Response(text, headers={"Content-Type": "text/csv"})
    return StreamingResponse(_pieces(path), headers={"Content-Type": "text/csv"})


def _header(extra: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(extra)
    return out.getvalue().encode()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            yield piece


def _job(call: Call) -> Job:
    return call.server.jobs.wanted(call.org.org_id, call.params["id"], "ingest")


ROUTES = (
    Route("POST", V + "/jobs/ingest", _create),
    Route("GET", V + "/jobs/ingest", _list),
    Route("PUT", V + "/jobs/ingest/{id}/batches", _upload),
    Route("GET", V + "/jobs/ingest/{id}", _info),
    Route("PATCH", V + "/jobs/ingest/{id}", _change),
    Route("DELETE", V + "/jobs/ingest/{id}", _delete),
    Route("GET", V + "/jobs/ingest/{id}/{which}", _results),
)
