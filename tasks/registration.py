"""Make an org known to a node and pair them, as `fedcrm_register_org`.

The node's own command does it, in a process of its own and with the node's own Python. Secrets go to it in a file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from cumulusci.core.exceptions import CumulusCIException
from cumulusci.tasks.salesforce import BaseSalesforceApiTask

from tasks.installed import namespace_of

__all__ = ["RegisterOrg"]

_LIMIT = 300  # s, one command


class RegisterOrg(BaseSalesforceApiTask):  # type: ignore[misc]  # CumulusCI has no types
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
            self._fedcrm([*add, "--username", self.options.get("username") or self.org_config.username])
        else:
            self._add_by_session(add)
        namespace = namespace_of(self.project_config, self.org_config)
        pair = ["org", "pair", alias, *(["--namespace", namespace] if namespace else [])]
        self._fedcrm(pair + (["--rotate"] if str(self.options.get("rotate")).lower() == "true" else []))

    def _add_by_session(self, add: list[str]) -> None:
        descriptor, name = tempfile.mkstemp(prefix="fedcrm-")  # readable by its owner only
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self.org_config.access_token)
            self._fedcrm([*add, "--token-file", name])
        finally:
            Path(name).unlink()

    def _fedcrm(self, words: list[str]) -> None:
        program = self.options.get("command") or "fedcrm"
        where = ["--orgs", self.options["orgs"]] if self.options.get("orgs") else []
        try:
            done = subprocess.run(
                [program, *words, *where], capture_output=True, text=True, timeout=_LIMIT, check=False
            )
        except FileNotFoundError as missing:
            raise CumulusCIException(f"There is no program {program}; install the node, or give command.") from missing
        except subprocess.TimeoutExpired as late:
            raise CumulusCIException(f"{program} {' '.join(words[:2])} took longer than {_LIMIT} s.") from late
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise CumulusCIException(said[-1] if said else f"{program} ended with {done.returncode}.")
        for line in done.stdout.splitlines():
            self.logger.info(line)
