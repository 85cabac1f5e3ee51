"""What any answer journal must do; the durable ones run the same suite."""

from __future__ import annotations

import pytest

from fedcrm.secagg import AttemptId, MemoryJournal, Step


@pytest.fixture
def journal():
    return MemoryJournal()


def test_the_first_claim_stands(journal):
    attempt = AttemptId("t", 1, 1)
    assert journal.claim(attempt, Step.ANSWER, b"first") == b"first"
    assert journal.claim(attempt, Step.ANSWER, b"second") == b"first"
    assert journal.claim(attempt, Step.ANSWER, b"first") == b"first"


def test_claims_of_other_attempts_and_steps_are_apart(journal):
    for training, number, step in (
        ("t", 1, Step.ANSWER),
        ("t", 2, Step.ANSWER),
        ("u", 1, Step.ANSWER),
        ("t", 1, Step.MANIFEST),
    ):
        digest = f"{training}{number}{step}".encode()
        assert journal.claim(AttemptId(training, 1, number), step, digest) == digest


def test_latest_is_the_highest_attempt_with_a_manifest(journal):
    assert journal.latest("t") is None
    journal.claim(AttemptId("t", 3, 1), Step.ANSWER, b"x")
    assert journal.latest("t") is None
    for round_, attempt in ((2, 9), (1, 4), (2, 3)):
        journal.claim(AttemptId("t", round_, attempt), Step.MANIFEST, b"x")
    assert journal.latest("t") == (2, 9)
    assert journal.latest("u") is None
