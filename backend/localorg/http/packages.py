"""Which orgs there are, and packages published to them: `PUT /_local/packages/{namespace}` with a zip."""

from __future__ import annotations

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.metadata import BadPackage, publish
from localorg.metadata.xmltree import XmlProblem

__all__ = ["ROUTES"]


def _publish(call: Call) -> Response:
    namespace = call.params["namespace"]
    if not namespace.isidentifier() or "__" in namespace or len(namespace) > 15:
        raise OrgError("INVALID_INPUT", "A namespace has 1 to 15 letters, digits and single underscores")
    content = call.body.bytes()
    try:
        for org in call.server.registry.orgs():
            publish(org, namespace, content)
    except (BadPackage, XmlProblem) as bad:
        raise OrgError("INVALID_INPUT", str(bad)) from bad
    return json_answer({"namespace": namespace, "orgs": len(call.server.registry.entries())})


def _orgs(call: Call) -> Response:
    entries = [entry for entry in call.server.registry.entries() if not entry.hub]
    orgs = [
        {
            "alias": entry.alias,
            "org_id": entry.org_id,
            "username": entry.username,
            "namespace": entry.namespace,
            "apps": {app.label: app.consumer_key for app in call.server.consumers.of(entry.org_id)},
        }
        for entry in entries
    ]
    return json_answer({"orgs": orgs})


ROUTES = (
    Route("GET", "/_local/orgs", _orgs, open=True),
    Route("PUT", "/_local/packages/{namespace}", _publish, open=True),
)
