import numpy as np
import pytest
from scipy.optimize import minimize

from fedcrm.evaluation.folds import Folds
from fedcrm.evaluation.ridge import PENALTIES, Scale, fit_ridge

NONE = np.full(2, np.nan)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    Z = rng.normal([3, -1], [2, 0.5], size=(400, 2)).astype(np.float32)
    label = (rng.random(400) < 1 / (1 + np.exp(-(Z[:, 0] - 3)))).astype(np.int8)
    return Z, label


def test_the_regression_minimises_its_penalised_log_loss(rows):
    Z, label = rows
    fitted, _ = fit_ridge(Z, label, NONE, Folds(label, 1))
    A = (Z - Z.mean(axis=0)) / Z.std(axis=0)

    def loss(x):
        z = A @ x[:2] + x[2]
        return np.sum(np.logaddexp(0, z) - label * z) + fitted.penalty / 2 * x[:2] @ x[:2]

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    assert np.allclose([*fitted.coefficients, fitted.intercept], best.x, atol=2e-3)
    assert fitted.penalty in PENALTIES
    assert np.allclose(fitted.margin(Z), A @ best.x[:2] + best.x[2], atol=0.01)


def test_out_of_fold_margins_do_not_depend_on_the_rows_own_label(rows):
    Z, label = rows
    folds = Folds(label, 1)
    one = next(iter(folds))
    _, before = fit_ridge(Z, label, NONE, folds)
    _, after = fit_ridge(Z, np.where(one, 1 - label, label).astype(np.int8), NONE, folds)
    # The penalty may change with the labels; what it was fitted on for these rows may not.
    assert np.corrcoef(before[one], after[one])[0, 1] > 0.999


def test_missing_values_sit_at_the_median_with_a_flag_of_their_own():
    Z = np.array([[1, 5], [2, 5], [np.nan, 5], [9, 5]], dtype=np.float32)
    scale = Scale.of(Z, NONE)
    out = scale.apply(Z)
    filled = np.array([1, 2, 2, 9])
    assert np.allclose(out[:, 0], (filled - filled.mean()) / filled.std())
    assert np.array_equal(out[:, 1], [0, 0, 0, 0])  # a constant column says nothing
    assert np.array_equal(out[:, 2], [0, 0, 2, 0])


def test_fields_that_spread_by_factor_are_read_as_logarithms():
    Z = np.array([[10.0], [110.0], [1010.0], [np.nan]], dtype=np.float32)
    scale = Scale.of(Z, np.array([10.0]))
    raw = np.log1p([0.0, 100.0, 1000.0])
    assert scale.middle[0] == pytest.approx(raw[1])
    assert scale.apply(np.array([[-5.0]], dtype=np.float32))[0, 0] == pytest.approx(scale.apply(Z)[0, 0])


def test_a_column_without_any_value_and_values_far_out_do_no_harm(rows):
    Z, label = rows
    Z = np.column_stack([Z, np.full(len(Z), np.nan, dtype=np.float32)])
    fitted, margins = fit_ridge(Z, label, np.full(3, np.nan), Folds(label, 1))
    assert np.isfinite(margins).all()
    assert np.isfinite(fitted.margin(np.full((1, 3), 3e38, dtype=np.float32))).all()
