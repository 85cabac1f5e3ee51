"""The local orgs: `localorg` as a command of its own, run, filled and ended from outside.

Two processes serve the nine orgs, so that two cores have work. Each holds all nine aliases, because an org's own
words follow from its alias; the chain uses each org in one of them.
"""

from __future__ import annotations

import json
import os
import subprocess  # one fixed command, no shell # nosec B404
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcrm.chain.places import ORGS, SERVERS, Organisation, Places
from fedcrm.errors import SettingsError, StorageError

__all__ = ["OrgFacts", "fill", "start_orgs", "stop_orgs"]

_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class OrgFacts:
    """How an org's administrator gets in, as `localorg up --json` says it."""

    alias: str
    instance_url: str
    org_id: str
    username: str
    consumer_key: str
    key_file: Path
    ca_file: Path


def start_orgs(places: Places, server: int, trust: Path, port: int | None) -> dict[str, OrgFacts]:
    """Start one process unless it runs; by alias, how to get into its orgs.

    trust: certificates that the orgs' callouts accept beside the usual ones.
    port:  where it ran before: whoever knows an org knows it there.
    Raises SettingsError where the command is missing or refuses.
    """
    directory = places.orgs(server)
    directory.parent.mkdir(parents=True, exist_ok=True)
    words = ["up", "--orgs", str(ORGS), "--data", str(directory), "--json"]
    words += [] if port is None else ["--port", str(port)]
    said = _localorg(words, trust)
    return {
        one["alias"]: OrgFacts(
            one["alias"],
            one["instance_url"],
            one["org_id"],
            one["username"],
            one["consumer_key"],
            Path(one["key_file"]),
            Path(said["ca_file"]),
        )
        for one in said["orgs"]
    }


def fill(places: Places, server: int, of: Sequence[Organisation], rows: int | None, seed: int) -> Mapping[str, Any]:
    """Fill empty orgs of one server from the table; what became of each, by alias. Raises SettingsError."""
    words = ["seed", "--data-set", str(places.table), "--data", str(places.orgs(server)), "--seed", str(seed), "--json"]
    words += [] if rows is None else ["--rows", str(rows)]
    for organisation in of:
        words += ["--org", organisation.alias]
    return {str(one["org"]): one for one in _localorg(words)["orgs"]}


def stop_orgs(places: Places) -> None:
    """End the processes; the orgs stay on disk."""
    for server in range(1, SERVERS + 1):
        if places.orgs(server).is_dir():
            _run(["down", "--data", str(places.orgs(server))])


def _localorg(words: Sequence[str], trust: Path | None = None) -> Any:
    said = _run(words, trust)
    try:
        return json.loads(said)
    except ValueError as error:
        raise SettingsError(f"`localorg {words[0]}` said something else than JSON") from error


def _run(words: Sequence[str], trust: Path | None = None) -> str:
    environment = dict(os.environ)
    if trust is not None:
        environment["SSL_CERT_FILE"] = str(trust)
    try:
        done = subprocess.run(  # noqa: S603 - our own command with our own words # nosec B603
            [sys.executable, "-m", "localorg.cli", *words],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise StorageError(f"`localorg {words[0]}` cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsError(f"`localorg {words[0]}` was not done after {_SECONDS:.0f} s") from error
    if done.returncode and "No module named" in done.stderr:
        raise SettingsError("local orgs come from an extra: pip install 'fedcrm[demo,localorg]'")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise SettingsError(f"`localorg {words[0]}`: {last.removeprefix('localorg: ')}")
    return done.stdout
