"""`POST /_local/apps`: an app of an org without a deployment: its key, a secret, and whom it is approved for.

What an admin would click together in Setup; for tests and for tools that log in by client credentials.
"""

from __future__ import annotations

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.http.consumers import Consumer
from localorg.http.users import user_by_name

__all__ = ["ROUTES"]


def _make(call: Call) -> Response:
    asked = call.body.object()
    entry = call.server.registry.entry(str(asked.get("org", "")))
    org = None if entry is None else call.server.registry.org(entry.org_id)
    if entry is None or org is None:
        raise OrgError("INVALID_INPUT", f"there is no org {asked.get('org')!r}")
    names = [str(name) for name in asked.get("approved", [])]
    if "run_as" in asked:
        names.append(str(asked["run_as"]))
    users = {name: user_by_name(org, name) for name in names}
    for name, user in users.items():
        if user is None:
            raise OrgError("INVALID_INPUT", f"there is no user {name} in {entry.alias}")
    run_as = users.get(str(asked.get("run_as", "")))
    key, secret = call.server.new_credentials()
    label = str(asked.get("label", "app"))
    app = Consumer(key, org.org_id, label, str(asked.get("certificate", "")), "" if run_as is None else run_as.user_id)
    call.server.consumers.register(app, secret)
    for user in users.values():
        if user is not None:
            call.server.consumers.approve(key, user.user_id)
    return json_answer({"consumer_key": key, "consumer_secret": secret}, 201)


ROUTES = (Route("POST", "/_local/apps", _make, open=True),)
