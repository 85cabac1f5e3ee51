"""A deployment's DeployResult as the Metadata API shows it, under way and finished (API 67)."""

from __future__ import annotations

from typing import Any

from localorg.metadata import ComponentResult, DeployOptions, DeployResult

__all__ = ["deploy_document", "pending_document"]

Json = dict[str, Any]


def pending_document(job_id: str, user_id: str, now: str, options: DeployOptions) -> Json:
    """What is known when a deployment was only asked for."""
    return {
        "checkOnly": options.check_only,
        "createdBy": user_id,
        "createdByName": "Local Admin",
        "createdDate": now,
        "done": False,
        "id": job_id,
        "ignoreWarnings": options.ignore_warnings,
        "lastModifiedDate": now,
        "numberComponentErrors": 0,
        "numberComponentsDeployed": 0,
        "numberComponentsTotal": 0,
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": options.rollback_on_error,
        "runTestsEnabled": options.test_level != "NoTestRun",
        "startDate": now,
        "status": "Pending",
        "success": False,
    }


def deploy_document(begun: Json, result: DeployResult, now: str) -> Json:
    """The finished document, details included."""
    failures, successes = result.failures, result.successes
    tests = result.tests or {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0}
    if result.success:
        status = "Succeeded"
    elif not result.options.rollback_on_error and successes and not result.error:
        status = "SucceededPartial"
    else:
        status = "Failed"
    document = {
        **begun,
        "completedDate": now,
        "details": {
            "componentFailures": [_component(item, now) for item in failures],
            "componentSuccesses": [_component(item, now) for item in successes],
            "runTestResult": tests,
        },
        "done": True,
        "lastModifiedDate": now,
        "numberComponentErrors": len(failures),
        "numberComponentsDeployed": len([item for item in successes if not item.problem]),
        "numberComponentsTotal": len(failures) + len(successes),
        "numberTestErrors": tests.get("numFailures", 0),
        "numberTestsCompleted": int(tests.get("numTestsRun", 0)) - int(tests.get("numFailures", 0)),
        "numberTestsTotal": tests.get("numTestsRun", 0),
        "status": status,
        "success": status != "Failed",
    }
    if result.error:
        document.update(errorMessage=result.error, errorStatusCode="UNKNOWN_EXCEPTION")
    return document


def _component(item: ComponentResult, now: str) -> Json:
    document: Json = {
        "changed": item.changed and item.success,
        "columnNumber": item.column or None,
        "componentType": item.kind,
        "created": item.created and item.success,
        "createdDate": now,
        "deleted": item.deleted,
        "fileName": item.file_name,
        "fullName": item.full_name,
        "id": item.id or None,
        "lineNumber": item.line or None,
        "problem": item.problem or None,
        "problemType": None if not item.problem else "Warning" if item.warning else "Error",
        "success": item.success,
        "warning": True if item.warning else None,
    }
    return document
