import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.boosting.quantise import HESSIAN_SCALE, QUANTISED_SENSITIVITY, SCALE, quantised, reachable_pairs


def test_the_real_pair_never_leaves_the_unit_disc():
    p = np.linspace(0, 1, 2_000_001)
    assert np.max(p**2 + (HESSIAN_SCALE * p * (1 - p)) ** 2) <= 1.0


def test_no_probability_on_a_fine_grid_passes_the_bound_and_some_pair_attains_it():
    p = np.linspace(0, 1, 4_000_001)
    for y in (0.0, 1.0):
        g, h = quantised(p, np.full_like(p, y))
        norm = np.sqrt((g**2 + h**2).astype(float))
        assert norm.max() <= QUANTISED_SENSITIVITY
    assert math.isclose(np.sqrt((reachable_pairs() ** 2).sum(1)).max(), QUANTISED_SENSITIVITY)
    assert SCALE < QUANTISED_SENSITIVITY < SCALE + 1.0


def test_the_table_of_reachable_pairs_holds_every_pair_of_a_fine_grid():
    p = np.linspace(0, 1, 1_000_001)
    table = {tuple(pair) for pair in reachable_pairs().tolist()}
    for y in (0.0, 1.0):
        g, h = quantised(p, np.full_like(p, y))
        assert {tuple(pair) for pair in np.unique(np.stack([np.abs(g), h], 1), axis=0).tolist()} <= table


@given(st.floats(0, 1), st.booleans())
def test_any_float_probability_stays_within_the_bound(p: float, y: bool):
    g, h = quantised(np.array([p]), np.array([float(y)]))
    assert math.hypot(g[0], h[0]) <= QUANTISED_SENSITIVITY
    assert abs(g[0]) <= SCALE
    assert 0 <= h[0] <= SCALE
