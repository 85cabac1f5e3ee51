"""Two local orgs in a process of their own, over TLS, and FedCRM's clients of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedcrm.salesforce import Client, JwtBearer, OrgSession, Retry, Secret, TokenEndpoint

BACKEND = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class LocalOrgs:
    """What `localorg up --json` says, and the means to make trouble."""

    ca_file: str
    orgs: tuple[dict[str, str], ...]

    def endpoint(self, number: int = 0, **more: Any) -> TokenEndpoint:
        org = self.orgs[number]
        key = Secret(Path(org["key_file"]).read_text())
        grant = JwtBearer(more.pop("consumer_key", org["consumer_key"]), more.pop("username", org["username"]), key)
        retry = more.pop("retry", QUICK)
        return TokenEndpoint(org["alias"], org["instance_url"], grant, ca_file=self.ca_file, retry=retry, **more)

    def client(self, number: int = 0, *, reserve: float = 0.1) -> Client:
        retry = QUICK
        endpoint = self.endpoint(number)
        return Client(OrgSession(endpoint, ca_file=self.ca_file, retry=retry, reserve=reserve))


# Real waiting, but a hundredth of it.
QUICK = Retry(attempts=4, base=0.01, cap=0.1)


def localorg(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(BACKEND)}
    command = [sys.executable, "-m", "localorg.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="session")
def local_orgs(tmp_path_factory) -> Iterator[LocalOrgs]:
    data = tmp_path_factory.mktemp("orgs")
    started = json.loads(localorg("up", "--orgs", "2", "--data", str(data), "--json"))
    yield LocalOrgs(started["ca_file"], tuple(started["orgs"]))
    localorg("down", "--data", str(data))


class Faults:
    """Trouble in the first org."""

    def __init__(self, local_orgs: LocalOrgs) -> None:
        self._session, self._alias = local_orgs.client().session, local_orgs.orgs[0]["alias"]

    def plant(self, **what: Any) -> None:
        self._session.post("/_local/faults", json={"org": self._alias, **what})

    def left(self) -> list[Any]:
        """What has not struck."""
        return self._session.get("/_local/faults").json()

    def clear(self) -> None:
        self._session.delete("/_local/faults")


@pytest.fixture
def faults(local_orgs) -> Iterator[Faults]:
    made = Faults(local_orgs)
    yield made
    made.clear()


@pytest.fixture
def client(local_orgs) -> Iterator[Client]:
    made = local_orgs.client()
    yield made
    made.session.close()
