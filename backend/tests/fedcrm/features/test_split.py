from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcrm.errors import SettingsError
from fedcrm.features import DataSet, Part, parse_description, split


def data_of(label, participant, unit=None, order=None, x=None):
    raw = {"name": "t", "task": "churn", "label": "y", "positive": 1}
    columns = {"y": label, "x": [str(i) for i in range(len(label))] if x is None else x}
    if unit is not None:
        raw["unit"], columns["u"] = "u", unit
    if order is not None:
        raw["order"], columns["o"] = "o", order
    return DataSet.from_columns(parse_description(raw, Path("t")), columns, participant)


@pytest.fixture
def thousand():
    rng = np.random.default_rng(3)
    return data_of((rng.random(1000) < 0.2).astype(int), rng.choice(["a", "b", ""], 1000, p=[0.6, 0.3, 0.1]))


def test_every_row_of_a_participant_is_in_exactly_one_part(thousand):
    s = split(thousand, seed=1)
    for name in s.participants:
        together = np.concatenate([s.rows(name, part) for part in Part])
        assert sorted(together) == list(thousand.rows(name))
        assert np.array_equal(s.rows(name, *Part), thousand.rows(name))


def test_parts_are_70_10_20_with_the_participants_own_rate(thousand):
    s = split(thousand, seed=1)
    for name in s.participants:
        n, rate = len(thousand.rows(name)), thousand.label[thousand.rows(name)].mean()
        for part, share in zip(Part, (0.7, 0.1, 0.2), strict=True):
            rows = s.rows(name, part)
            assert abs(len(rows) - share * n) <= 2
            assert abs(thousand.label[rows].sum() - share * n * rate) <= 1


def test_the_seed_decides_the_split_and_other_participants_do_not(thousand):
    first, again, other = split(thousand, 1), split(thousand, 1), split(thousand, 2)
    own = thousand.rows("a")
    alone = data_of(thousand.label[own], ["a"] * len(own), x=list(own))
    assert np.array_equal(first.rows("a", Part.TEST), again.rows("a", Part.TEST))
    assert not np.array_equal(first.rows("a", Part.TEST), other.rows("a", Part.TEST))
    assert np.array_equal(thousand.rows("a")[split(alone, 1).rows("a", Part.TEST)], first.rows("a", Part.TEST))


def test_by_time_the_oldest_train_and_the_newest_test():
    order = np.random.default_rng(5).permutation(200)
    data = data_of([0, 1] * 100, ["a"] * 200, order=order)
    s = split(data, 1, by_time=True)
    assert set(order[s.rows("a", Part.TRAIN)]) == set(range(140))
    assert set(order[s.rows("a", Part.VALIDATION)]) == set(range(140, 160))
    assert set(order[s.rows("a", Part.TEST)]) == set(range(160, 200))


def test_by_time_without_an_order_is_refused(thousand):
    with pytest.raises(SettingsError, match="no time order"):
        split(thousand, 1, by_time=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60), st.booleans(), st.integers(0, 9)
)
def test_rows_of_one_unit_are_never_in_two_parts(rows, by_time, seed):
    label = [0, 1, *(int(positive) for _, positive in rows)]
    unit = ["", "", *(f"u{u}" if u else "" for u, _ in rows)]
    data = data_of(label, ["a"] * len(label), unit=unit, order=range(len(label)))
    s = split(data, seed, by_time)
    parts = {part: {unit[i] for i in s.rows("a", part)} - {""} for part in Part}
    assert sum(len(p) for p in parts.values()) == len(set().union(*parts.values()))
    assert len(s.rows("a", *Part)) == len(label)


# A record: (unit or "" for one of its own, label, contents, when). Contents and times repeat, so ties are common.
RECORD = st.tuples(st.sampled_from(["", "", "u", "v", "w"]), st.booleans(), st.integers(0, 5), st.integers(0, 8))


def parts_of(records, by_time, seed):
    """The contents of each part, as a multiset: which of two equal records is where is no difference."""
    unit, label, x, when = zip(*records, strict=True)
    s = split(data_of(list(map(int, label)), ["a"] * len(label), list(unit), list(when), list(x)), seed, by_time)
    return {part: Counter(records[i] for i in s.rows("a", part)) for part in Part}


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=45), st.data(), st.booleans(), st.integers(0, 9))
def test_one_unit_more_moves_at_most_one_other_across_each_cut(records, data, by_time, seed):
    records = [("", False, 90, 3), ("", True, 91, 4), *records]  # a table has both classes
    of_unit = st.lists(st.tuples(st.just("new"), st.booleans(), st.integers(0, 5), st.integers(0, 8)), max_size=4)
    new = data.draw(of_unit) or [("", *data.draw(RECORD)[1:])]
    grown = list(records)
    for record in new:
        grown.insert(data.draw(st.integers(0, len(grown))), record)
    before, after = parts_of(records, by_time, seed), parts_of(grown, by_time, seed)

    def units(counted):
        return {record[0] or record for record in counted if record not in new}

    left = [units(before[part] - after[part]) for part in Part]
    came = [units(after[part] - before[part]) for part in Part]
    assert sum(map(len, left)) <= 2
    # What an organisation trains on changes by the new unit and by one other, which came or left.
    assert len(left[0]) + len(came[0]) <= 1
    assert len(left[2]) + len(came[2]) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(RECORD, min_size=2, max_size=40), st.randoms(), st.booleans(), st.integers(0, 9))
def test_the_order_of_rows_in_the_file_does_not_matter(records, random, by_time, seed):
    records = [("", False, 90, 3), ("", True, 91, 4), *records]
    shuffled = list(records)
    random.shuffle(shuffled)
    assert parts_of(records, by_time, seed) == parts_of(shuffled, by_time, seed)


def test_validation_and_test_never_grow_at_the_same_number_of_units():
    sizes = np.array([[round(n * 0.1), round(n * 0.2)] for n in range(20_001)])
    steps = np.diff(sizes, axis=0)
    assert steps.min() == 0
    assert steps.sum(axis=1).max() == 1


def test_by_time_nothing_trained_on_is_newer_than_what_is_tested():
    rng = np.random.default_rng(2)
    order, unit = rng.permutation(300), [f"u{i}" for i in rng.integers(0, 80, 300)]
    s = split(data_of([0, 1] * 150, ["a"] * 300, unit=unit, order=order), 1, by_time=True)
    newest = {u: max(o for o, v in zip(order, unit, strict=True) if v == u) for u in unit}
    trained = max(newest[unit[i]] for i in s.rows("a", Part.TRAIN))
    assert all(newest[unit[i]] > trained for i in s.rows("a", Part.TEST))


def test_a_participant_with_too_few_of_a_class_in_test_is_named():
    label = [1] * 20 + [0] * 180 + [1] * 40 + [0] * 160
    s = split(data_of(label, ["few"] * 200 + ["enough"] * 200), 1)
    assert s.left_out == ("few",)
    assert s.evaluable("enough")
    assert not s.evaluable("few")
    assert not s.evaluable("nobody")


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_a_tiny_participant_is_split_without_complaint(rows):
    s = split(data_of([0, 1] * 50 + [1] * rows, ["big"] * 100 + ["tiny"] * rows), 1)
    assert sorted(s.rows("tiny", *Part)) == list(range(100, 100 + rows))
    assert s.left_out == ("tiny",)
