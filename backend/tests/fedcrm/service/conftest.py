"""A running service with two organisations and a small model, on SQLite or a throw-away PostgreSQL server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import numpy as np
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi.testclient import TestClient

from fedcrm.explanation import Calibration, Explainer, prepare
from fedcrm.service import ModelFacts, Privacy, Scope, Service, create_app, read_settings

from ..boosting.conftest import make_federation, train
from ..explanation.conftest import MEANINGS
from ..privacy.conftest import postgresql_server  # noqa: F401  # a fixture

ORG, OTHER = "00D000000000001EAA", "00D000000000002EAA"
DIGEST = "5d" * 32
NAMES = ("amount", "age", "channel", "noise")


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Running:
    """A service, its client, and what its organisations hold."""

    service: Service
    client: TestClient
    clock: Clock
    key: str
    admin_key: str
    other_key: str
    private_key: str = field(repr=False)

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"X-FedCRM-Key": self.key if key is None else key}

    @property
    def admin(self) -> dict[str, str]:
        return {"X-FedCRM-Key": self.admin_key}

    def token(
        self, *, algorithm: str = "RS256", key: str | None = None, drop: tuple[str, ...] = (), **claims: Any
    ) -> str:
        body = {
            "iss": ORG,
            "org_id": ORG,
            "aud": "fedcrm",
            "exp": int(self.clock.now) + 60,
            "sub": "005000000000001AAA",
        } | claims
        body = {name: value for name, value in body.items() if name not in drop}
        return jwt.encode(body, self.private_key if key is None else key, algorithm=algorithm)

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def predict(
        self, records: list[dict[str, Any]] | None = None, headers: dict[str, str] | None = None, **body: Any
    ) -> Any:
        content = {"org_id": ORG, "task": "churn", "records": [record()] if records is None else records} | body
        return self.client.post("/v1/predictions", json=content, headers=self.headers() if headers is None else headers)


def record(
    vector: tuple[str, ...] = ("420.5", "3.25", "level 1", "0.1"), pseudonym: str = "ab" * 16, **changes: Any
) -> dict[str, Any]:
    return {
        "pseudonym": pseudonym,
        "vocabulary_digest": DIGEST,
        "as_of": "2026-11-24T10:15:00Z",
        "vector": list(vector),
    } | changes


def facts(task: str = "churn", round_number: int | None = 12, **changes: Any) -> ModelFacts:
    given: dict[str, Any] = {
        "task": task,
        "origin": "federated",
        "round": round_number,
        "trained_at": "2026-11-20T02:00:00Z",
        "withheld": False,
        "vocabulary": NAMES,
        "vocabulary_digest": DIGEST,
        "polarity": "HIGH_IS_BAD",
        "privacy": Privacy(8.0, 1e-5, 9, 7.7),
    }
    return ModelFacts(**(given | changes))


@pytest.fixture(scope="session")
def small_explainer() -> Explainer:
    federation = make_federation((300, 900, 1600))
    model = train(federation, 1.67)[0].model()
    X, y = federation.X[0], federation.y[0]
    return prepare(
        model, federation.schema, X, y, Calibration.fit(model.margin(X), y), MEANINGS, better=-1,
        rng=np.random.default_rng(0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def other_explainer() -> Explainer:
    """Another model over the same fields: what a later training might bring."""
    federation = make_federation((300, 900, 1600), seed=9)
    model = train(federation, 0.4)[0].model()
    X, y = federation.X[0], federation.y[0]
    return prepare(
        model, federation.schema, X, y, Calibration.identity(), MEANINGS, better=-1, rng=np.random.default_rng(0)
    )


@pytest.fixture(scope="session")
def signing_key() -> tuple[str, str]:
    """Private and public key (PEM)."""
    key = rsa.generate_private_key(65537, 2048)
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


_NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest) -> str:
    """URL of an empty database; "" for a file in the service's directory."""
    if request.param == "sqlite":
        return ""
    folder = request.getfixturevalue("postgresql_server")
    name = f"service_{next(_NUMBERS)}"
    with psycopg.connect(f"host={folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://postgres@/{name}?host={folder}"


@pytest.fixture
def start(tmp_path: Path, small_explainer: Explainer, signing_key: tuple[str, str]) -> Iterator[Callable[..., Running]]:
    """Starts a service, with other settings where given."""
    running: list[Running] = []

    def begin(**given: Any) -> Running:
        clock = Clock()
        settings = read_settings(**{"data": tmp_path / "service", "log_level": "error", **given})
        Service.make_storage_key(settings)
        service = Service.open(settings, clock=clock)
        for org in (ORG, OTHER):
            service.tenants.register(org, org)
        service.registry.publish(ORG, facts(), small_explainer, {"scope": "never leaves"})
        service.tenants.add_signer(ORG, signing_key[1])
        made = Running(
            service,
            TestClient(create_app(service), raise_server_exceptions=False),
            clock,
            service.tenants.new_key(ORG, Scope.PREDICT, "flow").key.reveal(),
            service.tenants.new_key(ORG, Scope.ADMIN, "Ada Admin").key.reveal(),
            service.tenants.new_key(OTHER, Scope.PREDICT, "other").key.reveal(),
            signing_key[0],
        )
        made.client.__enter__()
        running.append(made)
        return made

    yield begin
    for one in running:
        one.client.__exit__(None, None, None)


@pytest.fixture
def running(start: Callable[..., Running]) -> Running:
    return start()
