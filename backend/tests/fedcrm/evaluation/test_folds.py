import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from fedcrm.evaluation.folds import Folds, log_loss


@pytest.mark.parametrize(("rows", "folds"), [(100, 5), (2_999, 5), (3_000, 3), (7_999, 3)])
def test_fewer_rows_get_more_folds_of_equal_rate(rows, folds):
    label = (np.arange(rows) % 4 == 0).astype(np.int8)
    f = Folds(label, 1)
    assert len(f) == folds
    assert f.held.all()
    assert sum(map(np.asarray, f)).tolist() == [1] * rows
    for held in f:
        assert abs(label[held].sum() - label.sum() / folds) <= 1


def test_many_rows_get_one_hold_out_of_a_quarter():
    label = (np.arange(8_000) % 10 == 0).astype(np.int8)
    f = Folds(label, 1)
    (held,) = f
    assert held.sum() == 2_000
    assert label[held].sum() == 200
    assert np.array_equal(held, f.held)


def test_folds_follow_the_seed():
    label = (np.arange(100) % 2).astype(np.int8)
    assert np.array_equal(Folds(label, 1).fold, Folds(label, 1).fold)
    assert not np.array_equal(Folds(label, 1).fold, Folds(label, 2).fold)


def test_no_fold_is_left_without_the_rarer_class():
    label = np.array([1, 1, *[0] * 50], dtype=np.int8)
    f = Folds(label, 1)
    assert len(f) == 2
    assert all(label[held].sum() == 1 for held in f)


@pytest.mark.parametrize("label", [[0] * 9, [1, *[0] * 9], []])
def test_fewer_than_two_rows_of_a_class_are_refused(label):
    with pytest.raises(ValueError, match="two rows of each class"):
        Folds(np.array(label, dtype=np.int8), 1)


def test_log_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(2)
    label, margin = (rng.random(50) < 0.4).astype(np.int8), rng.normal(size=50) * 3
    assert log_loss(label, margin) == pytest.approx(sklearn_log_loss(label, 1 / (1 + np.exp(-margin))))
