"""Residue arithmetic against Python's integers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import SettingsError
from fedcrm.secagg.ring import (
    PRODUCTION,
    WIRE_BYTES,
    add,
    combine,
    from_wire,
    lagrange,
    multiply,
    negate,
    subtract,
    to_wire,
    total,
)

PRIMES = PRODUCTION.primes
COLUMN = PRODUCTION.column


def residues(rng, ring, *shape):
    return np.stack([rng.integers(0, p, (*shape, ring.degree)).astype(np.uint64) for p in ring.primes], axis=-2)


def is_prime(number):
    """Miller-Rabin with the twelve bases that are proven below 3.3e24."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, number)
        if x not in (1, number - 1) and not any((x := x * x % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


def test_the_parameters_are_those_of_the_128_bit_table():
    everything = (*PRODUCTION.primes, PRODUCTION.key_prime)
    assert PRODUCTION.degree == 8192
    assert math.prod(everything).bit_length() == 218  # the largest the homomorphic encryption standard allows
    assert PRODUCTION.modulus.bit_length() == 200
    assert all(is_prime(p) and p % (2 * PRODUCTION.degree) == 1 and p < 1 << 50 for p in everything)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3), st.data())
def test_arithmetic_is_that_of_python_s_integers(row, data):
    p = PRIMES[row]
    edge = st.one_of(st.integers(0, p - 1), st.sampled_from([0, 1, 2, p // 2, p // 2 + 1, p - 2, p - 1]))
    a, b = data.draw(edge), data.draw(edge)
    left, right = (np.full((4, 1), 0, np.uint64) for _ in range(2))
    left[row], right[row] = a, b
    assert multiply(left, right, COLUMN)[row, 0] == a * b % p
    assert add(left, right, COLUMN)[row, 0] == (a + b) % p
    assert subtract(left, right, COLUMN)[row, 0] == (a - b) % p
    assert negate(left, COLUMN)[row, 0] == -a % p


@pytest.mark.parametrize("terms", [1, 2, 9, 50])
def test_a_combination_at_the_largest_residues_is_exact(terms):
    top = np.broadcast_to(COLUMN - np.uint64(1), (2, 4, 3))
    weights = [[p - 1 - k for p in PRIMES] for k in range(terms)]
    expected = [sum((p - 1) * (p - 1 - k) for k in range(terms)) % p for p in PRIMES]
    result = combine(weights, [top] * terms, PRODUCTION)
    assert all(result[c, j, x] == expected[j] for c in range(2) for j in range(4) for x in range(3))


def test_a_combination_of_random_residues_is_exact(ring):
    rng = np.random.default_rng(3)
    arrays = [residues(rng, ring, 1) for _ in range(6)]
    weights = [[int(rng.integers(0, p)) for p in ring.primes] for _ in range(6)]
    result = combine(weights, arrays, ring)
    for j, p in enumerate(ring.primes):
        for x in range(0, ring.degree, 97):
            assert result[0, j, x] == sum(w[j] * int(a[0, j, x]) for w, a in zip(weights, arrays, strict=True)) % p


def test_a_total_of_fifty_of_the_largest_residues_does_not_overflow():
    top = np.broadcast_to(COLUMN - np.uint64(1), (4, 2))
    assert (total([top] * 50, COLUMN)[:, 0] == [50 * (p - 1) % p for p in PRIMES]).all()


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(1, 50), min_size=2, max_size=8), st.integers(0, 50), st.integers(0, 2**32))
def test_lagrange_weights_reproduce_a_polynomial(nodes, at, seed):
    nodes = sorted(nodes)
    rng = np.random.default_rng(seed)
    coefficients = [int(c) for c in rng.integers(0, 2**49, len(nodes))]
    value = lambda x, p: sum(c * x**k for k, c in enumerate(coefficients)) % p  # noqa: E731 - reads as a formula
    weights = lagrange(nodes, at, PRODUCTION)
    for j, p in enumerate(PRIMES):
        assert sum(w[j] * value(x, p) for w, x in zip(weights, nodes, strict=True)) % p == value(at, p)


def test_the_wire_form_is_25_bytes_a_coefficient_and_round_trips(ring):
    polynomials = residues(np.random.default_rng(1), ring, 3)
    polynomials[0, :, :2] = np.array([[0] * 4, [p - 1 for p in ring.primes]], np.uint64).T
    wire = to_wire(polynomials)
    assert len(wire) == 3 * ring.degree * WIRE_BYTES
    np.testing.assert_array_equal(from_wire(wire, ring), polynomials)


def test_the_wire_form_is_a_200_bit_number_least_significant_residue_first(ring):
    polynomials = residues(np.random.default_rng(2), ring, 1)
    wire = to_wire(polynomials)
    for x in (0, 1, ring.degree - 1):
        number = sum(int(polynomials[0, j, x]) << 50 * j for j in range(4))
        assert wire[25 * x : 25 * x + 25] == number.to_bytes(25, "little")


@pytest.mark.parametrize("row", range(4))
def test_a_residue_that_is_not_below_its_prime_is_refused(ring, row):
    polynomials = np.zeros((1, 4, ring.degree), np.uint64)
    polynomials[0, row, 5] = ring.primes[row]
    with pytest.raises(ValueError, match="below its prime"):
        from_wire(to_wire(polynomials), ring)


@pytest.mark.parametrize("change", [-1, 1, 25])
def test_truncated_and_oversized_wire_forms_are_refused(ring, change):
    wire = to_wire(np.zeros((1, 4, ring.degree), np.uint64))
    with pytest.raises(ValueError, match="whole number"):
        from_wire(wire[:change] if change < 0 else wire + bytes(change), ring)
    with pytest.raises(ValueError, match="whole number"):
        from_wire(b"", ring)


@pytest.mark.parametrize(
    "change", [{"smudging_bits": 57}, {"smudging_bits": 122}, {"primes": (*PRIMES[:3], (1 << 50) + 1)}]
)
def test_parameters_this_arithmetic_cannot_carry_are_refused(change):
    with pytest.raises(SettingsError):
        replace(PRODUCTION, **change)
