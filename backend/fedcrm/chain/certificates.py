"""Certificates of a chain: an authority of its own for the services, a key for each node's login.

As on a customer's premises: the org trusts the authority that signed its service's certificate, and knows the
certificate with which its node signs assertions. Keys are readable by the owner only and stay under OUT.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedcrm.files import write_atomically

__all__ = ["Authority", "login_key"]

_LIFE = dt.timedelta(days=730)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority in a directory."""

    directory: Path

    @property
    def certificate(self) -> Path:
        """PEM to trust."""
        return self.directory / "ca.pem"

    @classmethod
    def open(cls, directory: Path) -> Authority:
        """The authority of a directory, made at the first call."""
        authority = cls(directory)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (authority.certificate.exists() and authority._key_file.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            name = _name("FedCRM demonstration, this directory only")
            made = (
                _builder(name, name, key.public_key())
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(signs=True), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA256())
            )
            write_atomically(authority._key_file, _private(key), mode=0o600)
            write_atomically(authority.certificate, made.public_bytes(serialization.Encoding.PEM))
        return authority

    def server(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a service on this machine, made at the first call. name: of the files."""
        certificate, key_file = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        if certificate.exists() and key_file.exists():
            return certificate, key_file
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder(_name("localhost"), issuer.subject, key.public_key())
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                ),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),  # type: ignore[arg-type]  # an elliptic curve's, made above
                critical=False,
            )
            .sign(signer, hashes.SHA256())  # type: ignore[arg-type]  # likewise
        )
        write_atomically(key_file, _private(key), mode=0o600)
        write_atomically(certificate, made.public_bytes(serialization.Encoding.PEM))
        return certificate, key_file

    @property
    def _key_file(self) -> Path:
        return self.directory / "ca.key"


def login_key(directory: Path, name: str) -> tuple[Path, str]:
    """PEM of a node's private key with its certificate, made at the first call, and the certificate alone."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = directory / f"{name}.login.pem"
    if not file.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        subject = _name("fedcrm node")
        made = _builder(subject, subject, key.public_key()).sign(key, hashes.SHA256())
        write_atomically(file, _private(key) + made.public_bytes(serialization.Encoding.PEM), mode=0o600)
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return file, certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _LIFE)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
