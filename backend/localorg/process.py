"""The background process: started, found, and ended through one state file in the data directory.

`start` returns when the server answers. A lock on `server.lock`, held for the server's life, tells a living
process from a stale state file, also after `kill -9`: the kernel lets go of it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import ssl
import subprocess  # one use, below # nosec B404
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from localorg.errors import SettingsError

__all__ = ["Running", "ask", "claim", "find", "free_port", "is_data_directory", "lock", "start", "stop", "write_state"]

STATE, LOCK, LOG = "server.json", "server.lock", "server.log"
_ANSWERS_WITHIN = 120.0  # s; nine orgs are made at the first start
_ENDS_WITHIN = 20.0  # s
_SEEDS_WITHIN = 1800.0  # s
_GLANCE = 1.0  # s, longer than `find` holds the lock
_MARK = "localorg.json"  # what makes a directory a data directory


@dataclass(frozen=True, slots=True)
class Running:
    """A living server."""

    pid: int
    port: int
    ca_file: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://localhost:{self.port}"


def claim(directory: Path) -> None:
    """Make `directory` a data directory; raises SettingsError where it holds something else."""
    if directory.exists() and not directory.is_dir():
        raise SettingsError(f"{directory} is a file; --data needs a directory")
    mark = directory / _MARK
    if not mark.exists():
        if directory.exists() and any(directory.iterdir()):
            raise SettingsError(f"{directory} holds other files; give --data an empty or a new directory")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
            mark.write_text(json.dumps({"format": 1}) + "\n")
        except OSError as refused:
            raise SettingsError(f"{directory} cannot be written: {refused.strerror}") from refused
    elif json.loads(mark.read_text()).get("format") != 1:
        raise SettingsError(f"{directory} was written by another version of localorg; `localorg reset` starts anew")


def is_data_directory(directory: Path) -> bool:
    """Whether `claim` made it."""
    return (directory / _MARK).exists()


def find(directory: Path) -> Running | None:
    """The server of this data directory, if one is alive."""
    try:
        with (directory / LOCK).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read_state(directory)
    return None


def lock(directory: Path) -> int:
    """Take the directory for this process; returns the descriptor that holds it. Raises SettingsError if taken."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _GLANCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            if time.monotonic() < deadline:
                time.sleep(0.01)  # perhaps only somebody's `find`
                continue
            os.close(descriptor)
            raise SettingsError(f"another local org server uses {directory}; `localorg down` ends it") from taken
        return descriptor


def write_state(directory: Path, running: Running) -> None:
    """Say where this process answers, whole or not at all."""
    draft = directory / (STATE + ".new")
    draft.write_text(json.dumps(asdict(running)) + "\n")
    draft.replace(directory / STATE)


def free_port(wanted: int | None) -> socket.socket:
    """A listening loopback socket; raises SettingsError where the port is taken. None: any free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", wanted or 0))
        listener.listen(128)
    except OSError as refused:
        listener.close()
        if refused.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {wanted} is in use; give another --port, or none to take a free one"
            ) from refused
        raise SettingsError(f"cannot listen on port {wanted}: {refused.strerror}") from refused
    return listener


def start(directory: Path, arguments: Sequence[str], listener: socket.socket) -> Running:
    """Start `python -m localorg.cli serve ...` detached and wait until it answers.

    Raises SettingsError with the last line of its log where it ends before that.
    """
    (directory / STATE).unlink(missing_ok=True)
    port = listener.getsockname()[1]
    command = [sys.executable, "-m", "localorg.cli", "serve", *arguments]
    with (directory / LOG).open("ab") as log:
        # The socket is handed over open: nobody can take the port between our check and the server's start.
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module # nosec B603
            [*command, "--descriptor", str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < deadline:
        running = find(directory)
        if running is not None and running.pid == child.pid and _answers(running):
            return running
        if child.poll() is not None:
            raise SettingsError(f"the server did not start: {_last_line(directory / LOG)} (see {directory / LOG})")
        time.sleep(0.05)
    child.kill()
    raise SettingsError(f"no answer on port {port} within {_ANSWERS_WITHIN:.0f} s; see {directory / LOG}")


def stop(directory: Path) -> bool:
    """End the directory's server; False where none was alive. Raises SettingsError where it will not end."""
    running = find(directory)
    if running is None:
        return False
    try:
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_WITHIN
        while find(directory) is not None:
            if time.monotonic() > deadline:
                # Nothing is lost by it: every commit is on disk.
                os.kill(running.pid, signal.SIGKILL)
            time.sleep(0.05)
    except ProcessLookupError:
        pass
    except PermissionError as refused:
        raise SettingsError(f"process {running.pid} belongs to somebody else") from refused
    (directory / STATE).unlink(missing_ok=True)
    return True


def ask(running: Running, method: str, path: str, document: Mapping[str, object] | None = None) -> Any:
    """Ask the server something over its own TLS; raises SettingsError with what it refuses."""
    context = ssl.create_default_context(cafile=running.ca_file)
    connection = HTTPSConnection("localhost", running.port, timeout=_SEEDS_WITHIN, context=context)
    try:
        body = None if document is None else json.dumps(document)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as broken:
        raise SettingsError(f"no answer from {running.url}: {broken}") from broken
    finally:
        connection.close()
    if answer.status >= 400:
        raise SettingsError("; ".join(str(error["message"]) for error in content))
    return content


def _answers(running: Running) -> bool:
    context = ssl.create_default_context(cafile=running.ca_file)
    connection = HTTPSConnection("localhost", running.port, timeout=5, context=context)
    try:
        connection.request("GET", "/services/data")
        return connection.getresponse().getheader("X-Local-Org") == "1"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _read_state(directory: Path) -> Running | None:
    try:
        return Running(**json.loads((directory / STATE).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # alive, but not yet answering


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
