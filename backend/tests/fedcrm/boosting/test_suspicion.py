import math

import numpy as np
import pytest

from fedcrm.boosting import BoostedTrees, Settings
from fedcrm.learning import Aggregate

from .conftest import UNIT, noisy_sum


def honest_rounds(federation, mu):
    learner = BoostedTrees.start(federation.schema, 0.3, Settings(), 8000.0, 5900.0)
    respondents, rng = federation.respondents(), np.random.default_rng(12)
    while (query := learner.next_query()) is not None:
        aggregate = noisy_sum(query, respondents, mu, rng)
        yield learner, query, aggregate
        learner.absorb(aggregate)


@pytest.mark.parametrize("mu", [0.1, 1.67, math.inf])
def test_honest_sums_are_never_suspicious(federation, mu):
    for learner, _, aggregate in honest_rounds(federation, mu):
        assert learner.suspicious(aggregate) is None


@pytest.mark.parametrize("mu", [1.67, math.inf])
def test_a_participant_who_sends_random_numbers_is_noticed(federation, mu):
    rng = np.random.default_rng(13)
    caught = 0
    rounds = 0
    for learner, query, aggregate in honest_rounds(federation, mu):
        # Numbers of the size an honest 900-row participant would send.
        made_up = UNIT * rng.integers(-64 * 200, 64 * 200, query.length)
        forged = Aggregate(aggregate.sums + made_up, aggregate.noise_variance, aggregate.weights, aggregate.unit)
        caught += learner.suspicious(forged) is not None
        rounds += 1
    assert caught >= 0.9 * rounds


def test_consistent_lies_pass_and_we_say_so(federation):
    """A participant who negates every gradient keeps the partition; the check is not meant for them."""
    for learner, query, aggregate in honest_rounds(federation, math.inf):
        if query.purpose != "cells":
            lies = np.concatenate([np.repeat([-1, 1], s.length // 2) for s in query.structures]) * aggregate.sums
            forged = Aggregate(lies, aggregate.noise_variance, aggregate.weights, aggregate.unit)
            assert learner.suspicious(forged) is None
