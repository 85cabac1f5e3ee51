"""Lanes: wide enough for the sum, for every size of federation, and never clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import OutOfLane, Tampered
from fedcrm.secagg.packing import Lanes

DEGREE = 64


@pytest.mark.parametrize("n", range(3, 51))
@pytest.mark.parametrize("magnitude", [1, 1000, 1 << 22, 1 << 40])
def test_sums_at_the_bounds_stay_in_their_lanes(n, magnitude):
    lanes = Lanes.for_sum(magnitude, n, 59)
    size = lanes.count * DEGREE
    for extreme in (magnitude, -magnitude):
        values = np.full(size, extreme, np.int64)
        values[::3] *= -1
        packed = lanes.pack(values, DEGREE) * np.uint64(n)
        assert packed.max() < 1 << 59
        np.testing.assert_array_equal(lanes.unpack(packed, size, n), n * values)


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 50), st.integers(1, 1 << 50), st.integers(1, 300), st.integers(0, 2**32))
def test_packing_then_adding_is_adding(n, magnitude, size, seed):
    if (2 * magnitude * n).bit_length() > 59:
        with pytest.raises(OutOfLane) as refused:
            Lanes.for_sum(magnitude, n, 59)
        assert refused.value.value == magnitude > refused.value.bound
        return
    lanes = Lanes.for_sum(magnitude, n, 59)
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-magnitude, magnitude + 1, (n, size), dtype=np.int64)
    packed = sum(lanes.pack(v, DEGREE) for v in vectors)
    np.testing.assert_array_equal(lanes.unpack(packed, size, n), vectors.sum(0))


def test_two_lanes_where_two_fit_one_where_not():
    assert Lanes.for_sum((1 << 28) // 9 // 2, 9, 59).count == 2
    assert Lanes.for_sum(1 << 29, 9, 59).count == 1
    assert Lanes.for_sum(1, 3, 59).count == 2  # never more


def test_the_largest_magnitude_is_the_bound_that_a_refusal_names():
    with pytest.raises(OutOfLane) as refused:
        Lanes.for_sum(1 << 58, 9, 59)
    Lanes.for_sum(refused.value.bound, 9, 59)
    with pytest.raises(OutOfLane):
        Lanes.for_sum(refused.value.bound + 1, 9, 59)


@pytest.mark.parametrize("value", [101, -101, np.iinfo(np.int64).max, np.iinfo(np.int64).min])
def test_a_value_out_of_lane_is_refused_never_clipped(value):
    values = np.zeros(10, np.int64)
    values[4] = value
    with pytest.raises(OutOfLane) as refused:
        Lanes.for_sum(100, 3, 59).pack(values, DEGREE)
    assert (refused.value.value, refused.value.bound) == (value, 100)


def test_a_vector_takes_as_many_chunks_as_it_needs():
    lanes = Lanes.for_sum(1 << 20, 9, 59)
    assert [lanes.chunks(size, DEGREE) for size in (1, 128, 129, 256, 257)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("where", ["past the bound", "an unused coefficient", "an unused lane", "above the lanes"])
def test_a_sum_that_no_honest_values_have_is_refused(where):
    lanes = Lanes.for_sum(1 << 20, 3, 59)
    messages = lanes.pack(np.zeros(40, np.int64), DEGREE) * np.uint64(3)
    messages[0, 3] += np.uint64({"past the bound": (1 << 20) * 3 + 1, "above the lanes": 1 << 58}.get(where, 0))
    messages[0, 50] += np.uint64({"an unused coefficient": 1, "an unused lane": 1 << lanes.width}.get(where, 0))
    with pytest.raises(Tampered):
        lanes.unpack(messages, 40, 3)
