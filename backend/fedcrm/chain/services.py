"""One prediction service an organisation: `fedcrm serve` as a process, with a certificate and a port of its own.

A service outlives the command that started it where it is to be kept; its process id and port stand beside its data,
so that the next command finds it, or starts it on the same port again: the org has its address.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess  # one fixed command, no shell # nosec B404
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import requests

from fedcrm.chain.certificates import Authority
from fedcrm.errors import SettingsError
from fedcrm.files import write_atomically
from fedcrm.service import Scope, Service, read_settings

__all__ = ["ServiceProcess"]

_START_SECONDS = 120.0
_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Running:
    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """The service of one organisation. directory: its data. name: of its certificate's files."""

    directory: Path
    authority: Authority
    name: str

    def pair(self, org_id: str, organisation: str) -> tuple[str, str]:
        """Start it and register the org with a one-time code; its address and the key that the org calls with.

        Raises SettingsError where it does not start or refuses the code.
        """
        url = self.start()
        opened = Service.open(read_settings(data=self.directory))
        try:
            code = opened.tenants.new_pairing_code(Scope.PREDICT, opened.settings.pairing_minutes, org_id)
        finally:
            opened.close()
        body = {"code": code.reveal(), "org_id": org_id, "name": organisation}
        ca = str(self.authority.certificate)
        try:
            answer = requests.post(f"{url}/v1/pairing", json=body, verify=ca, timeout=60)
        except requests.RequestException as error:
            raise SettingsError(f"{organisation}: its service at {url} did not answer the pairing") from error
        if answer.status_code != requests.codes.created:
            raise SettingsError(f"{organisation}: its service refused the pairing ({answer.status_code})")
        return url, str(answer.json()["api_key"])

    def start(self) -> str:
        """Have it running; its address. Raises SettingsError where it does not start."""
        known = self._known()
        if known is not None and self._answers(known.port):
            return self._url(known.port)
        port = known.port if known is not None else 0
        self.directory.mkdir(parents=True, exist_ok=True)
        Service.make_storage_key(read_settings(data=self.directory))
        certificate, key = self.authority.server(self.name)
        environment = os.environ | {
            "FEDCRM_SERVICE_TLS_CERTIFICATE": str(certificate),
            "FEDCRM_SERVICE_TLS_KEY": str(key),
            "FEDCRM_SERVICE_LOG_LEVEL": "warning",
        }
        words = ["serve", "--data", str(self.directory), "--port", str(port)]
        log = (self.directory / "service.log").open("ab")
        with log:
            process = subprocess.Popen(  # noqa: S603 - our own command with our own words # nosec B603
                [sys.executable, "-c", "from fedcrm.cli import main; main()", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C ends the chain, not what is to be kept
                text=True,
            )
        if process.stdout is None:
            raise SettingsError(f"{self.name}: its service has no output to read")
        with process.stdout:
            line = process.stdout.readline()
        if not line:
            raise SettingsError(f"{self.name}: its service did not start; see {self.directory / 'service.log'}")
        port = int(json.loads(line)["url"].rpartition(":")[2])
        write_atomically(self._file, (json.dumps({"pid": process.pid, "port": port}) + "\n").encode())
        return self._url(port)

    def stop(self) -> None:
        """End it, if it runs."""
        known = self._known()
        if known is None or not self._answers(known.port):
            return
        pid = known.pid
        try:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + _END_SECONDS
            while time.monotonic() < until and self._answers(known.port):
                time.sleep(0.1)
        except ProcessLookupError:
            return

    @property
    def _file(self) -> Path:
        return self.directory / "process.json"

    def _known(self) -> _Running | None:
        if not self._file.exists():
            return None
        try:
            found = json.loads(self._file.read_text("utf-8"))
            return _Running(int(found["pid"]), int(found["port"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{self._file} cannot be read") from error

    def _answers(self, port: int) -> bool:
        trust = ssl.create_default_context(cafile=str(self.authority.certificate))
        try:
            with urllib.request.urlopen(  # noqa: S310 - our own https address # nosec B310
                f"{self._url(port)}/health/live", timeout=5, context=trust
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    @staticmethod
    def _url(port: int) -> str:
        return f"https://localhost:{port}"
