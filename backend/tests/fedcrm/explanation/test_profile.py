import math

import numpy as np
import pytest

from fedcrm.explanation import FieldProfile, Profile, stability_index
from fedcrm.features import Field, Kind, Schema


def schema():
    return Schema(
        (
            Field("size", Kind.NUMERIC, ("size",), "number"),
            Field("kind", Kind.CATEGORICAL, ("kind",), "category", categories=("a", "b")),
        )
    )


def records(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    X = np.stack([rng.normal(size=n), rng.integers(0, 2, n)], axis=1).astype(np.float32)
    X[:50, 0] = np.nan
    return X


def test_the_stability_index_is_its_closed_form():
    before, now = np.array([40, 60]), np.array([60, 40])
    p, q = np.array([40.5, 60.5]) / 101, np.array([60.5, 40.5]) / 101
    assert stability_index(before, now) == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert stability_index(before, before) == 0
    assert stability_index(before, 7 * before) < 1e-4


def test_an_empty_cell_is_no_infinite_drift():
    assert math.isfinite(stability_index(np.array([0, 100]), np.array([100, 0])))


def test_cells_of_a_number_hold_about_equally_many_and_missing_has_its_own():
    found = FieldProfile.fit(records()[:, 0], None)
    assert found.counts.sum() == 1000
    assert found.counts[-1] == 50
    assert found.missing_rate == 0.05
    assert found.counts[:-1].max() < 2 * found.counts[:-1].min()


def test_a_column_of_one_value_or_none_is_no_error():
    assert FieldProfile.fit(np.full(10, 3, np.float32), None).counts.tolist() == [10, 0]
    empty = FieldProfile.fit(np.full(10, np.nan, np.float32), None)
    assert empty.counts[-1] == 10
    assert math.isnan(empty.low)


def test_similar_records_are_counted_as_brute_force_counts_them():
    X = records(200)
    profile = Profile.fit(schema(), X, np.array([3.0, 1.0]), np.random.default_rng(0))
    assert profile.shares.tolist() == [0.75, 0.25]
    cells = profile.cells(X[:20])
    number = profile.fields[0]
    gone, steps = len(number.cuts) + 1, len(number.cuts)
    for i, row in enumerate(cells.astype(int)):
        near = 0
        for other in profile.sample.astype(int):
            d = 0.25 * (row[1] != other[1])
            if row[0] != other[0]:
                d += 0.75 if gone in (row[0], other[0]) else 0.75 * abs(row[0] - other[0]) / steps
            near += d <= profile.radius + 1e-12
        assert profile.similar(cells[i : i + 1])[0] == pytest.approx(near * 200 / len(profile.sample))


def test_the_middle_record_of_ones_own_has_a_twentieth_of_them_around_it():
    X = records(1000)
    profile = Profile.fit(schema(), X, np.array([1.0, 1.0]), np.random.default_rng(0))
    middle = float(np.median(profile.similar(profile.cells(X))))
    assert 0.03 * 1000 < middle < 0.3 * 1000  # cells are coarse: ties reach further


def test_it_survives_being_written_down():
    X = records()
    profile = Profile.fit(schema(), X, np.array([1.0, 2.0]), np.random.default_rng(0))
    again = Profile.from_raw(profile.to_raw())
    np.testing.assert_array_equal(again.similar(again.cells(X)), profile.similar(profile.cells(X)))
    assert [f.counts.tolist() for f in again.fields] == [f.counts.tolist() for f in profile.fields]
