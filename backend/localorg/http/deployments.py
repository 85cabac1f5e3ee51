"""Deployments in the background: asked for over SOAP or REST, run one by one, remembered as jobs."""

from __future__ import annotations

import logging

from localorg.errors import OrgError
from localorg.http.calls import Call
from localorg.http.deploy_documents import deploy_document, pending_document
from localorg.http.eca import sync_apps
from localorg.http.faults import Kind
from localorg.http.jobs import Job, fresh_id
from localorg.http.server import Server
from localorg.http.sessions import Session
from localorg.metadata import DeployOptions, DeployResult, deploy
from localorg.org import Org

__all__ = ["JOB", "NO_RIGHT", "TEST_LEVELS", "may_deploy", "submit"]

JOB = "deploy"
NO_RIGHT = "Modify Metadata Through Metadata API Functions is missing"
TEST_LEVELS = frozenset({"NoTestRun", "RunSpecifiedTests", "RunLocalTests", "RunAllTestsInOrg", "RunRelevantTests"})
_log = logging.getLogger("localorg")


def may_deploy(session: Session) -> bool:
    """Whether a session's user may change metadata."""
    held = session.org.rights(session.context.user_id).permissions
    return bool(held & {"ModifyMetadata", "ModifyAllData"})


def submit(call: Call, content: bytes, options: DeployOptions) -> Job:
    """Begin to deploy a zip. The job's document holds its state and, as `result`, the platform's DeployResult."""
    job_id = fresh_id("0Af")
    document = pending_document(job_id, call.context.user_id, call.server.clock.soap_stamp(), options)
    job = call.server.jobs.add(job_id, call.org.org_id, JOB, {"state": "Pending", "result": document})
    fault = call.server.faults.take(frozenset({Kind.FAIL_JOB}), org=call.org.alias, method=call.method, path=call.path)
    if fault is not None:
        _finish(call.server, job, DeployResult(options, (), error=fault.message))
    else:
        call.server.work.submit(_run, call.server, call.org, job, content, options)
    return job


def _run(server: Server, org: Org, job: Job, content: bytes, options: DeployOptions) -> None:
    try:
        result = deploy(
            org,
            content,
            options,
            context=org.context_for(job.document["result"]["createdBy"]),
            compilers=server.engines.compilers,
            run_tests=server.engines.deploy_tests,
        )
        if result.success and not options.check_only:
            sync_apps(server, org)
    except OrgError as refused:
        result = DeployResult(options, (), error=f"{refused.code}: {refused.message}")
    except Exception:  # noqa: BLE001 - a deployment that dies unseen would be polled for ever
        _log.exception("deployment %s failed", job.id)
        result = DeployResult(options, (), error="UNKNOWN_EXCEPTION: the local org could not deploy the package")
    _finish(server, job, result)


def _finish(server: Server, job: Job, result: DeployResult) -> None:
    begun = job.document["result"]
    job.document.update(state="Done", result=deploy_document(begun, result, server.clock.soap_stamp()))
    server.jobs.save(job)
