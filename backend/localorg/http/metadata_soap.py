"""Metadata API over SOAP: deploy and retrieve run in the background and are asked after; lists answer at once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import soap_answer, soap_refusal, xml_of
from localorg.http.calls import Call, Json, Route
from localorg.http.deployments import NO_RIGHT, TEST_LEVELS, may_deploy, submit
from localorg.http.jobs import Job, fresh_id
from localorg.http.soap import envelope, session_of
from localorg.metadata import DeployOptions, listed, retrieve
from localorg.metadata.kinds import CHILD_KINDS, KINDS
from localorg.metadata.xmltree import METADATA_NAMESPACE, Node, XmlProblem

__all__ = ["ROUTES"]


def _refuse(error: OrgError) -> Response:
    return soap_refusal(error, METADATA_NAMESPACE)


def _metadata(call: Call) -> Response:
    operation, token = envelope(call)
    session = session_of(call, token)
    handlers = {
        "deploy": _deploy,
        "checkDeployStatus": _check_deploy,
        "cancelDeploy": _cancel,
        "retrieve": _retrieve,
        "checkRetrieveStatus": _check_retrieve,
        "checkStatus": _check_status,
        "describeMetadata": _describe,
        "listMetadata": _list,
    }
    handler = handlers.get(operation.tag)
    if handler is None:
        raise OrgError("UNKNOWN_EXCEPTION", f"{operation.tag} is not served by a local org", status=500)
    if not may_deploy(session):
        raise OrgError("INSUFFICIENT_ACCESS", NO_RIGHT, status=500)
    try:
        inner = handler(call, operation)
    except XmlProblem as broken:
        raise OrgError("INVALID_TYPE", broken.message, status=500) from broken
    return soap_answer(f"<{operation.tag}Response>{inner}</{operation.tag}Response>", METADATA_NAMESPACE)


def _deploy(call: Call, operation: Node) -> str:
    given = operation.first("DeployOptions") or Node("DeployOptions")
    for option in given:
        # simple-salesforce writes Python's True and False, and the platform lets it.
        if option.text.lower() in ("true", "false"):
            option.text = option.text.lower()
    try:
        content = base64.b64decode(operation.value("ZipFile"), validate=False)
    except binascii.Error as broken:
        raise OrgError("INVALID_TYPE", "ZipFile is not base64", status=500) from broken
    level = given.value("testLevel") or "NoTestRun"
    if level not in TEST_LEVELS:
        raise OrgError("INVALID_TYPE", f"'{level}' is not a valid value for the enum 'TestLevel'", status=500)
    options = DeployOptions(
        check_only=given.flag("checkOnly"),
        rollback_on_error=given.flag("rollbackOnError", default=True),
        ignore_warnings=given.flag("ignoreWarnings"),
        allow_missing_files=given.flag("allowMissingFiles"),
        test_level=level,
        run_tests=tuple(node.text.strip() for node in given.all("runTests")),
    )
    job = submit(call, content, options)
    return xml_of({"done": False, "id": job.id, "state": "Queued"}, "result")


def _check_deploy(call: Call, operation: Node) -> str:
    document = dict(_job(call, operation, "deploy").document["result"])
    if not operation.flag("includeDetails"):
        document.pop("details", None)
    return xml_of(document, "result")


def _cancel(call: Call, operation: Node) -> str:
    job_id = operation.value("String") or operation.value("asyncProcessId")
    if call.server.jobs.get(call.org.org_id, job_id, "deploy") is None:
        raise OrgError("INVALID_ID_FIELD", f"invalid deployment id {job_id}", status=500)
    return xml_of({"done": False, "id": job_id}, "result")


def _retrieve(call: Call, operation: Node) -> str:
    # The element's name is the caller's own: tools differ.
    request = next((child for child in operation if child.children), operation)
    unpackaged = request.first("unpackaged")
    members: dict[str, list[str]] = {}
    for types in [] if unpackaged is None else unpackaged.all("types"):
        members.setdefault(types.value("name").strip(), []).extend(m.text.strip() for m in types.all("members"))
    packages = [node.text.strip() for node in request.all("packageNames") if node.text.strip()]
    version = request.value("apiVersion").strip() or call.version
    retrieved = retrieve(call.org, members, version=version, folder="unpackaged")
    if packages:
        # A package's own zip holds its manifest alone: local orgs keep no unlocked packages apart.
        retrieved = retrieve(call.org, {}, version=version, folder=packages[0])
    job_id = fresh_id("09S")
    properties = [_properties(call, kind, name, path) for kind, name, path in retrieved.files]
    facts = {"files": properties, "problems": list(retrieved.problems)}
    job = call.server.jobs.add(job_id, call.org.org_id, "retrieve", {"state": "Done"}, **facts)
    (job.folder / "result.zip").write_bytes(retrieved.content)
    return xml_of({"done": False, "id": job_id, "state": "Queued"}, "result")


def _properties(call: Call, kind: str, name: str, path: str) -> Json:
    now, user = call.server.clock.soap_stamp(), call.context.user_id
    return {
        "createdById": user,
        "createdByName": "Local Admin",
        "createdDate": now,
        "fileName": path,
        "fullName": name,
        "id": "",
        "lastModifiedById": user,
        "lastModifiedByName": "Local Admin",
        "lastModifiedDate": now,
        "manageableState": "unmanaged",
        "type": kind,
    }


def _check_retrieve(call: Call, operation: Node) -> str:
    job = _job(call, operation, "retrieve")
    document: Json = {
        "done": True,
        "fileProperties": job.private["files"],
        "id": job.id,
        "messages": [{"fileName": "unpackaged/package.xml", "problem": text} for text in job.private["problems"]],
        "status": "Succeeded",
        "success": True,
    }
    if operation.flag("includeZip", default=True):
        document["zipFile"] = base64.b64encode((job.folder / "result.zip").read_bytes()).decode()
    return xml_of(document, "result")


def _check_status(call: Call, operation: Node) -> str:
    job_id = operation.value("asyncProcessId").strip()
    for kind in ("deploy", "retrieve"):
        job = call.server.jobs.get(call.org.org_id, job_id, kind)
        if job is not None:
            done = job.state == "Done"
            return xml_of({"done": done, "id": job.id, "state": "Completed" if done else "InProgress"}, "result")
    raise OrgError("INVALID_ID_FIELD", f"invalid asynchronous process id {job_id}", status=500)


def _describe(call: Call, _: Node) -> str:
    objects = [
        {
            "childXmlNames": list(kind.children),
            "directoryName": kind.directory,
            "inFolder": kind.in_folder,
            "metaFile": kind.meta_file,
            "suffix": kind.suffix or None,
            "xmlName": kind.name,
        }
        for kind in KINDS.values()
    ]
    document = {
        "metadataObjects": objects,
        "organizationNamespace": call.org.namespace or "",
        "partialSaveAllowed": True,
        "testRequired": False,
    }
    return xml_of(document, "result")


def _list(call: Call, operation: Node) -> str:
    found: list[Mapping[str, Any]] = []
    user = call.context.user_id
    for query in operation.all("queries"):
        kind = query.value("type").strip()
        if kind not in KINDS and kind not in CHILD_KINDS:
            raise OrgError("INVALID_TYPE", f"Unknown type: {kind}", status=500)
        found += [
            {
                "createdById": user,
                "createdByName": "Local Admin",
                "createdDate": _iso(item.created),
                "fileName": item.file_name,
                "fullName": item.full_name,
                "id": item.id,
                "lastModifiedById": user,
                "lastModifiedByName": "Local Admin",
                "lastModifiedDate": _iso(item.modified),
                "manageableState": "unmanaged" if not item.namespace else "installed",
                "namespacePrefix": item.namespace or None,
                "type": kind,
            }
            for item in listed(call.org, kind)
        ]
    return xml_of(found, "result")


def _job(call: Call, operation: Node, kind: str) -> Job:
    job_id = operation.value("asyncProcessId").strip()
    job = call.server.jobs.get(call.org.org_id, job_id, kind)
    if job is None:
        raise OrgError("INVALID_ID_FIELD", f"invalid asynchronous process id {job_id}", status=500)
    return job


def _iso(stored: str) -> str:
    return stored.replace("+0000", "Z")


ROUTES = (
    Route("POST", "/services/Soap/m/{version}", _metadata, open=True, refuse=_refuse),
    Route("POST", "/services/Soap/m/{version}/{org:path}", _metadata, open=True, refuse=_refuse),
)
