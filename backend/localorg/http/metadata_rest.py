"""Metadata API over REST: `metadata/deployRequest`, the same deployments as over SOAP.

Metadata API Developer Guide, "Deploying with REST": a multipart request of the options and the zip, then questions.
"""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Json, Route
from localorg.http.deployments import JOB, NO_RIGHT, TEST_LEVELS, may_deploy, submit
from localorg.http.jobs import Job
from localorg.http.rest import V
from localorg.metadata import DeployOptions

__all__ = ["ROUTES"]

_BOUNDARY = re.compile(r'^multipart/form-data;.*?boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'^content-disposition:.*?[; ]name="([^"]*)"', re.IGNORECASE | re.MULTILINE)


def _deploy(call: Call) -> Response:
    _check_right(call)
    parts = _parts(call)
    if "json" not in parts or "file" not in parts:
        raise OrgError("INVALID_MULTIPART_REQUEST", "The request needs the parts json and file")
    try:
        given = json.loads(parts["json"])["deployOptions"]
        options = _options(given)
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise OrgError("JSON_PARSER_ERROR", "The part json must hold deployOptions") from broken
    job = submit(call, parts["file"], options)
    return json_answer({**_document(job, details=True), "deployOptions": given, "validatedDeployRequestId": None}, 201)


def _options(given: Json) -> DeployOptions:
    level = str(given.get("testLevel") or "NoTestRun")
    if level not in TEST_LEVELS:
        raise OrgError("JSON_PARSER_ERROR", f"'{level}' is not a valid value for the enum 'TestLevel'")
    return DeployOptions(
        check_only=bool(given.get("checkOnly")),
        rollback_on_error=given.get("rollbackOnError") is not False,
        ignore_warnings=bool(given.get("ignoreWarnings")),
        allow_missing_files=bool(given.get("allowMissingFiles")),
        test_level=level,
        run_tests=tuple(str(name) for name in given.get("runTests") or ()),
    )


def _status(call: Call) -> Response:
    _check_right(call)
    job = call.server.jobs.get(call.org.org_id, call.params["id"], JOB)
    if job is None:
        raise OrgError("INVALID_ID_FIELD", f"invalid deployment id {call.params['id']}", status=404)
    return json_answer(_document(job, details=call.query.get("includeDetails", "").lower() == "true"))


def _document(job: Job, *, details: bool) -> dict[str, Any]:
    result = dict(job.document["result"])
    if not details:
        result.pop("details", None)
    return {"id": job.id, "deployResult": result}


def _check_right(call: Call) -> None:
    if not may_deploy(call.signed_in):
        raise OrgError("INSUFFICIENT_ACCESS", NO_RIGHT, status=403)


def _parts(call: Call) -> dict[str, bytes]:
    """The parts of a multipart request by name, their bytes as they came."""
    boundary = _BOUNDARY.match(call.headers.get("content-type", ""))
    if boundary is None:
        raise OrgError("INVALID_MULTIPART_REQUEST", "The request must be multipart/form-data with a boundary")
    marker = b"\r\n--" + boundary[1].encode("latin-1")
    found: dict[str, bytes] = {}
    for part in (b"\r\n" + call.body.bytes()).split(marker)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head.replace(b"\r\n", b"\n"))
        if name is not None:
            found[name[1].decode("utf-8", "replace")] = content
    return found


ROUTES = (
    Route("POST", V + "/metadata/deployRequest", _deploy),
    Route("GET", V + "/metadata/deployRequest/{id}", _status),
)
