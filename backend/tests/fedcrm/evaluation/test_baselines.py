import numpy as np
import pytest
import xgboost as xgb

from fedcrm.evaluation.baselines import Columns, fit_central, fit_local
from fedcrm.evaluation.folds import Folds, log_loss
from fedcrm.evaluation.metrics import auc
from fedcrm.evaluation.tuned_trees import GRID, fit_trees
from fedcrm.features import Field, Kind, Schema, Table

SCHEMA = Schema(
    (
        Field("a", Kind.NUMERIC, ("a",), "number", low=0.0, high=1e5, log=True),
        Field("b", Kind.NUMERIC, ("b",), "number", low=-5.0, high=5.0),
        Field("c", Kind.CATEGORICAL, ("c",), "category", categories=("x", "y", "z")),
    )
)


def draw(rows, seed, shift=0.0):
    """A federation of one kind: smooth in log a, a step in b, one category that matters; some values missing."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.exp(rng.normal(5, 2, rows)), rng.normal(size=rows), rng.integers(0, 4, rows)])
    z = 0.5 * (np.log1p(X[:, 0]) - 5) + 1.5 * (X[:, 1] > 0.3) + (X[:, 2] == 1) - 1.5 + shift
    y = (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.int8)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Table(X.astype(np.float32), y)


@pytest.fixture(scope="module")
def local():
    return fit_local(draw(900, 1), SCHEMA, seed=3)


def test_categories_become_columns_and_missing_ones_none_of_them():
    X = np.array([[7, 0, 2], [np.nan, 1, np.nan]], dtype=np.float32)
    Z = Columns.of(SCHEMA, ("p", "q")).expand(X, np.array([1, 0]))
    expected = [[7, 0, 0, 0, 1, 0, 0, 1], [np.nan, 1, 0, 0, 0, 0, 1, 0]]
    assert np.array_equal(Z, np.array(expected, dtype=np.float32), equal_nan=True)
    assert np.array_equal(Columns.of(SCHEMA, ("p", "q")).logs()[:2], [0, np.nan], equal_nan=True)
    assert len(Columns.of(SCHEMA, ("p", "q")).logs()) == Z.shape[1]


def test_columns_that_say_nothing_about_the_rows_are_left_out():
    X = np.array([[7, np.nan, 1], [7, np.nan, 3], [np.nan, np.nan, 1]], dtype=np.float32)
    columns = Columns.of(SCHEMA).without_constants(X)
    assert columns.kept.tolist() == [0, 3, 5]  # a with and without value; the second category and "other"
    assert columns.expand(X).shape == (3, 3)
    assert np.array_equal(columns.logs(), [0, np.nan, np.nan], equal_nan=True)
    assert Columns.of(SCHEMA).without_constants(X[:1]).expand(X).shape == (3, 1)


def test_the_strong_local_model_is_at_least_as_good_as_either_of_its_parts(local):
    test = draw(6_000, 2)
    Z = local.columns.expand(test.X)
    parts = [auc(test.y, local.trees.margin(Z)), auc(test.y, local.linear.margin(Z))]
    assert auc(test.y, local.margin(test.X)) > max(parts) - 0.003
    assert auc(test.y, local.margin(test.X)) > 0.75


def test_the_stack_is_a_sum_of_its_parts_with_weights_that_are_not_negative(local):
    X = draw(50, 4).X
    Z = local.columns.expand(X)
    total = local.intercept + np.array(local.weights) @ [local.trees.margin(Z), local.linear.margin(Z)]
    assert np.allclose(local.margin(X), total)
    assert min(local.weights) >= 0


def test_margins_are_calibrated_log_odds(local):
    test = draw(6_000, 2)
    probability = 1 / (1 + np.exp(-local.margin(test.X)))
    assert probability.mean() == pytest.approx(draw(900, 1).y.mean(), abs=0.03)


def test_the_same_rows_and_seed_give_the_same_model_bit_for_bit(local):
    X = draw(100, 5).X
    assert np.array_equal(fit_local(draw(900, 1), SCHEMA, seed=3).margin(X), local.margin(X))


def test_pooling_helps_and_knows_whose_a_row_is():
    tables = {"low": draw(400, 6, shift=-1.5), "high": draw(400, 7, shift=1.5)}
    central = fit_central(tables, SCHEMA, seed=1)
    X = draw(500, 8).X
    assert central.margin(X, "high").mean() > central.margin(X, "low").mean() + 1
    with pytest.raises(ValueError, match="not in"):
        central.margin(X, "stranger")


@pytest.mark.slow
def test_the_order_in_which_participants_come_does_not_matter():
    tables = {"p": draw(100, 6), "q": draw(100, 7)}
    X = draw(100, 8).X
    first = fit_central(tables, SCHEMA, seed=1).margin(X, "p")
    assert np.array_equal(first, fit_central(dict(reversed(tables.items())), SCHEMA, seed=1).margin(X, "p"))


def test_a_handful_of_rows_is_enough_to_fit_something_finite():
    table = draw(12, 9)
    label = np.array([1, 1, *[0] * 10], dtype=np.int8)
    assert np.isfinite(fit_local(Table(table.X, label), SCHEMA, seed=1).margin(table.X)).all()


def test_one_row_of_a_class_is_refused():
    table = draw(12, 9)
    with pytest.raises(ValueError, match="two rows of each class"):
        fit_local(Table(table.X, np.array([1, *[0] * 11], dtype=np.int8)), SCHEMA, seed=1)


def test_a_field_without_public_categories_does_no_harm():
    schema = Schema((SCHEMA.fields[1], Field("c", Kind.CATEGORICAL, ("c",), "category")))
    table = draw(200, 1)
    X = np.column_stack([table.X[:, 1], np.zeros(200)]).astype(np.float32)
    assert np.isfinite(fit_local(Table(X, table.y), schema, seed=1).margin(X)).all()


def test_tuned_trees_choose_by_held_out_loss_and_stop_where_it_is_least():
    table = draw(600, 11)
    Z, folds = Columns.of(SCHEMA).expand(table.X), Folds(table.y, 1)
    unable = {**GRID[1], "min_child_weight": 1e9}  # never splits
    chosen, margins = fit_trees(Z, table.y, folds, 1, grid=(unable, GRID[1]))
    assert chosen.settings == GRID[1]

    losses = []
    for held in folds:
        train = xgb.QuantileDMatrix(Z[~held], table.y[~held], max_bin=64)
        booster = xgb.train({**GRID[1], "seed": 1}, train, chosen.rounds + 15)
        check = xgb.DMatrix(Z[held])
        by_rounds = range(max(1, chosen.rounds - 15), chosen.rounds + 16)
        losses.append(
            [
                log_loss(table.y[held], booster.predict(check, output_margin=True, iteration_range=(0, r)))
                for r in by_rounds
            ]
        )
        assert np.allclose(
            margins[held],
            booster.predict(check, output_margin=True, iteration_range=(0, chosen.rounds)),
            atol=1e-5,
        )
    assert by_rounds[int(np.argmin(np.mean(losses, axis=0)))] == chosen.rounds
    assert sum(weight for weight, _ in chosen.boosters) == pytest.approx(1)
