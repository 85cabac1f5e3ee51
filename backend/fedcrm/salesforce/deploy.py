"""Metadata into an org: a zip goes in, and what became of each component comes back.

The Metadata API's REST resource (`metadata/deployRequest`): one multipart request, then a question every so often.
A deployment is all or nothing; where one component fails, the org is as it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedcrm.errors import DeployFailed, UnexpectedReply
from fedcrm.salesforce.client import Client

__all__ = ["ComponentFailure", "Deployment", "deploy"]

_POLL_SECONDS = 1.0
_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ComponentFailure:
    """A component that was refused. words: the org's, with line and column where it gives them."""

    kind: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that went through. id: the org's. components: how many were deployed, or would have been."""

    id: str
    components: int
    check_only: bool


def deploy(
    client: Client,
    package: bytes,
    *,
    check_only: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Deployment:
    """Deploy a zip and wait for the end.

    package:    a Metadata API zip with its package.xml at the top.
    check_only: only say whether it would go through.

    Raises DeployFailed with every component that was refused; SalesforceError where the org does not answer.
    """
    options = {"checkOnly": check_only, "rollbackOnError": True, "singlePackage": True, "testLevel": "NoTestRun"}
    path = f"{client.base}/metadata/deployRequest"
    started = _json(
        client,
        "POST",
        path,
        files={
            "json": (None, json.dumps({"deployOptions": options}), "application/json"),
            "file": ("deploy.zip", package, "application/zip"),
        },
    )
    deadline = clock() + _TIMEOUT_SECONDS
    while True:
        answer = _json(client, "GET", f"{path}/{started['id']}", params={"includeDetails": "true"})
        result = answer.get("deployResult", {})
        if result.get("done"):
            break
        if clock() > deadline:
            raise DeployFailed(client.org, (f"deployment {started['id']} is still under way after ten minutes",))
        sleep(_POLL_SECONDS)
    failures = _failures(result)
    if not result.get("success") or failures:
        words = tuple(f"{f.kind} {f.name}: {f.words}" for f in failures)
        raise DeployFailed(client.org, words or (str(result.get("errorMessage") or "the org gave no reason"),))
    return Deployment(str(started["id"]), int(result.get("numberComponentsDeployed") or 0), check_only)


def _json(client: Client, method: str, path: str, **what: Any) -> Mapping[str, Any]:
    reply = client.session.request(method, client.session.instance_url + path, **what)
    try:
        content = reply.json()
    except ValueError as error:
        raise UnexpectedReply(client.org, "the state of a deployment cannot be read") from error
    if not isinstance(content, Mapping) or "id" not in content:
        raise UnexpectedReply(client.org, "the state of a deployment lacks its id")
    return content


def _failures(result: Mapping[str, Any]) -> tuple[ComponentFailure, ...]:
    found = (result.get("details") or {}).get("componentFailures") or []
    return tuple(
        ComponentFailure(str(one.get("componentType") or ""), str(one.get("fullName") or ""), _words(one))
        for one in found
    )


def _words(failure: Mapping[str, Any]) -> str:
    line = failure.get("lineNumber")
    place = f" (line {line}, column {failure.get('columnNumber')})" if line else ""
    return " ".join(str(failure.get("problem") or "").split()) + place
