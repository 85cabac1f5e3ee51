from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from fedcrm.errors import BudgetExceeded, MechanismError, StorageError
from fedcrm.privacy import GaussianRelease, Ledger, NoisyAnswers, release_once, rounded_gaussian

KEY = bytes(range(32))
EVENT = GaussianRelease(100.0, 1, 64.2, 40, "round 1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.sqlite"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    made = Ledger.create(path, organisation="Alpha", epsilon_budget=8.0)
    made.open_training("t", made.plan_training(8.0))
    return made


@pytest.fixture
def answers(ledger: Ledger) -> NoisyAnswers:
    return NoisyAnswers(ledger.database, KEY)


class Draw:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return rounded_gaussian(6420.0, 40)


def ask(ledger, answers, draw, key="request", round_name="1", **more):
    options = {"training": "t", "round_name": round_name, "key": key, "event": EVENT, "draw": draw, **more}
    return release_once(ledger, answers, **options)


def test_an_identical_request_gets_the_very_same_integers_and_costs_nothing(ledger, answers):
    draw = Draw()
    first = ask(ledger, answers, draw)
    again = ask(Ledger.open(ledger.database.name), NoisyAnswers(ledger.database, KEY), draw)
    assert np.array_equal(first, again)
    assert (draw.calls, len(ledger)) == (1, 1)


def test_another_request_gets_fresh_noise_and_is_charged(ledger, answers):
    draw = Draw()
    first, second = ask(ledger, answers, draw, "a"), ask(ledger, answers, draw, "b")
    assert not np.array_equal(first, second)
    assert (draw.calls, len(ledger)) == (2, 2)


def test_no_noise_is_drawn_for_a_charge_that_is_refused(ledger, answers):
    draw = Draw()
    with pytest.raises(BudgetExceeded):
        ask(ledger, answers, draw, event=GaussianRelease(0.1, 1, 64.2, 40, "too much"))
    assert draw.calls == 0
    assert answers.get("request") is None


def test_nothing_to_protect_is_neither_charged_nor_forgotten(ledger, answers):
    zeros = ask(ledger, answers, lambda: np.zeros(40, dtype=np.int64), event=None)
    assert not zeros.any()
    assert len(ledger) == 0
    assert answers.get("request") is not None


def test_a_crash_between_charge_and_answer_is_paid_once(ledger, answers):
    class Crash(BaseException):
        pass

    def crash() -> np.ndarray:
        raise Crash

    with pytest.raises(Crash):
        ask(ledger, answers, crash)
    assert len(ledger) == 1
    draw = Draw()
    ask(ledger, answers, draw)
    assert (draw.calls, len(ledger)) == (1, 1)


def test_the_first_answer_wins_where_two_were_drawn(answers):
    first, second = rounded_gaussian(100.0, 40), rounded_gaussian(100.0, 40)
    assert np.array_equal(answers.put("k", "t", "1", first), first)
    assert np.array_equal(answers.put("k", "t", "1", second), first)


def test_a_closed_round_is_never_answered_with_fresh_noise(ledger, answers):
    # The attack: have the answer removed, then ask again under the charge that was paid. Two draws average.
    draw = Draw()
    ask(ledger, answers, draw)
    answers.close_round("t", "1")
    answers.close_round("t", "1")
    with pytest.raises(MechanismError, match="closed"):
        ask(ledger, answers, draw)
    with pytest.raises(MechanismError, match="closed"):
        ask(ledger, answers, draw, "another request for a closed round")
    with pytest.raises(MechanismError, match="closed"):
        answers.put("k", "t", "1", rounded_gaussian(1.0, 40))
    ask(ledger, answers, draw, "next", round_name="2")


def test_an_answer_belongs_to_its_round(answers):
    answers.put("k", "t", "1", np.arange(3))
    with pytest.raises(MechanismError):
        answers.put("k", "t", "2", np.arange(3))


def files(path: Path) -> bytes:
    return b"".join(f.read_bytes() for f in sorted(path.parent.glob("node.sqlite*")))


def test_answers_are_not_readable_on_the_disk_and_gone_after_the_round(ledger, answers, path):
    vector = np.arange(40, dtype=np.int64) * 1_234_567
    answers.put("k", "t", "1", vector)
    assert vector.tobytes()[8:80] not in files(path)
    with sqlite3.connect(path) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM noisy_answer").fetchone()
    assert len(sealed) == 12 + 8 * 40 + 16
    answers.close_round("t", "1")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert sealed[12:] not in files(path)


def test_a_changed_or_moved_answer_does_not_open(ledger, answers, path):
    answers.put("a", "t", "1", np.arange(40))
    answers.put("b", "t", "1", np.arange(40))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE noisy_answer SET sealed = (SELECT sealed FROM noisy_answer WHERE key = 'a')")
    assert answers.get("a") is not None
    with pytest.raises(StorageError):
        answers.get("b")


def test_another_key_does_not_open_it(ledger, answers):
    answers.put("a", "t", "1", np.arange(40))
    with pytest.raises(StorageError):
        NoisyAnswers(ledger.database, bytes(32)).get("a")


@pytest.mark.parametrize("size", [0, 16, 33])
def test_a_key_of_another_length_is_refused(ledger, size):
    with pytest.raises(MechanismError):
        NoisyAnswers(ledger.database, bytes(size))
