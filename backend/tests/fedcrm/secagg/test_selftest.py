"""The start-up test passes once, and fails closed whatever the library does wrong."""

from __future__ import annotations

import numpy as np
import pytest

from fedcrm.errors import SelfTestFailed
from fedcrm.secagg import MemoryJournal, ParticipantAttempt, self_test, selftest
from fedcrm.secagg.bfv import Bfv


@pytest.fixture
def afresh(ring):
    """A process in which the test has not run yet."""
    self_test.cache_clear()
    yield
    self_test.cache_clear()
    self_test(ring)


@pytest.mark.usefixtures("afresh")
def test_it_passes_with_the_product_s_parameters_and_runs_once(monkeypatch):
    self_test()
    monkeypatch.setattr(selftest, "_aggregate", lambda parameters: pytest.fail("ran twice"))
    self_test()


def wrong_decode(self, phases, _honest=Bfv.decode):
    messages = _honest(self, phases)
    messages[0, 5] ^= np.uint64(1)
    return messages


def broken(*arguments):
    raise RuntimeError("ciphertext data is invalid")


@pytest.mark.usefixtures("afresh")
@pytest.mark.parametrize(
    ("what", "instead"),
    [("decode", wrong_decode), ("transform", broken), ("encrypt", broken), ("decode", broken)],
)
def test_a_library_that_misbehaves_stops_everything_every_time(monkeypatch, attempt, ring, what, instead):
    one = attempt(3)
    self_test.cache_clear()
    monkeypatch.setattr(Bfv, what, instead)
    for _ in range(2):
        with pytest.raises(SelfTestFailed):
            self_test(ring)
    with pytest.raises(SelfTestFailed):
        ParticipantAttempt(one.identities[one.names[0]], one.roster, MemoryJournal(), parameters=ring)


@pytest.mark.usefixtures("afresh")
def test_wrong_arithmetic_is_caught(monkeypatch, ring):
    monkeypatch.setattr(selftest, "multiply", lambda a, b, column: a * b % column)  # overflows silently
    with pytest.raises(SelfTestFailed):
        self_test(ring)
