"""A small part of `make faults`; the 10,000 rounds of it are run by hand, with figures in docs/operations.md."""

import numpy as np
import pytest

from bench.faults import INSECURE_1024, _Checked, simulate
from fedcrm.federation import RoundRequest
from fedcrm.federation.rounds import RoundResult
from fedcrm.learning import Query, Structure
from fedcrm.secagg import PRODUCTION


@pytest.mark.slow
def test_through_every_fault_no_budget_is_overrun_no_small_sum_opened_and_nothing_stuck():
    tally = simulate(100, seed=7, rate=0.02)
    assert tally.rounds >= 100
    assert len(tally.faults) >= 8
    assert tally.attempts > tally.rounds


@pytest.mark.slow
def test_the_same_holds_on_the_ring_that_ships():
    assert simulate(6, seed=3, rate=0.02, parameters=PRODUCTION, a_training=6).rounds >= 6
    assert INSECURE_1024.insecure
    assert not PRODUCTION.insecure


class Opens:
    """Rounds that open whatever a test says."""

    def __init__(self, sums, contributors):
        self.result = RoundResult(np.array(sums, dtype=np.int64), contributors, b"", 1)

    def run(self, request):
        return self.result


def test_the_simulation_would_notice_a_small_or_a_wrong_sum():
    request = RoundRequest("t", 1, Query("fields", (Structure("a", 2, 0.1),), 1.0, 1, b""), {"p": 1, "q": 1}, 1, 9)
    pair = ("p", "q")
    sent = {(name, request.to_bytes(), pair): np.array([1, 2]) for name in pair}
    assert _Checked(Opens([2, 4], pair), 2, sent).run(request).contributors == pair
    with pytest.raises(AssertionError, match="not the sum"):
        _Checked(Opens([2, 5], pair), 2, sent).run(request)
    with pytest.raises(AssertionError, match="k_min is 3"):
        _Checked(Opens([2, 4], pair), 3, sent).run(request)
