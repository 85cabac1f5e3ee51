import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad

from fedcrm.explanation import Calibration, figures
from fedcrm.explanation.points import path_slope

maps = st.builds(
    lambda a, b, c: Calibration(a, b, c, np.zeros((3, 3)), 0),
    st.floats(0.05, 5),
    st.floats(0.05, 5),
    st.floats(-4, 4),
)
shares = st.integers(0, 12).flatmap(
    lambda k: arrays(np.float64, (5, k), elements=st.floats(-8, 8, allow_nan=False, width=64))
)


@given(maps, st.floats(-6, 6), shares, st.integers(0, 2))
def test_baseline_and_points_are_the_score_in_what_is_shown(calibration, baseline, c, decimals):
    _, shown = figures(calibration, baseline, c, decimals)
    if c.shape[1]:
        np.testing.assert_array_equal(shown.baseline + shown.points.sum(axis=1), shown.score)
    assert np.all((shown.score >= 0) & (shown.score <= 100 * 10**decimals))


@given(maps, st.floats(-6, 6), shares, st.integers(0, 2))
def test_no_figure_is_two_units_from_the_exact_one(calibration, baseline, c, decimals):
    _, shown = figures(calibration, baseline, c, decimals)
    slope = path_slope(calibration, baseline, baseline + c.sum(axis=1))
    exact = 100 * 10**decimals * slope[:, None] * c
    assert np.all(np.abs(shown.points - exact) < 2 + 1e-9)


@given(maps, st.floats(-5, 5), st.floats(-5, 5))
def test_the_slope_is_the_integral_along_the_line(calibration, start, end):
    def rate(t):
        return float(calibration.slope(np.array([start + t * (end - start)]))[0])

    assert path_slope(calibration, start, np.array([end]))[0] == pytest.approx(quad(rate, 0, 1)[0], rel=1e-5, abs=1e-9)


def test_at_the_baseline_the_slope_is_the_derivative():
    calibration = Calibration(1.3, 0.8, 0.2, np.zeros((3, 3)), 0)
    np.testing.assert_allclose(
        path_slope(calibration, 0.4, np.array([0.4, 0.4 + 1e-9])), calibration.slope(np.array([0.4, 0.4])), rtol=1e-6
    )


def test_what_adds_nothing_gets_nothing_and_equals_get_equally():
    _, shown = figures(Calibration.identity(), -1.0, np.array([[0.0, 0.9, 0.9, -0.3]]), 1)
    assert shown.points[0, 0] == 0
    assert abs(shown.points[0, 1] - shown.points[0, 2]) <= 1
    assert shown.points[0, 3] < 0


def test_a_record_without_ideas_scores_the_baseline():
    probability, shown = figures(Calibration.identity(), 0.0, np.zeros((2, 0)), 0)
    np.testing.assert_allclose(probability, 0.5)
    assert shown.baseline == 50
    assert shown.score.tolist() == [50, 50]
