"""Before anything is encrypted: does the cryptographic library behave as this code was proven against?

The saved form of SEAL's objects is not a promise of tenseal's. A release that changes it must stop us here, not
decrypt to something else.
"""

from __future__ import annotations

import itertools
import os
import struct
from functools import lru_cache

import numpy as np
import zstandard

from fedcrm.errors import SelfTestFailed
from fedcrm.secagg.bfv import bfv_for
from fedcrm.secagg.fusion import answer, fuse
from fedcrm.secagg.ring import PRODUCTION, Residues, RingParameters, add, from_wire, multiply, to_wire, total
from fedcrm.secagg.sampling import common_polynomial
from fedcrm.secagg.shares import accept_share, collective_key, deal, make_key

__all__ = ["self_test"]

_PARTICIPANTS, _QUORUM = 3, 2


@lru_cache(maxsize=4)
def self_test(parameters: RingParameters = PRODUCTION) -> None:
    """Once a process: residue arithmetic against Python's integers, then three keys, two answers, one exact sum.

    Raises SelfTestFailed; nothing is cached then, so the next attempt fails too.
    """
    try:
        _arithmetic(parameters)
        _aggregate(parameters)
    except (RuntimeError, ValueError, OSError, struct.error, zstandard.ZstdError) as error:
        raise SelfTestFailed(f"the cryptographic library misbehaves: {error}") from error


def _arithmetic(parameters: RingParameters) -> None:
    edges = [[0, 1, 2, p // 2, p // 2 + 1, p - 2, p - 1] for p in parameters.primes]
    pairs = [list(itertools.product(row, row)) for row in edges]
    left, right = (np.array([[pair[side] for pair in row] for row in pairs], np.uint64) for side in (0, 1))
    expected = [[a * b % p for a, b in row] for row, p in zip(pairs, parameters.primes, strict=True)]
    if multiply(left, right, parameters.column).tolist() != expected:
        raise SelfTestFailed("a product of residues is wrong")


def _aggregate(parameters: RingParameters) -> None:
    bfv, column = bfv_for(parameters), parameters.column
    common = common_polynomial(b"self-test", parameters)
    keys = [make_key(common, bfv, os.urandom) for _ in range(_PARTICIPANTS)]
    points = range(1, _PARTICIPANTS + 1)
    dealt = [
        deal(point, key.secret, 1, _PARTICIPANTS, _QUORUM, bfv, os.urandom)
        for point, key in zip(points, keys, strict=True)
    ]
    shares = {x: total([accept_share(d[x], 1, parameters) for d in dealt], column) for x in points}
    public = collective_key([key.public for key in keys], common, parameters)
    top = (1 << parameters.plain_bits) - 1
    message = np.arange(parameters.degree, dtype=np.uint64)[None] * np.uint64(top // parameters.degree)
    message[0, :2] = 0, top
    ciphertexts: list[Residues] = [bfv.encrypt(public, message) for _ in range(_PARTICIPANTS)]
    if not np.array_equal(from_wire(to_wire(ciphertexts[0][0]), parameters), ciphertexts[0][0]):
        raise SelfTestFailed("the wire form does not round-trip")
    c0, c1 = (total([c[:, half] for c in ciphertexts], column) for half in (0, 1))
    answers = {x: answer(shares[x], c1, parameters) for x in points}
    expected = message * np.uint64(_PARTICIPANTS) & np.uint64(top)
    for chosen in itertools.combinations(points, _QUORUM):
        opened = bfv.decode(add(c0, fuse({x: answers[x] for x in chosen}, _QUORUM, parameters), column))
        if not np.array_equal(opened, expected):
            raise SelfTestFailed("an encrypted sum does not open to the sum")
    if np.array_equal(bfv.decode(add(c0, answers[1], column)), expected):
        raise SelfTestFailed("one answer opens what takes two")
