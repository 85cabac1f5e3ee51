"""External client apps that a deployment brought become consumers that may ask for tokens.

An app's global OAuth settings carry its certificate and key; its policies say which permission sets' holders
are approved beforehand.
"""

from __future__ import annotations

from localorg.http.consumers import Consumer
from localorg.http.server import Server
from localorg.metadata.change import StoredComponent
from localorg.metadata.xmltree import parse
from localorg.org import Org

__all__ = ["sync_apps"]

_SETTING = "ecaglobal:"
_POLICY = "ExtlClntAppOauthConfigurablePolicies"


def sync_apps(server: Server, org: Org) -> None:
    """Register every app with global OAuth settings. An app without a key of its own gets one that stays."""
    with org.transaction(org.admin_context()) as transaction:
        settings = transaction.settings_under(_SETTING)
        policies = transaction.settings_under(f"component:{_POLICY}:")
    for setting, facts in settings.items():
        name = setting.removeprefix(_SETTING)
        key = facts["consumer_key"] or f"3MVG9{org.org_id[:15]}{name}"
        run_as = org.admin_id if facts["client_credentials"] else ""
        sets = tuple(
            permission_set
            for document in policies.values()
            for permission_set in _permission_sets(StoredComponent.from_json(_POLICY, name, document), facts["app"])
        )
        # Another org's key stays that org's: `register` changes only rows of the same org.
        server.consumers.register(Consumer(key, org.org_id, name, facts["certificate"], run_as, sets))


def _permission_sets(policy: StoredComponent, app: str) -> list[str]:
    root = parse(policy.content)
    if root.value("externalClientApplication") != app:
        return []
    return [
        name.strip()
        for node in root.all("commaSeparatedPermissionSet")
        for name in node.text.split(",")
        if name.strip()
    ]
