import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedcrm.federation.gate import Gate, judge


def rng():
    return np.random.default_rng(7)


def hold_out(n, rate=0.3, seed=0):
    r = np.random.default_rng(seed)
    y = (r.random(n) < rate).astype(np.int8)
    return y, y * 1.5 + r.normal(size=n)


def test_a_model_that_ranks_at_random_is_refused_after_a_good_one():
    y, good = hold_out(400)
    bad = np.random.default_rng(3).normal(size=400)
    verdict = judge(y, bad, good, Gate.BOOTSTRAP, rng())
    assert not verdict.accepted
    assert verdict.drop == pytest.approx(roc_auc_score(y, good) - roc_auc_score(y, bad))
    assert verdict.confidence > 0.95


def test_an_equal_model_is_accepted_and_the_drop_is_zero():
    y, good = hold_out(200)
    verdict = judge(y, good + 3.0, good, Gate.BOOTSTRAP, rng())
    assert verdict.accepted
    assert verdict.drop == 0.0


def test_a_handful_of_positives_cannot_refuse_by_chance_what_the_papers_rule_refuses():
    """Honest models that differ by noise alone, on hold-outs with about six positives: count wrong refusals."""
    refused = {Gate.BOOTSTRAP: 0, Gate.PAPER: 0}
    for seed in range(100):
        r = np.random.default_rng(seed)
        y = np.zeros(40, dtype=np.int8)
        y[:6] = 1
        signal = y * 1.0 - 0.8
        margins = [signal + r.normal(scale=0.9, size=40) for _ in range(2)]
        for gate in Gate:
            refused[gate] += not judge(y, margins[0], margins[1], gate, r).accepted
    assert refused[Gate.BOOTSTRAP] <= 12
    assert refused[Gate.PAPER] > refused[Gate.BOOTSTRAP]


def test_a_hold_out_of_one_class_refuses_nothing():
    y = np.zeros(30, dtype=np.int8)
    for gate in Gate:
        assert judge(y, np.full(30, -5.0), np.arange(30.0), gate, rng()).accepted


def test_the_papers_rule_is_two_percent_of_accuracy_to_the_letter():
    y = np.array([1] * 50 + [0] * 50, dtype=np.int8)
    before = np.where(y == 1, 1.0, -1.0)
    worse = before.copy()
    worse[:2] *= -1
    assert judge(y, worse, before, Gate.PAPER, rng()).accepted
    worse[2] *= -1
    verdict = judge(y, worse, before, Gate.PAPER, rng())
    assert not verdict.accepted
    assert verdict.drop == pytest.approx(0.03)


def test_without_a_last_good_model_a_received_one_is_held_against_a_constant():
    y, good = hold_out(300)
    assert judge(y, good, None, Gate.BOOTSTRAP, rng()).accepted
    assert not judge(y, -good, None, Gate.BOOTSTRAP, rng()).accepted
