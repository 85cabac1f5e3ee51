"""Make an org known to a node and pair them, as `fedcrm_register_org`.

The node's own command does it. Secrets go to it in a file.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cumulusci.core.exceptions import CumulusCIException
from cumulusci.tasks.salesforce import BaseSalesforceApiTask

from tasks.installed import namespace_of
from tasks.node_command import NodeCommand

__all__ = ["RegisterOrg"]

_LIMIT = 300  # s, one command


class RegisterOrg(NodeCommand, BaseSalesforceApiTask):  # type: ignore[misc]  # CumulusCI has no types
    """`fedcrm org add` and `fedcrm org pair`. Doing it again exchanges the login and leaves the pairing as it is.

    Raises CumulusCIException with the line that the node said where it refused.
    """

    task_options = {
        "alias": {"description": "The node's name for the org. Default: CumulusCI's name for it."},
        "orgs": {"description": "The node's directory of orgs. Default: the node's own default."},
        "command": {"description": "The node's program. Default: fedcrm, found on the PATH."},
        "consumer_key": {"description": "Of the org's external client app, with key_file."},
        "key_file": {
            "description": "PEM of the node's private key. Without one the node gets the session that CumulusCI has, "
            "which ends within hours: enough for a look at a scratch org."
        },
        "username": {"description": "Whom the node logs in as, with key_file. Default: the org's user."},
        "ca_file": {"description": "PEM of the CA to trust for this org alone."},
        "rotate": {"description": "True: pair with a new transport key. Default: False."},
    }

    def _run_task(self) -> None:
        alias = self.options.get("alias") or self.org_config.name
        add = ["org", "add", alias, "--replace", "--login-url", self.org_config.instance_url]
        if self.options.get("ca_file"):
            add += ["--ca-file", self.options["ca_file"]]
        if self.options.get("key_file"):
            if not self.options.get("consumer_key"):
                raise CumulusCIException("A key_file needs the consumer_key of the app that has its certificate.")
            add += ["--key-file", self.options["key_file"], "--consumer-key", self.options["consumer_key"]]
            self._register([*add, "--username", self.options.get("username") or self.org_config.username])
        else:
            self._add_by_session(add)
        namespace = namespace_of(self.project_config, self.org_config)
        pair = ["org", "pair", alias, *(["--namespace", namespace] if namespace else [])]
        self._register(pair + (["--rotate"] if str(self.options.get("rotate")).lower() == "true" else []))

    def _add_by_session(self, add: list[str]) -> None:
        descriptor, name = tempfile.mkstemp(prefix="fedcrm-")  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self.org_config.access_token)
            self._register([*add, "--token-file", name])
        finally:
            Path(name).unlink()

    def _register(self, words: list[str]) -> None:
        where = ["--orgs", self.options["orgs"]] if self.options.get("orgs") else []
        self.say(self.fedcrm(*words, *where, limit=_LIMIT))
