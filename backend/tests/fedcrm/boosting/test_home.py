import json
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from fedcrm.boosting import Choice, HomeModel, LocalModel
from fedcrm.boosting.adjusted import evidence_logit
from fedcrm.boosting.home import PRIOR, _choose
from fedcrm.boosting.stack import Stack
from fedcrm.errors import StorageError

from .conftest import Federation, make_federation, train


@pytest.fixture(scope="module")
def parts():
    federation = make_federation((300, 900, 1600, 3000))
    model = train(federation, 1.67)[0].model()
    small = make_federation((320, 400), seed=21)
    return federation, model, small


@pytest.fixture(scope="module")
def home(parts):
    _, model, small = parts
    X, y = small.X[0], small.y[0]
    return HomeModel.fit(model, X[:280], y[:280], X[280:], y[280:])


def test_a_small_organisation_gains_from_the_federation(parts, home):
    federation, _, _ = parts
    truth = federation.truth(federation.held)
    y = np.random.default_rng(0).random(len(truth)) < 1 / (1 + np.exp(-truth))
    assert home.chosen is Choice.PERSONAL
    assert roc_auc_score(y, home.margin(federation.held)) > roc_auc_score(y, home.local.margin(federation.held)) + 0.01


def test_contributions_add_up_to_the_margin_for_every_part(parts, home):
    X = parts[0].held[:500]
    for model in (home, home.personal, home.local, home.personal.adjusted, home.local.trees, home.local.logit):
        np.testing.assert_allclose(model.contributions(X).sum(axis=1), model.margin(X), atol=1e-5)


def test_weights_are_not_negative_and_lean_on_what_the_federation_knows(home):
    assert set(home.weights) == {"A", "R", "Lx", "Ll", "F"}
    assert min(home.weights.values()) >= 0
    assert home.weights["A"] + home.weights["R"] + home.weights["F"] > home.weights["Lx"] + home.weights["Ll"]


def test_saving_and_loading_gives_the_same_scores_and_points_without_pickle(tmp_path, parts, home):
    home.save(tmp_path / "model")
    again = HomeModel.load(tmp_path / "model")
    X = parts[0].held[:300]
    np.testing.assert_array_equal(again.margin(X), home.margin(X))
    np.testing.assert_array_equal(again.personal.contributions(X), home.personal.contributions(X))
    np.testing.assert_array_equal(again.local.margin(X), home.local.margin(X))
    assert again.chosen is home.chosen
    assert {p.suffix for p in (tmp_path / "model").iterdir()} <= {".json", ".ubj"}


@pytest.mark.parametrize("spoiled", ["home.json", "local.json", "trees.json", "residual.json"])
def test_files_that_are_not_ours_are_refused_by_name(tmp_path, home, spoiled):
    home.save(tmp_path)
    (tmp_path / spoiled).write_text("{}")
    with pytest.raises(StorageError, match=spoiled):
        HomeModel.load(tmp_path)
    (tmp_path / spoiled).unlink()
    with pytest.raises(StorageError, match=spoiled):
        HomeModel.load(tmp_path)


def test_a_model_of_another_federation_is_refused(tmp_path, home):
    home.save(tmp_path)
    raw = json.loads((tmp_path / "home.json").read_text())
    raw["coefficients"] = raw["coefficients"][:-1]
    (tmp_path / "home.json").write_text(json.dumps(raw))
    with pytest.raises(StorageError, match=r"home\.json"):
        HomeModel.load(tmp_path)


def test_without_a_fresh_row_the_stack_is_chosen_on_the_strength_of_the_seen_ones(parts):
    _, model, small = parts
    X, y = small.X[0], small.y[0]
    home = HomeModel.fit(model, X, y, X[:0], y[:0])
    assert home.chosen is Choice.PERSONAL
    assert min(home.weights.values()) >= 0


