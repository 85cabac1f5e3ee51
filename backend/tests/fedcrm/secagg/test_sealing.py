"""Sealed shares open for their recipient, in their attempt, and for nobody else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedcrm.errors import MalformedMessage, Tampered
from fedcrm.secagg.sealing import SEAL_OVERHEAD, seal, unseal


@pytest.fixture
def sealed(identities):
    ephemeral = X25519PrivateKey.generate()
    data = seal(b"a share", ephemeral, "dealer", identities[0].public, b"this attempt")
    return data, ephemeral.public_key().public_bytes_raw()


def test_a_sealed_share_opens_for_its_recipient(sealed, identities):
    data, ephemeral = sealed
    assert unseal(data, ephemeral, "dealer", identities[0], b"this attempt") == b"a share"
    assert len(data) == len(b"a share") + SEAL_OVERHEAD


def test_it_is_bound_to_recipient_sender_and_attempt(sealed, identities):
    data, ephemeral = sealed
    for sender, recipient, context in (
        ("dealer", identities[1], b"this attempt"),
        ("other", identities[0], b"this attempt"),
        ("dealer", identities[0], b"another attempt"),
    ):
        with pytest.raises(Tampered) as refused:
            unseal(data, ephemeral, sender, recipient, context)
        assert refused.value.culprit == sender


@pytest.mark.parametrize("place", [0, 6, 7, -1])
def test_a_changed_share_does_not_open(sealed, identities, place):
    data, ephemeral = bytearray(sealed[0]), sealed[1]
    data[place] ^= 1
    with pytest.raises(Tampered):
        unseal(bytes(data), ephemeral, "dealer", identities[0], b"this attempt")


@pytest.mark.parametrize("data", [b"", b"short"])
def test_bytes_too_short_to_carry_a_tag_do_not_open(sealed, identities, data):
    with pytest.raises(Tampered):
        unseal(data, sealed[1], "dealer", identities[0], b"this attempt")


def test_a_degenerate_sender_key_is_refused(sealed, identities):
    with pytest.raises(MalformedMessage):
        unseal(sealed[0], bytes(32), "dealer", identities[0], b"this attempt")
