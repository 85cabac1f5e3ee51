"""Every random polynomial of the scheme, from bytes handed in.

Public randomness comes from SHAKE-256 of public data, shares from AES-256-CTR of a 32-byte seed, secrets and
noise from the caller's byte source (the operating system's, outside tests).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from fedcrm.secagg.ring import SMUDGING_SPLIT, Residues, RingParameters, add, multiply

__all__ = [
    "SEED_BYTES",
    "RandomBytes",
    "common_polynomial",
    "error",
    "keystream",
    "residues_of",
    "seeded",
    "smudging",
    "ternary",
]

RandomBytes = Callable[[int], bytes]
"""Returns that many unpredictable bytes."""

SEED_BYTES = 32


@lru_cache(maxsize=4)
def common_polynomial(public: bytes, parameters: RingParameters) -> Residues:
    """The common reference polynomial `a`, (5, degree), evaluation form: a hash of public data, nobody's choice."""
    blocks = 0

    def words(count: int) -> NDArray[np.uint64]:
        nonlocal blocks
        blocks += 1
        stream = hashlib.shake_256(b"fedcrm.secagg common" + blocks.to_bytes(4, "little") + public)
        return np.frombuffer(stream.digest(8 * count), "<u8")

    result = _uniform(words, parameters.key_column, parameters.degree)
    result.flags.writeable = False
    return result


def keystream(key: bytes, count: int) -> NDArray[np.uint64]:
    """`count` words of AES-256-CTR under a key that is used once."""
    # The key is used for this one stream only, so the counter may start at zero.
    encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    return np.frombuffer(encryptor.update(bytes(8 * count)), "<u8")


def seeded(seed: bytes, index: int, parameters: RingParameters) -> Residues:
    """Polynomial number `index` that a 32-byte seed stands for: uniform, (4, degree)."""
    key = hashlib.sha256(b"fedcrm.secagg share" + index.to_bytes(4, "little") + seed).digest()
    encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    return _uniform(
        lambda count: np.frombuffer(encryptor.update(bytes(8 * count)), "<u8"), parameters.column, parameters.degree
    )


def ternary(degree: int, random_bytes: RandomBytes) -> NDArray[np.int64]:
    """A secret key: coefficients uniform in {-1, 0, 1}, (degree,)."""
    kept = np.empty(0, np.uint8)
    while kept.size < degree:
        drawn = np.frombuffer(random_bytes(degree + 64), np.uint8)
        kept = np.concatenate([kept, drawn[drawn < 255]])  # 255 = 3 * 85: no residue is favoured
    return kept[:degree].astype(np.int64) % 3 - 1


def error(degree: int, random_bytes: RandomBytes) -> NDArray[np.int64]:
    """Encryption noise: centred binomial of 2 x 21 coins, deviation 3.24 as in SEAL, (degree,)."""
    drawn = np.frombuffer(random_bytes(8 * degree), "<u8")
    coins = np.uint64((1 << 21) - 1)
    heads, tails = np.bitwise_count(drawn & coins), np.bitwise_count(drawn >> np.uint64(21) & coins)
    difference: NDArray[np.int64] = heads.astype(np.int64) - tails.astype(np.int64)
    return difference


def residues_of(integers: NDArray[np.int64], column: NDArray[np.uint64]) -> Residues:
    """One polynomial of signed integers, (degree,), modulo every prime: (primes, degree)."""
    return np.mod(integers[None], column.view(np.int64)).view(np.uint64)


def smudging(chunks: int, parameters: RingParameters, random_bytes: RandomBytes) -> Residues:
    """Uniform in [-2^smudging_bits, 2^smudging_bits): one integer a coefficient, the same modulo every prime.

    Returns (chunks, 4, degree), coefficient form.
    """
    column, shape = parameters.column, (chunks, 1, parameters.degree)
    drawn = np.frombuffer(random_bytes(16 * chunks * parameters.degree), "<u8").reshape(2, *shape)
    low = drawn[0] & np.uint64((1 << SMUDGING_SPLIT) - 1)
    high = drawn[1] & np.uint64((1 << parameters.smudging_bits + 1 - SMUDGING_SPLIT) - 1)
    scale = np.array([pow(2, SMUDGING_SPLIT, p) for p in parameters.primes], np.uint64)[:, None]
    offset = np.array([-(1 << parameters.smudging_bits) % p for p in parameters.primes], np.uint64)[:, None]
    raised = multiply(high % column, np.broadcast_to(scale, column.shape), column)
    return add(add(raised, low % column, column), np.broadcast_to(offset, raised.shape), column)


def _uniform(words: Callable[[int], NDArray[np.uint64]], column: NDArray[np.uint64], degree: int) -> NDArray[np.uint64]:
    """Uniform residues, (primes, degree): mask to the prime's length, redraw what is not below it."""
    mask = np.array([(1 << int(p).bit_length()) - 1 for p in column[:, 0]], np.uint64)[:, None]
    result = words(len(column) * degree).reshape(len(column), degree) & mask
    masks, primes = np.broadcast_to(mask, result.shape), np.broadcast_to(column, result.shape)
    bad = result >= column
    while bool(bad.any()):
        result[bad] = words(int(bad.sum())) & masks[bad]
        bad = result >= primes
    return result
