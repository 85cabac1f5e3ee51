"""An org with the package, the organisation's service and the people between them, over HTTPS."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import requests

from fedcrm.service import Service, read_settings

__all__ = ["Org", "ServiceProcess", "User"]

DATA = "/services/data/v67.0"
PASSWORD = "made-up-Pass-1"


@dataclass
class User:
    """Somebody with a session in the org."""

    url: str
    ca_file: str
    token: str = field(repr=False)
    user_id: str = ""

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return requests.request(method, self.url + path, headers=headers, verify=self.ca_file, timeout=120, **more)

    def ok(self, method: str, path: str, **more: Any) -> Any:
        """The answer's JSON, or None. Whatever is no success is this test's end."""
        answer = self.call(method, path, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def query(self, soql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.ok("GET", DATA + "/query", params={"q": soql})["records"]
        return rows

    def create(self, sobject: str, **fields: Any) -> str:
        return str(self.ok("POST", f"{DATA}/sobjects/{sobject}", json=fields)["id"])

    def update(self, sobject: str, record_id: str, **fields: Any) -> None:
        self.ok("PATCH", f"{DATA}/sobjects/{sobject}/{record_id}", json=fields)

    def delete(self, sobject: str, record_id: str) -> None:
        self.ok("DELETE", f"{DATA}/sobjects/{sobject}/{record_id}")


@dataclass
class Org(User):
    """The org as its administrator."""

    org_id: str = ""

    def deploy(self, package: bytes) -> None:
        """Deploy a zip; a component that is refused ends the test with its message."""
        options = {"deployOptions": {"singlePackage": True, "rollbackOnError": True}}
        files = {
            "json": (None, json.dumps(options), "application/json"),
            "file": ("package.zip", package, "application/zip"),
        }
        started = self.ok("POST", DATA + "/metadata/deployRequest", files=files)
        until = time.monotonic() + 120
        while True:
            result = self.ok(
                "GET", f"{DATA}/metadata/deployRequest/{started['id']}", params={"includeDetails": "true"}
            )["deployResult"]
            if result["done"]:
                break
            assert time.monotonic() < until, "the deployment takes too long"
            time.sleep(0.2)
        assert result["success"], json.dumps(result["details"].get("componentFailures"), indent=1)[:4000]

    def change(self, kind: str, path: str, content: str) -> None:
        """Deploy one component again, changed."""
        name = Path(path).name.rpartition(".")[0]
        manifest = (
            '<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types>'
            f"<members>{name}</members><name>{kind}</name></types><version>67.0</version></Package>"
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("package.xml", manifest)
            archive.writestr(path, content)
        self.deploy(packed.getvalue())

    def apex(self, source: str) -> None:
        """Run Apex as the administrator."""
        answer = self.ok("GET", DATA + "/tooling/executeAnonymous", params={"anonymousBody": source})
        assert answer["success"], f"{answer['compileProblem']} {answer['exceptionMessage']}"

    def told(self, expression: str) -> str:
        """What an Apex expression is as text."""
        self.apex(f"insert new Task(Subject = 'told', Description = String.valueOf({expression}));")
        [row] = self.query("SELECT Id, Description FROM Task WHERE Subject = 'told'")
        self.delete("Task", row["Id"])
        return str(row["Description"])

    def give(self, user_id: str, permission_set: str) -> str:
        """Assign a permission set; returns the assignment, which `take` ends."""
        [row] = self.query(f"SELECT Id FROM PermissionSet WHERE Name = '{permission_set}'")
        return self.create("PermissionSetAssignment", AssigneeId=user_id, PermissionSetId=row["Id"])

    def custom_permissions(self, user_id: str) -> set[str]:
        """Names of the custom permissions that a user holds."""
        theirs = f"SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{user_id}'"
        soql = f"SELECT SetupEntityId FROM SetupEntityAccess WHERE ParentId IN ({theirs})"
        granted = {row["SetupEntityId"] for row in self.query(soql)}
        every = self.query("SELECT Id, DeveloperName FROM CustomPermission")
        return {row["DeveloperName"] for row in every if row["Id"] in granted}

    def take(self, assignment: str) -> None:
        self.delete("PermissionSetAssignment", assignment)

    def new_user(self, name: str, *permission_sets: str, profile: str = "Standard User") -> User:
        """A user who logged in with a password of their own."""
        [row] = self.query(f"SELECT Id FROM Profile WHERE Name = '{profile}'")
        username = f"{name.lower()}@north.example"
        user_id = self.create(
            "User",
            Username=username,
            LastName=name,
            IsActive=True,
            Email=username,
            Alias=name.lower()[:8],
            ProfileId=row["Id"],
            TimeZoneSidKey="GMT",
            LocaleSidKey="en_US",
            EmailEncodingKey="UTF-8",
            LanguageLocaleKey="en_US",
        )
        for each in permission_sets:
            self.give(user_id, each)
        self.ok("POST", f"{DATA}/sobjects/User/{user_id}/password", json={"NewPassword": PASSWORD})
        return User(self.url, self.ca_file, self._session(username), user_id)

    def _session(self, username: str) -> str:
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:p="urn:partner.soap.sforce.com">'
            f"<s:Body><p:login><p:username>{escape(username)}</p:username><p:password>{PASSWORD}</p:password></p:login>"
            "</s:Body></s:Envelope>"
        )
        answer = requests.post(
            self.url + "/services/Soap/u/67.0",
            data=body,
            headers={"Content-Type": "text/xml", "SOAPAction": "login"},
            verify=self.ca_file,
            timeout=60,
        )
        found = re.search(r"<sessionId>([^<]+)<", answer.text)
        assert found, answer.text[:500]
        return found[1]


@dataclass
class ServiceProcess:
    """`fedcrm serve` on one port, to be stopped and started again."""

    directory: Path
    certificate: Path
    key: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        """Returns once it answers."""
        code = "from fedcrm.cli import main; main()"
        given = {
            "FEDCRM_SERVICE_TLS_CERTIFICATE": str(self.certificate),
            "FEDCRM_SERVICE_TLS_KEY": str(self.key),
            "FEDCRM_SERVICE_LOG_LEVEL": "error",
        }
        words = ["serve", "--data", str(self.directory), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, env=os.environ | given
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the service did not start"
        self.port = int(json.loads(line)["url"].rpartition(":")[2])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process.stdout.close()  # type: ignore[union-attr]  # it was piped
            self.process = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """The process takes no turn meanwhile: calls wait, as on a machine that has too much to do."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def opened(self) -> Iterator[Service]:
        """The service's own books while the process is down, and it is up again afterwards."""
        self.stop()
        service = Service.open(read_settings(data=self.directory))
        try:
            yield service
        finally:
            service.close()
            self.start()
