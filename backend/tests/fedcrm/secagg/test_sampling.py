"""Random polynomials: ranges, determinism, one integer for all primes."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import stats

from fedcrm.secagg.ring import PRODUCTION
from fedcrm.secagg.sampling import common_polynomial, error, keystream, residues_of, seeded, smudging, ternary


def integers_of(residues, ring):
    """Centred integers modulo q by the Chinese remainder theorem: (4, degree) -> list."""
    q = ring.modulus
    weights = [q // p * pow(q // p, -1, p) for p in ring.primes]
    result = []
    for x in range(residues.shape[-1]):
        value = sum(int(residues[j, x]) * weights[j] for j in range(4)) % q
        result.append(value - q if value > q // 2 else value)
    return result


def test_smudging_is_one_integer_modulo_all_primes_within_its_bound(ring):
    bound = 1 << ring.smudging_bits
    drawn = [x for chunk in smudging(2, ring, os.urandom) for x in integers_of(chunk, ring)]
    assert all(-bound <= x < bound for x in drawn)
    assert max(abs(x) for x in drawn) > bound * 0.99
    assert stats.kstest([x / bound for x in drawn], "uniform", args=(-1, 2)).pvalue > 1e-6


@pytest.mark.parametrize(("byte", "expected"), [(b"\x00", -1), (b"\xff", 1)])
def test_smudging_reaches_both_ends_of_its_range(ring, byte, expected):
    drawn = integers_of(smudging(1, ring, lambda count: byte * count)[0], ring)
    bound = 1 << ring.smudging_bits
    assert set(drawn) == {-bound if expected < 0 else bound - 1}


def test_a_secret_key_is_ternary_and_balanced():
    drawn = ternary(60_000, os.urandom)
    counts = [int((drawn == value).sum()) for value in (-1, 0, 1)]
    assert sum(counts) == 60_000
    assert stats.chisquare(counts).pvalue > 1e-6


def test_noise_is_centred_binomial():
    drawn = error(100_000, os.urandom)
    assert np.abs(drawn).max() <= 21
    values = np.arange(-6, 7)
    expected = stats.binom.pmf(values + 21, 42, 0.5)
    observed = np.array([(drawn == v).mean() for v in values])
    assert np.abs(observed - expected).max() < 0.01


def test_small_integers_keep_their_sign_modulo_every_prime(ring):
    assert integers_of(residues_of(np.array([-21, -1, 0, 1, 21]), ring.column), ring) == [-21, -1, 0, 1, 21]


def test_the_common_polynomial_is_fixed_by_public_data_alone(ring):
    first = common_polynomial.__wrapped__(b"public", ring)
    np.testing.assert_array_equal(first, common_polynomial.__wrapped__(b"public", ring))
    assert (first != common_polynomial(b"other", ring)).any()
    assert (first < ring.key_column).all()
    with pytest.raises(ValueError, match="read-only"):
        common_polynomial(b"public", ring)[0, 0] = 1


def test_uniform_residues_are_uniform_where_rejection_matters():
    """The key prime is 163841 of 262144: more than a third of the draws is drawn again."""
    row = common_polynomial(b"key prime", PRODUCTION)[4]
    assert stats.kstest(row / PRODUCTION.key_prime, "uniform").pvalue > 1e-6


def test_a_seed_stands_for_the_same_polynomial_everywhere_and_index_matters(ring):
    seed = bytes(range(32))
    np.testing.assert_array_equal(seeded(seed, 3, ring), seeded(seed, 3, ring))
    assert (seeded(seed, 3, ring) != seeded(seed, 4, ring)).mean() > 0.99
    assert (seeded(seed, 3, ring) < ring.column).all()


def test_a_key_stream_is_aes_256_in_counter_mode():
    """First block of AES-256 under the zero key: AESAVS, appendix, all-zero plaintext."""
    assert keystream(bytes(32), 2).tobytes().hex() == "dc95c078a2408989ad48a21492842087"
