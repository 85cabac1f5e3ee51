"""Terms, limits, and whom k_min protects: against closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import pytest

from fedcrm.errors import OutOfLane, SettingsError, TooManyCoordinates
from fedcrm.secagg import (
    AttemptId,
    AttemptTerms,
    Identity,
    Roster,
    collusion_table,
    coordinate_limit,
    default_k_min,
    default_quorum,
    safe_against,
)


@pytest.fixture(scope="module")
def roster_of(identities, coordinator_identity):
    return lambda n: Roster(coordinator_identity.public, tuple(one.public for one in identities[:n]))


@pytest.fixture
def terms(roster_of):
    defaults = {"coordinates": 10, "magnitude": 5, "request": b""}
    return lambda n=9, **settings: AttemptTerms(AttemptId("t", 1, 1), roster_of(n), **(defaults | settings))


@pytest.mark.parametrize("n", range(3, 51))
def test_the_defaults_are_the_stated_formulas(terms, n):
    one = terms(n)
    assert one.quorum == default_quorum(n) == math.ceil(0.6 * n - 1e-9)
    assert one.k_min == default_k_min(n, one.quorum) == max(one.quorum, (n + 2) // 2 + 1)
    assert one.quorum <= one.k_min <= n


def test_nine_participants_need_six():
    assert (default_quorum(9), default_k_min(9, 6), safe_against(9, 6)) == (6, 6, 2)


@pytest.mark.parametrize(
    "bad",
    [
        {"quorum": 10},
        {"quorum": 1},
        {"quorum": -1},
        {"k_min": 10},
        {"k_min": 5},
        {"quorum": 8, "k_min": 7},
        {"coordinates": 0},
        {"magnitude": 0},
        {"deadline": -1},
        {"deadline": 1 << 64},
    ],
)
def test_settings_that_cannot_be_are_refused(terms, bad):
    with pytest.raises(SettingsError):
        terms(**bad)


@pytest.mark.parametrize("bad", [("", 1, 1), ("t", -1, 1), ("t", 1, 1 << 32), ("x" * 1001, 0, 0)])
def test_an_attempt_has_a_training_a_round_and_a_number(bad):
    with pytest.raises(SettingsError):
        AttemptId(*bad)


def test_attempts_are_in_order():
    assert AttemptId("t", 1, 9) < AttemptId("t", 2, 0) < AttemptId("t", 2, 1)


def test_a_million_coordinates_up_to_twelve_and_65536_at_fifty():
    assert {coordinate_limit(n) for n in range(3, 13)} == {1_000_000}
    assert coordinate_limit(50) == 65_536
    limits = [coordinate_limit(n) for n in range(3, 51)]
    assert limits == sorted(limits, reverse=True)
    assert all(coordinate_limit(n) * n * n <= 144_000_000 or coordinate_limit(n) == 65_536 for n in range(13, 51))


@pytest.mark.parametrize("n", [3, 12, 13, 30, 50])
def test_beyond_the_limit_the_refusal_names_the_bytes(terms, n):
    limit = coordinate_limit(n)
    most = terms(n, coordinates=limit)
    assert most.dealt_bytes < 300_000_000
    with pytest.raises(TooManyCoordinates) as refused:
        terms(n, coordinates=limit + 1)
    lower = (n - default_quorum(n)) * limit * 25 // 2  # two lanes of 25 bytes' coefficients
    assert lower < refused.value.bytes_needed < lower * 1.2 + 10_000_000
    assert f"{refused.value.bytes_needed:,}" in str(refused.value)


def test_dealt_bytes_at_nine_and_4096_are_those_measured(terms):
    """Three recipients get 2 polynomials of 204,800 bytes, five a seed."""
    assert terms(coordinates=4096).dealt_bytes == 3 * 2 * 204_800 + 5 * 32


def test_lanes_follow_from_the_public_bound(terms):
    assert terms(magnitude=1 << 22).lanes.count == 2
    assert terms(magnitude=1 << 22, coordinates=16_384).chunks == 1
    assert terms(magnitude=1 << 40, coordinates=16_384).chunks == 2
    with pytest.raises(OutOfLane):
        terms(magnitude=1 << 58)


@pytest.mark.parametrize(("n", "k_min"), [(5, 3), (6, 4), (7, 5), (9, 6), (9, 8)])
def test_k_min_is_safe_exactly_where_two_manifests_must_share_an_honest_member(n, k_min):
    """Brute force over all pairs of manifests of k_min members with f colluders in both."""
    for f in range(k_min):
        colluders = set(range(f))
        honest = [
            set(chosen) - colluders for chosen in itertools.combinations(range(n), k_min) if colluders <= set(chosen)
        ]
        disjoint = any(not a & b for a, b in itertools.combinations(honest, 2))
        assert (f <= safe_against(n, k_min)) == (not disjoint)


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (9, 6), (12, 8), (50, 30)])
def test_the_table_says_for_each_number_of_colluders_what_holds(n, quorum):
    rows = collusion_table(n, quorum)
    assert [row.colluders for row in rows] == list(range(quorum + 1))
    for row in rows:
        f = row.colluders
        assert row.safe == (default_k_min(n, quorum) > (n + f) / 2)
        assert row.quorum_holds == (f < quorum)
        assert row.one_answer == (f < 2 * quorum - n)
        if row.least_k_min is not None:
            assert safe_against(n, row.least_k_min) >= f
            assert row.least_k_min == quorum or safe_against(n, row.least_k_min - 1) < f


def test_the_table_at_nine_is_the_one_in_the_documentation():
    rows = collusion_table(9, 6)
    assert [(r.colluders, r.least_k_min, r.safe, r.honest_in_sum) for r in rows] == [
        (0, 6, True, 6),
        (1, 6, True, 5),
        (2, 6, True, 4),
        (3, 7, False, 3),
        (4, 7, False, 2),
        (5, 8, False, 1),
        (6, 8, False, 0),
    ]
    assert all(row.safe for row in collusion_table(9, 6, k_min=8)[:7])


def test_a_generated_identity_takes_part(coordinator_identity):
    roster = Roster(coordinator_identity.public, tuple(Identity.generate(name).public for name in "abc"))
    assert AttemptTerms(AttemptId("t", 0, 0), roster, 1, 1, b"").k_min == 3