def test_a_row_of_weight_two_counts_like_two_rows():
    rng = np.random.default_rng(3)
    parts, y = rng.normal(size=(60, 2)), (rng.random(60) < 0.4).astype(float)
    weight = np.where(np.arange(60) < 20, 2.0, 1.0)
    once = Stack.fit(parts, y, (0.5, 0.5), weight=weight)
    twice = Stack.fit(np.concatenate([parts, parts[:20]]), np.concatenate([y, y[:20]]), (0.5, 0.5))
    np.testing.assert_allclose(once.weights, twice.weights, atol=1e-4)


def test_no_row_at_all_leaves_the_prior_in_charge():
    stack = Stack.fit(np.zeros((0, 5)), np.zeros(0), PRIOR)
    np.testing.assert_allclose(stack.weights, PRIOR)
    assert stack.intercept == 0


def test_one_class_alone_is_refused(parts):
    _, model, small = parts
    X = small.X[0]
    with pytest.raises(ValueError, match="folded"):
        HomeModel.fit(model, X[:50], np.zeros(50), X[50:60], np.zeros(10))


def test_a_local_model_of_other_rows_is_refused(parts, home):
    _, model, small = parts
    X, y = small.X[0], small.y[0]
    with pytest.raises(ValueError, match="these rows"):
        HomeModel.fit(model, X[:100], y[:100], X[100:200], y[100:200], local=home.local)


@pytest.mark.slow
def test_a_misleading_federation_is_left_for_the_local_model():
    """Everybody else's labels are reversed; the organisation has plenty of its own."""
    federation = make_federation((4000, 4000), seed=3)
    reversed_ = Federation(
        federation.schema, federation.X, [1 - y for y in federation.y], federation.truth, federation.held
    )
    model = train(reversed_, math.inf)[0].model()
    own = make_federation((2400,), seed=8)
    home = HomeModel.fit(model, own.X[0][:2000], own.y[0][:2000], own.X[0][2000:], own.y[0][2000:])
    truth = federation.truth(federation.held)
    y = truth > np.median(truth)
    assert roc_auc_score(y, home.margin(federation.held)) > 0.85


def test_the_local_model_is_chosen_only_when_clearly_better():
    rng = np.random.default_rng(4)
    y = (rng.random(400) < 0.5).astype(float)
    good, bad = 2 * (y - 0.5) + rng.normal(size=400), rng.normal(size=400)
    assert _choose(bad, good, y) is Choice.LOCAL
    assert _choose(good, bad, y) is Choice.PERSONAL
    assert _choose(bad[:5], bad[:5] + 0.01, y[:5]) is Choice.PERSONAL
    assert _choose(bad[:0], good[:0], y[:0]) is Choice.PERSONAL


def test_evidence_logit_equals_a_direct_maximisation_at_the_variances_it_settles_on():
    rng = np.random.default_rng(5)
    n = 4000
    Z = rng.normal(size=(n, 6)).astype(np.float32)
    groups = np.array([0, 0, 1, 1, 2, 2])
    truth = np.array([0.4, -0.3, 0.2, 0.0, 0.0, 0.1])
    offset = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(offset + 0.2 + Z @ truth)))).astype(float)
    beta, shift = evidence_logit(Z, groups, y, offset)

    def loss(x):
        z = offset + Z @ x[:-1] + x[-1]
        return np.sum(np.logaddexp(0, z) - y * z)

    free = minimize(loss, np.zeros(7), method="BFGS").x
    # With 4,000 rows the prior is weak: shrunk a little towards zero, never past the free answer.
    np.testing.assert_allclose(np.append(beta, shift), free, atol=0.05)
    assert np.sum(beta**2) < np.sum(free[:-1] ** 2)


def test_an_organisation_reuses_a_local_model_fitted_before(parts, home):
    _, model, small = parts
    X, y = small.X[0], small.y[0]
    local = LocalModel.fit(X, y, 0, model.schema)
    again = HomeModel.fit(model, X[:280], y[:280], X[280:], y[280:], local=local)
    held = parts[0].held[:100]
    np.testing.assert_array_equal(again.margin(held), home.margin(held))
