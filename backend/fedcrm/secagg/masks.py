"""Pairwise masks under the encryption: a single upload stays one-time padded even for who can decrypt it.

Bonawitz et al., "Practical Secure Aggregation" (CCS'17), without its recovery of dropped masks: i adds
PRG(k_ij, H(manifest)) for every j after it and subtracts it for every j before it, modulo 2^plain_bits, over
whole coefficients, unused ones included. The masks cancel in the sum over the full manifest and nowhere else.
Why: a contributor can upload a malformed ciphertext that makes the honest quorum open the collective key.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from fedcrm.secagg.encoding import Writer
from fedcrm.secagg.sampling import keystream

__all__ = ["mask", "pair_key"]


def pair_key(shared: bytes, manifest: bytes, first: str, second: str) -> bytes:
    """One mask key for one pair and one manifest, 32 bytes.

    shared: what both agreed on by X25519. first, second: their names in the order of the roster.
    """
    info = Writer().raw(b"fedcrm.secagg mask").text(first).text(second).done()
    return HKDF(SHA256(), 32, salt=manifest, info=info).derive(shared)


def mask(me: int, keys: Mapping[int, bytes], chunks: int, degree: int, plain_bits: int) -> NDArray[np.uint64]:
    """Participant `me`'s mask: (chunks, degree), each below 2^plain_bits.

    keys: pair key by the other contributor's public point; every contributor but me.
    """
    result = np.zeros(chunks * degree, np.uint64)
    for point, key in keys.items():
        stream = keystream(key, result.size)
        if me < point:
            result += stream
        else:
            result -= stream
    result &= np.uint64((1 << plain_bits) - 1)
    return result.reshape(chunks, degree)
