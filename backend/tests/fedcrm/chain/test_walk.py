"""One organisation fails at a step, in every way that it can: the others finish, the state says who and why."""

from __future__ import annotations

import errno
import threading

import pytest

from fedcrm.chain.places import organisations
from fedcrm.chain.state import ChainState
from fedcrm.chain.walk import Show, Walk
from fedcrm.errors import (
    DeployFailed,
    MappingError,
    NightFailed,
    OrgUnreachable,
    SettingsError,
    StorageError,
)

STEPS = ("records", "package", "users", "node", "mapping", "check", "service", "extraction", "scores")
THREE = organisations(3)


@pytest.fixture
def state(tmp_path):
    return ChainState.open(tmp_path / "chain.json", {"orgs": 3})


def fails(step, error):
    def work(one):
        if one.number == 2:
            raise error
        return {"step": step}

    return work


@pytest.mark.parametrize("failing", STEPS)
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OrgUnreachable("org2", "no answer", "start it"), "no answer"),
        (DeployFailed("org2", ("ApexClass X: broken",)), "ApexClass X: broken"),
        (NightFailed("org2", "its run was stopped"), "stopped"),
        (StorageError("/data: No space left on device"), "No space left"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left"),
    ],
)
def test_what_one_cannot_do_puts_it_aside_and_the_others_finish(state, failing, error, words):
    walk = Walk(THREE, state, Show())
    for step in STEPS:
        walk.each(step, fails(step, error) if step == failing else lambda one, step=step: {"step": step})
    assert set(state.out()) == {THREE[1].name}
    assert state.out()[THREE[1].name][0] == failing
    assert words in state.out()[THREE[1].name][1]
    for one in (THREE[0], THREE[2]):
        assert all(state.facts(one.name, step) == {"step": step} for step in STEPS)


def test_who_was_out_goes_on_from_the_step_it_failed_at_and_nobody_does_anything_twice(state, tmp_path):
    done = []

    def work(one):
        done.append(one.number)
        return {}

    walk = Walk(THREE, state, Show())
    walk.each("package", work)
    walk.each("mapping", fails("mapping", MappingError(tmp_path / "m.toml", ["names a deleted field"])))
    again = ChainState.open(tmp_path / "chain.json", {"orgs": 3})
    for name in again.out():
        again.take_in(name)
    walk = Walk(THREE, again, Show())
    walk.each("package", work)
    walk.each("mapping", work)
    assert sorted(done) == [1, 2, 2, 3]
    assert again.out() == {}


def test_a_fault_of_the_program_is_no_organisations(state):
    walk = Walk(THREE, state, Show())
    with pytest.raises(ZeroDivisionError):
        walk.each("package", lambda one: {"x": 1 // 0})
    assert state.out() == {}


def test_two_organisations_of_one_process_are_never_at_work_at_once(state):
    at_work, most, lock = {1: 0, 2: 0}, [0], threading.Lock()

    def work(one):
        with lock:
            at_work[one.server] += 1
            most[0] = max(most[0], *at_work.values())
        with lock:
            at_work[one.server] -= 1
        return {}

    Walk(organisations(9), state, Show()).each("package", work)
    assert most == [1]


def test_other_options_are_refused_and_the_file_stays(state, tmp_path):
    before = (tmp_path / "chain.json").read_bytes()
    with pytest.raises(SettingsError, match="was begun with orgs 3"):
        ChainState.open(tmp_path / "chain.json", {"orgs": 4})
    assert (tmp_path / "chain.json").read_bytes() == before
