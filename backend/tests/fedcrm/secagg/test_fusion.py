"""Fusing answers: any quorum gives the same bits; liars are seen, and found where enough answered."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import InconsistentAnswers, QuorumNotReached
from fedcrm.secagg.fusion import answer, consistent, fuse, locate_liars
from fedcrm.secagg.ring import combine


@pytest.fixture(scope="module")
def codeword(ring):
    """codeword(n, quorum) -> (value at zero, answers by point): a random polynomial of degree quorum - 1."""

    def make(n, quorum, seed=0):
        rng = np.random.default_rng(seed)
        terms = [
            np.stack([rng.integers(0, p, (1, ring.degree)).astype(np.uint64) for p in ring.primes], axis=1)
            for _ in range(quorum)
        ]
        points = {
            x: combine([[pow(x, k, p) for p in ring.primes] for k in range(quorum)], terms, ring)
            for x in range(1, n + 1)
        }
        return terms[0], points

    return make


@pytest.mark.parametrize(("n", "quorum"), [(3, 2), (9, 6)])
def test_every_quorum_fuses_to_the_same_bits(ring, codeword, n, quorum):
    at_zero, answers = codeword(n, quorum)
    for chosen in itertools.combinations(answers, quorum):
        np.testing.assert_array_equal(fuse({x: answers[x] for x in chosen}, quorum, ring), at_zero)


def test_fewer_answers_than_the_quorum_are_refused_and_say_nothing(ring, codeword):
    at_zero, answers = codeword(9, 6)
    five = {x: answers[x] for x in (1, 3, 4, 8, 9)}
    with pytest.raises(QuorumNotReached) as refused:
        fuse(five, 6, ring)
    assert (refused.value.needed, refused.value.answered) == (6, [1, 3, 4, 8, 9])
    assert not (fuse(five, 5, ring) == at_zero).any()  # forcing it gives no coordinate right


def test_honest_answers_are_consistent(ring, codeword):
    _, answers = codeword(9, 6)
    assert consistent(answers, 6, ring) is None
    assert locate_liars(answers, 6, ring) == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 14), st.data())
def test_as_many_liars_as_the_answers_allow_are_located_exactly(ring, codeword, seed, n, data):
    quorum = data.draw(st.integers(2, n))
    liars = data.draw(st.sets(st.integers(1, n), max_size=(n - quorum) // 2))
    at_zero, answers = codeword(n, quorum, seed)
    rng = np.random.default_rng(seed)
    for liar in liars:
        answers[liar] = answers[liar].copy()
        answers[liar][0, rng.integers(4), rng.integers(ring.degree)] ^= np.uint64(1 << int(rng.integers(40)))
    assert locate_liars(answers, quorum, ring) == tuple(sorted(liars))
    honest = {x: a for x, a in answers.items() if x not in liars}
    np.testing.assert_array_equal(fuse(honest, quorum, ring), at_zero)


def test_a_lie_in_every_coefficient_is_located_too(ring, codeword):
    _, answers = codeword(9, 6)
    answers[4] = (answers[4] + np.uint64(1)) % ring.column
    assert locate_liars(answers, 6, ring) == (4,)


@pytest.mark.parametrize("liar", [1, 7])
def test_with_one_answer_to_spare_a_lie_shows_but_not_who_told_it(ring, codeword, liar):
    _, answers = codeword(7, 6)
    answers[liar] = (answers[liar] + np.uint64(1)) % ring.column
    with pytest.raises(InconsistentAnswers) as refused:
        locate_liars(answers, 6, ring)
    assert refused.value.culprit is None


def test_an_answer_is_the_share_times_c1_plus_the_noise_share(ring):
    rng = np.random.default_rng(4)
    share = np.stack([rng.integers(0, p, (3, 8)).astype(np.uint64) for p in ring.primes], axis=1)
    c1 = np.stack([rng.integers(0, p, (2, 8)).astype(np.uint64) for p in ring.primes], axis=1)
    result = answer(share, c1, ring)
    for chunk, (j, p), x in itertools.product(range(2), enumerate(ring.primes), range(8)):
        assert result[chunk, j, x] == (int(c1[chunk, j, x]) * int(share[0, j, x]) + int(share[1 + chunk, j, x])) % p
