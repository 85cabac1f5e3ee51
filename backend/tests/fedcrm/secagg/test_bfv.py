"""SEAL through its saved form, against schoolbook arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from fedcrm.errors import SelfTestFailed
from fedcrm.secagg import bfv as module
from fedcrm.secagg.bfv import Bfv, bfv_for
from fedcrm.secagg.ring import PRODUCTION, RingParameters, add, multiply
from fedcrm.secagg.sampling import common_polynomial, residues_of
from fedcrm.secagg.shares import collective_key, make_key


def random_bytes(count):
    return np.random.default_rng(count).bytes(count)


def test_evaluation_form_turns_ring_products_into_coordinate_products(ring):
    """x^3 * x^1022 = x^1025 = -x in Z[x] / (x^1024 + 1)."""
    integers = np.zeros((3, ring.degree), np.int64)
    integers[0, 3], integers[1, ring.degree - 2], integers[2, 1] = 5, 7, -35
    for column in (ring.column, ring.key_column):
        left, right, product = bfv_for(ring).transform(np.stack([residues_of(row, column) for row in integers]))
        np.testing.assert_array_equal(multiply(left, right, column), product)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 33])
def test_any_number_of_polynomials_is_transformed(ring, count):
    rng = np.random.default_rng(count)
    polynomials = np.stack([residues_of(rng.integers(-9, 9, ring.degree), ring.column) for _ in range(count)])
    together = bfv_for(ring).transform(polynomials)
    one_by_one = np.concatenate([bfv_for(ring).transform(polynomials[k : k + 1]) for k in range(count)])
    np.testing.assert_array_equal(together, one_by_one)


def test_what_is_encrypted_decodes_under_the_secret_key(ring):
    common = common_polynomial(b"here", ring)
    key = make_key(common, bfv_for(ring), random_bytes)
    message = np.random.default_rng(1).integers(0, 1 << 59, (3, ring.degree)).astype(np.uint64)
    message[0, :2] = 0, (1 << 59) - 1
    ciphertext = bfv_for(ring).encrypt(collective_key([key.public], common, ring), message)
    secret = np.broadcast_to(key.secret, ciphertext[:, 1].shape)
    phase = add(ciphertext[:, 0], multiply(ciphertext[:, 1], secret, ring.column), ring.column)
    np.testing.assert_array_equal(bfv_for(ring).decode(phase), message)


def test_decoding_is_rounding_by_t_over_q_exactly(ring):
    """Against Python's integers: round(T * x / q) mod T for x anywhere."""
    plain, q = 1 << ring.plain_bits, ring.modulus
    rng = np.random.default_rng(5)
    integers = [int.from_bytes(rng.bytes(25), "little") % q for _ in range(ring.degree)]
    coefficients = np.array([[x % p for x in integers] for p in ring.primes], np.uint64)
    decoded = bfv_for(ring).decode(bfv_for(ring).transform(coefficients[None]))[0]
    expected = [(plain * x + q // 2) // q % plain for x in integers]
    assert [int(m) for m in decoded] == expected


def test_a_message_that_is_too_large_is_refused_by_seal(ring):
    common = common_polynomial(b"here", ring)
    key = make_key(common, bfv_for(ring), random_bytes)
    message = np.full((1, ring.degree), 1 << 59, np.uint64)
    with pytest.raises(RuntimeError):
        bfv_for(ring).encrypt(collective_key([key.public], common, ring), message)


def test_a_residue_that_is_too_large_is_refused_by_seal(ring):
    polynomials = np.zeros((1, 4, ring.degree), np.uint64)
    polynomials[0, 0, 0] = ring.primes[0]
    with pytest.raises(RuntimeError):
        bfv_for(ring).transform(polynomials)


def test_one_instance_a_process_and_ring(ring):
    assert bfv_for(ring) is bfv_for(ring)
    assert bfv_for(ring) is not bfv_for(PRODUCTION)


def test_parameters_past_the_security_table_are_refused():
    with pytest.raises(SelfTestFailed):
        Bfv(RingParameters(1024, (1125899906732033, 1125899906738177, 1125899906820097, 1125899906826241), 249857))


def test_another_saved_form_is_not_read(ring, monkeypatch):
    """A tenseal release that changes what save() writes stops here."""
    monkeypatch.setattr(module, "_MAGIC", 0xBEEF)
    with pytest.raises(SelfTestFailed):
        Bfv(ring)


def test_without_anonymous_files_a_private_one_serves(ring, monkeypatch):
    monkeypatch.delattr(module.os, "memfd_create")
    polynomials = np.ones((2, 4, ring.degree), np.uint64)
    np.testing.assert_array_equal(Bfv(ring).transform(polynomials), bfv_for(ring).transform(polynomials))
