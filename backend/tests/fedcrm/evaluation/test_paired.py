"""Differences are taken seed by seed, and only then averaged."""

import numpy as np
import pytest

from fedcrm.evaluation.paired import across, paired
from fedcrm.evaluation.runs import Method, Run, SetRuns

LOCAL, CENTRAL, FEDERATED = (0.70, 0.60, 0.80), (0.74, 0.63, 0.82), (0.72, 0.62, 0.83)


def found(name="churn", shift=0.0):
    made = SetRuns(name, "auc", ("a", "b"))
    for seed, values in enumerate(zip(LOCAL, CENTRAL, FEDERATED, strict=True)):
        keys = ((Method.LOCAL, None), (Method.CENTRAL, None), (Method.FEDERATED, 8.0))
        runs = [Run(*key, seed, {"a": value + shift}) for key, value in zip(keys, values, strict=True)]
        made = made.with_seed(seed, ["b"] if seed == 2 else [], runs)
    return made


def test_the_error_of_a_difference_is_that_of_the_pairs_and_not_of_the_means():
    table = paired(found())
    line = next(line for line in table.lines if line.method is Method.FEDERATED)
    pairs = np.subtract(FEDERATED, LOCAL)
    assert line.local.mean == pytest.approx(pairs.mean())
    assert line.local.standard_error == pytest.approx(pairs.std(ddof=1) / np.sqrt(3))
    assert line.mean.standard_error > 3 * line.local.standard_error
    assert line.central.mean == pytest.approx(np.subtract(FEDERATED, CENTRAL).mean())


def test_whoever_was_left_out_in_any_seed_is_named():
    table = paired(found())
    assert (table.judged, table.left_out) == (("a",), ("b",))


def test_nothing_is_compared_with_itself():
    table = paired(found())
    assert table.lines[0].local is None
    assert table.lines[1].central is None


def test_several_sets_count_alike():
    lines = across([found(), found("win", shift=0.1)])
    assert lines[0].mean.mean == pytest.approx(np.mean(LOCAL) + 0.05)


def test_a_seed_that_one_set_lacks_is_not_in_the_mean():
    other = SetRuns("win", "auc", ("a",)).with_seed(1, [], found().runs[1])
    assert across([found(), other])[0].mean.pairs == 1
    assert across([found(), SetRuns("win", "auc", ("a",))]) == ()


def test_no_finished_seed_is_no_table():
    with pytest.raises(ValueError, match="no seed"):
        paired(SetRuns("churn", "auc", ("a",)))
