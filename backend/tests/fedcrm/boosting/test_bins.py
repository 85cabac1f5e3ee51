import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.boosting.bins import Bins, category_bins, category_cells, codes, number_bins, number_cells, whole_levels


def test_quantile_bins_hold_about_equal_mass_without_noise():
    edges = number_cells(0.0, 1.0, False, 128)
    x = np.random.default_rng(0).beta(2, 5, 20_000)
    counts = np.histogram(x, np.concatenate([[-np.inf], edges, [np.inf]]))[0].astype(float)
    bins = number_bins(edges, counts, np.zeros(128), 16)
    mass = np.bincount(codes([bins], x[:, None].astype(np.float32))[0])
    assert 13 <= bins.count <= 16
    assert mass.max() < 2 * mass.mean()


def test_spikes_get_bins_of_their_own():
    edges = number_cells(0.0, 10.0, False, 64)
    counts = np.zeros(64)
    counts[[0, 13, 26, 63]] = [500, 400, 300, 200]
    assert number_bins(edges, counts, np.zeros(64), 16).count == 4


def test_counts_drowned_in_noise_give_one_bin_not_sixteen_of_noise():
    edges = number_cells(0.0, 1.0, False, 64)
    counts = 5 + np.random.default_rng(1).normal(size=64) * 200
    assert number_bins(edges, counts, np.full(64, 200.0**2), 16).count <= 2


def test_common_levels_keep_a_bin_and_rare_ones_share_one_with_other():
    counts = np.array([500.0, 3.0, 400.0, 2.0, 90.0, 0.0])
    bins = category_bins(category_cells(6), counts, np.full(6, 100.0), 64)
    got = codes([bins], np.array([[0], [1], [2], [3], [4], [5]], np.float32))[0]
    assert got.tolist() == [0, 3, 1, 3, 2, 3]


def test_a_category_keeps_no_more_bins_than_allowed():
    counts = np.arange(300, dtype=float) + 100
    bins = category_bins(category_cells(300), counts, np.zeros(300), 64)
    assert bins.count == 64


def test_values_on_a_cut_go_right_as_in_xgboost_and_infinities_count_as_missing():
    bins = Bins(np.array([1.0, 2.0], np.float32), np.array([0, 1, 2], np.uint8), 3, True)
    x = np.array([[0.5], [1.0], [np.nextafter(np.float32(2), np.float32(0))], [2.0], [np.nan], [np.inf], [-np.inf]])
    assert codes([bins], x.astype(np.float32))[0].tolist() == [0, 1, 1, 2, 3, 3, 3]


@given(st.floats(-1e30, 1e30), st.floats(1e-30, 1e30), st.booleans(), st.integers(2, 130))
def test_cells_rise_strictly_even_where_float32_runs_out(low, width, log, cells):
    edges = number_cells(low, low + width, log, cells)
    assert np.all(np.diff(edges) > 0)
    assert len(edges) < cells


@pytest.mark.parametrize(
    ("cuts", "members", "count"),
    [([1, 1], [0, 1, 2], 3), ([2, 1], [0, 1, 2], 3), ([1], [0, 0], 2), ([1], [0, 1, 2], 3), ([], [0], 2)],
)
def test_bins_that_contradict_themselves_are_refused(cuts, members, count):
    with pytest.raises(ValueError, match=r"cuts|bin"):
        Bins(np.array(cuts, np.float32), np.array(members, np.uint8), count, True)


def test_plain_form_round_trips_exactly():
    for bins in (whole_levels(7), number_bins(number_cells(0.1, 7.3, True, 32), np.ones(32), np.zeros(32), 5)):
        again = Bins.from_raw(bins.to_raw())
        assert again.to_raw() == bins.to_raw()
        np.testing.assert_array_equal(again.cuts, bins.cuts)
