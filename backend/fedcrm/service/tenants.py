"""Organisations and what proves that a call comes from one: API keys, token signers, one-time pairing codes.

A key is `fcrm_ID_SECRET`; the secret has 256 bits from the operating system, so one SHA-256 of it is all that is
stored. An organisation has at most two live keys a scope: a new one, and the old one until it is retired.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from fedcrm.errors import ServiceError
from fedcrm.privacy import Database
from fedcrm.secrets import Secret
from fedcrm.service import tables

__all__ = ["Caller", "KeyFacts", "NewKey", "Scope", "Signer", "Tenants"]

LIVE_KEYS = 2
LEAST_RSA_BITS = 2048


class Scope(StrEnum):
    """What a credential may do; administration is a credential of its own."""

    PREDICT = "predict"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. user: for the audit log."""

    org_id: str
    scope: Scope
    user: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `key` is shown once and stored nowhere."""

    key_id: str
    key: Secret


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as an administrator sees it."""

    key_id: str
    scope: Scope
    label: str
    created_at: float
    retired_at: float | None


@dataclass(frozen=True, slots=True)
class Signer:
    """A public key whose tokens an organisation is believed by."""

    signer_id: str
    public_key: str
    created_at: float


class Tenants:
    """Organisations and credentials in the database."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._database, self._clock, self._random_bytes = database, clock, random_bytes

    # --- organisations ---

    def register(self, org_id: str, name: str) -> None:
        """Make an organisation known; registering it again changes its name only."""
        with self._database.writing() as connection:
            self._register(connection, org_id, name)

    def known(self, org_id: str) -> bool:
        """Whether the organisation is paired."""
        with self._database.reading() as connection:
            found = connection.execute(sa.select(tables.orgs.c.org_id).where(tables.orgs.c.org_id == org_id))
            return found.first() is not None

    def _register(self, connection: sa.Connection, org_id: str, name: str) -> None:
        changed = connection.execute(sa.update(tables.orgs).where(tables.orgs.c.org_id == org_id).values(name=name))
        if changed.rowcount == 0:
            connection.execute(sa.insert(tables.orgs).values(org_id=org_id, name=name, paired_at=self._clock()))

    # --- API keys ---

    def new_key(self, org_id: str, scope: Scope, label: str) -> NewKey:
        """Make a key. Raises ServiceError (409) where two of the scope are live already: retire one first."""
        with self._database.writing() as connection:
            return self._new_key(connection, org_id, scope, label)

    def _new_key(self, connection: sa.Connection, org_id: str, scope: Scope, label: str) -> NewKey:
        k = tables.keys.c
        live = sa.select(sa.func.count()).where(k.org_id == org_id, k.scope == scope, k.retired_at.is_(None))
        if connection.execute(live).scalar_one() >= LIVE_KEYS:
            raise ServiceError(409, "two_live_keys", "Two keys are live already; retire one of them first.")
        key_id = self._random_bytes(8).hex()
        secret = urlsafe_b64encode(self._random_bytes(32)).decode().rstrip("=")
        connection.execute(
            sa.insert(tables.keys).values(
                key_id=key_id, org_id=org_id, hash=_hash(secret), scope=scope, label=label, created_at=self._clock()
            )
        )
        return NewKey(key_id, Secret(f"fcrm_{key_id}_{secret}"))

    def retire_key(self, org_id: str, key_id: str) -> bool:
        """Make a key of this organisation invalid at once; False where it has no live key of that name."""
        k = tables.keys.c
        with self._database.writing() as connection:
            done = connection.execute(
                sa.update(tables.keys)
                .where(k.org_id == org_id, k.key_id == key_id, k.retired_at.is_(None))
                .values(retired_at=self._clock())
            )
            return done.rowcount > 0

    def keys(self, org_id: str) -> tuple[KeyFacts, ...]:
        """All keys of an organisation, the newest last."""
        k = tables.keys.c
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(k.key_id, k.scope, k.label, k.created_at, k.retired_at)
                .where(k.org_id == org_id)
                .order_by(k.created_at, k.key_id)
            )
            return tuple(KeyFacts(r.key_id, Scope(r.scope), r.label, r.created_at, r.retired_at) for r in rows)

    def caller_of(self, key: str) -> Caller | None:
        """Who holds this key; None for one that is unknown, malformed or retired."""
        parts = key.split("_", 2)
        if len(parts) != 3 or parts[0] != "fcrm":
            return None
        k = tables.keys.c
        with self._database.reading() as connection:
            row = connection.execute(
                sa.select(k.org_id, k.hash, k.scope, k.label).where(k.key_id == parts[1], k.retired_at.is_(None))
            ).first()
        if row is None or not hmac.compare_digest(row.hash, _hash(parts[2])):
            return None
        return Caller(row.org_id, Scope(row.scope), row.label)

    # --- tokens ---

    def add_signer(self, org_id: str, public_key: str) -> str:
        """Believe tokens signed by this key; returns its name, the same for the same key.

        public_key: PEM of an RSA key of 2,048 bits or more, or of a certificate of one that is valid now.
        Raises ServiceError: 400 for anything else, 404 where the organisation is not paired.
        """
        with self._database.writing() as connection:
            if (
                connection.execute(sa.select(tables.orgs.c.org_id).where(tables.orgs.c.org_id == org_id)).first()
                is None
            ):
                raise ServiceError(404, "org_not_paired", "This organisation is not paired with the service.")
            return self._add_signer(connection, org_id, public_key)

    def _add_signer(self, connection: sa.Connection, org_id: str, public_key: str) -> str:
        pem = _checked(public_key, datetime.fromtimestamp(self._clock(), UTC))
        signer_id = hashlib.sha256(f"{org_id}\n{pem}".encode()).hexdigest()
        s = tables.signers.c
        again = connection.execute(sa.update(tables.signers).where(s.signer_id == signer_id).values(retired_at=None))
        if again.rowcount == 0:
            connection.execute(
                sa.insert(tables.signers).values(
                    signer_id=signer_id, org_id=org_id, public_key=pem, created_at=self._clock()
                )
            )
        return signer_id

    def retire_signer(self, org_id: str, signer_id: str) -> bool:
        """Believe it no more; False where the organisation has no such signer."""
        s = tables.signers.c
        with self._database.writing() as connection:
            done = connection.execute(
                sa.update(tables.signers)
                .where(s.org_id == org_id, s.signer_id == signer_id, s.retired_at.is_(None))
                .values(retired_at=self._clock())
            )
            return done.rowcount > 0

    def signers(self, org_id: str) -> tuple[Signer, ...]:
        """Whose tokens the organisation is believed by now."""
        s = tables.signers.c
        with self._database.reading() as connection:
            rows = connection.execute(
                sa.select(s.signer_id, s.public_key, s.created_at)
                .where(s.org_id == org_id, s.retired_at.is_(None))
                .order_by(s.created_at, s.signer_id)
            )
            return tuple(Signer(r.signer_id, r.public_key, r.created_at) for r in rows)

    def spend_token(self, org_id: str, token_id: str, expires_at: float) -> bool:
        """Mark a token's id as used; False where it was used before. Ids that have expired are forgotten."""
        t = tables.tokens.c
        digest = _hash(token_id)
        with self._database.writing() as connection:
            connection.execute(sa.delete(tables.tokens).where(t.expires_at < self._clock()))
            used = connection.execute(sa.select(t.hash).where(t.org_id == org_id, t.hash == digest)).first()
            if used is not None:
                return False
            connection.execute(sa.insert(tables.tokens).values(org_id=org_id, hash=digest, expires_at=expires_at))
            return True

    # --- pairing ---

    def new_pairing_code(self, scope: Scope, minutes: int, org_id: str | None = None) -> Secret:
        """A code that pairs one organisation, once. org_id: the only one that may use it; None: any."""
        code = urlsafe_b64encode(self._random_bytes(18)).decode()
        with self._database.writing() as connection:
            connection.execute(
                sa.insert(tables.pairing_codes).values(
                    hash=_hash(code), scope=scope, org_id=org_id, expires_at=self._clock() + 60 * minutes
                )
            )
        return Secret(code)

    def pair(self, code: str, org_id: str, name: str, public_key: str | None) -> NewKey:
        """Redeem a code: the organisation is known, has a key and, where it brought one, a signer.

        All of it or nothing. Raises ServiceError (403) for a code that is unknown, used, expired or another
        organisation's: which of these, a stranger does not learn.
        """
        p = tables.pairing_codes.c
        with self._database.writing() as connection:
            row = connection.execute(
                sa.select(p.scope, p.org_id).where(
                    p.hash == _hash(code), p.used_at.is_(None), p.expires_at >= self._clock()
                )
            ).first()
            if row is None or row.org_id not in (None, org_id):
                raise ServiceError(
                    403, "pairing_refused", "The pairing code is not valid; ask the node's admin for one."
                )
            connection.execute(
                sa.update(tables.pairing_codes).where(p.hash == _hash(code)).values(used_at=self._clock())
            )
            self._register(connection, org_id, name)
            if public_key is not None:
                self._add_signer(connection, org_id, public_key)
            return self._new_key(connection, org_id, Scope(row.scope), "pairing")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(pem: str, now: datetime) -> str:
    """The public key in one canonical spelling. Raises ServiceError."""
    try:
        if "BEGIN CERTIFICATE" in pem:
            certificate = load_pem_x509_certificate(pem.encode())
            if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
                raise ServiceError(400, "invalid_request", "public_key: the certificate is not valid now.")
            key = certificate.public_key()
        else:
            key = load_pem_public_key(pem.encode())  # type: ignore[assignment]  # kinds of keys no certificate has
    except (ValueError, UnsupportedAlgorithm) as wrong:
        raise ServiceError(
            400, "invalid_request", "public_key: neither a public key nor a certificate in PEM."
        ) from wrong
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        raise ServiceError(400, "invalid_request", f"public_key: RSA of at least {LEAST_RSA_BITS} bits is needed.")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
