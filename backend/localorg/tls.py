"""A certificate authority of this data directory's own, and what it signs.

Salesforce's clients hard-code https, so a local org serves TLS. Each data directory has its own CA;
nothing else on the machine trusts it until somebody points a tool at `ca.pem` (RFC 5280 for the extensions).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["KeyPair", "ServerIdentity", "key_pair", "server_identity", "write_private"]

_LIFE = dt.timedelta(days=825)  # the longest a client of today accepts for a server certificate
_LIFE_OF_AUTHORITY = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Files of a TLS server: the CA to trust, the certificate chain and its key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class KeyPair:
    """What a JWT login signs with. certificate: PEM, given to the org; the key stays in `key_file`."""

    key_file: Path
    certificate: str


def server_identity(directory: Path, names: Sequence[str], *, now: dt.datetime | None = None) -> ServerIdentity:
    """The server's certificate under `directory`, made at the first call and when it no longer serves `names`.

    names: DNS names beside `localhost`; 127.0.0.1 and ::1 are always in it. The CA stays the same for good.
    """
    now = now or dt.datetime.now(dt.UTC)
    directory.mkdir(parents=True, exist_ok=True)
    ca_file, ca_key_file = directory / "ca.pem", directory / "ca.key"
    if not (ca_file.exists() and ca_key_file.exists()):
        _make_authority(ca_file, ca_key_file, now)
    identity = ServerIdentity(ca_file, directory / "server.pem", directory / "server.key")
    wanted = sorted({"localhost", *names})
    if not _serves(identity, wanted, now):
        _sign_server(identity, ca_key_file, wanted, now)
    return identity


def key_pair(key_file: Path, common_name: str, *, now: dt.datetime | None = None) -> KeyPair:
    """A fresh RSA-2048 key in `key_file` (0600) and a self-signed certificate over it, as an admin would upload."""
    now = now or dt.datetime.now(dt.UTC)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    certificate = _builder(name, name, key.public_key(), now).sign(key, hashes.SHA256())
    write_private(key_file, _private_pem(key))
    return KeyPair(key_file, certificate.public_bytes(serialization.Encoding.PEM).decode())


def write_private(path: Path, content: bytes) -> None:
    """Write `content` for the owner's eyes only, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def _make_authority(ca_file: Path, ca_key_file: Path, now: dt.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localorg CA (this data directory only)")])
    certificate = (
        _builder(name, name, key.public_key(), now, _LIFE_OF_AUTHORITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(ca_key_file, _private_pem(key))
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _sign_server(identity: ServerIdentity, ca_key_file: Path, names: Sequence[str], now: dt.datetime) -> None:
    authority = x509.load_pem_x509_certificate(identity.ca_file.read_bytes())
    ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{ca_key_file} is not the key this module wrote")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    addresses = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
    certificate = (
        _builder(subject, authority.subject, key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(identity.key_file, _private_pem(key))
    identity.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _serves(identity: ServerIdentity, names: Sequence[str], now: dt.datetime) -> bool:
    if not (identity.certificate_file.exists() and identity.key_file.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(identity.certificate_file.read_bytes())
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names) <= set(held.get_values_for_type(x509.DNSName)) and (
        certificate.not_valid_after_utc - now > _RENEW_BEFORE
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: dt.datetime,
    life: dt.timedelta = _LIFE,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
