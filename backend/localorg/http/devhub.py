"""Dev Hub: a ScratchOrgInfo row makes an org, deleting its ActiveScratchOrg row removes it.

Every org of a data directory is a hub. A scratch org is a file like the others; it trusts its hub's consumer
for its own admin, as the platform's does, and hands out an authorisation code for tools without a key.
"""

from __future__ import annotations

import datetime as dt
import logging
import re

from starlette.responses import Response

from localorg.errors import LocalOrgError, OrgError
from localorg.http.answers import json_answer, nothing
from localorg.http.calls import Call, Json, Route
from localorg.http.rest import V
from localorg.http.sessions import Grant, Use

__all__ = ["ROUTES"]

_DAYS = 7
_MOST_DAYS = 30
_CLIENT = "PlatformCLI"
_NAMESPACE = re.compile(r"(?:[A-Za-z](?:[A-Za-z0-9]|_(?!_)){0,14})?")
_log = logging.getLogger("localorg")


def _create(call: Call) -> Response:
    hub = call.org
    known = hub.schema.object("ScratchOrgInfo")
    # Tools send fields for features that no local org has (package ancestors, snapshots): those are let go.
    asked = {
        name: value for name, value in call.body.object().items() if value is not None and known.get(name) is not None
    }
    given = str(asked.get("DurationDays", _DAYS))
    days = int(given) if given.isdecimal() else 0
    if not 1 <= days <= _MOST_DAYS:
        raise OrgError(
            "FIELD_INTEGRITY_EXCEPTION", f"Duration (Days): must be 1 to {_MOST_DAYS}", fields=("DurationDays",)
        )
    if not _NAMESPACE.fullmatch(str(asked.get("Namespace", ""))):
        raise OrgError("FIELD_INTEGRITY_EXCEPTION", "Namespace: not a namespace", fields=("Namespace",))
    expires = call.server.clock.now() + dt.timedelta(days=days)
    facts = {**asked, "DurationDays": days, "ExpirationDate": expires.date().isoformat(), "Status": "Creating"}
    with hub.transaction(hub.admin_context().in_system_mode()) as transaction:
        (made,) = transaction.insert("ScratchOrgInfo", [facts])
    if made.id is None:
        error = made.errors[0]
        raise OrgError(error.status_code, error.message, fields=error.fields)
    call.server.work.submit(_fill, call, made.id, asked, expires)
    return json_answer({"id": made.id, "success": True, "errors": []}, 201)


def _fill(call: Call, info_id: str, asked: Json, expires: dt.datetime) -> None:
    """Make the org and say so on its row; a failure is written there too, where tools look for it."""
    server, hub = call.server, call.org
    server.remove_expired()
    alias = f"scratch-{info_id[9:15].lower()}-{server.clock.now():%H%M%S}"
    namespace = str(asked.get("Namespace") or "") or None
    try:
        keys = server.create_org(alias, namespace=namespace, hub=hub.org_id, expires_at=expires)
    except LocalOrgError:
        _log.exception("scratch org %s could not be made", alias)
        _note(call, info_id, {"Status": "Error", "ErrorCode": "C-1033"})
        return
    entry = keys.entry
    org = server.registry.org(entry.org_id)
    username = str(asked.get("Username") or entry.username)
    if org is not None and username != entry.username:
        with org.transaction(org.admin_context().in_system_mode()) as transaction:
            transaction.update("User", [{"Id": entry.user_id, "Username": username}])
        server.registry.rename_admin(entry.org_id, username)
    for consumer in server.consumers.of(hub.org_id):
        server.consumers.approve(consumer.consumer_key, entry.user_id)
    code = server.sessions.issue(Grant(entry.org_id, entry.user_id, _CLIENT, "refresh_token api"), Use.CODE)
    facts = {
        "Status": "Active",
        "SignupUsername": username,
        "SignupEmail": asked.get("AdminEmail") or "admin@localorg.example",
        "SignupInstance": "LOCAL",
        "LoginUrl": call.base_url,
        "ScratchOrg": entry.org_id[:15],
        "AuthCode": code,
    }
    _note(call, info_id, facts)
    active = {
        "ScratchOrgInfoId": info_id,
        "ScratchOrg": entry.org_id[:15],
        "SignupUsername": username,
        "ExpirationDate": expires.date().isoformat(),
    }
    with hub.transaction(hub.admin_context().in_system_mode()) as transaction:
        transaction.insert("ActiveScratchOrg", [active])


def _note(call: Call, info_id: str, facts: Json) -> None:
    with call.org.transaction(call.org.admin_context().in_system_mode()) as transaction:
        transaction.update("ScratchOrgInfo", [{"Id": info_id, **facts}])


def _delete(call: Call) -> Response:
    hub = call.org
    with hub.transaction(hub.admin_context().in_system_mode()) as transaction:
        rows = list(
            transaction.query(
                "SELECT Id, ScratchOrg, ScratchOrgInfoId FROM ActiveScratchOrg WHERE Id = :id",
                binds={"id": call.params["id"]},
            )
        )
        if not rows:
            raise OrgError("NOT_FOUND", "The requested resource does not exist", status=404)
        transaction.delete([str(rows[0]["Id"])])
        transaction.update("ScratchOrgInfo", [{"Id": rows[0]["ScratchOrgInfoId"], "Status": "Deleted"}])
    entry = call.server.registry.entry(str(rows[0]["ScratchOrg"]))
    if entry is not None and entry.hub == hub.org_id:
        call.server.remove_org(entry.org_id)
    return nothing()


ROUTES = (
    Route("POST", V + "/sobjects/ScratchOrgInfo", _create),
    Route("DELETE", V + "/sobjects/ActiveScratchOrg/{id}", _delete),
)
