"""External client apps that a deployment brought become consumers that may ask for tokens.

An app's global OAuth settings carry its certificate and key; its policies say for which permission sets the
users are approved beforehand.
"""

from __future__ import annotations

import base64
import textwrap

from localorg.http.consumers import Consumer
from localorg.http.server import Server
from localorg.metadata.xmltree import XmlProblem, parse
from localorg.org import Org

__all__ = ["sync_apps"]

_SETTING = "ecaglobal:"
_POLICY = "component:ExtlClntAppOauthConfigurablePolicies:"


def sync_apps(server: Server, org: Org) -> None:
    """Register every app with a certificate or a key of its own; approve the members of its permission sets."""
    with org.transaction(org.admin_context()) as transaction:
        settings = transaction.settings_under(_SETTING)
        policies = transaction.settings_under(_POLICY)
    for name, facts in settings.items():
        key = facts["consumer_key"] or f"3MVG9{org.org_id[:15]}{name[len(_SETTING) :]}"
        held = server.consumers.find(key)
        if held is not None and held.org_id != org.org_id:
            continue  # another org's key: not ours to take over
        run_as = org.admin_id if facts["client_credentials"] else ""
        certificate = _pem(facts["certificate"])
        server.consumers.register(Consumer(key, org.org_id, name[len(_SETTING) :], certificate, run_as))
        for user_id in _approved(org, facts["app"], policies):
            server.consumers.approve(key, user_id)


def _approved(org: Org, app: str, policies: dict[str, dict[str, str]]) -> list[str]:
    sets: list[str] = []
    for document in policies.values():
        try:
            root = parse(base64.b64decode(document["content"]))
        except XmlProblem:
            continue
        if root.value("externalClientApplication") != app:
            continue
        for node in root.all("commaSeparatedPermissionSet"):
            sets += [name.strip() for name in node.text.split(",") if name.strip()]
    if not sets:
        return []
    with org.transaction(org.admin_context()) as transaction:
        rows = transaction.query(
            "SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name IN :sets", binds={"sets": sets}
        )
        return [str(row["AssigneeId"]) for row in rows]


def _pem(certificate: str) -> str:
    """The certificate with its armour, which metadata may leave out."""
    text = certificate.strip()
    if not text or text.startswith("-----"):
        return text
    body = "\n".join(textwrap.wrap("".join(text.split()), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
