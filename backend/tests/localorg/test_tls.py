"""The data directory's own authority: made once, trusted by nobody else, its server certificate renewed in time."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from localorg.tls import key_pair, server_identity

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


def read(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_servers_certificate_verifies_against_the_authority_alone(tmp_path):
    identity = server_identity(tmp_path, ["org1.localhost"], now=NOW)
    policy = PolicyBuilder().store(Store([read(identity.ca_file)])).time(NOW)
    for name in ("localhost", "org1.localhost"):
        policy.build_server_verifier(x509.DNSName(name)).verify(read(identity.certificate_file), [])
    other = server_identity(tmp_path / "other", [], now=NOW)
    assert read(other.ca_file).public_key() != read(identity.ca_file).public_key()


def test_the_authority_stays_when_names_or_time_ask_for_a_new_certificate(tmp_path):
    first = server_identity(tmp_path, ["org1.localhost"], now=NOW)
    authority, certificate = first.ca_file.read_bytes(), first.certificate_file.read_bytes()
    assert server_identity(tmp_path, ["org1.localhost"], now=NOW).certificate_file.read_bytes() == certificate
    renamed = server_identity(tmp_path, ["org2.localhost"], now=NOW).certificate_file.read_bytes()
    assert renamed != certificate
    later = server_identity(tmp_path, ["org2.localhost"], now=NOW + dt.timedelta(days=800)).certificate_file
    assert later.read_bytes() != renamed
    assert first.ca_file.read_bytes() == authority


def test_private_keys_are_the_owners_alone(tmp_path):
    identity = server_identity(tmp_path, [], now=NOW)
    pair = key_pair(tmp_path / "keys" / "admin.key", "admin", now=NOW)
    for path in (identity.key_file, tmp_path / "ca.key", pair.key_file):
        assert path.stat().st_mode & 0o777 == 0o600
    assert isinstance(read(identity.ca_file).public_key(), ec.EllipticCurvePublicKey)
    assert "PRIVATE" not in pair.certificate
