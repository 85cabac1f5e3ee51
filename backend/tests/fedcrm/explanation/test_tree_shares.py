import numpy as np
import pytest
import xgboost as xgb

from fedcrm.explanation.tree_shares import TreeTable


def boosters(depth, *, categories=0, gaps=True, rounds=25, fields=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(700, fields)).astype(np.float32)
    types = ["q"] * fields
    if categories:
        X[:, 1] = rng.integers(0, categories, 700)
        types[1] = "c"
    y = (rng.random(700) < 1 / (1 + np.exp(-X[:, 0] * X[:, 2] - 0.4 * X[:, 1]))).astype(float)
    if gaps:
        X[rng.random(X.shape) < 0.1] = np.nan
    data = xgb.QuantileDMatrix(X, y, feature_types=types, enable_categorical=True)
    parameters = {"objective": "binary:logistic", "max_depth": depth, "max_cat_to_onehot": 4, "nthread": 1, "eta": 0.3}
    zero = xgb.DMatrix(
        X, base_margin=np.zeros(len(X), np.float32), feature_types=types, enable_categorical=True, nthread=1
    )
    return xgb.train(parameters, data, rounds), X, zero


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("categories", [0, 3, 12, 300])
def test_shares_are_those_of_xgboosts_tree_shap(depth, categories):
    booster, X, data = boosters(depth, categories=categories)
    table = TreeTable.of([(1.0, booster)])
    theirs = booster.predict(data, pred_contribs=True)
    np.testing.assert_allclose(table.shares(X), theirs[:, :-1], atol=2e-5)
    np.testing.assert_allclose(table.constant, theirs[0, -1], atol=2e-5)


def test_a_feature_met_again_on_a_path_counts_once():
    booster, X, data = boosters(8, fields=3, rounds=10)  # three features, eight levels: each is met several times
    table = TreeTable.of([(1.0, booster)])
    assert np.any(table.before >= 0)
    np.testing.assert_allclose(table.shares(X), booster.predict(data, pred_contribs=True)[:, :-1], atol=2e-5)


def test_weights_scale_and_boosters_add():
    one, X, _ = boosters(4)
    two, _, _ = boosters(2, seed=5)
    both = TreeTable.of([(0.25, one), (0.5, two)])
    separately = 0.25 * TreeTable.of([(1.0, one)]).shares(X) + 0.5 * TreeTable.of([(1.0, two)]).shares(X)
    np.testing.assert_allclose(both.shares(X), separately, atol=1e-12)


def test_the_margin_is_the_constant_and_the_shares_and_what_xgboost_predicts():
    booster, X, data = boosters(6, categories=12)
    table = TreeTable.of([(1.0, booster)])
    np.testing.assert_allclose(table.constant + table.shares(X).sum(axis=1), table.margin(X), atol=1e-10)
    np.testing.assert_allclose(table.margin(X), booster.predict(data, output_margin=True), atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 200])
def test_how_many_records_come_at_once_changes_nothing(count):
    booster, X, _ = boosters(5)
    table = TreeTable.of([(1.0, booster)])
    np.testing.assert_array_equal(table.shares(X[:count]), table.shares(X)[:count])


def test_trees_that_do_not_ask_a_field_do_not_move_when_it_does():
    booster, X, _ = boosters(2, rounds=60)
    table = TreeTable.of([(1.0, booster)])
    asking = table.asking([3])
    assert 0 < len(asking) < len(table)
    moved = X.copy()
    moved[:, 3] = 1.5
    np.testing.assert_allclose(
        asking.margin(moved) - asking.margin(X), table.margin(moved) - table.margin(X), atol=1e-12
    )


def test_categories_beyond_all_that_were_trained_on_go_where_xgboost_sends_them():
    booster, X, _ = boosters(4, categories=40)
    table = TreeTable.of([(1.0, booster)])
    X[:, 1] = np.resize([39, 40, 63, 64, 500, 100_000], len(X))
    types = ["q", "c", "q", "q", "q", "q"]
    zero = np.zeros(len(X), np.float32)
    data = xgb.DMatrix(X, base_margin=zero, feature_types=types, enable_categorical=True, nthread=1)
    np.testing.assert_allclose(table.margin(X), booster.predict(data, output_margin=True), atol=1e-5)


def test_no_trees_say_nothing():
    table = TreeTable.of([])
    X = np.zeros((3, 4), np.float32)
    assert len(table) == 0
    assert not table.shares(X).any()
    assert not table.margin(X).any()
    assert len(table.asking([1])) == 0


def test_no_records_are_no_rows():
    booster, X, _ = boosters(3)
    assert TreeTable.of([(1.0, booster)]).shares(X[:0]).shape == (0, X.shape[1])
