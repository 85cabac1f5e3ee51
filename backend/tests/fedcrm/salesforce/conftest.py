"""Orgs to talk to: a scripted one of the tests' own, its CA, and a client that waits for nothing."""

from __future__ import annotations

import importlib.util
import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from fedcrm.salesforce.auth import ClientCredentials, TokenEndpoint
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.retry import Retry
from fedcrm.salesforce.session import OrgSession
from fedcrm.secrets import Secret

# Test folders are no packages (importmode=importlib), so the scripted org is loaded by its file.
_spec = importlib.util.spec_from_file_location("tiny_org", Path(__file__).with_name("tiny_org.py"))
tiny = importlib.util.module_from_spec(_spec)
sys.modules["tiny_org"] = tiny
_spec.loader.exec_module(tiny)


@dataclass(frozen=True)
class Pki:
    ca_file: Path
    server_certificate: Path
    server_key: Path
    client_key: str
    client_certificate: str
    public_key: str
    other_key: str


def _pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate(
    key: rsa.RSAPrivateKey,
    name: str,
    issuer: tuple[rsa.RSAPrivateKey, x509.Certificate] | None = None,
    *,
    days: int = 30,
    ca: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer_name = (issuer[0], issuer[1].subject) if issuer else (key, subject)
    start = datetime.now(UTC) - timedelta(days=60)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="session")
def pki(tmp_path_factory) -> Pki:
    place = tmp_path_factory.mktemp("pki")
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(4)]
    authority = certificate(keys[0], "Test CA", ca=True)
    server = certificate(keys[1], "localhost", (keys[0], authority))
    (place / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (place / "server.pem").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    (place / "server.key").write_text(_pem(keys[1]))
    own = certificate(keys[2], "node")
    public = (
        keys[2].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return Pki(
        place / "ca.pem",
        place / "server.pem",
        place / "server.key",
        _pem(keys[2]),
        own.public_bytes(serialization.Encoding.PEM).decode(),
        public.decode(),
        _pem(keys[3]),
    )


@pytest.fixture
def expired_certificate(pki) -> str:
    """Of the client's key; it ended yesterday."""
    key = serialization.load_pem_private_key(pki.client_key.encode(), None)
    return certificate(key, "node", days=-1).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def org(pki) -> Iterator[tiny.TinyOrg]:
    made = tiny.TinyOrg(str(pki.server_certificate), str(pki.server_key))
    made.public_key = pki.public_key
    yield made
    made.stop()


@pytest.fixture
def plant(org):
    """Plants a fault."""

    def plant(path: str, **what: object) -> None:
        org.faults.append(tiny.Fault(path, **what))

    return plant


@pytest.fixture
def waits() -> list[float]:
    """Every delay that would have been slept."""
    return []


@pytest.fixture
def retry(waits) -> Retry:
    return Retry(attempts=4, base=1.0, cap=30.0, uniform=lambda: 0.5, sleep=waits.append)


@pytest.fixture
def endpoint(org, pki, retry) -> TokenEndpoint:
    # Not with a key: reading one takes 50 ms, and nearly every test logs in.
    grant = ClientCredentials(org.consumer_key, Secret("s3cret"))
    return TokenEndpoint("tiny", org.url, grant, ca_file=str(pki.ca_file), retry=retry)


@pytest.fixture
def session(endpoint, pki, retry) -> Iterator[OrgSession]:
    made = OrgSession(endpoint, ca_file=str(pki.ca_file), retry=retry)
    yield made
    made.close()


@pytest.fixture
def client(session) -> Client:
    return Client(session)
