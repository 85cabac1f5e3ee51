import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.explanation import Calibration
from fedcrm.explanation.calibration import sigmoid


def drawn(n, change, seed=0):
    rng = np.random.default_rng(seed)
    margin = rng.normal(0, 2, n)
    return margin, (rng.random(n) < sigmoid(change(margin))).astype(float)


def test_a_margin_too_sure_by_half_is_brought_back():
    margin, y = drawn(20_000, lambda m: 0.5 * m - 0.7)
    found = Calibration.fit(margin, y)
    np.testing.assert_allclose(
        found.probability(np.array([-2.0, 0.0, 2.0])), sigmoid(np.array([-1.7, -0.7, 0.3])), atol=0.02
    )


def test_two_sides_may_need_different_changes():
    margin, y = drawn(40_000, lambda m: np.where(m > 0, 0.4 * m, 1.5 * m))
    found = Calibration.fit(margin, y)
    assert found.a > 1.2
    assert found.b < 0.6


def test_few_rows_hardly_move_the_map():
    margin, y = drawn(6, lambda m: -m)
    found = Calibration.fit(margin, y)
    assert abs(found.a - 1) < 0.3
    assert abs(found.b - 1) < 0.3


def test_no_rows_or_rows_without_a_margin_leave_the_margin_alone():
    assert Calibration.fit(np.array([]), np.array([])).rows == 0
    found = Calibration.fit(np.array([np.nan, np.nan]), np.array([0.0, 1.0]))
    assert (found.a, found.b, found.c) == (1.0, 1.0, 0.0)


def test_one_class_only_stays_finite():
    found = Calibration.fit(np.linspace(-1, 1, 50), np.ones(50))
    assert np.all(np.isfinite(found.probability(np.array([-50.0, 0.0, 50.0]))))


@given(
    st.floats(0.05, 20),
    st.floats(0.05, 20),
    st.floats(-20, 20),
    st.lists(st.floats(-700, 700), min_size=2, max_size=20),
)
def test_the_map_rises_and_never_leaves_the_unit_interval(a, b, c, margins):
    calibration = Calibration(a, b, c, np.zeros((3, 3)), 0)
    m = np.sort(np.array(margins))
    p = calibration.probability(m)
    assert np.all(np.diff(p) >= 0)
    assert np.all((p >= 0) & (p <= 1))
    assert np.all(calibration.slope(m) >= 0)
    assert np.all(calibration.stretch(m) > 0)


@given(st.floats(0.05, 5), st.floats(0.05, 5), st.floats(-4, 4), st.floats(-8, 8))
def test_the_slope_is_the_derivative(a, b, c, m):
    calibration = Calibration(a, b, c, np.zeros((3, 3)), 0)
    step = 1e-5
    ends = calibration.probability(np.array([m - step, m + step]))
    assert calibration.slope(np.array([m]))[0] == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-3, abs=1e-8)


def test_the_variance_is_what_refits_on_new_rows_show():
    at = np.array([-2.0, 0.0, 1.5])
    fits = [Calibration.fit(*drawn(400, lambda m: 0.8 * m + 0.3, seed)) for seed in range(120)]
    spread = np.var([f.log_odds(at) for f in fits], axis=0)
    said = np.mean([f.variance(at) for f in fits], axis=0)
    # The ridge holds a and b, so that refits vary a little less than said.
    assert np.all(said > 0.8 * spread)
    assert np.all(said < 3 * spread)


def test_it_survives_being_written_down():
    found = Calibration.fit(*drawn(300, lambda m: m))
    again = Calibration.from_raw(found.to_raw())
    assert (again.a, again.b, again.c, again.rows) == (found.a, found.b, found.c, found.rows)
    np.testing.assert_array_equal(again.covariance, found.covariance)


def test_a_map_that_falls_is_refused():
    with pytest.raises(ValueError, match="rises"):
        Calibration(-1.0, 1.0, 0.0, np.zeros((3, 3)), 0)
