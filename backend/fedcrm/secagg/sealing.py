"""Seal a share to its recipient: X25519 with a fresh sender key, HKDF-SHA-256, AES-256-GCM.

The key is bound to (parameters, training, round, attempt, sender, recipient) and to both public keys. The
sender's ephemeral key is new in every attempt and stands in its signed COMMIT, so a sealed share is
authentic, and a key is used for one message only. Whoever later learns the sender's long-term key cannot open it.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedcrm.errors import Tampered
from fedcrm.secagg.encoding import Writer
from fedcrm.secagg.identity import Identity, PublicIdentity, agree

__all__ = ["SEAL_OVERHEAD", "seal", "unseal"]

SEAL_OVERHEAD = 16
_NONCE = bytes(12)  # the key is used once


def seal(plain: bytes, ephemeral: X25519PrivateKey, sender: str, recipient: PublicIdentity, context: bytes) -> bytes:
    """Ciphertext and tag. context: bytes that name the attempt; ephemeral: this attempt's and nobody else's."""
    shared = agree(ephemeral, recipient.sealing)
    key = _key(shared, ephemeral.public_key().public_bytes_raw(), sender, recipient, context)
    return AESGCM(key).encrypt(_NONCE, plain, None)


def unseal(sealed: bytes | memoryview, ephemeral: bytes, sender: str, recipient: Identity, context: bytes) -> bytes:
    """Inverse. Raises Tampered, or MalformedMessage for a degenerate key, naming the sender."""
    key = _key(recipient.agree(ephemeral), ephemeral, sender, recipient.public, context)
    try:
        return AESGCM(key).decrypt(_NONCE, sealed, None)
    except InvalidTag as error:
        raise Tampered("a sealed share does not open", culprit=sender) from error


def _key(shared: bytes, ephemeral: bytes, sender: str, recipient: PublicIdentity, context: bytes) -> bytes:
    info = Writer().raw(b"fedcrm.secagg deal").text(sender).sized(recipient.to_bytes()).raw(ephemeral).done()
    return HKDF(SHA256(), 32, salt=context, info=info).derive(shared)
