from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedcrm.errors import SettingsError
from fedcrm.privacy.units import bound_rows_per_unit, unit_sensitivity


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 5), st.integers(0, 2**32))
def test_every_unit_keeps_its_rows_up_to_k(ids, k, seed):
    kept = bound_rows_per_unit(np.array(ids, dtype=np.int64), k, np.random.default_rng(seed))
    assert kept.tolist() == sorted(set(kept.tolist()))
    before, after = Counter(ids), Counter(ids[i] for i in kept)
    assert after == {unit: min(n, k) for unit, n in before.items()}


def test_each_row_of_a_unit_is_as_likely_as_another():
    ids, runs = np.array(["a", "b", "a", "a", "b", "a", "c"]), 8_000
    rng = np.random.default_rng(2)
    drawn = np.bincount(np.concatenate([bound_rows_per_unit(ids, 2, rng) for _ in range(runs)]), minlength=7)
    assert drawn[[1, 4, 6]].tolist() == [runs] * 3
    assert stats.chisquare(drawn[[0, 2, 3, 5]]).pvalue > 1e-4


def test_what_one_unit_keeps_says_nothing_about_another():
    ids, rng = np.repeat([0, 1], 2), np.random.default_rng(3)
    table = np.zeros((2, 2))
    for _ in range(6_000):
        first, second = bound_rows_per_unit(ids, 1, rng)
        table[first, second - 2] += 1
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_a_unit_of_k_rows_reaches_k_times_a_records_sensitivity_and_no_more():
    # Worst case of a gradient histogram: all rows in one bin; then random rows, exhaustively fewer.
    rng, k = np.random.default_rng(0), 3
    most = 0.0
    for _ in range(5_000):
        rows = np.zeros((k, 8))
        for row in rows:
            angle = rng.uniform(0, 2 * np.pi)
            row[2 * rng.integers(4) :][:2] = 64 * np.cos(angle), 64 * np.sin(angle)
        most = max(most, float(np.linalg.norm(rows.sum(axis=0))))
    assert most <= unit_sensitivity(64.0, k)
    assert np.linalg.norm(k * np.array([64.0, 0.0])) == unit_sensitivity(64.0, k)


@pytest.mark.parametrize("k", [0, -1])
def test_a_unit_that_contributes_nothing_is_refused(k):
    with pytest.raises(SettingsError):
        bound_rows_per_unit(np.array([1]), k, np.random.default_rng(0))
    with pytest.raises(SettingsError):
        unit_sensitivity(64.0, k)
