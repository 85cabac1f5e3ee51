import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fedcrm.boosting import RidgeLogit, TunedTrees, log_loss, make_folds

from .conftest import make_federation


@pytest.fixture(scope="module")
def table():
    federation = make_federation((2500,), seed=5)
    return federation.X[0], federation.y[0]


@pytest.mark.parametrize(("n", "folds"), [(40, 5), (2999, 5), (3000, 3), (7999, 3), (8000, 1), (20000, 1)])
def test_folds_follow_the_number_of_rows_and_keep_the_class_mix(n, folds):
    y = (np.random.default_rng(0).random(n) < 0.3).astype(float)
    found = make_folds(y, seed=1)
    assert found.count == folds
    for fitted, held in found.pairs():
        assert not np.any(fitted & held)
        assert abs(y[held].mean() - y.mean()) < 0.08
    assert found.held_out.mean() == pytest.approx(0.25 if folds == 1 else 1.0, abs=0.01)


def test_folds_never_part_a_group():
    y = (np.random.default_rng(0).random(600) < 0.3).astype(float)
    groups = np.arange(600) // 3
    of = make_folds(y, 0, groups).of.reshape(-1, 3)
    assert np.all(of == of[:, :1])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sizes", [(30, 1, 1, 1, 1), (40, 3), (1, 1, 50), (9, 9, 9, 9)])
def test_every_fold_sees_both_classes_however_the_positives_lie_in_groups(sizes, seed):
    groups = np.repeat(np.arange(len(sizes) + 60), [*sizes, *[2] * 60])
    y = (groups < len(sizes)).astype(float)
    folds = make_folds(y, seed, groups)
    assert all(len(np.unique(y[fitted])) == 2 for fitted, _ in folds.pairs())
    assert all(len(np.unique(folds.of[groups == g])) == 1 for g in np.unique(groups))


def test_all_positives_in_one_group_cannot_be_folded():
    groups = np.arange(100) // 10
    with pytest.raises(ValueError, match="folded"):
        make_folds((groups == 0).astype(float), 0, groups)


def test_a_rare_class_lowers_the_number_of_folds_and_a_single_one_is_refused():
    y = np.zeros(100)
    y[:3] = 1
    assert make_folds(y, 0).count == 3
    y[:2] = 0
    with pytest.raises(ValueError, match="folded"):
        make_folds(y, 0)


@pytest.mark.slow
def test_trees_out_of_fold_scores_are_honest_and_explanations_add_up(table):
    X, y = table
    category = np.array([False, False, True, False])
    shuffled = np.random.default_rng(0).permutation(y)
    folds = make_folds(shuffled, 0)
    assert abs(roc_auc_score(shuffled, TunedTrees.fit(X, shuffled, folds, 0, category).oof) - 0.5) < 0.05
    folds = make_folds(y, 0)
    trees = TunedTrees.fit(X, y, folds, 0, category)
    assert 0.7 < roc_auc_score(y, trees.oof) < roc_auc_score(y, trees.margin(X))
    np.testing.assert_allclose(trees.contributions(X).sum(axis=1), trees.margin(X), atol=1e-5)


def test_trees_on_a_perfect_base_margin_add_nothing(table):
    X, _ = table
    rng = np.random.default_rng(1)
    margin = 3 * rng.normal(size=len(X))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-margin))).astype(float)
    trees = TunedTrees.fit(X, y, make_folds(y, 0), 0, base_margin=margin)
    assert np.abs(trees.margin(X)).mean() < 0.15
    assert log_loss(y, trees.oof) < 1.05 * log_loss(y, margin)


def test_ridge_on_plain_numbers_equals_scikit_learn(table):
    X, y = table
    X = np.nan_to_num(X[:, [1, 3]])
    folds = make_folds(y, 0)
    mine = RidgeLogit.fit(X, y, folds)
    Z = (X - X.mean(0)) / X.std(0)
    fits = [
        LogisticRegression(C=C, max_iter=300, tol=1e-3).fit(Z, y) for C in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    ]
    assert min(np.abs(f.decision_function(Z) - mine.margin(X)).max() for f in fits) < 1e-4


def test_ridge_reads_categories_level_by_level_and_its_points_add_up(table):
    X, y = table
    plain = RidgeLogit.fit(X, y, make_folds(y, 0), np.array([True, False, False, False]))
    better = RidgeLogit.fit(
        X, y, make_folds(y, 0), np.array([True, False, False, False]), np.array([False, False, True, False])
    )
    assert log_loss(y, better.oof) < log_loss(y, plain.oof) - 0.005
    np.testing.assert_allclose(better.contributions(X).sum(axis=1), better.margin(X), atol=1e-9)


def test_columns_without_values_or_variance_do_no_harm(table):
    X, y = table
    X = np.hstack([X, np.full((len(X), 1), np.nan, np.float32), np.ones((len(X), 1), np.float32)])
    model = RidgeLogit.fit(X, y, make_folds(y, 0))
    assert np.all(np.isfinite(model.margin(X)))
    assert np.all(model.contributions(X)[:, 4:6] == 0)
