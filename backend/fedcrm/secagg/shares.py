"""Deal the key and the smudging noise: Shamir over R_q, coordinate by coordinate, at the points 1..n.

Mouchet, Bertrand & Hubaux, "An Efficient Threshold Access-Structure for RLWE-Based Multiparty Homomorphic
Encryption" (eprint 2022/780), share the key. We deal the smudging noise with it: a partial decryption then is
a point on one polynomial, whoever else answers, and asking again with another active set reveals nothing new.
It also makes a noise share good for one ciphertext only.

A dealing polynomial of degree t - 1 is free at t - 1 points: those recipients get a 32-byte seed instead of
residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fedcrm.secagg.bfv import Bfv
from fedcrm.secagg.ring import (
    Residues,
    RingParameters,
    add,
    combine,
    from_wire,
    lagrange,
    multiply,
    negate,
    to_wire,
    total,
)
from fedcrm.secagg.sampling import (
    SEED_BYTES,
    RandomBytes,
    error,
    residues_of,
    seeded,
    smudging,
    ternary,
)

__all__ = [
    "KeyPair",
    "accept_share",
    "collective_key",
    "deal",
    "key_from_wire",
    "key_to_wire",
    "make_key",
    "share_size",
]

_KEY_PRIME_BYTES = 4


@dataclass(frozen=True, slots=True)
class KeyPair:
    """One participant's key of one attempt, evaluation form.

    secret: s_i, (4, degree).
    public: b_i = -(a * s_i + e_i), (5, degree): with the key prime.
    """

    secret: Residues = field(repr=False)
    public: Residues


def make_key(common: Residues, bfv: Bfv, random_bytes: RandomBytes) -> KeyPair:
    """Step EncKeyGen of Mouchet et al., PETS'21: b_i = -(a * s_i + e_i) under the common polynomial a.

    The error is ONE integer polynomial taken modulo every prime; an error a prime would decrypt to garbage.
    """
    parameters = bfv.parameters
    column = parameters.key_column
    drawn = np.stack(
        [
            residues_of(ternary(parameters.degree, random_bytes), column),
            residues_of(error(parameters.degree, random_bytes), column),
        ]
    )
    secret, noise = bfv.transform(drawn)
    public = negate(add(multiply(common, secret, column), noise, column), column)
    return KeyPair(secret[:-1].copy(), public)


def collective_key(publics: Sequence[Residues], common: Residues, parameters: RingParameters) -> Residues:
    """(sum of b_i, a): (2, 5, degree), evaluation form. Nobody knows its secret."""
    return np.stack([total(publics, parameters.key_column), common])


def key_to_wire(public: Residues) -> bytes:
    """(5, degree) -> 29 bytes a coefficient."""
    small: bytes = public[4].astype("<u4").tobytes()
    return to_wire(public[:4]) + small


def key_from_wire(data: bytes | memoryview, parameters: RingParameters) -> Residues:
    """Inverse of key_to_wire. Raises ValueError."""
    if len(data) != parameters.polynomial_bytes + _KEY_PRIME_BYTES * parameters.degree:
        raise ValueError("a public key share has another length")
    small = np.frombuffer(data[parameters.polynomial_bytes :], "<u4").astype(np.uint64)
    if bool((small >= np.uint64(parameters.key_prime)).any()):
        raise ValueError("a residue is not below its prime")
    return np.concatenate([from_wire(data[: parameters.polynomial_bytes], parameters)[0], small[None]])


def deal(
    point: int, secret: Residues, chunks: int, participants: int, quorum: int, bfv: Bfv, random_bytes: RandomBytes
) -> dict[int, bytes]:
    """Shares of one participant's key and of its smudging noise, by recipient's point (its own included).

    secret: s_i, (4, degree). Every share is either a 32-byte seed or (1 + chunks) polynomials on the wire: the
    key's first, then one a chunk of the noise. Any `quorum` of them determine the secret, fewer say nothing.
    """
    parameters = bfv.parameters
    others = [x for x in range(1, participants + 1) if x != point]
    # Who gets a seed rotates with the dealer, so that downloads are alike.
    start = point % len(others)
    seeds = {x: random_bytes(SEED_BYTES) for x in sorted((others[start:] + others[:start])[: quorum - 1])}
    nodes = [0, *seeds]
    explicit = {x: lagrange(nodes, x, parameters) for x in range(1, participants + 1) if x not in seeds}
    noise = bfv.transform(smudging(chunks, parameters, random_bytes))
    wires: dict[int, list[bytes]] = {x: [] for x in explicit}
    for index in range(1 + chunks):
        values = [secret if index == 0 else noise[index - 1]]
        values += [seeded(seed, index, parameters) for seed in seeds.values()]
        for x, weights in explicit.items():
            wires[x].append(to_wire(combine(weights, values, parameters)))
    return seeds | {x: b"".join(parts) for x, parts in wires.items()}


def share_size(chunks: int, parameters: RingParameters) -> int:
    """Bytes of a share that is not a seed."""
    return (1 + chunks) * parameters.polynomial_bytes


def accept_share(share: bytes | memoryview, chunks: int, parameters: RingParameters) -> Residues:
    """(1 + chunks, 4, degree) from what a dealer sent. Raises ValueError."""
    if len(share) == SEED_BYTES:
        return np.stack([seeded(bytes(share), index, parameters) for index in range(1 + chunks)])
    if len(share) != share_size(chunks, parameters):
        raise ValueError(f"a share of {len(share)} bytes")
    return from_wire(share, parameters)
