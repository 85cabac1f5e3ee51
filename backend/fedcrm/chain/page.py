"""The record page in a browser: the package's own component, served on this machine over a running org and service.

It is the preview that the package's tests use (`force-app/test/preview`); Lightning itself is not there. It needs Node
and what `make package-tools` installs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess  # fixed commands, no shell # nosec B404
from pathlib import Path

from fedcrm.chain.local_orgs import OrgFacts
from fedcrm.chain.places import Places
from fedcrm.errors import SettingsError
from fedcrm.files import write_atomically
from fedcrm.salesforce import Secret

__all__ = ["show_page", "stop_page"]

_BUILD_SECONDS = 300.0


def show_page(places: Places, repository: Path, facts: OrgFacts, token: Secret) -> str:
    """Serve the page as one person sees it; its address, to which `recordId` and `objectApiName` are added.

    Raises SettingsError where Node or the preview's tools are missing.
    """
    node = shutil.which("node")
    if node is None or not (repository / "node_modules" / "rollup").is_dir():
        raise SettingsError("the record page needs Node 20 or later and the package's tools: `make package-tools`")
    stop_page(places)
    directory = places.out / "page"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = os.environ | {"FEDCRM_PREVIEW": str(directory / "built")}
    if not (directory / "built").is_dir():
        _build(node, repository, environment)
    session = {"instance_url": facts.instance_url, "access_token": token.reveal(), "ca_file": str(facts.ca_file)}
    write_atomically(directory / "session.json", json.dumps(session).encode(), mode=0o600)
    with (directory / "page.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command with our own words # nosec B603
            [node, "force-app/test/preview/server.mjs", str(directory / "session.json"), "0"],
            cwd=repository,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    if process.stdout is None:
        raise SettingsError("the record page's server has no output to read")
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        raise SettingsError(f"the record page's server did not start; see {directory / 'page.log'}")
    write_atomically(directory / "process.json", (json.dumps({"pid": process.pid}) + "\n").encode())
    return line.partition("?")[0]


def stop_page(places: Places) -> None:
    """End the page's server, if it runs."""
    file = places.out / "page" / "process.json"
    if not file.exists():
        return
    pid = int(json.loads(file.read_text("utf-8"))["pid"])
    command = Path(f"/proc/{pid}/cmdline")
    try:
        if b"preview/server.mjs" in command.read_bytes():  # and not another program that has got its number since
            os.kill(pid, signal.SIGTERM)
    except (OSError, ProcessLookupError):
        pass
    file.unlink()


def _build(node: str, repository: Path, environment: dict[str, str]) -> None:
    rollup = repository / "node_modules" / "rollup" / "dist" / "bin" / "rollup"
    words = [node, str(rollup), "-c", "force-app/test/preview/rollup.config.mjs", "--silent"]
    try:
        done = subprocess.run(  # noqa: S603 - our own command with our own words # nosec B603
            words, cwd=repository, env=environment, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"the record page could not be built: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SettingsError(f"the record page could not be built: {last}")
