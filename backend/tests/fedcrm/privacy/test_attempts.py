from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedcrm.errors import SettingsError, TrainingStopped
from fedcrm.privacy import AttemptCap, Database


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "node.sqlite", create=True)


def test_after_the_cap_the_participant_stops_and_says_why(database):
    cap = AttemptCap(database, per_round=3)
    for attempt in "abc":
        cap.admit("t", "7", attempt, charges=True)
    with pytest.raises(TrainingStopped, match="round 7 of t has had 3 attempts"):
        cap.admit("t", "7", "d", charges=True)
    # Other rounds and trainings are not concerned.
    cap.admit("t", "8", "a", charges=True)
    cap.admit("u", "7", "a", charges=True)


def test_attempts_that_cost_nothing_count_too(database):
    cap = AttemptCap(database, per_round=2)
    cap.admit("t", "1", "a", charges=True)
    cap.admit("t", "1", "b", charges=False)
    with pytest.raises(TrainingStopped):
        cap.admit("t", "1", "c", charges=False)


def test_recovering_ones_own_attempt_after_a_crash_counts_once(database):
    for _ in range(10):  # ten restarts, each with a new object
        AttemptCap(database, per_round=2).admit("t", "1", "a", charges=True)
    cap = AttemptCap(database, per_round=2)
    cap.admit("t", "1", "b", charges=True)
    with pytest.raises(TrainingStopped):
        cap.admit("t", "1", "c", charges=True)
    cap.admit("t", "1", "a", charges=True)  # still admitted: it had been


def test_a_forgiven_attempt_does_not_count_and_is_forgiven_once_for_all(database):
    cap = AttemptCap(database, per_round=2)
    cap.admit("t", "1", "a", charges=True)
    assert cap.forgive("t", "1", "a")
    assert AttemptCap(database, per_round=2).forgive("t", "1", "a")
    cap.admit("t", "1", "b", charges=True)
    cap.admit("t", "1", "c", charges=True)
    with pytest.raises(TrainingStopped, match="has had 2 attempts"):
        cap.admit("t", "1", "d", charges=True)
    cap.admit("t", "1", "a", charges=True)  # it had been admitted
    assert not cap.forgive("t", "1", "never asked for")


def test_no_more_is_forgiven_than_a_round_has_attempts(database):
    cap, made = AttemptCap(database, per_round=3), []

    def crash_in_every_attempt():
        for attempt in range(20):
            cap.admit("t", "1", str(attempt), charges=True)
            cap.forgive("t", "1", str(attempt))
            made.append(attempt)

    with pytest.raises(TrainingStopped):
        crash_in_every_attempt()
    assert len(made) == 6


def test_what_was_charged_in_a_forgiven_attempt_still_counts_for_the_night(database):
    cap = AttemptCap(database, per_round=9, charges_per_night=1)
    cap.admit("t", "1", "a", charges=True)
    cap.forgive("t", "1", "a")
    with pytest.raises(TrainingStopped, match="night"):
        cap.admit("t", "1", "b", charges=True)


def test_a_night_has_its_own_cap_on_what_costs_something(database):
    clock = Clock()
    cap = AttemptCap(database, per_round=100, charges_per_night=3, clock=clock)
    for i in range(3):
        cap.admit("t", str(i), "a", charges=True)
    clock.now += timedelta(hours=5)  # past midnight, the same night
    with pytest.raises(TrainingStopped, match="night"):
        cap.admit("t", "3", "a", charges=True)
    cap.admit("t", "3", "a", charges=False)  # repeating an answer is free
    with pytest.raises(TrainingStopped):
        cap.admit("t", "3", "a", charges=True)  # but may not become a charge
    clock.now += timedelta(hours=24)
    cap.admit("t", "3", "a", charges=True)


def test_a_refused_attempt_is_not_counted(database):
    clock = Clock()
    cap = AttemptCap(database, per_round=2, charges_per_night=1, clock=clock)
    cap.admit("t", "1", "a", charges=True)
    for i in range(5):
        with pytest.raises(TrainingStopped):
            cap.admit("t", "1", f"x{i}", charges=True)
    clock.now += timedelta(hours=24)
    cap.admit("t", "1", "b", charges=True)


@pytest.mark.parametrize("wrong", [{"per_round": 0}, {"charges_per_night": 0}])
def test_a_cap_that_admits_nothing_is_refused(database, wrong):
    with pytest.raises(SettingsError):
        AttemptCap(database, **wrong)
