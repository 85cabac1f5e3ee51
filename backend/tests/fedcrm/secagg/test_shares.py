"""Keys and their shares: what is dealt comes back from any quorum, and from nothing less."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
from scipy import stats

from fedcrm.secagg.bfv import bfv_for
from fedcrm.secagg.fusion import fuse
from fedcrm.secagg.ring import add, combine, lagrange, multiply
from fedcrm.secagg.sampling import SEED_BYTES, common_polynomial
from fedcrm.secagg.shares import accept_share, deal, key_from_wire, key_to_wire, make_key, share_size


def coefficients(evaluations, ring):
    """Back from evaluation form, one polynomial (primes, degree), by SEAL's own inverse transform."""
    bfv = bfv_for(ring)
    pair = np.stack([evaluations[:4], np.ones_like(evaluations[:4])])
    ciphertext = bfv._ciphertext(pair, bfv._context, bfv._data_id, evaluation=True)
    bfv._evaluator.transform_from_ntt_inplace(ciphertext)
    return bfv._polynomials(ciphertext)[0]


def centred(residues, ring):
    signed = residues.astype(np.int64)
    half = ring.column.astype(np.int64)
    return np.where(signed > half // 2, signed - half, signed)


@pytest.fixture(scope="module")
def key(ring):
    return make_key(common_polynomial(b"shares", ring), bfv_for(ring), os.urandom)


def test_a_public_share_is_minus_a_s_plus_one_small_integer_error(ring, key):
    """One error integer across all primes; an error a prime would be small in each and garbage together."""
    common = common_polynomial(b"shares", ring)
    noise = centred(
        coefficients(add(key.public[:4], multiply(common[:4], key.secret, ring.column), ring.column), ring), ring
    )
    assert np.abs(noise).max() <= 21
    assert (noise == noise[0]).all()
    secret = centred(coefficients(key.secret, ring), ring)
    assert set(np.unique(secret)) == {-1, 0, 1}
    assert (secret == secret[0]).all()


def test_a_secret_hides_from_repr(key):
    assert "secret" not in repr(key)


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (4, 3), (9, 6), (5, 5)])
def test_any_quorum_of_shares_interpolates_to_the_secret(ring, key, n, quorum):
    dealt = deal(2, key.secret, 1, n, quorum, bfv_for(ring), os.urandom)
    assert sorted(dealt) == list(range(1, n + 1))
    shares = {x: accept_share(share, 1, ring) for x, share in dealt.items()}
    recovered = {
        fuse({x: shares[x] for x in chosen}, quorum, ring).tobytes()
        for chosen in itertools.combinations(shares, quorum)
    }
    assert len(recovered) == 1
    np.testing.assert_array_equal(np.frombuffer(recovered.pop(), np.uint64).reshape(2, 4, -1)[0], key.secret)


def test_the_noise_that_is_dealt_keeps_within_its_bound(ring, key):
    dealt = deal(1, key.secret, 2, 3, 2, bfv_for(ring), os.urandom)
    whole = fuse({x: accept_share(share, 2, ring) for x, share in dealt.items()}, 2, ring)
    q, bound = ring.modulus, 1 << ring.smudging_bits
    weights = [q // p * pow(q // p, -1, p) for p in ring.primes]
    for polynomial in whole[1:]:
        residues = coefficients(polynomial, ring)
        values = [sum(int(residues[j, x]) * weights[j] for j in range(4)) % q for x in range(ring.degree)]
        assert all(value < bound or q - value <= bound for value in values)


def test_one_share_less_than_the_quorum_is_uniform_and_fits_any_secret(ring, key):
    quorum = 3
    dealt = deal(1, key.secret, 1, 4, quorum, bfv_for(ring), os.urandom)
    shares = {x: accept_share(share, 1, ring) for x, share in dealt.items()}
    for share in shares.values():
        for j, p in enumerate(ring.primes):
            assert stats.kstest(share[0, j] / p, "uniform").pvalue > 1e-7
    # Two shares and any other secret still lie on one polynomial of degree 2.
    other = np.zeros_like(shares[2])
    third = combine(lagrange([0, 2, 3], 4, ring), [other, shares[2], shares[3]], ring)
    np.testing.assert_array_equal(fuse({2: shares[2], 3: shares[3], 4: third}, quorum, ring), other)


def test_quorum_minus_one_recipients_get_a_seed_and_it_rotates_with_the_dealer(ring, key):
    seeded = []
    for dealer in range(1, 10):
        dealt = deal(dealer, key.secret, 1, 9, 6, bfv_for(ring), os.urandom)
        seeds = {x for x, share in dealt.items() if len(share) == SEED_BYTES}
        assert len(seeds) == 5
        assert dealer not in seeds
        assert all(len(dealt[x]) == share_size(1, ring) for x in dealt if x not in seeds)
        seeded.extend(seeds)
    counts = [seeded.count(x) for x in range(1, 10)]
    assert max(counts) - min(counts) <= 2


@pytest.mark.parametrize("length", [0, 31, 33, 25])
def test_a_share_of_another_length_is_refused(ring, length):
    with pytest.raises(ValueError, match="share"):
        accept_share(bytes(length), 1, ring)
    with pytest.raises(ValueError, match="share"):
        accept_share(bytes(share_size(2, ring)), 1, ring)


def test_a_public_share_round_trips_and_refuses_what_is_not_one(ring, key):
    wire = key_to_wire(key.public)
    np.testing.assert_array_equal(key_from_wire(wire, ring), key.public)
    for bad in (wire[:-1], wire + b"\0", wire[:-4] + ring.key_prime.to_bytes(4, "little"), b""):
        with pytest.raises(ValueError, match=r"length|prime"):
            key_from_wire(bad, ring)
