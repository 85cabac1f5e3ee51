import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr, ttest_rel
from sklearn.metrics import roc_auc_score

from fedcrm.evaluation.metrics import (
    auc,
    mean_over_participants,
    paired_difference,
    ranks,
    spearman,
    spearman_attainable,
)

both_classes = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)


@given(both_classes)
def test_auc_with_ties_agrees_with_scikit_learn(rows):
    y, s = zip(*rows, strict=True)
    assert auc(y, s) == pytest.approx(roc_auc_score(y, s), abs=1e-12)


@given(both_classes.filter(lambda rows: len({s for _, s in rows}) > 1))
def test_spearman_with_ties_agrees_with_scipy(rows):
    y, s = zip(*rows, strict=True)
    assert spearman(y, s) == pytest.approx(spearmanr(y, s).statistic, abs=1e-12)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_ranks_agree_with_scipy(values):
    assert np.array_equal(ranks(values), rankdata(values))


def test_scores_that_are_all_equal_say_nothing():
    assert auc([0, 1, 1], [2, 2, 2]) == 0.5
    assert spearman([0, 1, 1], [2, 2, 2]) == 0.0


def test_infinite_scores_have_ranks_too():
    assert auc([0, 1, 0], [-math.inf, math.inf, 0.0]) == 1.0


@pytest.mark.parametrize("metric", [auc, spearman])
@pytest.mark.parametrize(("label", "score"), [([], []), ([1, 1], [1, 2]), ([0, 1], [1, math.nan]), ([0, 1], [1, 2, 3])])
def test_one_class_or_a_score_that_is_missing_is_refused(metric, label, score):
    with pytest.raises(ValueError, match=r"class|score"):
        metric(label, score)


@pytest.mark.parametrize("rate", [0.05, 0.226, 0.5, 0.9])
def test_a_perfect_score_without_ties_attains_the_attainable_spearman(rate):
    n = 20_000
    y = np.arange(n) >= n * (1 - rate)
    assert spearman(y, np.arange(n)) == pytest.approx(spearman_attainable(rate), abs=1e-3)


def test_without_ties_spearman_is_the_attainable_times_two_auc_minus_one():
    rng = np.random.default_rng(4)
    y = rng.random(5_000) < 0.3
    s = rng.normal(size=5_000) + y
    expected = (2 * auc(y, s) - 1) * spearman_attainable(y.mean())
    assert spearman(y, s) == pytest.approx(expected, rel=1e-6)


def test_a_rate_outside_zero_and_one_is_refused():
    assert spearman_attainable(0) == spearman_attainable(1) == 0
    with pytest.raises(ValueError, match="rate"):
        spearman_attainable(1.1)


def test_the_mean_counts_every_participant_once():
    assert mean_over_participants({"a": 0.5, "b": 1.0}) == 0.75
    with pytest.raises(ValueError, match="nobody"):
        mean_over_participants({})


def test_paired_differences_agree_with_the_paired_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=9), rng.normal(size=9)
    d = paired_difference(list(a), list(b))
    assert d.mean / d.standard_error == pytest.approx(ttest_rel(a, b).statistic)
    assert d.pairs == 9


def test_one_pair_has_no_error_and_unequal_lists_no_pairs():
    assert math.isnan(paired_difference([1.0], [0.5]).standard_error)
    for first, second in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError, match="pair"):
            paired_difference(first, second)
