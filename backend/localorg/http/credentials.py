"""Connect API, `named-credentials/credential`: an admin gives a principal its secrets. They never come back out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Json, Route
from localorg.http.rest import V
from localorg.metadata.secrets import put_secrets, remove_secrets, secret_names
from localorg.org import Transaction

__all__ = ["ROUTES"]


def _set(call: Call) -> Response:
    asked = call.body.object()
    credential, principal = _named(call, asked)
    given = asked.get("credentials")
    if not isinstance(given, dict) or not all(isinstance(item, dict) and "value" in item for item in given.values()):
        raise OrgError("INVALID_INPUT", "credentials must name each secret with its value")
    values = {name: str(item["value"]) for name, item in given.items()}
    with _setup(call) as transaction:
        held = secret_names(transaction, credential, principal)
        if call.method == "POST" and held:
            raise OrgError("INVALID_INPUT", "This principal has credentials already; use PUT or PATCH")
        put_secrets(transaction, credential, principal, values, merge=call.method == "PATCH")
        document = _document(transaction, asked, credential, principal)
    return json_answer(document, 201 if call.method == "POST" else 200)


def _get(call: Call) -> Response:
    credential, principal = _named(call, call.query)
    with _setup(call) as transaction:
        return json_answer(_document(transaction, call.query, credential, principal))


def _remove(call: Call) -> Response:
    credential, principal = _named(call, call.query)
    with _setup(call) as transaction:
        remove_secrets(transaction, credential, principal)
    return nothing()


def _setup(call: Call) -> AbstractContextManager[Transaction]:
    held = call.org.rights(call.context.user_id).permissions
    if not held & {"CustomizeApplication", "ManageNamedCredentials", "ModifyAllData"}:
        raise OrgError("INSUFFICIENT_ACCESS", "Manage Named Credentials is missing", status=403)
    return call.org.transaction(call.context.in_system_mode())


def _named(call: Call, asked: Mapping[str, Any]) -> tuple[str, str]:
    credential, principal = asked.get("externalCredential"), asked.get("principalName")
    if not credential or not principal:
        raise OrgError("INVALID_INPUT", "externalCredential and principalName are required")
    name = str(credential)
    if call.org.namespace and "__" not in name:
        name = f"{call.org.namespace}__{name}"
    return name, str(principal)


def _document(transaction: Transaction, asked: Mapping[str, Any], credential: str, principal: str) -> Json:
    names = secret_names(transaction, credential, principal)
    definition = transaction.setting(f"externalcredential:{credential}") or {}
    return {
        "authenticationProtocol": definition.get("protocol", "Custom"),
        "authenticationProtocolVariant": None,
        "authenticationStatus": "Configured" if names else "Unconfigured",
        "credentials": {name: {"encrypted": True, "revision": 1, "value": None} for name in names},
        "externalCredential": credential,
        "principalName": principal,
        "principalType": str(asked.get("principalType") or "NamedPrincipal"),
    }


ROUTES = (
    Route("POST|PUT|PATCH", V + "/named-credentials/credential", _set),
    Route("GET", V + "/named-credentials/credential", _get),
    Route("DELETE", V + "/named-credentials/credential", _remove),
)
