"""Residue arithmetic of the ring R_q = Z_q[X] / (X^N + 1), in plain numpy.

q is a product of primes just under 2^50, so that a product modulo a prime is exact with one double-precision
quotient estimate and wrapping 64-bit integers. A polynomial is its residues, uint64 of shape
(primes, degree); everything that travels is in *evaluation form* (after the number-theoretic transform),
where multiplication is coordinate by coordinate and where Shamir sharing works as well as anywhere.

Parameters follow SEAL's 128-bit table (N = 8192, 218 bits with the key prime).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import SettingsError

__all__ = [
    "PRODUCTION",
    "SMUDGING_SPLIT",
    "WIRE_BYTES",
    "Residues",
    "RingParameters",
    "add",
    "combine",
    "from_wire",
    "lagrange",
    "multiply",
    "negate",
    "subtract",
    "to_wire",
    "total",
]

Residues = NDArray[np.uint64]
"""uint64, (..., primes, degree), each below its prime."""

WIRE_BYTES = 25
"""Four residues of 50 bits: 200 bits a coefficient."""

SMUDGING_SPLIT = 58
"""Smudging noise is drawn as high * 2^58 + low, each from one 64-bit word."""

_PRIME_BITS = 50
_LANE = np.uint64(_PRIME_BITS)
_LOW50 = np.uint64((1 << _PRIME_BITS) - 1)


@dataclass(frozen=True)
class RingParameters:
    """What everybody must agree on before a key is made.

    degree:        N, a power of two.
    primes:        the four factors of the ciphertext modulus q, each = 1 mod 2N and below 2^50.
    key_prime:     SEAL's special prime: in public keys, dropped by encryption.
    plain_bits:    messages live modulo 2^plain_bits.
    smudging_bits: each dealer's smudging noise is uniform in +-2^smudging_bits.
    insecure:      small parameters for tests: SEAL's security table is not enforced.

    Raises SettingsError where the arithmetic here would not be exact.
    """

    degree: int
    primes: tuple[int, int, int, int]
    key_prime: int
    plain_bits: int = 59
    smudging_bits: int = 117
    insecure: bool = False

    def __post_init__(self) -> None:
        if not all(p < 1 << _PRIME_BITS for p in self.primes):
            raise SettingsError("the ring's primes lie below 2^50")
        if not SMUDGING_SPLIT <= self.smudging_bits <= SMUDGING_SPLIT + 63:
            raise SettingsError(f"smudging noise of {SMUDGING_SPLIT} to {SMUDGING_SPLIT + 63} bits can be drawn")

    @cached_property
    def column(self) -> NDArray[np.uint64]:
        """The primes of q as (4, 1), to broadcast over (..., 4, degree)."""
        return np.array(self.primes, np.uint64)[:, None]

    @cached_property
    def key_column(self) -> NDArray[np.uint64]:
        """The primes of q and the key prime as (5, 1), for public keys."""
        return np.array([*self.primes, self.key_prime], np.uint64)[:, None]

    @cached_property
    def modulus(self) -> int:
        """Q."""
        return math.prod(self.primes)

    @cached_property
    def digest(self) -> bytes:
        """Eight bytes that name these parameters in every signature."""
        packed = struct.pack(
            "<I4QQBB?", self.degree, *self.primes, self.key_prime, self.plain_bits, self.smudging_bits, self.insecure
        )
        return hashlib.sha256(b"fedcrm.secagg ring" + packed).digest()[:8]

    @property
    def polynomial_bytes(self) -> int:
        """Bytes of one polynomial on the wire."""
        return self.degree * WIRE_BYTES


PRODUCTION = RingParameters(
    degree=8192,
    primes=(1125899905351681, 1125899905744897, 1125899906629633, 1125899906826241),
    key_prime=163841,
)


# --- coordinate by coordinate ------------------------------------------------------------------------


def multiply(a: Residues, b: Residues, column: NDArray[np.uint64]) -> Residues:
    """a * b modulo each prime, exact for residues below primes below 2^50.

    The double quotient is off by at most one either way; the remainder is taken in wrapping 64-bit arithmetic
    and corrected.
    """
    quotient = (a.astype(np.float64) * b.astype(np.float64) / column).astype(np.uint64)
    rest = (a * b - quotient * column).view(np.int64)
    signed = column.view(np.int64)
    rest += (rest < 0) * signed
    rest -= (rest >= signed) * signed
    return rest.view(np.uint64)


def add(a: Residues, b: Residues, column: NDArray[np.uint64]) -> Residues:
    """a + b modulo each prime."""
    result = a + b
    result -= (result >= column) * column
    return result


def subtract(a: Residues, b: Residues, column: NDArray[np.uint64]) -> Residues:
    """a - b modulo each prime."""
    return add(a, column - b, column)


def negate(a: Residues, column: NDArray[np.uint64]) -> Residues:
    """-a modulo each prime."""
    return (column - a) % column


def total(terms: Iterable[Residues], column: NDArray[np.uint64]) -> Residues:
    """Sum of at most 2^13 terms modulo each prime, reduced once at the end. At least one term."""
    iterator = iter(terms)
    accumulated = next(iterator).copy()
    for term in iterator:
        accumulated += term
    accumulated %= column
    return accumulated


def combine(weights: Sequence[Sequence[int]], terms: Sequence[Residues], parameters: RingParameters) -> Residues:
    """Sum of weights[k][j] * terms[k] modulo prime j.

    weights: one residue a prime for every term. terms: at most 2^12, each (..., 4, degree).
    Every product is left in (-p, 2p) and the whole reduced once.
    """
    column, signed = parameters.column, parameters.column.view(np.int64)
    accumulated = np.zeros(terms[0].shape, np.int64)
    for weight, term in zip(weights, terms, strict=True):
        factor = np.array(weight, np.uint64)[:, None]
        quotient = (term * (factor / column)).astype(np.uint64)
        accumulated += (term * factor - quotient * column).view(np.int64)
    accumulated %= signed
    return accumulated.view(np.uint64)


def lagrange(nodes: Sequence[int], at: int, parameters: RingParameters) -> list[list[int]]:
    """Weights that turn a polynomial's values at the nodes into its value at `at`.

    One row a node, one residue a prime.
    """
    rows = []
    for node in nodes:
        numerator = denominator = 1
        for other in nodes:
            if other != node:
                numerator *= at - other
                denominator *= node - other
        rows.append([numerator * pow(denominator, -1, p) % p for p in parameters.primes])
    return rows


# --- wire form ---------------------------------------------------------------------------------------


def to_wire(polynomials: Residues) -> bytes:
    """(..., 4, degree) -> 25 bytes a coefficient: four 50-bit residues, least significant first."""
    r0, r1, r2, r3 = (polynomials[..., j, :] for j in range(4))
    wire = np.empty((*r0.shape, WIRE_BYTES), np.uint8)
    words = np.stack(
        [
            r0 | r1 << _LANE,
            r1 >> np.uint64(14) | r2 << np.uint64(36),
            r2 >> np.uint64(28) | r3 << np.uint64(22),
        ],
        axis=-1,
    )
    wire[..., :24] = words.astype("<u8", copy=False).view(np.uint8).reshape(*r0.shape, 24)
    wire[..., 24] = r3 >> np.uint64(42)
    return wire.tobytes()


def from_wire(data: bytes | memoryview, parameters: RingParameters) -> Residues:
    """Inverse of to_wire: (polynomials, 4, degree).

    Raises ValueError on a length that is no whole number of polynomials, or a residue not below its prime.
    """
    if len(data) == 0 or len(data) % parameters.polynomial_bytes:
        raise ValueError(f"{len(data)} bytes are not a whole number of polynomials")
    wire = np.frombuffer(data, np.uint8).reshape(-1, parameters.degree, WIRE_BYTES)
    words = np.ascontiguousarray(wire[..., :24]).view("<u8")
    w0, w1, w2 = (words[..., j] for j in range(3))
    top = wire[..., 24].astype(np.uint64)
    polynomials = np.empty((len(wire), 4, parameters.degree), np.uint64)
    polynomials[:, 0] = w0 & _LOW50
    polynomials[:, 1] = (w0 >> _LANE | w1 << np.uint64(14)) & _LOW50
    polynomials[:, 2] = (w1 >> np.uint64(36) | w2 << np.uint64(28)) & _LOW50
    polynomials[:, 3] = w2 >> np.uint64(22) | top << np.uint64(42)
    if bool((polynomials >= parameters.column).any()):
        raise ValueError("a residue is not below its prime")
    return polynomials
