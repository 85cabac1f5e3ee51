"""A server of two orgs over TLS, in this process, and clients of it."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from simple_salesforce import Salesforce

from localorg.http.server import Server
from localorg.http.serving import connection_document, served_in_thread
from localorg.metadata.kinds import kind_of_path


@dataclass
class Served:
    """A running server and what `localorg up --json` says of it."""

    server: Server
    url: str
    document: dict[str, Any]
    session: requests.Session

    def org(self, alias: str = "org1") -> dict[str, Any]:
        return next(org for org in self.document["orgs"] if org["alias"] == alias)

    def call(
        self, method: str, path: str, *, alias: str = "org1", token: str | None = None, **more: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.org(alias)['access_token']}", **more.pop("headers", {})}
        return self.session.request(method, self.url + path, headers=headers, timeout=60, **more)

    def assertion(self, alias: str = "org1", **changed: Any) -> str:
        org = self.org(alias)
        now = dt.datetime.now(dt.UTC)
        claims = {
            "iss": org["consumer_key"],
            "sub": org["username"],
            "aud": self.url,
            "exp": now + dt.timedelta(minutes=3),
        }
        claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(claims, Path(org["key_file"]).read_text(), algorithm="RS256")

    def login(self, alias: str = "org1", **changed: Any) -> requests.Response:
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        form = {"grant_type": grant, "assertion": self.assertion(alias, **changed)}
        return self.session.post(self.url + "/services/oauth2/token", data=form, timeout=30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two orgs, `org1` and `org2`, for the tests of one module."""
    directory = tmp_path_factory.mktemp("localorg")
    with served_in_thread(directory, orgs=2) as (server, url), pytest.MonkeyPatch.context() as patch:
        document = connection_document(server, url)
        # requests lets this variable win over a session's own setting.
        patch.setenv("REQUESTS_CA_BUNDLE", str(document["ca_file"]))
        with requests.Session() as session:
            yield Served(server, url, document, session)


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.fixturenames:
        request.getfixturevalue("served").server.faults.clear()


@pytest.fixture
def salesforce(served: Served) -> Callable[..., Salesforce]:
    """An unmodified simple-salesforce client of one org."""

    def client(alias: str = "org1", version: str = "60.0") -> Salesforce:
        org = served.org(alias)
        return Salesforce(instance_url=org["instance_url"], session_id=org["access_token"], version=version)

    return client


@pytest.fixture
def package_of() -> Callable[[dict[str, str]], bytes]:
    """A deployment's zip of these files, its package.xml naming all of them."""

    def zipped(files: dict[str, str]) -> bytes:
        members: dict[str, list[str]] = {}
        for path in files:
            kind = kind_of_path(path)
            assert kind is not None
            members.setdefault(kind.name, []).append(path.split("/")[1].removesuffix(f".{kind.suffix}"))
        types = "".join(
            f"<types>{''.join(f'<members>{name}</members>' for name in names)}<name>{kind}</name></types>"
            for kind, names in members.items()
        )
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("package.xml", f"<Package>{types}<version>67.0</version></Package>")
            for path, content in files.items():
                archive.writestr(path, content)
        return out.getvalue()

    return zipped
