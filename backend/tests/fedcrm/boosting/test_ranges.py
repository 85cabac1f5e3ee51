import numpy as np
import pytest

from fedcrm.boosting.kernels import count_cells
from fedcrm.boosting.ranges import FINE, grid, range_of


def counts_of(values, deviation=0.0, seed=0):
    x = np.asarray(values, np.float32)
    counts = count_cells(x, grid(FINE), len(grid(FINE)) + 2)[:-1].astype(float)
    noise = np.random.default_rng(seed).normal(size=len(counts)) * deviation
    return counts + noise, np.full(len(counts), deviation**2)


@pytest.mark.parametrize(
    ("low", "high", "draw"),
    [
        (18, 119, lambda r: r.uniform(18, 119, 5000)),
        (92, 95, lambda r: r.uniform(92, 95, 5000)),
        (-51, -27, lambda r: r.uniform(-51, -27, 5000)),
        (-3.4, 1.4, lambda r: r.uniform(-3.4, 1.4, 5000)),
        (0, 6, lambda r: r.integers(0, 7, 5000)),
    ],
)
@pytest.mark.parametrize("deviation", [0.0, 10.0])
def test_the_range_covers_the_values_with_little_room_to_spare(low, high, draw, deviation):
    found = range_of(*counts_of(draw(np.random.default_rng(1)), deviation), FINE)
    assert found is not None
    width, cell = high - low, max(abs(low), abs(high)) / 8  # an octave has eight cells
    assert low - cell <= found.low <= low + 0.1 * width
    assert high - 0.1 * width <= found.high <= high + cell
    assert not found.log


def test_heavy_tails_are_cut_on_a_log_scale():
    found = range_of(*counts_of(np.exp(np.random.default_rng(2).normal(8, 1.5, 5000)), 5.0), FINE)
    assert found is not None
    assert found.log


def test_one_record_far_out_does_not_move_the_range():
    values = np.random.default_rng(3).uniform(10, 20, 5000)
    base = range_of(*counts_of(values, 10.0), FINE)
    assert base == range_of(*counts_of(np.append(values[1:], 1e9), 10.0), FINE)


def test_a_field_drowned_in_noise_or_empty_or_all_zero_has_no_range():
    assert range_of(*counts_of(np.random.default_rng(4).uniform(0, 1e6, 50), 100.0), FINE) is None
    assert range_of(*counts_of([np.nan] * 100), FINE) is None
    assert range_of(*counts_of([0.0] * 1000), FINE) is None


def test_edges_never_are_values_of_the_data():
    values = np.random.default_rng(5).lognormal(3, 1, 4000).astype(np.float32)
    found = range_of(*counts_of(values), FINE)
    assert found is not None
    assert found.low in grid(FINE).astype(float) or found.low == 0
    assert found.high in grid(FINE).astype(float)
